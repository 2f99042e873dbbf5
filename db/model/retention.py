"""How long the record keeps what is over: the ages of bodies, alerts and timelines, and a pass that removes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from db.model.removal import LEAST_AGE
from db.model.sections import Sections

_FOR_EVER = timedelta(0)


class Part(StrEnum):
    """What retention removes, in the order in which it does."""

    ALERTS = "alerts"  # of incidents that are over
    DELIVERIES = "deliveries"  # that no alert names any more
    BODIES = "bodies"  # the bytes of a delivery; the rest of it stays
    TIMELINES = "timelines"  # whole ones, of incidents that are over
    DIGESTS = "digests"  # with their members, once all of these are over for as long as alerts are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The ages; zero keeps for ever. What belongs to an open incident is kept whatever its age."""

    bodies: timedelta = _FOR_EVER
    alerts: timedelta = _FOR_EVER
    timelines: timedelta = _FOR_EVER

    def __bool__(self) -> bool:
        """Whether anything is ever removed."""
        return any((self.bodies, self.alerts, self.timelines))

    def limits(self, now: datetime) -> dict[Part, datetime]:
        """What is older than its time here (UTC) goes; parts that are kept for ever are absent.

        A delivery goes as a whole only when its bytes may go as well.
        """
        ages = {Part.ALERTS: self.alerts, Part.BODIES: self.bodies, Part.TIMELINES: self.timelines}
        ages[Part.DIGESTS] = self.alerts
        if self.alerts and self.bodies:
            ages[Part.DELIVERIES] = max(self.alerts, self.bodies)
        return {part: now - ages[part] for part in Part if ages.get(part)}


KEEP_FOR_EVER = Retention()
"""The default."""


def read_retention(file: Sections) -> Retention:
    """The table `[retention]` of the policy file. Ages of less than a day are refused: they would be a slip."""
    section = file.table("retention", {"bodies", "alerts", "timelines"})
    ages = {}
    for name in ("bodies", "alerts", "timelines"):
        age = section.duration(name, _FOR_EVER)
        if _FOR_EVER < age < LEAST_AGE:
            section.problem(name, 'must be "0s" (keep for ever) or at least "1d"')
        ages[name] = age
    return Retention(**ages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """How far one pass over the record is: a walk along the numbers of each part, one after the other."""

    part: Part | None  # None: the pass is over
    after: int = 0  # the number up to which the walk of this part is done
    removed: Mapping[Part, int] = field(default_factory=dict)
    finished_at: datetime | None = None

    @classmethod
    def begin(cls, limits: Mapping[Part, datetime]) -> Pass:
        """At the beginning of the first part that has a limit."""
        return cls(part=next(iter(limits), None))

    def step(self, removed: int, after: int | None, limits: Mapping[Part, datetime], now: datetime) -> Pass:
        """After a step that removed so much and came to a number; None: to the end of the part."""
        assert self.part is not None  # noqa: S101 - nobody steps on after the end
        total = {**self.removed, self.part: self.removed.get(self.part, 0) + removed}
        if after is not None:
            return replace(self, after=after, removed=total)
        parts = list(limits)
        rest = parts[parts.index(self.part) + 1 :]
        if rest:
            return Pass(part=rest[0], removed=total)
        return Pass(part=None, removed=total, finished_at=now)

    def as_json(self) -> dict[str, Any]:
        """What is kept of it in the record."""
        return {
            "part": self.part,
            "after": self.after,
            "removed": {str(part): count for part, count in self.removed.items()},
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Pass | None:
        """What `as_json` wrote; None for anything else, such as nothing."""
        try:
            finished = state["finished_at"]
            return cls(
                part=Part(state["part"]) if state["part"] else None,
                after=int(state["after"]),
                removed={Part(part): int(count) for part, count in state["removed"].items()},
                finished_at=datetime.fromisoformat(finished) if finished else None,
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            return None
