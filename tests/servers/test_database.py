"""A test run gets its databases from a private server, or from the one that TEST_DB_URL names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from tests.servers.database import DbUrl, TestServer


@contextmanager
def connected(url: DbUrl) -> Iterator[pymysql.cursors.Cursor]:
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True
    )
    with connection, connection.cursor() as cursor:
        yield cursor


def root_of(server: TestServer) -> DbUrl:
    if server.private is None:
        pytest.skip("this test makes accounts, which it does on a private server only")
    root = urlsplit(server.root_url)
    return DbUrl("127.0.0.1", server.private.port, "root", server.private.password, root.path.strip("/") or "mysql")


def given(url: DbUrl, tmp_path: Path) -> TestServer:
    return TestServer({"TEST_DB_URL": url.url, "RUN_DIR": str(tmp_path)}, report=lambda text: None)


def test_databases_are_empty_and_apart(server: TestServer) -> None:
    first, second = server.new_database(), server.new_database()
    with connected(first) as cursor:
        cursor.execute("CREATE TABLE only_here (number INT)")

    with connected(second) as cursor:
        assert cursor.execute("SHOW TABLES") == 0
    server.drop(first)
    server.drop(second)
    with pytest.raises(pymysql.MySQLError), connected(first):
        pass


def test_a_given_server_gets_databases_beside_the_given_name_and_is_left_clean(
    server: TestServer, tmp_path: Path
) -> None:
    name = server.new_database().name
    root = root_of(server)
    base = DbUrl(root.host, root.port, root.user, root.password, name)

    with given(base, tmp_path) as another:
        made = another.new_database()
        assert made.name.startswith(f"{name}_")
        assert another.product == server.product

    with pytest.raises(pymysql.MySQLError), connected(made):
        pass
    assert not list(tmp_path.iterdir())


def test_an_account_without_that_right_gets_the_given_database_emptied(server: TestServer, tmp_path: Path) -> None:
    only = server.new_database()
    with connected(root_of(server)) as cursor:
        cursor.execute("CREATE USER 'narrow'@'127.0.0.1' IDENTIFIED BY 'it''s @ secret'")
        cursor.execute(f"GRANT ALL ON `{only.name}`.* TO 'narrow'@'127.0.0.1'")
    narrow = DbUrl(only.host, only.port, "narrow", "it's @ secret", only.name)
    with connected(narrow) as cursor:
        cursor.execute("CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB")
        cursor.execute("CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES parent (id)) ENGINE=InnoDB")
        cursor.execute("CREATE VIEW seen AS SELECT id FROM parent")

    with given(narrow, tmp_path) as another:
        assert another.new_database() == narrow
        with connected(narrow) as cursor:
            assert cursor.execute("SHOW TABLES") == 0
        with pytest.raises(pytest.skip.Exception, match="may not create one: GRANT ALL"):
            another.new_database()
        with pytest.raises(pytest.skip.Exception, match="not ours to kill"):
            another.new_private("victim")


@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "mysql://u:p@h", "mysql://h/d", "nonsense"])
def test_an_address_that_is_none_is_refused_with_its_form(url: str) -> None:
    with pytest.raises(ValueError, match="mysql://user:password@host:port/name"):
        DbUrl.parse(url)


def test_an_address_keeps_odd_characters_of_its_password() -> None:
    odd = DbUrl("127.0.0.1", 3306, "observer", "p@ss:w/rd%", "observer")

    assert DbUrl.parse(odd.url) == odd
    assert "p@ss" not in repr(odd)
