"""The driver's errors become ours in one place; what means a mistake of ours stays what it is."""

from __future__ import annotations

import pymysql.err
import pytest

from db.errors import (
    Conflict,
    DatabaseAway,
    DatabaseReadOnly,
    Duplicate,
    Interrupted,
    OutcomeUnknown,
    Outdated,
    RecordError,
    SchemaError,
    TooLarge,
    is_galera_abort,
    is_of_the_server,
    translated,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1205, Conflict),
        (1213, Conflict),
        (1020, Conflict),
        (3572, Conflict),
        (3101, Conflict),
        (1180, DatabaseAway),
        (1047, DatabaseAway),
        (1040, DatabaseAway),
        (1045, DatabaseAway),
        (1049, DatabaseAway),
        (1053, DatabaseAway),
        (1317, DatabaseAway),
        (1927, DatabaseAway),
        (2003, DatabaseAway),
        (2006, DatabaseAway),
        (2013, DatabaseAway),
        (4031, DatabaseAway),
        (1290, DatabaseReadOnly),
        (1792, DatabaseReadOnly),
        (1836, DatabaseReadOnly),
        (3100, DatabaseReadOnly),
        (3024, Interrupted),
        (1969, Interrupted),
        (1153, TooLarge),
        (1146, SchemaError),
        (1054, SchemaError),
        (3098, SchemaError),
    ],
)
def test_a_code_of_the_server_is_one_of_our_errors(code: int, kind: type[RecordError]) -> None:
    assert type(translated(pymysql.err.OperationalError(code, "as the server says"))) is kind


def test_only_a_turn_that_may_not_be_null_is_an_outdated_one() -> None:
    assert type(translated(pymysql.err.IntegrityError(1048, "Column 'turn' cannot be null"))) is Outdated
    assert translated(pymysql.err.IntegrityError(1048, "Column 'title' cannot be null")) is None


def test_a_commit_that_lost_a_certification_is_a_conflict() -> None:
    lost = "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT"
    assert type(translated(pymysql.err.OperationalError(1180, lost))) is Conflict


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), pymysql.err.InterfaceError(0, "")])
def test_a_broken_connection_is_a_database_that_is_away(error: OSError | pymysql.err.InterfaceError) -> None:
    assert type(translated(error)) is DatabaseAway


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("Duplicate entry 'x' for key 'deliveries.uq_request_id'", "uq_request_id"),  # MySQL
        ("Duplicate entry 'x' for key 'uq_request_id'", "uq_request_id"),  # MariaDB
        ("Duplicate entry 'for key 'uq_open_key'' for key 'slack_facts.PRIMARY'", "PRIMARY"),
    ],
)
def test_a_duplicate_names_its_key(message: str, key: str) -> None:
    ours = translated(pymysql.err.IntegrityError(1062, message))
    assert isinstance(ours, Duplicate)
    assert ours.key == key


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.IntegrityError(1062, "Duplicate entry '00112233445566ff' for key 'incidents.uq_open_key'"),
        pymysql.err.IntegrityError(1062, "Duplicate entry '00112233445566ff' for key 'uq_open_key'"),
        pymysql.err.OperationalError(1644, "uq_open_key: this incident key has an open incident already"),
    ],
)
def test_a_second_open_incident_is_a_conflict(error: pymysql.err.MySQLError) -> None:
    assert type(translated(error)) is Conflict


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"),
        pymysql.err.DataError(1406, "Data too long for column 'title'"),
        pymysql.err.IntegrityError(1452, "a foreign key constraint fails"),
        pymysql.err.OperationalError(1644, "somebody else's trigger"),
    ],
)
def test_a_mistake_of_ours_is_not_disguised(error: pymysql.err.MySQLError) -> None:
    assert translated(error) is None


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.OperationalError(1129, "Host is blocked because of many connection errors"),
        pymysql.err.OperationalError(3118, "Access denied for user. Account is locked"),
        pymysql.err.OperationalError(1226, "User has exceeded the 'max_queries_per_hour' resource"),
        pymysql.err.OperationalError(1038, "Out of sort memory"),
        pymysql.err.InternalError("Packet sequence number wrong - got 1 expected 2"),
    ],
)
def test_a_server_that_does_not_serve_us_counts_as_away_whatever_its_reason(error: pymysql.err.MySQLError) -> None:
    assert type(translated(error)) is DatabaseAway


def test_what_the_server_says_of_values_stays_out_of_our_words() -> None:
    """An error's text may be logged or answered; the server quotes what was sent to it."""
    ours = translated(pymysql.err.IntegrityError(1062, "Duplicate entry 'a secret' for key 'x.uq_request_id'"))
    assert "a secret" not in str(ours)


def test_a_syntax_error_is_an_abort_on_galera_alone_and_never_ours_elsewhere() -> None:
    error = pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax")
    assert translated(error) is None
    assert is_galera_abort(error)
    assert not is_galera_abort(pymysql.err.ProgrammingError(1149, "another mistake"))


@pytest.mark.parametrize(
    ("code", "against"),
    [(2013, True), (1047, True), (1053, True), (1290, True), (1045, True), (1317, False), (1213, False), (3024, False)],
)
def test_what_speaks_against_a_server_lets_the_next_one_be_tried(code: int, against: bool) -> None:
    driver = pymysql.err.OperationalError(code, "as the server says")
    ours = translated(driver)
    assert ours is not None
    ours.__cause__ = driver
    assert is_of_the_server(ours) is against
    unknown = OutcomeUnknown("the connection broke while committing")
    unknown.__cause__ = ours
    assert is_of_the_server(unknown) is against
