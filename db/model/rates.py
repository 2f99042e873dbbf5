"""What the policy says of how much a source sends: when it is worth a line in the log."""

from __future__ import annotations

from dataclasses import dataclass

from db.model.sections import Sections


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """Nothing is ever refused for its rate; a source above this is named in the log, once a minute."""

    warn_alerts_per_minute: int = 10_000  # of one source and credential; 0 never warns


def read_rates(file: Sections) -> RatePolicy:
    """The table `[rates]` of the policy file."""
    section = file.table("rates", {"warn_alerts_per_minute"})
    default = RatePolicy()
    return RatePolicy(section.integer("warn_alerts_per_minute", default.warn_alerts_per_minute, 0, 1_000_000_000))
