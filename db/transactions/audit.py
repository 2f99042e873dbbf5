"""The audit trail: writing checkpoints of the timeline's hash chains, and checking chains and checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from db.model.removal import LEAST_AGE, REMOVALS, Fold, Origin, Removal
from db.model.retention import KEEP_FOR_EVER, Retention
from db.store import audit, removals

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
    database: Database,
    every: timedelta,
    *,
    settled: timedelta = SETTLED,
    most: int = MOST_EVENTS,
    at: datetime | None = None,
) -> Checkpoint | None:
    """Write the next checkpoint; None when none is due, nothing is new, or another process was first.

    The time is the database's, unless it is given (`at`, UTC). A backlog of more than `most` events is covered by
    several checkpoints without a pause.
    """

    def work(tx: Transaction) -> Checkpoint | None:
        before, its_now = audit.newest(tx)
        now = at or its_now
        found = audit.events_since(tx, before.to_event_id if before else 0, most)
        if before is not None and len(found) < most and now - before.at < every:
            return None
        ready = []
        for event in found:
            if event.at > now - settled:
                break
            ready.append(event)
        leaves = [(event.event_id, event.leaf) for event in ready if event.leaf is not None]
        removed = Leaf(REMOVALS, *removals.newest(tx))
        if not leaves and (before is None or removed in unpacked(before.leaves)):
            return None
        made = checkpoint(before, leaves, now, removed)
        try:
            audit.add_checkpoint(tx, made)
        except Duplicate:
            return None
        return made

    return database.transact(work, idempotent=True)


def verify(
    database: Database,
    *,
    anchors: Collection[str] = (),
    retention: Retention = KEEP_FOR_EVER,
    incidents: int = 500,
    events: int = 5_000,
) -> Report:
    """Follow every chain, every checkpoint and every removal; `anchors` are hashes (hex) of checkpoints that must be
    there, `retention` is the rule by which timelines may have been removed.

    Nothing is changed or locked, and only so many `incidents` or `events` are read at a time. A chain that looks wrong
    is read again by itself, because the program may be writing to it. Raises the errors of `db.errors`.
    """
    report = Report()
    origin, unlinked_gone = database.transact(lambda tx: (removals.origin(tx), removals.unlinked(tx)), idempotent=True)
    after = 0
    while chains := _chains(database, after, incidents):
        after = chains[-1][0]
        removed = _removals_of(database, [number for number, _, _ in chains])
        walks = {name: Walk(name, chain, [], removed.get(number, ()), origin) for number, name, chain in chains}
        _walk_all(database, walks, events)
        for number, name, _ in chains:
            walk = walks[name]
            sure = _confirmed(database, number, walk, events) if walk.faults else walk
            report.incidents += 1
            report.events += sure.events
            report.before_chain += sure.before_chain
            report.removed += sure.chain.removed
            report.add(sure.faults)
    report.add(_too_many(report.before_chain + unlinked_gone, origin))
    said = _check_checkpoints(database, report, {anchor.strip().lower() for anchor in anchors})
    _check_removals(database, report, said, origin, retention)
    return report


def _too_many(unlinked: int, origin: Origin) -> list[Fault]:
    """Events without a link beyond those that were there when their number was written down."""
    if unlinked <= origin.unlinked:
        return []
    words = f"{unlinked} events without a link, and there were {origin.unlinked} before there were chains"
    return [Fault(IncidentId(""), None, None, "inserted", words)]


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


def _removals_of(database: Database, numbers: Sequence[int]) -> dict[int, list[Removal]]:
    return database.transact(lambda tx: removals.of_incidents(tx, numbers), idempotent=True)


def _confirmed(database: Database, number: int, seen: Walk, limit: int) -> Walk:
    """The same chain again: what was added while it was read is no fault, nor what retention removed meanwhile."""
    walk = seen
    for _ in range(_CONFIRMATIONS):
        chain = _chain(database, seen.incident)
        if chain is None:
            break
        removed = _removals_of(database, [number]).get(number, [])
        if removed and removed[-1].last > chain.removed:  # removed a moment ago, unless the next look says the same
            chain = _chain(database, seen.incident) or chain
        walk = Walk(seen.incident, chain, [], removed, seen.origin)
        _walk_on(database, walk, -1, limit)  # somebody may use the number 0
        later = _chain(database, seen.incident)
        walk.end(later)
        if later is None or later.removed == chain.removed:
            break
    return walk


def _check_checkpoints(database: Database, report: Report, anchors: set[str]) -> list[tuple[int, Leaf]]:
    """Whether each checkpoint follows from the one before, and every chain still holds what it says; what they say of
    the chain of removals, each with the number of the checkpoint."""
    number, previous = 0, FIRST_CHECKPOINT
    said: list[tuple[int, Leaf]] = []
    while page := _checkpoints(database, number):
        for made in page:
            report.checkpoints += 1
            words = _wrong(made, number + 1, previous)
            leaves = _leaves(made)
            if leaves and leaves[0].incident == REMOVALS:
                said.append((made.number, leaves[0]))
                leaves = leaves[1:]
            elif said:
                words = words or "it says nothing of what retention removed, as the one before does"
            if words:
                report.add([Fault(IncidentId(""), None, None, "checkpoint", f"checkpoint {made.number}: {words}")])
            for some in audit.in_pieces(leaves, _LEAVES):
                report.add(_lost(database, made, some))
            number, previous = made.number, made.hash
            report.newest = made.hash.hex()
            anchors.discard(report.newest)
    report.anchors_missing = sorted(anchors)
    return said


def _check_removals(
    database: Database, report: Report, said: Sequence[tuple[int, Leaf]], origin: Origin, retention: Retention
) -> None:
    """Whether each removal follows from the one before, is what the checkpoints say, and had a rule for it."""
    fold, leaves = Fold(origin), _Leaves(database)
    told: dict[int, list[tuple[int, Leaf]]] = {}
    for one in said:
        told.setdefault(one[1].number, []).append(one)
    report.add(_other_removals(told.pop(0, ()), fold.link))
    while page := _page_of_removals(database, fold.number):
        for removal, name in page:
            words = [fold.step(removal), *_without_reason(removal, retention, leaves)]
            if name is None:
                words.append(f"incident #{removal.incident}, whose timeline it was, is gone")
            report.add(
                [
                    Fault(name or IncidentId(""), None, removal.last, "removal", f"removal {removal.number}: {one}")
                    for one in words
                    if one
                ]
            )
            report.add(_other_removals(told.pop(removal.number, ()), fold.link))
    for number in sorted(told):
        report.add(_other_removals(told[number], None))


def _page_of_removals(database: Database, after: int) -> list[tuple[Removal, IncidentId | None]]:
    return database.transact(lambda tx: removals.page(tx, after, _LEAVES), idempotent=True)


def _other_removals(said: Sequence[tuple[int, Leaf]], link: bytes | None) -> list[Fault]:
    """What checkpoints say of a removal that has another link, or that is not there (None)."""
    faults = []
    for number, leaf in said:
        if leaf.link != link:
            what = "was another one" if link else "was there, and is gone"
            words = f"removal {leaf.number} {what} when checkpoint {number} was written"
            if not leaf.number:
                words = f"what was there before removals were recorded was another when checkpoint {number} was written"
            faults.append(Fault(IncidentId(""), None, None, "removal", words))
    return faults


class _Leaves:
    """The leaves of the checkpoint that was asked for last: removals name the same one again and again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number: int | None = None
        self._at: datetime | None = None
        self._leaves: frozenset[Leaf] = frozenset()

    def of(self, number: int) -> tuple[datetime | None, frozenset[Leaf]]:
        """When a checkpoint was written (None: it is not there), and its leaves."""
        if number != self._number:
            found = [made for made in _checkpoints(self._database, number - 1, 1) if made.number == number]
            self._number = number
            self._at = found[0].at if found else None
            self._leaves = frozenset(_leaves(found[0])) if found else frozenset()
        return self._at, self._leaves


def _without_reason(removal: Removal, retention: Retention, leaves: _Leaves) -> list[str]:
    """What speaks against a removal: no rule for it, or no proof that the timeline was old enough."""
    words = []
    if not retention.timelines:
        words.append("the policy keeps timelines for ever")
    if removal.before is None:  # from before removals were recorded
        return words
    if removal.at - removal.before < LEAST_AGE:
        words.append("nothing younger than a day is ever removed")
    if removal.link is not None:
        at, found = leaves.of(removal.checkpoint or 0)
        if at is None or Leaf(removal.incident, removal.last, removal.link) not in found:
            words.append(f"checkpoint {removal.checkpoint} does not have the event that it says was the last")
        elif at >= removal.before:
            words.append(f"checkpoint {removal.checkpoint}, which has the last event, is younger than the rule wants")
    return words


def _checkpoints(database: Database, after: int, limit: int = 10) -> list[Checkpoint]:
    return database.transact(lambda tx: audit.checkpoints(tx, after, limit), idempotent=True)


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
        elif leaf.number < place.removed:
            continue
        elif leaf.number == place.removed:
            if leaf.link != place.base:
                words = f"the chain goes on from another event {leaf.number} than the one that was there {when}"
                faults.append(Fault(place.incident_id, None, leaf.number, "removal", words))
        elif place.link is None:
            words = f"event {leaf.number} of the chain, which was there {when}, is gone"
            faults.append(Fault(place.incident_id, None, leaf.number, "missing", words))
        elif place.link != leaf.link:
            words = f"event {leaf.number} of the chain was another one {when}"
            faults.append(Fault(place.incident_id, None, leaf.number, "changed", words))
    return faults
