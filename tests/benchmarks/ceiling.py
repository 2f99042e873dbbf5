"""The ceilings: small programs that do ever more of the work, on the same stack and the same server.

C0 parses the body with orjson and answers 200. C1 adds one multi-row INSERT per request: key (a SHA-256), state, name,
fingerprint, labels, annotations and the alert's whole element, the last three as JSON. C2 adds an upsert of the
incidents (count, last seen) in the same transaction. In C3 the requests that wait share one transaction, written by two
threads. In C4 JSON text is escaped by two `str.replace`. From C1 on a request is answered after its COMMIT, on the same
durable server that the program has (a sync of the redo log and of the binary log per COMMIT).

What they leave out is what makes a record of it: credentials, checks of untrusted JSON, exact bytes and answer of each
request, reading what is known, deciding, instances, timeline, cards, logs, foreign keys and three more indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pymysql
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers.database import DbUrl

THREADS = 8
"""Threads that write in C1 and C2: as many as the program has for webhooks."""

WRITERS = 2
"""Threads that write in C3 and C4, each for all who wait at that moment."""

MOST_TOGETHER = 2_000
"""Alerts in one shared transaction."""

TABLES = (
    """CREATE TABLE IF NOT EXISTS alerts (
        alert_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, incident_key VARCHAR(16) NOT NULL,
        received_at DATETIME(6) NOT NULL, state VARCHAR(16) NOT NULL, alertname VARCHAR(255) NOT NULL,
        fingerprint VARCHAR(64) NOT NULL, labels JSON NOT NULL, annotations JSON NOT NULL, raw_payload JSON NOT NULL,
        KEY (incident_key, received_at)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4""",
    """CREATE TABLE IF NOT EXISTS incidents (
        incident_key VARCHAR(16) NOT NULL PRIMARY KEY, status VARCHAR(16) NOT NULL, alert_count BIGINT NOT NULL,
        last_seen_at DATETIME(6) NOT NULL) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4""",
)
_INSERT = (
    "INSERT INTO alerts (incident_key, received_at, state, alertname, fingerprint, labels, annotations, raw_payload) "
    "VALUES "
)
_UPSERT = "INSERT INTO incidents (incident_key, status, alert_count, last_seen_at) VALUES "
_UPSERT_TAIL = (
    " ON DUPLICATE KEY UPDATE alert_count = alert_count + VALUES(alert_count), last_seen_at = VALUES(last_seen_at)"
)

Alerts = list[dict[str, Any]]


def cheap(text: str) -> str:
    """A text literal; only for JSON text, which holds no raw control characters."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def key_of(labels: dict[str, str]) -> str:
    """The incident key of an alert."""
    parts = (labels.get(name, "") for name in ("alertname", "cluster", "namespace", "service", "phase"))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


class Store:
    """Writes alerts, with one connection per thread."""

    def __init__(self, url: DbUrl, level: int) -> None:
        self._url = url
        self._level = level
        self._local = threading.local()

    def connection(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """This thread's connection."""
        if not hasattr(self._local, "connection"):
            url = self._url
            self._local.connection = pymysql.connect(
                host=url.host, port=url.port, user=url.user, password=url.password, database=url.name,
                charset="utf8mb4", ssl_disabled=True, autocommit=False,
                init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            )  # fmt: skip
        found: pymysql.Connection[pymysql.cursors.Cursor] = self._local.connection
        return found

    def write(self, alerts: Alerts) -> None:
        """One transaction; repeated after a deadlock."""
        connection = self.connection()
        json_text: Callable[[str], str] = cheap if self._level >= 4 else connection.escape
        now = f"'{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}'"
        counts: Counter[str] = Counter()
        rows = []
        for alert in alerts:
            labels = alert["labels"]
            key = key_of(labels)
            counts[key] += 1
            rows.append(
                f"('{key}',{now},{connection.escape(alert['status'])},{connection.escape(labels['alertname'])},"
                f"{connection.escape(alert['fingerprint'])},{json_text(orjson.dumps(labels).decode())},"
                f"{json_text(orjson.dumps(alert['annotations']).decode())},{json_text(orjson.dumps(alert).decode())})"
            )
        incidents = ",".join(f"('{key}','active',{counts[key]},{now})" for key in sorted(counts))
        while True:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(_INSERT + ",".join(rows))
                    if self._level >= 2:
                        cursor.execute(_UPSERT + incidents + _UPSERT_TAIL)
                connection.commit()
                return
            except pymysql.err.OperationalError as error:
                connection.rollback()
                if error.args[0] != 1213:
                    raise


class Together:
    """Threads that write what waits, all of it in one transaction; each request is answered after the commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Alerts, asyncio.Future[None]]] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start the writers."""
        self._loop = asyncio.get_running_loop()
        for _ in range(WRITERS):
            threading.Thread(target=self._write, daemon=True).start()

    async def add(self, alerts: Alerts) -> None:
        """Returns when these are committed."""
        done = self._loop.create_future()
        with self._changed:
            self._waiting.append((alerts, done))
            self._changed.notify()
        await done

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                taken, size = 0, 0
                while taken < len(self._waiting) and size < MOST_TOGETHER:
                    size += len(self._waiting[taken][0])
                    taken += 1
                batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
            self._store.write([alert for alerts, _ in batch for alert in alerts])
            self._loop.call_soon_threadsafe(_all_done, [done for _, done in batch])


def _all_done(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)


def create(level: int, url: DbUrl) -> Starlette:
    """The program of one level."""
    store = Store(url, level)
    together = Together(store)
    limiter = anyio.CapacityLimiter(THREADS)

    async def webhook(request: Request) -> Response:
        alerts = orjson.loads(await request.body())["alerts"]
        if level in (1, 2):
            await anyio.to_thread.run_sync(store.write, alerts, limiter=limiter)
        elif level >= 3:
            await together.add(alerts)
        return Response(b'{"status":"recorded"}', media_type="application/json")

    async def ready(request: Request) -> Response:
        return Response(b"{}")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        together.start()
        yield

    routes = [Route("/webhook/grafana", webhook, methods=["POST"]), Route("/ready", ready)]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Serve one level until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("level", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("url")
    arguments = parser.parse_args()
    app = create(arguments.level, DbUrl.parse(arguments.url))
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_config=None, access_log=False, server_header=False)


if __name__ == "__main__":
    main()
