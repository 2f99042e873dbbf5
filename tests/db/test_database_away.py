"""Connections that break, servers that are away or silent or killed: nothing half-written, nobody waits for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from db.database import Database, Transaction
from db.errors import DatabaseAway, OutcomeUnknown
from db.server.private import PrivateServer, reserved_port
from db.transactions import ingest
from tests.db.builders import (
    POLICY,
    a_delivery,
    a_pool,
    a_reading,
    an_alert,
    ask,
    at,
    check_record,
    count,
    deliver,
    sql,
)
from tests.servers.database import DbUrl, TestServer
from tests.servers.proxy import Wire

ADD = sql("INSERT INTO slack_facts (name, value, learned_at) VALUES (%(name)s, '{}', UTC_TIMESTAMP(6))")


@pytest.fixture
def wire(db_url: DbUrl) -> Iterator[Wire]:
    """A wire to the tests' server that can be cut."""
    with Wire(db_url) as proxy:
        yield proxy


@contextmanager
def through(wire: Wire, url: DbUrl, **limits: float) -> Iterator[Database]:
    """A pool whose connections go over the wire."""
    pool = a_pool(url, host="127.0.0.1", port=wire.port, **limits)  # type: ignore[arg-type]
    yield pool
    pool.close()


def is_commit(text: str) -> bool:
    return text.strip().upper() == "COMMIT"


def first_insert(text: str) -> bool:
    return text.startswith("INSERT INTO slack_facts")


def facts(database: Database) -> list[str]:
    return [str(row["name"]) for row in ask(database, "SELECT name FROM slack_facts ORDER BY name")]


def failure(job: Callable[[], object]) -> tuple[BaseException | None, float]:
    """What a job raised, and how long it took."""
    started = time.monotonic()
    try:
        job()
    except Exception as error:
        return error, time.monotonic() - started
    return None, time.monotonic() - started


# -- in the middle of a transaction


def test_a_killed_connection_leaves_nothing_half_written_and_the_work_runs_again(database: Database) -> None:
    runs = 0

    def work(tx: Transaction) -> int:
        nonlocal runs
        runs += 1
        tx.execute(ADD, {"name": f"began in run {runs}"})
        if runs == 1:
            (row,) = tx.rows(sql("SELECT CONNECTION_ID() AS id"))
            database.transact(lambda other: other.execute(sql(f"KILL {row['id']}")))
        tx.execute(ADD, {"name": f"ended in run {runs}"})
        return runs

    assert database.transact(work) == 2
    assert facts(database) == ["began in run 2", "ended in run 2"]


def test_a_connection_killed_while_it_was_idle_is_replaced(db_url: DbUrl, database: Database) -> None:
    pool = a_pool(db_url, size=1)
    mine = sql("SELECT CONNECTION_ID() AS id")
    old = pool.transact(lambda tx: tx.rows(mine))[0]["id"]
    database.transact(lambda tx: tx.execute(sql(f"KILL {old}")))
    new = pool.transact(lambda tx: tx.rows(mine))[0]["id"]
    assert new != old
    pool.close()


@pytest.mark.parametrize("place", range(1, 4))
def test_a_wire_that_breaks_at_any_statement_leaves_nothing_half_written(
    wire: Wire, db_url: DbUrl, database: Database, place: int
) -> None:
    seen = 0

    def nth_insert(text: str) -> bool:
        nonlocal seen
        seen += text.startswith("INSERT INTO slack_facts")
        return seen == place

    def work(tx: Transaction) -> None:
        for number in range(3):
            tx.execute(ADD, {"name": f"fact {number}"})

    with through(wire, db_url) as pool:
        wire.cut_after(nth_insert)
        pool.transact(work)
    assert wire.cuts == 1
    assert facts(database) == ["fact 0", "fact 1", "fact 2"]


def test_a_wire_that_breaks_before_the_first_statement_costs_nothing(
    wire: Wire, db_url: DbUrl, database: Database
) -> None:
    with through(wire, db_url) as pool:
        pool.transact(lambda tx: tx.rows(sql("SELECT 1")))
        wire.cut_before(lambda text: text.strip().upper().startswith("INSERT"))
        pool.transact(lambda tx: tx.execute(ADD, {"name": "fact"}))
    assert wire.cuts == 1
    assert facts(database) == ["fact"]


# -- at COMMIT


@pytest.mark.parametrize("arrives", [False, True])
def test_a_commit_without_an_answer_is_unknown_and_never_repeated(
    wire: Wire, db_url: DbUrl, database: Database, arrives: bool
) -> None:
    runs = 0

    def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        tx.execute(ADD, {"name": f"run {runs}"})

    with through(wire, db_url) as pool:
        (wire.cut_after if arrives else wire.cut_before)(is_commit)
        with pytest.raises(OutcomeUnknown):
            pool.transact(work)
    assert runs == 1
    assert facts(database) == (["run 1"] if arrives else [])


@pytest.mark.parametrize("arrives", [False, True])
def test_a_delivery_whose_commit_got_no_answer_is_recorded_exactly_once(
    wire: Wire, db_url: DbUrl, database: Database, arrives: bool
) -> None:
    delivery, reading = a_delivery(b"the bytes"), a_reading(an_alert("f1"), an_alert("f2"))
    with through(wire, db_url) as pool:
        (wire.cut_after if arrives else wire.cut_before)(is_commit)
        answer = ingest.record_delivery(pool, delivery, reading, POLICY, at(0))
    assert wire.cuts == 1
    assert count(database, "deliveries") == 1
    assert count(database, "grafana_alerts") == 2
    (row,) = ask(database, "SELECT incident_id, instances_firing FROM incidents")
    assert answer["incidents"] == {"opened": [row["incident_id"]], "reopened": [], "joined": [], "resolved": []}
    assert row["instances_firing"] == 2
    check_record(database)


@pytest.mark.parametrize("place", range(16))
def test_a_delivery_survives_a_wire_that_breaks_anywhere(
    wire: Wire, db_url: DbUrl, database: Database, place: int
) -> None:
    """After each of its statements in turn: recorded once, and whole."""
    deliver(database, an_alert("f1", service="a"))
    seen = -1

    def nth(_text: str) -> bool:
        nonlocal seen
        seen += 1
        return seen == place

    with through(wire, db_url) as pool:
        wire.cut_after(nth)
        deliver(pool, an_alert("f1", service="a", ends=50), an_alert("f2", service="b", starts=55), now=60)
    assert count(database, "deliveries") == 2
    assert count(database, "grafana_alerts") == 3
    assert count(database, "incident_timeline") == 3
    check_record(database)


# -- away


def test_a_closed_port_is_told_fast(db_url: DbUrl) -> None:
    with reserved_port() as port:
        pass
    pool = a_pool(db_url, host="127.0.0.1", port=port, patience=0.5)
    error, took = failure(lambda: pool.transact(lambda tx: tx.rows(sql("SELECT 1"))))
    assert isinstance(error, DatabaseAway)
    assert took < 1


def test_a_wrong_password_is_an_error_of_the_record_without_the_password(db_url: DbUrl) -> None:
    wrong = DbUrl(db_url.host, db_url.port, db_url.user, "a-wrong-secret", db_url.name)
    error, took = failure(lambda: a_pool(wrong, patience=0.3).transact(lambda tx: tx.rows(sql("SELECT 1"))))
    assert isinstance(error, DatabaseAway)
    assert "a-wrong-secret" not in repr(error) + repr(error.__cause__) + repr(wrong)
    assert took < 2


def test_an_unknown_database_is_away(db_url: DbUrl) -> None:
    nowhere = DbUrl(db_url.host, db_url.port, db_url.user, db_url.password, f"{db_url.name}_nowhere")
    error, _ = failure(lambda: a_pool(nowhere, patience=0.1).transact(lambda tx: tx.rows(sql("SELECT 1"))))
    assert isinstance(error, DatabaseAway)


def test_a_silent_server_keeps_nobody_longer_than_patience(db_url: DbUrl) -> None:
    """Ten threads at once: none of them waits for the others' connecting."""
    with silent_server() as port:
        pool = a_pool(db_url, host="127.0.0.1", port=port, size=10, statement=1.0, connect=1, patience=1.4, work=1.4)
        results: list[tuple[BaseException | None, float]] = []
        threads = [
            threading.Thread(
                target=lambda: results.append(failure(lambda: pool.transact(lambda tx: tx.rows(sql("SELECT 1")))))
            )
            for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert len(results) == 10
    for error, took in results:
        assert isinstance(error, DatabaseAway)
        assert took < 2.9, "in time for Slack's three seconds"


def test_a_server_that_falls_silent_is_told_in_time(wire: Wire, db_url: DbUrl) -> None:
    """The wire stays open and carries nothing any more, as when a cable is pulled."""
    with through(wire, db_url, statement=1.0, patience=1.4, work=1.4) as pool:
        pool.transact(lambda tx: tx.rows(sql("SELECT 1")))
        with wire.silence():
            error, took = failure(lambda: pool.transact(lambda tx: tx.rows(sql("SELECT 1"))))
        assert isinstance(error, DatabaseAway)
        assert took < 2.9
        assert pool.transact(lambda tx: tx.rows(sql("SELECT 1 AS one"))) == [{"one": 1}], "and then it works again"


@contextmanager
def silent_server() -> Iterator[int]:
    """It takes connections and never says anything."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    kept: list[socket.socket] = []

    def take() -> None:
        with suppress(OSError):
            while True:
                kept.append(listener.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in kept:
        connection.close()


# -- a server that is killed


@pytest.fixture
def mortal(server: TestServer) -> Iterator[PrivateServer]:
    """A private server that a test may kill."""
    if server.private is None:
        pytest.skip("TEST_DB_URL names a server that must not be killed; without it this test starts its own")
    private = server.new_private("mortal")
    private.start()
    yield private
    private.stop()


def test_work_outlives_a_server_that_is_killed_and_comes_back(mortal: PrivateServer) -> None:
    """Killed with a transaction open: nothing of it stays, the work waits for the restart and runs again."""
    url = DbUrl(mortal.host, mortal.port, mortal.user, mortal.password, mortal.database)
    pool = a_pool(url, patience=60.0)
    create = sql("CREATE TABLE things (name VARCHAR(100) NOT NULL PRIMARY KEY) ENGINE=InnoDB")
    add = sql("INSERT INTO things (name) VALUES (%(name)s)")
    pool.transact(lambda tx: tx.execute(create))
    pool.transact(lambda tx: tx.execute(add, {"name": "kept"}))
    runs = 0
    back: list[threading.Thread] = []

    def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        tx.execute(add, {"name": f"began in run {runs}"})
        if runs == 1:
            mortal.kill()
            back.append(threading.Thread(target=mortal.start))
            back[0].start()
        tx.execute(add, {"name": f"ended in run {runs}"})

    pool.transact(work)
    back[0].join(60)
    names = [row["name"] for row in ask(pool, "SELECT name FROM things ORDER BY name")]
    assert names == [f"began in run {runs}", f"ended in run {runs}", "kept"]
    assert runs == 2
    pool.close()
