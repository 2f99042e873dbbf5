"""Values are made to fit their columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from db.columns import cut, cut_bytes, from_json, to_json
from tests.strategies import unhurried

texts = st.text(max_size=60)  # no lone surrogates: readings hold none


@given(texts, st.integers(1, 40))
@unhurried
def test_a_cut_text_fits_and_begins_as_it_did(text: str, most: int) -> None:
    fitting = cut(text, most)
    assert len(fitting) <= most
    assert fitting == text or (text.startswith(fitting[:-1]) and fitting.endswith("…"))


@given(texts, st.integers(4, 100))
@unhurried
def test_a_text_cut_to_bytes_fits_and_is_still_text(text: str, most: int) -> None:
    fitting = cut_bytes(text, most)
    assert len(fitting.encode()) <= most
    assert fitting == text or (text.startswith(fitting[:-1]) and fitting.endswith("…"))


@given(texts)
@unhurried
def test_what_fits_is_left_alone(text: str) -> None:
    assert cut(text, len(text)) == text
    assert cut_bytes(text, len(text.encode())) == text


@given(st.dictionaries(texts, texts | st.integers(-(2**53), 2**53) | st.none()))
@unhurried
def test_json_comes_back(value: dict[str, object]) -> None:
    assert from_json(to_json(value)) == value


def test_null_is_none() -> None:
    assert from_json(None) is None
