"""The timeline as a hash chain: each event of an incident carries a link over the one before and itself.

    link(n) = SHA-256(link(n-1) + canonical JSON of event n),    link(0) = SHA-256("observer audit 1 <incident id>")

The incident keeps how many links there are and the last one, so that events missing at the end are noticed too. Who can
write to the database can also compute a whole chain anew; therefore *checkpoints* hash the last links of all
incidents that changed, each together with the checkpoint before, and are logged: a log that is kept elsewhere
anchors the record.

The canonical JSON has sorted keys, no blanks, ASCII only, and times in UTC with microseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from db.model.identity import IncidentId
from db.model.incident import Chain, Event, Incident, Status
from db.model.removal import Origin, Removal, unrecorded
from db.model.sections import Sections

FIRST_CHECKPOINT = bytes(32)
"""What the first checkpoint has in place of the hash of the one before."""

CHECKPOINT_EVERY = timedelta(hours=1)
"""Unless the policy file says otherwise."""

MOST_ACTOR = 255
"""Characters of an actor that the record keeps."""


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """How often the chains are summed up in a checkpoint."""

    checkpoint_every: timedelta = CHECKPOINT_EVERY


def read_audit(file: Sections) -> AuditPolicy:
    """The table `[audit]` of the policy file."""
    section = file.table("audit", {"checkpoint_every"})
    return AuditPolicy(section.duration("checkpoint_every", AuditPolicy().checkpoint_every))


@dataclass(frozen=True, slots=True)
class Linked:
    """An event with its place in the chain of its incident (from 1) and its link (32 bytes)."""

    event: Event
    number: int
    link: bytes


def start(incident: IncidentId) -> bytes:
    """What stands in the place of the link before the first event."""
    return hashlib.sha256(f"observer audit 1 {incident}".encode()).digest()


def stored_actor(event: Event) -> str:
    """The actor as the record keeps it."""
    text = str(event.actor)
    return text if len(text) <= MOST_ACTOR else text[: MOST_ACTOR - 1] + "…"


def canonical(event: Event, number: int) -> bytes:
    """The text that is hashed: the event as the record keeps it, the same after it was read back."""
    content = {
        "actor": stored_actor(event),
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "details": dict(event.details),
        "from": event.from_status.value if event.from_status else None,
        "incident": event.incident_id,
        "kind": event.kind.value,
        "number": number,
        "reason": event.reason,
        "to": event.to_status.value if event.to_status else None,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def link(previous: bytes, event: Event, number: int) -> bytes:
    """The link of an event, after the link before it."""
    return hashlib.sha256(previous + canonical(event, number)).digest()


def extended(incident: Incident, events: Iterable[Event]) -> tuple[Incident, list[Linked]]:
    """Events of one incident linked to its chain, in their order; the incident with its new head."""
    chain, lines = incident.chain, []
    for event in events:
        head = link(chain.head or start(incident.incident_id), event, chain.length + 1)
        chain = replace(chain, head=head, length=chain.length + 1)
        lines.append(Linked(event, chain.length, head))
    return replace(incident, chain=chain), lines


def sealed(
    incidents: Sequence[Incident], events: Sequence[Event]
) -> tuple[dict[IncidentId, Incident], tuple[Linked, ...]]:
    """Events of several incidents linked to their chains: the incidents with new heads, and the lines in the order of
    the events. Raises `KeyError` for an event whose incident is not among them."""
    by_id = {incident.incident_id: incident for incident in incidents}
    lines = []
    for event in events:
        by_id[event.incident_id], linked = extended(by_id[event.incident_id], (event,))
        lines += linked
    return by_id, tuple(lines)


# What is wrong with a chain


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it was found in the record; without number and link it is from before there were chains."""

    event_id: int
    event: Event | None  # None when it cannot even be read as an event
    number: int | None
    link: bytes | None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as the chain says."""

    incident: IncidentId
    event_id: int | None
    number: int | None  # place in the chain
    what: str  # changed, inserted, missing, reordered, head, removal, checkpoint, clock
    words: str


@dataclass(slots=True)
class Walk:
    """Follows one chain, event by event in the order of their ids; `end` compares with what the incident says."""

    incident: IncidentId
    chain: Chain
    faults: list[Fault]
    removals: Sequence[Removal] = ()  # of this incident, in their order
    origin: Origin = field(default_factory=Origin)
    before_chain: int = 0
    events: int = 0
    _number: int = 0
    _link: bytes = b""
    _head: bytes | None = None  # the link in the place that the incident has as its last
    _is_over: bool = False  # what comes next follows a timeline that was removed whole, so it was resolved

    def __post_init__(self) -> None:
        if words := unrecorded(self.chain, self.removals):
            self._fault(None, "removal", words)
        self._is_over = bool(self.removals)
        self._number = self.chain.removed
        self._link = (self.chain.base if self.chain.removed else None) or start(self.incident)
        self._head = self.chain.base if self._number == self.chain.length else None

    def step(self, kept: Kept) -> None:
        """The next event."""
        self.events += 1
        if kept.link is None or kept.number is None:
            is_old = self._number == 0 and 0 < kept.event_id <= self.origin.last_unlinked
            if is_old and kept.link is None and kept.number is None:
                self.before_chain += 1
            else:
                self._fault(kept, "inserted", "an event without a link, and not from before there were chains")
            return
        expected = self._number + 1
        if kept.number < expected:
            what = "reordered" if kept.number > self.chain.removed else "inserted"
            self._fault(kept, what, f"event {kept.number} of the chain stands after event {self._number}")
            return
        if kept.number > expected:
            self._fault(kept, "missing", f"events {expected} to {kept.number - 1} of the chain are not there")
        elif kept.event is None or link(self._link, kept.event, kept.number) != kept.link:
            self._fault(kept, "changed", "its link does not fit its contents and the event before")
        if self._is_over and kept.event is not None:
            self._follow_removal(kept, kept.event)
        # From here on the chain is followed by what is written, so that one change is not told of every later event.
        self._number, self._link = kept.number, kept.link
        if kept.number == self.chain.length:
            self._head = kept.link

    def _follow_removal(self, kept: Kept, event: Event) -> None:
        """A timeline goes whole, once it is over: what stands behind it is younger and found the incident resolved."""
        before = self.removals[-1].before
        if before is not None and event.at < before:
            self._fault(kept, "removal", "it is older than what retention removed before it: a timeline goes whole")
            self._is_over = False
        elif event.from_status is not None:
            if event.from_status is not Status.RESOLVED:
                self._fault(kept, "removal", "retention removed what was before it although that was not over")
            self._is_over = False

    def end(self, later: Chain | None = None) -> None:
        """After the last event. `later` is the chain as the incident has it now: it may have grown since."""
        length = max(self.chain.length, later.length if later is not None else 0)
        if self._number < self.chain.length:
            self._fault(None, "missing", f"events {self._number + 1} to {self.chain.length} are not there")
        elif self._number > length:
            self._fault(None, "inserted", f"events after number {length}, which the incident has as its last")
        elif self.chain.length and self._head != self.chain.head:
            self._fault(None, "head", "the last link is not the one that the incident has")

    def _fault(self, kept: Kept | None, what: str, words: str) -> None:
        event_id = kept.event_id if kept is not None else None
        self.faults.append(Fault(self.incident, event_id, kept.number if kept is not None else None, what, words))


# Checkpoints


@dataclass(frozen=True, slots=True)
class Leaf:
    """The last link of an incident when a checkpoint was made."""

    incident: int  # its number
    number: int  # place in its chain
    link: bytes

    def packed(self) -> bytes:
        """44 bytes."""
        return self.incident.to_bytes(8, "big") + self.number.to_bytes(4, "big") + self.link


def unpacked(leaves: bytes) -> list[Leaf]:
    """The leaves of a checkpoint. Raises `ValueError` when a part of one is missing."""
    if len(leaves) % 44:
        raise ValueError("not whole leaves")
    return [
        Leaf(
            int.from_bytes(leaves[at : at + 8], "big"),
            int.from_bytes(leaves[at + 8 : at + 12], "big"),
            leaves[at + 12 : at + 44],
        )
        for at in range(0, len(leaves), 44)
    ]


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint without its leaves, of which it has the digest."""

    number: int
    at: datetime
    to_event_id: int
    events: int
    leaves: str  # SHA-256, in hex
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the chains looked like: `hash` covers everything in it and the checkpoint before."""

    number: int  # from 1
    at: datetime
    to_event_id: int  # the newest event it covers
    events: int  # how many it covers that the one before did not
    leaves: bytes
    previous: bytes
    hash: bytes

    @property
    def head(self) -> Head:
        """All of it but the leaves."""
        digest = hashlib.sha256(self.leaves).hexdigest()
        return Head(self.number, self.at, self.to_event_id, self.events, digest, self.previous, self.hash)


def checkpoint(
    before: Checkpoint | Head | None,
    found: Sequence[tuple[int, Leaf]],
    at: datetime,
    removals: Leaf | None = None,
    *,
    number: int | None = None,
    to_event_id: int | None = None,
) -> Checkpoint:
    """The next checkpoint, over events that are given by their ids with the leaf each makes, and over `removals`.

    It goes up to the last of these events, or to a later one without a link, and has the next number unless others are
    given.
    """
    last: dict[int, Leaf] = {removals.incident: removals} if removals else {}
    for _, leaf in found:
        if leaf.incident not in last or last[leaf.incident].number < leaf.number:
            last[leaf.incident] = leaf
    newest = max((event_id for event_id, _ in found), default=before.to_event_id if before else 0)
    made = Checkpoint(
        number=number if number is not None else before.number + 1 if before else 1,
        at=at,
        to_event_id=newest if to_event_id is None else to_event_id,
        events=len(found),
        leaves=b"".join(last[incident].packed() for incident in sorted(last)),
        previous=before.hash if before else FIRST_CHECKPOINT,
        hash=b"",
    )
    return replace(made, hash=checkpoint_hash(made))


def checkpoint_hash(made: Checkpoint) -> bytes:
    """The hash of a checkpoint's contents."""
    return _head_hash(made.head)


def wrong(head: Head, before: Head | None, newest: int) -> str:
    """Why a checkpoint is not one that Observer wrote after the one `before`; `newest` is the highest id that an event
    ever had. Empty for nothing."""
    if head.previous != (before.hash if before else FIRST_CHECKPOINT):
        return NO_SUCCESSOR
    if _head_hash(head) != head.hash:
        return "its hash does not fit its contents"
    if head.to_event_id < (before.to_event_id if before else 0):
        return "it covers less than the one before"
    if head.to_event_id > newest:
        return "it covers events that there never were"
    return ""


NO_SUCCESSOR = "it does not follow from the one before"


def _head_hash(head: Head) -> bytes:
    content: Mapping[str, object] = {
        "at": head.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "events": head.events,
        "leaves": head.leaves,
        "number": head.number,
        "previous": head.previous.hex(),
        "to_event_id": head.to_event_id,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).digest()
