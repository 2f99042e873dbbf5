"""What is rehearsed in memory is what the record would say: any story told to both ends in the same incidents."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from db.model.alert import Alert
from db.model.identity import IncidentId, person
from db.model.incident import EventKind, Incident
from db.model.lifecycle import Action
from db.model.past import Done
from db.model.policy import Policy
from db.model.rehearsal import Rehearsal
from tests.db.builders import a_reading, an_alert, at
from tests.db.model.record import MemoryRecord
from tests.db.model.test_grouping_any_order import policies, stories
from tests.strategies import unhurried


def by_a_person(incident: Incident, action: Action, now: float) -> Done:
    """A click."""
    return Done(
        event_id=1,
        incident_id=incident.incident_id,
        key=incident.key,
        at=at(now),
        actor=person("U1"),
        kind=EventKind.ACKNOWLEDGED,
        action=action,
    )


def without_counts(incidents: dict[IncidentId, Incident]) -> dict[IncidentId, Incident]:
    """The record of the tests does not count alerts."""
    return {name: replace(incident, alert_count=0) for name, incident in incidents.items()}


@given(policies, stories)
@unhurried
def test_any_story_rehearsed_ends_as_it_is_recorded(
    policy: Policy, story: list[tuple[int, list[Alert] | tuple[Action, int]]]
) -> None:
    record, rehearsal = MemoryRecord(policy), Rehearsal(policy)
    now = 0.0
    for pause, step in story:
        now += pause
        if isinstance(step, list):
            recorded, rehearsed = record.deliver(at(now), *step), rehearsal.deliver(a_reading(*step), at(now))
            assert rehearsed.events == recorded.events
            assert rehearsed.instances == recorded.instances
        elif record.incidents:
            name = list(record.incidents)[step[1] % len(record.incidents)]
            record.act(at(now), name, step[0])
            rehearsal.act(name, by_a_person(rehearsal.incidents[name], step[0], now))
        assert without_counts(rehearsal.incidents) == without_counts(record.incidents)


def test_every_alert_is_counted() -> None:
    rehearsal = Rehearsal(Policy())
    rehearsal.deliver(a_reading(an_alert("a"), an_alert("b")), at(0))
    rehearsal.deliver(a_reading(an_alert("a")), at(60))
    assert [incident.alert_count for incident in rehearsal.incidents.values()] == [3]
