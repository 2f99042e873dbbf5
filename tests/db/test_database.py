"""The door to SQL: sessions, times, sets of rows, time limits, and transactions that are whole or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pymysql.err
import pytest

from db.database import Database, Transaction
from db.errors import Conflict, DatabaseAway, Duplicate, Interrupted, RecordError, SchemaError, TooLarge
from tests.db.builders import a_pool, ask, sql
from tests.servers.database import DbUrl, TestServer

ADD = sql("INSERT INTO things (id, name) VALUES (%(id)s, %(name)s)")
SLOW = sql("SELECT SUM(SLEEP(0.1)) AS slept FROM information_schema.collations")
"""Half a minute in small steps: one SLEEP that is cut short is no error on MySQL, it answers 1."""


@pytest.fixture
def url(empty_url: DbUrl) -> DbUrl:
    """A database with a table of ours: `things`, with one row."""
    pool = a_pool(empty_url)

    def work(tx: Transaction) -> None:
        tx.execute(
            sql(
                "CREATE TABLE things (id INT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, at DATETIME(6) NULL, "
                "data LONGBLOB NULL, UNIQUE KEY uq_name (name)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"
            )
        )
        tx.execute(ADD, {"id": 0, "name": "zero"})

    pool.transact(work)
    pool.close()
    return empty_url


@pytest.fixture
def pool(url: DbUrl) -> Iterator[Database]:
    """A pool on it, with short limits."""
    opened = a_pool(url, size=4, statement=2.0, lock=1, patience=10.0)
    yield opened
    opened.close()


def names(pool: Database) -> list[str]:
    return [str(row["name"]) for row in ask(pool, "SELECT name FROM things ORDER BY id")]


def test_a_database_that_is_refused_says_why_until_that_is_lifted(pool: Database) -> None:
    pool.refuse("the schema is newer")
    with pytest.raises(SchemaError, match="the schema is newer"):
        names(pool)
    pool.refuse("")
    assert names(pool) == ["zero"]


# -- the session


def test_every_session_is_what_is_promised(pool: Database, server: TestServer) -> None:
    maria = server.product == "mariadb"
    isolation = "tx_isolation" if maria else "transaction_isolation"
    limit = "max_statement_time" if maria else "max_execution_time"
    (row,) = ask(
        pool,
        f"SELECT @@session.{isolation} AS isolation, @@session.time_zone AS zone, @@session.sql_mode AS mode, "
        f"@@session.innodb_lock_wait_timeout AS wait_seconds, @@session.{limit} AS time_limit, "
        "@@session.character_set_client AS charset",
    )
    assert row["isolation"] == "READ-COMMITTED"
    assert row["zone"] == "+00:00"
    assert set(row["mode"].split(",")) == {"STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION"}
    assert row["wait_seconds"] == 1
    assert float(row["time_limit"]) == (1.8 if maria else 1800), "before the driver gives up after 2 seconds"
    assert row["charset"] == "utf8mb4"


def test_a_text_too_long_is_refused_and_not_cut(pool: Database) -> None:
    with pytest.raises(pymysql.err.DataError):
        pool.transact(lambda tx: tx.execute(ADD, {"id": 1, "name": "x" * 101}))
    assert names(pool) == ["zero"]


# -- values


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 20, 8, 41, 10, 123_456, tzinfo=UTC),
        datetime(2026, 11, 20, 8, 41, 10, 999_999, tzinfo=UTC),
        datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_a_time_comes_back_as_the_same_moment_in_utc(pool: Database, moment: datetime) -> None:
    pool.transact(lambda tx: tx.execute(sql("UPDATE things SET at = %(at)s WHERE id = 0"), {"at": moment}))
    (row,) = ask(pool, "SELECT at, CAST(at AS CHAR) AS text FROM things WHERE at = %(at)s", at=moment)
    assert row["at"] == moment
    assert row["at"].tzinfo is UTC
    assert row["text"] == f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def test_no_time_comes_back_as_none(pool: Database) -> None:
    assert ask(pool, "SELECT at FROM things")[0]["at"] is None


def test_a_naive_time_is_a_mistake(pool: Database) -> None:
    naive = datetime(2026, 11, 20, 8, 41, 10)  # noqa: DTZ001 - that is the mistake
    with pytest.raises(ValueError, match="a naive datetime cannot be recorded"):
        pool.transact(lambda tx: tx.execute(sql("UPDATE things SET at = %(at)s"), {"at": naive}))


@pytest.mark.parametrize(
    "text", ["결제 🏳️‍🌈", "'; DROP TABLE things; -- ", "50 % of %s {rows} \\ \" ' `", "nul\x00byte", ""]
)
def test_any_text_comes_back_as_it_was(pool: Database, text: str) -> None:
    pool.transact(lambda tx: tx.execute(ADD, {"id": 1, "name": text}))
    assert names(pool)[1] == text


def test_bytes_come_back_as_they_were(pool: Database) -> None:
    data = bytes(range(256)) * 40
    pool.transact(lambda tx: tx.execute(sql("UPDATE things SET data = %(data)s"), {"data": data}))
    assert ask(pool, "SELECT data FROM things")[0]["data"] == data


def test_a_list_becomes_the_values_of_in(pool: Database) -> None:
    assert ask(pool, "SELECT name FROM things WHERE id IN %(ids)s", ids=[0, 1, 2]) == [{"name": "zero"}]
    assert ask(pool, "SELECT name FROM things WHERE name IN %(names)s", names=["a'b", "zero"]) == [{"name": "zero"}]


# -- sets of rows


def test_many_rows_are_one_statement(pool: Database) -> None:
    rows = [{"id": number, "name": f"thing {number}"} for number in range(1, 501)]

    def work(tx: Transaction) -> int:
        before = inserts(tx)
        tx.insert_many(ADD, rows)
        return inserts(tx) - before

    assert pool.transact(work) == 1
    assert len(names(pool)) == 501


def test_many_rows_with_an_update_on_a_duplicate_key_are_one_statement_too(pool: Database) -> None:
    upsert = sql(ADD.sql + " ON DUPLICATE KEY UPDATE name = VALUES(name)")

    def work(tx: Transaction) -> int:
        before = inserts(tx)
        tx.insert_many(upsert, [{"id": number, "name": f"thing {number}"} for number in range(300)])
        return inserts(tx) - before

    assert pool.transact(work) == 1
    assert names(pool)[:2] == ["thing 0", "thing 1"]


def test_rows_larger_than_a_packet_go_in_several_statements(pool: Database) -> None:
    fill = sql("INSERT INTO things (id, name, data) VALUES (%(id)s, %(name)s, %(data)s)")
    rows = [{"id": number, "name": str(number), "data": b"\\" * 500_000} for number in range(1, 41)]
    pool.transact(lambda tx: tx.insert_many(fill, rows))
    assert int(ask(pool, "SELECT SUM(LENGTH(data)) AS size FROM things")[0]["size"]) == 20_000_000


def test_no_rows_are_no_statement(pool: Database) -> None:
    def work(tx: Transaction) -> tuple[int, int]:
        before = questions(tx)
        tx.insert_many(ADD, [])
        changed = tx.update_many(ADD, [], ("id",))
        return questions(tx) - before, changed

    assert pool.transact(work) == (1, 0), "only the question how many questions there were"


def test_many_rows_are_updated_in_few_statements(pool: Database) -> None:
    rename = sql(
        "UPDATE things JOIN ({rows}) AS new ON new.id = things.id SET things.name = new.name, things.at = new.at"
    )
    moment = datetime(2026, 11, 20, 8, 0, 0, 250_000, tzinfo=UTC)

    def work(tx: Transaction) -> tuple[int, int]:
        tx.insert_many(ADD, [{"id": number, "name": f"thing {number}"} for number in range(1, 451)])
        before = questions(tx)
        rows = [(number, f"named {number}", moment + timedelta(seconds=number)) for number in range(1, 451)]
        changed = tx.update_many(rename, rows, ("id", "name", "at"))
        return changed, questions(tx) - before - 1

    assert pool.transact(work) == (450, 3), "200, 200 and 50 rows"
    found = ask(pool, "SELECT id, name, at FROM things WHERE id > 0 ORDER BY id")
    assert [row["name"] for row in found] == [f"named {number}" for number in range(1, 451)]
    assert [row["at"] for row in found] == [moment + timedelta(seconds=number) for number in range(1, 451)]


def inserts(tx: Transaction) -> int:
    return int(tx.rows(sql("SHOW SESSION STATUS LIKE 'Com_insert'"))[0]["Value"])


def questions(tx: Transaction) -> int:
    return int(tx.rows(sql("SHOW SESSION STATUS LIKE 'Questions'"))[0]["Value"])


# -- whole or not at all


def test_what_work_raises_leaves_as_it_is_and_nothing_is_written(pool: Database) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(ADD, {"id": 1, "name": "one"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pool.transact(work)
    assert names(pool) == ["zero"]


def test_a_unique_key_that_refuses_is_named(pool: Database) -> None:
    with pytest.raises(Duplicate) as caught:
        pool.transact(lambda tx: tx.execute(ADD, {"id": 1, "name": "zero"}))
    assert caught.value.key == "uq_name"


def test_a_duplicate_may_be_handled_inside_the_work(pool: Database) -> None:
    def work(tx: Transaction) -> str:
        try:
            tx.execute(ADD, {"id": 1, "name": "zero"})
        except Duplicate:
            tx.execute(ADD, {"id": 1, "name": "one"})
        return "done"

    assert pool.transact(work) == "done"
    assert names(pool) == ["zero", "one"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("SELECT 1 FROM nowhere", SchemaError), ("SELECT nothing FROM things", SchemaError)],
)
def test_tables_that_are_not_ours_are_a_schema_error(pool: Database, text: str, kind: type[RecordError]) -> None:
    with pytest.raises(kind):
        ask(pool, text)


def test_a_mistake_in_our_sql_is_not_disguised(pool: Database) -> None:
    with pytest.raises(pymysql.err.ProgrammingError):
        ask(pool, "SELEKT 1")


def test_a_statement_larger_than_the_server_takes_is_too_large(pool: Database) -> None:
    limit = int(ask(pool, "SELECT @@max_allowed_packet AS size")[0]["size"])
    update = sql("UPDATE things SET data = %(data)s")
    for data in (b"x" * (limit + 1), "글" * (limit // 3)):  # most servers close the connection without a word
        with pytest.raises(TooLarge):
            pool.transact(partial(Transaction.execute, query=update, params={"data": data}), patience_seconds=0.5)
    assert names(pool) == ["zero"]


def test_a_deadlock_repeats_the_whole_work_and_leaves_nothing_half_written(pool: Database) -> None:
    """Two transactions take two rows in opposite orders; the one that loses runs again from its beginning."""
    pool.transact(lambda tx: tx.execute(ADD, {"id": 1, "name": "one"}))
    crossed = threading.Barrier(2)
    runs = [0, 0]
    lock = sql("UPDATE things SET at = UTC_TIMESTAMP(6) WHERE id = %(id)s")

    def cross(mine: int) -> None:
        def work(tx: Transaction) -> None:
            runs[mine] += 1
            tx.execute(ADD, {"id": 10 * (mine + 1) + runs[mine], "name": f"{mine} began, run {runs[mine]}"})
            tx.execute(lock, {"id": mine})
            if runs[mine] == 1:
                crossed.wait(10)
            tx.execute(lock, {"id": 1 - mine})
            tx.execute(ADD, {"id": 100 * (mine + 1) + runs[mine], "name": f"{mine} ended, run {runs[mine]}"})

        pool.transact(work)

    together(lambda: cross(0), lambda: cross(1))
    assert sorted(runs) == [1, 2], "one of them was the victim, once"
    assert set(names(pool)) == {"zero", "one"} | {
        f"{mine} {what}, run {runs[mine]}" for mine in (0, 1) for what in ("began", "ended")
    }


def test_a_lock_that_is_not_given_in_time_is_a_conflict(pool: Database) -> None:
    touch = sql("UPDATE things SET at = UTC_TIMESTAMP(6) WHERE id = 0")
    held, enough = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.execute(touch)
        held.set()
        enough.wait(20)

    def ask_in_vain() -> None:
        held.wait(10)
        runs = 0

        def work(tx: Transaction) -> None:
            nonlocal runs
            runs += 1
            tx.execute(ADD, {"id": runs, "name": f"run {runs}"})
            tx.execute(touch)

        try:
            started = time.monotonic()
            with pytest.raises(Conflict):
                pool.transact(work, patience_seconds=0.5)
            assert runs == 1, "the first wait took all the patience"
            assert 0.9 < time.monotonic() - started < 3
        finally:
            enough.set()

    together(lambda: pool.transact(hold), ask_in_vain)
    assert names(pool) == ["zero"]


def test_a_lock_that_is_given_later_is_waited_for(pool: Database) -> None:
    touch = sql("UPDATE things SET at = UTC_TIMESTAMP(6) WHERE id = 0")
    held, tried = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.execute(touch)
        held.set()
        tried.wait(20)

    def wait_for_it() -> None:
        held.wait(10)
        runs = 0

        def work(tx: Transaction) -> int:
            nonlocal runs
            runs += 1
            if runs == 2:
                tried.set()
            return tx.execute(touch)

        assert pool.transact(work) == 1
        assert runs >= 2

    together(lambda: pool.transact(hold), wait_for_it)


# -- limits


def test_a_statement_is_stopped_at_its_time_limit(pool: Database) -> None:
    started = time.monotonic()
    with pytest.raises(Interrupted):
        pool.transact(lambda tx: tx.rows(SLOW))
    assert time.monotonic() - started < 4
    assert names(pool) == ["zero"], "and the connection is good for the next"


def test_no_statement_begins_when_the_time_of_the_work_is_over(url: DbUrl) -> None:
    """Many statements that are each in time could together be too late for a person who waits."""
    pool = a_pool(url, work=0.3)

    def work(tx: Transaction) -> None:
        for number in range(1, 100):
            tx.execute(ADD, {"id": number, "name": f"thing {number}"})
            tx.rows(sql("SELECT SLEEP(0.05)"))

    started = time.monotonic()
    with pytest.raises(Interrupted, match="the time for this transaction is over"):
        pool.transact(work)
    assert time.monotonic() - started < 1
    assert names(pool) == ["zero"]
    pool.close()


def test_a_full_pool_is_an_error_when_patience_is_over(url: DbUrl) -> None:
    pool = a_pool(url, size=2)
    busy, enough = threading.Barrier(3), threading.Event()

    def occupy(tx: Transaction) -> None:
        tx.rows(sql("SELECT 1"))
        busy.wait(10)
        enough.wait(20)

    def ask_in_vain() -> None:
        busy.wait(10)
        try:
            started = time.monotonic()
            with pytest.raises(DatabaseAway, match="all connections to the database are in use"):
                pool.transact(lambda tx: tx.rows(sql("SELECT 1")), patience_seconds=0.4)
            assert 0.3 < time.monotonic() - started < 1.5
        finally:
            enough.set()

    together(lambda: pool.transact(occupy), lambda: pool.transact(occupy), ask_in_vain)
    assert names(pool) == ["zero"], "afterwards there are connections again"
    pool.close()


def test_a_pool_never_opens_more_connections_than_its_size(url: DbUrl) -> None:
    pool = a_pool(url, size=3)
    seen: set[int] = set()

    def work(tx: Transaction) -> None:
        seen.add(int(tx.rows(sql("SELECT CONNECTION_ID() AS id"))[0]["id"]))
        time.sleep(0.01)

    together(*[lambda: [pool.transact(work) for _ in range(5)]] * 9)
    assert 1 <= len(seen) <= 3
    pool.close()


def together(*jobs: object) -> None:
    """Run all at once; the first exception of any is raised here."""
    errors: list[BaseException] = []

    def run(job: object) -> None:
        assert callable(job)
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in errors:
        raise error


def test_a_few_values_each_are_updated_by_case(pool: Database) -> None:
    change = sql("UPDATE things SET name = CASE id {name} END, data = CASE id {data} END WHERE id IN {each}")

    def work(tx: Transaction) -> int:
        tx.insert_many(ADD, [{"id": number, "name": f"thing {number}"} for number in range(1, 121)])
        before = questions(tx)
        numbers = list(range(1, 120))
        names = [f"'{{data}}' %s \\ {number}" for number in numbers]
        tx.update_by_case(change, numbers, name=names, data=[b"%d" % number for number in numbers])
        tx.update_by_case(change, [], name=[], data=[])
        return questions(tx) - before - 1

    assert pool.transact(work) == 3, "50, 50 and 19 rows"
    found = ask(pool, "SELECT name, data FROM things WHERE id > 0 ORDER BY id")
    assert [row["name"] for row in found[:119]] == [f"'{{data}}' %s \\ {number}" for number in range(1, 120)]
    assert [row["data"] for row in found[:119]] == [b"%d" % number for number in range(1, 120)]
    assert found[119]["name"] == "thing 120"
