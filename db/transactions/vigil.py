"""What time does to incidents: what was held settles, silent ones are marked, and what is known to be alive is not.

Every function may be called by several replicas at once: it takes the rows of the keys first, and decides on what it
reads then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from db.database import Database, Transaction
from db.model import audit, reply, stale, still_firing
from db.model import blind as sight
from db.model.heartbeat import Pulse
from db.model.identity import Actor, IncidentId, IncidentKey
from db.model.incident import Event, EventKind, Incident, Instance
from db.model.lifecycle import visibly
from db.model.policy import Policy
from db.model.reason import Reason
from db.store import blind, heartbeats, incidents, instances, messages, timeline

STEP = 50
"""Incidents changed in one transaction: few enough to let go of their locks soon."""


def settle(database: Database, policy: Policy, now: datetime) -> int:
    """Let what was held take effect where the rule has seen again for `[blind] settle`; how many incidents changed."""
    until = now - policy.blind.settle

    def work(tx: Transaction) -> int:
        def decide(found: Sequence[Incident]) -> list[_Change]:
            due = [one for one in found if one.sight_at is not None and one.sight_at <= until]
            held: dict[IncidentId, list[Instance]] = defaultdict(list)
            for instance in instances.held(tx, [one.incident_id for one in due]):
                held[instance.incident_id].append(instance)
            return [_settled(one, held[one.incident_id], now) for one in due]

        return _change(tx, incidents.to_settle(tx, until, STEP), decide, now)

    return database.transact(work, idempotent=True)


def correct_sight(database: Database, now: datetime) -> int:
    """Make open incidents say of their rule's sight what is so; how many changed.

    An incident that opens in the very moment in which its rule goes blind is not seen by that transaction.
    """

    def work(tx: Transaction) -> int:
        def decide(found: Sequence[Incident]) -> list[_Change]:
            reasons = blind.of_rules(tx, {one.parts.rule_uid for one in found})
            return [
                change for one in found if (change := _seen(one, reasons.get(one.parts.rule_uid, ()), now)) is not None
            ]

        return _change(tx, incidents.wrong_sight(tx, STEP), decide, now)

    return database.transact(work, idempotent=True)


def mark_stale(database: Database, policy: Policy, now: datetime, only: IncidentId | None = None) -> int:
    """Mark open incidents that were not heard of for `[incidents] stale_after`, or `only` this one; how many."""
    if not policy.stale_after:
        return 0
    until = now - policy.stale_after

    def work(tx: Transaction) -> int:
        def decide(found: Sequence[Incident]) -> list[_Change]:
            meant = [one for one in found if only in (None, one.incident_id)]
            silent = [one for one in meant if stale.is_stale(one, policy.stale_after, now)]
            return [(one, after, (), event) for one in silent for after, event in [stale.marked(one, now)]]

        if only is None:
            return _change(tx, incidents.silent(tx, until, STEP), decide, now)
        return _change(tx, [one.key for one in incidents.by_ids(tx, [only]).values()], decide, now)

    return database.transact(work, idempotent=True)


def open_again(database: Database, policy: Policy, now: datetime, only: IncidentId | None = None) -> int:
    """Open again what a person resolved `[incidents] still_firing_after` ago and what still fires, or `only` this one,
    unless its key has another open incident by now; how many."""
    if not policy.still_firing_after:
        return 0
    until = now - policy.still_firing_after

    def work(tx: Transaction) -> int:
        ids = incidents.still_firing(tx, until, Reason.STILL_FIRING.value, STEP) if only is None else [only]
        keys = {one.key for one in incidents.by_ids(tx, ids).values()}
        if not keys:
            return 0
        incidents.lock_keys(tx, keys)
        open_now = incidents.open_of_keys(tx, sorted(keys))
        due = [
            one
            for one in incidents.by_ids(tx, ids).values()
            if one.key not in open_now and still_firing.is_due(one, policy.still_firing_after, now)
        ]
        again = [(one, *still_firing.opened_again(one, now)) for one in due]
        _write(tx, [(one, after, (), event) for one, after, event in again], now)
        return len(again)

    return database.transact(work, idempotent=True)


def quiet(database: Database, policy: Policy, source: str, now: datetime) -> set[IncidentId]:
    """The open incidents of a source that become stale unless they are heard of; none when nothing becomes stale."""
    if not policy.stale_after:
        return set()
    until = stale.quiet_since(policy.stale_after, now)
    return database.transact(lambda tx: incidents.quiet(tx, source, until), idempotent=True)


def heard_of(database: Database, ids: Collection[IncidentId], actor: Actor, now: datetime) -> int:
    """These incidents are known to be as they are, because their source was asked: they are heard of at `now` and not
    stale. How many of them are open."""

    def work(tx: Transaction) -> int:
        keys = {one.key for one in incidents.by_ids(tx, ids).values()}

        def decide(found: Sequence[Incident]) -> list[_Change]:
            known = [one for one in found if one.incident_id in ids]
            return [(one, after, (), event) for one in known for after, event in [stale.heard_of(one, actor, now)]]

        return _change(tx, keys, decide, now)

    return database.transact(work, idempotent=True) if ids else 0


def read_pulses(database: Database) -> list[Pulse]:
    """Every heartbeat, as the record has it."""
    return database.transact(heartbeats.pulses, idempotent=True)


def heartbeat_stopped(database: Database, pulse: Pulse) -> None:
    """It is recorded that this heartbeat stopped: there is no need to find it out again."""
    database.transact(lambda tx: heartbeats.stopped(tx, pulse), idempotent=True)


def heartbeat_is_back(database: Database, pulse: Pulse) -> None:
    """It is recorded that this heartbeat is heard again: it may stop anew."""
    database.transact(lambda tx: heartbeats.beats_again(tx, pulse), idempotent=True)


_Change = tuple[Incident, Incident, tuple[Instance, ...], Event | None]
"""An incident before and after, the instances that changed, and what the timeline says of it."""


def _change(
    tx: Transaction,
    keys: Collection[IncidentKey],
    decide: Callable[[Sequence[Incident]], list[_Change]],
    now: datetime,
) -> int:
    """Lock the keys, decide on their open incidents as they are then, write; how many changed."""
    if not keys:
        return 0
    incidents.lock_keys(tx, keys)
    changes = decide(list(incidents.open_of_keys(tx, sorted(set(keys))).values()))
    _write(tx, changes, now)
    return len(changes)


def _write(tx: Transaction, changes: Sequence[_Change], now: datetime) -> None:
    instances.write(tx, [instance for _, _, members, _ in changes for instance in members])
    told = [(before.version, after, event) for before, after, _, event in changes if event is not None]
    linked, lines = audit.sealed([after for _, after, _ in told], [event for _, _, event in told])
    # Cannot lose the race of versions: the keys' rows are locked.
    incidents.update_each(tx, [(linked[after.incident_id], was, 0) for was, after, _ in told])
    timeline.append(tx, lines)
    incidents.touch(tx, [(before, after) for before, after, _, event in changes if event is None], {})
    messages.want_cards(tx, [after for _, after, _ in told], now)
    worse = reply.worse([after for _, after, _ in told], [event for _, _, event in told])
    messages.want_replies(tx, worse, now)


def _settled(incident: Incident, held: Sequence[Instance], now: datetime) -> _Change:
    done = sight.settled(incident, held, now)
    return incident, done.incident, done.instances, done.event


def _seen(incident: Incident, reasons: Sequence[sight.BlindRule], now: datetime) -> _Change | None:
    if bool(reasons) == (incident.unobserved_since is not None):
        return None
    if reasons:
        after, kind = sight.lose_sight(incident, reasons[0]), EventKind.BLIND
        event = sight.sight_event(incident, kind, reasons[0], sight.OBSERVER, now)
    else:
        after, kind = sight.regain_sight(incident, now), EventKind.SIGHT_RESTORED
        event = replace(Event(incident_id=incident.incident_id, at=now, kind=kind, actor=sight.OBSERVER))
    return incident, visibly(after, event), (), event
