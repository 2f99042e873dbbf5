"""Removing what is older than the policy's ages: one short step at a time, by one process at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from db.database import Database, Transaction
from db.model.identity import IncidentId
from db.model.retention import Part, Pass
from db.store import chores, tidy

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
        after = state.step(step.removed, step.after, limits, now)
        if not chores.keep(tx, CHORE, holder, after.as_json(), LEASE_SECONDS):
            raise LeaseLost
        return after

    return database.transact(work, patience_seconds=0)


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
        return Step(sum(tidy.count_events(tx, ids).values()), end)
    free = tidy.lock_free_keys(tx, [one.key for one in old])
    numbers = tidy.over(tx, [one.incident_id for one in old if one.key in free], before) if free else {}
    removed: dict[IncidentId, int] = {}
    total = 0
    for name, count in (tidy.count_events(tx, list(numbers)) if numbers else {}).items():
        if removed and total + count > rows:
            end = min(numbers[name] for name in numbers if name not in removed) - 1
            break
        removed[name] = count
        total += count
    if removed:
        tidy.remove_whole_timelines(tx, numbers, removed)
    return Step(total, end)


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
