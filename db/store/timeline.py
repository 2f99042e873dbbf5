"""The timeline: every transition, appended and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from db.columns import from_json, to_json
from db.database import Row, Transaction
from db.model.audit import Linked, stored_actor
from db.model.identity import Actor, IncidentId
from db.model.incident import Event, EventKind, Status
from db.model.reason import Reason
from db.queries import query


def append(tx: Transaction, lines: Sequence[Linked]) -> None:
    """Add lines; the incidents are written with the new heads of their chains in the same transaction."""
    tx.insert_many(query("timeline", "append"), [_columns(line) for line in lines])


def latest(tx: Transaction, incident: IncidentId, limit: int) -> tuple[Event, ...]:
    """The newest lines of an incident, newest first."""
    rows = tx.rows(query("timeline", "latest"), {"id": incident, "limit": limit})
    return tuple(_event(row) for row in rows)


def of_incidents(tx: Transaction, ids: Sequence[IncidentId]) -> dict[IncidentId, list[Event]]:
    """The whole timelines of these incidents, each from its beginning."""
    found: dict[IncidentId, list[Event]] = {name: [] for name in ids}
    for row in tx.rows(query("timeline", "of_incidents"), {"ids": list(ids)}) if ids else ():
        event = _event(row)
        found[event.incident_id].append(event)
    return found


def _columns(line: Linked) -> dict[str, object]:
    event = line.event
    return {
        "incident_id": event.incident_id,
        "at": event.at,
        "kind": event.kind.value,
        "actor": stored_actor(event),
        "from_status": event.from_status.value if event.from_status else None,
        "to_status": event.to_status.value if event.to_status else None,
        "reason": event.reason.value,
        "details": to_json(dict(event.details)),
        "chain_number": line.number,
        "link": line.link,
    }


def _event(row: Row) -> Event:
    return Event(
        incident_id=IncidentId(row["incident_id"]),
        at=row["at"],
        kind=EventKind(row["kind"]),
        actor=Actor.parse(row["actor"]),
        from_status=Status(row["from_status"]) if row["from_status"] else None,
        to_status=Status(row["to_status"]) if row["to_status"] else None,
        reason=Reason.read(row["reason"]),
        details=from_json(row["details"]),
    )
