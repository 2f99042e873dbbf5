"""The tables: made from nothing, by one process at a time, finished after a crash, refused when they are not ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pymysql
import pytest

from db.database import Database, Transaction
from db.errors import Conflict, RecordError, SchemaError
from db.migrate import Migration, SchemaState, migrate, migrations, schema_state
from db.model.retention import Retention
from db.transactions.audit import write_checkpoint
from tests.db.builders import a_pool, an_alert, ask, audit_of, check_record, deliver, key_of, sql
from tests.servers.database import CHECKOUT, DbUrl, TestServer


@pytest.fixture
def empty(empty_url: DbUrl) -> Iterator[Database]:
    """A pool on a database without any table."""
    pool = a_pool(empty_url, statement=60.0)
    yield pool
    pool.close()


def latest() -> int:
    return migrations()[-1].version


def run(url: DbUrl, *arguments: str) -> subprocess.Popen[str]:
    """`python -m db ...` as a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "db", *arguments],
        cwd=CHECKOUT, env={**kept, **url.env()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def schema(database: Database) -> list[tuple[str, ...]]:
    """Every table, column, index and trigger, in a form that two databases can be compared by."""
    queries = {
        "column": "SELECT table_name, column_name, column_type, is_nullable, extra FROM information_schema.columns "
        "WHERE table_schema = DATABASE()",
        "index": "SELECT table_name, index_name, seq_in_index, column_name, non_unique "
        "FROM information_schema.statistics WHERE table_schema = DATABASE()",
        "trigger": "SELECT trigger_name, event_manipulation, action_timing, event_object_table "
        "FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    }
    return sorted(
        (what, *(str(value) for value in row.values()))
        for what, query in queries.items()
        for row in ask(database, query)
    )


# -- from nothing


def test_an_empty_database_gets_all_tables(empty: Database) -> None:
    assert schema_state(empty) == SchemaState(found=0, known=latest())
    assert migrate(empty) == SchemaState(found=latest(), known=latest())
    assert schema_state(empty).problem == ""


def test_migrating_twice_changes_nothing(empty: Database) -> None:
    migrate(empty)
    before = schema(empty)
    started = ask(empty, "SELECT started_at FROM schema_migrations")
    migrate(empty)
    assert schema(empty) == before
    assert ask(empty, "SELECT started_at FROM schema_migrations") == started


def test_status_changes_nothing(empty: Database) -> None:
    assert "run `python -m db migrate`" in schema_state(empty).problem
    assert ask(empty, "SHOW TABLES") == []


def test_a_record_survives_migrating_again(database: Database) -> None:
    deliver(database, an_alert())
    ask(database, "SELECT 1")
    database.transact(lambda tx: tx.execute(sql("UPDATE schema_migrations SET finished = 0")))
    assert schema_state(database).unfinished == 1
    migrate(database)
    check_record(database)
    assert len(ask(database, "SELECT 1 FROM grafana_alerts")) == 1


TABLES = {
    "grafana_alerts": (
        "alert_id incident_id incident_key received_at state rule_uid alertname message labels annotations raw_payload "
        "delivery_id source fingerprint starts_at ends_at",
        "PRIMARY idx_incident_id idx_incident_key_received_at idx_received_at",
    ),
    "incidents": (
        "incident_id incident_key status severity phase cluster namespace service service_category start_time "
        "first_seen_at last_seen_at alert_count acknowledged_time resolved_time action_taken root_cause resolved_by "
        "is_noise created_at number owner version title open_key",
        "PRIMARY idx_incident_key idx_status idx_last_seen_at idx_cluster_namespace_service idx_service_category "
        "idx_incident_key_status_last_seen uq_open_key uq_number",
    ),
    "incident_keys": ("incident_key", "PRIMARY"),
    "incident_instances": ("incident_id fingerprint state first_values last_values", "PRIMARY"),
    "incident_timeline": ("incident_id at kind actor reason", "PRIMARY"),
    "deliveries": ("delivery_id request_id body problem outcome", "PRIMARY uq_request_id"),
    "slack_messages": ("message_id incident_id wanted_version shown_version", "PRIMARY uq_message_incident"),
}

TRIGGERS = {
    "trg_prevent_duplicate_open_incident": ("BEFORE", "INSERT", "incidents"),
    "trg_update_alert_count_on_insert": ("AFTER", "INSERT", "grafana_alerts"),
    "trg_update_alert_count_on_delete": ("AFTER", "DELETE", "grafana_alerts"),
    "trg_turn_on_incident_insert": ("AFTER", "INSERT", "incidents"),
    "trg_turn_on_incident_update": ("AFTER", "UPDATE", "incidents"),
    "trg_turn_on_incident_delete": ("AFTER", "DELETE", "incidents"),
    "trg_turn_on_instance_insert": ("AFTER", "INSERT", "incident_instances"),
    "trg_turn_on_instance_update": ("AFTER", "UPDATE", "incident_instances"),
    "trg_turn_on_instance_delete": ("AFTER", "DELETE", "incident_instances"),
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_have_the_columns_and_indexes_of_the_documents(database: Database, table: str) -> None:
    found = schema(database)
    columns, indexes = (set(names.split()) for names in TABLES[table])
    assert columns <= {entry[2] for entry in found if entry[:2] == ("column", table)}
    assert indexes <= {entry[2] for entry in found if entry[:2] == ("index", table)}


def test_triggers_have_their_names_and_watch_their_tables(database: Database) -> None:
    found = {entry[1]: entry[2:] for entry in schema(database) if entry[0] == "trigger"}
    assert found == {name: (event, timing, table) for name, (timing, event, table) in TRIGGERS.items()}


def test_types_are_those_of_the_documents(database: Database) -> None:
    types = {entry[1:3]: entry[3] for entry in schema(database) if entry[0] == "column"}
    assert types["incidents", "incident_id"] == "varchar(64)"
    assert types["incidents", "incident_key"] == "varchar(16)"
    assert types["incidents", "status"] == "enum('active','acknowledged','resolved')"
    assert types["grafana_alerts", "alert_id"].startswith("bigint")
    times = {name: kind for name, kind in types.items() if kind.startswith(("datetime", "timestamp"))}
    assert set(times.values()) == {"datetime(6)"}, "without (6) one server rounds, another cuts"


def test_the_order_of_an_index_is_that_of_the_documents(database: Database) -> None:
    rows = ask(
        database,
        "SELECT column_name AS name FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND table_name = 'incidents' AND index_name = 'idx_incident_key_status_last_seen' ORDER BY seq_in_index",
    )
    assert [row["name"] for row in rows] == ["incident_key", "status", "last_seen_at"]


def test_every_table_keeps_any_unicode_and_transactions(database: Database) -> None:
    rows = ask(
        database,
        "SELECT table_name AS name, engine AS engine, table_collation AS collation FROM information_schema.tables "
        "WHERE table_schema = DATABASE()",
    )
    assert {(row["engine"], row["collation"].split("_")[0]) for row in rows} == {("InnoDB", "utf8mb4")}


# -- two at once, half-done, newer, changed


def test_two_processes_at_once_migrate_once(empty_url: DbUrl, empty: Database) -> None:
    processes = [run(empty_url, "migrate") for _ in range(2)]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
        assert output == f"Schema {latest()} is up to date.\n"
    assert schema_state(empty).problem == ""
    assert len(ask(empty, "SELECT 1 FROM schema_migrations")) == latest()


def test_another_process_migrating_is_waited_for(empty_url: DbUrl, empty: Database) -> None:
    other = a_pool(empty_url)
    states: list[SchemaState] = []
    waiting = threading.Thread(target=lambda: states.append(migrate(empty)))

    def hold(tx: Transaction) -> None:
        name = f"observer_migrate_{empty_url.name}"[:64]
        assert tx.rows(sql("SELECT GET_LOCK(%(name)s, 1) AS got"), {"name": name}) == [{"got": 1}]
        waiting.start()
        time.sleep(0.3)
        assert tx.rows(sql("SHOW TABLES")) == []

    other.transact(hold)
    other.close()  # the lock is free as soon as its connection is gone
    waiting.join(30)
    assert [state.problem for state in states] == [""]


STATEMENTS = len(migrations()[0].statements)


@pytest.mark.parametrize("done", [0, 1, 3, 6, STATEMENTS - 4, STATEMENTS - 1, STATEMENTS])
def test_a_migration_that_died_is_finished_by_the_next(empty: Database, database: Database, done: int) -> None:
    """Killed after some of its statements: the tables are said to be unfinished, and end like any others."""
    first, *rest = migrations()
    dying = replace(first, statements=(*first.statements[:done], "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'dead'"))
    with pytest.raises(pymysql.MySQLError, match="dead"):
        migrate(empty, [dying, *rest])
    state = schema_state(empty)
    assert (state.found, state.unfinished) == (0, 1)
    assert "was begun and not finished; run `python -m db migrate`" in state.problem
    assert migrate(empty).problem == ""
    assert schema(empty) == schema(database)


def test_a_process_killed_while_it_migrates_leaves_no_lock(empty_url: DbUrl, empty: Database) -> None:
    process = run(empty_url, "migrate")
    while process.poll() is None and not ask(empty, "SHOW TABLES LIKE 'incidents'"):
        pass
    process.kill()
    process.communicate(timeout=30)
    assert migrate(empty).problem == ""


def test_a_later_migration_comes_on_top(empty: Database) -> None:
    migrate(empty)
    more = Migration(latest() + 1, "more", ("CREATE TABLE more (a INT)", "ALTER TABLE more ADD COLUMN b INT"), "x" * 64)
    steps = [*migrations(), more]
    assert schema_state(empty, steps).problem.startswith(f"the schema has version {latest()}, this program needs")
    assert migrate(empty, steps) == SchemaState(found=latest() + 1, known=latest() + 1)
    assert ask(empty, "SELECT a, b FROM more") == []


def test_an_alter_table_that_is_done_already_is_passed_over(empty: Database) -> None:
    statements = (
        "CREATE TABLE IF NOT EXISTS parent (id INT PRIMARY KEY) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS child (id INT, KEY idx_old (id)) ENGINE=InnoDB",
        "ALTER TABLE child ADD COLUMN parent INT",
        "-- with a comment before it\nALTER TABLE child ADD KEY idx_parent (parent)",
        "ALTER TABLE child ADD CONSTRAINT fk_child FOREIGN KEY (parent) REFERENCES parent (id)",
        "ALTER TABLE child DROP KEY idx_old",
    )
    once = Migration(1, "once", statements, "x" * 64)
    migrate(empty, [once])
    again = Migration(2, "again", statements[:1] + statements[2:], "y" * 64)
    assert migrate(empty, [once, again]).problem == ""
    wrong = Migration(3, "wrong", ("ALTER TABLE child ADD COLUMN wrong NO_SUCH_TYPE",), "z" * 64)
    with pytest.raises((pymysql.MySQLError, RecordError)):
        migrate(empty, [once, again, wrong], patience_seconds=1)


def test_a_newer_schema_is_refused(empty: Database, empty_url: DbUrl) -> None:
    migrate(empty)
    add = "INSERT INTO schema_migrations VALUES (9999, 'of_tomorrow', REPEAT('0', 64), UTC_TIMESTAMP(6), 1)"
    empty.transact(lambda tx: tx.execute(sql(add)))
    with pytest.raises(SchemaError, match=r"version 9999, newer than version \d+ of this program"):
        migrate(empty)
    assert "newer than version" in schema_state(empty).problem
    process = run(empty_url, "migrate")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "version 9999, newer than" in errors
    assert "Traceback" not in errors


def test_a_file_that_was_changed_after_it_ran_is_refused(empty: Database) -> None:
    migrate(empty)
    first, *rest = migrations()
    changed = [replace(first, checksum="f" * 64), *rest]
    with pytest.raises(SchemaError, match="migration 0001 ran with another content"):
        migrate(empty, changed)
    assert "migration 0001 ran with another content" in schema_state(empty, changed).problem


def test_a_user_without_the_right_to_make_triggers_is_told_what_to_do(server: TestServer) -> None:
    """While binary logging is on, a server wants more for a trigger than all rights on the database."""
    logging = server.new_private("logging")
    logging.options = ("--log-bin", "--server-id=1", "--log-bin-trust-function-creators=OFF")
    with logging:
        pool = a_pool(DbUrl(logging.host, logging.port, logging.user, logging.password, logging.database))
        try:
            with pytest.raises(SchemaError, match="SET GLOBAL log_bin_trust_function_creators = ON"):
                migrate(pool)
        finally:
            pool.close()


# -- the command


def test_status_tells_and_its_exit_status_too(empty_url: DbUrl, empty: Database) -> None:
    process = run(empty_url, "status")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, "")
    assert f"the schema has version 0, this program needs {latest()}" in output
    migrate(empty)
    process = run(empty_url, "status")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_missing_settings_are_named_together() -> None:
    nowhere = DbUrl("", 3306, "observer", "", "observer")
    process = run(nowhere, "status")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "DB_HOST is not set" in errors
    assert "DB_PASSWORD is not set" in errors


# -- the files


def test_migration_files_are_numbered_and_safe_to_repeat() -> None:
    steps = migrations()
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert re.fullmatch(r"[0-9a-f]{64}", step.checksum)
        for statement in step.statements:
            code = re.sub(r"--.*", "", statement).strip()
            safe = (
                "CREATE TABLE IF NOT EXISTS",
                "DROP TRIGGER IF EXISTS",
                "CREATE TRIGGER",
                "SET SESSION ",
                "UPDATE ",
                "INSERT IGNORE INTO ",
            )
            # an ALTER TABLE that does one thing is passed over when that is done already
            one_thing = re.match(
                r"ALTER TABLE \w+\s+"
                r"(ADD COLUMN|MODIFY COLUMN|ADD INDEX|ADD KEY|ADD UNIQUE KEY|ADD CONSTRAINT"
                r"|DROP FOREIGN KEY|DROP KEY) ",
                code,
            )
            assert code.startswith(safe) or one_thing, code


@pytest.mark.parametrize("cut", [1, 7, 11])
def test_a_migration_that_stopped_halfway_runs_again_whole(empty_url: DbUrl, cut: int) -> None:
    database = a_pool(empty_url, statement=60.0)
    steps = migrations()
    (place,) = (index for index, step in enumerate(steps) if step.name == "blind")
    earlier, step = steps[:place], steps[place]
    migrate(database, earlier)
    with pytest.raises(RecordError):
        migrate(database, [*earlier, replace(step, statements=(*step.statements[:cut], "SELECT nonsense"))])
    assert schema_state(database, [*earlier, step]).unfinished == step.version
    assert migrate(database, [*earlier, step]).problem == ""
    database.close()


def test_blind_alerts_that_were_instances_of_their_rules_incident_hold_it_open_no_more(
    empty: Database, empty_url: DbUrl
) -> None:
    steps = migrations()
    earlier = [step for step in steps if step.name in ("the_record", "counting")]
    migrate(empty, earlier)
    with root(empty_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents (incident_id, incident_key, severity, severity_rank, title, summary, rule_uid,"
            " source, start_time, first_seen_at, last_seen_at, instances_total, instances_firing, blind_firing, links,"
            " created_at)"
            " VALUES ('INC-1', 'k', 'high', 1, 't', '', 'r', 'grafana', NOW(6), NOW(6), NOW(6), 2, 2, 1, '{}', NOW(6))"
        )
        for kind in ("normal", "blind"):
            cursor.execute(
                "INSERT INTO incident_instances (incident_id, fingerprint, incident_key, kind, state, starts_at,"
                " heard_at, labels) VALUES ('INC-1', %s, 'k', %s, 'firing', NOW(6), NOW(6), '{}')",
                (kind, kind),
            )
    migrate(empty)
    assert ask(empty, "SELECT instances_firing, blind_firing FROM incidents") == [
        {"instances_firing": 1, "blind_firing": 0}
    ]
    states = ask(empty, "SELECT fingerprint, state FROM incident_instances ORDER BY fingerprint")
    assert [(row["fingerprint"], row["state"]) for row in states] == [("blind", "resolved"), ("normal", "firing")]


def test_only_what_an_alter_table_did_before_is_passed_over(empty_url: DbUrl) -> None:
    database = a_pool(empty_url, statement=60.0)
    first = migrations()[0]
    for statement in ("CREATE TABLE incidents (a INT)", "ALTER TABLE incidents ADD COLUMN a NONSENSE"):
        with pytest.raises((RecordError, pymysql.MySQLError)):
            migrate(database, [first, Migration(2, "wrong", (statement,), "0" * 64)])
    database.close()


# -- the guards


OPEN_AGAIN = """
    INSERT INTO incidents (incident_id, incident_key, status, severity, severity_rank, title, summary, rule_uid,
        source, start_time, first_seen_at, last_seen_at, links, created_at)
    SELECT CONCAT(incident_id, '-raw'), incident_key, 'active', severity, severity_rank, title, summary, rule_uid,
        source, start_time, first_seen_at, last_seen_at, links, created_at
    FROM incidents LIMIT 1
"""


def root(url: DbUrl) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """A connection that goes round everything of ours."""
    return pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True,
        ssl_disabled=True,
    )  # fmt: skip


def test_a_second_open_incident_is_refused_by_the_trigger(database: Database, db_url: DbUrl) -> None:
    deliver(database, an_alert())
    with (
        root(db_url) as connection,
        connection.cursor() as cursor,
        pytest.raises(pymysql.MySQLError, match="this incident key has an open incident already") as caught,
    ):
        cursor.execute(OPEN_AGAIN)
    assert caught.value.args[0] == 1644


def test_a_second_open_incident_is_refused_by_the_key_when_there_is_no_trigger(
    empty: Database, empty_url: DbUrl
) -> None:
    migrate(empty)
    deliver(empty, an_alert())
    with root(empty_url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER trg_prevent_duplicate_open_incident")
        with pytest.raises(pymysql.IntegrityError, match="uq_open_key") as caught:
            cursor.execute(OPEN_AGAIN)
    assert caught.value.args[0] == 1062


def test_the_key_also_refuses_a_reopening(database: Database, db_url: DbUrl) -> None:
    deliver(database, an_alert())
    deliver(database, an_alert(ends=50), now=60)
    deliver(database, an_alert(starts=90), now=100)
    with root(db_url) as connection, connection.cursor() as cursor, pytest.raises(pymysql.IntegrityError):
        cursor.execute("UPDATE incidents SET status = 'active', resolved_time = NULL WHERE status = 'resolved'")


@pytest.mark.parametrize("trigger", [True, False])
def test_both_guards_are_a_conflict_to_us(empty: Database, trigger: bool) -> None:
    """On a cluster the other node's incident becomes visible only then: the work runs again with it in sight."""
    migrate(empty)
    deliver(empty, an_alert())
    if not trigger:
        empty.transact(lambda tx: tx.execute(sql("DROP TRIGGER trg_prevent_duplicate_open_incident")))
    with pytest.raises(Conflict):
        empty.transact(lambda tx: tx.execute(sql(OPEN_AGAIN)), patience_seconds=0)


def test_a_resolved_incident_has_its_time(database: Database, db_url: DbUrl) -> None:
    deliver(database, an_alert())
    unresolved = pytest.raises(pymysql.MySQLError, match="ck_resolved_has_time")
    with root(db_url) as connection, connection.cursor() as cursor, unresolved:
        cursor.execute("UPDATE incidents SET status = 'resolved'")


def test_the_count_of_alerts_follows_inserts_and_deletes(database: Database, db_url: DbUrl) -> None:
    for number in range(3):
        deliver(database, an_alert(f"f{number}"), now=number)
    deliver(database, an_alert("g", service="other"))
    with root(db_url) as connection, connection.cursor() as cursor:
        count = "SELECT alert_count FROM incidents WHERE incident_key = %s"
        cursor.execute(count, (key_of(),))
        assert cursor.fetchone() == (3,)
        cursor.execute("DELETE FROM grafana_alerts WHERE incident_key = %s ORDER BY alert_id LIMIT 2", (key_of(),))
        cursor.execute(count, (key_of(),))
        assert cursor.fetchone() == (1,)
        cursor.execute(count, (key_of(service="other"),))
        assert cursor.fetchone() == (1,)


def test_an_incident_with_alerts_cannot_be_deleted(database: Database, db_url: DbUrl) -> None:
    deliver(database, an_alert())
    with root(db_url) as connection, connection.cursor() as cursor:
        for statement in ("DELETE FROM incidents", "UPDATE grafana_alerts SET incident_id = 'INC-nowhere'"):
            with pytest.raises(pymysql.IntegrityError):
                cursor.execute(statement)


def test_no_foreign_key_acts_by_itself(database: Database) -> None:
    """Group Replication with several writers takes no table with such a key."""
    acting = """
        SELECT constraint_name AS name FROM information_schema.referential_constraints
        WHERE constraint_schema = DATABASE() AND NOT (
            delete_rule IN ('NO ACTION', 'RESTRICT') AND update_rule IN ('NO ACTION', 'RESTRICT')
        )
    """
    assert ask(database, acting) == []


def test_a_delivery_goes_only_after_its_alerts_let_go_of_it(database: Database, db_url: DbUrl) -> None:
    deliver(database, an_alert())
    with root(db_url) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.IntegrityError):
            cursor.execute("DELETE FROM deliveries")
        cursor.execute("UPDATE grafana_alerts SET delivery_id = NULL")
        cursor.execute("DELETE FROM deliveries")
    assert ask(database, "SELECT delivery_id FROM grafana_alerts") == [{"delivery_id": None}]


def test_a_column_that_an_earlier_run_added_is_no_obstacle(empty: Database) -> None:
    """MySQL has no ADD COLUMN IF NOT EXISTS: a file that died after an ALTER TABLE runs again whole."""
    migrate(empty)
    statements = (
        "CREATE TABLE IF NOT EXISTS more (a INT, KEY gone (a))",
        "-- why\nALTER TABLE more ADD COLUMN b INT",
        "ALTER TABLE more ADD INDEX idx_b (b)",
        "ALTER TABLE more DROP INDEX gone",
    )
    died = Migration(latest() + 1, "more", (*statements, "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'dead'"), "x" * 64)
    with pytest.raises(pymysql.MySQLError, match="dead"):
        migrate(empty, [*migrations(), died])
    assert migrate(empty, [*migrations(), replace(died, statements=statements)]).problem == ""
    assert ask(empty, "SELECT a, b FROM more") == []


def test_only_what_is_there_already_is_passed_over(empty: Database) -> None:
    migrate(empty)
    for statement in ("ALTER TABLE nowhere ADD COLUMN b INT", "CREATE TABLE incidents (a INT)"):
        more = Migration(latest() + 1, "more", (statement,), "x" * 64)
        with pytest.raises((pymysql.MySQLError, RecordError)):
            migrate(empty, [*migrations(), more], patience_seconds=0)


def test_what_was_removed_and_what_had_no_link_is_counted_when_removals_begin_to_be_recorded(empty: Database) -> None:
    """Of three incidents one kept its timeline, of one retention removed it, and one has a line without a link."""
    steps = migrations()
    before = next(index for index, step in enumerate(steps) if step.name == "removals")
    migrate(empty, steps[:before])
    add_incidents(empty, 3)
    for text in (
        "INSERT INTO incident_timeline (incident_id, at, kind, actor, details) "
        "SELECT incident_id, first_seen_at, 'opened', 'source:grafana', '{}' FROM incidents WHERE number = 3",
        "UPDATE incidents SET chain_length = 4, chain_head = REPEAT('h', 32), chain_removed = 4, "
        "chain_base = REPEAT('h', 32) WHERE number = 2",
    ):
        empty.transact(partial(run_sql, text=text))
    migrate(empty)
    rule = Retention(timelines=timedelta(days=30))
    report = audit_of(empty, retention=rule)
    assert (report.faults, report.before_chain, report.removed) == ([], 1, 4)
    write_checkpoint(empty, timedelta(0))
    assert audit_of(empty, retention=rule).is_good
    assert [fault.what for fault in audit_of(empty).faults] == ["removal"], "there is no rule for it"
    empty.transact(partial(run_sql, text="UPDATE audit_origin SET removals = 0"))
    assert "removal" in {fault.what for fault in audit_of(empty, retention=rule).faults}


def run_sql(tx: Transaction, text: str) -> None:
    tx.execute(sql(text))


def add_incidents(database: Database, count: int) -> None:
    """Rows as an older version left them."""
    row = (
        "INSERT INTO incidents (incident_id, number, incident_key, status, severity, severity_rank, title, summary,"
        " rule_uid, source, start_time, first_seen_at, last_seen_at, resolved_time, links, created_at)"
        " SELECT CONCAT('INC-', @n), @n, CONCAT('k', @n), 'resolved', 'info', 3, '', '', 'r', 'grafana',"
        " '2026-01-01', '2026-01-01', '2026-01-01', '2026-01-01', '{}', '2026-01-01'"
    )
    for number in range(1, count + 1):
        database.transact(partial(run_sql, text=f"{row} FROM (SELECT @n := {number}) AS one"))
