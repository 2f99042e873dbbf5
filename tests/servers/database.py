"""The database server of a test run: the one that TEST_DB_URL names, or a private one that lives as long as the run.

TEST_DB_URL=mysql://user:password@host:port/name     use that server
TEST_DB_KIND=any|mariadb|mysql|mysql97               which private server to run otherwise (default any)
RUN_DIR=.run                                         where its packages are kept and its data are made
"""

from __future__ import annotations

import fcntl
import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import pymysql
import pytest

from db.server.errors import ServerError
from db.server.find import KINDS, Kind, Product
from db.server.machine import Machine
from db.server.private import PrivateServer

CHECKOUT = Path(__file__).resolve().parents[2]

# access denied for a database, a command, a user without the right to create
_DENIED = (1044, 1142, 1227, 1410)


@dataclass(frozen=True, slots=True)
class DbUrl:
    """One database: how the application under test reaches it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str

    @classmethod
    def parse(cls, url: str) -> DbUrl:
        """From `mysql://user:password@host:port/name`; raises `ValueError` with the expected form."""
        parts = urlsplit(url)
        name = parts.path.strip("/")
        if parts.scheme != "mysql" or not (parts.hostname and parts.username and name):
            raise ValueError("TEST_DB_URL must look like mysql://user:password@host:port/name")
        return cls(
            parts.hostname, parts.port or 3306, unquote(parts.username), unquote(parts.password or ""), unquote(name)
        )

    @property
    def url(self) -> str:
        """The same as text, with the password."""
        account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"mysql://{account}@{self.host}:{self.port}/{quote(self.name, safe='')}"

    def env(self) -> dict[str, str]:
        """The settings that make the application use this database."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_USER": self.user,
            "DB_PASSWORD": self.password,
            "DB_NAME": self.name,
        }


class TestServer:
    """A server that hands out empty databases and drops what is left of them at the end."""

    __test__ = False  # pytest takes every class called Test... for tests

    def __init__(self, env: Mapping[str, str], report: Callable[[str], None] = print) -> None:
        self.private: PrivateServer | None = None
        self._env = env
        self._report = report
        self._numbers = itertools.count(1)
        self._run = f"{os.getpid()}_{secrets.token_hex(3)}"
        self._given: DbUrl | None = None
        self._own_right = True
        self._out: set[DbUrl] = set()
        self._run_dir = run_dir(env)
        self._folder = self._run_dir / "tests" / self._run
        self._lock: TextIOWrapper | None = None
        self._version = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Reach the given server, or start a private one; `ServerError` and `ValueError` say what is wrong."""
        given = self._env.get("TEST_DB_URL", "").strip()
        if given:
            self._given = DbUrl.parse(given)
            self._version = str(self._ask("SELECT VERSION()")[0][0])
            return
        self._make_folder()
        self.private = self.new_private("main")
        self.private.start()
        self._version = self.private.version
        self._report(f"The tests' database server: {self.private.kind} {self._version} on port {self.private.port}")

    def stop(self) -> None:
        """Drop every database that is still there, stop the private server and remove its data."""
        if self._given is not None:
            for url in tuple(self._out):
                self.drop(url)
        if self.private is not None:
            self.private.stop()
        if self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @property
    def version(self) -> str:
        """The server's version as it tells it."""
        return self._version

    @property
    def product(self) -> Product:
        """Whether it is MariaDB or MySQL."""
        return "mariadb" if "mariadb" in self._version.lower() else "mysql"

    @property
    def root_url(self) -> str:
        """An account that may do more than the application's: root of a private server, else the given one."""
        if self.private is not None:
            return self.private.root_url
        assert self._given is not None, "the server was not started"
        return self._given.url

    def new_private(
        self, name: str, *, durable: bool = False, port: int = 0, home: Path | None = None
    ) -> PrivateServer:
        """One more server of the same kind in this run's folder or in `home`, not started yet: for tests that kill it.

        Skips the test when TEST_DB_URL is set, since the run was told to use that server only.
        """
        if self._given is not None:
            pytest.skip("this test kills a database server, and TEST_DB_URL names one that is not ours to kill")
        return PrivateServer(
            home or self._folder / name,
            self._run_dir / "packages",
            machine=Machine.from_env(self._env),
            password=secrets.token_urlsafe(18),
            kind=private_kind(self._env),
            durable=durable,
            report=self._report,
            port=port,
        )

    def new_database(self) -> DbUrl:
        """An empty database of its own.

        On a given server whose account may not create one, the given database emptied; a test that needs another one
        at the same time is skipped.
        """
        if self._given is None:
            assert self.private is not None, "the server was not started"
            name = f"observer_{self._run}_{next(self._numbers)}"
            url = DbUrl(self.private.host, self.private.port, self.private.user, self.private.password, name)
            self._ask(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        else:
            url = self._beside_the_given(self._given)
        self._out.add(url)
        return url

    def drop(self, url: DbUrl) -> None:
        """Remove a database; the given one itself is emptied instead."""
        self._out.discard(url)
        if url == self._given:
            self._empty(url)
        else:
            self._ask(f"DROP DATABASE IF EXISTS `{url.name}`")

    def _beside_the_given(self, given: DbUrl) -> DbUrl:
        if self._own_right:
            name = f"{given.name}_{self._run}_{next(self._numbers)}"
            try:
                self._ask(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
            except pymysql.MySQLError as error:
                if error.args[0] not in _DENIED:
                    raise
                self._own_right = False
                self._report(f"{given.user} may not create databases: the tests use `{given.name}` itself.")
            else:
                return DbUrl(given.host, given.port, given.user, given.password, name)
        if given in self._out:
            pytest.skip(
                f"this test needs a second database, and {given.user} may not create one: "
                f"GRANT ALL ON `{given.name}%`.* TO {given.user}"
            )
        self._empty(given)
        return given

    def _empty(self, url: DbUrl) -> None:
        """Drop everything in a database whose own dropping is not allowed."""
        with self._connect(url.name) as connection, connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
            for kind, query in (
                ("VIEW", "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()"),
                ("TABLE", "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"),
                ("PROCEDURE", _ROUTINES.format("PROCEDURE")),
                ("FUNCTION", _ROUTINES.format("FUNCTION")),
            ):
                cursor.execute(query)
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DROP {kind} `{name}`")

    def _ask(self, statement: str) -> tuple[tuple[object, ...], ...]:
        with self._connect(None) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def _connect(self, name: str | None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        if self.private is not None:
            # the private server's socket needs no TLS, whose set-up costs more than the statement
            return pymysql.connect(
                unix_socket=str(self.private.socket),
                user="root",
                password=self.private.password,
                database=name,
                autocommit=True,
                ssl_disabled=True,
            )
        assert self._given is not None, "the server was not started"
        given = self._given
        return pymysql.connect(
            host=given.host,
            port=given.port,
            user=given.user,
            password=given.password,
            database=name,
            autocommit=True,
            connect_timeout=10,
        )

    def _make_folder(self) -> None:
        """This run's folder, locked as long as the run lives; folders of runs that were killed are removed."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        for lock_file in self._folder.parent.glob("*.lock"):
            with lock_file.open("a", encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
                lock_file.unlink(missing_ok=True)
        self._lock = self._folder.with_name(f"{self._run}.lock").open("a", encoding="utf-8")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._folder.mkdir()


_ROUTINES = (
    "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_type = '{}'"
)


def run_dir(env: Mapping[str, str]) -> Path:
    """Where packages are kept and data are made: RUN_DIR, by default `.run` of the checkout."""
    return CHECKOUT / (env.get("RUN_DIR") or ".run")


def private_kind(env: Mapping[str, str]) -> Kind:
    """Which server TEST_DB_KIND asks for; `ServerError` names the choices."""
    wanted = env.get("TEST_DB_KIND") or "any"
    for kind in KINDS:
        if kind == wanted:
            return kind
    raise ServerError(f"TEST_DB_KIND must be one of {', '.join(KINDS)}, not {wanted!r}")
