"""Tries rules on stored deliveries in memory, and compares what they give with what is recorded."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from db.columns import cut
from db.database import Database
from db.model.identity import IncidentId
from db.model.past import Done, Schedule
from db.model.policy import Policy
from db.model.regrouping import Pairs, Regrouping, Side, regroup
from db.model.rehearsal import Rehearsal
from db.replay.reading import Again, ReadStored, read_again, spans
from db.transactions import past


@dataclass(slots=True)
class Trial:
    """What a dry run did, and what would be different."""

    deliveries: int = 0
    alerts: int = 0
    actions: int = 0
    idle_actions: int = 0  # that would change nothing
    unread: list[tuple[int, str]] = field(default_factory=list)  # deliveries that cannot be read, and why
    lost: list[int] = field(default_factory=list)  # deliveries whose bytes are gone
    regrouping: Regrouping = field(default_factory=Regrouping)

    @property
    def unreadable(self) -> int:
        """How many cannot be read."""
        return len(self.unread)

    def as_json(self, examples: int) -> dict[str, Any]:
        """All of it, with so many examples of each sort."""
        names = ("deliveries", "alerts", "actions", "idle_actions", "unreadable")
        lost = {"count": len(self.lost), "deliveries": spans(self.lost)}
        return {
            **{name: getattr(self, name) for name in names},
            "unread": [{"delivery": delivery, "why": why} for delivery, why in self.unread[:examples]],
            "lost": lost,
            **self.regrouping.as_json(examples),
        }


class DryRun:
    """One trial; only reads."""

    def __init__(self, old: Database, policy: Policy, read: ReadStored, report: Callable[[int, int], None]) -> None:
        self._old = old
        self._read = read
        self._report = report
        self._record = Rehearsal(policy)
        self._pairs: Pairs = Counter()
        self._now_in: dict[IncidentId, IncidentId] = {}  # where the newest alert of a recorded incident is now
        self._found = Trial()

    def run(self) -> Trial:
        """Read everything again; what would be different."""
        total, _ = past.counts(self._old)
        people, _ = past.doings(self._old)
        schedule = Schedule(people)
        lost_alerts = past.has_lost_alerts(self._old)
        self._report(0, total)
        for page in past.marks(self._old):
            for first in range(0, len(page), 500):
                some = page[first : first + 500]
                recorded = self._recorded([mark.delivery_id for mark in some])
                for stored in past.bodies(self._old, some):
                    again = read_again(stored, self._read)
                    self._act(schedule.before(again.mark))
                    self._tell(again, recorded[again.mark.delivery_id])
                    self._act(schedule.following(again.mark))
            self._report(self._found.deliveries, total)
        self._act(schedule.rest())
        recorded_sides = {
            incident.incident_id: Side.of(incident) for page in past.stories(self._old) for incident, _ in page
        }
        if lost_alerts:  # where an alert that retention removed was recorded is not known any more
            self._pairs = Counter({pair: count for pair, count in self._pairs.items() if pair[0] is not None})
        instead = {name: Side.of(incident) for name, incident in self._record.incidents.items()}
        self._found.regrouping = regroup(self._pairs, recorded_sides, instead)
        return self._found

    def _recorded(self, ids: list[int]) -> dict[int, dict[str, deque[IncidentId]]]:
        """For each delivery: the incidents that its alerts are recorded in, by fingerprint, in order."""
        found: dict[int, dict[str, deque[IncidentId]]] = defaultdict(lambda: defaultdict(deque))
        for delivery, fingerprint, incident in past.alerts_of(self._old, ids):
            found[delivery][fingerprint].append(incident)
        return found

    def _tell(self, again: Again, recorded: dict[str, deque[IncidentId]]) -> None:
        self._found.deliveries += 1
        if again.reading is None:
            if again.problem is None:
                self._found.lost.append(again.mark.delivery_id)
            else:
                self._found.unread.append((again.mark.delivery_id, str(again.problem)))
            return
        decided = self._record.deliver(again.reading, again.mark.received_at)
        self._found.alerts += len(again.reading.alerts)
        for entry in decided.recorded:
            waiting = recorded.get(cut(entry.keyed.alert.fingerprint, 64))
            old = waiting.popleft() if waiting else None
            self._pairs[old, entry.incident_id] += 1
            if old is not None:
                self._now_in[old] = entry.incident_id
        for rest in recorded.values():
            for old in rest:
                self._pairs[old, None] += 1

    def _act(self, some: list[Done]) -> None:
        for done in some:
            name = self._now_in.get(done.incident_id)
            if done.action is None:
                if name is not None:
                    self._record.pass_time(name, done)
                continue
            if name is not None and self._record.act(name, done):
                self._found.actions += 1
            else:
                self._found.idle_actions += 1
