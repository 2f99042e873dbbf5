"""The audit trail: writing checkpoints of the timeline's hash chains, and checking chains and checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from db.database import Database, Transaction
from db.errors import Duplicate
from db.model.audit import (
    FIRST_CHECKPOINT,
    Checkpoint,
    Fault,
    Kept,
    Leaf,
    Walk,
    checkpoint,
    checkpoint_hash,
    unpacked,
)
from db.model.identity import IncidentId
from db.model.incident import Chain
from db.store import audit

SETTLED = timedelta(minutes=5)
"""Events younger than this wait for the next checkpoint: one with a smaller id may still be on its way."""

MOST_EVENTS = 10_000
"""Events in one checkpoint; what is left is the next one's."""

MOST_FAULTS = 1_000
"""Faults that are listed; their number is always told."""

_CONFIRMATIONS = 3
_LEAVES = 200
"""Leaves of a checkpoint that are compared with the record at once."""


@dataclass(slots=True)
class Report:
    """What a check of all chains found."""

    incidents: int = 0
    events: int = 0
    before_chain: int = 0  # events from before there were chains
    removed: int = 0  # events that retention removed, by what the incidents say
    checkpoints: int = 0
    newest: str = ""  # hash of the newest checkpoint, in hex: an anchor to keep elsewhere
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    anchors_missing: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything is as it was written."""
        return not self.fault_count and not self.anchors_missing

    def add(self, faults: Collection[Fault]) -> None:
        """Take faults in."""
        self.fault_count += len(faults)
        self.faults += list(faults)[: max(0, MOST_FAULTS - len(self.faults))]


def write_checkpoint(
    database: Database, every: timedelta, *, settled: timedelta = SETTLED, most: int = MOST_EVENTS
) -> Checkpoint | None:
    """Write the next checkpoint; None when none is due, nothing is new, or another process was first.

    Time is the database's. A backlog of more than `most` events is covered by several checkpoints without a pause.
    """

    def work(tx: Transaction) -> Checkpoint | None:
        before, now = audit.newest(tx)
        found = audit.events_since(tx, before.to_event_id if before else 0, most)
        if before is not None and len(found) < most and now - before.at < every:
            return None
        ready = []
        for event in found:
            if event.at > now - settled:
                break
            ready.append(event)
        leaves = [(event.event_id, event.leaf) for event in ready if event.leaf is not None]
        if not leaves:
            return None
        made = checkpoint(before, leaves, now)
        try:
            audit.add_checkpoint(tx, made)
        except Duplicate:
            return None
        return made

    return database.transact(work, idempotent=True)


def verify(database: Database, *, anchors: Collection[str] = (), incidents: int = 500, events: int = 5_000) -> Report:
    """Follow every chain and every checkpoint; `anchors` are hashes (hex) of checkpoints that must be there.

    Nothing is changed or locked, and only so many `incidents` or `events` are read at a time. A chain that looks wrong
    is read again by itself, because the program may be writing to it. Raises the errors of `db.errors`.
    """
    report = Report()
    after = 0
    while chains := _chains(database, after, incidents):
        after = chains[-1][0]
        walks = {name: Walk(name, chain, []) for _, name, chain in chains}
        _walk_all(database, walks, events)
        for walk in walks.values():
            sure = _confirmed(database, walk, events) if walk.faults else walk
            report.incidents += 1
            report.events += sure.events
            report.before_chain += sure.before_chain
            report.removed += sure.chain.removed
            report.add(sure.faults)
    _check_checkpoints(database, report, {anchor.strip().lower() for anchor in anchors})
    return report


def _chains(database: Database, after: int, limit: int) -> list[tuple[int, IncidentId, Chain]]:
    return database.transact(lambda tx: audit.chains(tx, after, limit), idempotent=True)


def _walk_all(database: Database, walks: Mapping[IncidentId, Walk], limit: int) -> None:
    """Give each walk its events; a long chain is read in several steps."""
    names = sorted(walks)
    while names:
        found = _events_of(database, names, limit)
        for name, kept in found:
            walks[name].step(kept)
        if len(found) < limit:
            break
        last, kept = found[-1]
        _walk_on(database, walks[last], kept.event_id, limit)
        names = [name for name in names if name > last]
    for walk in walks.values():
        walk.end()


def _walk_on(database: Database, walk: Walk, after: int, limit: int) -> None:
    while more := _more_events_of(database, walk.incident, after, limit):
        for kept in more:
            walk.step(kept)
        after = more[-1].event_id


def _events_of(database: Database, names: Sequence[IncidentId], limit: int) -> list[tuple[IncidentId, Kept]]:
    return database.transact(lambda tx: audit.events_of(tx, names, limit), idempotent=True)


def _more_events_of(database: Database, name: IncidentId, after: int, limit: int) -> list[Kept]:
    return database.transact(lambda tx: audit.more_events_of(tx, name, after, limit), idempotent=True)


def _chain(database: Database, name: IncidentId) -> Chain | None:
    return database.transact(lambda tx: audit.chain(tx, name), idempotent=True)


def _confirmed(database: Database, seen: Walk, limit: int) -> Walk:
    """The same chain again: what was added while it was read is no fault, nor what retention removed meanwhile."""
    walk = seen
    for _ in range(_CONFIRMATIONS):
        chain = _chain(database, seen.incident)
        if chain is None:
            break
        walk = Walk(seen.incident, chain, [])
        _walk_on(database, walk, 0, limit)
        later = _chain(database, seen.incident)
        walk.end(later)
        if later is None or later.removed == chain.removed:
            break
    return walk


def _check_checkpoints(database: Database, report: Report, anchors: set[str]) -> None:
    """Whether each checkpoint follows from the one before, and every chain still holds what it says."""
    number, previous = 0, FIRST_CHECKPOINT
    while page := _checkpoints(database, number):
        for made in page:
            report.checkpoints += 1
            words = _wrong(made, number + 1, previous)
            if words:
                report.add([Fault(IncidentId(""), None, None, "checkpoint", f"checkpoint {made.number}: {words}")])
            for leaves in audit.in_pieces(_leaves(made), _LEAVES):
                report.add(_lost(database, made, leaves))
            number, previous = made.number, made.hash
            report.newest = made.hash.hex()
            anchors.discard(report.newest)
    report.anchors_missing = sorted(anchors)


def _checkpoints(database: Database, after: int) -> list[Checkpoint]:
    return database.transact(lambda tx: audit.checkpoints(tx, after, 10), idempotent=True)


def _leaves(made: Checkpoint) -> list[Leaf]:
    try:
        return unpacked(made.leaves)
    except ValueError:
        return []  # its hash does not fit either, which is told


def _wrong(made: Checkpoint, number: int, previous: bytes) -> str:
    if made.number != number:
        return f"checkpoints {number} to {made.number - 1} are not there"
    if made.previous != previous:
        return "it does not follow from the one before"
    return "" if checkpoint_hash(made) == made.hash else "its hash does not fit its contents"


def _lost(database: Database, made: Checkpoint, leaves: Sequence[Leaf]) -> list[Fault]:
    """The leaves that the record does not bear out."""
    places = database.transact(lambda tx: audit.places(tx, leaves), idempotent=True)
    faults = []
    for leaf in leaves:
        place = places.get((leaf.incident, leaf.number))
        when = f"when checkpoint {made.number} was written"
        if place is None:
            words = f"incident #{leaf.incident}, which was there {when}, is gone"
            faults.append(Fault(IncidentId(""), None, leaf.number, "missing", words))
        elif leaf.number <= place.removed:
            continue
        elif place.link is None:
            words = f"event {leaf.number} of the chain, which was there {when}, is gone"
            faults.append(Fault(place.incident_id, None, leaf.number, "missing", words))
        elif place.link != leaf.link:
            words = f"event {leaf.number} of the chain was another one {when}"
            faults.append(Fault(place.incident_id, None, leaf.number, "changed", words))
    return faults
