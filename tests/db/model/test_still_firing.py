"""What a person resolved is opened again once it has fired on for long enough."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.model.identity import person, source
from db.model.incident import EventKind, Incident, Status
from db.model.still_firing import OBSERVER, is_due, opened_again
from tests.db.builders import an_incident, at

HALF_AN_HOUR = timedelta(minutes=30)


def resolved(*, by: str = "U1", firing: int = 1) -> Incident:
    """One that was resolved at the start of the story, by a person or by its source."""
    actor = person(by) if by else source("grafana")
    return an_incident(Status.RESOLVED, resolved_time=at(0), resolved_by=actor, instances_firing=firing)


@pytest.mark.parametrize(
    ("incident", "after", "seconds", "due"),
    [
        (resolved(), HALF_AN_HOUR, 1799, False),
        (resolved(), HALF_AN_HOUR, 1800, True),
        (resolved(firing=0), HALF_AN_HOUR, 1800, False),
        (resolved(by=""), HALF_AN_HOUR, 1800, False),
        (an_incident(instances_firing=1), HALF_AN_HOUR, 1800, False),
        (resolved(), timedelta(0), 10**6, False),
    ],
)
def test_what_a_person_resolved_and_what_fires_on_is_due(
    incident: Incident, after: timedelta, seconds: float, due: bool
) -> None:
    assert is_due(incident, after, at(seconds)) is due


def test_it_is_active_again_and_its_event_says_how_much_fires() -> None:
    before = resolved(firing=3)
    after, event = opened_again(before, at(1800))
    assert (after.status, after.resolved_time, after.resolved_by) == (Status.ACTIVE, None, None)
    assert after.version == before.version + 1
    assert (event.kind, event.actor, dict(event.details)) == (EventKind.REOPENED, OBSERVER, {"instances": 3})
    assert (event.from_status, event.to_status) == (Status.RESOLVED, Status.ACTIVE)
    assert (after.last_change, after.last_change_by) == ("reopened", OBSERVER)
