"""The processes of a run: a durable database server, the program, the ceilings and the load generator."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx
import pymysql

from db.server.find import Kind, Program
from db.server.machine import Machine
from db.server.private import PrivateServer, reserved_port
from tests.benchmarks import ceiling
from tests.benchmarks.bodies import Shape
from tests.benchmarks.measure import Round, cpu_seconds, memory_mib, percentile
from tests.servers.database import CHECKOUT, DbUrl, run_dir
from tests.servers.observer import WEBHOOK_TOKEN, ObserverProcess
from tests.servers.slack import SandboxSlack, wait_until

_HOT_KEY_FIRST = 1


class DurableServer(PrivateServer):
    """A private server with the durability and the binary log that the product has by default."""

    def _options(self, program: Program) -> list[str]:
        options = [option for option in super()._options(program) if option != "--skip-log-bin"]
        # With a binary log MySQL lets an account without SUPER make triggers only when told so.
        return [*options, "--log-bin-trust-function-creators=ON"]


class Target:
    """One program under load: what it is called, where it listens, where it stores."""

    def __init__(self, name: str, port: int, pid: Callable[[], int], url: DbUrl, table: str) -> None:
        self.name = name
        self.port = port
        self.url = url
        self._pid = pid
        self._table = table
        self._reader = connected(url)
        self._counted = 0
        self.next_series: dict[str, int] = {}  # by family: which series number has not been sent yet

    @property
    def pid(self) -> int:
        """Of the program's process."""
        return self._pid()

    @property
    def memory(self) -> float:
        """What the program holds at the moment, MiB."""
        return memory_mib(self.pid)

    def stored(self) -> int:
        """How many alerts its database holds."""
        if not self._table:
            return 0
        with self._reader.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self._table}")  # noqa: S608 - a name of ours
            row = cursor.fetchone()
        return int(row[0]) if row else 0


class Load:
    """The load generator's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.load"],
            cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_plain_environment(),
        )  # fmt: skip

    def ask(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Run a round and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(spec) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        _end(self._process)


class Machinery:
    """Everything that runs during a benchmark; ends with the block."""

    def __init__(self, kind: Kind, report: Callable[[str], None]) -> None:
        self.folder = run_dir(os.environ) / "benchmarks" / f"{os.getpid()}"
        self._report = report
        self.server = DurableServer(
            self.folder / "server",
            run_dir(os.environ) / "packages",
            machine=Machine.from_env(os.environ),
            password=secrets.token_urlsafe(18),
            kind=kind,
            durable=True,
            report=report,
        )
        self._numbers = iter(range(1, 1000))

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.enter_context(self.server)
            self.slack = stack.enter_context(SandboxSlack())
            self.load = Load()
            stack.callback(self.load.stop)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def database_pid(self) -> int:
        """Of the database server's process."""
        return int((self.server.home / "server.pid").read_text("ascii"))

    def new_database(self) -> DbUrl:
        """An empty database."""
        server = self.server
        url = DbUrl(server.host, server.port, server.user, server.password, f"observer_{next(self._numbers)}")
        with connected(DbUrl(url.host, url.port, url.user, url.password, "observer")) as connection:
            connection.cursor().execute(f"CREATE DATABASE {url.name} CHARACTER SET utf8mb4")
        return url

    def observer(self, name: str = "Observer", url: DbUrl | None = None) -> Target:
        """Start the real program on a database of its own. Slack is the sandbox; the program keeps Slack's pace."""
        self.slack.reset()
        url = url or self.new_database()
        observer = ObserverProcess(url, self.slack, self.folder / f"{url.name}.log")
        self._running.enter_context(observer)

        def pid() -> int:
            process = observer._process
            assert process is not None
            return process.pid

        return Target(name, observer.port, pid, url, "grafana_alerts FORCE INDEX (idx_received_at)")

    def ceiling(self, level: int) -> Target:
        """Start a ceiling on a database of its own."""
        url = self.new_database()
        with connected(url) as connection, connection.cursor() as cursor:
            for statement in ceiling.TABLES:
                cursor.execute(statement)
        with reserved_port() as port:
            pass
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.ceiling", str(level), str(port), url.url],
            cwd=CHECKOUT, env=_plain_environment(),
        )  # fmt: skip
        self._running.callback(_end, program)
        wait_until(lambda: _answers(port), f"ceiling {level}")
        return Target(f"C{level}", port, lambda: program.pid, url, "alerts" if level else "")

    def prepare(self, target: Target, shape: Shape, *, bodies: int) -> None:
        """Let the load generator build its requests outside of a round."""
        self.load.ask({**self._spec(target, shape, bodies), "prepare": True})

    def round(
        self, target: Target, shape: Shape, *, connections: int, seconds: float = 0.0, requests: int = 0, bodies: int
    ) -> Round:
        """Load one program for so many seconds, or with so many requests, and look at what that took."""
        before = target.stored()
        app, database = cpu_seconds(target.pid), cpu_seconds(self.database_pid)
        spec = self._spec(target, shape, bodies)
        answer = self.load.ask({**spec, "connections": connections, "seconds": seconds, "requests": requests})
        app, database = cpu_seconds(target.pid) - app, cpu_seconds(self.database_pid) - database
        statuses: dict[str, int] = answer["statuses"]
        good = statuses.pop("200", 0)
        if shape.unique:
            target.next_series[shape.family] += good + sum(statuses.values()) + connections
        accepted = good * shape.alerts
        alerts = target.stored() - before if target.name != "C0" else accepted
        per_alert = 1000 / max(1, alerts)
        latencies = [one * 1000 for one in answer["seconds"]]
        return Round(
            alerts=alerts,
            accepted=accepted,
            errors=sum(statuses.values()),
            elapsed=answer["elapsed"],
            p50=percentile(latencies, 0.5),
            p99=percentile(latencies, 0.99),
            app_cpu=app * per_alert,
            database_cpu=database * per_alert,
            load_cpu=answer["cpu"] * per_alert,
            memory=target.memory,
        )

    def _spec(self, target: Target, shape: Shape, bodies: int) -> dict[str, Any]:
        fields = {name: getattr(shape, name) for name in ("family", "keys", "series", "alerts", "unique")}
        first = target.next_series.setdefault(shape.family, _HOT_KEY_FIRST) if shape.unique else 0
        return {
            "shape": fields, "bodies": bodies, "seed": 1, "path": "/webhook/grafana", "port": target.port,
            "token": WEBHOOK_TOKEN, "first": first,
        }  # fmt: skip


def connected(url: DbUrl) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """A connection to look with, which sees what is committed."""
    return pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True,
        ssl_disabled=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
