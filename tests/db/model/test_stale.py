"""An incident that nobody heard of for a long time is marked, asked after in time, and unmarked when heard of again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from db.model.identity import source
from db.model.incident import EventKind, Incident, Status
from db.model.stale import OBSERVER, STALE_AFTER, heard_of, is_stale, marked, quiet_since
from tests.db.builders import an_incident, at

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("incident", "after", "seconds", "stale"),
    [
        (an_incident(), HOUR, 3599, False),
        (an_incident(), HOUR, 3600, True),
        (an_incident(Status.ACKNOWLEDGED), HOUR, 3600, True),
        (an_incident(Status.RESOLVED), HOUR, 3600, False),
        (an_incident(stale_since=at(0)), HOUR, 7200, False),
        (an_incident(last_seen_at=at(60)), HOUR, 3600, False),
        (an_incident(), timedelta(0), 10**7, False),
    ],
)
def test_what_is_open_and_was_silent_for_so_long_is_marked_once(
    incident: Incident, after: timedelta, seconds: float, stale: bool
) -> None:
    assert is_stale(incident, after, at(seconds)) is stale


def test_who_is_silent_for_half_of_the_time_is_asked_after() -> None:
    assert quiet_since(timedelta(hours=2), at(7200)) == at(3600)
    assert quiet_since(STALE_AFTER, at(0) + STALE_AFTER) == at(0) + STALE_AFTER / 2


def test_the_mark_is_visible_and_its_event_says_for_how_many_hours() -> None:
    before = an_incident()
    after, event = marked(before, at(3600 * 26 + 3599))
    assert (after.stale_since, after.version) == (at(3600 * 26 + 3599), before.version + 1)
    assert (after.status, after.last_seen_at) == (before.status, before.last_seen_at), "it is resolved by nobody"
    assert (after.last_change, after.last_change_by) == ("stale", OBSERVER)
    assert (event.kind, event.actor, dict(event.details)) == (EventKind.STALE, OBSERVER, {"hours": 26})


def test_who_is_heard_of_again_loses_the_mark() -> None:
    before = an_incident(stale_since=at(3600))
    after, event = heard_of(before, source("grafana"), at(4000))
    assert (after.stale_since, after.last_seen_at, after.version) == (None, at(4000), before.version + 1)
    assert event is not None
    assert (event.kind, event.at, event.actor) == (EventKind.HEARD_AGAIN, at(4000), source("grafana"))
    assert not is_stale(after, HOUR, at(4000 + 3599))


def test_without_a_mark_only_the_time_of_hearing_changes_and_never_backwards() -> None:
    before = an_incident(last_seen_at=at(100))
    assert heard_of(before, OBSERVER, at(200)) == (replace(before, last_seen_at=at(200)), None)
    assert heard_of(before, OBSERVER, at(50)) == (before, None)
