"""Servers as administrators leave them: passwords in every script, settings that hurt, and errors in words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pymysql
import pytest

from db.database import Database
from db.env import Env
from db.errors import DatabaseAway, Place, RecordError, TooLarge, said, translated
from db.migrate import migrate
from db.server.private import PrivateServer
from db.settings import DatabaseSettings
from db.store import deliveries
from tests.db.builders import a_delivery, an_alert, ask, check_record, deliver
from tests.servers.database import TestServer

PLACE = Place("db1:3306", "observer", "incidents")


@pytest.fixture(scope="module")
def odd(server: TestServer) -> Iterator[PrivateServer]:
    """A server with old row formats and settings for people who type SQL by hand."""
    running = server.new_private("odd")
    running.options = ("--innodb-default-row-format=compact",)
    with running:
        read_only = "tx_read_only" if server.product == "mariadb" else "transaction_read_only"
        as_root(
            running,
            "SET GLOBAL sql_safe_updates = 1",
            "SET GLOBAL sql_select_limit = 3",
            "SET GLOBAL max_join_size = 100000",
            "SET GLOBAL foreign_key_checks = 0",
            "SET GLOBAL unique_checks = 0",
            "SET GLOBAL max_allowed_packet = 1048576",
            f"SET GLOBAL {read_only} = ON",
        )
        yield running


def as_root(server: PrivateServer, *statements: str) -> None:
    connection: pymysql.Connection[Any] = pymysql.connect(
        unix_socket=str(server.socket), user="root", password=server.password, autocommit=True, charset="utf8mb4",
        ssl_disabled=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_safe_updates = 0")
        cursor.execute("SET SESSION TRANSACTION READ WRITE")
        for statement in statements:
            cursor.execute(statement)


def settings_of(server: PrivateServer, **more: Any) -> DatabaseSettings:
    found = DatabaseSettings(
        host=server.host, port=server.port, user=server.user, password=server.password, name=server.database
    )
    return replace(found, **more)


def opened(settings: DatabaseSettings) -> Database:
    return Database(settings, pool_size=2, statement_seconds=20, lock_seconds=5, patience_seconds=0.1)


def refusal(settings: DatabaseSettings) -> str:
    database = opened(settings)
    try:
        with pytest.raises(DatabaseAway) as caught:
            ask(database, "SELECT 1 AS one")
        return str(caught.value)
    finally:
        database.close()


def test_settings_for_people_do_not_hurt_the_program(odd: PrivateServer) -> None:
    database = opened(settings_of(odd))
    try:
        migrate(database)
        deliver(database, *[an_alert(f"f{number}") for number in range(20)])
        deliver(database, *[an_alert(f"f{number}", ends=50) for number in range(20)], now=60)
        assert ask(database, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 40}]
        assert len(ask(database, "SELECT alert_id FROM grafana_alerts")) == 40
        check_record(database)
    finally:
        database.close()


def test_what_is_larger_than_the_server_takes_is_told_and_breaks_nothing(odd: PrivateServer) -> None:
    database = opened(settings_of(odd))
    try:
        migrate(database)
        large = deliveries.prepare(replace(a_delivery(b"x"), body=random.Random(1).randbytes(2_000_000)))
        for _ in range(3):
            with pytest.raises(TooLarge):
                database.transact(lambda tx: deliveries.insert(tx, large))
        assert ask(database, "SELECT 1 AS one") == [{"one": 1}]
    finally:
        database.close()


@pytest.mark.parametrize("password", ["Grüße-1!", "비밀-#%$'\"\\ x", "пароль", "пароль🔑"])
def test_a_password_of_any_script_works(odd: PrivateServer, password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    account = f"someone@'{odd.host}'"
    as_root(odd, f"DROP USER IF EXISTS {account}", f"CREATE USER {account} IDENTIFIED BY '{quoted}'",
            f"GRANT ALL ON `{odd.database}`.* TO {account}")  # fmt: skip
    database = opened(settings_of(odd, user="someone", password=password))
    try:
        assert ask(database, "SELECT 1 AS one") == [{"one": 1}]
    finally:
        database.close()


def test_a_refusal_is_a_sentence_with_its_remedy(odd: PrivateServer) -> None:
    where = f"{odd.host}:{odd.port}"
    wrong = refusal(settings_of(odd, password="wrong-안녕"))
    assert wrong == f"{where} refuses observer: access denied; check DB_USER and DB_PASSWORD (error 1045)"
    nobody = refusal(settings_of(odd, port=1))
    assert nobody.startswith(f"nobody answers at {odd.host}:1; check DB_HOST and DB_PORT")
    none = refusal(settings_of(odd, name="nowhere"))
    assert "nowhere" in none
    assert "DB_NAME" in none


@pytest.mark.parametrize(
    "code",
    [1040, 1044, 1045, 1049, 1130, 1203, 1226, 1227, 1290, 1665, 1698, 1792, 1820, 1836, 1862, 2003, 2005, 3159, 4151],
)
def test_what_people_meet_has_words_that_name_the_place(code: int) -> None:
    text = said(code, pymysql.err.OperationalError(code, "in the server's words"), PLACE)
    assert "db1:3306" in text
    assert f"(error {code})" in text
    assert "in the server's words" not in text


def test_any_other_error_is_in_the_servers_own_words_on_one_line() -> None:
    ours = translated(pymysql.err.OperationalError(1615, "Prepared\x1b[31m statement\nneeds"), PLACE)
    assert str(ours) == "db1:3306 said: Prepared [31m statement needs (error 1615)"


def test_a_server_that_wants_encryption_names_the_setting() -> None:
    own = "Connections using insecure transport are prohibited while --require_secure_transport=ON."
    for code in (3159, 1835):
        assert "set DB_TLS=on" in str(translated(pymysql.err.OperationalError(code, own), PLACE))


def test_a_connection_that_the_driver_does_not_understand_is_a_database_that_is_away(
    odd: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("'cryptography' package is required for sha256_password")

    monkeypatch.setattr("pymysql.connections.Connection._request_authentication", fail)
    text = refusal(settings_of(odd))
    assert "the driver failed to connect: 'cryptography' package is required" in text


def test_whatever_the_name_of_database_or_host_is_the_database_is_away_in_words(odd: PrivateServer) -> None:
    assert "(error 1" in refusal(settings_of(odd, name="n" * 300))
    assert "DB_NAME" in refusal(settings_of(odd, name="데이터"))
    unknown = refusal(settings_of(odd, host="database.invalid"))
    assert unknown.startswith("the host of database.invalid:")
    assert "DB_HOST" in unknown
    for host in ("a..b", "n" * 300):
        text = refusal(settings_of(odd, host=host))
        assert "said" not in text, "nobody was reached"


def test_bytes_of_an_environment_that_are_no_text_are_given_to_the_server_as_they_are(odd: PrivateServer) -> None:
    wrong = b"Z\xfcrich".decode("utf-8", "surrogateescape")
    assert "refuses observer" in refusal(settings_of(odd, password=wrong))
    assert "DB_USER" in refusal(settings_of(odd, user=wrong))


def test_the_path_of_a_socket_is_no_host() -> None:
    for path in ("/var/run/mysqld/mysqld.sock", "mysql.sock"):
        env = Env({"DB_HOST": path, "DB_PASSWORD": "x"})
        DatabaseSettings.from_env(env)
        assert any("path of a socket; a host name is wanted" in problem for problem in env.problems), env.problems


def test_every_table_names_its_row_format() -> None:
    for entry in files("db.migrations").iterdir():
        if entry.name.endswith(".sql"):
            for table in re.findall(r"CREATE TABLE.*?\n\)([^\n]*)", entry.read_text("utf-8"), re.DOTALL):
                assert "ROW_FORMAT=DYNAMIC" in table, entry.name


def test_a_mistake_of_ours_stays_a_mistake() -> None:
    assert translated(pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"), PLACE) is None
    assert issubclass(TooLarge, RecordError)
