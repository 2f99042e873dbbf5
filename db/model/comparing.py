"""Compares two tellings of an incident: the record's and that of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db.model.incident import Event, EventKind, Incident

FIELDS = (
    "key", "parts", "status", "severity", "title", "start_time", "first_seen_at", "last_seen_at", "alert_count",
    "instances_total", "instances_firing", "blind_firing", "first_values", "last_values", "held", "unobserved_since",
    "stale_since", "owner", "acknowledged_time",
    "resolved_time", "resolved_by", "action_taken", "root_cause",
)  # fmt: skip
"""What has to be the same; version and number count the steps of the telling, and are not of the incident."""


def differences(old: Incident, old_events: Sequence[Event], new: Incident, new_events: Sequence[Event]) -> list[str]:
    """The names of what differs: fields, and `events`. Repairs count for nothing."""
    found = [name for name in FIELDS if getattr(old, name) != getattr(new, name)]
    if "last_seen_at" in found and old.last_seen_at > new.last_seen_at:
        found.remove("last_seen_at")  # the list of its source had it later, which is no delivery
    if _told(old_events) != _told(new_events):
        found.append("events")
    return found


def _told(events: Sequence[Event]) -> list[Event]:
    return [replace(event, details=_details(event)) for event in events if event.kind is not EventKind.REPAIRED]


def _details(event: Event) -> dict[str, str | int]:
    """What a replay tells of an event. For how long a stale incident had been silent, a list knew that is no delivery;
    which notes were written when, nobody knows; and an older version did not say the severity of what it opened."""
    if event.kind is EventKind.STALE:
        return {}
    left_out = {"notes"} if event.kind is EventKind.SEVERITY_RAISED else {"notes", "severity"}
    return {name: value for name, value in event.details.items() if name not in left_out}
