"""Compares a whole record with its replay, incident by incident."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from db.database import Database
from db.model.comparing import differences
from db.transactions import past

_EXAMPLES = 20


@dataclass(slots=True)
class Comparison:
    """How many incidents are the same, and which are not."""

    same: int = 0
    changed: int = 0
    missing: int = 0  # in the old record only
    extra: int = 0  # in the new one only
    events: int = 0  # lines of timelines that were compared
    alerts: int = 0  # alerts of the incidents that are the same
    fields: Counter[str] = field(default_factory=Counter)  # what differs, how often
    examples: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.changed or self.missing or self.extra)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        names = ("same", "changed", "missing", "extra", "events", "alerts")
        return {name: getattr(self, name) for name in names} | {
            "fields": dict(self.fields),
            "examples": self.examples,
        }

    def example(self, text: str) -> None:
        """Name one, if it is among the first."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text)


def compare(old: Database, new: Database) -> Comparison:
    """Compare every incident by its id: status, times, counts, people, notes and every line of its timeline."""
    found = Comparison()
    for page in past.stories(old):
        others = past.stories_of(new, [incident.incident_id for incident, _ in page])
        for incident, events in page:
            other = others.get(incident.incident_id)
            if other is None:
                found.missing += 1
                found.example(f"{incident.incident_id}: only in the old record")
                continue
            differing = differences(incident, events, *other)
            found.events += len(events)
            if differing:
                found.changed += 1
                found.fields.update(differing)
                found.example(f"{incident.incident_id}: {', '.join(differing)}")
            else:
                found.same += 1
                found.alerts += incident.alert_count
    for page in past.stories(new):
        known = past.stories_of(old, [incident.incident_id for incident, _ in page])
        for incident, _ in page:
            if incident.incident_id not in known:
                found.extra += 1
                found.example(f"{incident.incident_id}: only in the new record")
    return found
