"""Several servers for one record: the next is tried at once when one is away, silent or read-only, and left again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pymysql
import pytest

from db.database import Database
from db.errors import DatabaseAway, DatabaseReadOnly, OutcomeUnknown
from db.hosts import ASIDE_SECONDS, Hosts
from db.server.private import PrivateServer, reserved_port
from db.settings import DatabaseSettings
from tests.db.builders import settings_of
from tests.db.test_database_away import ADD, facts, failure, first_insert, is_commit, silent_server
from tests.db.test_hosts import Clock
from tests.servers.database import CHECKOUT, DbUrl, TestServer
from tests.servers.proxy import Wire


@pytest.fixture
def wire(db_url: DbUrl) -> Iterator[Wire]:
    """A wire to the tests' server that can be cut: the preferred host of these tests."""
    with Wire(db_url) as proxy:
        yield proxy


OPENED: list[Database] = []


@pytest.fixture(autouse=True)
def _all_closed() -> Iterator[None]:
    """Whatever a test opened is closed after it."""
    yield
    while OPENED:
        OPENED.pop().close()


def pool_of(
    settings: DatabaseSettings, clock: Clock | None = None, *, pioneer: bool = True, people: bool = False
) -> Database:
    """A pool with time enough for a busy machine, or with the time limits of the one for people."""
    hosts = Hosts(settings.addresses, clock) if clock else None
    statement, patience, connect = (1.0, 1.4, 1) if people else (5.0, 20.0, 8)
    pool = Database(
        settings, pool_size=4, statement_seconds=statement, lock_seconds=1, patience_seconds=patience,
        work_seconds=patience, connect_seconds=connect, hosts=hosts, pioneer=pioneer,
    )  # fmt: skip
    OPENED.append(pool)
    return pool


def pair(url: DbUrl, first: int) -> DatabaseSettings:
    """The tests' server behind another port, then the server itself."""
    return settings_of(url, host=f"127.0.0.1:{first},{url.host}:{url.port}")


def add(name: str, database: Database, *, idempotent: bool = False) -> None:
    database.transact(lambda tx: tx.execute(ADD, {"name": name}), idempotent=idempotent)


def test_a_host_that_refuses_costs_nothing_but_a_look(db_url: DbUrl) -> None:
    with reserved_port() as port:
        pass
    pool = pool_of(pair(db_url, port))
    add("one", pool)
    assert facts(pool) == ["one"]
    assert pool.host == f"{db_url.host}:{db_url.port}"


def test_people_are_answered_in_time_although_the_first_host_is_silent(db_url: DbUrl) -> None:
    with silent_server() as port:
        pool = pool_of(pair(db_url, port), pioneer=False, people=True)
        error, took = failure(lambda: add("one", pool))
        assert error is None
        assert took < 2.9, "in time for Slack's three seconds"


def test_a_host_that_falls_silent_is_left_in_time(wire: Wire, db_url: DbUrl) -> None:
    pool = pool_of(pair(db_url, wire.port), people=True)
    add("one", pool)
    assert pool.host == f"127.0.0.1:{wire.port}"
    with wire.silence():
        add("two", pool, idempotent=True)
        assert pool.host == f"{db_url.host}:{db_url.port}"
        add("three", pool)
    assert facts(pool) == ["one", "three", "two"]


def test_a_transaction_cut_in_the_middle_runs_again_on_the_next_host(wire: Wire, db_url: DbUrl) -> None:
    pool = pool_of(pair(db_url, wire.port))
    add("one", pool)
    wire.cut_before(first_insert)
    add("two", pool)
    assert wire.cuts == 1
    assert pool.host == f"{db_url.host}:{db_url.port}"
    assert facts(pool) == ["one", "two"]


def test_a_commit_without_an_answer_stays_unknown_and_the_next_host_can_tell(wire: Wire, db_url: DbUrl) -> None:
    pool = pool_of(pair(db_url, wire.port))
    wire.cut_after(is_commit)
    with pytest.raises(OutcomeUnknown):
        add("one", pool)
    assert pool.host == f"127.0.0.1:{wire.port}"
    assert facts(pool) == ["one"]
    assert pool.host == f"{db_url.host}:{db_url.port}"


def test_new_connections_go_back_to_the_preferred_host_after_a_while(wire: Wire, db_url: DbUrl) -> None:
    clock = Clock()
    pool = pool_of(pair(db_url, wire.port), clock)
    wire.cut_before(first_insert)
    add("one", pool)
    clock.now += ASIDE_SECONDS - 1
    add("two", pool)
    assert pool.host == f"{db_url.host}:{db_url.port}"
    clock.now += 1
    add("three", pool)
    assert pool.host == f"127.0.0.1:{wire.port}"


def test_the_pool_for_people_follows_the_other_one_back(wire: Wire, db_url: DbUrl) -> None:
    clock = Clock()
    settings = pair(db_url, wire.port)
    hosts = Hosts(settings.addresses, clock)
    limits = {"pool_size": 2, "statement_seconds": 5.0, "lock_seconds": 1, "patience_seconds": 20.0}
    people = Database(settings, hosts=hosts, pioneer=False, **limits)  # type: ignore[arg-type]
    background = Database(settings, hosts=hosts, **limits)  # type: ignore[arg-type]
    OPENED.extend((people, background))
    wire.cut_before(first_insert)
    add("one", people)
    clock.now += 2 * ASIDE_SECONDS
    add("two", people)
    assert people.host == f"{db_url.host}:{db_url.port}"
    add("three", background)
    add("four", people)
    assert people.host == f"127.0.0.1:{wire.port}"


def test_when_all_hosts_are_away_that_is_told_in_time(db_url: DbUrl) -> None:
    with silent_server() as first, silent_server() as second:
        pool = pool_of(settings_of(db_url, host=f"127.0.0.1:{first},127.0.0.1:{second}"), people=True)
        error, took = failure(lambda: add("one", pool))
        assert isinstance(error, DatabaseAway)
        assert took < 2.9


# -- read-only


@pytest.fixture
def replica(server: TestServer) -> Iterator[PrivateServer]:
    """A server of its own that tests make read-only."""
    private = server.new_private("replica")
    private.start()
    as_root(private, "SET GLOBAL read_only = OFF", TABLE, "TRUNCATE TABLE observer.slack_facts")
    yield private
    private.stop()


TABLE = (
    "CREATE TABLE IF NOT EXISTS observer.slack_facts (name VARCHAR(191) NOT NULL PRIMARY KEY, value JSON NOT NULL, "
    "learned_at DATETIME(6) NOT NULL) ENGINE=InnoDB"
)


def as_root(private: PrivateServer, *statements: str) -> None:
    connection = pymysql.connect(
        unix_socket=str(private.socket), user="root", password=private.password, autocommit=True, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def both(replica: PrivateServer, server: TestServer) -> Iterator[DatabaseSettings]:
    """Two servers with the same account; the first is `replica`."""
    second = server.new_private("second")
    second.password = replica.password
    second.start()
    as_root(second, TABLE, "TRUNCATE TABLE observer.slack_facts")
    yield DatabaseSettings(
        host=f"127.0.0.1:{replica.port},127.0.0.1:{second.port}", user=replica.user, password=replica.password
    )
    second.stop()


def test_a_write_that_met_read_only_is_done_on_the_next_host(both: DatabaseSettings, replica: PrivateServer) -> None:
    pool = pool_of(both)
    add("one", pool)
    assert pool.host == f"127.0.0.1:{replica.port}"
    as_root(replica, "SET GLOBAL read_only = ON")
    add("two", pool)
    assert pool.host != f"127.0.0.1:{replica.port}"
    assert facts(pool) == ["two"], "these two servers do not replicate"
    fresh = pool_of(both)
    assert facts(fresh) == ["two"], "a new connection finds out by itself"


def test_when_no_host_takes_writes_it_can_still_be_read(both: DatabaseSettings, replica: PrivateServer) -> None:
    as_root(replica, "SET GLOBAL read_only = ON")
    alone = DatabaseSettings(
        host=f"127.0.0.1:{replica.port},127.0.0.1:1", user=both.user, password=both.password, name=both.name
    )
    pool = pool_of(alone)
    assert facts(pool) == []
    with pytest.raises(DatabaseReadOnly):
        pool.transact(lambda tx: tx.execute(ADD, {"name": "one"}), patience_seconds=0.5)
    as_root(replica, "SET GLOBAL read_only = OFF")
    add("one", pool)
    assert facts(pool) == ["one"]


# -- the commands


def test_the_commands_use_the_list_too(db_url: DbUrl) -> None:
    with reserved_port() as port:
        pass
    env = {**os.environ, **db_url.env(), "DB_HOST": f"127.0.0.1:{port},{db_url.host}"}
    done = subprocess.run(
        [sys.executable, "-m", "db", "status"], cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "is up to date" in done.stdout
