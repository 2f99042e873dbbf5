"""The program as a real server: in a thread of the test, or as a process of its own that can be killed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pymysql
import pymysql.cursors
from pymysql.constants import ER

from db.commands import cli
from db.server.private import reserved_port
from receiver.app import Settings, create_app
from receiver.server import server_config
from receiver.sources.stored import read_stored
from tests.servers.database import DbUrl
from tests.servers.slack import SIGNING_SECRET, TOKEN, SandboxSlack, ThreadedServer, wait_until

WEBHOOK_TOKEN = "token-of-the-tests"
CHECKOUT = Path(__file__).resolve().parents[2]

CALM = Path(__file__).with_name("calm.toml")
"""The policy of stories that are not about storms: every incident has its card, however many there are."""


def environment(url: DbUrl, slack: SandboxSlack, port: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of the program under test."""
    return {
        **url.env(),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "SLACK_CHANNEL": "#incidents",
        "SLACK_API_URL": slack.api_url,
        "WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        "LOG_FORMAT": "json",
        "OBSERVER_CONFIG": str(CALM),
        **(more or {}),
    }


class Observer:
    """The program in a thread of this process."""

    def __init__(
        self,
        url: DbUrl,
        slack: SandboxSlack,
        more: Mapping[str, str] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        with reserved_port() as port:
            self.port = port
        settings = Settings.from_env(environment(url, slack, port, more))
        app = create_app(settings, monotonic=monotonic)
        self._server = ThreadedServer(app, port, server_config(app, "127.0.0.1", port))  # as it is served in earnest
        self.url = self._server.url
        self._slack = slack

    def __enter__(self) -> Self:
        self._slack.options(app_url=f"{self.url}/slack/events")
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class ObserverProcess:
    """The program in a process of its own: `python -m receiver`."""

    def __init__(
        self, url: DbUrl, slack: SandboxSlack, log: Path, *, port: int = 0, more: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "receiver"),
    ) -> None:  # fmt: skip
        if not port:
            with reserved_port() as port:
                pass
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._slack = slack
        self._command = list(command)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {**kept, "PYTHONPATH": str(CHECKOUT), **environment(url, slack, port, more)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    def start(self, *, wait: bool = True) -> None:
        """Start; returns once it is ready."""
        self._slack.options(app_url=f"{self.url}/slack/events")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.log.parent, env=self._environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if wait:
            wait_until(self.ready, f"the program to be ready (its log: {self.log})", seconds=60)

    @property
    def pid(self) -> int:
        """Of the program."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def ready(self) -> bool:
        """Whether it answers and can work."""
        try:
            return httpx.get(f"{self.url}/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, with_signal: signal.Signals) -> int:
        assert self._process is not None, "it was not started"
        self._process.send_signal(with_signal)
        status = self._process.wait(30)
        self._process = None
        return status


@dataclass(frozen=True, slots=True)
class Town:
    """Everything of one story: the program, its Slack and its record."""

    observer: Observer
    slack: SandboxSlack
    db_url: DbUrl

    def post(self, body: bytes | str, path: str = "/webhook/grafana", *, token: str = WEBHOOK_TOKEN) -> httpx.Response:
        """Send a webhook as a source does."""
        return send(self.observer.url, body, path, token=token)

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Read the record."""
        return rows(self.db_url, sql, *parameters)


def send(
    base: str, body: bytes | str, path: str = "/webhook/grafana", *, token: str = WEBHOOK_TOKEN, timeout: float = 60
) -> httpx.Response:
    """Send a webhook to a program."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "User-Agent": "Grafana"}
    return httpx.post(base + path, content=body, headers=headers, timeout=timeout)


def rows(url: DbUrl, sql: str, *parameters: object) -> list[dict[str, Any]]:
    """Read a database as it is committed, or change it beside a program at work, which may cost a deadlock."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True,
        cursorclass=pymysql.cursors.DictCursor, ssl_disabled=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        for _ in range(10):
            try:
                cursor.execute(sql, parameters or None)
                break
            except pymysql.err.OperationalError as error:
                if error.args[0] != ER.LOCK_DEADLOCK:
                    raise
        else:
            raise AssertionError("ten deadlocks in a row")
        return list(cursor.fetchall())


def found_by(url: DbUrl, *command: str) -> str:
    """What one of the record's commands complains of; empty when it finds nothing wrong."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = cli.run(
            command, env={**url.env(), "SLACK_CHANNEL": "#incidents"}, clock=lambda: datetime.now(UTC),
            read=read_stored, env_file=Path(os.devnull),
        )  # fmt: skip
    return said.getvalue()[-2_500:] or f"status {status}" if status else ""
