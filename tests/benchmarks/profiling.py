"""Where the time of one alert goes: the record path alone, in one thread, on the same durable server.

Two looks at the same work: what a section of it takes (parse, plan, SQL text, waiting for the server, ...), measured by
timers around functions, and the functions with the most own time, by cProfile, which slows small functions down.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import pymysql.connections
import pymysql.cursors

from db.database import Database
from db.migrate import migrate
from db.model import grouping
from db.model.delivery import Delivery
from db.model.policy import Policy
from db.transactions import ingest
from receiver.sources import reading
from tests.benchmarks.bodies import Shape, requests
from tests.benchmarks.scenarios import ONE, STORM
from tests.benchmarks.servers import Machinery
from tests.conftest import open_database

_SHOWN = 25
_SECTIONS: tuple[tuple[Any, str, str], ...] = (
    (reading, "read_grafana", "parse and read"),
    (ingest, "pack", "compress the body"),
    (grouping, "sort", "plan"),
    (grouping, "plan", "plan"),
    (pymysql.cursors.Cursor, "mogrify", "SQL text and escaping"),
    (pymysql.cursors.Cursor, "executemany", "SQL text and escaping"),
    (pymysql.connections.Connection, "query", "driver"),
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
                return function(*positional, **named)
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


def run(machinery: Machinery) -> None:
    """Print both looks for bodies of one alert and of a hundred."""
    database = open_database(machinery.new_database())
    migrate(database)
    for title, shape, count in (("S2, one alert", ONE, 1000), ("S3, a hundred alerts", STORM, 60)):
        ready = requests(shape, count, 1)
        _record(database, ready)  # first steps; afterwards everything is a repeat, as in the scenarios
        watch = Stopwatch()
        began = time.perf_counter()
        with _timed(watch):
            _record(database, ready)
        watch.enter("end")
        elapsed = time.perf_counter() - began
        alerts = len(ready) * shape.alerts
        print(f"\n== {title} in a request: {elapsed / alerts * 1e6:.0f} us per alert, one thread ==")
        for section, seconds in sorted(watch.seconds.items(), key=lambda pair: -pair[1]):
            calls = watch.calls[section] / len(ready)
            print(f"  {section:24}{seconds / alerts * 1e6:9.1f} us{seconds / elapsed:7.0%}{calls:8.1f} calls a request")
        profile = cProfile.Profile()
        profile.runcall(_record, database, ready)
        _print_top(profile, alerts)
    _print_statements(database, STORM)
    database.close()


def _record(database: Database, ready: list[bytes]) -> None:
    policy = Policy(default_channel="#incidents")
    for number, body in enumerate(islice(cycle(ready), len(ready))):
        now = datetime.now(UTC)
        delivery = Delivery(
            request_id=time.time_ns().to_bytes(8, "big") + number.to_bytes(8, "big"), received_at=now,
            source="grafana", content_type="application/json", body=body,
        )  # fmt: skip
        ingest.record_delivery(database, delivery, reading.read_grafana(body), policy, now)


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
    """Every statement of one request, with its size and how long it takes."""
    ready = requests(shape, 10, 1)
    shown: list[tuple[str, int, float]] = []
    original = pymysql.connections.Connection.query

    def query(self: Any, sql: Any, *rest: Any, **named: Any) -> Any:
        began = time.perf_counter()
        answer = original(self, sql, *rest, **named)
        text = sql if isinstance(sql, str) else bytes(sql).decode("utf-8", "replace")
        shown.append((" ".join(text[:70].split()), len(sql), time.perf_counter() - began))
        return answer

    pymysql.connections.Connection.query = query  # type: ignore[method-assign]
    try:
        _record(database, ready)
    finally:
        pymysql.connections.Connection.query = original  # type: ignore[method-assign]
    each = len(shown) // len(ready)
    print(f"\n== the statements of a request with {shape.alerts} alerts ==")
    for text, size, seconds in shown[-each:]:
        print(f"  {seconds * 1000:8.2f} ms{size:9,} bytes  {text}")


__all__ = ["run"]
