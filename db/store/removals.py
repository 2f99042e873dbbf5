"""Removals: what retention took from timelines, appended and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from db.database import Row, Transaction
from db.model.identity import IncidentId
from db.model.removal import Fold, Origin, Removal, linked
from db.queries import query

_PAGE = 1000


def origin(tx: Transaction) -> Origin:
    """What was there before removals were recorded."""
    row = tx.row(query("removals", "origin"))
    if row is None:
        return Origin()
    return Origin(
        last_event=int(row["last_event_id"]),
        last_unlinked=int(row["last_unlinked_id"]),
        unlinked=int(row["unlinked"]),
        removals=int(row["removals"]),
    )


def newest(tx: Transaction) -> tuple[int, bytes]:
    """Number and link of the newest removal; 0 and what the chain begins with when there is none."""
    row = tx.row(query("removals", "newest"))
    if row is not None and row["hash"] is not None:
        return int(row["removal_number"]), row["hash"]
    fold = Fold(origin(tx))  # those from before removals were recorded keep no link
    while some := page(tx, fold.number, _PAGE):
        for removal, _ in some:
            fold.step(removal)
    return fold.number, fold.link


def page(tx: Transaction, after: int, limit: int) -> list[tuple[Removal, IncidentId | None]]:
    """The next removals after a number, each with its incident; None where that is gone."""
    rows = tx.rows(query("removals", "page"), {"after": after, "limit": limit})
    return [(_removal(row), IncidentId(row["incident_id"]) if row["incident_id"] else None) for row in rows]


def of_incidents(tx: Transaction, numbers: Sequence[int]) -> dict[int, list[Removal]]:
    """The removals of the incidents with these numbers, in their order."""
    found: dict[int, list[Removal]] = {}
    for row in tx.rows(query("removals", "of_incidents"), {"numbers": list(numbers)}) if numbers else ():
        found.setdefault(int(row["incident_number"]), []).append(_removal(row))
    return found


def unlinked(tx: Transaction) -> int:
    """How many events without a link were removed."""
    row = tx.row(query("removals", "unlinked"))
    return int(row["unlinked"]) if row else 0


def add(tx: Transaction, made: Sequence[Removal]) -> None:
    """Append removals. Raises `Duplicate` when another process was first."""
    tx.insert_many(query("removals", "add"), [_columns(removal) for removal in linked(*newest(tx), made)])


def _columns(removal: Removal) -> dict[str, object]:
    return {
        "removal_number": removal.number,
        "at": removal.at,
        "before_at": removal.before,
        "incident_number": removal.incident,
        "first_number": removal.first,
        "last_number": removal.last,
        "unlinked": removal.unlinked,
        "last_link": removal.link,
        "last_event_id": removal.last_event,
        "checkpoint_number": removal.checkpoint,
        "hash": removal.hash,
    }


def _removal(row: Row) -> Removal:
    return Removal(
        number=int(row["removal_number"]),
        at=row["at"],
        before=row["before_at"],
        incident=int(row["incident_number"]),
        first=int(row["first_number"]),
        last=int(row["last_number"]),
        unlinked=int(row["unlinked"]),
        link=row["last_link"],
        last_event=int(row["last_event_id"]),
        checkpoint=row["checkpoint_number"],
        hash=row["hash"],
    )
