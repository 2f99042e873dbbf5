"""The audit trail: checkpoints of the hash chains, and the chains as they are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.columns import from_json
from db.database import Row, Transaction
from db.model.audit import Checkpoint, Head, Kept, Leaf
from db.model.identity import Actor, IncidentId
from db.model.incident import Chain, Event, EventKind, Status
from db.queries import query


@dataclass(frozen=True, slots=True)
class Listed:
    """An event as checkpoints see it; one from before there were chains has no leaf."""

    event_id: int
    at: datetime
    leaf: Leaf | None
    incident_id: IncidentId


@dataclass(frozen=True, slots=True)
class Place:
    """What stands in one place of a chain; `link` is None when nothing does."""

    incident_id: IncidentId
    removed: int  # so many events at the beginning of the chain were removed by retention
    base: bytes | None  # the link of the last of these
    link: bytes | None


def newest_event(tx: Transaction) -> tuple[int, datetime]:
    """The highest id that an event ever had, and the time by the clock of the database (UTC)."""
    row = tx.row(query("audit", "newest_event"))
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return int(row["newest"]), row["now_at"]


def newest_checkpoint(tx: Transaction) -> tuple[datetime, float] | None:
    """When the newest checkpoint was written (UTC), and how many seconds ago."""
    row = tx.row(query("audit", "newest_checkpoint"))
    return (row["at"], float(row["age"])) if row else None


def events_since(tx: Transaction, event_id: int, limit: int, upto: int) -> list[Listed]:
    """The next events after this one, up to another one."""
    rows = tx.rows(query("audit", "events_since"), {"after": event_id, "limit": limit, "upto": upto})
    return [Listed(int(row["event_id"]), row["at"], _leaf(row), IncidentId(row["incident_id"])) for row in rows]


def heads(tx: Transaction, after: int, limit: int) -> list[Head]:
    """The next checkpoints after this number, without their leaves."""
    return [
        Head(
            number=int(row["checkpoint_number"]),
            at=row["at"],
            to_event_id=int(row["to_event_id"]),
            events=int(row["events"]),
            leaves=row["leaves"],
            previous=row["previous"],
            hash=row["hash"],
        )
        for row in tx.rows(query("audit", "heads"), {"after": after, "limit": limit})
    ]


def add_checkpoint(tx: Transaction, made: Checkpoint) -> None:
    """Keep a checkpoint. Raises `Duplicate` when another process was first."""
    columns = {
        "checkpoint_number": made.number,
        "at": made.at,
        "to_event_id": made.to_event_id,
        "events": made.events,
        "leaves": made.leaves,
        "previous": made.previous,
        "hash": made.hash,
    }
    tx.execute(query("audit", "add_checkpoint"), columns)


def checkpoints(tx: Transaction, after: int, limit: int) -> list[Checkpoint]:
    """The next checkpoints after this number."""
    return [_checkpoint(row) for row in tx.rows(query("audit", "checkpoints"), {"after": after, "limit": limit})]


def chains(tx: Transaction, after: int, limit: int) -> list[tuple[int, IncidentId, Chain]]:
    """The next incidents after this number, each with its number, id and chain."""
    return [_chain(row) for row in tx.rows(query("audit", "chains"), {"after": after, "limit": limit})]


def chain(tx: Transaction, incident: IncidentId) -> Chain | None:
    """The chain of one incident, if there is such a one."""
    row = tx.row(query("audit", "chain"), {"id": incident})
    return _chain(row)[2] if row else None


def events_of(tx: Transaction, incidents: Sequence[IncidentId], limit: int) -> list[tuple[IncidentId, Kept]]:
    """The first events of these incidents, chain by chain."""
    rows = tx.rows(query("audit", "events_of"), {"ids": list(incidents), "limit": limit}) if incidents else []
    return [(IncidentId(row["incident_id"]), _kept(row)) for row in rows]


def more_events_of(tx: Transaction, incident: IncidentId, after: int, limit: int) -> list[Kept]:
    """The next events of one incident after the event with this id."""
    rows = tx.rows(query("audit", "more_events_of"), {"id": incident, "after": after, "limit": limit})
    return [_kept(row) for row in rows]


def places(tx: Transaction, leaves: Sequence[Leaf]) -> dict[tuple[int, int], Place]:
    """What is in the places of these leaves, by number of the incident and place; nothing where an incident is gone."""
    numbers = sorted({leaf.incident for leaf in leaves})
    wanted = sorted({leaf.number for leaf in leaves})
    rows = tx.rows(query("audit", "links_of"), {"numbers": numbers, "places": wanted})
    there = {int(row["number"]): row for row in rows}
    links = {(int(row["number"]), row["chain_number"]): row["link"] for row in rows}
    return {
        (leaf.incident, leaf.number): Place(
            IncidentId(there[leaf.incident]["incident_id"]),
            int(there[leaf.incident]["chain_removed"]),
            there[leaf.incident]["chain_base"],
            links.get((leaf.incident, leaf.number)),
        )
        for leaf in leaves
        if leaf.incident in there
    }


def in_pieces(leaves: Sequence[Leaf], size: int) -> Iterator[Sequence[Leaf]]:
    """The leaves, so many at a time."""
    for start in range(0, len(leaves), size):
        yield leaves[start : start + size]


def _leaf(row: Row) -> Leaf | None:
    if row["link"] is None or row["chain_number"] is None:
        return None
    return Leaf(int(row["number"]), int(row["chain_number"]), row["link"])


def _checkpoint(row: Row) -> Checkpoint:
    return Checkpoint(
        number=int(row["checkpoint_number"]),
        at=row["at"],
        to_event_id=int(row["to_event_id"]),
        events=int(row["events"]),
        leaves=row["leaves"],
        previous=row["previous"],
        hash=row["hash"],
    )


def _chain(row: Row) -> tuple[int, IncidentId, Chain]:
    chain = Chain(row["chain_length"], row["chain_head"], row["chain_removed"], row["chain_base"])
    return int(row["number"]), IncidentId(row["incident_id"]), chain


def _kept(row: Row) -> Kept:
    return Kept(int(row["event_id"]), _event(row), row["chain_number"], row["link"])


def _event(row: Row) -> Event | None:
    """The event of a row; None for a row that this program could not have written."""
    try:
        return Event(
            incident_id=IncidentId(row["incident_id"]),
            at=row["at"],
            kind=EventKind(row["kind"]),
            actor=Actor.parse(row["actor"]),
            from_status=Status(row["from_status"]) if row["from_status"] else None,
            to_status=Status(row["to_status"]) if row["to_status"] else None,
            reason=row["reason"],
            details=from_json(row["details"]),
        )
    except (ValueError, AttributeError, TypeError):
        return None
