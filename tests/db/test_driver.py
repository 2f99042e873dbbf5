"""What the record's connection takes from the inside of its driver is there."""

from __future__ import annotations

import inspect
from typing import Any

import pymysql
from pymysql._auth import caching_sha2_password_auth
from pymysql.connections import MySQLResult

from db.database import _Connection
from tests.borrowed import borrowed, names_inside


def test_the_private_parts_of_the_driver_are_there() -> None:
    """A new release that renames one of them would switch a limit off without a word."""
    connection: Any = pymysql.Connection
    for name in ("connect", "close", "escape", "_execute_command", "_read_packet"):
        assert callable(getattr(connection, name, None)), name
    used = {
        connection.__init__: "host port user db _read_timeout _result server_public_key ssl ctx client_flag",
        connection.connect: "_sock _rfile makefile",
        connection._get_server_information: "server_capabilities",
        connection._request_authentication: "ssl ctx server_capabilities",
        caching_sha2_password_auth: "server_public_key",
        connection._read_bytes: "_rfile read",
        connection._read_packet: "_read_timeout _sock settimeout _read_bytes",
        connection._execute_command: "_result",
        connection._force_close: "_sock _rfile",
        MySQLResult.read: "_read_packet",
        MySQLResult.__init__: "rows connection",
    }
    for method, names in used.items():
        there = method.__code__.co_names + method.__code__.co_varnames
        for name in names.split():
            assert name in there, f"{method.__qualname__} {name}"
    assert "sock" in inspect.signature(connection.connect).parameters
    taken = borrowed(_Connection)
    assert "_read_packet" in taken
    assert taken - names_inside(connection) == set()
