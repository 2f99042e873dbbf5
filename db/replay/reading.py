"""Stored deliveries as they are told anew: read once more, or why they cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db.model.alert import Reading, Unreadable
from db.model.delivery import BodyRemoved, Delivery, unpack
from db.model.past import Mark
from db.transactions.past import Stored

ReadStored = Callable[[str, str, bytes], Reading]
"""Reads a body, given its source and its content type; raises `Unreadable`. The readers live with the webhooks."""


@dataclass(frozen=True, slots=True)
class Again:
    """A stored delivery, read again: exactly one of `reading`, `problem` and `lost` is there."""

    mark: Mark
    delivery: Delivery | None
    reading: Reading | None = None
    problem: Unreadable | None = None
    lost: str = ""  # why its bytes are not there


def read_again(stored: Stored, read: ReadStored) -> Again:
    """Read one."""
    mark = Mark(stored.delivery_id, stored.request_id, stored.received_at, len(stored.packed.data))
    try:
        body = unpack(stored.packed)
    except BodyRemoved:
        return Again(mark, None, lost="removed")
    except ValueError as error:
        return Again(mark, None, lost=str(error))
    delivery = Delivery(
        request_id=stored.request_id,
        received_at=stored.received_at,
        source=stored.source,
        content_type=stored.content_type,
        body=body,
    )
    try:
        return Again(mark, delivery, read(stored.source, stored.content_type, body))
    except Unreadable as problem:
        return Again(mark, delivery, problem=problem)


def spans(numbers: Sequence[int], most: int = 20) -> str:
    """Numbers as people read them: `1-20, 25, 30-31`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [f"{first}-{last}" if last > first else f"{first}" for first, last in found[:most]]
    return ", ".join(texts) + (", ..." if len(found) > most else "")
