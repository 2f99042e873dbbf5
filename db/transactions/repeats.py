"""Recording requests that say nothing new, which is most of what sources send: one packet, and nothing is read.

What they repeat is remembered (`db.memory`). The packet begins by giving their keys new turns, which fails unless the
turns are the remembered ones; then nothing is recorded, and the request is recorded as any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from db.arrival import Arrival, Prepared
from db.database import Database, Later, Transaction
from db.errors import Outdated
from db.literals import STATEMENT_BYTES, Written
from db.memory import Memory
from db.model.alert import Reading, Rejected
from db.model.delivery import DeliveryOutcome
from db.model.grouping import Recorded, Sorted
from db.model.identity import IncidentKey
from db.model.meaning import Meaning
from db.model.memory import Remembered, only_repeats
from db.model.policy import Policy
from db.store import alerts, deliveries, heartbeats, incidents

_Repeat = tuple[Arrival, Prepared, tuple[Recorded, ...]]


def record(
    database: Database,
    arrivals: Sequence[Arrival],
    policy: Policy,
    memory: Memory,
    *,
    patience_seconds: float | None = None,
) -> list[dict[str, object] | None]:
    """Record those of these requests that only repeat what is remembered, in one transaction; their answers, as
    `ingest.record_delivery` gives them, and None for each that is to be recorded by it. All of them `can_share`.

    A request waits for one before it that is about the same incidents: only what has nothing to do with those that are
    left is recorded. Raises the errors of `db.errors`, and then none is recorded; also `Duplicate` when one of the
    request ids or signatures is recorded already.
    """
    answers: list[dict[str, object] | None] = [None] * len(arrivals)
    if not memory.may_try():
        return answers
    with memory.planning() as planned:
        known: dict[IncidentKey, Remembered | None] = {}
        chosen = _chosen(arrivals, policy, memory, known) if planned is not None else {}
        if chosen and memory.is_changing(known):  # it would come after that, and find other turns
            if not memory.wait_for(known):
                return answers
            known.clear()
            chosen = _chosen(arrivals, policy, memory, known)
        if planned is None or not chosen:
            return answers
        counts, times = _heard(list(chosen.values()))
        before = {key: one for key, one in known.items() if one is not None and key in counts}
        step = incidents.next_step()
        after = {key: one.later(step, times[key]) for key, one in before.items()}
        memory.put(after)
        outcomes = [_outcome(ready.ordered, arrival.reading, rows) for arrival, ready, rows in chosen.values()]

        def work(tx: Transaction) -> Later:
            incidents.take_turns(tx, {key: one.turn for key, one in before.items()}, step, then=planned)
            rows = [(ready.delivery, text) for (_, ready, _), (_, text) in zip(chosen.values(), outcomes, strict=True)]
            places, kept = deliveries.insert_unseen(tx, rows)
            alerts.insert(
                tx,
                [
                    (entry, ready.contents[id(entry.keyed)], place, ready.delivery.received_at)
                    for (_, ready, recorded), place in zip(chosen.values(), places, strict=True)
                    for entry in recorded
                ],
            )
            incidents.hear(tx, [(after[key].number, after[key].last_seen_at, counts[key]) for key in sorted(counts)])
            beats = [alert for _, ready, _ in chosen.values() for alert in ready.ordered.heartbeats]
            if beats:
                heartbeats.heard(tx, beats, max(arrival.delivery.received_at for arrival, _, _ in chosen.values()))
            return kept

        try:
            kept = database.transact(work, idempotent=True, patience_seconds=patience_seconds, together=True)
        except BaseException as error:
            memory.forget(before)
            if isinstance(error, Outdated):
                memory.was_outdated()
                return answers
            raise
    memory.held()
    numbers = deliveries.numbers(kept, len(chosen))
    for index, (outcome, _), number in zip(chosen, outcomes, numbers, strict=True):
        answers[index] = {"delivery": number, **outcome}
    return answers


def _chosen(
    arrivals: Sequence[Arrival], policy: Policy, memory: Memory, known: dict[IncidentKey, Remembered | None]
) -> dict[int, _Repeat]:
    """The requests that only repeat, by their places; `known` takes up what was recalled for them."""

    def recall(key: IncidentKey) -> Remembered | None:
        if key not in known:
            known[key] = memory.recall(key)
        return known[key]

    chosen: dict[int, _Repeat] = {}
    left: set[IncidentKey] = set()
    size = 0
    for index, arrival in enumerate(arrivals):
        ready = arrival.ready(policy)
        ordered, now = ready.ordered, arrival.delivery.received_at
        size += len(ready.delivery.contents)  # all of them go into one INSERT
        rows = None
        if size < STATEMENT_BYTES:
            rows = only_repeats(ordered, recall, policy, now, arrival.reading.origin)
        if rows is None:
            size -= len(ready.delivery.contents)
            left.update(keyed.key for keyed in (*ordered.keyed, *ordered.by_rule, *ordered.blind))
        else:
            chosen[index] = arrival, ready, rows
    if not left:
        return chosen
    return {index: one for index, one in chosen.items() if left.isdisjoint(entry.key for entry in one[2])}


def _heard(chosen: Sequence[_Repeat]) -> tuple[Counter[IncidentKey], dict[IncidentKey, datetime]]:
    """How many alerts of each key there are, and when the last one came."""
    counts = Counter([entry.key for _, _, rows in chosen for entry in rows])
    times: dict[IncidentKey, datetime] = {}
    for arrival, _, rows in sorted(chosen, key=lambda one: one[0].delivery.received_at):
        times.update(dict.fromkeys([entry.key for entry in rows], arrival.delivery.received_at))
    return counts, times


def _outcome(ordered: Sorted, reading: Reading, rows: tuple[Recorded, ...]) -> tuple[Mapping[str, object], Written]:
    """What such a request did, as its answer says it and as its delivery keeps it; most have done the same."""
    meanings = tuple(Counter([entry.meaning for entry in rows]).items())
    said = len(rows), len(ordered.heartbeats), reading.truncated, meanings
    return _same_outcome(*said) if not reading.rejected else _written_outcome(*said, reading.rejected)


def _written_outcome(
    recorded: int,
    heartbeats: int,
    truncated: int,
    meanings: tuple[tuple[Meaning, int], ...],
    rejected: tuple[Rejected, ...] = (),
) -> tuple[Mapping[str, object], Written]:
    outcome = DeliveryOutcome(
        recorded=recorded,
        repeats=recorded,
        heartbeats=heartbeats,
        truncated=truncated,
        rejected=rejected,
        meanings={meaning.value: count for meaning, count in meanings},
    ).as_json()
    return outcome, deliveries.outcome_text(outcome)


_same_outcome = lru_cache(maxsize=512)(_written_outcome)
