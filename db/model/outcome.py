"""What came of a delivery: the answer to its source, which is kept with it."""

from __future__ import annotations

from collections import Counter, defaultdict

from db.model.alert import AlertKind, Reading
from db.model.delivery import DeliveryOutcome
from db.model.grouping import Plan, Recorded, Sorted
from db.model.identity import IncidentId
from db.model.incident import EventKind
from db.model.meaning import Meaning

_QUIET = (Meaning.REPEAT, Meaning.LATE, Meaning.RESOLVED_UNSEEN)


def outcome_of(reading: Reading, ordered: Sorted, decided: Plan) -> DeliveryOutcome:
    """What a delivery did, whose alerts were sorted and decided so."""
    happened: dict[EventKind, list[IncidentId]] = defaultdict(list)
    for event in decided.events:
        happened[event.kind].append(event.incident_id)
    return DeliveryOutcome(
        opened=tuple([incident.incident_id for incident in decided.opened]),
        reopened=tuple(happened.get(EventKind.REOPENED, ())),
        joined=tuple(happened.get(EventKind.JOINED, ())),
        resolved=tuple(happened.get(EventKind.RESOLVED, ())),
        recorded=len(decided.recorded),
        repeats=sum([entry.meaning in _QUIET for entry in decided.recorded]),
        tests=len(ordered.tests),
        heartbeats=len(ordered.heartbeats),
        truncated=reading.truncated,
        rejected=reading.rejected,
        meanings=Counter(map(_told, decided.recorded)),
    )


def _told(entry: Recorded) -> str:
    """What an alert turned out to be, as metrics count it."""
    began = entry.meaning is Meaning.NEW_OCCURRENCE
    return "blind" if began and entry.keyed.alert.kind is AlertKind.BLIND else entry.meaning.value
