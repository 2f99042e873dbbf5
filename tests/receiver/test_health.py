"""What `/ready` says of the database."""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx

from db.server.private import reserved_port
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, ObserverProcess, Town, rows
from tests.servers.proxy import Proxy
from tests.servers.slack import SandboxSlack, wait_until


def test_ready_names_the_database_host(town: Town) -> None:
    answer = httpx.get(f"{town.observer.url}/ready", timeout=30).json()
    assert answer["database"]["host"] == f"{town.db_url.host}:{town.db_url.port}"
    assert answer["database"]["repeated"] == 0


def test_ready_says_how_old_the_newest_checkpoint_is_and_when_the_next_is_overdue(town: Town) -> None:
    def audit() -> dict[str, object]:
        found: dict[str, object] = httpx.get(f"{town.observer.url}/ready", timeout=30).json()["database"]["audit"]
        return found

    wait_until(lambda: audit()["checkpoint_at"] is not None, "the first checkpoint")
    assert audit()["problem"] == ""
    rows(town.db_url, "UPDATE audit_checkpoints SET at = at - INTERVAL 3 HOUR")
    assert audit()["problem"] == "no checkpoint of the audit trail for 3.0 hours; see the log for why"
    rows(town.db_url, "UPDATE audit_checkpoints SET at = at + INTERVAL 9 HOUR")
    assert audit()["checkpoint_at"] is None, "a time that is still to come is nobody's"


def test_ready_names_the_host_that_is_used_when_the_preferred_one_is_away(db_url: DbUrl, slack: SandboxSlack) -> None:
    with reserved_port() as port:
        pass
    with Observer(db_url, slack, {"DB_HOST": f"127.0.0.1:{port},{db_url.host}"}) as observer:
        answer = httpx.get(f"{observer.url}/ready", timeout=30)
        assert answer.status_code == 200
        assert answer.json()["database"]["host"] == f"{db_url.host}:{db_url.port}"


def test_a_silent_database_holds_up_nobody_who_asks_whether_all_is_ready(db_url: DbUrl, slack: SandboxSlack) -> None:
    """However many ask: one after the other they would wait for minutes, and a probe for a second."""
    with (
        Proxy(db_url.host, db_url.port) as proxy,
        Observer(replace(db_url, host=proxy.host, port=proxy.port), slack) as observer,
        ThreadPoolExecutor(40) as threads,
    ):

        def ready(number: int = 0) -> httpx.Response:
            return httpx.get(f"{observer.url}/ready", timeout=5)

        assert ready().status_code == 200
        proxy.stall()
        answers = list(threads.map(ready, range(40)))
        assert {answer.status_code for answer in answers} == {503}
        assert "DatabaseAway: the database has not answered for" in answers[0].json()["database"]["problem"]
        assert ready().status_code == 503, "a look that hangs still is not begun again"
        proxy.mend()
        wait_until(lambda: ready().status_code == 200, "it to be ready again")


def test_connections_beyond_the_limit_of_open_files_are_named_in_the_log(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    few = ("sh", "-c", f"ulimit -n 64; exec {sys.executable} -m receiver")
    with ObserverProcess(db_url, slack, tmp_path / "log", command=few) as observer:
        with ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(socket.create_connection(("127.0.0.1", observer.port), timeout=5))
            wait_until(lambda: "the limit of open files" in observer.log.read_text(), "the log to name it")
        wait_until(observer.ready, "it to be ready again")
