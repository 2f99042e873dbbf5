"""Two tellings of an incident differ in what happened, and not in how it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from db.model.comparing import differences
from db.model.identity import source
from db.model.incident import Event, EventKind, Severity
from tests.db.builders import an_incident, at

OLD = an_incident(last_seen_at=at(100))


def an_event(kind: EventKind, details: Mapping[str, str | int] | None = None) -> Event:
    """A line of its timeline."""
    return Event(incident_id=OLD.incident_id, at=at(0), kind=kind, actor=source("grafana"), details=details or {})


def test_the_same_is_the_same_whatever_its_number_and_version() -> None:
    assert differences(OLD, [], replace(OLD, number=99, version=12), []) == []


def test_what_differs_is_named() -> None:
    new = replace(OLD, severity=Severity.INFO, alert_count=7)
    assert differences(OLD, [], new, [an_event(EventKind.JOINED)]) == ["severity", "alert_count", "events"]


def test_it_may_have_been_heard_of_later_than_by_a_delivery_and_not_earlier() -> None:
    assert differences(OLD, [], replace(OLD, last_seen_at=at(99)), []) == []
    assert differences(OLD, [], replace(OLD, last_seen_at=at(101)), []) == ["last_seen_at"]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (an_event(EventKind.JOINED, {"instances": 1}), an_event(EventKind.JOINED, {"instances": 1}), True),
        (an_event(EventKind.JOINED, {"instances": 1}), an_event(EventKind.JOINED, {"instances": 2}), False),
        (an_event(EventKind.STALE, {"hours": 25}), an_event(EventKind.STALE, {"hours": 26}), True),
        (an_event(EventKind.OPENED, {"severity": "high"}), an_event(EventKind.OPENED), True),
        (an_event(EventKind.RESOLVED, {"notes": "x"}), an_event(EventKind.RESOLVED), True),
        (
            an_event(EventKind.SEVERITY_RAISED, {"severity": "high"}),
            an_event(EventKind.SEVERITY_RAISED, {"severity": "critical"}),
            False,
        ),
    ],
)
def test_of_an_event_counts_what_a_replay_can_know(old: Event, new: Event, same: bool) -> None:
    assert differences(OLD, [old], OLD, [new]) == ([] if same else ["events"])


def test_repairs_count_for_nothing() -> None:
    assert differences(OLD, [an_event(EventKind.REPAIRED)], OLD, []) == []
