"""What is remembered of the record between two requests, and which requests say nothing that is not remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from db.model.grouping import Known, Plan, Recorded, Sorted
from db.model.identity import IncidentId, IncidentKey, of_origin
from db.model.incident import Instance
from db.model.meaning import Meaning, is_of_another, meaning_of, repeated
from db.model.policy import Policy

_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the record says of a key whose open incident is its newest, as of one `turn` of the key.

    `instances` are some of that incident, by fingerprint and without their labels; they are the same since the turn
    `since`. `changed` are those that the transaction of this turn changed; `before` is the turn that it found. Of the
    incident only what repeats need is kept.
    """

    turn: int
    before: int
    since: int
    incident_id: IncidentId
    number: int
    last_seen_at: datetime
    instances: dict[str, Instance]
    changed: frozenset[str] = frozenset()

    def later(self, step: int, at: datetime) -> Remembered:
        """The same after a transaction that repeated it at `at`."""
        last = max(at, self.last_seen_at)
        turn = self.turn + step
        return Remembered(turn, self.turn, self.since, self.incident_id, self.number, last, self.instances)

    def joined(self, other: Remembered | None) -> Remembered:
        """This, with what another one knows as well if that still holds; else the newer of them."""
        if other is None:
            return self
        if self.changed and other.turn == self.before:  # all else is as it was
            for name in self.changed:
                other.instances.pop(name, None)
            first, last, since = other, self, self.since
        elif other.turn in (self.since, self.turn):
            first, last, since = other, self, other.since
        elif other.since == self.turn:
            first, last, since = self, other, self.since
        else:
            return max(self, other, key=lambda one: one.turn)
        first.instances.update(last.instances)  # who decides by them at the moment may know these too
        return replace(last, since=since, instances=first.instances)


def only_repeats(
    ordered: Sorted, recall: Callable[[IncidentKey], Remembered | None], policy: Policy, now: datetime, origin: str
) -> tuple[Recorded, ...] | None:
    """The rows of a request that changes nothing but when its incidents were heard of; None for any other request, and
    for one of which not everything is remembered. The same that `grouping.plan` would decide."""
    if ordered.tests or ordered.blind or ordered.by_rule:
        return None
    rows: list[Recorded] = []
    for keyed in ordered.keyed:
        alert = keyed.alert
        known = recall(keyed.key)
        if known is None:
            return None
        instance = known.instances.get(alert.fingerprint)
        if origin and (instance is None or is_of_another(instance, origin)):  # only a second server has such a name
            instance = known.instances.get(of_origin(alert.fingerprint, origin))
        if instance is None:
            return None
        meaning = meaning_of(alert, instance, now, policy)
        if meaning not in _QUIET or repeated(instance, alert, meaning, origin, now) is not instance:
            return None
        rows.append(Recorded(keyed, known.incident_id, keyed.key, meaning))
    return tuple(rows)


_QUIET = frozenset((Meaning.REPEAT, Meaning.LATE))


def worth_remembering(
    known: Known, decided: Plan, turns: Mapping[IncidentKey, int], step: int
) -> dict[IncidentKey, Remembered]:
    """What may be remembered once a plan is carried out: `known` says what is known then, `turns` are those that its
    transaction gave the keys, by so large a `step`.

    Of instances only what was read and not changed, so that nothing rests on how a value looks once it was written;
    and nothing that time changes by itself: an incident that waits to settle, or whose next alert is news.
    """
    changed: dict[IncidentKey, set[str]] = {}
    for instance in decided.instances:
        changed.setdefault(instance.key, set()).add(instance.fingerprint)
    found: dict[IncidentKey, Remembered] = {}
    for key, incident in known.open.items():
        last = known.last.get(key)
        newest = last is not None and last.incident_id == incident.incident_id and incident.number
        if newest and incident.sight_at is None and incident.stale_since is None:
            turn, names = turns[key], frozenset(changed.get(key, ()))
            before = turn - step
            since, name, last_seen = turn if names else before, incident.incident_id, incident.last_seen_at
            found[key] = Remembered(turn, before, since, name, incident.number, last_seen, {}, names)
    for (key, fingerprint), instance in known.instances.items():
        one = found.get(key)
        if one is not None and instance.incident_id == one.incident_id and fingerprint not in one.changed:
            one.instances[fingerprint] = _lean(instance, one.incident_id, key)
    return found


def _lean(instance: Instance, incident: IncidentId, key: IncidentKey) -> Instance:
    """An instance without what no repeat is compared with; what it shares with others is kept once."""
    return Instance(
        incident_id=incident,
        key=key,
        fingerprint=instance.fingerprint,
        kind=instance.kind,
        state=instance.state,
        starts_at=instance.starts_at,
        ends_at=instance.ends_at,
        heard_at=instance.heard_at,
        labels=_NO_LABELS,
        last_values=instance.last_values,
        origin=instance.origin,
    )
