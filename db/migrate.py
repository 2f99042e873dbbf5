"""Brings the tables to the version this program knows: numbered files, in order, by one process at a time.

Rules of a migration file:
* its name is `NNNN_words.sql`, its statements are separated by lines `-- next`;
* MySQL commits every DDL statement by itself, so a file can be half done when a process dies. Each statement is
  therefore safe to repeat (`IF NOT EXISTS`, `DROP ... IF EXISTS` first), and an unfinished file runs again whole; an
  ALTER TABLE that does exactly one thing is passed over when that is done (MySQL has no ADD COLUMN IF NOT EXISTS);
* a file that has been released is never edited: its checksum is kept and compared.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

import pymysql.err

from db.database import Database, Transaction
from db.errors import Conflict, DatabaseAway, DatabaseReadOnly, RecordError, SchemaError, server_code
from db.queries import Query

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_LOCK_SECONDS = 5
"""One wait for the lock; `transact` asks again until its patience is over."""

_LEASE_SECONDS = 60
"""How long a process that died while migrating keeps other nodes waiting; renewed before every statement."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Which version the database has, compared with what this program knows."""

    found: int  # the highest finished version; 0 for an empty database
    known: int  # the highest version this program has
    unfinished: int | None = None  # a version that was begun and not finished
    changed: tuple[int, ...] = ()  # finished versions whose file is not the one that ran

    @property
    def problem(self) -> str:
        """Why the program cannot work with this schema, in a sentence; empty when it can."""
        if self.changed:
            return f"migration {self.changed[0]:04d} ran with another content than this program's"
        if self.found > self.known:
            return f"the schema has version {self.found}, newer than version {self.known} of this program"
        if self.unfinished is not None:
            return f"migration {self.unfinished:04d} was begun and not finished; run `python -m db migrate`"
        if self.found < self.known:
            return f"the schema has version {self.found}, this program needs {self.known}; run `python -m db migrate`"
        return ""


def migrations() -> tuple[Migration, ...]:
    """All migrations of this program, in order. Raises `ValueError` for a gap in the numbers."""
    found = []
    for entry in files("db.migrations").iterdir():
        if match := _NAME.fullmatch(entry.name):
            text = entry.read_text("utf-8")
            statements = tuple(part.strip() for part in re.split(r"^-- next$", text, flags=re.MULTILINE))
            found.append(Migration(int(match[1]), match[2], statements, hashlib.sha256(text.encode()).hexdigest()))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are numbered 0001, 0002 ... without a gap")
    return tuple(found)


def migrate(
    database: Database, steps: Sequence[Migration] | None = None, *, patience_seconds: float = 120
) -> SchemaState:
    """Apply what is missing, under a lock that other processes wait for; the state afterwards.

    The lock is a named lock of the server: it is free again as soon as the process that holds it is gone, however that
    died. Named locks do not cross the nodes of a cluster: there a lease in a row comes before it. Raises `SchemaError`
    for a newer schema, a changed file, or when triggers may not be created.
    """
    wanted = migrations() if steps is None else tuple(steps)
    known = wanted[-1].version

    def work(tx: Transaction) -> SchemaState:
        lock = tx.row(_GET_LOCK, {"name": f"observer_migrate_{database.name}"[:64], "seconds": _LOCK_SECONDS})
        if lock is None or lock["got"] != 1:
            raise Conflict("another process is migrating this database")
        try:
            if tx.row(_EXISTS) is None:  # a user that may only read and write is fine with tables that are up to date
                tx.execute(_CREATE)
            state = _state(tx, wanted)
            if state.changed or state.found > known:
                raise SchemaError(f"The database cannot be used: {state.problem}.")
            for step in wanted:
                if step.version > state.found:
                    _apply(tx, step)
            return _state(tx, wanted)
        finally:
            tx.row(_RELEASE_LOCK, {"name": f"observer_migrate_{database.name}"[:64]})

    before = schema_state(database, wanted)
    if before.found < known and database.transact(_is_cluster, idempotent=True):
        with _lease(database, patience_seconds):
            return database.transact(work, idempotent=True, patience_seconds=patience_seconds)
    return database.transact(work, idempotent=True, patience_seconds=patience_seconds)


@contextmanager
def _lease(database: Database, patience_seconds: float) -> Iterator[None]:
    """Hold the lease that keeps other nodes from migrating; that of a process that died ends by itself."""
    holder = secrets.token_hex(8)

    def take(tx: Transaction) -> None:
        tx.execute(_TAKE_LEASE, {"holder": holder, "seconds": _LEASE_SECONDS})
        row = tx.row(_LEASE)
        if row is None or row["holder"] != holder:
            raise Conflict("another process is migrating this database, perhaps on another node")

    database.transact(lambda tx: tx.execute(_CREATE_LEASE), idempotent=True)
    database.transact(take, idempotent=True, patience_seconds=patience_seconds)
    try:
        yield
    finally:
        database.transact(lambda tx: tx.execute(_END_LEASE, {"holder": holder}), idempotent=True)


def _is_cluster(tx: Transaction) -> bool:
    seen = {str(row["Variable_name"]).lower(): str(row["Value"]) for row in tx.rows(_CLUSTER)}
    return seen.get("wsrep_on", "").upper() == "ON" or bool(seen.get("group_replication_group_name"))


def schema_state(
    database: Database, steps: Sequence[Migration] | None = None, *, patience_seconds: float | None = None
) -> SchemaState:
    """Compare the database with this program, changing nothing."""
    wanted = migrations() if steps is None else tuple(steps)

    def work(tx: Transaction) -> SchemaState:
        if tx.row(_EXISTS) is None:
            return SchemaState(found=0, known=wanted[-1].version)
        return _state(tx, wanted)

    return database.transact(work, idempotent=True, patience_seconds=patience_seconds)


def cannot_write(database: Database, *, patience_seconds: float = 1.0) -> str:
    """Why nothing can be written although the server can be read, in a sentence; empty when it can. Changes nothing."""

    def work(tx: Transaction) -> str:
        try:
            tx.execute(_WRITE_NOTHING)
        except SchemaError:  # no tables yet
            return _settings_against_writing(tx)
        except DatabaseAway as error:
            if server_code(error) not in _MAY_NOT_WRITE:  # an account that only reads
                raise
        return ""

    try:
        # Patience is for another host, if there is one.
        return database.transact(work, idempotent=True, patience_seconds=patience_seconds)
    except DatabaseReadOnly as error:
        return str(error)


def _settings_against_writing(tx: Transaction) -> str:
    seen = {str(row["Variable_name"]).lower(): str(row["Value"]).upper() for row in tx.rows(_AGAINST_WRITING)}
    for name in ("read_only", "super_read_only", "innodb_read_only"):
        if seen.get(name, "OFF") not in ("OFF", "0"):
            return f"the database server takes no writes ({name} is on); check DB_HOST, or switch it off"
    if seen.get("log_bin") == "ON" and seen.get("binlog_format") == "STATEMENT":
        return "the database server cannot write with binlog_format=STATEMENT; set binlog_format to ROW or MIXED"
    return ""


def _state(tx: Transaction, wanted: Sequence[Migration]) -> SchemaState:
    rows = tx.rows(_LIST)
    finished = {int(row["version"]): str(row["checksum"]) for row in rows if row["finished"]}
    begun = [int(row["version"]) for row in rows if not row["finished"]]
    changed = tuple(step.version for step in wanted if finished.get(step.version, step.checksum) != step.checksum)
    return SchemaState(
        found=max(finished, default=0),
        known=wanted[-1].version,
        unfinished=min(begun, default=None),
        changed=changed,
    )


def _apply(tx: Transaction, step: Migration) -> None:
    leased = tx.row(_HAS_LEASE) is not None
    try:
        tx.execute(_BEGIN, {"version": step.version, "name": step.name, "checksum": step.checksum})
        tx.execute(_COMMIT)  # what a migration does to tables is kept at once; that it was begun has to be, too
        for statement in step.statements:
            if leased:  # committed by the statement, which commits what was before it
                tx.execute(_RENEW_LEASE, {"seconds": _LEASE_SECONDS})
            _run(tx, step, statement)
        tx.execute(_FINISH, {"version": step.version})
    except (RecordError, pymysql.err.MySQLError) as error:
        if server_code(error) in (1142, 1143, 1227, 1419):
            raise SchemaError(
                "The user of the database may not create tables, or triggers while binary logging is on. Let an "
                "administrator run `SET GLOBAL log_bin_trust_function_creators = ON`, or run "
                "`python -m db migrate` with a user that may."
            ) from error
        raise


def _run(tx: Transaction, step: Migration, statement: str) -> None:
    """One statement; what an ALTER TABLE of an unfinished file has done already is passed over."""
    try:
        tx.execute(Query(step.name, "A statement of a migration.", statement))
    except (RecordError, pymysql.err.MySQLError) as error:
        if not _is_done_already(statement, error):
            raise


def _is_done_already(statement: str, error: BaseException) -> bool:
    """Whether an ALTER TABLE failed only because an earlier run of the same file did it."""
    if not _ALTER.match(statement):
        return False
    cause = error.__cause__ if isinstance(error, RecordError) else error
    text = str(cause.args[1]) if cause is not None and len(cause.args) > 1 else ""
    return server_code(error) in _ALREADY or (server_code(error) == 1005 and "errno: 121 " in text)


_ALTER = re.compile(r"(?:--.*\n|\s)*ALTER\s+TABLE\s", re.IGNORECASE)
_ALREADY = (1060, 1061, 1091, 1826)
"""Duplicate column, duplicate key name, nothing of that name to drop, duplicate foreign key (MariaDB: 1005)."""

_GET_LOCK = Query("get_lock", "One process migrates at a time.", "SELECT GET_LOCK(%(name)s, %(seconds)s) AS got")
_RELEASE_LOCK = Query("release_lock", "The next one may migrate.", "SELECT RELEASE_LOCK(%(name)s) AS freed")
_MAY_NOT_WRITE = (1142, 1143)
_WRITE_NOTHING = Query(
    "write_nothing",
    "Whether the server takes what the program writes; there is no such key.",
    "UPDATE incident_keys SET turn = turn WHERE incident_key = ''",
)
_AGAINST_WRITING = Query(
    "against_writing",
    "What makes a server refuse writes.",
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN "
    "('read_only', 'super_read_only', 'innodb_read_only', 'log_bin', 'binlog_format')",
)
_CLUSTER = Query(
    "cluster",
    "Whether this server is a node of a cluster.",
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'group_replication_group_name')",
)
_CREATE_LEASE = Query(
    "create_lease",
    "One row, on clusters only: which process migrates, and until when it may be taken for alive.",
    "CREATE TABLE IF NOT EXISTS schema_lease (one TINYINT NOT NULL PRIMARY KEY, holder CHAR(16) NOT NULL, "
    "until DATETIME(6) NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)
_TAKE_LEASE = Query(
    "take_lease",
    "Take the lease if it is free; two nodes cannot both commit this.",
    "INSERT INTO schema_lease (one, holder, until) "
    "VALUES (1, %(holder)s, UTC_TIMESTAMP(6) + INTERVAL %(seconds)s SECOND) ON DUPLICATE KEY UPDATE "
    "holder = IF(until < UTC_TIMESTAMP(6), VALUES(holder), holder), "
    "until = IF(holder = VALUES(holder), VALUES(until), until)",
)
_LEASE = Query("lease", "Who has the lease.", "SELECT holder FROM schema_lease")
_HAS_LEASE = Query(
    "has_lease",
    "Whether there are leases at all.",
    "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'schema_lease'",
)
_RENEW_LEASE = Query(
    "renew_lease",
    "Whoever migrates has the lease.",
    "UPDATE schema_lease SET until = UTC_TIMESTAMP(6) + INTERVAL %(seconds)s SECOND",
)
_END_LEASE = Query("end_lease", "The next one may migrate.", "DELETE FROM schema_lease WHERE holder = %(holder)s")
_EXISTS = Query(
    "exists",
    "Whether the database was ever migrated.",
    "SELECT 1 AS found FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'schema_migrations'",
)
_CREATE = Query(
    "create",
    "The list of migrations; finished is 0 while one runs.",
    "CREATE TABLE IF NOT EXISTS schema_migrations (version INT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, "
    "checksum CHAR(64) NOT NULL, started_at DATETIME(6) NOT NULL, finished TINYINT(1) NOT NULL DEFAULT 0) "
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)
_LIST = Query("list", "Every migration that was begun.", "SELECT version, checksum, finished FROM schema_migrations")
_BEGIN = Query(
    "begin",
    "Say that a migration starts; one that was begun before starts again.",
    "INSERT INTO schema_migrations (version, name, checksum, started_at) "
    "VALUES (%(version)s, %(name)s, %(checksum)s, UTC_TIMESTAMP(6)) "
    "ON DUPLICATE KEY UPDATE name = VALUES(name), checksum = VALUES(checksum), started_at = VALUES(started_at)",
)
_COMMIT = Query("commit", "Keep what was written so far.", "COMMIT")
_FINISH = Query(
    "finish",
    "Say that a migration is done.",
    "UPDATE schema_migrations SET finished = 1 WHERE version = %(version)s",
)
