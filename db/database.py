"""The one door to SQL: the pool, the transaction, and `transact`, which runs a piece of work until it is committed."""

from __future__ import annotations

import itertools
import math
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from io import IOBase
from typing import Any, TypeVar, cast

import pymysql
import pymysql.converters
import pymysql.cursors
from dbutils.pooled_db import PooledDB
from pymysql.connections import MySQLResult
from pymysql.constants import CLIENT, COMMAND, FIELD_TYPE

from db import literals
from db.errors import (
    Conflict,
    DatabaseAway,
    DatabaseReadOnly,
    Interrupted,
    OutcomeUnknown,
    Place,
    SchemaError,
    is_answer,
    is_galera_abort,
    is_of_the_server,
    may_want_tls,
    server_code,
    translated,
)
from db.hosts import Address, Hosts
from db.literals import Written
from db.queries import Query
from db.settings import DatabaseSettings

T = TypeVar("T")
Row = dict[str, Any]
Params = Mapping[str, object]

_FRESH_SECONDS = 1.0
"""A connection that was used this recently is used again without asking it (`begin` would notice anyway)."""

_MOST_ATTEMPTS = 30

_PACKET_CHARACTERS = 2_000_000
"""About how much waits at most for the next packet; servers take 16 MiB unless told otherwise."""

_BYTES_OF_CHARACTER = 5
"""In UTF-8 at most four, and something for what stands around rows."""

_READ_BYTES = 256 * 1024
"""What is read at once of an answer; what a storm's transaction is decided on has about this size."""


class Later:
    """Rows of a SELECT that goes to the server with the next statement whose answer somebody needs."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._rows: Sequence[tuple[Any, ...]] | None = None

    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The rows as tuples, column for column."""
        if self._rows is None:
            self._transaction.send()
        assert self._rows is not None  # noqa: S101 - sending gives every SELECT its rows, or raises
        return self._rows

    def arrived(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The server has answered."""
        self._rows = rows


class Transaction:
    """What a piece of work may do inside one transaction; it is never open while anything outside is called.

    With `together`, statements that change many rows wait and go to the server in one packet with the next statement
    whose answer is needed, or with COMMIT: what fails, fails there, and nothing after it is run.
    """

    def __init__(self, cursor: pymysql.cursors.DictCursor, last_statement: float, together: bool = False) -> None:
        self._cursor = cursor
        self._line = cast("_Connection", cursor.connection)
        self._most = min(_PACKET_CHARACTERS, self._line.most_bytes // _BYTES_OF_CHARACTER)
        self._last_statement = last_statement  # of the monotonic clock
        self._together = together
        self._waiting: list[tuple[str, Later | Callable[[], None] | None]] = []
        self._size = 0

    def rows(self, query: Query, params: Params | None = None) -> list[Row]:
        """All rows of a SELECT; a list or tuple among the parameters becomes `(a, b, c)` for IN."""
        self._run(query.sql, params)
        return list(self._cursor.fetchall())

    def rows_of_each(self, query: Query, part: Query, values: Sequence[Params]) -> list[Row]:
        """All rows of a SELECT in which `{each}` stands for the rows of `part`, once for each of these parameters."""
        rows: list[Row] = []
        for start in range(0, len(values), 100):
            parts = [self._cursor.mogrify(part.sql, one) for one in values[start : start + 100]]
            self._run(query.sql.replace("{each}", " UNION ALL ".join(parts)), None)
            rows += self._cursor.fetchall()
        return rows

    def row(self, query: Query, params: Params | None = None) -> Row | None:
        """The first row of a SELECT, or None."""
        self._run(query.sql, params)
        rows = self._cursor.fetchall()
        return rows[0] if rows else None

    def lines(self, query: Query, params: Params) -> Sequence[tuple[Any, ...]]:
        """All rows of a SELECT as tuples, which are cheaper than rows by names."""
        return self.later(query, params).rows()

    def later(self, query: Query, params: Params) -> Later:
        """The same, when the next statement goes to the server anyway."""
        later = Later(self)
        self._wait(self._cursor.mogrify(query.sql, params), later)
        return later

    def execute(self, query: Query, params: Params | None = None) -> int:
        """Run a statement; how many rows it changed."""
        return self._run(query.sql, params)

    def execute_later(self, query: Query, params: Params) -> None:
        """Run a statement whose answer nobody needs, with the next one that goes to the server."""
        self._change(self._cursor.mogrify(query.sql, params))

    def insert(self, query: Query, params: Params) -> int:
        """Insert one row; its AUTO_INCREMENT number."""
        self._run(query.sql, params)
        return int(self._cursor.lastrowid or 0)

    def insert_many(self, query: Query, rows: Sequence[Params]) -> None:
        """Insert rows in as few statements as their size allows. Raises `ValueError` when VALUES holds more than
        placeholders."""
        for statement in literals.insert(query.sql).statements(rows, self._most):
            self._change(statement)

    def insert_written(
        self,
        query: Query,
        rows: Iterable[Written],
        then: Callable[[], None] | None = None,
        **numbers: int,
    ) -> None:
        """The same for rows whose values are written already, in the order of the query's names; `numbers` stand for
        `{name}` behind VALUES. `then` is called as soon as the server has inserted them, which may be before it comes
        to the rest of its packet."""
        for statement in literals.insert(query.sql).of_written(rows, self._most, **numbers):
            self._change(statement, then)

    def insert_at_once(self, query: Query, rows: Sequence[Written]) -> None:
        """The same in one statement, however long it becomes."""
        self._change(literals.insert(query.sql).at_once(rows))

    def update_many(self, query: Query, rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> int:
        """Run an UPDATE that joins `{rows}`: a derived table of these rows with these column names; how many rows it
        changed (0 if it goes together with others)."""
        if not rows:
            return 0
        changed = 0
        head = "SELECT " + ", ".join(f"%s AS {column}" for column in columns)
        tail = " UNION ALL SELECT " + ", ".join("%s" for _ in columns)
        for start in range(0, len(rows), 200):
            part = rows[start : start + 200]
            sql = query.sql.replace("{rows}", head + tail * (len(part) - 1))
            changed += self._change(self._cursor.mogrify(sql, [value for row in part for value in row]))
        return changed

    def update_by_case(self, query: Query, names: Sequence[object], **values: Sequence[object]) -> None:
        """Run an UPDATE of some rows, `IN {each}`, where `CASE column {value} END` gives each its own; for a few small
        values half the work of joining a derived table."""
        for start in range(0, len(names), 50):  # a server looks for each row's value from the first one on
            some = [literals.one(name) for name in names[start : start + 50]]
            parts = {"each": "(" + ",".join(some) + ")"}
            for column, ones in values.items():
                texts = [literals.one(one) for one in ones[start : start + 50]]
                parts[column] = " ".join([f"WHEN {name} THEN {text}" for name, text in zip(some, texts, strict=True)])
            self._change(query.sql.format(**parts))

    def update_each(self, query: Query, rows: Sequence[Params]) -> int:
        """Run an UPDATE of one table for each of these rows of parameters, in as few statements as for one; how many
        rows it changed (0 if it goes together with others)."""
        if not rows:
            return 0
        changed = 0
        update = literals.update(query.sql)
        for start in range(0, len(rows), 200):
            changed += self._change(update.statement(rows[start : start + 200]))
        return changed

    def send(self) -> None:
        """Send what waits, in one packet, and take the answers; raises what the first statement that fails raises."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not waiting:
            return
        _be_in_time(self._last_statement)
        line: Any = self._cursor.connection  # one of ours
        with _our_errors(self._line):
            line.run(waiting)

    def commit(self) -> None:
        """Commit; a connection that breaks meanwhile leaves the outcome unknown."""
        try:
            if self._waiting:
                self._waiting.append(("COMMIT", None))
                self.send()
            else:
                with _our_errors(self._line):
                    self._cursor.connection.commit()
        except DatabaseAway as error:
            raise OutcomeUnknown("the connection broke while committing") from error

    def _wait(self, statement: str, answered: Later | Callable[[], None] | None) -> None:
        if self._size + len(statement) > self._most:
            self.send()
        self._waiting.append((statement, answered))
        self._size += len(statement)
        if not self._together:
            self.send()

    def _change(self, statement: str, then: Callable[[], None] | None = None) -> int:
        if self._together:
            self._wait(statement, then)
            return 0
        changed = self._run(statement, None)
        if then is not None:
            then()
        return changed

    def _run(self, sql: str, params: Params | Sequence[object] | None) -> int:
        self.send()
        _be_in_time(self._last_statement)
        with _our_errors(self._line):
            return self._cursor.execute(sql, params)


class _Connection(pymysql.Connection):
    """The driver's connection, with cheaper literals."""

    address: Address | None = None
    """The server it is connected to."""
    on_galera = False
    used_at = 0.0
    """Of the monotonic clock."""
    most_bytes = 2**62
    """Of one packet that the server takes (`max_allowed_packet`)."""
    _read_packet: Callable[..., Any]
    _read_timeout: float | None
    _result: MySQLResult | None
    _rfile: IOBase
    _sock: socket.socket
    server_capabilities = 0
    """What the server that was asked last said it can."""
    never_encrypted = False
    """As `DB_TLS=off` says."""

    @property
    def place(self) -> Place:
        """Where it leads, for sentences that people read."""
        user, name = self.user, self.db
        return Place(
            str(self.address or "the database server"),
            user.decode("utf-8", "replace") if isinstance(user, bytes) else str(user),
            name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name),
            self.never_encrypted,
        )

    def aim(self, address: Address) -> None:
        """Connect there next time."""
        self.host, self.port, self.address = address.host, address.port, address
        self.server_public_key = None  # the driver keeps that of the server before, and would be denied

    @property
    def offers_tls(self) -> bool:
        """Whether the server that was connected to last can encrypt."""
        return bool(self.server_capabilities & CLIENT.SSL)

    def encrypt(self, context: ssl.SSLContext | None) -> None:
        """Encrypt when it connects next, if the server offers it; None: do not."""
        self.ssl, self.ctx = context is not None, context

    def connect(self, sock: Any = None) -> None:
        """Connect, and read in large pieces: each call of the operating system lets go of the interpreter, which a
        thread that holds row locks may then get back only milliseconds later."""
        super().connect(sock)
        self._rfile.close()  # nothing is in it: the server speaks only when it was asked
        self._rfile = self._sock.makefile("rb", _READ_BYTES)

    def connect_within(self, seconds: float) -> None:
        """Connect; also a server that takes the connection and then says nothing is given up after so long."""
        patience, self._read_timeout = self._read_timeout, seconds
        try:
            self.connect()
        finally:
            self._read_timeout = patience

    def run(self, statements: Sequence[tuple[str, Later | Callable[[], None] | None]]) -> None:
        """Run statements of one packet, and take their answers one after the other: for a SELECT its `Later` gets the
        rows, for another its function is called. What the driver keeps of each answer would cost half of a small
        transaction's time, and is needed by nobody here."""
        self._result = None  # all of the statement before is read
        packet = ";\n".join([statement for statement, _ in statements]).encode("utf-8", "surrogateescape")
        if len(packet) >= self.most_bytes and len(statements) > 1:
            half = len(statements) // 2
            self.run(statements[:half])
            self.run(statements[half:])
            return
        try:
            self._execute_command(COMMAND.COM_QUERY, packet)
            for _, answered in statements:
                if isinstance(answered, Later):
                    result = MySQLResult(self)
                    result.read()
                    answered.arrived(result.rows)
                else:
                    self._read_packet()
                    if answered is not None:
                        answered()
        except BaseException as error:
            if not isinstance(error, pymysql.err.MySQLError):  # answers may be left that nobody takes
                _close(self)
            raise

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        """Send a command. What the server would not take is not sent: it would break the connection, and look away."""
        if len(sql) >= self.most_bytes // 4:  # a character may be four bytes
            packet = sql.encode("utf-8", "surrogateescape") if isinstance(sql, str) else sql
            if len(packet) >= self.most_bytes:
                raise pymysql.err.OperationalError(1153, "larger than max_allowed_packet")
        super()._execute_command(command, sql)  # type: ignore[misc] # its stubs leave it out

    def escape(self, obj: Any, mapping: Mapping[Any, Any] | None = None) -> Any:
        """The SQL literal of a value."""
        text = literals.literal(obj)
        return super().escape(obj, mapping) if text is None else text


class Database:
    """A pool of connections to one database, for threads that share time limits.

    `pool_size` is the number of threads that use it at most. `statement_seconds` and `lock_seconds` bound one statement
    and one wait for a row lock, `patience_seconds` the repeats of `transact`. No statement begins later than
    `work_seconds` after `transact` was called. The server takes several statements in one packet only from a pool with
    `several_statements`.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        pool_size: int,
        statement_seconds: float,
        lock_seconds: int,
        patience_seconds: float,
        connect_seconds: int = 1,
        work_seconds: float = math.inf,
        several_statements: bool = False,
        hosts: Hosts | None = None,
        pioneer: bool = True,
        causal: bool = False,
    ) -> None:
        self._settings = settings
        names = tuple(address.host for address in settings.addresses)
        self._tls: dict[str, Any] = settings.tls.for_hosts(names)
        self._waived = settings.tls.is_waived_for(names)
        self._insisted: ssl.SSLContext | None = None
        """How to encrypt, once a server insisted although encryption was waived."""
        self._statement_seconds = statement_seconds
        self._lock_seconds = lock_seconds
        self._hosts = hosts or Hosts(settings.addresses)
        self._pioneer = pioneer
        self._causal = causal
        # With a choice, half of it for each server: the next one must still be in time.
        self._connect_seconds = connect_seconds / 2 if self._hosts.several else connect_seconds
        self._patience = patience_seconds
        self._work_seconds = work_seconds
        self._several_statements = several_statements
        self._repeated = itertools.count()
        self.repeated = 0
        """How often work was run again since the start."""
        self._refused = ""
        self._slots = threading.BoundedSemaphore(pool_size)
        # PooledDB connects, pings and rolls back while it holds its one lock: a server that is slow or silent would
        # make all threads queue behind it. So it is handed connections that are not connected yet and is
        # told never to ask; all that needs the network happens in `_ready`, in the thread that borrowed the connection.
        self._pool = PooledDB(
            self._unconnected,
            mincached=0,
            maxcached=pool_size,
            maxconnections=pool_size,
            blocking=True,  # never has to wait: `_slots` lets no more threads in
            reset=False,
            ping=0,
            # A deadlock is an OperationalError: with the default the pool would run a statement again on a fresh
            # connection and so tear a transaction in two. InterfaceError alone is what a closed connection raises.
            failures=(pymysql.err.InterfaceError,),
        )

    @property
    def name(self) -> str:
        """The name of the database."""
        return self._settings.name

    @property
    def host(self) -> str:
        """The server of the newest connection, `host:port`."""
        return str(self._hosts.used)

    def transact(
        self,
        work: Callable[[Transaction], T],
        *,
        idempotent: bool = False,
        patience_seconds: float | None = None,
        together: bool = False,
    ) -> T:
        """Run `work` in a transaction and commit it; what it returns.

        `work` reads, decides and writes, and may run several times: the whole of it is repeated after a deadlock, a
        lock time-out, a failed certification, or a connection that broke before COMMIT. When the connection breaks
        *during* COMMIT the outcome is unknown: it is repeated only if the work says it is `idempotent`. With
        `together`, statements share packets where they can (see `Transaction`).

        Raises `DatabaseAway` (nothing was written), `OutcomeUnknown`, `Conflict` (patience is over) and the other
        errors of `db.errors`; whatever `work` raises leaves as it is, and nothing was written.
        """
        if self._refused:
            raise SchemaError(self._refused)
        patience = self._patience if patience_seconds is None else patience_seconds
        now = time.monotonic()
        deadline, last_statement = now + patience, now + self._work_seconds
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._once(work, deadline, last_statement, together)
            except (Conflict, DatabaseAway, OutcomeUnknown) as error:
                if isinstance(error, OutcomeUnknown) and not idempotent:
                    raise
                pause = random.uniform(0.002, min(0.5, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
                if attempt >= _MOST_ATTEMPTS or time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
                self.repeated = next(self._repeated) + 1

    def refuse(self, reason: str) -> None:
        """From now on every transaction raises `SchemaError` with this reason; an empty one lifts it."""
        self._refused = reason

    def close(self) -> None:
        """Close the idle connections; those on loan close when they come back."""
        self._pool.close()

    def _once(self, work: Callable[[Transaction], T], deadline: float, last_statement: float, together: bool) -> T:
        with self._connection(deadline) as connection:
            # The driver's own connection: the pool's wrapper might run a statement again on a fresh one. With
            # autocommit off the first statement begins the transaction, which saves a round trip.
            line: _Connection = connection.dbapi_connection
            try:
                with _our_errors(line):
                    self._ready(line, last_statement)
                    cursor = line.cursor(pymysql.cursors.DictCursor)
                transaction = Transaction(cursor, last_statement, together and self._several_statements)
                result = work(transaction)
                _be_in_time(last_statement + self._statement_seconds / 2)
                transaction.commit()
            except BaseException as error:
                _roll_back(line)  # after a failed certification the server did; it does no harm
                self._judge(line, error)
                if line.on_galera and is_galera_abort(error):
                    raise Conflict("the cluster aborted the transaction inside a trigger") from error
                raise
            return result

    def _judge(self, line: _Connection, error: BaseException) -> None:
        """Set a server aside that is away, not ready or read-only; a connection to it leaves the pool."""
        if line.address is not None and self._hosts.several and is_of_the_server(error):
            self._hosts.failed(line.address, _reason(error))
            _close(line)
        elif isinstance(error, DatabaseReadOnly):
            _close(line)  # a session keeps the binlog_format it began with, also when the server has another one

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[Any]:
        """A connection of the pool, perhaps not connected; `DatabaseAway` when there is none in time."""
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DatabaseAway("all connections to the database are in use")
        try:
            connection = self._pool.connection()
            try:
                yield connection
            finally:
                connection.close()
        finally:
            self._slots.release()

    def _unconnected(self) -> _Connection:
        settings = self._settings
        line = _Connection(
            host=self._hosts.known[0].host,
            port=self._hosts.known[0].port,
            user=_as_given(settings.user),
            # Bytes, because the driver would take a password for Latin-1, and an environment may hold what is no text.
            password=_as_given(settings.password),
            database=_as_given(settings.name),
            charset="utf8mb4",
            connect_timeout=self._connect_seconds,
            read_timeout=self._statement_seconds,
            write_timeout=self._statement_seconds,
            autocommit=None,  # set with everything else by `_session`
            conv=_CONVERTERS,
            local_infile=False,
            client_flag=CLIENT.MULTI_STATEMENTS if self._several_statements else 0,
            defer_connect=True,
            **self._tls,
        )
        line.never_encrypted = settings.tls.way == "off"
        return line

    def _ready(self, line: _Connection, last_statement: float) -> None:
        """Connect, or make sure that a connection which was idle is still one, and to the right server."""
        now = time.monotonic()
        if line.open and line.address and self._hosts.should_leave(line.address, pioneer=self._pioneer):
            _close(line)
        if line.open and now - line.used_at > _FRESH_SECONDS:
            try:
                line.ping(reconnect=False)
            except (pymysql.err.MySQLError, OSError) as error:
                _close(line)
                if line.address and self._hosts.several and isinstance(error.__context__, TimeoutError):
                    self._hosts.failed(line.address, "silent")  # the others that wait for it need not find out
        if not line.open:
            self._connect(line, last_statement)
        line.used_at = now

    def _connect(self, line: _Connection, last_statement: float) -> None:
        """Connect to the first server that can be had and takes writes, else to one that can at least be read."""
        first_error: BaseException | None = None
        readable: Address | None = None
        for address in self._hosts.to_try(pioneer=self._pioneer):
            if first_error is None:
                _be_in_time(last_statement)
            elif time.monotonic() > last_statement:
                break
            try:
                writable = self._connect_to(line, address, last_statement)
            except (pymysql.err.MySQLError, OSError) as error:
                first_error = first_error or error
                self._hosts.failed(address, _reason(error))
                continue
            if writable:
                self._hosts.works(address)
                return
            self._hosts.failed(address, "read-only")
            readable = readable or address
            _close(line)
        if readable is None:
            assert first_error is not None  # noqa: S101 - there is at least one server, and none was left out
            raise first_error
        self._connect_to(line, readable, last_statement)
        self._hosts.stands_in(readable)

    def _connect_to(self, line: _Connection, address: Address, last_statement: float) -> bool:
        """Connect and set the session up; whether the server takes writes (with one server: always)."""
        line.aim(address)
        if self._waived:
            line.encrypt(self._insisted)
        try:
            self._log_in(line)
        except pymysql.err.OperationalError as error:
            if not (self._waived and not self._insisted and line.offers_tls and may_want_tls(error)):
                raise
            self._log_in_encrypted(line, error)
        try:
            _be_in_time(last_statement)
            with line.cursor() as cursor:
                cursor.execute(_WHAT_SERVER)
                seen = {str(name).lower(): str(value).upper() for name, value in cursor.fetchall()}
                line.on_galera = seen.get("wsrep_on") == "ON"
                line.most_bytes = int(seen.get("max_allowed_packet") or line.most_bytes)
                if self._causal and line.on_galera:
                    cursor.execute("SET SESSION wsrep_sync_wait = 1")
                if self._causal and seen.get("group_replication_group_name"):
                    cursor.execute("SET SESSION group_replication_consistency = 'BEFORE'")
                cursor.execute(self._session())  # last: it switches autocommit off
            _be_in_time(last_statement)
        except BaseException:
            _close(line)  # one that is not set up must not come back from the pool
            raise
        return not self._hosts.several or all(seen.get(name, "OFF") in ("OFF", "0") for name in _READ_ONLY_BY)

    def _log_in(self, line: _Connection) -> None:
        """Whatever goes wrong is an error of the database's: none of it is a mistake in our statements."""
        try:
            if self._hosts.several:
                line.connect_within(self._connect_seconds)
            else:
                line.connect()
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError, OSError):
            raise
        except pymysql.err.MySQLError as error:
            code = server_code(error)
            raise pymysql.err.OperationalError(code, str(error.args[-1]) if error.args else "") from error
        except Exception as error:  # what the driver makes of an answer that it does not understand
            raise pymysql.err.OperationalError(0, f"the driver failed to connect: {error}") from error

    def _log_in_encrypted(self, line: _Connection, refusal: pymysql.err.OperationalError) -> None:
        """Once more, encrypted, after this refusal; if that works, all further connections are."""
        context = self._settings.tls.context()
        line.encrypt(context)
        try:
            self._log_in(line)
        except (pymysql.err.MySQLError, OSError) as error:
            if is_answer(server_code(error)):
                raise
            raise refusal from error
        self._insisted = context

    def _session(self) -> str:
        """What every connection is set to; `/*!80000` is read by MySQL only, `/*M!` by MariaDB only."""
        seconds = 0.9 * self._statement_seconds  # so that the server's answer comes before the driver gives up
        return (
            "SET SESSION autocommit = 0, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
            # Alerts are inserted in one place, which counts them: the trigger need not count each row (migration 2).
            f"innodb_lock_wait_timeout = {self._lock_seconds:d}, @observer_counts = 1, "
            # Whatever an administrator set for people who type SQL by hand must not hit our statements.
            "sql_safe_updates = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1, "
            "foreign_key_checks = 1, unique_checks = 1"
            f"/*M! , tx_isolation = 'READ-COMMITTED', tx_read_only = 0, max_statement_time = {seconds:.3f} */"
            "/*!80000 , transaction_isolation = 'READ-COMMITTED', transaction_read_only = 0, "
            f"max_execution_time = {int(seconds * 1000):d} */"
        )


@contextmanager
def _our_errors(line: _Connection) -> Iterator[None]:
    """Turn the driver's errors on this connection into ours."""
    try:
        yield
    except (pymysql.err.MySQLError, OSError) as error:
        ours = translated(error, line.place)
        if ours is None:
            raise
        raise ours from error


_READ_ONLY_BY = ("read_only", "super_read_only", "innodb_read_only", "offline_mode")
_WHAT_SERVER = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'group_replication_group_name', 'max_allowed_packet', "
    + ", ".join(f"'{name}'" for name in _READ_ONLY_BY)
    + ")"
)
"""Asked once per connection: SHOW is answered by all products, and by a node that is not ready."""


def _as_given(text: str) -> bytes:
    """The bytes that an environment or a file gave."""
    return text.encode("utf-8", "surrogateescape")


def _reason(error: BaseException) -> str:
    """An error for the log: its kind, and the server's number if it has one."""
    number = server_code(error.__cause__ if isinstance(error, OutcomeUnknown) else error)
    return f"{type(error).__name__} {number}" if number else type(error).__name__


def _close(line: _Connection) -> None:
    """Close; the pool keeps the object, which connects again when it is next used."""
    with suppress(pymysql.err.MySQLError, OSError):
        line.close()


def _be_in_time(limit: float) -> None:
    """Many statements that are each in time can together be too late for the person who waits."""
    if time.monotonic() > limit:
        raise Interrupted("the time for this transaction is over")


def _roll_back(connection: Any) -> None:
    """Roll back; a connection on which that fails is gone, and its transaction with it."""
    with suppress(pymysql.err.MySQLError, OSError):
        connection.rollback()


def _read_time(text: str | bytes) -> datetime | None:
    value = text if isinstance(text, str) else text.decode()
    try:
        return datetime.fromisoformat(f"{value}+00:00")
    except ValueError:  # a zero date, which no server in strict mode stores
        return None


def _converters() -> dict[Any, Any]:
    converters = dict(pymysql.converters.conversions)
    converters[datetime] = lambda value, mapping=None: literals.time_literal(value)
    converters[FIELD_TYPE.DATETIME] = _read_time
    converters[FIELD_TYPE.TIMESTAMP] = _read_time
    return converters


_CONVERTERS = _converters()
