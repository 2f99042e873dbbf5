"""Deliveries: the exact bytes of every request, and its answer."""

from __future__ import annotations

from typing import Any

from db.columns import cut, cut_bytes, from_json, to_json
from db.database import Transaction
from db.model.delivery import Delivery, Packed
from db.queries import query

_PIECE = 4 * 1024 * 1024
"""Bytes per statement: escaping may double them, and MariaDB takes statements of 16 MiB unless told otherwise."""


def insert(
    tx: Transaction,
    delivery: Delivery,
    packed: Packed,
    *,
    truncated: int = 0,
    problem: str = "",
    outcome: dict[str, object] | None = None,
) -> int:
    """Keep a request; its number. Raises `Duplicate` when this request id is kept already."""
    first, *rest = [packed.data[start : start + _PIECE] for start in range(0, len(packed.data), _PIECE)] or [b""]
    delivery_id = tx.insert(
        query("deliveries", "insert"),
        {
            "request_id": delivery.request_id,
            "received_at": delivery.received_at,
            "source": delivery.source,
            "content_type": cut(delivery.content_type, 255),
            "body": first,
            "body_encoding": packed.encoding,
            "body_sha256": delivery.sha256,
            "body_bytes": len(delivery.body),
            "truncated_alerts": truncated,
            "problem": cut_bytes(problem) or None,
            "outcome": None if outcome is None else to_json(outcome),
        },
    )
    for piece in rest:
        tx.execute(query("deliveries", "extend"), {"delivery_id": delivery_id, "piece": piece})
    return delivery_id


def by_request(tx: Transaction, request_id: bytes) -> dict[str, Any] | None:
    """The answer that was given to this request, if it is recorded already."""
    row = tx.row(query("deliveries", "by_request"), {"request_id": request_id})
    if row is None:
        return None
    return {"delivery": int(row["delivery_id"]), **(from_json(row["outcome"]) or {})}
