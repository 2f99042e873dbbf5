"""Finding incidents again."""

from __future__ import annotations

from db.database import Database
from db.model.identity import IncidentId, person
from db.model.incident import EventKind, Filter, Severity, Status
from db.model.lifecycle import Action
from db.transactions import lookup, respond
from tests.db.builders import POLICY, an_alert, at, deliver, key_of


def several(database: Database) -> None:
    """1 warning, 2 critical, 3 warning of another cluster, 4 critical and acknowledged, 5 resolved."""
    several_of = ("a warning x", "b critical x", "c warning y", "d critical x", "e info x")
    for number, (service, severity, cluster) in enumerate(text.split() for text in several_of):
        alert = an_alert(f"f{number}", service=service, cluster=cluster, labels={"severity": severity})
        deliver(database, alert, now=number)
    respond.change_status(database, 4, Action.ACKNOWLEDGE, person("U1"), at(10), policy=POLICY)
    respond.change_status(database, 5, Action.RESOLVE, person("U1"), at(10), policy=POLICY)


def numbers(database: Database, wanted: Filter, limit: int = 10) -> tuple[list[int], int]:
    listing = lookup.list_incidents(database, wanted, limit)
    assert listing.filter == wanted
    return [incident.number for incident in listing.incidents], listing.total


def test_the_open_ones_are_listed_worst_first_and_of_these_first_what_nobody_has_then_the_oldest(
    database: Database,
) -> None:
    several(database)
    assert numbers(database, Filter()) == ([2, 4, 1, 3], 4)
    deliver(database, an_alert("f9", service="f", cluster="x", labels={"severity": "critical"}), now=20)
    assert numbers(database, Filter()) == ([2, 6, 4, 1, 3], 5)


def test_what_is_over_is_listed_behind_what_is_open_the_newest_first(database: Database) -> None:
    several(database)
    for number in (1, 3):
        respond.change_status(database, number, Action.RESOLVE, person("U1"), at(20), policy=POLICY)
    assert numbers(database, Filter(statuses=(Status.RESOLVED,))) == ([3, 1, 5], 3)
    assert numbers(database, Filter(statuses=())) == ([2, 4, 3, 1, 5], 5)
    assert numbers(database, Filter(statuses=()), 3) == ([2, 4, 3], 5)


def test_a_list_is_limited_and_says_how_many_there_are(database: Database) -> None:
    several(database)
    assert numbers(database, Filter(), 2) == ([2, 4], 4)
    assert numbers(database, Filter(), 4) == ([2, 4, 1, 3], 4)


def test_filters_narrow_the_list(database: Database) -> None:
    several(database)
    assert numbers(database, Filter(statuses=(Status.ACKNOWLEDGED,))) == ([4], 1)
    assert numbers(database, Filter(statuses=(Status.RESOLVED,))) == ([5], 1)
    assert numbers(database, Filter(statuses=())) == ([2, 4, 1, 3, 5], 5)
    assert numbers(database, Filter(severities=(Severity.WARNING, Severity.INFO))) == ([1, 3], 2)
    assert numbers(database, Filter(cluster="y")) == ([3], 1)
    assert numbers(database, Filter(service="b", severities=(Severity.CRITICAL,))) == ([2], 1)
    assert numbers(database, Filter(namespace="nowhere")) == ([], 0)
    assert numbers(database, Filter(service="' OR ''='")) == ([], 0)
    assert numbers(database, Filter(service="%")) == ([], 0)


def test_nothing_recorded_is_an_empty_list(database: Database) -> None:
    assert numbers(database, Filter()) == ([], 0)


def test_one_incident_is_shown_with_its_newest_alerts_and_events_first(database: Database) -> None:
    for number in range(8):
        deliver(database, an_alert(f"f{number}", starts=number), now=number)
    found = lookup.show_incident(database, 1, latest_alerts=3, latest_events=2)
    assert found is not None
    assert found.incident.alert_count == 8
    assert [alert.fingerprint for alert in found.alerts] == ["f7", "f6", "f5"]
    assert [(event.kind, event.at) for event in found.events] == [(EventKind.JOINED, at(7)), (EventKind.JOINED, at(6))]
    assert found.alerts[0].received_at == at(7)
    assert found.alerts[0].message == "One in ten answers is an error"


def test_what_is_not_there_is_none(database: Database) -> None:
    deliver(database, an_alert())
    assert lookup.show_incident(database, 2) is None
    assert lookup.show_incident(database, IncidentId("INC-nowhere")) is None
    assert lookup.read_incident(database, IncidentId("INC-nowhere")) is None
    assert lookup.read_incident(database, IncidentId(f"inc-20261120080000-{key_of()}")) is None, "ids are exact"
