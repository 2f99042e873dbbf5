"""Explains what other rules would make of the same alerts: which incidents would merge, split or change, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from db.model.identity import IncidentId, KeyParts
from db.model.incident import Incident

_PARTS = ("rule_uid", "cluster", "namespace", "service", "phase")

_TIMES = ("status", "severity", "title", "start_time", "first_seen_at", "acknowledged_time", "resolved_time")
"""What is compared of an incident that keeps its alerts."""

_MOST_NAMED = 8
"""Incidents, values or differences that one example names."""


@dataclass(frozen=True, slots=True)
class Side:
    """What an explanation needs to know of an incident."""

    incident_id: IncidentId
    parts: KeyParts
    facts: tuple[tuple[str, str], ...]
    first_seen_at: datetime
    resolved_time: datetime | None

    @classmethod
    def of(cls, incident: Incident) -> Side:
        """From an incident as it is."""
        facts = tuple((name, _text(getattr(incident, name))) for name in _TIMES)
        return cls(incident.incident_id, incident.parts, facts, incident.first_seen_at, incident.resolved_time)


@dataclass(frozen=True, slots=True)
class Group:
    """Recorded incidents and what would be there instead, joined by the alerts they share; and why."""

    recorded: tuple[IncidentId, ...]
    instead: tuple[IncidentId, ...]
    why: str


@dataclass(slots=True)
class Regrouping:
    """All that would be different."""

    same: int = 0
    merged: list[Group] = field(default_factory=list)
    split: list[Group] = field(default_factory=list)
    regrouped: list[Group] = field(default_factory=list)  # several become several others
    changed: list[Group] = field(default_factory=list)  # the same alerts, but opened, resolved ... otherwise
    gone: list[Group] = field(default_factory=list)  # its alerts would open nothing
    new: list[Group] = field(default_factory=list)  # of alerts that opened nothing
    not_read: int = 0  # recorded incidents none of whose alerts could be read again

    @property
    def is_same(self) -> bool:
        """Whether the other rules change nothing."""
        return not (self.merged or self.split or self.regrouped or self.changed or self.gone or self.new)

    def as_json(self, examples: int) -> dict[str, Any]:
        """Counts and the first examples of each sort."""
        sorts = ("merged", "split", "regrouped", "changed", "gone", "new")
        return {
            "same": self.same,
            "not_read": self.not_read,
            **{
                sort: {
                    "count": len(getattr(self, sort)),
                    "examples": [asdict(g) for g in getattr(self, sort)[:examples]],
                }
                for sort in sorts
            },
        }


Pairs = Counter[tuple[IncidentId | None, IncidentId | None]]
"""How many alerts went into this recorded incident and would go into that one; None: into none."""


def regroup(pairs: Pairs, recorded: Mapping[IncidentId, Side], instead: Mapping[IncidentId, Side]) -> Regrouping:
    """Sort out what the pairs say."""
    found = Regrouping()
    met: set[IncidentId] = set()
    for olds, news in _components(pairs):
        met |= olds
        some = sorted((recorded[name] for name in olds if name in recorded), key=_when)
        others = sorted((instead[name] for name in news), key=_when)
        if not others:
            found.gone.append(_group(some, others, "its alerts are heartbeats, tests or unreadable now"))
        elif not some:
            found.new.append(_group(some, others, "of alerts that were heartbeats, tests or unreadable"))
        elif len(some) == 1 and len(others) == 1:
            if why := _changes(some[0], others[0]):
                found.changed.append(_group(some, others, why))
            else:
                found.same += 1
        elif len(others) == 1:
            found.merged.append(_group(some, others, _why_merged(some)))
        elif len(some) == 1:
            found.split.append(_group(some, others, _why_split(others)))
        else:
            found.regrouped.append(_group(some, others, _why_regrouped(some, others)))
    found.not_read = sum(name not in met for name in recorded)
    return found


def _components(pairs: Pairs) -> Iterable[tuple[set[IncidentId], set[IncidentId]]]:
    """Incidents of both tellings that hang together by their alerts."""
    to_new: dict[IncidentId, set[IncidentId]] = defaultdict(set)
    to_old: dict[IncidentId, set[IncidentId]] = defaultdict(set)
    for old, new in pairs:
        if old is not None:
            to_new[old].update({new} if new is not None else ())
        if new is not None:
            to_old[new].update({old} if old is not None else ())
    left_old, left_new = dict.fromkeys(to_new), dict.fromkeys(to_old)
    while left_old or left_new:
        olds: set[IncidentId] = set()
        news: set[IncidentId] = set()
        todo = [(True, next(iter(left_old)))] if left_old else [(False, next(iter(left_new)))]
        while todo:
            is_old, name = todo.pop()
            mine, left = (olds, left_old) if is_old else (news, left_new)
            if name in mine:
                continue
            mine.add(name)
            left.pop(name, None)
            todo += [(not is_old, other) for other in (to_new if is_old else to_old)[name]]
        yield olds, news


def _group(some: list[Side], others: list[Side], why: str) -> Group:
    return Group(tuple(one.incident_id for one in some), tuple(one.incident_id for one in others), why)


def _when(side: Side) -> tuple[datetime, IncidentId]:
    return side.first_seen_at, side.incident_id


def _why_merged(some: list[Side]) -> str:
    parts = _differing(some)
    return f"{_NO_LONGER} {parts}" if parts else _gap(some, "what fired again belongs to the incident before it")


def _why_split(others: list[Side]) -> str:
    parts = _differing(others)
    return f"{_NOW} {parts}" if parts else _gap(others, "what fired again is an incident of its own")


def _why_regrouped(some: list[Side], others: list[Side]) -> str:
    """A part that tells the old ones apart as it tells the new ones apart is not the reason."""
    found = [
        f"{text} {parts}"
        for text, parts in ((_NO_LONGER, _differing(some, others)), (_NOW, _differing(others, some)))
        if parts
    ]
    return "; ".join(found) or _gap([*some, *others], "what fired again belongs elsewhere")


_NO_LONGER = "the key no longer tells apart"
_NOW = "the key now tells apart"


def _differing(some: list[Side], others: Sequence[Side] = ()) -> str:
    """`phase (dev, prod) and service (a, b)`: the parts of the key that are not the same in all of them, without those
    that are as manifold in the others."""
    texts = []
    for name in _PARTS:
        values = sorted({getattr(side.parts, name) for side in some})
        if len(values) > 1 and values != sorted({getattr(side.parts, name) for side in others}):
            named = [value or "none" for value in values[:_MOST_NAMED]] + ["..."] * (len(values) > _MOST_NAMED)
            texts.append(f"{name} ({', '.join(named)})")
    return " and ".join(texts)


def _gap(some: list[Side], text: str) -> str:
    gaps = [
        later.first_seen_at - earlier.resolved_time
        for earlier, later in pairwise(sorted(some, key=_when))
        if earlier.resolved_time is not None and later.first_seen_at >= earlier.resolved_time
    ]
    return f"{text} (windows: {str(min(gaps)).split('.')[0]} after its end)" if gaps else f"{text} (windows)"


def _changes(old: Side, new: Side) -> str:
    texts = []
    for name in _PARTS:
        was, now = getattr(old.parts, name), getattr(new.parts, name)
        if was != now:
            texts.append(f"{name} in the key: {was or 'none'} -> {now or 'none'}")
    texts += [
        f"{name}: {was} -> {now}" for (name, was), (_, now) in zip(old.facts, new.facts, strict=True) if was != now
    ]
    return "; ".join(texts[:_MOST_NAMED])


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value if value is not None else "never")
