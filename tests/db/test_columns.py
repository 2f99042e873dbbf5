"""Values on their way into columns: cut to size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from db.columns import TEXT_BYTES, cut, cut_bytes
from tests.strategies import unhurried


@unhurried
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(4, 200))
def test_a_cut_text_fits_and_begins_like_the_whole(text: str, most: int) -> None:
    assert len(cut(text, most)) <= most
    assert len(cut_bytes(text, most).encode()) <= most
    assert text.startswith(cut(text, most).removesuffix("…"))
    assert text.startswith(cut_bytes(text, most).removesuffix("…"))
    assert cut_bytes("x" * TEXT_BYTES) == "x" * TEXT_BYTES
