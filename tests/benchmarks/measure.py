"""What a process has used so far, and the middle of several measurements."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int) -> float:
    """Memory a process holds at the moment."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def middle(values: Sequence[float]) -> float:
    """The median; not a number when there is none."""
    return statistics.median(values) if values else float("nan")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of a scenario gave."""

    alerts: int  # in the database afterwards that were not there before
    accepted: int  # answered with 200
    errors: int  # answered with anything else, or not at all
    elapsed: float
    p50: float  # milliseconds
    p99: float
    app_cpu: float  # milliseconds per alert
    database_cpu: float
    load_cpu: float
    memory: float  # of the application afterwards, MiB

    @property
    def rate(self) -> float:
        """Stored alerts per second."""
        return self.alerts / self.elapsed

    @property
    def cpu(self) -> float:
        """Application and database, milliseconds per alert."""
        return self.app_cpu + self.database_cpu


@dataclass(frozen=True, slots=True)
class Result:
    """The rounds of one scenario against one program."""

    rounds: tuple[Round, ...]

    def of(self, name: str) -> float:
        """The median of one measurement."""
        return middle([getattr(one, name) for one in self.rounds])

    @property
    def errors(self) -> int:
        """Of all rounds."""
        return sum(one.errors for one in self.rounds)

    @property
    def lost(self) -> int:
        """Accepted and not stored; below zero for alerts that are stored though their sender heard an error."""
        return sum(one.accepted - one.alerts for one in self.rounds)


@dataclass(frozen=True, slots=True)
class Layers:
    """What the layers of one scenario take, in microseconds per alert."""

    name: str  # of the scenario
    about: str
    wall: float
    cpu: float  # of the program
    sections: Mapping[str, float]
