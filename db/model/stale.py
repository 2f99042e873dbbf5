"""Incidents that were not heard of for a long time: marked, never resolved by it, and unmarked when heard of again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from db.model.identity import Actor, ActorKind
from db.model.incident import Event, EventKind, Incident
from db.model.lifecycle import visibly

STALE_AFTER = timedelta(hours=25)
"""The default: longer than twice the 12 hours after which kube-prometheus' Alertmanager repeats."""

OBSERVER = Actor(ActorKind.OBSERVER, "stale")
"""Who marks them, and who takes the mark away when nobody sent anything: their source still lists them."""


def is_stale(incident: Incident, stale_after: timedelta, now: datetime) -> bool:
    """Whether an incident is to be marked: open, not marked yet, and silent for `stale_after` (0: never)."""
    silent = now - incident.last_seen_at
    return bool(stale_after) and incident.is_open and incident.stale_since is None and silent >= stale_after


def quiet_since(stale_after: timedelta, now: datetime) -> datetime:
    """Who was heard of last by then is to be asked after in the lists of the sources: half of the time is over, and
    the other half is left for servers that do not answer."""
    return now - stale_after / 2


def marked(incident: Incident, now: datetime) -> tuple[Incident, Event]:
    """The incident with the mark, and the line of its timeline."""
    hours = int((now - incident.last_seen_at).total_seconds() // 3600)
    event = _event(incident, EventKind.STALE, OBSERVER, now, {"hours": hours})
    return visibly(replace(incident, stale_since=now), event), event


def heard_of(incident: Incident, actor: Actor, now: datetime) -> tuple[Incident, Event | None]:
    """The incident as known to be as it is at `now`; with an event if it was stale until then."""
    heard = replace(incident, last_seen_at=max(incident.last_seen_at, now), stale_since=None)
    if incident.stale_since is None:
        return heard, None
    event = _event(incident, EventKind.HEARD_AGAIN, actor, now, {})
    return visibly(heard, event), event


def _event(incident: Incident, kind: EventKind, actor: Actor, now: datetime, details: Mapping[str, int]) -> Event:
    return Event(incident_id=incident.incident_id, at=now, kind=kind, actor=actor, details=dict(details))
