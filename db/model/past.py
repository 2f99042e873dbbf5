"""What happened, in its order: stored deliveries and what people did in between, for telling a record anew.

Deliveries come in the order of their numbers. A delivery gets its number while the keys of its incidents are locked, so
for every key that is the order in which they were decided, whatever the clocks of the replicas said. What a person did
stands in the timeline between the lines of the deliveries before and after it, which bound its place; inside these
bounds the time decides.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from db.model import blind, stale, still_firing
from db.model.identity import Actor, ActorKind, IncidentId, IncidentKey
from db.model.incident import EventKind
from db.model.lifecycle import Action, Notes

_ACTIONS = {
    EventKind.ACKNOWLEDGED: Action.ACKNOWLEDGE,
    EventKind.UNACKNOWLEDGED: Action.UNACKNOWLEDGE,
    EventKind.RESOLVED: Action.RESOLVE,
    EventKind.REOPENED: Action.REOPEN,
    EventKind.NOTED: Action.RESOLVE,  # notes for an incident that was resolved already
}


OF_DELIVERIES = frozenset(
    {
        EventKind.OPENED, EventKind.JOINED, EventKind.PARTLY_RESOLVED, EventKind.SEVERITY_RAISED, EventKind.BLIND,
        EventKind.SIGHT_RESTORED, EventKind.HELD, EventKind.HEARD_AGAIN, EventKind.RESOLVED, EventKind.REOPENED,
        EventKind.TRUNCATED,
    }
)  # fmt: skip
"""Lines that a delivery leaves, also one that Observer made; other lines of Observer's are of rules like repairs."""

_OF_TIME = frozenset({str(blind.OBSERVER), str(stale.OBSERVER), str(still_firing.OBSERVER)})
"""Who leaves lines because time went by."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A stored delivery without its bytes."""

    delivery_id: int
    request_id: bytes
    received_at: datetime
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class PastEvent:
    """A line of a timeline, with the key of its incident; `kind` may be one of a later version."""

    event_id: int
    incident_id: IncidentId
    key: IncidentKey
    at: datetime
    kind: str
    actor: Actor
    heard: int = 0  # of what a person did: how many alerts the incident had then; 0 is not known


Line = tuple[IncidentId, datetime]
"""Where a delivery left a line: the incident, and the time, which is the delivery's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something a person did. `after` and `before` are numbers of deliveries between which it happened, where known."""

    event_id: int
    incident_id: IncidentId
    key: IncidentKey
    at: datetime
    actor: Actor
    kind: EventKind
    action: Action | None  # None: time did it, not a person
    notes: Notes = field(default_factory=Notes)
    after: int | None = None
    before: int | None = None
    heard: int = 0  # alerts that the incident had then


@dataclass(slots=True)
class Doings:
    """What people did, as the timelines tell it, each with the lines of deliveries around it."""

    people: list[Done] = field(default_factory=list)
    lines_before: dict[int, Line] = field(default_factory=dict)  # by event id
    lines_after: dict[int, Line] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)  # lines of Observer's own rules: kind -> how many
    _last: dict[IncidentKey, Line] = field(default_factory=dict)
    _waiting: dict[IncidentKey, list[tuple[int, datetime | None]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, event: PastEvent) -> None:
        """Take the next line in, in the order of their numbers."""
        if str(event.actor) in _OF_TIME and (kind := _known_kind(event.kind)) is not None:
            self._waiting[event.key].append((event.event_id, event.at))
            self._remember(event, kind, None)
            return
        if event.actor.kind is not ActorKind.PERSON and any(kind.value == event.kind for kind in OF_DELIVERIES):
            line = (event.incident_id, event.at)
            for number, left_at in self._waiting.pop(event.key, ()):
                if left_at != event.at:  # else it is of the same delivery
                    self.lines_after[number] = line
            self._last[event.key] = line
            return
        kind = next((kind for kind in _ACTIONS if kind.value == event.kind), None)
        if event.actor.kind is not ActorKind.PERSON or kind is None:
            self.others[event.kind] += 1
            return
        self._waiting[event.key].append((event.event_id, None))
        self._remember(event, kind, _ACTIONS[kind])

    def _remember(self, event: PastEvent, kind: EventKind, action: Action | None) -> None:
        if event.key in self._last:
            self.lines_before[event.event_id] = self._last[event.key]
        self.people.append(
            Done(
                event_id=event.event_id, incident_id=event.incident_id, key=event.key, at=event.at,
                actor=event.actor, kind=kind, action=action, heard=event.heard,
            )
        )  # fmt: skip


def _known_kind(word: str) -> EventKind | None:
    return next((kind for kind in EventKind if kind.value == word), None)


def share_notes(notes: Notes, kinds: Sequence[EventKind]) -> list[Notes]:
    """What each of these lines of one incident wrote, as far as it can be known: the timeline names no texts.

    All together they give the incident's texts; a line that is `NOTED` wrote at least something.
    """
    lines = [("root_cause", line) for line in notes.root_cause.split("\n") if line]
    lines += [("action_taken", line) for line in notes.action_taken.split("\n") if line]
    shared = [Notes()] * len(kinds)
    for index in range(len(kinds) - 1, 0, -1):
        if kinds[index] is EventKind.NOTED and len(lines) > 1:
            name, line = lines.pop()
            shared[index] = Notes(**{name: line})
    if kinds:
        texts = {name: "\n".join(line for of, line in lines if of == name) for name in ("root_cause", "action_taken")}
        shared[0] = Notes(**texts)
    return shared


class Schedule:
    """Says what people did before and after each delivery; all of them are asked for in order."""

    def __init__(self, people: Iterable[Done]) -> None:
        self._of_key: dict[IncidentKey, deque[Done]] = defaultdict(deque)
        self._by_time: list[tuple[datetime, int, Done]] = []
        self._forced: dict[int, list[Done]] = defaultdict(list)
        self._held: dict[int, list[Done]] = defaultdict(list)
        self._over: set[int] = set()
        for done in people:
            self._of_key[done.key].append(done)
            self._by_time.append((done.at, done.event_id, done))
            if done.before is not None:
                self._forced[done.before].append(done)
        heapq.heapify(self._by_time)

    def before(self, mark: Mark) -> list[Done]:
        """What happened since the delivery before this one."""
        due: list[Done] = []
        for done in self._forced.pop(mark.delivery_id, ()):
            due += self._up_to(done)
        while self._by_time and self._by_time[0][0] < mark.received_at:
            done = heapq.heappop(self._by_time)[2]
            if done.event_id in self._over:
                continue
            if done.after is not None and done.after >= mark.delivery_id:
                self._held[done.after].append(done)
            else:
                due += self._up_to(done)
        return due

    def following(self, mark: Mark) -> list[Done]:
        """What happened after this delivery although its time is earlier."""
        return [one for done in self._held.pop(mark.delivery_id, ()) for one in self._up_to(done)]

    def rest(self) -> list[Done]:
        """What happened after the last delivery."""
        left = [done for dones in self._of_key.values() for done in dones]
        return sorted(left, key=lambda done: done.event_id)

    def _up_to(self, wanted: Done) -> list[Done]:
        """Everything of its key up to this one, in the order of the timeline."""
        if wanted.event_id in self._over:
            return []
        of_key, found = self._of_key[wanted.key], []
        while of_key:
            done = of_key.popleft()
            self._over.add(done.event_id)
            found.append(done)
            if done.event_id == wanted.event_id:
                break
        return found


def placed(
    doings: Doings,
    deliveries: Mapping[Line, tuple[int, int]],
    notes: Mapping[IncidentId, Notes],
    heard: Mapping[int, tuple[int, int | None]],
) -> list[Done]:
    """What people did, with its place: `deliveries` has the lowest and the highest number for the lines around it,
    `heard` the deliveries of the alerts before and after it, by event id, where they are known."""
    by_incident: dict[IncidentId, list[Done]] = defaultdict(list)
    for done in doings.people:
        if done.action is Action.RESOLVE:
            by_incident[done.incident_id].append(done)
    wrote: dict[int, Notes] = {}
    for name, some in by_incident.items():
        shared = share_notes(notes.get(name, Notes()), [done.kind for done in some])
        wrote.update({done.event_id: text for done, text in zip(some, shared, strict=True)})
    found = []
    for done in doings.people:
        before = deliveries.get(doings.lines_before.get(done.event_id, (done.incident_id, done.at)))
        after = deliveries.get(doings.lines_after.get(done.event_id, (done.incident_id, done.at)))
        lower = [before[0]] if before and done.event_id in doings.lines_before else []
        upper = [after[1]] if after and done.event_id in doings.lines_after else []
        if done.event_id in heard:
            last, following = heard[done.event_id]
            lower.append(last)
            upper += [following] if following is not None else []
        found.append(
            Done(
                event_id=done.event_id, incident_id=done.incident_id, key=done.key, at=done.at, actor=done.actor,
                kind=done.kind, action=done.action, notes=wrote.get(done.event_id, Notes()),
                after=max(lower, default=None),
                before=min(upper, default=None),
            )
        )  # fmt: skip
    return found
