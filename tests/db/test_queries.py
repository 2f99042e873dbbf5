"""Named SQL: every query has a name, a sentence, and is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import db.store
from db.queries import parse, query

STORE = Path(db.store.__file__).parent
FILES = sorted(path.stem for path in (STORE / "sql").glob("*.sql"))


def test_a_file_is_read_query_by_query() -> None:
    queries = parse(
        """-- name: first
-- What it is for,
-- in two lines.
SELECT 1 -- name: nobody
WHERE %(a)s;

-- name: second
-- Another.
SELECT 2
"""
    )
    assert list(queries) == ["first", "second"]
    assert queries["first"].about == "What it is for, in two lines."
    assert queries["first"].sql == "SELECT 1 -- name: nobody\nWHERE %(a)s"
    assert queries["second"].sql == "SELECT 2"


def test_a_name_stands_once() -> None:
    with pytest.raises(ValueError, match="the query 'one' stands twice"):
        parse("-- name: one\n-- A.\nSELECT 1\n-- name: one\n-- B.\nSELECT 2\n")


@pytest.mark.parametrize("text", ["-- name: one\nSELECT 1\n", "-- name: two words\n-- A.\nSELECT 1\n"])
def test_a_query_without_a_sentence_or_a_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="every query starts with"):
        parse(text)


def test_an_unknown_query_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        query("incidents", "nothing")


@pytest.mark.parametrize("store", FILES)
def test_every_query_is_used_by_its_store_and_by_no_other(store: str) -> None:
    named = set(parse((STORE / "sql" / f"{store}.sql").read_text("utf-8")))
    code = (STORE / f"{store}.py").read_text("utf-8")
    used = re.findall(r'query\("(\w+)", "(\w+)"\)', code)
    assert {of for of, _ in used} == {store}
    assert {name for _, name in used} == named


@pytest.mark.parametrize("store", FILES)
def test_many_rows_are_inserted_by_placeholders_only(store: str) -> None:
    """A literal or a function among VALUES makes the driver send row by row."""
    for one in parse((STORE / "sql" / f"{store}.sql").read_text("utf-8")).values():
        if found := re.search(r"\)\s*VALUES\s*\((.*?)\)\s*(ON DUPLICATE|$)", one.sql, re.DOTALL):
            parts = [part.strip() for part in found[1].split(",")]
            assert all(re.fullmatch(r"%\(\w+\)s", part) for part in parts), one.name
