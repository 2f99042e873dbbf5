"""What retention removed from timelines, as a chain of its own: a chain may begin late only where a record says so.

    link(n) = SHA-256(link(n-1) + canonical JSON of removal n),    link(0) = SHA-256 over the origin

Every checkpoint holds the newest link of this chain beside those of the timelines, as the leaf of the incident 0, which
there is not. Retention removes only what stands in a checkpoint that is as old as its rule wants, and names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from db.model.incident import Chain

LEAST_AGE = timedelta(days=1)
"""Nothing younger is ever removed: `[retention]` takes no smaller age."""

REMOVALS = 0
"""The number in the leaf that a checkpoint has of this chain; incidents are numbered from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What was there when the migration made this table; all of it zero in a new record."""

    last_event: int = 0  # id of the newest event: those after it carry the digest of notes
    last_unlinked: int = 0  # id of the newest event without a link
    unlinked: int = 0  # events without a link
    removals: int = 0  # timelines that were removed without a record of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One timeline that was removed whole: the events `first` to `last` of an incident's chain. Times are UTC."""

    number: int  # from 1, without a gap
    at: datetime
    before: datetime | None  # what was resolved earlier went; None: from before removals were recorded
    incident: int  # its number
    first: int
    last: int  # less than `first` when all that went was without a link
    unlinked: int = 0
    link: bytes | None  # of the last event
    last_event: int = 0  # id of the newest event that went
    checkpoint: int | None  # that has this link
    hash: bytes | None = None  # the link of the removal; None: from before removals were recorded


def start(origin: Origin) -> bytes:
    """What stands in the place of the link before the first removal."""
    content = {
        "last_event": origin.last_event, "last_unlinked": origin.last_unlinked, "removals": origin.removals,
        "unlinked": origin.unlinked, "what": "observer removals 1",
    }  # fmt: skip
    return hashlib.sha256(_canonical(content)).digest()


def link(previous: bytes, removal: Removal) -> bytes:
    """The link of a removal, after the link before it."""
    content = {
        "at": _text(removal.at), "before": _text(removal.before), "checkpoint": removal.checkpoint,
        "first": removal.first, "incident": removal.incident, "last": removal.last,
        "last_event": removal.last_event,
        "link": removal.link.hex() if removal.link else None, "number": removal.number, "unlinked": removal.unlinked,
    }  # fmt: skip
    return hashlib.sha256(previous + _canonical(content)).digest()


def linked(number: int, previous: bytes, removals: Iterable[Removal]) -> list[Removal]:
    """Removals with their numbers and links, after the one with this number and link."""
    made = []
    for place, removal in enumerate(removals, number + 1):
        previous = link(previous, replace(removal, number=place))
        made.append(replace(removal, number=place, hash=previous))
    return made


@dataclass(slots=True)
class Fold:
    """Follows the removals in their order; `step` says what is wrong with each."""

    origin: Origin
    number: int = 0
    link: bytes = b""

    def __post_init__(self) -> None:
        self.link = start(self.origin)

    def step(self, removal: Removal) -> str:
        """What is wrong with the place of the next removal in the chain; empty for nothing."""
        words = ""
        expected = link(self.link, removal)
        if removal.number != self.number + 1:
            words = f"removals {self.number + 1} to {removal.number - 1} are not there"
        elif removal.hash is None and removal.number > self.origin.removals:
            words = "it is not linked to the one before"
        elif removal.hash is not None and removal.hash != expected:
            words = "its link does not fit its contents and the one before"
        self.number, self.link = removal.number, removal.hash or expected
        return words


def unrecorded(chain: Chain, removals: Sequence[Removal]) -> str:
    """What is wrong with the beginning of a chain, given its removals in their order; empty for nothing."""
    end = 0
    for removal in removals:
        if removal.first > end + 1:
            return f"events {end + 1} to {removal.first - 1} are gone, and no record of retention says so"
        if removal.first <= end:
            return f"retention says twice that it removed event {removal.first}"
        end = max(end, removal.last)
    if end < chain.removed:
        return f"events {end + 1} to {chain.removed} are gone, and no record of retention says so"
    if end > chain.removed:
        return f"retention removed events up to {end}, and the incident says up to {chain.removed}"
    if end and removals[-1].last == end and removals[-1].link != chain.base:
        return "the chain goes on from another link than the one that retention left"
    return ""


def _canonical(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _text(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="microseconds") if time else None
