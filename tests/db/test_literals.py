"""Values in statements: whatever they hold, the server reads what was written, and nothing leaves its literal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import literals
from db.columns import from_json, to_json
from db.database import Database, Transaction
from db.errors import Duplicate
from db.queries import Query
from tests.strategies import unhurried

ECHO = Query("echo", "What the server understood.", "SELECT %(value)s AS value")
ADD = "INSERT INTO things (id, name) VALUES (%(id)s, %(name)s)"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Colour(StrEnum):
    """An enumeration of texts."""

    RED = "r'd"


@unhurried
@given(ANY_TEXT)
def test_a_text_never_leaves_its_literal(text: str) -> None:
    literal = literals.text_literal(text)
    inside = literal[1:-1]
    assert literal[0] == literal[-1] == "'"
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")


def test_the_server_reads_what_was_written(database: Database) -> None:
    every = "".join(map(chr, range(0x800))) + "한국어 🔥 \u2028\uffff"
    texts = ["", "'", "\\", "\\'", "';-- ", "%s %(value)s %%", "\x00\x1a\r\n", every, *every[:256]]
    dice = bytes(range(256))

    def work(tx: Transaction) -> None:
        for value in [*texts, dice, b"", 7, -1, 2**63]:
            for row in (tx.row(ECHO, {"value": value}), {"value": tx.lines(ECHO, {"value": value})[0][0]}):
                assert row is not None
                assert row["value"] == value
        tx.execute(Query("make", "A table.", "CREATE TEMPORARY TABLE said (text LONGTEXT, data LONGBLOB)"))
        add = Query("add", "Rows.", "INSERT INTO said (text, data) VALUES (%(text)s, %(data)s)")
        tx.insert_many(add, [{"text": text, "data": text.encode()} for text in texts])
        for row in tx.rows(Query("all", "Everything.", "SELECT text, data FROM said")):
            assert row["text"].encode() == row["data"]
            texts.remove(row["text"])

    database.transact(work)
    assert texts == []


def test_a_json_text_is_read_as_it_was_written(database: Database) -> None:
    nasty = {"'": "\\", "a\\'b": 'x"y', "line\nbreak": "\x00\x1a", "%s": "한국어 🔥", "--": "/* ; */"}
    document = Query("document", "A document.", "SELECT %(value)s AS value")
    [(text,)] = database.transact(lambda tx: tx.lines(document, {"value": to_json(nasty)}))
    assert from_json(text) == nasty
    assert from_json(to_json(nasty)) == nasty


def test_times_are_kept_in_utc() -> None:
    moment = datetime(2026, 11, 20, 8, 0, 0, 120, UTC)
    assert literals.literal(moment) == "'2026-11-20 08:00:00.000120'"
    assert literals.literal(moment.astimezone(timezone(timedelta(hours=9)))) == literals.literal(moment)
    assert literals.literal(moment.replace(microsecond=0)) == "'2026-11-20 08:00:00.000000'"
    with pytest.raises(ValueError, match="naive"):
        literals.literal(moment.replace(tzinfo=None))


def test_other_values_are_written_as_what_they_are() -> None:
    values = [True, False, None, 3, 1.5, 1e300, Colour.RED, ["a", 1], ()]
    written = ["1", "0", "NULL", "3", "1.5e0", "1e+300", "'r\\'d'", "('a',1)", "()"]
    assert [literals.literal(value) for value in values] == written
    assert literals.literal(object()) is None
    with pytest.raises(ValueError, match="nan"):
        literals.literal(float("nan"))


def test_rows_of_an_insert_are_written_once_each_and_in_order() -> None:
    rows = [{"id": number, "name": "x" * 300_000} for number in range(8)]
    statements = list(literals.insert(ADD).statements(rows))
    assert [statement.count("x'") for statement in statements] == [3, 3, 2]
    assert all(statement.startswith("INSERT INTO things (id, name) VALUES (") for statement in statements)
    [upsert] = literals.insert(ADD + " ON DUPLICATE KEY UPDATE name = VALUES(name)").statements(rows[:1])
    assert upsert.endswith("x') ON DUPLICATE KEY UPDATE name = VALUES(name)")
    assert list(literals.insert(ADD).statements([])) == []


@pytest.mark.parametrize(
    "sql",
    ["INSERT INTO things (at) VALUES (NOW(6))", "INSERT INTO things (a, b) VALUES (%(a)s, 1)", "SELECT %(a)s",
     ADD + " ON DUPLICATE KEY UPDATE name = %(name)s"],
)  # fmt: skip
def test_an_insert_of_many_rows_has_placeholders_only(sql: str) -> None:
    with pytest.raises(ValueError, match="placeholders only"):
        literals.insert(sql)


def test_an_update_of_many_rows_is_one_statement(database: Database) -> None:
    change = Query(
        "change", "A row.", "UPDATE slack_facts SET value = %(value)s, learned_at = %(at)s WHERE name = %(name)s"
    )
    look = Query("look", "All.", "SELECT name, value FROM slack_facts ORDER BY name")
    add = Query(
        "add", "Rows.", "INSERT INTO slack_facts (name, value, learned_at) VALUES (%(name)s, %(value)s, %(at)s)"
    )
    now = datetime(2026, 11, 20, tzinfo=UTC)

    def work(tx: Transaction) -> list[str]:
        tx.insert_many(add, [{"name": f"n{number:03d}", "value": "0", "at": now} for number in range(500)])
        rows = [{"name": f"n{number:03d}", "value": to_json({"it's": number}), "at": now} for number in range(450)]
        assert tx.update_each(change, rows) == 450
        assert tx.update_each(change, []) == 0
        return [row["value"] for row in tx.rows(look)]

    values = database.transact(work)
    assert [from_json(value) for value in values] == [{"it's": number} for number in range(450)] + [0] * 50
    with pytest.raises(ValueError, match="one table"):
        literals.update("UPDATE a JOIN b ON a.x = b.x SET a.y = 1")


def test_statements_that_go_together_are_run_in_their_order_or_not_at_all(database: Database) -> None:
    add = Query(
        "add", "Rows.", "INSERT INTO slack_facts (name, value, learned_at) VALUES (%(name)s, %(value)s, %(at)s)"
    )
    look = Query("look", "All.", "SELECT name FROM slack_facts WHERE name LIKE %(like)s ORDER BY name")
    now = datetime(2026, 11, 20, tzinfo=UTC)

    def rows(*names: str) -> list[dict[str, object]]:
        return [{"name": name, "value": "{}", "at": now} for name in names]

    def work(tx: Transaction) -> list[str]:
        tx.insert_many(add, rows("a", "b"))
        later = tx.later(look, {"like": "%"})
        tx.insert_many(add, rows("c"))
        seen = [name for (name,) in tx.lines(look, {"like": "%"})]
        assert [name for (name,) in later.rows()] == ["a", "b"]
        tx.insert_many(add, rows("d"))
        return seen

    assert database.transact(work, together=True) == ["a", "b", "c"]

    def fail(tx: Transaction) -> None:
        tx.insert_many(add, rows("e"))
        tx.insert_many(add, rows("a"))  # is there already
        tx.insert_many(add, rows("f"))

    with pytest.raises(Duplicate):
        database.transact(fail, together=True)
    assert database.transact(lambda tx: tx.lines(look, {"like": "%"})) == (("a",), ("b",), ("c",), ("d",))


def test_what_cannot_be_written_is_an_error_and_no_text() -> None:
    with pytest.raises(TypeError, match="object"):
        list(literals.insert(ADD).statements([{"id": 1, "name": object()}]))
