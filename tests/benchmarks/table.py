"""What a run found, as tables: each scenario, then each goal with must, aim and what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.benchmarks.measure import Result, middle, percentile
from tests.benchmarks.scenarios import Findings

CEILING = "C4"
_WHAT = {
    "C0": "parse, answer 200",
    "C1": "+ one multi-row INSERT per request",
    "C2": "+ upsert of the incidents, one transaction per request",
    "C3": "+ waiting requests share one transaction",
    "C4": "+ cheap escaping of JSON text",
}
_CEILING_CPU = {"S2": 0.37, "S3": 0.072}
"""CPU per alert of C4 on the machine on which the goals for CPU were set, in milliseconds; they scale with it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line: `must` and `aim` in the unit of `measured`; more is better unless `at_most`."""

    what: str
    must: float
    aim: float
    measured: float
    unit: str
    at_most: bool = True
    note: str = ""

    @property
    def verdict(self) -> str:
        """How the measured value stands to must and aim."""
        sign = 1 if self.at_most else -1
        if sign * self.measured <= sign * self.aim:
            return "aim"
        return "must" if sign * self.measured <= sign * self.must else "BELOW"

    def times(self, goal: float) -> float:
        """How many times as good as a goal it is; 1 and more reaches it."""
        better, worse = (goal, self.measured) if self.at_most else (self.measured, goal)
        return better / worse if worse > 0 else float("inf")


def scenarios(found: Findings) -> Iterator[str]:
    """One line per scenario and program."""
    yield (
        f"{'':9}{'':10}{'stored/s':>9}{'of C4':>7}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'CPU app':>9}{'db':>7}{'sum':>7}{'load':>7}{'MiB':>6}{'errors':>7}{'lost':>5}"
    )
    for (name, target), result in found.results.items():
        best = found.results.get((name, CEILING))
        yield f"{name:9}{target:10}" + _line(result, best) + (f"  {_WHAT[target]}" if target in _WHAT else "")
    for before, result in found.members.items():
        yield f"{'S4u':9}{f'at {before}':10}" + _line(result, None)
    for name, (empty, full) in found.past.items():
        yield f"{name:9}{'empty':10}" + _line(empty, None)
        yield f"{name:9}{f'{found.past_alerts / 1e6:.1f}M past':10}" + _line(full, None)
    yield "CPU: milliseconds per stored alert (load: of the load generator); p50, p99: of a request; medians of rounds."


def _line(result: Result, best: Result | None) -> str:
    ratio = f"{result.of('rate') / best.of('rate'):7.2f}" if best else " " * 7
    return (
        f"{result.of('rate'):9,.0f}{ratio}{result.of('p50'):8.1f}{result.of('p99'):8.1f}"
        f"{result.of('app_cpu'):9.3f}{result.of('database_cpu'):7.3f}{result.of('cpu'):7.3f}{result.of('load_cpu'):7.3f}"
        f"{result.rounds[-1].memory:6.0f}{result.errors:7}{result.lost:5}"
    )


def goals(found: Findings) -> Iterator[Goal]:
    """Every goal for which there is a measurement."""
    for name in ("S3", "S2"):
        ours, best = found.results.get((name, "Observer")), found.results.get((name, CEILING))
        if ours is None or best is None:
            continue
        must, aim = (0.25, 0.12) if name == "S3" else (1.0, 0.6)
        yield Goal(f"{name} stored/s", 0.5, 0.8, ours.of("rate") / best.of("rate"), "x C4", at_most=False)
        note = f"{ours.of('cpu'):.3f} against {best.of('cpu'):.3f} ms"
        scale = _CEILING_CPU[name]
        yield Goal(
            f"{name} CPU per alert", must / scale, aim / scale, ours.of("cpu") / best.of("cpu"), "x C4", note=note
        )
        yield Goal(f"{name} CPU per alert", must, aim, ours.of("cpu"), "ms")
    for before in list(found.members)[1:]:
        none, many = found.members[next(iter(found.members))], found.members[before]
        yield Goal(f"S4u CPU at {before:,} / 0", 1.2, 1.05, many.of("cpu") / none.of("cpu"), "x")
        yield Goal(f"S4u p50 at {before:,} / 0", 1.2, 1.05, many.of("p50") / none.of("p50"), "x")
    for name, (empty, full) in found.past.items():
        yield Goal(f"{name} CPU, {found.past_alerts:,} past / 0", 1.2, 1.05, full.of("cpu") / empty.of("cpu"), "x")
        yield Goal(f"{name} p50, {found.past_alerts:,} past / 0", 1.2, 1.05, full.of("p50") / empty.of("p50"), "x")
    for what, text, must, aim in (("read", "read of 50 open in S3", 250, 60), ("click", "Slack click in S3", 500, 150)):
        if taken := found.people.get(what):
            note = f"p50 {middle(taken):.0f}, {len(taken)} of them"
            yield Goal(f"{text}, p99", must, aim, percentile(taken, 0.99), "ms", note=note)
    if found.large_body_seconds:
        yield Goal(
            "a body of 1,000 alerts", 1.0, 0.3, middle(found.large_body_seconds), "s", note="1,000 new incidents"
        )
    yield Goal("memory after all", 150, 100, found.memory_after, "MiB", note=f"{found.memory_before:.0f} at the start")
    if len(found.memory_storms) >= 5:
        growth = found.memory_storms[4] - found.memory_storms[1]
        rising = all(later > earlier + 0.1 for earlier, later in pairwise(found.memory_storms[1:5]))
        note = " ".join(f"{one:.1f}" for one in found.memory_storms) + (", rising each time" if rising else "")
        yield Goal("memory, 5th S3 - 2nd S3", 2.0, 1.0, growth, "MiB", note=note)
    ours_all = [result for (_, target), result in found.results.items() if target == "Observer"]
    ours_all += [*found.members.values(), *(one for pair in found.past.values() for one in pair)]
    if ours_all:
        errors = sum(one.errors for one in ours_all) + found.people_wrong
        yield Goal("errors", 0, 0, errors, "")
        yield Goal("|accepted - stored|", 0, 0, sum(abs(one.lost) for one in ours_all), "")


def goal_lines(found: Findings) -> Iterator[str]:
    """The goals as lines: `of must` and `of aim` say how many times as good as that this machine is."""
    yield f"{'goal':36}{'must':>9}{'aim':>9}{'measured':>11}{'of must':>15}{'of aim':>8}  reached"
    for goal in goals(found):
        numbers = f"{goal.must:9.2f}{goal.aim:9.2f}{goal.measured:11.2f} {goal.unit:5}"
        ratios = "".join(f"{min(goal.times(one), 999):{size}.2f}" for one, size in ((goal.must, 9), (goal.aim, 8)))
        yield f"{goal.what:36}{numbers}{ratios}  {goal.verdict:6}{goal.note}".rstrip()


def layer_lines(found: Findings) -> Iterator[str]:
    """Where the time of one alert goes, layer by layer."""
    yield "where the time of an alert goes, us (one thread; 12 requests of S2, or 6 of S3, in a transaction)"
    order = sorted({section for one in found.layers for section in one.sections})
    order.sort(key=lambda section: -max(one.sections.get(section, 0.0) for one in found.layers))
    yield f"  {'':28}" + "".join(f"{one.name:>9}" for one in found.layers)
    for section in order:
        yield f"  {section:28}" + "".join(f"{one.sections.get(section, 0.0):9.1f}" for one in found.layers)
    yield f"  {'all of these':28}" + "".join(f"{one.wall:9.1f}" for one in found.layers)
    yield f"  {'CPU of the program for them':28}" + "".join(f"{one.cpu:9.1f}" for one in found.layers)
    for target, field, what in (
        ("C0", "app_cpu", "HTTP: CPU of C0"),
        ("Observer", "app_cpu", "CPU of the program, all"),
        ("Observer", "database_cpu", "CPU of the database"),
    ):
        results = [found.results.get((one.name, target)) for one in found.layers]
        if all(results):
            yield f"  {what:28}" + "".join(f"{result.of(field) * 1000:9.1f}" for result in results if result)
