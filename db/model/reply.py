"""What gets worse is told in the card's thread: Slack notifies nobody of an edit, and the card may hang far above.

| event | told |
| --- | --- |
| reopened, by whomever | always |
| severity raised | always |
| data is back | while something still fires |
| more instances fire | when somebody has acknowledged, or when what fires again had lost its data |

More instances are told once in ten minutes. Everything else changes the card alone. A critical one is shown to the
whole channel as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from db.model.identity import Actor, IncidentId
from db.model.incident import Event, EventKind, Incident, Severity, Status
from db.model.reason import Reason

JOINED_SECONDS = 600

_TOLD = (EventKind.REOPENED, EventKind.SEVERITY_RAISED, EventKind.SIGHT_RESTORED, EventKind.JOINED)
"""The most telling first: of one change one reply tells."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as the record keeps it until Slack has it; `as_content` and `from_content` are its JSON."""

    event: Event
    thread_ts: str  # of the card
    broadcast: bool  # to the channel as well

    def as_content(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "incident": self.event.incident_id,
            "thread_ts": self.thread_ts,
            "broadcast": self.broadcast,
            "kind": self.event.kind.value,
            "at": self.event.at.isoformat(),
            "actor": str(self.event.actor),
            "reason": self.event.reason,
            "details": dict(self.event.details),
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Self:
        """Read what `as_content` wrote."""
        event = Event(
            incident_id=IncidentId(str(content["incident"])),
            at=datetime.fromisoformat(str(content["at"])),
            kind=EventKind(content["kind"]),
            actor=Actor.parse(str(content["actor"])),
            reason=Reason.read(str(content["reason"])),
            details=dict(content["details"]),
        )
        return cls(event, str(content["thread_ts"]), bool(content["broadcast"]))


def told(incident: Incident, events: Iterable[Event]) -> Event | None:
    """Which of its events a reply tells of an incident as it is after all of them; None when nothing got worse."""
    if not incident.is_open:
        return None
    return min(
        (event for event in events if _is_worse(incident, event)),
        key=lambda event: _TOLD.index(event.kind),
        default=None,
    )


def worse(changed: Iterable[Incident], events: Sequence[Event]) -> list[tuple[Incident, Event]]:
    """What is to be told of incidents that changed."""
    by_incident: dict[IncidentId, list[Event]] = {}
    for event in events:
        if event.kind in _TOLD:
            by_incident.setdefault(event.incident_id, []).append(event)
    found = ((incident, told(incident, by_incident.get(incident.incident_id, ()))) for incident in changed)
    return [(incident, event) for incident, event in found if event is not None]


def once(incident: Incident, event: Event) -> str:
    """What is told once: each change, but of what joins only the first in `JOINED_SECONDS`, or a storm would fill the
    thread and use up the channel's posts."""
    if event.kind is EventKind.JOINED:
        return f"joined:{int(event.at.timestamp() // JOINED_SECONDS)}"
    return f"version:{incident.version}"


def is_broadcast(incident: Incident) -> bool:
    """Whether the whole channel is to see the reply."""
    return incident.severity is Severity.CRITICAL


def _is_worse(incident: Incident, event: Event) -> bool:
    match event.kind:
        case EventKind.REOPENED | EventKind.SEVERITY_RAISED:
            return True
        case EventKind.SIGHT_RESTORED:
            return incident.instances_firing > incident.held
        case EventKind.JOINED:
            return incident.status is Status.ACKNOWLEDGED or bool(event.details.get("again"))
        case _:
            return False
