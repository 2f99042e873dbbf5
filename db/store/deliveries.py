"""Deliveries: the exact bytes of every request, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.columns import cut, cut_bytes, from_json, to_json
from db.database import Later, Transaction
from db.errors import TooLarge
from db.literals import Written, written
from db.model.delivery import Delivery, pack
from db.queries import query

_PIECE = 4 * 1024 * 1024
"""Bytes per statement: escaping may double them, and MariaDB takes statements of 16 MiB unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it is written: `contents` is all of its row but the outcome. A body that is too large for one
    statement is not in it, but in `pieces`."""

    request_id: bytes
    received_at: Written
    contents: Written
    pieces: tuple[bytes, ...]


def prepare(delivery: Delivery, *, truncated: int = 0, problem: str = "") -> Prepared:
    """Compress and write a request; before anything is locked, because for a large one this takes a while."""
    packed = pack(delivery.body)
    is_large = len(packed.data) > _PIECE
    pieces = [packed.data[start : start + _PIECE] for start in range(0, len(packed.data), _PIECE)] if is_large else []
    received_at = written((delivery.received_at,))
    contents = written(
        (
            delivery.request_id,
            received_at,
            delivery.source,
            cut(delivery.content_type, 255),
            Written("@observer_body") if is_large else packed.data,
            packed.encoding,
            delivery.sha256,
            len(delivery.body),
            truncated,
            cut(delivery.credential, 64),
            delivery.signature,
            delivery.masked,
            cut_bytes(problem) or None,
        )
    )
    return Prepared(delivery.request_id, received_at, contents, tuple(pieces))


def insert(tx: Transaction, row: Prepared, outcome: Mapping[str, object] | None = None) -> int:
    """Keep a request; its number. Raises `Duplicate` when this request id, or this signature, is kept already, and
    `TooLarge` when the server takes no body of this size."""
    if not row.pieces:
        return tx.insert(query("deliveries", "insert"), _row(row, outcome))
    # In a variable of the session: a row that is written once needs no account that may change it.
    tx.execute(query("deliveries", "begin_body"))
    for piece in row.pieces:
        tx.execute(query("deliveries", "extend_body"), {"piece": piece})
    kept = tx.row(query("deliveries", "body_bytes"))
    if kept is None or kept["bytes"] != sum(map(len, row.pieces)):  # NULL
        raise TooLarge("a body is larger than the server's max_allowed_packet")
    delivery_id = tx.insert(query("deliveries", "insert"), _row(row, outcome))
    tx.execute(query("deliveries", "begin_body"))
    return delivery_id


def insert_many(tx: Transaction, rows: Sequence[tuple[Prepared, Mapping[str, object]]]) -> list[int]:
    """Keep several small requests; their numbers, in the same order. Raises `Duplicate` as `insert` does."""
    tx.insert_many(query("deliveries", "insert"), [_row(row, outcome) for row, outcome in rows])
    names = [row.request_id for row, _ in rows]
    found = dict(tx.lines(query("deliveries", "numbers"), {"request_ids": names}))
    return [found[name] for name in names]


def insert_unseen(tx: Transaction, rows: Sequence[tuple[Prepared, Written]]) -> tuple[list[Written], Later]:
    """The same in one statement and without waiting for its answer, for requests with their outcomes as literals: what
    stands for each number in later statements of the transaction, and what `numbers` reads once the server has
    answered."""
    tx.insert_at_once(query("deliveries", "insert"), [Written(f"{row.contents},{outcome}") for row, outcome in rows])
    last = {"last": rows[-1][0].request_id, "steps": max(1, len(rows) - 1)}
    tx.execute_later(query("deliveries", "keep_numbers"), last)
    places = [Written(f"@delivery+{place}*@delivery_step") for place in range(len(rows))]
    return places, tx.later(query("deliveries", "kept_numbers"), {})


def numbers(kept: Later, count: int) -> list[int]:
    """The numbers of so many requests that were inserted unseen, in their order."""
    ((first, step),) = kept.rows()
    return [int(first) + place * int(step) for place in range(count)]


def outcome_text(outcome: Mapping[str, object]) -> Written:
    """An outcome as a literal."""
    return written((to_json(outcome),))


def _row(row: Prepared, outcome: Mapping[str, object] | None) -> dict[str, object]:
    return {"contents": row.contents, "outcome": None if outcome is None else to_json(outcome)}


def by_request(tx: Transaction, request_id: bytes) -> dict[str, Any] | None:
    """The answer that was given to this request, if it is recorded already."""
    row = tx.row(query("deliveries", "by_request"), {"request_id": request_id})
    if row is None:
        return None
    return {"delivery": int(row["delivery_id"]), **(from_json(row["outcome"]) or {})}
