"""Recording what a source sent: a request is one transaction, which small requests that wait may share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime

from db.arrival import Arrival, Prepared, prepare, problem_text
from db.columns import cut
from db.database import Database, Transaction
from db.errors import SIGNATURE_KEY, Duplicate, Replayed
from db.memory import Findings, Memory
from db.model import audit, grouping, reply
from db.model.alert import Alert, Reading, Rejected
from db.model.delivery import Delivery
from db.model.grouping import InstanceName, Keyed, Known, Plan
from db.model.identity import IncidentId, IncidentKey, of_origin
from db.model.incident import EventKind, Incident, Instance
from db.model.meaning import is_of_another
from db.model.memory import Remembered, worth_remembering
from db.model.outcome import outcome_of
from db.model.policy import Policy
from db.store import alerts, blind, deliveries, heartbeats, incidents, instances, messages, timeline


def _nobody() -> None:
    """Nobody is to be told."""


def _nobody_learns(found: Findings) -> None:
    """Nothing is to be remembered."""


def record_delivery(
    database: Database,
    delivery: Delivery,
    reading: Reading,
    policy: Policy,
    now: datetime,
    *,
    prepared: Prepared | None = None,
    fell_behind: Callable[[], None] = _nobody,
) -> dict[str, object]:
    """Record a request that could be read, and everything that follows from it; the answer, as JSON.

    Safe to repeat: a request id that is recorded already changes nothing and gives the same answer again. Raises the
    errors of `db.errors`, `Replayed` for a signature that is recorded already; then nothing is recorded. `fell_behind`
    is called after the commit when Slack does not show yet what was recorded.
    """
    behind = False
    ready = prepared or prepare(delivery, reading, policy)
    ordered = ready.ordered

    def work(tx: Transaction) -> dict[str, object]:
        nonlocal behind
        rules = {keyed.alert.rule_uid for keyed in (*ordered.blind, *ordered.by_rule)}
        everything = (*ordered.keyed, *ordered.by_rule, *ordered.blind)
        # What a rule's sight may change is read before anything is locked, so that all locks are taken in one order.
        since = now - policy.blind.window
        possible = [incident.key for incident in incidents.open_of_rules(tx, rules)]
        possible += [incident.key for incident in incidents.doubtful_of_rules(tx, rules, since)]
        possible += [instance.key for instance in instances.of_rules(tx, rules, _fingerprints(ordered.by_rule))]
        keys = sorted({keyed.key for keyed in everything} | set(possible))
        incidents.lock_keys(tx, keys)
        until = now - policy.blind.settle
        said = [(keyed, reading.origin) for keyed in (*ordered.keyed, *ordered.blind)]
        found = _known(tx, keys, said, until, by_rule=ordered.by_rule)
        known = _with_sight(tx, found, rules, frozenset(keys), since)
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += _by_rule_targets(tx, ordered.by_rule, known, frozenset(keys), policy, now)
        targets = grouping.in_order(targets, ordered.blind)
        decided = grouping.plan(
            targets,
            known,
            policy,
            now,
            source_name=reading.source,
            truncated=reading.truncated,
            origin=reading.origin,
            found_by=reading.found_by,
        )
        outcome = outcome_of(reading, ordered, decided).as_json()
        behind = behind or bool(ordered.tests) or _is_seen(decided)
        try:
            delivery_id = deliveries.insert(tx, ready.delivery, outcome)
        except Duplicate as error:
            known_answer = deliveries.by_request(tx, delivery.request_id)
            if known_answer is None:
                raise _replayed(error) from error
            return known_answer
        _write(tx, decided, _incidents(known), now)
        alerts.insert(tx, [(entry, ready.contents[id(entry.keyed)], delivery_id, now) for entry in decided.recorded])
        heartbeats.heard(tx, ordered.heartbeats, now)
        _tell_tests(tx, ordered.tests, reading, policy, now)
        return {"delivery": delivery_id, **outcome}

    answer = database.transact(work, idempotent=True)
    if behind:
        fell_behind()
    return answer


def record_together(
    database: Database,
    arrivals: Sequence[Arrival],
    policy: Policy,
    *,
    memory: Memory | None = None,
    patience_seconds: float | None = None,
    fell_behind: Callable[[], None] = _nobody,
) -> list[dict[str, object]]:
    """Record several requests in one transaction, in their order; their answers, as `record_delivery` gives them.

    All of them `can_share`. What one does is what the next is decided on, so the record is the same as if each had a
    transaction of its own; only locks, round trips and the commit are shared. Raises the errors of `db.errors`, and
    then none of them is recorded; also `Duplicate` when one of the request ids is recorded already. `fell_behind` is
    called after the commit when Slack does not show yet what was recorded. What was found and left as it was goes into
    `memory`.
    """
    ready = [arrival.ready(policy) for arrival in arrivals]
    ordered = [one.ordered for one in ready]
    said = [
        (keyed, arrival.reading.origin) for arrival, one in zip(arrivals, ordered, strict=True) for keyed in one.keyed
    ]
    keys = sorted({keyed.key for keyed, _ in said})
    until = max(arrival.delivery.received_at for arrival in arrivals) - policy.blind.settle
    runs = 0
    behind = False
    found: dict[IncidentKey, Remembered] = {}

    def work(tx: Transaction) -> list[dict[str, object]]:
        nonlocal runs, behind, found
        runs += 1
        found = {}
        if runs > 1:  # perhaps a COMMIT whose answer was lost
            kept = [deliveries.by_request(tx, arrival.delivery.request_id) for arrival in arrivals]
            answers = [answer for answer in kept if answer is not None]
            if len(answers) == len(arrivals):
                return answers
        step = incidents.next_step()
        incidents.lock_keys(tx, keys, step)
        asked = incidents.ask_turns(tx, keys) if memory is not None else None
        known = _known(tx, keys, said, until)
        at_first = _incidents(known)
        plans: list[Plan] = []
        for arrival, one in zip(arrivals, ordered, strict=True):
            decided = grouping.plan(
                [(keyed, keyed.key) for keyed in one.keyed],
                known,
                policy,
                arrival.delivery.received_at,
                source_name=arrival.reading.source,
                truncated=arrival.reading.truncated,
                origin=arrival.reading.origin,
                found_by=arrival.reading.found_by,
            )
            grouping.carry_out(known, decided)
            plans.append(decided)
        behind = behind or any(map(_is_seen, plans))  # of an attempt whose COMMIT was perhaps only not answered, too
        outcomes = [
            outcome_of(arrival.reading, one, decided).as_json()
            for decided, arrival, one in zip(plans, arrivals, ordered, strict=True)
        ]
        rows = [(one.delivery, outcome) for one, outcome in zip(ready, outcomes, strict=True)]
        numbers = deliveries.insert_many(tx, rows)
        decided = grouping.together(plans)
        _write(tx, decided, at_first, arrivals[-1].delivery.received_at)
        if asked is not None:
            found = worth_remembering(known, decided, asked(), step)
        alerts.insert(
            tx,
            [
                (entry, one.contents[id(entry.keyed)], number, arrival.delivery.received_at)
                for decided, number, arrival, one in zip(plans, numbers, arrivals, ready, strict=True)
                for entry in decided.recorded
            ],
        )
        beats = [alert for one in ordered for alert in one.heartbeats]
        heartbeats.heard(tx, beats, arrivals[-1].delivery.received_at)
        return [{"delivery": number, **outcome} for number, outcome in zip(numbers, outcomes, strict=True)]

    with memory.changing(keys) if memory is not None else nullcontext(_nobody_learns) as learn:
        answers = database.transact(work, idempotent=True, patience_seconds=patience_seconds, together=True)
        learn(found)
    if behind:
        fell_behind()
    return answers


def record_unreadable(database: Database, delivery: Delivery, problem: Rejected) -> int:
    """Keep the exact bytes of a request that could not be read, and why; the number of the delivery."""
    prepared = deliveries.prepare(delivery, problem=problem_text((problem,)))

    def work(tx: Transaction) -> int:
        try:
            return deliveries.insert(tx, prepared)
        except Duplicate as error:
            known = deliveries.by_request(tx, delivery.request_id)
            if known is None:
                raise _replayed(error) from error
            return int(known["delivery"])

    return database.transact(work, idempotent=True)


def _replayed(error: Duplicate) -> Duplicate | Replayed:
    """What a refused row means when its request id is not the one that stands there."""
    return Replayed("a request with this signature is recorded already") if error.key == SIGNATURE_KEY else error


def _fingerprints(keyed: Sequence[Keyed]) -> list[str]:
    return [entry.alert.fingerprint for entry in keyed]


def _known(
    tx: Transaction,
    keys: Sequence[IncidentKey],
    said: Sequence[tuple[Keyed, str]],
    until: datetime,
    by_rule: Sequence[Keyed] = (),
) -> Known:
    """What the record knows, read after the keys were locked: of the instances of these alerts, each with the server
    that says so, of the fingerprints of those that are found by their rule under any of the keys, and of what settles,
    its rule seeing since `until`."""
    names: list[tuple[InstanceName, str]] = [((one.key, one.alert.fingerprint), origin) for one, origin in said]
    of_names = instances.ask_names(tx, [name for name, _ in names])
    opened, last = incidents.open_and_last_of_keys(tx, keys)
    members = of_names() | instances.current(tx, keys, _fingerprints(by_rule))
    # Only beside another server's instance has one a name of its own, so a single server costs no second question.
    other = [(n, origin) for n, origin in names if n in members and is_of_another(members[n], origin)]
    members |= instances.ask_names(tx, [(key, of_origin(name, origin)) for (key, name), origin in other])()
    due = [one.incident_id for one in opened.values() if one.sight_at is not None and one.sight_at <= until]
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
        # An open incident knows itself whether its rule is blind; one that may open now does not.
        blind=blind.of_rules(tx, {one.alert.rule_uid for one, _ in said if one.key not in opened}),
        held=_by_incident(instances.held(tx, due)),
    )


def _by_incident(found: Sequence[Instance]) -> dict[IncidentId, tuple[Instance, ...]]:
    members: dict[IncidentId, list[Instance]] = defaultdict(list)
    for instance in found:
        members[instance.incident_id].append(instance)
    return {name: tuple(some) for name, some in members.items()}


def _with_sight(
    tx: Transaction, known: Known, rules: Collection[str], locked: frozenset[IncidentKey], since: datetime
) -> Known:
    """The same with all that a change of these rules' sight is decided on."""
    doubtful = [one for one in incidents.doubtful_of_rules(tx, rules, since) if one.key in locked]
    members = _by_incident(instances.recovered(tx, [one.incident_id for one in doubtful], since))
    by_rule: dict[str, list[tuple[Incident, tuple[Instance, ...]]]] = defaultdict(list)
    for incident in doubtful:
        if held := members.get(incident.incident_id):
            by_rule[incident.parts.rule_uid].append((incident, held))
    return replace(
        known,
        blind={**known.blind, **blind.of_rules(tx, rules)},
        doubtful={rule: tuple(pairs) for rule, pairs in by_rule.items()},
    )


def _by_rule_targets(
    tx: Transaction,
    by_rule: Sequence[Keyed],
    known: Known,
    locked: frozenset[IncidentKey],
    policy: Policy,
    now: datetime,
) -> list[tuple[Keyed, IncidentKey]]:
    """Where alerts go that are found by their rule, by what is in the record now that the keys are locked."""
    targets = []
    for keyed in by_rule:
        rule = keyed.alert.rule_uid
        of_rule = [incident for incident in known.open.values() if incident.parts.rule_uid == cut(rule, 255)]
        having = [
            instance
            for instance in instances.of_rules(tx, (rule,), (keyed.alert.fingerprint,))
            if instance.key in locked
        ]
        targets.append((keyed, grouping.home_by_rule(keyed, of_rule, having, policy, now)))
    return targets


def _incidents(known: Known) -> dict[IncidentId, Incident]:
    return {one.incident_id: one for one in (*known.closed.values(), *known.last.values(), *known.open.values())}


def _write(tx: Transaction, decided: Plan, before: Mapping[IncidentId, Incident], now: datetime) -> None:
    """Write all of a plan but its alerts, which it counts; `before` are the incidents it was decided on."""
    recorded = Counter(entry.incident_id for entry in decided.recorded)
    linked, lines = audit.sealed((*decided.changed, *decided.opened), decided.events)
    changes = [(linked[n], before[n].version, recorded[n]) for n in (one.incident_id for one in decided.changed)]
    # What resolves makes room for what opens: at no moment has a key two open incidents.
    incidents.update_each(tx, [change for change in changes if not change[0].is_open])
    incidents.update_each(tx, [change for change in changes if change[0].is_open])
    opened = [linked[one.incident_id] for one in decided.opened]  # as they opened, which is the order of their numbers
    incidents.insert(tx, opened, now, recorded)
    incidents.touch(tx, [(before[one.incident_id], one) for one in decided.touched], recorded)
    instances.write(tx, decided.instances)
    instances.supersede(tx, decided.superseded)  # after writing, which makes rows current
    blind.write(tx, decided.went_blind, decided.sees_again)
    timeline.append(tx, lines)
    # An incident that was over before we heard of it needs nobody's attention, and gets no card.
    resolved = {event.incident_id for event in decided.events if event.kind is EventKind.RESOLVED}
    told = [one for one in (*decided.opened, *decided.changed) if one.is_open or one.incident_id in resolved]
    messages.want_cards(tx, told, now)
    messages.refresh_cards(tx, [one for one in decided.changed if one not in told])
    messages.want_replies(tx, reply.worse(decided.changed, decided.events), now)


def _is_seen(decided: Plan) -> bool:
    """Whether a message has to show something new of it; what is only heard of again changes nothing to see."""
    return bool(decided.opened or decided.changed)


def _tell_tests(tx: Transaction, tests: Sequence[Alert], reading: Reading, policy: Policy, now: datetime) -> None:
    for alert in tests[:1]:  # one message says it, however many alerts the test had
        content = {"source": reading.source, "receiver": reading.receiver, "at": now.isoformat(), "text": alert.summary}
        messages.want_test(tx, policy.channel(alert.labels), content, now)
