"""Deliveries: the exact bytes of every request, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.columns import cut, cut_bytes, from_json, to_json
from db.database import Transaction
from db.model.delivery import Delivery, Packed
from db.queries import query

_PIECE = 4 * 1024 * 1024
"""Bytes per statement: escaping may double them, and MariaDB takes statements of 16 MiB unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request with what came of it."""

    delivery: Delivery
    packed: Packed
    truncated: int = 0
    problem: str = ""
    outcome: dict[str, object] | None = None

    def columns(self) -> dict[str, object]:
        """The row, with the whole body."""
        return {
            "request_id": self.delivery.request_id,
            "received_at": self.delivery.received_at,
            "source": self.delivery.source,
            "content_type": cut(self.delivery.content_type, 255),
            "body": self.packed.data,
            "body_encoding": self.packed.encoding,
            "body_sha256": self.delivery.sha256,
            "body_bytes": len(self.delivery.body),
            "truncated_alerts": self.truncated,
            "credential": cut(self.delivery.credential, 64),
            "signature": self.delivery.signature,
            "masked": self.delivery.masked,
            "problem": cut_bytes(self.problem) or None,
            "outcome": None if self.outcome is None else to_json(self.outcome),
        }


def insert(tx: Transaction, row: Row) -> int:
    """Keep a request; its number. Raises `Duplicate` when this request id, or this signature, is kept already."""
    data = row.packed.data
    first, *rest = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)] or [b""]
    delivery_id = tx.insert(query("deliveries", "insert"), row.columns() | {"body": first})
    for piece in rest:
        tx.execute(query("deliveries", "extend"), {"delivery_id": delivery_id, "piece": piece})
    return delivery_id


def insert_many(tx: Transaction, rows: Sequence[Row]) -> list[int]:
    """Keep several small requests; their numbers, in the same order. Raises `Duplicate` as `insert` does."""
    tx.insert_many(query("deliveries", "insert"), [row.columns() for row in rows])
    names = [row.delivery.request_id for row in rows]
    found = dict(tx.lines(query("deliveries", "numbers"), {"request_ids": names}))
    return [found[name] for name in names]


def by_request(tx: Transaction, request_id: bytes) -> dict[str, Any] | None:
    """The answer that was given to this request, if it is recorded already."""
    row = tx.row(query("deliveries", "by_request"), {"request_id": request_id})
    if row is None:
        return None
    return {"delivery": int(row["delivery_id"]), **(from_json(row["outcome"]) or {})}
