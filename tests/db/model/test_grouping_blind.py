"""Blind data sources: one incident for each, incidents that cannot be observed meanwhile, and silence that is held."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.model.alert import Alert, AlertKind, AlertState
from db.model.blind import Blindness
from db.model.grouping import Plan
from db.model.identity import KeyParts, incident_key, source
from db.model.incident import EventKind, Incident, Severity, Status
from db.model.lifecycle import Action
from db.model.meaning import Meaning
from db.model.policy import Policy
from tests.db.builders import an_alert, at, cannot_see, key_of
from tests.db.model.record import MemoryRecord

SETTLE = 300
HOME = incident_key(KeyParts("blind:prometheus"))


def meanings(decided: Plan) -> list[Meaning]:
    return [entry.meaning for entry in decided.recorded]


def kinds(decided: Plan) -> list[EventKind]:
    return [event.kind for event in decided.events]


def firing_and_blind() -> tuple[MemoryRecord, Incident]:
    """An incident fires since 0, its rule is blind since 30; and the incident."""
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    record.deliver(at(30), cannot_see())
    return record, record.open()[0]


# -- one incident for a data source


def test_all_blind_alerts_of_a_data_source_are_one_incident() -> None:
    record = MemoryRecord()
    alerts = [cannot_see(f"b{n}", f"rule-{n}", severity="critical" if n == 2 else "warning") for n in range(3)]
    (incident,) = record.deliver(at(30), *alerts).opened
    assert (incident.key, incident.title, incident.severity) == (HOME, "No data from prometheus", Severity.CRITICAL)
    assert (incident.blind_firing, incident.is_about_blindness) == (3, True)
    decided = record.deliver(at(1_000), cannot_see("late", "rule-9", starts=990))
    assert (decided.opened, kinds(decided)) == ((), [EventKind.JOINED]), "while it is open, however late"


def test_errors_and_missing_data_of_a_source_are_the_same_incident() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see("no-data"))
    assert record.deliver(at(40), cannot_see("error")).opened == ()
    assert record.open()[0].blind_firing == 2


def test_two_data_sources_are_two_incidents() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see(), cannot_see("b2", "other", uid="loki"))
    assert sorted(incident.title for incident in record.open()) == ["No data from loki", "No data from prometheus"]


def test_a_data_source_goes_by_the_name_that_people_know() -> None:
    record = MemoryRecord(Policy(blind=Blindness(names={"prometheus": "prometheus-main"})))
    (incident,) = record.deliver(at(30), cannot_see()).opened
    assert (incident.title, incident.key) == ("No data from prometheus-main", HOME)


def test_a_rule_of_which_the_data_source_is_not_known_stands_for_it() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see(uid=""), cannot_see("b2", "other", uid=""))
    assert len(record.open()) == 2


def test_several_grafanas_with_equal_uids_are_told_apart_where_the_policy_says_so() -> None:
    for policy, incidents in ((Policy(blind=Blindness(by_origin=True)), 2), (Policy(), 1)):
        record = MemoryRecord(policy)
        record.deliver(at(30), cannot_see("b1"), external_url="https://eu.example/")
        record.deliver(at(40), cannot_see("b2"), external_url="https://us.example/")
        assert len(record.open()) == incidents


def test_blind_and_the_first_alert_of_the_rule_in_one_body_are_the_source_and_an_unobserved_incident() -> None:
    for alerts in ([an_alert(), cannot_see()], [cannot_see(), an_alert()]):
        record = MemoryRecord()
        record.deliver(at(30), *alerts)
        by_key = {incident.key: incident for incident in record.open()}
        assert set(by_key) == {HOME, key_of()}
        assert by_key[key_of()].unobserved_since == at(20)


def test_soon_after_it_was_over_the_same_incident_opens_again() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see())
    record.deliver(at(60), cannot_see(ends=50))
    (first,) = record.incidents
    assert record.open() == []
    record.deliver(at(60 + 599), cannot_see("b2", "other", starts=650))
    assert [incident.incident_id for incident in record.open()] == [first]
    record.deliver(at(700), cannot_see("b2", "other", starts=650, ends=690))
    assert len(record.deliver(at(700 + 600), cannot_see("b3", "third", starts=1_290)).opened) == 1


def test_a_window_of_zero_opens_another_incident() -> None:
    record = MemoryRecord(Policy(blind=Blindness(window=timedelta(0))))
    record.deliver(at(30), cannot_see())
    record.deliver(at(60), cannot_see(ends=50))
    assert len(record.deliver(at(70), cannot_see(starts=65)).opened) == 1


def test_it_is_over_when_all_its_rules_see_again() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see("b1", "r1"), cannot_see("b2", "r2"))
    record.deliver(at(60), cannot_see("b1", "r1", ends=50))
    assert record.open()[0].blind_firing == 1
    decided = record.deliver(at(70), cannot_see("b2", "r2", ends=65))
    assert kinds(decided) == [EventKind.RESOLVED]


# -- incidents of a blind rule


def test_the_open_incidents_of_a_blind_rule_say_so_and_are_not_joined() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1", service="a"), an_alert("f2", service="b"), an_alert("f3", rule="other"))
    decided = record.deliver(at(30), cannot_see())
    (home,) = decided.opened
    assert sorted(kinds(decided)) == [EventKind.BLIND, EventKind.BLIND, EventKind.OPENED]
    for event in decided.events:
        if event.kind is EventKind.BLIND:
            assert dict(event.details) == {"on": "prometheus", "incident": home.incident_id}
    assert len(decided.changed) == 2
    for incident in decided.changed:
        assert (incident.unobserved_since, incident.blind_on) == (at(20), "prometheus")
        assert (incident.blind_incident, incident.instances_total) == (home.incident_id, 1)
    assert [incident.is_blind for incident in record.open() if incident.parts.rule_uid == "other"] == [False]
    decided = record.deliver(at(90), cannot_see(ends=80))
    assert kinds(decided).count(EventKind.SIGHT_RESTORED) == 2
    assert all(incident.unobserved_since is None for incident in record.open())


def test_a_rule_is_blind_until_its_last_blind_alert_is_over() -> None:
    record, _ = firing_and_blind()
    record.deliver(at(40), cannot_see("error", starts=35))
    record.deliver(at(50), cannot_see(ends=45))
    assert record.open()[0].unobserved_since is not None
    record.deliver(at(60), cannot_see("error", starts=35, ends=55))
    assert record.open()[0].unobserved_since is None


def test_what_opens_while_its_rule_is_blind_is_unobserved() -> None:
    record = MemoryRecord()
    record.deliver(at(30), cannot_see())
    (incident,) = record.deliver(at(40), an_alert(starts=35)).opened
    assert incident.unobserved_since == at(20)


def test_resolved_while_the_rule_is_blind_is_no_recovery() -> None:
    record, incident = firing_and_blind()
    decided = record.deliver(at(90), an_alert(ends=80))
    assert (meanings(decided), kinds(decided)) == ([Meaning.HELD], [EventKind.HELD])
    assert decided.events[0].reason == "resolve_while_blind"
    (held,) = decided.changed
    assert (held.is_open, held.held, held.instances_firing) == (True, 1, 1)
    assert meanings(record.deliver(at(100), an_alert(ends=80))) == [Meaning.REPEAT]
    record.settle(at(10_000))
    assert record.incidents[incident.incident_id].is_open, "for as long as the rule is blind"


def test_resolved_beside_the_blind_alert_in_one_body_is_no_recovery() -> None:
    for alerts in ([an_alert(ends=80), cannot_see()], [cannot_see(), an_alert(ends=80)]):
        record = MemoryRecord()
        record.deliver(at(0), an_alert())
        record.deliver(at(90), *alerts)
        assert len(record.open()) == 2


def test_when_sight_returned_and_nothing_fires_it_is_resolved_by_observer() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    waiting = record.incidents[incident.incident_id]
    assert (waiting.sight_at, waiting.unobserved_since) == (at(200), None)
    record.settle(at(200 + SETTLE - 1))
    assert record.incidents[incident.incident_id].is_open
    record.settle(at(200 + SETTLE))
    after = record.incidents[incident.incident_id]
    assert (after.status, after.resolved_time) == (Status.RESOLVED, at(200 + SETTLE))
    assert str(after.resolved_by) == "observer:blind"
    assert record.events[-1].reason == "recovered_while_blind"
    assert record.state_of(key_of(), "f1") is AlertState.RESOLVED


def test_when_sight_returned_what_fires_again_joins_the_open_incident() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    decided = record.deliver(at(260), an_alert(starts=250))
    assert (decided.opened, meanings(decided)) == ((), [Meaning.NEW_OCCURRENCE])
    record.settle(at(10_000))
    again = record.incidents[incident.incident_id]
    assert (again.is_open, again.held, again.sight_at, again.instances_firing) == (True, 0, None, 1)
    record.deliver(at(10_100), an_alert(starts=250, ends=10_090))
    assert not record.incidents[incident.incident_id].is_open, "seen, it resolves as ever"


def test_what_is_due_settles_before_anything_newer_is_decided() -> None:
    """As if the vigil had come to it in time: a replay of the deliveries leaves the same incidents."""
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    decided = record.deliver(at(200 + SETTLE), an_alert(starts=490))
    assert len(decided.opened) == 1
    over = record.incidents[incident.incident_id]
    assert (over.status, str(over.resolved_by), over.last_change) == (Status.RESOLVED, "observer:blind", "resolved")
    assert over.resolved_time == at(200 + SETTLE)
    settled = [event for event in decided.events if event.incident_id == incident.incident_id]
    assert [(event.kind, event.reason) for event in settled] == [(EventKind.RESOLVED, "recovered_while_blind")]


def test_what_is_due_settles_beside_what_fires_again_and_may_open_again() -> None:
    record = MemoryRecord(Policy(reopen_window=timedelta(minutes=1)))
    record.deliver(at(0), an_alert())
    record.deliver(at(30), cannot_see())
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    decided = record.deliver(at(200 + SETTLE), an_alert(starts=490))
    assert kinds(decided) == [EventKind.RESOLVED, EventKind.REOPENED]
    (again,) = record.open()
    assert (again.last_change, again.instances_firing, again.held) == ("reopened", 1, 0)


def test_what_did_not_fire_again_recovers_beside_what_did() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1"), an_alert("f2"))
    record.deliver(at(30), cannot_see())
    record.deliver(at(90), an_alert("f1", ends=80), an_alert("f2", ends=80))
    record.deliver(at(200), cannot_see(ends=190), an_alert("f1", starts=195))
    record.settle(at(200 + SETTLE))
    (incident,) = record.open()
    assert (incident.instances_firing, incident.held) == (1, 0)
    assert (record.events[-1].kind, record.events[-1].reason) == (EventKind.PARTLY_RESOLVED, "recovered_while_blind")


def test_a_resolve_that_is_seen_counts_at_once_also_for_what_was_held() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    decided = record.deliver(at(230), an_alert(ends=220))
    assert meanings(decided) == [Meaning.RESOLVED]
    assert not record.incidents[incident.incident_id].is_open


def test_blind_again_before_it_settled_waits_anew() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    record.deliver(at(210), cannot_see(starts=205))
    record.settle(at(10_000))
    assert record.incidents[incident.incident_id].is_open
    record.deliver(at(10_100), cannot_see(starts=205, ends=10_090))
    record.settle(at(10_100 + SETTLE))
    assert record.open() == []


@pytest.mark.parametrize("reason", ["NoData", "Error"])
def test_resolved_for_want_of_data_waits_for_the_blind_alert_or_settles(reason: str) -> None:
    silent = an_alert(ends=80, reason=reason)
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    decided = record.deliver(at(90), silent)
    assert (meanings(decided), decided.events[0].reason) == ([Meaning.HELD], "resolve_without_data")
    assert record.open()[0].sight_at == at(90)
    record.deliver(at(100), cannot_see(starts=85))
    assert len(record.open()) == 2
    assert record.open()[0].sight_at is None

    alone = MemoryRecord()
    alone.deliver(at(0), an_alert())
    alone.deliver(at(90), silent)
    alone.settle(at(90 + SETTLE))
    assert alone.open() == [], "where no data counts as normal no blind alert ever comes"


def test_resolved_because_a_series_vanished_is_a_recovery_unless_the_rule_is_blind() -> None:
    vanished = an_alert(ends=80, reason="MissingSeries")
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    assert meanings(record.deliver(at(90), vanished)) == [Meaning.RESOLVED]
    record, _ = firing_and_blind()
    assert meanings(record.deliver(at(90), vanished)) == [Meaning.HELD]


# -- the expiry comes before the blind alert


def test_an_incident_that_resolved_by_itself_just_before_its_rule_went_blind_opens_again() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    record.deliver(at(240), an_alert(ends=239))
    assert record.open() == []
    decided = record.deliver(at(300), cannot_see(starts=270))
    assert EventKind.REOPENED in kinds(decided)
    again = next(incident for incident in record.open() if incident.key == key_of())
    assert (again.held, again.instances_firing, again.unobserved_since) == (1, 1, at(270))
    record.deliver(at(900), cannot_see(starts=270, ends=890))
    record.settle(at(900 + SETTLE))
    assert record.open() == []


def test_an_incident_that_resolved_long_before_or_by_a_person_stays_resolved() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert("f1", service="a"), an_alert("f2", service="b"))
    record.deliver(at(10), an_alert("f1", service="a", ends=9))
    record.act(at(500), record.open()[0].incident_id, Action.RESOLVE)
    record.deliver(at(611), cannot_see(starts=605))
    assert [incident.key for incident in record.open()] == [HOME]


def test_what_settled_was_seen_not_to_fire_and_stays_resolved_when_its_source_flaps() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.deliver(at(200), cannot_see(ends=190))
    record.settle(at(200 + SETTLE))
    record.deliver(at(520), cannot_see(starts=510))
    assert [one.key for one in record.open()] == [HOME]
    assert not record.incidents[incident.incident_id].is_open


def test_an_incident_whose_key_has_a_newer_one_stays_resolved() -> None:
    record = MemoryRecord()
    record.deliver(at(0), an_alert())
    record.deliver(at(10), an_alert(ends=9))
    record.deliver(at(20), an_alert("f2", starts=15))
    record.deliver(at(30), cannot_see())
    assert len(record.incidents) == 3
    assert sum(incident.key == key_of() for incident in record.open()) == 1


# -- people


def test_a_person_may_resolve_what_cannot_be_observed_and_what_was_held_is_over() -> None:
    record, incident = firing_and_blind()
    record.deliver(at(90), an_alert(ends=80))
    record.act(at(100), incident.incident_id, Action.RESOLVE)
    after = record.incidents[incident.incident_id]
    assert (after.held, after.unobserved_since, after.instances_firing) == (0, None, 0)
    record.deliver(at(200), cannot_see(ends=190))
    record.settle(at(10_000))
    assert record.incidents[incident.incident_id].resolved_time == at(100)


def test_what_a_person_opens_again_is_unobserved_while_its_rule_is_blind() -> None:
    record, incident = firing_and_blind()
    record.act(at(100), incident.incident_id, Action.RESOLVE)
    record.act(at(110), incident.incident_id, Action.REOPEN)
    assert record.incidents[incident.incident_id].unobserved_since is not None
    record.deliver(at(200), cannot_see(ends=190))
    assert record.incidents[incident.incident_id].unobserved_since is None


def test_a_person_who_resolves_the_blind_incident_makes_no_rule_see() -> None:
    record, incident = firing_and_blind()
    home = next(one for one in record.open() if one.key == HOME)
    record.act(at(100), home.incident_id, Action.RESOLVE)
    record.deliver(at(110), cannot_see())
    assert [one.incident_id for one in record.open()] == [incident.incident_id], "its repeats open nothing"
    assert meanings(record.deliver(at(120), an_alert(ends=119))) == [Meaning.HELD]
    record.deliver(at(130), cannot_see(ends=125))
    record.settle(at(130 + SETTLE))
    assert record.open() == []


# -- legacy Grafana: one message is the state of the whole rule


def legacy(state: str, *, cluster: str = "prod-eu-1", service: str = "checkout-api") -> Alert:
    """One message of legacy Grafana."""
    kind = AlertKind.BLIND if state == "no_data" else AlertKind.NORMAL
    return an_alert(
        "f1", kind=kind, rule="legacy:7", starts=None, resolved=state == "ok", source="grafana-legacy",
        cluster=cluster, service=service,
    )  # fmt: skip


def test_a_legacy_rule_goes_blind_while_it_fires_and_sees_again() -> None:
    record = MemoryRecord()
    record.deliver(at(0), legacy("alerting"))
    record.deliver(at(30), legacy("no_data"))
    unobserved, home = record.open()
    assert (unobserved.is_blind, home.title) == (True, "No data from Checkout 5xx ratio high")
    decided = record.deliver(at(60), legacy("alerting"))
    assert [one.incident_id for one in record.open()] == [unobserved.incident_id]
    assert not record.open()[0].is_blind
    assert len(decided.recorded) == 1, "one message is one alert"


def test_a_legacy_rule_that_is_ok_again_has_recovered_and_sees() -> None:
    record = MemoryRecord()
    record.deliver(at(0), legacy("alerting"))
    record.deliver(at(30), legacy("no_data"))
    record.deliver(at(60), legacy("ok", cluster="", service=""))
    assert record.open() == []
    assert record.incidents[next(iter(record.incidents))].resolved_by == source("grafana")
