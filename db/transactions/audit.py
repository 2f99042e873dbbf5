"""The audit trail: writing checkpoints of the timeline's hash chains, and checking chains and checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from db.database import Database, Transaction
from db.errors import Duplicate
from db.model.audit import (
    CHECKPOINT_EVERY,
    FIRST_CHECKPOINT,
    NO_SUCCESSOR,
    Checkpoint,
    Fault,
    Head,
    Kept,
    Leaf,
    Walk,
    checkpoint,
    unpacked,
    wrong,
)
from db.model.identity import IncidentId
from db.model.incident import Chain
from db.model.removal import LEAST_AGE, REMOVALS, Fold, Origin, Removal
from db.model.retention import KEEP_FOR_EVER, Retention
from db.store import audit, removals
from db.store.audit import Listed

CLOCKS = timedelta(minutes=5)
"""So far the clocks of replicas may be from the database's without being called wrong."""

MOST_EVENTS = 10_000
"""Events in one checkpoint; what is left is the next one's."""

MOST_FAULTS = 1_000
"""Faults that are listed; their number is always told."""

_CONFIRMATIONS = 3
_HEADS = 1_000
_LOOK_CLOSELY = 10
"""So many of the newest checkpoints are compared with the events they cover before one is built on them."""

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


@dataclass(slots=True)
class Known:
    """What a process knows of the checkpoints that are there."""

    good: int = 0  # the number of the newest one that Observer wrote, as far as was looked
    wrong: dict[int, str] = field(default_factory=dict)  # numbers of others that were seen, each with the reason


def newest_event(database: Database) -> int:
    """The highest id that an event ever had."""
    return database.transact(lambda tx: audit.newest_event(tx)[0], idempotent=True)


def newest_checkpoint(database: Database) -> tuple[datetime, float] | None:
    """When the newest checkpoint was written (UTC), and how many seconds ago; None: there is none yet."""
    return database.transact(audit.newest_checkpoint, idempotent=True)


def write_checkpoint(
    database: Database,
    every: timedelta,
    *,
    known: Known | None = None,
    upto: int | None = None,
    most: int = MOST_EVENTS,
    at: datetime | None = None,
) -> Checkpoint | None:
    """Write the next checkpoint; None when none is due or another process was first.

    It follows from the newest one that is right, whatever else is there, and covers events up to the id `upto` (None:
    all). One is due `every` so often also when nothing is new; with an `every` of zero only then. The time is the
    database's, unless it is given (`at`, UTC). A backlog of more than `most` events is covered by several checkpoints
    without a pause.
    """
    seen = known if known is not None else Known()

    def work(tx: Transaction) -> tuple[Checkpoint | None, Head | None, dict[int, str]]:
        newest, its_now = audit.newest_event(tx)
        now = at or its_now
        before, strange = _newest_good(tx, seen.good, newest)
        covered = before.to_event_id if before else 0
        found = audit.events_since(tx, covered, most, newest if upto is None else upto)
        # A time that is still to come was taken from a clock that was wrong: it delays nothing.
        is_due = before is None or not timedelta(0) <= now - before.at < every
        if not is_due and len(found) < most:
            return None, before, strange
        leaves = [(event.event_id, event.leaf) for event in found if event.leaf is not None]
        removed = Leaf(REMOVALS, *removals.newest(tx))
        if not every and not leaves and len(found) < most and (before is None or removed in _leaves_of(tx, before)):
            return None, before, strange
        number = before.number + 1 if before else 1
        while number in strange:
            number += 1
        last = found[-1].event_id if found else covered
        made = checkpoint(before, leaves, now, removed, number=number, to_event_id=last)
        try:
            audit.add_checkpoint(tx, made)
        except Duplicate:
            return None, before, strange
        return made, before, strange

    made, before, strange = database.transact(work, idempotent=True)
    good = made or before
    seen.good = good.number if good else 0
    seen.wrong |= strange
    return made


def _newest_good(tx: Transaction, known: int, newest: int) -> tuple[Head | None, dict[int, str]]:
    """The newest checkpoint that follows from the `known` one (0: from the beginning), and those that do not."""
    line: list[Head | None] = [None]  # each follows from the one before
    strange: dict[int, str] = {}

    def cut(first: int) -> None:
        """Leave out what does not cover its events, from this place of the line on, and what follows from that."""
        for place in range(max(1, first), len(line)):
            head = line[place]
            if head is not None and (words := _uncovering(tx, head, line[place - 1])):
                strange.update({one.number: words for one in line[place:] if one is not None})
                del line[place:]
                return

    after = max(0, known - 1)
    while page := audit.heads(tx, after, _HEADS):
        for head in page:
            if known and line == [None]:
                if head.number != known:
                    return _newest_good(tx, 0, newest)  # somebody took the known one away
                line = [head]
                continue
            words = wrong(head, line[-1], newest)
            if words == NO_SUCCESSOR:  # of two that follow from the same one, one is not Observer's
                hashes = [one.hash if one else FIRST_CHECKPOINT for one in line]
                if head.previous in hashes:
                    cut(hashes.index(head.previous) + 1)
                    words = wrong(head, line[-1], newest)
            if words:
                strange[head.number] = words
            else:
                line.append(head)
        after = page[-1].number
    cut(len(line) - _LOOK_CLOSELY)
    return line[-1], strange


def _uncovering(tx: Transaction, head: Head, before: Head | None) -> str:
    events = audit.events_since(tx, before.to_event_id if before else 0, head.events + 1, head.to_event_id)
    return _left_out(events, _leaves_of(tx, head), head)


def _left_out(events: Sequence[Listed], leaves: Sequence[Leaf], head: Head, before: int = 0) -> str:
    """Why a checkpoint does not cover these events of its own; `before` of its events were looked at earlier."""
    covered = {leaf.incident: leaf.number for leaf in leaves}
    linked = [event for event in events if event.leaf is not None]
    for event in linked:
        if event.leaf is not None and covered.get(event.leaf.incident, 0) < event.leaf.number:
            return f"it leaves event_id {event.event_id} out"
    return "it says less events than there are" if before + len(linked) > head.events else ""


def _leaves_of(tx: Transaction, head: Head) -> list[Leaf]:
    return [leaf for made in audit.checkpoints(tx, head.number - 1, 1) for leaf in _leaves(made)]


def verify(
    database: Database,
    *,
    anchors: Collection[str] = (),
    retention: Retention = KEEP_FOR_EVER,
    every: timedelta = CHECKPOINT_EVERY,
    now: datetime | None = None,
    incidents: int = 500,
    events: int = 5_000,
) -> Report:
    """Follow every chain, every checkpoint and every removal.

    `anchors` are hashes (hex) of checkpoints that must be there, `retention` is the rule by which timelines may have
    been removed, `every` how often a checkpoint is written, and `now` (UTC; the database's unless it is given) what no
    time may be later than.

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
    look = _Checkpoints(database, report, events, now)
    said = look.follow({anchor.strip().lower() for anchor in anchors})
    look.uncovered(every)
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


class _Checkpoints:
    """Follows the checkpoints, and beside them all events in the order of their ids."""

    def __init__(self, database: Database, report: Report, events: int, now: datetime | None) -> None:
        self._database = database
        self._report = report
        self._events = events
        self._good: Head | None = None
        self._given = now
        self._now = datetime.max.replace(tzinfo=UTC)

    def follow(self, anchors: set[str]) -> list[tuple[int, Leaf]]:
        """Whether each checkpoint follows from the one before, covers its events, and every chain still holds what it
        says; what they say of the chain of removals, each with the number of the checkpoint."""
        prior: Head | None = None
        said: list[tuple[int, Leaf]] = []
        number = 0
        while page := _checkpoints(self._database, number):
            newest = self._newest()
            for made in page:
                self._report.checkpoints += 1
                # Others go on from what somebody changed, and Observer from before what somebody added.
                base = prior if prior is not None and made.previous == prior.hash else self._good
                leaves = _leaves(made)
                words = wrong(made.head, base, newest)
                if words == NO_SUCCESSOR and made.number != number + 1:
                    words = f"checkpoints {number + 1} to {made.number - 1} are not there"
                if leaves and leaves[0].incident == REMOVALS:
                    if not words:
                        said.append((made.number, leaves[0]))
                    leaves = leaves[1:]
                elif said:
                    words = words or "it says nothing of what retention removed, as the one before does"
                words = words or self._covers(made, leaves, base)
                if words:
                    self._fault("checkpoint", f"checkpoint {made.number}: {words}")
                else:
                    self._times(made, base)
                    self._good = made.head
                    self._report.newest = made.hash.hex()
                for some in audit.in_pieces(leaves, _LEAVES):
                    self._report.add(_lost(self._database, made, some))
                number, prior = made.number, made.head
                anchors.discard(made.hash.hex())
        self._report.anchors_missing = sorted(anchors)
        return said

    def uncovered(self, every: timedelta) -> None:
        """Whether events have gone on for long after one that no checkpoint covers. A program that stopped has not
        written the last one, and a record that was told anew has none yet: that is no fault."""
        if self._good is None:
            return
        first = last = None
        count, after = 0, self._good.to_event_id
        newest = self._newest()
        while page := self._page(after, newest):
            for event in page:
                if event.leaf is not None and event.at <= self._now + CLOCKS:
                    count += 1
                    first = min(first or event.at, event.at)
                    last = max(last or event.at, event.at)
            after = page[-1].event_id
        if first is not None and last is not None and last - first > 2 * every + CLOCKS:
            self._fault("checkpoint", f"{count} events since {first:%Y-%m-%d %H:%M} UTC are in no checkpoint")

    def _newest(self) -> int:
        """The newest event, and what time it is then."""
        newest, now = self._database.transact(audit.newest_event, idempotent=True)
        self._now = self._given or now
        return newest

    def _covers(self, made: Checkpoint, leaves: Sequence[Leaf], base: Head | None) -> str:
        """Why a checkpoint does not cover its events; empty when it does."""
        count, after = 0, base.to_event_id if base else 0
        while page := self._page(after, made.to_event_id):
            if words := _left_out(page, leaves, made.head, count):
                return words
            count += sum(event.leaf is not None for event in page)
            after = page[-1].event_id
        return ""

    def _page(self, after: int, upto: int) -> list[Listed]:
        page = self._database.transact(lambda tx: audit.events_since(tx, after, self._events, upto), idempotent=True)
        for event in page:
            if event.at > self._now + CLOCKS:
                number = event.leaf.number if event.leaf else None
                words = f"its time, {event.at:%Y-%m-%d %H:%M} UTC, is still to come"
                self._report.add([Fault(event.incident_id, event.event_id, number, "clock", words)])
        return page

    def _times(self, made: Checkpoint, base: Head | None) -> None:
        when = f"checkpoint {made.number}: its time, {made.at:%Y-%m-%d %H:%M} UTC,"
        if made.at > self._now + CLOCKS:
            self._fault("clock", f"{when} is still to come")
        elif base is not None and made.at < base.at:
            self._fault("clock", f"{when} is before that of checkpoint {base.number}")

    def _fault(self, what: str, words: str) -> None:
        self._report.add([Fault(IncidentId(""), None, None, what, words)])


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
