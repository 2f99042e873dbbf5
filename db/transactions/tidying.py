"""Removing what is older than the policy's ages: one short step at a time, by one process at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from db.database import Database, Transaction
from db.errors import Duplicate
from db.model.audit import Leaf, unpacked
from db.model.identity import IncidentId
from db.model.removal import Removal
from db.model.retention import Part, Pass
from db.store import chores, removals, tidy
from db.store.tidy import OldTimeline

CHORE = "tidy"
"""The name of the lease."""

LEASE_SECONDS = 60.0

STEP_ROWS = 500
"""Rows that one step removes at most."""

_STEP_BYTES = 16 * 1024 * 1024
"""Bytes of bodies, as received, that one step removes at most."""

_LOOK = 1000
"""Deliveries or incidents that one step looks at."""

_LOOK_TIMELINES = 100
"""Incidents whose timelines one step removes at most; a timeline goes whole."""


_LOOK_DIGESTS = 50
"""Digests that one step looks at; each may have many members."""


class LeaseLost(Exception):
    """Another process has the lease now: this step was rolled back."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: rows removed (with `dry_run`: that would be), and the number it came to; None: the end."""

    removed: int
    after: int | None
    timelines: tuple[
        Removal, ...
    ] = ()  # that went; they still lack their time and their place in the chain of removals


def take_lease(database: Database, holder: str) -> Pass | None:
    """Become the one that tidies, or stay it. None when another process is; a pass without a part is not begun."""

    def work(tx: Transaction) -> Pass | None:
        chore = chores.take(tx, CHORE, holder, LEASE_SECONDS)
        if chore is None:
            return None
        return Pass.from_json(chore.state) or Pass(part=None)

    return database.transact(work, idempotent=True, patience_seconds=0)


def keep(database: Database, holder: str, state: Pass, *, give_back: bool) -> None:
    """Write how far the pass is. Raises `LeaseLost`."""

    def work(tx: Transaction) -> None:
        if not chores.keep(tx, CHORE, holder, state.as_json(), 0.0 if give_back else LEASE_SECONDS):
            raise LeaseLost

    database.transact(work, idempotent=True)


def remove(
    database: Database, holder: str, state: Pass, limits: dict[Part, datetime], now: datetime, *, rows: int = STEP_ROWS
) -> Pass:
    """Remove the next rows of a pass, and keep how far it is in the same transaction; the pass afterwards.

    It takes only keys that are free, and is not repeated when something is in its way: that raises `Conflict`. Raises
    `LeaseLost` when another process took over.
    """
    part = state.part
    assert part is not None  # noqa: S101 - the caller begins a pass

    def work(tx: Transaction) -> Pass:
        # The keys first, as every transaction that changes incidents does.
        step = _STEPS[part](tx, limits[part], state.after, rows, dry_run=False)
        if step.timelines:
            removals.add(tx, [replace(removal, at=now) for removal in step.timelines])
        after = state.step(step.removed, step.after, limits, now)
        if not chores.keep(tx, CHORE, holder, after.as_json(), LEASE_SECONDS):
            raise LeaseLost
        return after

    try:
        return database.transact(work, patience_seconds=0)
    except Duplicate as error:  # of the next removal
        raise LeaseLost from error


def look(database: Database, part: Part, before: datetime, after: int) -> Step:
    """What a step would remove; nothing is changed."""
    return database.transact(lambda tx: _STEPS[part](tx, before, after, STEP_ROWS, dry_run=True), idempotent=True)


def _alerts(tx: Transaction, before: datetime, after: int, rows: int, *, dry_run: bool) -> Step:
    page = tidy.incidents(tx, after, _LOOK)
    old = [one for one in page if one.resolved_time and one.resolved_time < before and one.has_alerts]
    end = page[-1].number if len(page) == _LOOK and page[0].first_seen_at < before else None
    if not old:
        return Step(0, end)
    if dry_run:
        return Step(tidy.count_old_alerts(tx, [one.incident_id for one in old], before), end)
    free = tidy.lock_free_keys(tx, [one.key for one in old])
    numbers = tidy.over(tx, [one.incident_id for one in old if one.key in free], before) if free else {}
    found = tidy.old_alerts(tx, list(numbers), before, rows) if numbers else []
    if found:
        removed = Counter(numbers[incident] for _, incident in found)
        tidy.remove_alerts(tx, [number for number, _ in found], removed)
    return Step(len(found), after if len(found) == rows else end)


def _deliveries(tx: Transaction, before: datetime, after: int, rows: int, *, dry_run: bool) -> Step:
    page = tidy.deliveries(tx, after, tidy.newest_delivery(tx, before), _LOOK)
    old = [one for one in page if one.received_at < before and not one.is_named]
    some = _some(old, rows)
    if some and not dry_run:
        tidy.remove_deliveries(tx, [one.number for one in some])
    return _up_to(page, old, some, dry_run=dry_run)


def _bodies(tx: Transaction, before: datetime, after: int, rows: int, *, dry_run: bool) -> Step:
    page = tidy.deliveries(tx, after, tidy.newest_delivery(tx, before), _LOOK)
    old = [one for one in page if one.received_at < before and one.has_body and not one.is_open]
    some = _some(old, rows)
    if some and not dry_run:
        tidy.remove_bodies(tx, [one.number for one in some])
    return _up_to(page, old, some, dry_run=dry_run)


def _some(old: list[tidy.OldDelivery], rows: int) -> list[tidy.OldDelivery]:
    """The first of them, few and small enough for one step: the binary log may keep every byte that goes."""
    size = 0
    for count, one in enumerate(old[:rows]):
        size += one.body_bytes
        if count and size > _STEP_BYTES:
            return old[:count]
    return old[:rows]


def _up_to(
    page: list[tidy.OldDelivery], old: list[tidy.OldDelivery], some: list[tidy.OldDelivery], *, dry_run: bool
) -> Step:
    if dry_run or len(some) == len(old):
        return Step(len(old), page[-1].number if len(page) == _LOOK else None)
    return Step(len(some), some[-1].number)


def _timelines(tx: Transaction, before: datetime, after: int, rows: int, *, dry_run: bool) -> Step:
    page = tidy.incidents(tx, after, _LOOK)
    old = [one for one in page if one.resolved_time and one.resolved_time < before and one.has_events]
    end = page[-1].number if len(page) == _LOOK and page[0].first_seen_at < before else None
    if len(old) > _LOOK_TIMELINES:
        old = old[:_LOOK_TIMELINES]
        end = old[-1].number
    ids = [one.incident_id for one in old]
    if not ids:
        return Step(0, end)
    if dry_run:
        return Step(sum(one.lines for one, _ in _covered(tx, ids, before)), end)
    free = tidy.lock_free_keys(tx, [one.key for one in old])
    over = tidy.over(tx, [one.incident_id for one in old if one.key in free], before) if free else {}
    total, gone = 0, list[tuple[OldTimeline, int | None]]()
    for one, checkpoint in _covered(tx, list(over), before):
        if gone and total + one.lines > rows:
            end = one.number - 1
            break
        gone.append((one, checkpoint))
        total += one.lines
    if gone:
        tidy.remove_whole_timelines(tx, [one for one, _ in gone])
    return Step(total, end, tuple(_removal(one, checkpoint, before) for one, checkpoint in gone))


def _covered(tx: Transaction, ids: list[IncidentId], before: datetime) -> list[tuple[OldTimeline, int | None]]:
    """The whole timelines that may go, each with the checkpoint that has its last link. That is as old as they have to
    be, so that nobody can pass off a young one as old. One from before there were chains needs none."""
    found = list[tuple[OldTimeline, int | None]]()
    leaves: dict[int, set[Leaf]] = {}
    for one in tidy.timelines(tx, ids, before):
        if not one.is_whole:
            continue
        if not one.chain.length:
            found.append((one, None))
        elif one.checkpoint is not None and one.chain.head is not None:
            if one.checkpoint not in leaves:
                leaves[one.checkpoint] = set(unpacked(tidy.leaves(tx, one.checkpoint)))
            if Leaf(one.number, one.chain.length, one.chain.head) in leaves[one.checkpoint]:
                found.append((one, one.checkpoint))
    return found


def _removal(one: OldTimeline, checkpoint: int | None, before: datetime) -> Removal:
    return Removal(
        number=0, at=before, before=before, incident=one.number, first=one.chain.removed + 1, last=one.chain.length,
        unlinked=one.unlinked, link=one.chain.head, last_event=one.last_event, checkpoint=checkpoint,
    )  # fmt: skip


def _digests(tx: Transaction, before: datetime, after: int, rows: int, *, dry_run: bool) -> Step:
    page = tidy.digests(tx, after, _LOOK_DIGESTS, before)
    old = [one.number for one in page if not one.is_needed]
    end = page[-1].number if len(page) == _LOOK_DIGESTS else None
    if not old:
        return Step(0, end)
    if dry_run:
        return Step(len(old) + tidy.count_members(tx, old), end)
    total, empty = 0, list[int]()
    for number in old:
        some = tidy.members(tx, number, rows - total)
        if some:
            tidy.remove_members(tx, number, some)
        total += len(some)
        if total >= rows:  # it may have more
            end = number - 1
            break
        empty.append(number)
    if empty:
        tidy.remove_digests(tx, empty)
    return Step(total + len(empty), end)


_STEPS = {Part.ALERTS: _alerts, Part.DELIVERIES: _deliveries, Part.BODIES: _bodies, Part.TIMELINES: _timelines,
    Part.DIGESTS: _digests,
}  # fmt: skip
