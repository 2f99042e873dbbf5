"""Values on their way into columns: cut to size, and escaped."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from db.columns import TEXT_BYTES, cut, cut_bytes, escape_json, from_json, to_json
from db.database import Database, Transaction
from db.queries import Query
from tests.strategies import unhurried

ECHO = Query("echo", "What the server understood.", "SELECT %(value)s AS value")


@unhurried
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_json_text_never_leaves_its_literal(text: str) -> None:
    literal = escape_json(to_json({"text": text}))
    inside = literal[1:-1]
    assert literal[0] == literal[-1] == "'"
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
    assert all(character >= " " for character in literal)


def test_what_the_server_reads_is_what_was_written(database: Database) -> None:
    nasty = {"'": "\\", "a\\'b": 'x"y', "line\nbreak": "\x00\x1a", "%s": "한국어 🔥", "--": "/* ; */"}

    def work(tx: Transaction) -> object:
        row = tx.row(ECHO, {"value": to_json(nasty)})
        assert row is not None
        return from_json(row["value"])

    assert database.transact(work) == nasty
    assert json.loads(to_json(nasty)) == nasty


@unhurried
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(4, 200))
def test_a_cut_text_fits_and_begins_like_the_whole(text: str, most: int) -> None:
    assert len(cut(text, most)) <= most
    assert len(cut_bytes(text, most).encode()) <= most
    assert text.startswith(cut(text, most).removesuffix("…"))
    assert text.startswith(cut_bytes(text, most).removesuffix("…"))
    assert cut_bytes("x" * TEXT_BYTES) == "x" * TEXT_BYTES
