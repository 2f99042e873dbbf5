"""The scenarios: what is sent to whom, in rounds that take turns so that a busy machine disturbs all alike."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.benchmarks import bodies, history
from tests.benchmarks.bodies import Shape
from tests.benchmarks.measure import Layers, Result, Round, cpu_seconds
from tests.benchmarks.servers import Machinery, Target
from tests.servers.database import CHECKOUT
from tests.servers.observer import send

ONE = Shape("one", keys=1000, series=5)
STORM = Shape("storm", keys=50, series=200, alerts=100)
HOT = Shape("hot", keys=1, series=100)

CONNECTIONS = {"S1": 1, "S2": 32, "S3": 16, "S4": 8, "S4u": 8}
BODIES = {"S1": 2000, "S2": 5000, "S3": 64, "S4": 100, "S4u": 1}
SHAPES = {"S1": ONE, "S2": ONE, "S3": STORM, "S4": HOT}

ALL = ("S1", "S2", "S3", "S4", "S4u", "S5", "body", "history")


@dataclass(frozen=True, slots=True)
class Size:
    """How long everything takes."""

    rounds: int
    seconds: float
    members: tuple[int, ...]  # on the incident of S4u before it is measured
    storms: int = 5  # memory is compared from the second to the fifth
    people_seconds: float = 4.0
    past: int = 0  # alerts of the record that is compared with an empty one


QUICK = Size(rounds=3, seconds=1.3, members=(0, 2_000, 10_000))
FULL = Size(rounds=5, seconds=3.0, members=(0, 10_000, 50_000), people_seconds=12.0, past=1_000_000)


@dataclass
class Findings:
    """Everything that a run found out; what was not run is missing."""

    results: dict[tuple[str, str], Result] = field(default_factory=dict)  # by scenario and target
    members: dict[int, Result] = field(default_factory=dict)  # of S4u, by how many were there before
    people: dict[str, list[float]] = field(default_factory=dict)  # "read" and "click": milliseconds
    people_wrong: int = 0
    large_body_seconds: list[float] = field(default_factory=list)
    past: dict[str, tuple[Result, Result]] = field(default_factory=dict)  # S2, S3: empty record, long past
    past_alerts: int = 0
    memory_before: float = 0.0
    memory_storms: list[float] = field(default_factory=list)  # after each S3 round
    memory_after: float = 0.0
    layers: list[Layers] = field(default_factory=list)


def run(machinery: Machinery, size: Size, wanted: Sequence[str], report: Callable[[str], None]) -> Findings:
    """Run the scenarios that are wanted."""
    found = Findings()
    observer = machinery.observer()
    found.memory_before = observer.memory
    ceilings = [machinery.ceiling(level) for level in range(5)] if {"S2", "S3"} & set(wanted) else []
    if {"S1", "S2"} & set(wanted):
        report("making the 5,000 series of S1 and S2 known ...")
        _introduce(observer, ONE)
    for name in ("S1", "S2", "S3", "S4"):
        if name not in wanted:
            continue
        report(f"{name} ...")
        targets = [observer, *(reversed(ceilings) if name in ("S2", "S3") else ())]
        _take_turns(machinery, found, name, targets, size)
    if "S4u" in wanted:
        report("S4u ...")
        _members(machinery, observer, found, size)
    if "S5" in wanted:
        for what in ("read", "click"):
            report(f"S5 with {what}s ...")
            _people(machinery, observer, found, what, size)
    if "body" in wanted:
        report("a body of 1,000 alerts ...")
        for number in range(5):
            body = bodies.body([bodies.alert(f"large{number}", key, f"{key:08d}") for key in range(1000)])
            began = time.perf_counter()
            answer = send(f"http://127.0.0.1:{observer.port}", body)
            assert answer.status_code == 200, answer.text
            found.large_body_seconds.append(time.perf_counter() - began)
    found.memory_after = observer.memory
    if "history" in wanted and size.past:
        _past(machinery, found, size, report)
    return found


def _take_turns(machinery: Machinery, found: Findings, name: str, targets: Sequence[Target], size: Size) -> None:
    rounds: dict[str, list[Round]] = {target.name: [] for target in targets}
    for target in targets:
        machinery.prepare(target, SHAPES[name], bodies=BODIES[name])
        _round(machinery, target, name, size.seconds / 3)  # nobody's first steps are measured
    times = max(size.rounds, size.storms) if name == "S3" else size.rounds
    for turn in range(times):
        for target in targets:
            storm = name == "S3" and target.name == "Observer"
            if turn >= size.rounds and not storm:
                continue
            rounds[target.name].append(_round(machinery, target, name, size.seconds))
            if storm:
                found.memory_storms.append(target.memory)
    for target in targets:
        found.results[name, target.name] = Result(tuple(rounds[target.name]))


def _introduce(observer: Target, shape: Shape) -> None:
    """Let every series fire once, so that on a slow machine, too, a scenario measures alerts of known ones."""
    every = [bodies.alert(shape.family, key, f"{n:08d}") for key in range(shape.keys) for n in range(shape.series)]
    for first in range(0, len(every), 200):
        answer = send(f"http://127.0.0.1:{observer.port}", bodies.body(every[first : first + 200]))
        assert answer.status_code == 200, answer.text


def _round(machinery: Machinery, target: Target, name: str, seconds: float) -> Round:
    return machinery.round(
        target, SHAPES[name], connections=CONNECTIONS[name], seconds=seconds, bodies=BODIES[name]
    )  # fmt: skip


def _members(machinery: Machinery, observer: Target, found: Findings, size: Size) -> None:
    """S4u: every alert a new member; one incident per stage, grown beforehand, the stages taking turns."""
    for before in size.members:
        _grow(observer, f"members{before}", before)
    rounds: dict[int, list[Round]] = {before: [] for before in size.members}
    for turn in range(size.rounds + 1):
        for before in size.members:
            # for the first stage a new incident each time, or else its second round would not begin at 0
            family = f"members{before}" + (f"_{turn}" if not before else "")
            shape = Shape(family, keys=1, series=1, unique=True)
            observer.next_series.setdefault(family, before + 1)
            one = machinery.round(
                observer, shape, connections=CONNECTIONS["S4u"], requests=400, bodies=BODIES["S4u"]
            )  # fmt: skip
            if turn:
                rounds[before].append(one)
    found.members = {before: Result(tuple(those)) for before, those in rounds.items()}


def _grow(observer: Target, family: str, to: int) -> None:
    for first in range(1, to, 1000):
        answer = send(f"http://127.0.0.1:{observer.port}", bodies.members(family, first, min(1000, to + 1 - first)))
        assert answer.status_code == 200, answer.text


def _people(machinery: Machinery, observer: Target, found: Findings, what: str, size: Size) -> None:
    """S5: the storm, and beside it somebody who reads or clicks every 20 ms."""
    machinery.prepare(observer, STORM, bodies=BODIES["S3"])
    if observer.stored() == 0:
        _round(machinery, observer, "S3", 1.0)
    people = subprocess.Popen(
        [
            sys.executable, "-m", "tests.benchmarks.people",
            what, str(observer.port), str(size.people_seconds), observer.url.url,
        ],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.8)  # it needs a moment to start, and its end is inside of the storm
    found.results[f"S5 {what}", observer.name] = Result(
        (_round(machinery, observer, "S3", size.people_seconds + 0.5),)
    )  # fmt: skip
    answer = json.loads(people.communicate(timeout=60)[0])
    found.people[what] = answer["milliseconds"]
    found.people_wrong += answer["wrong"]


def _past(machinery: Machinery, found: Findings, size: Size, report: Callable[[str], None]) -> None:
    """S2 and S3 on a record with a long past, taking turns with the same on an empty one."""
    empty, full = machinery.observer("empty"), machinery.observer("full")
    report(f"filling a record with {size.past:,} alerts ...")
    found.past_alerts = history.fill(full, (ONE, replace(STORM, family="storm")), size.past, report)
    for target in (empty, full):  # the same series fire in both, so that repeats are compared with repeats
        _introduce(target, ONE)
        _introduce(target, STORM)
    _settle(machinery)
    for name in ("S2", "S3"):
        report(f"{name} on both records ...")
        rounds: dict[str, list[Round]] = {"empty": [], "full": []}
        for turn in range(size.rounds + 1):
            for target in (empty, full):
                one = _round(machinery, target, name, size.seconds)
                if turn:
                    rounds[target.name].append(one)
        found.past[name] = (Result(tuple(rounds["empty"])), Result(tuple(rounds["full"])))


def _settle(machinery: Machinery, most: float = 90.0) -> None:
    """Wait until the server is done with what filling the record left behind: purging and writing pages."""
    deadline = time.monotonic() + most
    used = cpu_seconds(machinery.database_pid)
    while time.monotonic() < deadline:
        time.sleep(3.0)
        before, used = used, cpu_seconds(machinery.database_pid)
        if used - before < 0.1:
            return


def resized(size: Size, rounds: int | None, seconds: float | None) -> Size:
    """The same with another number or length of rounds."""
    return replace(size, rounds=rounds or size.rounds, seconds=seconds or size.seconds)
