"""What a person resolved and what still fires is opened again after a while, so that nobody forgets it."""

from __future__ import annotations

from datetime import datetime, timedelta

from db.model.identity import ActorKind, observer
from db.model.incident import Event, EventKind, Incident, Status
from db.model.lifecycle import reopened, visibly
from db.model.reason import Reason

STILL_FIRING_AFTER = timedelta(minutes=30)

OBSERVER = observer("still_firing")
"""Who opens it again."""


def is_due(incident: Incident, still_firing_after: timedelta, now: datetime) -> bool:
    """Whether a person resolved it `still_firing_after` ago (0: never), and something of it fires all the same."""
    if not still_firing_after or incident.status is not Status.RESOLVED or not incident.instances_firing:
        return False
    by_person = incident.resolved_by is not None and incident.resolved_by.kind is ActorKind.PERSON
    return by_person and incident.resolved_time is not None and now - incident.resolved_time >= still_firing_after


def opened_again(incident: Incident, now: datetime) -> tuple[Incident, Event]:
    """The incident, active again, and the line of its timeline."""
    event = Event(
        incident_id=incident.incident_id, at=now, kind=EventKind.REOPENED, actor=OBSERVER, reason=Reason.STILL_FIRING,
        from_status=incident.status, to_status=Status.ACTIVE, details={"instances": incident.instances_firing},
    )  # fmt: skip
    return visibly(reopened(incident), event), event
