"""Turns at looking at a source, what the record knows of its alerts, and findings that are recorded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from db.arrival import Arrival
from db.database import Database
from db.model.alert import AlertState, Reading
from db.model.finding import read_finding, write_finding
from db.model.incident import EventKind
from db.model.reconcile import FOUND_BY, Over, end_of, finding
from db.store import instances
from db.transactions import ingest, reconcile
from tests.db.builders import (
    POLICY,
    a_delivery,
    a_reading,
    an_alert,
    ask,
    at,
    cannot_see,
    check_record,
    count,
    deliver,
)

GRAFANA = "https://grafana.example/"


def sent(*fingerprints: str) -> Reading:
    """A webhook of one organisation of a Grafana."""
    return replace(a_reading(*(an_alert(name) for name in fingerprints)), external_url=GRAFANA, org="1")


def found(*fingerprints: str, ends: float | None = None) -> list[Arrival]:
    """Findings of these alerts."""
    arrivals = []
    for name in fingerprints:
        alert = an_alert(name, ends=ends)
        reading = Reading("grafana", (alert,), external_url=GRAFANA, org="1", found_by=FOUND_BY)
        arrivals.append(Arrival(finding(alert, (), write_finding(reading), at(300)), reading))
    return arrivals


def test_one_replica_at_a_time_has_the_turn(database: Database) -> None:
    first = reconcile.claim(database, "grafana", "one")
    assert first is not None
    assert (first.memory, first.failures, list(first.senders)) == ("", 0, [])
    assert reconcile.claim(database, "grafana", "two") is None
    assert reconcile.claim(database, "grafana", "two", urgent=True) is None, "however urgent"
    assert reconcile.claim(database, "alertmanager", "two") is not None, "each source has its own turn"


def test_the_next_turn_is_due_after_the_pause_or_when_it_is_urgent(database: Database) -> None:
    reconcile.claim(database, "grafana", "one")
    reconcile.succeeded(database, "grafana", "one", memory="{}", pause=3600)
    assert reconcile.claim(database, "grafana", "two") is None
    urgent = reconcile.claim(database, "grafana", "two", urgent=True)
    assert urgent is not None
    assert urgent.memory == "{}"
    state = reconcile.state(database, "grafana")
    assert state.succeeded_at is not None
    assert state.problem == ""


def test_failures_are_counted_until_a_look_succeeds(database: Database) -> None:
    for failures in (0, 1):
        turn = reconcile.claim(database, "grafana", "one")
        assert turn is not None
        assert turn.failures == failures
        reconcile.failed(database, "grafana", "one", problem="denied", memory="", pause=0)
    assert reconcile.state(database, "grafana").problem == "denied"
    assert reconcile.state(database, "grafana").succeeded_at is None
    reconcile.claim(database, "grafana", "one")
    reconcile.succeeded(database, "grafana", "one", memory="", pause=0)
    turn = reconcile.claim(database, "grafana", "one")
    assert turn is not None
    assert turn.failures == 0


def test_a_replica_that_died_loses_its_turn_with_its_lease_and_cannot_end_another_s(database: Database) -> None:
    reconcile.claim(database, "grafana", "dead", lease_seconds=0)
    turn = reconcile.claim(database, "grafana", "alive")
    assert turn is not None
    reconcile.succeeded(database, "grafana", "dead", memory="stale", pause=0)
    assert reconcile.claim(database, "grafana", "third") is None, "the lease of the living one holds"


def test_a_replica_that_never_heard_of_its_own_turn_takes_it_again(database: Database) -> None:
    assert reconcile.claim(database, "grafana", "one") is not None  # suppose that the answer to its COMMIT was lost
    assert reconcile.claim(database, "grafana", "one") is not None
    assert reconcile.claim(database, "grafana", "two") is None


def test_many_replicas_at_once_give_one_turn(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        turns = list(threads.map(lambda number: reconcile.claim(database, "grafana", str(number)), range(8)))
    assert sum(turn is not None for turn in turns) == 1


def test_senders_are_kept_once_and_apart_by_source(database: Database) -> None:
    one = ("grafana", "grafana|https://grafana.example|1", "observer")
    reconcile.hear(database, [one, ("alertmanager", "alertmanager|http://am:9093|", "hub (prod)")])
    reconcile.hear(database, [one])
    turn = reconcile.claim(database, "grafana", "one")
    assert turn is not None
    assert list(turn.senders) == [one[1:]]


def test_an_instance_remembers_where_it_came_from(database: Database) -> None:
    deliver(database, an_alert("f1"))  # as recorded before origins were kept, or from a body without an address
    ingest.record_delivery(database, a_delivery(), sent("f1", "f2"), POLICY, at(5))
    origins = ask(database, "SELECT fingerprint, origin FROM incident_instances ORDER BY fingerprint")
    assert [row["origin"] for row in origins] == ["grafana|https://grafana.example|1"] * 2
    ingest.record_delivery(
        database, a_delivery(), replace(sent("f1"), external_url="https://replica.example"), POLICY, at(6)
    )
    assert ask(database, "SELECT origin FROM incident_instances WHERE fingerprint = 'f1'") == [
        {"origin": "grafana|https://grafana.example|1"}
    ], "a repetition by another server does not change it"


def test_the_record_says_what_fires_in_open_incidents_and_what_it_knows_of_fingerprints(database: Database) -> None:
    ingest.record_delivery(database, a_delivery(), sent("f1", "f2"), POLICY, at(0))
    deliver(database, an_alert("f2", ends=5), now=5)
    deliver(database, an_alert("f3", service="search"), an_alert("f3", service="search", ends=9), now=9)
    beliefs = reconcile.beliefs(database, "grafana", ["f2", "f3", "unknown"])
    assert [(one.instance.fingerprint, one.rule_uid) for one in beliefs.firing] == [("f1", "checkout_5xx")]
    assert beliefs.firing[0].instance.origin == "grafana|https://grafana.example|1"
    assert {name: [one.state for one in some] for name, some in beliefs.known.items()} == {
        "f2": [AlertState.RESOLVED], "f3": [AlertState.RESOLVED],
    }  # fmt: skip
    assert reconcile.beliefs(database, "alertmanager", []).firing == []
    name = (beliefs.firing[0].instance.incident_id, "f1")
    assert reconcile.labelled(database, [name])[name].labels["service"] == "checkout-api"


def test_findings_are_recorded_once_by_however_many_replicas(database: Database) -> None:
    def record(number: int) -> dict[str, object]:
        (arrival,) = found("f1")
        return ingest.record_delivery(database, arrival.delivery, arrival.reading, POLICY, at(300 + number))

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(record, range(6)))
    assert len({answer["delivery"] for answer in answers}) == 1
    assert count(database, "deliveries") == count(database, "incidents") == count(database, "grafana_alerts") == 1
    check_record(database)


def test_a_finding_names_its_finder_and_is_read_again_as_it_was(database: Database) -> None:
    ingest.record_together(database, found("f1", "f2"), POLICY)
    (arrival,) = found("f1", ends=250)
    ingest.record_delivery(database, arrival.delivery, arrival.reading, POLICY, at(310))
    events = ask(database, "SELECT kind, actor, reason FROM incident_timeline ORDER BY event_id")
    assert {(row["actor"], row["reason"]) for row in events} == {("observer:reconciliation", FOUND_BY)}
    assert [EventKind(row["kind"]) for row in events] == [
        EventKind.OPENED, EventKind.JOINED, EventKind.PARTLY_RESOLVED,
    ]  # fmt: skip
    assert read_finding(arrival.delivery.body) == arrival.reading
    assert read_finding(arrival.delivery.body).origin == "grafana|https://grafana.example|1"
    check_record(database)


def test_the_webhook_after_a_finding_is_a_repetition_however_it_writes_the_start(database: Database) -> None:
    ingest.record_together(database, found("f1"), POLICY)
    answer = deliver(database, an_alert("f1", starts=0.000_999), now=301)
    assert answer["meanings"] == {"repeat": 1}
    answer = deliver(database, an_alert("f1", starts=0.000_999, ends=400), now=401)
    assert answer["meanings"] == {"resolved": 1}
    answer = deliver(database, an_alert("f1", starts=0.002), now=402)
    assert answer["meanings"] == {"new_occurrence": 1}, "a millisecond later is another one"
    check_record(database)


def test_instances_of_many_fingerprints_are_found_in_parts(database: Database) -> None:
    names = [f"f{number}" for number in range(2_500)]
    ingest.record_delivery(database, a_delivery(), sent(*names), POLICY, at(0))
    known = database.transact(lambda tx: instances.of_fingerprints(tx, names))
    assert sorted(known) == sorted(names)


def test_a_blind_alert_whose_end_was_missed_makes_its_own_rule_see_again(database: Database) -> None:
    """It is filed with its data source, and yet its end is that of the rule."""
    deliver(database, an_alert())
    deliver(database, cannot_see(starts=20), now=30)
    believed = {one.instance.fingerprint: one for one in reconcile.beliefs(database, "grafana", []).firing}
    assert {name: one.rule_uid for name, one in believed.items()} == {"f1": "checkout_5xx", "blind-1": "checkout_5xx"}
    instance = believed["blind-1"].instance
    name = (instance.incident_id, instance.fingerprint)
    labelled = reconcile.labelled(database, [name])[name]
    alert = end_of(Over(believed["blind-1"], at(200)), labelled, POLICY, "grafana")
    assert alert is not None
    reading = Reading("grafana", (alert,), external_url=GRAFANA, org="1", found_by=FOUND_BY)
    delivery = finding(alert, (instance,), write_finding(reading), at(300))
    ingest.record_delivery(database, delivery, reading, POLICY, at(300))
    assert ask(database, "SELECT rule_uid, status, unobserved_since FROM incidents ORDER BY number") == [
        {"rule_uid": "checkout_5xx", "status": "active", "unobserved_since": None},
        {"rule_uid": "blind:prometheus", "status": "resolved", "unobserved_since": None},
    ]
    check_record(database)
