"""What a person's action does: a table of every case, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.identity import person
from db.model.incident import EventKind, Incident, Status
from db.model.lifecycle import (
    Action,
    Already,
    Changed,
    Notes,
    Outcome,
    Refusal,
    Refused,
    reopened,
    transition,
    with_notes,
)
from tests.db.builders import an_incident, at
from tests.strategies import unhurried

MINSU, JIYOUNG = person("U1"), person("U2")

NOTES = Notes(root_cause="a bad release", action_taken="rolled back")


def in_status(status: Status) -> Incident:
    """An incident that came to this status through Minsu."""
    incident = an_incident()
    if status is Status.ACTIVE:
        return incident
    action = Action.ACKNOWLEDGE if status is Status.ACKNOWLEDGED else Action.RESOLVE
    outcome = transition(incident, action, MINSU, at(10))
    assert isinstance(outcome, Changed)
    return outcome.incident


TABLE: list[tuple[Status, Action, type[Outcome], Status | None]] = [
    (Status.ACTIVE, Action.ACKNOWLEDGE, Changed, Status.ACKNOWLEDGED),
    (Status.ACTIVE, Action.UNACKNOWLEDGE, Already, None),
    (Status.ACTIVE, Action.RESOLVE, Changed, Status.RESOLVED),
    (Status.ACTIVE, Action.REOPEN, Already, None),
    (Status.ACKNOWLEDGED, Action.ACKNOWLEDGE, Already, None),
    (Status.ACKNOWLEDGED, Action.UNACKNOWLEDGE, Changed, Status.ACTIVE),
    (Status.ACKNOWLEDGED, Action.RESOLVE, Changed, Status.RESOLVED),
    (Status.ACKNOWLEDGED, Action.REOPEN, Already, None),
    (Status.RESOLVED, Action.ACKNOWLEDGE, Refused, None),
    (Status.RESOLVED, Action.UNACKNOWLEDGE, Refused, None),
    (Status.RESOLVED, Action.RESOLVE, Already, None),
    (Status.RESOLVED, Action.REOPEN, Changed, Status.ACTIVE),
]


@pytest.mark.parametrize(("status", "action", "kind", "becomes"), TABLE)
def test_every_case_has_its_outcome(
    status: Status, action: Action, kind: type[Outcome], becomes: Status | None
) -> None:
    outcome = transition(in_status(status), action, JIYOUNG, at(20))
    assert type(outcome) is kind
    if isinstance(outcome, Changed):
        assert outcome.incident.status is becomes
        assert (outcome.event.from_status, outcome.event.to_status) == (status, becomes)
        assert (outcome.event.actor, outcome.event.at) == (JIYOUNG, at(20))


def test_the_table_is_complete() -> None:
    assert {(status, action) for status, action, _, _ in TABLE} == {(s, a) for s in Status for a in Action}


def test_whoever_acknowledges_owns_it() -> None:
    incident = in_status(Status.ACKNOWLEDGED)
    assert (incident.owner, incident.acknowledged_time) == (MINSU, at(10))


def test_the_loser_of_a_race_is_told_who_was_first() -> None:
    again = transition(in_status(Status.ACKNOWLEDGED), Action.ACKNOWLEDGE, JIYOUNG, at(11))
    assert isinstance(again, Already)
    assert (again.by, again.at) == (MINSU, at(10))
    again = transition(in_status(Status.RESOLVED), Action.RESOLVE, JIYOUNG, at(11))
    assert isinstance(again, Already)
    assert (again.by, again.at) == (MINSU, at(10))


def test_an_acknowledgement_never_reopens() -> None:
    resolved = in_status(Status.RESOLVED)
    for action in (Action.ACKNOWLEDGE, Action.UNACKNOWLEDGE):
        assert transition(resolved, action, JIYOUNG, at(20)) == Refused(Refusal.RESOLVED, resolved)


def test_taking_back_an_acknowledgement_leaves_nobody_in_charge() -> None:
    outcome = transition(in_status(Status.ACKNOWLEDGED), Action.UNACKNOWLEDGE, MINSU, at(20))
    assert isinstance(outcome, Changed)
    assert (outcome.incident.owner, outcome.incident.acknowledged_time) == (None, None)
    assert outcome.event.kind is EventKind.UNACKNOWLEDGED


def test_resolving_keeps_root_cause_and_action_taken() -> None:
    outcome = transition(in_status(Status.ACKNOWLEDGED), Action.RESOLVE, JIYOUNG, at(20), notes=NOTES)
    assert isinstance(outcome, Changed)
    incident = outcome.incident
    assert (incident.root_cause, incident.action_taken) == ("a bad release", "rolled back")
    assert (incident.resolved_by, incident.resolved_time) == (JIYOUNG, at(20))
    assert incident.owner == MINSU, "who acknowledged it is still known"


def test_notes_for_an_incident_resolved_meanwhile_are_kept() -> None:
    outcome = transition(in_status(Status.RESOLVED), Action.RESOLVE, JIYOUNG, at(20), notes=NOTES)
    assert isinstance(outcome, Already)
    assert outcome.event is not None
    assert (outcome.event.kind, outcome.event.actor) == (EventKind.NOTED, JIYOUNG)
    assert outcome.incident.root_cause == "a bad release"
    assert (outcome.by, outcome.at) == (MINSU, at(10)), "it is still Minsu who resolved it"
    assert outcome.incident.resolved_time == at(10)


def test_a_submission_that_arrives_twice_adds_its_notes_once() -> None:
    first = transition(in_status(Status.ACTIVE), Action.RESOLVE, JIYOUNG, at(20), notes=NOTES)
    assert isinstance(first, Changed)
    second = transition(first.incident, Action.RESOLVE, JIYOUNG, at(21), notes=NOTES)
    assert second == Already(first.incident, JIYOUNG, at(20))


def test_what_an_earlier_person_wrote_stays_above() -> None:
    resolved = with_notes(in_status(Status.RESOLVED), NOTES)
    outcome = transition(resolved, Action.RESOLVE, JIYOUNG, at(30), notes=Notes(root_cause="the database, in truth"))
    assert isinstance(outcome, Already)
    assert outcome.incident.root_cause == "a bad release\nthe database, in truth"
    assert outcome.incident.action_taken == "rolled back"


def test_reopening_forgets_the_resolve_but_not_the_notes() -> None:
    resolved = with_notes(in_status(Status.RESOLVED), NOTES)
    outcome = transition(resolved, Action.REOPEN, JIYOUNG, at(30))
    assert isinstance(outcome, Changed)
    assert outcome.incident.is_open
    assert (outcome.incident.resolved_by, outcome.incident.resolved_time) == (None, None)
    assert outcome.incident.root_cause == "a bad release"


def test_an_incident_is_not_reopened_beside_another_open_one_of_its_key() -> None:
    resolved = in_status(Status.RESOLVED)
    other = replace(in_status(Status.ACTIVE), number=8)
    assert transition(resolved, Action.REOPEN, JIYOUNG, at(30), other_open=other) == Refused(
        Refusal.OTHER_OPEN, resolved, other
    )


def test_empty_notes_say_nothing() -> None:
    assert not Notes()
    assert with_notes(an_incident(), Notes()) == an_incident()
    assert with_notes(an_incident(), None) == an_incident()


notes = st.none() | st.builds(Notes, st.text(max_size=5), st.text(max_size=5))
people = st.sampled_from([MINSU, JIYOUNG])
steps = st.lists(st.tuples(st.sampled_from(Action), people, notes), max_size=12)


@given(steps)
@unhurried
def test_whatever_people_do(story: list[tuple[Action, object, Notes | None]]) -> None:
    """The version counts changes, what is resolved has its time, and a second identical action changes nothing."""
    incident = an_incident()
    for number, (action, who, written) in enumerate(story):
        assert who in (MINSU, JIYOUNG)
        actor = MINSU if who == MINSU else JIYOUNG
        outcome = transition(incident, action, actor, at(number), notes=written)
        match outcome:
            case Changed(after, event) | Already(after, event=event) if event is not None:
                assert after.version == incident.version + 1
                assert (after.last_change, after.last_change_at) == (event.kind.value, event.at)
                assert after.last_change_by == event.actor == actor
            case Already(after):
                assert after == incident
            case Refused(reason):
                assert reason is Refusal.RESOLVED
                after = incident
            case _:
                raise AssertionError(outcome)
        assert (after.status is Status.RESOLVED) == (after.resolved_time is not None) == (after.resolved_by is not None)
        if action in (Action.ACKNOWLEDGE, Action.UNACKNOWLEDGE) and not incident.is_open:
            assert not after.is_open
        again = transition(after, action, actor, at(number), notes=written)
        assert again == Already(after, again.by, again.at) if isinstance(again, Already) else isinstance(again, Refused)
        incident = after
    assert reopened(incident).is_open
