"""What all tests share: one real database server, and the program and a sandbox Slack as real servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pymysql
import pytest

from db.database import Database
from db.migrate import migrate
from tests.db.builders import settings_of
from tests.servers.database import DbUrl, TestServer
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The database server of this run."""
    with TestServer(os.environ) as running:
        yield running


@pytest.fixture
def empty_url(server: TestServer) -> Iterator[DbUrl]:
    """A database of its own without any table."""
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def _shared_url(server: TestServer) -> Iterator[DbUrl]:
    url = migrated_database(server)
    yield url
    server.drop(url)


@pytest.fixture
def db_url(_shared_url: DbUrl) -> DbUrl:
    """A database with all tables, empty."""
    empty_tables(_shared_url)
    return _shared_url


@pytest.fixture
def database(db_url: DbUrl) -> Iterator[Database]:
    """A pool on a database with all tables, empty."""
    opened = open_database(db_url, pool_size=80)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxSlack]:
    """The sandbox Slack of this run."""
    with SandboxSlack() as running:
        yield running


@pytest.fixture
def slack(sandbox_server: SandboxSlack) -> SandboxSlack:
    """The sandbox Slack with nothing in it, and no limits on the pace."""
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture
def town(db_url: DbUrl, slack: SandboxSlack) -> Iterator[Town]:
    """The program running on an empty database, with the sandbox as its Slack."""
    with Observer(db_url, slack) as observer:
        yield Town(observer, slack, db_url)


def migrated_database(server: TestServer) -> DbUrl:
    """A database of its own with all tables."""
    url = server.new_database()
    database = open_database(url)
    migrate(database)
    database.close()
    return url


def open_database(url: DbUrl, *, pool_size: int = 4, patience_seconds: float = 30.0, port: int = 0) -> Database:
    """A pool as the program opens it, with more patience than a person has; `port` leads there through a proxy."""
    return Database(
        settings_of(url, port=port),
        pool_size=pool_size,
        statement_seconds=30.0,
        lock_seconds=10,
        patience_seconds=patience_seconds,
        several_statements=True,
    )


def empty_tables(url: DbUrl) -> None:
    """Remove all rows, and let the numbers begin at 1 again."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True,
        ssl_disabled=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            if table != "schema_migrations":
                cursor.execute(f"SELECT 1 FROM `{table}` LIMIT 1")  # noqa: S608 - our own table
                if cursor.fetchone():
                    cursor.execute(f"TRUNCATE TABLE `{table}`")
