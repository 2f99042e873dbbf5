"""The accounts of `manifests/mysql`: each can do its work and nothing that belongs to another."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pymysql
import pytest

from db.errors import SchemaError
from db.housekeeping import Housekeeper
from db.migrate import migrate, schema_state
from db.model.retention import Retention
from db.server.private import PrivateServer
from db.transactions import telling
from db.transactions.audit import write_checkpoint
from db.transactions.checking import schema_gaps
from tests.bodies import alert, grafana
from tests.conftest import open_database
from tests.db.builders import an_alert, audit_of, deliver
from tests.servers.database import CHECKOUT, DbUrl, TestServer
from tests.servers.observer import Observer, rows, send
from tests.servers.slack import SandboxSlack, wait_until

SQL = CHECKOUT / "manifests" / "mysql"
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
DENIED = (1142, 1143)  # of a table, of a column


@dataclass(frozen=True)
class Accounts:
    """The database, as each account sees it; `admin` is the private server's root."""

    admin: DbUrl
    migrator: DbUrl
    application: DbUrl
    keeper: DbUrl
    reader: DbUrl


def statements(file: Path, accounts: DbUrl) -> list[str]:
    """The statements of a file, with another database and with passwords, for accounts of 127.0.0.1."""
    text = re.sub(r"--.*", "", file.read_text("utf-8"))
    text = text.replace("`observer`", f"`{accounts.name}`")
    text = re.sub(r"'[A-Z]+_PASSWORD'", f"'{accounts.password}'", text)
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def run(url: DbUrl, *texts: str) -> None:
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, autocommit=True, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


@pytest.fixture(scope="module")
def own_server(server: TestServer) -> Iterator[PrivateServer]:
    """A server of its own: accounts belong to a whole server."""
    with server.new_private("accounts") as running:
        yield running


@pytest.fixture(scope="module")
def accounts(own_server: PrivateServer) -> Accounts:
    """All that the documents say: accounts, the migration, the grants."""
    password = own_server.password
    admin = DbUrl(own_server.host, own_server.port, "root", password, "granted")
    run(admin, *statements(SQL / "accounts.sql", admin))
    migrator = replace(admin, user="observer_migrator")
    database = open_database(migrator)
    migrate(database)
    database.close()
    # twice: they may be run again after each version
    run(admin, *statements(SQL / "grants.sql", admin), *statements(SQL / "grants.sql", admin))
    # the private server's own account of this name may do everything in its databases; ours is the one for '%'
    run(admin, "DROP USER IF EXISTS 'observer'@'localhost'", "DROP USER IF EXISTS 'observer'@'127.0.0.1'")
    return Accounts(
        admin, migrator, replace(admin, user="observer"), replace(admin, user="observer_keeper"),
        replace(admin, user="observer_reader"),
    )  # fmt: skip


def denied(url: DbUrl, text: str) -> bool:
    """Whether the server refuses a statement for want of a right."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        try:
            cursor.execute(text)
        except pymysql.MySQLError as error:
            if error.args[0] in DENIED:
                return True
            raise
        finally:
            connection.rollback()
        return False


def test_the_program_does_all_of_its_work_as_the_application(accounts: Accounts, slack: SandboxSlack) -> None:
    url = accounts.application
    with Observer(url, slack) as observer:
        assert send(observer.url, grafana(alert())).status_code == 200
        assert send(observer.url, b"not json").status_code == 422
        # so large, and so hard to compress, that it is written in pieces
        noise = random.Random(7).randbytes(3_000_000).hex()
        assert send(observer.url, ('{"no alerts": "' + noise + '"}').encode()).status_code == 422
        card = slack.wait_for_message(lambda message: "#1" in str(message), "the card")
        ack = next(
            element["action_id"]
            for block in card["blocks"]
            for element in block.get("elements", [])
            if "acknowledge" in str(element.get("action_id"))
        )
        slack.click(card, ack)
        wait_until(lambda: rows(url, "SELECT status FROM incidents")[0]["status"] == "acknowledged", "the click")
        assert send(observer.url, grafana(alert(ends=60))).status_code == 200
        slack.wait_for_message(lambda message: "esolved" in str(message), "the resolved card")
    database = open_database(url)
    try:
        assert write_checkpoint(database, timedelta(0)) is not None
        assert schema_state(database).problem == ""
    finally:
        database.close()


FORBIDDEN = [
    "UPDATE incident_timeline SET actor = 'slack:U003'",
    "DELETE FROM incident_timeline",
    "TRUNCATE TABLE incident_timeline",
    "UPDATE audit_checkpoints SET hash = ''",
    "DELETE FROM audit_checkpoints",
    "INSERT INTO audit_removals (removal_number, at, incident_number, first_number, last_number, unlinked) "
    "VALUES (1, NOW(), 1, 1, 1, 0)",
    "DELETE FROM audit_removals",
    "UPDATE audit_origin SET unlinked = 1",
    "INSERT INTO audit_origin (one, at, last_event_id, last_unlinked_id, unlinked, removals) "
    "VALUES (1, NOW(), 1, 1, 1, 1)",
    "DELETE FROM incidents",
    "UPDATE grafana_alerts SET message = ''",
    "DELETE FROM grafana_alerts",
    "DELETE FROM deliveries",
    "UPDATE deliveries SET credential = ''",
    "UPDATE deliveries SET body = ''",
    "UPDATE incidents SET number = 7",
    "UPDATE incidents SET incident_key = ''",
    "UPDATE incidents SET title = ''",
    "UPDATE incidents SET start_time = NOW()",
    "UPDATE incidents SET chain_removed = chain_length",
    "UPDATE schema_migrations SET version = 1",
    "INSERT INTO schema_migrations (version, name, checksum, started_at) VALUES (99, '', '', NOW())",
    "CREATE TABLE another (id INT)",
    "ALTER TABLE incidents ADD COLUMN another INT",
    "DROP TABLE incidents",
    "CREATE TRIGGER another BEFORE DELETE ON incidents FOR EACH ROW SET @x = 1",
    "DROP TRIGGER trg_prevent_duplicate_open_incident",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_the_application_can_neither_rewrite_history_nor_change_tables(accounts: Accounts, text: str) -> None:
    assert denied(accounts.application, text)
    assert denied(accounts.reader, text)


def test_the_reader_reads_everything_and_writes_nothing(accounts: Accounts) -> None:
    tables = [next(iter(row.values())) for row in rows(accounts.reader, "SHOW TABLES")]
    assert "incident_timeline" in tables
    for table in tables:
        rows(accounts.reader, f"SELECT * FROM `{table}` LIMIT 1")  # noqa: S608 - tables of ours
        assert denied(accounts.reader, f"DELETE FROM `{table}`")  # noqa: S608
    assert denied(accounts.reader, "INSERT INTO slack_facts (name, value, learned_at) VALUES ('a', '{}', NOW())")
    database = open_database(accounts.reader)
    try:
        assert audit_of(database).is_good
    finally:
        database.close()


def test_the_keeper_removes_what_is_old_and_changes_no_line_of_a_timeline(accounts: Accounts) -> None:
    for text in (
        "DELETE FROM incident_timeline",
        "UPDATE grafana_alerts SET delivery_id = NULL",
        "DELETE FROM grafana_alerts",
        "DELETE FROM deliveries WHERE delivery_id < 0",
    ):
        assert not denied(accounts.keeper, text)
    for text in (
        "UPDATE incident_timeline SET reason = ''",
        "INSERT INTO incident_timeline (incident_id, at, kind, actor, details) VALUES ('', NOW(), '', '', '{}')",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_removals SET at = NOW()",
        "DELETE FROM audit_removals",
        "UPDATE audit_origin SET unlinked = 1",
        "DROP TABLE deliveries",
        "UPDATE deliveries SET received_at = NOW()",
        "UPDATE incidents SET resolved_by = ''",
        "UPDATE incidents SET chain_head = ''",
    ):
        assert denied(accounts.keeper, text)


def test_the_program_says_who_has_to_migrate_when_it_may_not(own_server: PrivateServer, accounts: Accounts) -> None:
    """A new version that is started before its migration ran stops with a sentence."""
    run(accounts.migrator, f"DELETE FROM `{accounts.migrator.name}`.schema_migrations WHERE version > 1")  # noqa: S608
    database = open_database(accounts.application)
    try:
        with pytest.raises(SchemaError, match="run `python -m db migrate` with a user that may"):
            migrate(database)
    finally:
        database.close()
    again = open_database(accounts.migrator)
    try:
        assert migrate(again).problem == "", "what was there already is passed over"
    finally:
        again.close()


def test_a_channel_that_refused_the_application_is_in_order_again_afterwards(accounts: Accounts) -> None:
    database = open_database(accounts.application)
    try:
        telling.refused(database, "#grants", "is_archived", NOW)
        assert "#grants" in telling.broken_channels(database, NOW)
        telling.works(database, "#grants", "C0GRANTS", NOW)
        assert "#grants" not in telling.broken_channels(database, NOW)
    finally:
        database.close()


def test_the_keeper_carries_retention_out(accounts: Accounts) -> None:
    application = open_database(accounts.application)
    try:
        deliver(application, an_alert(rule="kept_for_a_day"))
        deliver(application, an_alert(rule="kept_for_a_day", ends=60), now=60)
        write_checkpoint(application, timedelta(0))
    finally:
        application.close()
    url = accounts.keeper
    database = open_database(url)
    age = timedelta(days=1)
    rule = Retention(bodies=age, alerts=age, timelines=age)
    keeper = Housekeeper(database, rule, lambda: datetime.now(UTC) + timedelta(days=30))
    try:
        assert keeper.begin(at_once=True)
        while keeper.step():
            pass
        assert audit_of(database, retention=rule).is_good
    finally:
        database.close()
    assert keeper.refused == set()
    assert rows(url, "SELECT event_id FROM incident_timeline") == []
    assert rows(url, "SELECT alert_id FROM grafana_alerts") == []


def test_an_account_that_sees_no_triggers_does_not_miss_them(accounts: Accounts) -> None:
    """MySQL hides triggers from who may not change them; that says nothing of the record."""
    for url in (accounts.application, accounts.keeper, accounts.reader):
        database = open_database(url)
        try:
            assert schema_gaps(database)[0] == []
        finally:
            database.close()
    database = open_database(accounts.migrator)
    try:
        assert schema_gaps(database) == ([], True)
    finally:
        database.close()


def _needed(text: str) -> set[tuple[str, str]]:
    """Which rights on which tables a statement of ours needs, beside reading."""
    text = re.sub(r"--.*", "", text)
    need = {(table, "INSERT") for table in re.findall(r"\bINSERT INTO (\w+)", text)}
    if "ON DUPLICATE KEY UPDATE" in text:
        need |= {(table, "UPDATE") for table, _ in need}
    elif found := re.search(r"^\s*UPDATE\s+(\w+)", text):
        need.add((found[1], "UPDATE"))
    need |= {(table, "DELETE") for table in re.findall(r"\bDELETE FROM (\w+)", text)}
    if "FOR UPDATE" in text:
        need |= {(table, "UPDATE") for table in re.findall(r"\bFROM (\w+)", text)}
    return need


def test_every_statement_of_the_program_has_its_right() -> None:
    rights: dict[str, set[str]] = {}
    for given, table in re.findall(
        r"GRANT ([^;]+?)\s+ON `observer`\.`(\w+)` TO 'observer'", (SQL / "grants.sql").read_text()
    ):
        rights[table] = set(re.sub(r" \([^)]+\)", "", given).split(", "))
    missing = [
        (file.stem, statement.split("\n", 1)[0], table, right)
        for file in sorted((CHECKOUT / "db" / "store" / "sql").glob("*.sql"))
        if file.stem not in ("tidy", "removals")  # the keeper's
        for statement in file.read_text("utf-8").split("-- name: ")[1:]
        for table, right in _needed(statement.split("\n", 1)[1])
        if right not in rights.get(table, set())
    ]
    assert missing == []


def test_the_program_may_change_of_an_incident_what_it_writes_and_nothing_else() -> None:
    text = (SQL / "grants.sql").read_text("utf-8")
    found = re.search(r"UPDATE \(([^)]+)\) ON `observer`\.`incidents` TO 'observer'", text)
    assert found
    granted = set(re.split(r",\s*", found[1].strip()))
    written = set()
    for statement in (CHECKOUT / "db" / "store" / "sql" / "incidents.sql").read_text("utf-8").split("-- name: ")[1:]:
        if change := re.search(r"^UPDATE\b.*?\bSET\s(.*?)(?:\nWHERE|\Z)", statement, re.DOTALL | re.MULTILINE):
            written |= set(re.findall(r"(\w+) = (?!new\.number)", change[1]))
    assert written == granted


def test_every_table_of_the_record_has_its_grants_decided(accounts: Accounts) -> None:
    text = (SQL / "grants.sql").read_text("utf-8")
    tables = {str(next(iter(row.values()))) for row in rows(accounts.reader, "SHOW TABLES")}
    undecided = sorted(table for table in tables if not re.search(rf"\b{table}\b", text))
    assert undecided == [], "say in manifests/mysql/grants.sql what the program may write there"
