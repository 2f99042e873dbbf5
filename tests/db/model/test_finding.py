"""What Observer finds out by itself is kept as a delivery and read again as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from db.model.alert import Unreadable
from db.model.finding import read_finding, write_finding
from receiver.sources.reading import read_grafana
from tests.strategies import as_body, grafana_bodies, unhurried


@unhurried
@given(grafana_bodies())
def test_a_finding_is_read_again_as_it_was_written(body: dict[str, Any]) -> None:
    reading = replace(read_grafana(as_body(body)), rejected=(), truncated=0)
    assert read_finding(write_finding(reading)) == reading


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"reading": 1, "alerts": []}', b'{"reading": {}, "alerts": [1]}']
)
def test_anything_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_finding(body)
