"""Finding incidents again."""

from __future__ import annotations

from dataclasses import replace

from db.database import Database
from db.model.alert import Links
from db.model.identity import IncidentId, person
from db.model.incident import EventKind, Filter, Incident, Severity, Status
from db.model.lifecycle import Action
from db.store import instances
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
    found = lookup.show_incident(database, 1, POLICY, latest_alerts=3, latest_events=2)
    assert found is not None
    assert found.incident.alert_count == 8
    assert [alert.fingerprint for alert in found.alerts] == ["f7", "f6", "f5"]
    assert [(event.kind, event.at) for event in found.events] == [(EventKind.JOINED, at(7)), (EventKind.JOINED, at(6))]
    assert found.alerts[0].received_at == at(7)
    assert found.alerts[0].message == "One in ten answers is an error"


def test_what_is_not_there_is_none(database: Database) -> None:
    deliver(database, an_alert())
    assert lookup.show_incident(database, 2, POLICY) is None
    assert lookup.show_incident(database, IncidentId("INC-nowhere"), POLICY) is None
    assert lookup.read_incident(database, IncidentId("INC-nowhere")) is None
    assert lookup.read_incident(database, IncidentId(f"inc-20261120080000-{key_of()}")) is None, "ids are exact"


def the_card(database: Database, number: int = 1) -> Incident:
    """What the card of an incident shows."""
    found = lookup.show_incident(database, number, POLICY)
    assert found is not None
    return found.incident


def test_what_fires_is_shown_and_not_what_recovered(database: Database) -> None:
    pod_a = an_alert("a", labels={"pod": "a"}, values={"restarts": 3})
    pod_b = replace(an_alert("b", starts=1, labels={"pod": "b"}, values={"restarts": 50}), summary="pod b restarts")
    deliver(database, pod_a)
    deliver(database, pod_b, now=1)
    deliver(database, an_alert("a", ends=2, labels={"pod": "a"}, values={"restarts": 0}), now=2)
    fires = the_card(database).fires
    assert [(one.fingerprint, one.first_values, one.last_values) for one in fires.instances] == [
        ("b", "restarts=50", "restarts=50")
    ]
    assert fires.summary == "pod b restarts"


def test_what_fires_is_shown_the_worst_first_then_what_fires_longest(database: Database) -> None:
    for number, severity in enumerate(("warning", "info", "critical", "warning")):
        deliver(database, an_alert(f"f{number}", starts=number, labels={"severity": severity}), now=number)
    assert [one.fingerprint for one in the_card(database).fires.instances] == ["f2", "f0", "f3", "f1"]


def test_the_summary_is_the_newest_one_of_what_burns(database: Database) -> None:
    deliver(database, an_alert("a"))
    deliver(database, an_alert("b", starts=1), now=1)
    deliver(database, replace(an_alert("a"), summary="Nine in ten"), now=300)
    assert the_card(database).fires.summary == "Nine in ten"


def test_links_are_those_of_what_burns_and_the_silence_is_for_all_of_it(database: Database) -> None:
    def fires(pod: str, starts: float) -> None:
        form = f"https://g.example/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DX&matcher=pod%3D{pod}"
        raw = f'{{"dashboardURL": "https://g.example/d/1?var-pod={pod}", "silenceURL": "{form}&orgId=1"}}'
        links = Links(dashboard=f"https://g.example/d/1?var-pod={pod}", silence=f"{form}&orgId=1")
        alert = an_alert(pod, starts=starts, labels={"alertname": "X", "pod": pod}, links=links)
        deliver(database, replace(alert, raw=raw), now=starts)

    fires("a", 0)
    assert "matcher=pod%3Da" in the_card(database).fires.links.silence
    fires("b", 1)
    all_of_it = "https://g.example/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DX&orgId=1"
    assert the_card(database).fires.links == Links(dashboard="https://g.example/d/1?var-pod=a", silence=all_of_it)
    deliver(database, an_alert("a", ends=2, labels={"alertname": "X", "pod": "a"}), now=2)
    shown = the_card(database).fires.links
    assert shown.dashboard == "https://g.example/d/1?var-pod=b"
    assert "matcher=pod%3Db" in shown.silence


def test_of_more_than_are_looked_up_nobody_says_what_they_share(database: Database) -> None:
    form = "https://g.example/alerting/silence/new?matcher=alertname%3DX"
    links = Links(silence=form)
    many = [an_alert(f"f{number}", labels={"alertname": "X"}, links=links) for number in range(instances.MOST_FIRING)]
    deliver(database, *many)
    assert len(the_card(database).fires.instances) == instances.MOST_FIRING
    assert the_card(database).fires.links.silence == ""


def test_a_new_incident_tells_of_what_fires_in_the_resolved_one_before_it(database: Database) -> None:
    deliver(database, an_alert("a"))
    respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(10), policy=POLICY)
    deliver(database, an_alert("b", starts=20), now=20)
    assert the_card(database, 2).fires.elsewhere == 1
    deliver(database, an_alert("a", ends=30), now=30)
    assert the_card(database, 2).fires.elsewhere == 0
