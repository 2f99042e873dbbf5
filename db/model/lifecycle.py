"""What a person's action does to an incident.

           acknowledge          resolve
  ACTIVE -------------> ACKNOWLEDGED --------> RESOLVED
    ^  ^ <------------- /                      ^   /
    |   unacknowledge                         /   /
    |\\______________ resolve _______________/   /
     \\_________________ reopen ________________/

Every case of (status, action) has a named outcome: `Changed`, `Already` or `Refused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from db.model.identity import Actor
from db.model.incident import Event, EventKind, Incident, Status

HEARD = "heard"
"""In the details of what a person did: how many alerts the incident had then, which tells its place between them."""

MOST_NOTES = 65_535
"""Bytes (UTF-8) of root cause or action taken that the record keeps; what is longer ends with an ellipsis."""


class Action(StrEnum):
    """What a person can do to an incident."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class Refusal(StrEnum):
    """Why an action was refused."""

    RESOLVED = "resolved"  # an acknowledgement never reopens
    OTHER_OPEN = "other_open"  # its key has another open incident
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"  # the policy file does not name this person


@dataclass(frozen=True, slots=True)
class Notes:
    """What a person wrote when resolving; empty texts say nothing."""

    root_cause: str = ""
    action_taken: str = ""

    def __bool__(self) -> bool:
        return bool(self.root_cause or self.action_taken)


@dataclass(frozen=True, slots=True)
class Changed:
    """The action changed the incident; `event` is the new line of its timeline."""

    incident: Incident
    event: Event


@dataclass(frozen=True, slots=True)
class Already:
    """Somebody was first: the incident is in that state since `at`, by `by`.

    `event` is set when the action brought something new all the same: notes for an incident resolved meanwhile.
    """

    incident: Incident
    by: Actor | None
    at: datetime | None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The action does not apply."""

    reason: Refusal
    incident: Incident | None = None
    other: Incident | None = None  # for `OTHER_OPEN`: the incident that is in the way


Outcome = Changed | Already | Refused


def transition(
    incident: Incident,
    action: Action,
    actor: Actor,
    now: datetime,
    *,
    notes: Notes | None = None,
    other_open: Incident | None = None,
) -> Outcome:
    """What `actor`'s `action` at `now` (UTC) does. `other_open` is another open incident of the same key, if any."""
    match action, incident.status:
        case Action.ACKNOWLEDGE, Status.ACTIVE:
            return _changed(
                replace(incident, status=Status.ACKNOWLEDGED, owner=actor, acknowledged_time=now),
                incident.status, EventKind.ACKNOWLEDGED, actor, now,
            )  # fmt: skip
        case Action.ACKNOWLEDGE, Status.ACKNOWLEDGED:
            return Already(incident, incident.owner, incident.acknowledged_time)
        case Action.UNACKNOWLEDGE, Status.ACKNOWLEDGED:
            return _changed(
                replace(incident, status=Status.ACTIVE, owner=None, acknowledged_time=None),
                incident.status, EventKind.UNACKNOWLEDGED, actor, now,
            )  # fmt: skip
        case Action.UNACKNOWLEDGE, Status.ACTIVE:
            return Already(incident, incident.last_change_by, incident.last_change_at)
        case ((Action.ACKNOWLEDGE | Action.UNACKNOWLEDGE), Status.RESOLVED):
            return Refused(Refusal.RESOLVED, incident)
        case Action.RESOLVE, (Status.ACTIVE | Status.ACKNOWLEDGED):
            resolved = released(replace(incident, status=Status.RESOLVED, resolved_time=now, resolved_by=actor))
            noted = with_notes(resolved, notes)
            return _changed(noted, incident.status, EventKind.RESOLVED, actor, now, _said(noted))
        case Action.RESOLVE, Status.RESOLVED:
            return _resolved_already(incident, notes, actor, now)
        case Action.REOPEN, Status.RESOLVED if other_open is not None:
            return Refused(Refusal.OTHER_OPEN, incident, other_open)
        case Action.REOPEN, Status.RESOLVED:
            return _changed(reopened(incident), incident.status, EventKind.REOPENED, actor, now)
        case Action.REOPEN, _:
            return Already(incident, incident.last_change_by, incident.last_change_at)
        case _:  # the type checker does not follow pairs; the property tests walk every one of them
            raise AssertionError(f"no case for {action} on {incident.status}")


def released(incident: Incident) -> Incident:
    """The incident without anything that waits for sight or for news: what was held has recovered."""
    return replace(
        incident,
        instances_firing=max(0, incident.instances_firing - incident.held), held=0,
        unobserved_since=None, blind_on="", blind_incident=None, sight_at=None, stale_since=None,
    )  # fmt: skip


def reopened(incident: Incident) -> Incident:
    """The same incident, active again; root cause and action taken stay as what was believed before."""
    return replace(
        incident,
        status=Status.ACTIVE, owner=None, acknowledged_time=None, resolved_time=None, resolved_by=None,
    )  # fmt: skip


def with_notes(incident: Incident, notes: Notes | None) -> Incident:
    """The incident with these notes; what an earlier person wrote stays above."""
    if not notes:
        return incident
    return replace(
        incident,
        root_cause=_appended(incident.root_cause, notes.root_cause),
        action_taken=_appended(incident.action_taken, notes.action_taken),
    )


def _appended(old: str, new: str) -> str:
    """Both texts, the new one only if it is not there yet (a submission may arrive twice)."""
    if not new or new in old:
        return old
    both = f"{old}\n{new}" if old else new
    encoded = both.encode("utf-8", "surrogatepass")
    if len(encoded) <= MOST_NOTES:
        return both
    return encoded[: MOST_NOTES - 3].decode("utf-8", "ignore") + "…"


def _said(incident: Incident) -> dict[str, str]:
    """What an event keeps of the notes, so that they are in the chain: their digest, if there are any."""
    if not (incident.root_cause or incident.action_taken):
        return {}
    return {"notes": notes_digest(incident.root_cause, incident.action_taken)}


def notes_digest(root_cause: str, action_taken: str) -> str:
    """SHA-256 (hex) over what people wrote of an incident, as the record keeps it; `check` computes the same in SQL."""
    text = f"{len(root_cause)}:{root_cause}{action_taken}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _changed(
    after: Incident,
    before: Status,
    kind: EventKind,
    actor: Actor,
    now: datetime,
    details: Mapping[str, str | int] | None = None,
) -> Changed:
    event = Event(
        incident_id=after.incident_id,
        at=now,
        kind=kind,
        actor=actor,
        from_status=before,
        to_status=after.status,
        details={**(details or {}), HEARD: after.alert_count},
    )
    return Changed(visibly(after, event), event)


def _resolved_already(incident: Incident, notes: Notes | None, actor: Actor, now: datetime) -> Already:
    """Resolved meanwhile, perhaps by itself while somebody typed: what they typed is kept."""
    noted = with_notes(incident, notes)
    if noted == incident:
        return Already(incident, incident.resolved_by, incident.resolved_time)
    event = Event(
        incident_id=incident.incident_id, at=now, kind=EventKind.NOTED, actor=actor, details=_said(noted)
    )  # fmt: skip
    return Already(visibly(noted, event), incident.resolved_by, incident.resolved_time, event)


def visibly(incident: Incident, event: Event) -> Incident:
    """The incident one version on, with this as its last change."""
    return shown(replace(incident, version=incident.version + 1), event)


def shown(incident: Incident, event: Event) -> Incident:
    """The incident with this as its last change."""
    return replace(
        incident,
        last_change=event.kind.value, last_change_at=event.at, last_change_by=event.actor, last_change_why=event.reason,
    )  # fmt: skip
