"""Recording what a source sent: one request is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db.columns import cut
from db.database import Database, Transaction
from db.errors import Duplicate
from db.model import grouping
from db.model.alert import Alert, Reading, Rejected
from db.model.delivery import Delivery, DeliveryOutcome, pack
from db.model.grouping import Keyed, Known, Meaning, Plan
from db.model.identity import IncidentId, IncidentKey
from db.model.incident import EventKind
from db.model.message import test_key
from db.model.policy import Policy
from db.store import alerts, deliveries, incidents, instances, messages, timeline


def record_delivery(
    database: Database, delivery: Delivery, reading: Reading, policy: Policy, now: datetime
) -> dict[str, object]:
    """Record a request that could be read, and everything that follows from it; the answer, as JSON.

    Safe to repeat: a request id that is recorded already changes nothing and gives the same answer again. Raises the
    errors of `db.errors`; then nothing is recorded.
    """
    packed = pack(delivery.body)  # outside of the transaction, which holds locks
    ordered = grouping.sort(reading, policy)

    def work(tx: Transaction) -> dict[str, object]:
        rules = {keyed.alert.rule_uid for keyed in ordered.blind}
        # Where blind alerts may go is read before anything is locked, so that all locks are taken in one order.
        possible = [incident.key for incident in incidents.open_of_rules(tx, rules)]
        possible += [instance.key for instance in instances.of_rules(tx, rules, _fingerprints(ordered.blind))]
        keys = sorted({keyed.key for keyed in (*ordered.keyed, *ordered.blind)} | set(possible))
        incidents.lock_keys(tx, keys)
        known = _known(tx, keys, _fingerprints((*ordered.keyed, *ordered.blind)))
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += _blind_targets(tx, ordered.blind, known, frozenset(keys), policy, now)
        decided = grouping.plan(targets, known, policy, now, source_name=reading.source, truncated=reading.truncated)
        outcome = _outcome(decided, reading, ordered).as_json()
        try:
            delivery_id = deliveries.insert(
                tx,
                delivery,
                packed,
                truncated=reading.truncated,
                problem=_problem(reading.rejected),
                outcome=outcome,
            )
        except Duplicate:
            known_answer = deliveries.by_request(tx, delivery.request_id)
            if known_answer is None:
                raise
            return known_answer
        _write(tx, decided, delivery_id, now)
        _tell_tests(tx, ordered.tests, delivery_id, reading, policy, now)
        return {"delivery": delivery_id, **outcome}

    return database.transact(work, idempotent=True)


def record_unreadable(database: Database, delivery: Delivery, problem: Rejected) -> int:
    """Keep the exact bytes of a request that could not be read, and why; the number of the delivery."""
    packed = pack(delivery.body)

    def work(tx: Transaction) -> int:
        try:
            return deliveries.insert(tx, delivery, packed, problem=_problem((problem,)))
        except Duplicate:
            known = deliveries.by_request(tx, delivery.request_id)
            return int(known["delivery"]) if known else 0

    return database.transact(work, idempotent=True)


def _fingerprints(keyed: Sequence[Keyed]) -> list[str]:
    return [entry.alert.fingerprint for entry in keyed]


def _problem(rejected: Sequence[Rejected]) -> str:
    return "\n".join(f"{part.path}: {part.reason}" for part in rejected)


def _known(tx: Transaction, keys: Sequence[IncidentKey], fingerprints: Sequence[str]) -> Known:
    """What the record knows, read after the keys were locked."""
    opened, last = incidents.open_and_last_of_keys(tx, keys)
    members = instances.current(tx, keys, fingerprints)
    at_hand = {incident.incident_id for incident in (*opened.values(), *last.values())}
    older = {instance.incident_id for instance in members.values()} - at_hand
    targets = {key: incident.incident_id for key, incident in {**last, **opened}.items()}
    elsewhere = {i.fingerprint for i in members.values() if targets.get(i.key) != i.incident_id}
    return Known(
        open=opened,
        last=last,
        instances=members,
        closed=incidents.by_ids(tx, older),
        members=instances.of_incidents(tx, targets.values(), elsewhere),
    )


def _blind_targets(
    tx: Transaction,
    blind: Sequence[Keyed],
    known: Known,
    locked: frozenset[IncidentKey],
    policy: Policy,
    now: datetime,
) -> list[tuple[Keyed, IncidentKey]]:
    """Where blind alerts go, by what is in the record now that the keys are locked."""
    targets = []
    for keyed in blind:
        rule = keyed.alert.rule_uid
        of_rule = [incident for incident in known.open.values() if incident.parts.rule_uid == cut(rule, 255)]
        having = [
            instance
            for instance in instances.of_rules(tx, (rule,), (keyed.alert.fingerprint,))
            if instance.key in locked
        ]
        targets.append((keyed, grouping.home_of_blind(keyed, of_rule, having, policy, now)))
    return targets


def _write(tx: Transaction, decided: Plan, delivery_id: int, now: datetime) -> None:
    incidents.insert(tx, decided.opened, now)
    for incident in decided.changed:
        incidents.update(tx, incident)  # cannot lose the race of versions: the key's row is locked
    incidents.touch(tx, decided.touched)
    instances.write(tx, decided.instances)
    instances.supersede(tx, decided.superseded)  # after writing, which makes rows current
    alerts.insert(tx, decided.recorded, delivery_id, now)
    timeline.append(tx, decided.events)
    # An incident that was over before we heard of it needs nobody's attention, and gets no card.
    resolved = {event.incident_id for event in decided.events if event.kind is EventKind.RESOLVED}
    told = [one for one in (*decided.opened, *decided.changed) if one.is_open or one.incident_id in resolved]
    messages.want_cards(tx, told, now)
    messages.refresh_cards(tx, [one for one in decided.changed if one not in told])


def _tell_tests(
    tx: Transaction, tests: Sequence[Alert], delivery_id: int, reading: Reading, policy: Policy, now: datetime
) -> None:
    for index, alert in enumerate(tests[:1]):  # one message says it, however many alerts the test had
        content = {"source": reading.source, "receiver": reading.receiver, "at": now.isoformat(), "text": alert.summary}
        messages.want_test(tx, test_key(delivery_id, index), policy.channel(alert.labels), content, now)


def _outcome(decided: Plan, reading: Reading, ordered: grouping.Sorted) -> DeliveryOutcome:
    def of(kind: EventKind) -> tuple[IncidentId, ...]:
        return tuple(event.incident_id for event in decided.events if event.kind is kind)

    quiet = (Meaning.REPEAT, Meaning.LATE, Meaning.RESOLVED_UNSEEN)
    return DeliveryOutcome(
        opened=tuple(incident.incident_id for incident in decided.opened),
        reopened=of(EventKind.REOPENED),
        joined=of(EventKind.JOINED),
        resolved=of(EventKind.RESOLVED),
        recorded=len(decided.recorded),
        repeats=sum(entry.meaning in quiet for entry in decided.recorded),
        tests=len(ordered.tests),
        heartbeats=len(ordered.heartbeats),
        truncated=reading.truncated,
        rejected=reading.rejected,
    )
