"""What one delivery does: the cases of the table, incidents that open, join, resolve and reopen, and blind alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from db.model.alert import Alert, AlertKind, AlertState, Links, asked_at, is_same_server
from db.model.grouping import Plan, sort
from db.model.identity import person, source
from db.model.incident import EventKind, Severity, Status
from db.model.lifecycle import Action, Refused
from db.model.meaning import Meaning, values_text
from db.model.policy import Policy
from tests.db.builders import a_reading, an_alert, at, cannot_see, key_of
from tests.db.model.record import MemoryRecord

BLIND = AlertKind.BLIND


def meanings(decided: Plan) -> list[Meaning]:
    return [entry.meaning for entry in decided.recorded]


def kinds(decided: Plan) -> list[EventKind]:
    return [event.kind for event in decided.events]


# -- the table, case by case: what is known of the instance, what comes, what it means, whether the instance fires then

FIRED = an_alert(starts=100)
OVER = an_alert(starts=100, ends=160)
AHEAD = an_alert(starts=200_000)  # of a clock that is two days ahead, or local time written as UTC

TABLE: list[tuple[str, list[Alert], Alert, float, Meaning, bool]] = [
    ("firing of an unknown instance", [], an_alert(starts=100), 200, Meaning.NEW_OCCURRENCE, True),
    ("firing with the same start while it fires", [FIRED], an_alert(starts=100), 200, Meaning.REPEAT, True),
    ("firing without a start while it fires", [FIRED], an_alert(starts=None), 200, Meaning.REPEAT, True),
    ("firing with the same start after it resolved", [FIRED, OVER], an_alert(starts=100), 200, Meaning.LATE, False),
    ("firing with an earlier start after it resolved", [FIRED, OVER], an_alert(starts=40), 200, Meaning.LATE, False),
    ("the same just before refire_after", [FIRED, OVER], an_alert(starts=100), 1060, Meaning.LATE, False),
    ("the same at refire_after", [FIRED, OVER], an_alert(starts=100), 1061, Meaning.NEW_OCCURRENCE, True),
    ("firing without a start after it resolved", [OVER], an_alert(starts=None), 200, Meaning.NEW_OCCURRENCE, True),
    ("firing with an earlier start while it fires", [FIRED], an_alert(starts=40), 200, Meaning.LATE, True),
    ("firing with a later start while it fires", [FIRED], an_alert(starts=180), 200, Meaning.NEW_OCCURRENCE, True),
    ("firing with a later start after it resolved", [OVER], an_alert(starts=180), 200, Meaning.NEW_OCCURRENCE, True),
    ("resolved, ended before the known start", [FIRED], an_alert(starts=40, ends=90), 200, Meaning.LATE, True),
    ("resolved, ended exactly at the known start", [FIRED], an_alert(starts=40, ends=100), 200, Meaning.LATE, True),
    ("resolved with the same start", [FIRED], OVER, 200, Meaning.RESOLVED, False),
    ("resolved without times", [FIRED], an_alert(starts=None, resolved=True), 200, Meaning.RESOLVED, False),
    ("resolved with a later start", [FIRED], an_alert(starts=180, ends=190), 200, Meaning.RESOLVED, False),
    ("resolved, earlier start but later end", [FIRED], an_alert(starts=40, ends=190), 200, Meaning.RESOLVED, False),
    ("resolved after it resolved", [FIRED, OVER], OVER, 200, Meaning.REPEAT, False),
    ("firing with the same start in the future", [AHEAD], AHEAD, 200, Meaning.REPEAT, True),
    ("resolved, start in the future", [AHEAD], an_alert(starts=200_000, ends=190), 200, Meaning.RESOLVED, False),
    ("resolved, both in the future", [AHEAD], an_alert(starts=200_000, ends=200_060), 200, Meaning.RESOLVED, False),
    ("resolved, end in the future", [FIRED], an_alert(starts=100, ends=200_000), 200, Meaning.RESOLVED, False),
    (
        "a late copy of a start in the future",
        [AHEAD, an_alert(starts=200_000, ends=165)],
        AHEAD,
        200,
        Meaning.LATE,
        False,
    ),
    ("the same start once it is over, still firing", [AHEAD], AHEAD, 300_000, Meaning.REPEAT, True),
    (
        "resolved soon after a start just ahead",
        [an_alert(starts=190)],
        an_alert(starts=170, ends=185),
        200,
        Meaning.RESOLVED,
        False,
    ),
    (
        "the next outage, clock right again",
        [AHEAD, an_alert(starts=200_000, ends=200_060)],
        an_alert(starts=190),
        200,
        Meaning.NEW_OCCURRENCE,
        True,
    ),
    ("resolved of an unknown instance", [], OVER, 200, Meaning.RESOLVED_UNSEEN, False),
]


@pytest.mark.parametrize(
    ("known", "alert", "now", "meaning", "fires"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE]
)
def test_what_an_alert_means(known: list[Alert], alert: Alert, now: float, meaning: Meaning, fires: bool) -> None:
    record = MemoryRecord()
    for number, earlier in enumerate(known):
        record.deliver(at(160 + number), earlier)
    decided = record.deliver(at(now), alert)
    assert meanings(decided) == [meaning]
    assert record.state_of(key_of(), "f1") is (AlertState.FIRING if fires else AlertState.RESOLVED)


# -- opening, joining, resolving


def test_the_first_alert_opens_an_incident() -> None:
    record = MemoryRecord(Policy(default_channel="#incidents"))
    links = Links(source="https://grafana.example.internal/alerting/grafana/checkout_5xx/view")
    alert = an_alert(starts=-30, labels={"severity": "page"}, values={"A": 0.0742, "C": 1}, links=links)
    decided = record.deliver(at(0), alert)
    (incident,) = decided.opened
    assert incident.incident_id == f"INC-20261120080000-{key_of()}"
    assert (incident.status, incident.severity, incident.version) == (Status.ACTIVE, Severity.CRITICAL, 1)
    assert (incident.title, incident.channel) == ("Checkout 5xx ratio high", "#incidents")
    assert (incident.start_time, incident.first_seen_at, incident.last_seen_at) == (at(-30), at(0), at(0))
    assert (incident.first_values, incident.last_values) == ("A=0.0742", "A=0.0742")
    assert incident.links == links
    assert (incident.last_change, incident.last_change_by) == ("opened", source("grafana"))
    (event,) = decided.events
    assert (event.kind, event.from_status, event.to_status) == (EventKind.OPENED, None, Status.ACTIVE)
    assert dict(event.details) == {"instances": 1, "severity": "critical"}


def test_a_start_in_the_future_is_not_believed() -> None:
    (incident,) = MemoryRecord().deliver(at(0), an_alert(starts=3600)).opened
    assert incident.start_time == at(0)


def test_further_instances_join_the_open_incident() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1"))
    decided = record.deliver(at(30), an_alert("f2", starts=20), an_alert("f3", starts=25))
    assert decided.opened == ()
    (incident,) = decided.changed
    assert (incident.instances_total, incident.instances_firing, incident.version) == (3, 3, 2)
    assert kinds(decided) == [EventKind.JOINED]
    assert dict(decided.events[0].details) == {"instances": 2}


def test_alerts_of_different_keys_open_incidents_in_key_order() -> None:
    alerts = [an_alert(f"f{n}", service=f"s{n}") for n in range(6)]
    decided = MemoryRecord().deliver(at(0), *alerts)
    assert [incident.key for incident in decided.opened] == sorted(key_of(service=f"s{n}") for n in range(6))


def test_an_incident_resolves_when_its_last_firing_instance_resolves() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1"), an_alert("f2"))
    decided = record.deliver(at(60), an_alert("f1", ends=50))
    assert kinds(decided) == [EventKind.PARTLY_RESOLVED]
    assert decided.changed[0].is_open
    decided = record.deliver(at(90), an_alert("f2", ends=80))
    assert kinds(decided) == [EventKind.RESOLVED]
    (incident,) = decided.changed
    assert (incident.status, incident.resolved_time, incident.resolved_by) == (
        Status.RESOLVED,
        at(90),
        source("grafana"),
    )
    assert decided.events[0].reason == "all_instances_resolved"
    assert incident.last_change == "resolved"


def test_what_fires_and_resolves_in_one_delivery_is_an_incident_that_is_over() -> None:
    decided = MemoryRecord().deliver(at(60), an_alert(starts=0), an_alert(starts=0, ends=50))
    (incident,) = decided.opened
    assert not incident.is_open
    assert kinds(decided) == [EventKind.OPENED, EventKind.RESOLVED]


def test_an_instance_resolving_while_another_begins_keeps_the_incident_open() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1"))
    decided = record.deliver(at(60), an_alert("f1", ends=50), an_alert("f2", starts=55))
    assert record.open()[0].instances_firing == 1
    assert set(kinds(decided)) == {EventKind.JOINED, EventKind.PARTLY_RESOLVED}


def test_a_recovery_of_something_never_heard_of_is_kept_and_needs_nobody() -> None:
    record = MemoryRecord()
    decided = record.deliver(at(60), an_alert(starts=0, ends=50))
    (incident,) = decided.opened
    assert (incident.status, incident.resolved_time) == (Status.RESOLVED, at(50))
    assert decided.events[0].reason == "resolved_unseen"
    again = record.deliver(at(70), an_alert("f2", starts=0, ends=50))
    assert (again.opened, again.touched, len(again.changed)) == ((), (), 1), "it lies with the last incident"
    assert again.events == ()


def test_an_acknowledged_incident_still_resolves_by_itself() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    name = record.open()[0].incident_id
    record.act(at(10), name, Action.ACKNOWLEDGE)
    decided = record.deliver(at(60), an_alert(ends=50))
    assert (decided.events[0].from_status, decided.events[0].to_status) == (Status.ACKNOWLEDGED, Status.RESOLVED)
    assert record.incidents[name].owner == person("U1")


def test_after_an_incident_resolved_the_next_occurrence_opens_another() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    record.deliver(at(60), an_alert(ends=50))
    decided = record.deliver(at(100), an_alert(starts=90))
    assert len(decided.opened) == 1
    assert decided.superseded == ((f"INC-20261120080000-{key_of()}", "f1"),)


def test_two_incidents_of_one_key_within_a_second_have_different_ids() -> None:
    record = MemoryRecord()
    for tenth in range(3):
        record.deliver(at(tenth / 10), an_alert(starts=tenth / 10))
        record.deliver(at(tenth / 10 + 0.05), an_alert(starts=tenth / 10, ends=tenth / 10 + 0.04))
    base = f"INC-20261120080000-{key_of()}"
    assert list(record.incidents) == [base, f"{base}-2", f"{base}-3"]


def test_a_repeat_shows_newer_values_and_nothing_else() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(values={"A": 1}))
    decided = record.deliver(at(60), an_alert(values={"A": 2}))
    assert decided.events == ()
    (incident,) = decided.changed
    assert (incident.first_values, incident.last_values, incident.version) == ("A=1", "A=2", 2)
    assert record.deliver(at(120), an_alert(values={"A": 2})).changed == ()
    assert record.deliver(at(180), an_alert()).changed == (), "absent values say nothing"


def test_a_worse_severity_raises_the_incident_and_a_milder_one_does_not_lower_it() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1", labels={"severity": "warning"}))
    decided = record.deliver(at(10), an_alert("f2", labels={"severity": "critical"}))
    assert kinds(decided) == [EventKind.JOINED, EventKind.SEVERITY_RAISED]
    assert decided.events[1].details == {"severity": "critical"}
    record.deliver(at(20), an_alert("f3", labels={"severity": "info"}))
    assert record.open()[0].severity is Severity.CRITICAL


def test_links_that_were_missing_are_completed() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1", links=Links(source="https://a", runbook="https://b")))
    record.deliver(at(10), an_alert("f2", links=Links(source="https://other", dashboard="https://c")))
    assert record.open()[0].links == Links(source="https://a", runbook="https://b", dashboard="https://c")


def test_alerts_that_were_cut_off_are_noted() -> None:
    record = MemoryRecord()
    decided = record.deliver(at(0), an_alert(), truncated=12)
    assert kinds(decided) == [EventKind.OPENED, EventKind.TRUNCATED]
    assert decided.events[1].details == {"alerts": 12}
    assert record.deliver(at(10), an_alert(), truncated=12).events == (), "a repeat is not news"


# -- people


def resolved_by_a_person(policy: Policy | None = None) -> MemoryRecord:
    """One instance fires since 0; a person resolved the incident at 60."""
    record = MemoryRecord(policy)
    record.deliver(at(0), an_alert())
    record.act(at(60), record.open()[0].incident_id, Action.RESOLVE)
    return record


def test_repeats_of_what_a_person_resolved_open_nothing() -> None:
    record = resolved_by_a_person()
    for minute in range(2, 600):
        decided = record.deliver(at(60 * minute), an_alert())
        assert (decided.opened, decided.changed, meanings(decided)) == ((), (), [Meaning.REPEAT])
    assert len(record.recorded) == 599, "all of them are recorded"


def test_a_new_occurrence_after_a_persons_resolve_opens_an_incident() -> None:
    record = resolved_by_a_person()
    decided = record.deliver(at(120), an_alert(starts=110))
    assert len(decided.opened) == 1


def test_a_new_occurrence_inside_the_reopen_window_reopens() -> None:
    record = resolved_by_a_person(Policy(reopen_window=timedelta(minutes=5)))
    decided = record.deliver(at(120), an_alert(starts=110))
    assert decided.opened == ()
    (incident,) = decided.changed
    assert incident.status is Status.ACTIVE
    assert (kinds(decided), decided.events[0].reason) == ([EventKind.REOPENED], "new_occurrence_in_window")
    assert (decided.events[0].from_status, decided.events[0].to_status) == (Status.RESOLVED, Status.ACTIVE)


def test_at_the_end_of_the_reopen_window_a_new_incident_opens() -> None:
    record = resolved_by_a_person(Policy(reopen_window=timedelta(minutes=5)))
    assert len(record.deliver(at(360), an_alert(starts=350)).opened) == 1


def test_the_source_resolving_what_a_person_resolved_leaves_the_persons_resolve_in_sight() -> None:
    record = resolved_by_a_person()
    decided = record.deliver(at(120), an_alert(ends=110))
    assert kinds(decided) == [EventKind.PARTLY_RESOLVED]
    (incident,) = decided.changed
    assert (incident.resolved_by, incident.last_change, incident.instances_firing) == (person("U1"), "resolved", 0)


def test_another_instance_after_a_persons_resolve_is_a_new_occurrence() -> None:
    record = resolved_by_a_person()
    decided = record.deliver(at(120), an_alert("f1"), an_alert("f2", starts=110))
    assert len(decided.opened) == 1
    assert sorted(meanings(decided)) == [Meaning.NEW_OCCURRENCE, Meaning.REPEAT]
    assert decided.opened[0].instances_firing == 1


def test_an_older_incident_that_a_person_reopened_takes_the_next_occurrence() -> None:
    record = resolved_by_a_person()
    first = next(iter(record.incidents))
    record.deliver(at(120), an_alert(starts=110))
    record.deliver(at(180), an_alert(starts=110, ends=170))
    record.act(at(200), first, Action.REOPEN)
    decided = record.deliver(at(240), an_alert(starts=230))
    assert decided.opened == ()
    assert record.deliver(at(300), an_alert(starts=230)).changed == (), "its repeats are repeats"
    record.deliver(at(400), an_alert(starts=230, ends=390))
    assert not record.incidents[first].is_open


def test_reopening_is_refused_while_another_incident_of_the_key_is_open() -> None:
    record = resolved_by_a_person()
    first = next(iter(record.incidents))
    record.deliver(at(120), an_alert(starts=110))
    assert isinstance(record.act(at(130), first, Action.REOPEN), Refused)


# -- what a card says happened last, when one delivery brought several things

WORSE = an_alert("f2", starts=50, labels={"severity": "critical"})
OTHER = an_alert("f3", starts=50)
MILD = {"severity": "warning"}

TELLING: list[tuple[list[Alert], list[EventKind], EventKind]] = [
    ([OTHER], [EventKind.JOINED], EventKind.JOINED),
    ([WORSE], [EventKind.JOINED, EventKind.SEVERITY_RAISED], EventKind.SEVERITY_RAISED),
    ([OTHER, an_alert(ends=40)], [EventKind.JOINED, EventKind.PARTLY_RESOLVED], EventKind.JOINED),
    ([WORSE, cannot_see()], [EventKind.JOINED, EventKind.SEVERITY_RAISED, EventKind.BLIND], EventKind.BLIND),
    (
        [WORSE, an_alert("f2", starts=50, ends=60), an_alert(ends=40)],
        [EventKind.JOINED, EventKind.SEVERITY_RAISED, EventKind.RESOLVED],
        EventKind.RESOLVED,
    ),
]


@pytest.mark.parametrize(("alerts", "events", "last"), TELLING)
def test_a_card_shows_the_most_telling_of_what_one_delivery_brought(
    alerts: list[Alert], events: list[EventKind], last: EventKind
) -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(labels=MILD))
    (first,) = record.incidents
    decided = record.deliver(at(100), *(replace(alert, labels={**MILD, **alert.labels}) for alert in alerts))
    assert [event.kind for event in decided.events if event.incident_id == first] == events
    assert record.incidents[first].last_change == last


# -- tests, heartbeats (blind alerts: test_grouping_blind)


# -- two servers that call something by the same fingerprint

EU, US = "https://eu.grafana.example/", "https://us.grafana.example"
FROM_US = an_alert(starts=-120)


def test_the_end_that_one_server_tells_ends_only_what_that_server_fired() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(starts=-60), external_url=EU)
    second = record.deliver(at(10), FROM_US, external_url=US)
    assert (meanings(second), kinds(second)) == ([Meaning.NEW_OCCURRENCE], [EventKind.JOINED])
    one = record.deliver(at(20), an_alert(starts=-60, ends=15), external_url=EU)
    assert (meanings(one), kinds(one)) == ([Meaning.RESOLVED], [EventKind.PARTLY_RESOLVED])
    assert meanings(record.deliver(at(30), FROM_US, external_url=US)) == [Meaning.REPEAT]
    other = record.deliver(at(40), an_alert(starts=-120, ends=35), external_url=US)
    assert (meanings(other), kinds(other)) == ([Meaning.RESOLVED], [EventKind.RESOLVED])
    assert record.open() == []


def test_the_second_server_may_recover_first_and_fire_again() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(starts=-60), external_url=EU)
    record.deliver(at(10), FROM_US, external_url=US)
    record.deliver(at(20), an_alert(starts=-120, ends=15), external_url=US)
    assert meanings(record.deliver(at(30), an_alert(starts=-60), external_url=EU)) == [Meaning.REPEAT]
    again = record.deliver(at(50), an_alert(starts=45), external_url=US)
    assert (meanings(again), record.open()[0].instances_total) == ([Meaning.NEW_OCCURRENCE], 2)


def test_one_start_on_two_servers_is_two_instances() -> None:
    """Rules are evaluated at round times, so what both see begins at the same moment."""
    record = MemoryRecord()
    for number, url in enumerate((EU, US)):
        record.deliver(at(number), an_alert(), external_url=url)
    record.deliver(at(20), an_alert(ends=15), external_url=EU)
    (incident,) = record.open()
    assert (incident.instances_total, incident.instances_firing) == (2, 1)


def test_an_end_from_a_server_that_fired_nothing_ends_nothing() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(starts=-60), external_url=EU)
    decided = record.deliver(at(20), an_alert(starts=-120, ends=15), external_url=US)
    assert meanings(decided) == [Meaning.RESOLVED_UNSEEN]
    assert record.open()[0].instances_firing == 1


def test_replicas_are_one_server() -> None:
    """By their common address; where they have two, the end that the other one tells has the very same start."""
    for first, second in (("http://am:9093/", "HTTP://am:9093"), ("http://am-1:9093", "http://am-2:9093")):
        record = MemoryRecord()
        record.deliver(at(0), an_alert(), external_url=first)
        decided = record.deliver(at(20), an_alert(starts=0.0004, ends=15), external_url=second)
        assert (meanings(decided), record.open()) == ([Meaning.RESOLVED], [])
    record = MemoryRecord()
    for number, address in enumerate(("http://am:9093/", "HTTP://am:9093", "")):  # some bodies do not say
        record.deliver(at(number), an_alert(), external_url=address)
    assert [incident.instances_total for incident in record.open()] == [1]


def test_a_server_that_was_asked_is_named_by_its_first_webhook() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(), external_url=asked_at("http://10.0.0.7:9093"))
    decided = record.deliver(at(20), an_alert(), external_url="http://am.example:9093")
    assert meanings(decided) == [Meaning.REPEAT]
    assert [one.origin for one in record.instances.values()] == ["grafana|http://am.example:9093|"]
    record.deliver(at(30), an_alert(ends=25), external_url=asked_at("http://10.0.0.7:9093"))
    assert record.open() == []
    record.deliver(at(2000), an_alert(starts=1000), external_url=asked_at("http://10.0.0.7:9093"))
    assert [one.origin for one in record.instances.values()][-1] == "grafana|http://am.example:9093|"


def test_two_servers_that_cannot_see_are_blind_until_both_see_again() -> None:
    record = MemoryRecord()
    for number, url in enumerate((EU, US)):
        record.deliver(at(number), cannot_see(), external_url=url)
    record.deliver(at(30), cannot_see(ends=25), external_url=EU)
    assert [incident.blind_firing for incident in record.open()] == [1]
    assert record.known(at(30)).blind
    record.deliver(at(40), cannot_see(ends=35), external_url=US)
    assert not record.known(at(40)).blind


def test_tests_and_heartbeats_are_set_aside() -> None:
    test = an_alert("t", kind=AlertKind.TEST)
    watchdog = an_alert("w", labels={"alertname": "Watchdog"})
    ordered = sort(a_reading(test, watchdog, an_alert("f1"), an_alert("b", kind=BLIND)), Policy())
    assert (ordered.tests, ordered.heartbeats) == ((test,), (watchdog,))
    assert [keyed.alert.fingerprint for keyed in (*ordered.keyed, *ordered.blind)] == ["f1", "b"]
    assert ordered.keyed[0].key == key_of()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"A": 7.4, "B": 7.4, "C": 1}, "A=7.4, B=7.4"),
        ({"A": 0, "C": 1}, "A=0"),
        ({"A": 1}, "A=1"),
        ({"C": 1}, ""),
        ({"C": 0.5}, "C=0.5"),
        ({"B0": 1, "restarts": 0}, "B0=1, restarts=0"),
        ({}, ""),
    ],
)
def test_the_outcome_of_a_condition_is_no_value(values: dict[str, float], said: str) -> None:
    assert values_text(an_alert(values=values)) == said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("grafana|http://g|1", "grafana|http://g|1", True),
        ("alertmanager|http://am:9093|", "grafana|http://am:9093|", True),  # one body on either path
        ("grafana|http://g|1", "alertmanager|http://g|", True),  # a Grafana that speaks Alertmanager's dialect
        ("grafana|http://g|1", "grafana|http://g|2", False),
        ("grafana|http://g|1", "grafana|http://other|1", False),
    ],
)
def test_one_server_is_one_in_whatever_dialect_it_speaks(one: str, other: str, same: bool) -> None:
    assert is_same_server(one, other) is is_same_server(other, one) is same


def test_a_sender_that_says_now_each_time_tells_of_one_instance_that_fires_on() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert(starts=0))
    for later in (60, 120):
        decided = record.deliver(at(later), an_alert(starts=later))
        assert (decided.events, decided.changed) == ((), ())
    [incident] = record.open()
    assert (incident.instances_total, incident.instances_firing, incident.version) == (1, 1, 1)
    record.deliver(at(180), an_alert(starts=120, ends=170))
    assert record.open() == []
