"""Where the time of one alert goes: the path from body to commit, in one thread, on the same durable server.

Two looks at the same work: what a layer of it takes (reading, deciding, SQL text, waiting for the server), measured by
timers around functions, and the functions with the most own time, by cProfile, which slows small functions down.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql.connections
import pymysql.cursors

from db import literals
from db.arrival import Arrival
from db.database import Database, _Connection
from db.memory import Memory
from db.migrate import migrate
from db.model import grouping
from db.model.delivery import Delivery
from db.model.policy import Policy
from db.store import alerts, deliveries, incidents
from db.transactions import ingest, repeats
from receiver.sources import reading
from tests.benchmarks.bodies import Shape, requests
from tests.benchmarks.measure import Layers
from tests.benchmarks.scenarios import ONE, STORM
from tests.benchmarks.servers import Machinery
from tests.conftest import open_database

_SHOWN = 25
_SECTIONS: tuple[tuple[Any, str, str], ...] = (
    (reading, "read_grafana", "parse and check"),
    (deliveries, "prepare", "SQL text"),
    (deliveries, "pack", "compress the body"),
    (grouping, "sort", "decide"),
    (grouping, "plan", "decide"),
    (grouping, "carry_out", "decide"),
    (grouping, "together", "decide"),
    (ingest, "_known", "values of rows"),
    (repeats, "_chosen", "decide"),
    (repeats, "_heard", "decide"),
    (repeats, "_outcome", "decide"),
    (incidents, "take_turns", "SQL text"),
    (incidents, "hear", "SQL text"),
    (alerts, "insert", "SQL text"),
    (alerts, "contents", "SQL text"),
    (literals.Insert, "statements", "SQL text"),
    (literals.Update, "statement", "SQL text"),
    (pymysql.cursors.Cursor, "mogrify", "SQL text"),
    (pymysql.connections.Connection, "query", "driver"),
    (pymysql.connections.Connection, "next_result", "driver"),
    (_Connection, "run", "driver"),
    (pymysql.connections.Connection, "_write_bytes", "send to the server"),
    (pymysql.connections.Connection, "_read_bytes", "wait for the server"),
)


class Stopwatch:
    """Adds time to the section that was entered last; leaving it goes on with the one around it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inside: list[str] = ["everything else"]
        self._since = time.perf_counter()

    def enter(self, section: str) -> None:
        """The time from now on belongs to this section."""
        self._add()
        self.calls[section] += 1
        self._inside.append(section)

    def leave(self) -> None:
        """Back to the section around."""
        self._add()
        self._inside.pop()

    def _add(self) -> None:
        now = time.perf_counter()
        self.seconds[self._inside[-1]] += now - self._since
        self._since = now


@contextmanager
def _timed(watch: Stopwatch) -> Iterator[None]:
    """Put timers around the functions of the sections, as far as they exist."""
    originals = []

    def around(function: Callable[..., Any], section: str) -> Callable[..., Any]:
        def timed(*positional: Any, **named: Any) -> Any:
            watch.enter(section)
            try:
                answer = function(*positional, **named)
                return list(answer) if isinstance(answer, Iterator) else answer  # a generator works when it is read
            finally:
                watch.leave()

        return timed

    for owner, name, section in _SECTIONS:
        if function := getattr(owner, name, None):
            originals.append((owner, name, function))
            setattr(owner, name, around(function, section))
    try:
        yield
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


_LOOKS = (
    ("S2", "bodies of one alert, 12 in a transaction", ONE, 1000, 12),
    ("S3", "bodies of a hundred alerts, 6 in a transaction", STORM, 60, 6),
)


def layers(machinery: Machinery) -> Iterator[Layers]:
    """Time the layers; everything is a repeat of what the record knows, as in the scenarios."""
    database = open_database(machinery.new_database())
    migrate(database)
    for name, about, shape, count, together in _LOOKS:
        ready = requests(shape, count, 1)
        memory = Memory()
        for _ in range(3):  # first steps, and what was new has to be read once
            _record(database, ready, together, memory)
        watch = Stopwatch()
        began, cpu = time.perf_counter(), time.process_time()
        with _timed(watch):
            _record(database, ready, together, memory)
        watch.enter("end")
        elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
        each = 1e6 / (len(ready) * shape.alerts)
        sections = {section: seconds * each for section, seconds in watch.seconds.items()}
        yield Layers(name, about, elapsed * each, cpu * each, sections)
    database.close()


def run(machinery: Machinery) -> None:
    """Print both looks for bodies of one alert and of a hundred, and the packets of a storm."""
    for found in layers(machinery):
        print(f"\n== {found.name}: {found.about}; {found.wall:.0f} us per alert, of these {found.cpu:.0f} us CPU ==")
        for section, micros in sorted(found.sections.items(), key=lambda pair: -pair[1]):
            print(f"  {section:24}{micros:9.1f} us{micros / found.wall:7.0%}")
    database = open_database(machinery.new_database())
    migrate(database)
    for name, about, shape, count, together in _LOOKS:
        ready = requests(shape, count, 1)
        memory = Memory()
        for _ in range(3):
            _record(database, ready, together, memory)
        print(f"\n== {name}: {about} ==")
        profile = cProfile.Profile()
        profile.runcall(_record, database, ready, together, memory)
        _print_top(profile, len(ready) * shape.alerts)
    _print_statements(database, STORM)
    database.close()


def _record(database: Database, ready: Sequence[bytes], together: int, memory: Memory) -> None:
    """As a writer does it: what only repeats what is remembered, then the others."""
    policy = Policy(default_channel="#incidents")
    for start in range(0, len(ready), together):
        arrivals = []
        for number, body in enumerate(ready[start : start + together]):
            delivery = Delivery(
                request_id=time.time_ns().to_bytes(8, "big") + number.to_bytes(8, "big"),
                received_at=datetime.now(UTC), source="grafana", content_type="application/json", body=body,
            )  # fmt: skip
            arrivals.append(Arrival(delivery, reading.read_grafana(body)))
        answers = repeats.record(database, arrivals, policy, memory)
        left = [arrival for arrival, answer in zip(arrivals, answers, strict=True) if answer is None]
        if left:
            ingest.record_together(database, left, policy, memory=memory)


def _print_top(profile: cProfile.Profile, alerts: int) -> None:
    stats = pstats.Stats(profile)
    rows = [
        (own, calls, file.rpartition("/")[2], line, name)
        for (file, line, name), (_, calls, own, _, _) in stats.stats.items()  # type: ignore[attr-defined]
    ]
    print(f"  {'own us per alert':>18}{'calls':>9}  (cProfile)")
    for own, calls, file, line, name in sorted(rows, reverse=True)[:_SHOWN]:
        where = f"{file}:{line} " if line else ""
        print(f"  {own / alerts * 1e6:18.1f}{calls / alerts:9.1f}  {where}{name}")


def _print_statements(database: Database, shape: Shape) -> None:
    """Every packet of one transaction, with its size and how long it takes: of new alerts, and of repeats."""
    together = 6
    ready = requests(shape, together, 1)
    memory = Memory()
    shown: list[tuple[str, int, float]] = []
    original = _Connection.run

    def run(self: Any, statements: Any) -> None:
        began = time.perf_counter()
        original(self, statements)
        text = " ".join(statements[0][0][:60].split())
        size = sum(len(statement) for statement, _ in statements)
        shown.append((f"{text} and {len(statements) - 1} more", size, time.perf_counter() - began))

    _Connection.run = run  # type: ignore[method-assign]
    try:
        for about in ("read from the record", "read once more", "from memory"):
            shown.clear()
            _record(database, ready, together, memory)
            print(f"\n== a transaction with {together} requests of {shape.alerts} alerts, {about} ==")
            for text, size, seconds in shown:
                print(f"  {seconds * 1000:8.2f} ms{size:11,} bytes  {text}")
    finally:
        _Connection.run = original  # type: ignore[method-assign]
