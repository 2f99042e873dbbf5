"""Chores of the record that one process at a time does: who has the lease, and how far the work is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from db.columns import from_json, to_json
from db.database import Transaction
from db.queries import query


@dataclass(frozen=True, slots=True)
class Chore:
    """Who does it (`holder`, for as long as it is `held`), and how far it is."""

    holder: str
    held: bool
    state: dict[str, Any]


def take(tx: Transaction, name: str, holder: str, seconds: float) -> Chore | None:
    """Take or renew the lease by the clock of the database; None when somebody else has it."""
    ago = datetime(2000, 1, 1, tzinfo=UTC)
    tx.execute(query("chores", "begin"), {"name": name, "holder": "", "until_at": ago, "state": to_json({})})
    if not tx.execute(query("chores", "take"), {"name": name, "holder": holder, "seconds": seconds}):
        return None
    return read(tx, name)


def keep(tx: Transaction, name: str, holder: str, state: Mapping[str, Any], seconds: float) -> bool:
    """Write how far it is and renew the lease (0 seconds give it back); whether the lease was still ours."""
    values = {"name": name, "holder": holder, "state": to_json(dict(state)), "seconds": seconds}
    return tx.execute(query("chores", "keep"), values) == 1


def read(tx: Transaction, name: str) -> Chore | None:
    """A chore; None when it was never begun."""
    row = tx.row(query("chores", "read"), {"name": name})
    return Chore(row["holder"], bool(row["held"]), from_json(row["state"])) if row else None
