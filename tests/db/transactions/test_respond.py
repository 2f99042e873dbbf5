"""What people do to incidents in a real database."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from db.database import Database
from db.model.identity import IncidentId, person
from db.model.incident import EventKind, Status
from db.model.lifecycle import Action, Already, Changed, Notes, Outcome, Refusal, Refused
from db.model.policy import Policy
from db.transactions import lookup, respond
from tests.db.builders import POLICY, an_alert, ask, at, check_record, deliver, key_of

FIRST = IncidentId(f"INC-20261120080000-{key_of()}")
MINSU, JIYOUNG = person("U1"), person("U2")


def act(
    database: Database, action: Action, *, who: str = "U1", now: float = 10, of: IncidentId | int = FIRST, **more: str
) -> Outcome:
    notes = Notes(**more) if more else None
    return respond.change_status(database, of, action, person(who), at(now), policy=POLICY, notes=notes)


def test_an_acknowledgement_is_in_the_record_with_who_and_when(database: Database) -> None:
    deliver(database, an_alert())
    outcome = act(database, Action.ACKNOWLEDGE)
    assert isinstance(outcome, Changed)
    found = lookup.show_incident(database, FIRST, POLICY)
    assert found is not None
    assert (found.incident.status, found.incident.owner) == (Status.ACKNOWLEDGED, MINSU)
    assert (found.incident.acknowledged_time, found.incident.version) == (at(10), 2)
    assert found.events[0] == outcome.event
    assert [event.kind for event in found.events] == [EventKind.ACKNOWLEDGED, EventKind.OPENED]
    check_record(database)


def test_an_incident_is_found_by_its_number_too(database: Database) -> None:
    deliver(database, an_alert())
    assert isinstance(act(database, Action.ACKNOWLEDGE, of=1), Changed)


@pytest.mark.parametrize("of", [2, 0, -1, 10**30, IncidentId("INC-nowhere"), IncidentId("' OR 1=1 -- ")])
def test_what_is_not_there_is_not_found(database: Database, of: IncidentId | int) -> None:
    deliver(database, an_alert())
    assert act(database, Action.RESOLVE, of=of) == Refused(Refusal.NOT_FOUND)


def test_a_second_click_changes_nothing_and_says_who_was_first(database: Database) -> None:
    deliver(database, an_alert())
    act(database, Action.ACKNOWLEDGE)
    before = ask(database, "SELECT * FROM incidents"), ask(database, "SELECT * FROM incident_timeline")
    outcome = act(database, Action.ACKNOWLEDGE, who="U2", now=11)
    assert isinstance(outcome, Already)
    assert (outcome.by, outcome.at) == (MINSU, at(10))
    assert (ask(database, "SELECT * FROM incidents"), ask(database, "SELECT * FROM incident_timeline")) == before


def test_of_many_who_click_at_once_exactly_one_is_first(database: Database) -> None:
    deliver(database, an_alert())
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(act(database, Action.ACKNOWLEDGE, who=f"U{n}")))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Changed)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, Already)]
    assert len(losers) == 19
    assert {outcome.by for outcome in losers} == {winner.incident.owner}
    check_record(database)


def test_a_resolve_keeps_its_notes(database: Database) -> None:
    deliver(database, an_alert())
    act(database, Action.RESOLVE, root_cause="a bad release 🚀", action_taken="rolled back")
    incident = lookup.read_incident(database, FIRST)
    assert incident is not None
    assert (incident.root_cause, incident.action_taken) == ("a bad release 🚀", "rolled back")
    assert (incident.resolved_by, incident.resolved_time) == (MINSU, at(10))
    check_record(database)


def test_notes_typed_while_the_incident_resolved_by_itself_are_kept(database: Database) -> None:
    deliver(database, an_alert())
    deliver(database, an_alert(ends=50), now=60)
    outcome = act(database, Action.RESOLVE, who="U2", now=70, root_cause="a bad release")
    assert isinstance(outcome, Already)
    found = lookup.show_incident(database, FIRST, POLICY)
    assert found is not None
    assert found.incident.root_cause == "a bad release"
    assert (found.events[0].kind, found.events[0].actor) == (EventKind.NOTED, JIYOUNG)
    check_record(database)


def test_a_submission_that_arrives_twice_is_kept_once(database: Database) -> None:
    deliver(database, an_alert())
    for now in (10, 11):
        act(database, Action.RESOLVE, now=now, root_cause="a bad release")
    found = lookup.show_incident(database, FIRST, POLICY)
    assert found is not None
    assert found.incident.root_cause == "a bad release"
    assert [event.kind for event in found.events] == [EventKind.RESOLVED, EventKind.OPENED]


def test_notes_as_long_as_a_dialog_allows_are_kept(database: Database) -> None:
    deliver(database, an_alert())
    act(database, Action.RESOLVE, root_cause="가" * 3000, action_taken="x" * 3000)
    incident = lookup.read_incident(database, FIRST)
    assert incident is not None
    assert (incident.root_cause, incident.action_taken) == ("가" * 3000, "x" * 3000)


def test_an_acknowledgement_never_reopens(database: Database) -> None:
    deliver(database, an_alert())
    act(database, Action.RESOLVE)
    outcome = act(database, Action.ACKNOWLEDGE, who="U2", now=11)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Refusal.RESOLVED
    assert ask(database, "SELECT status FROM incidents") == [{"status": "resolved"}]


def test_a_reopening_is_refused_while_another_incident_of_the_key_is_open(database: Database) -> None:
    deliver(database, an_alert())
    act(database, Action.RESOLVE)
    deliver(database, an_alert(starts=20), now=30)
    outcome = act(database, Action.REOPEN, now=40)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Refusal.OTHER_OPEN
    assert outcome.other is not None
    assert outcome.other.number == 2


def test_a_reopened_incident_can_be_resolved_again(database: Database) -> None:
    deliver(database, an_alert())
    for now, action in enumerate((Action.RESOLVE, Action.REOPEN, Action.ACKNOWLEDGE, Action.RESOLVE), 10):
        assert isinstance(act(database, action, now=now), Changed)
        check_record(database)
    assert ask(database, "SELECT version, status FROM incidents") == [{"version": 5, "status": "resolved"}]


def test_who_is_not_named_may_not_act(database: Database) -> None:
    deliver(database, an_alert())
    policy = replace(POLICY, may_act=frozenset({"U1"}))
    outcome = respond.change_status(database, FIRST, Action.RESOLVE, JIYOUNG, at(10), policy=policy)
    assert outcome == Refused(Refusal.NOT_ALLOWED)
    assert isinstance(respond.change_status(database, FIRST, Action.RESOLVE, MINSU, at(10), policy=policy), Changed)


def test_an_incident_from_before_there_was_a_channel_gets_its_card_there(database: Database) -> None:
    deliver(database, an_alert(), policy=Policy())
    assert ask(database, "SELECT channel FROM slack_messages") == [{"channel": ""}]
    act(database, Action.ACKNOWLEDGE)
    assert ask(database, "SELECT channel FROM slack_messages") == [{"channel": "#incidents"}]
