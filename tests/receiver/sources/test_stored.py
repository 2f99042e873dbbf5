"""A stored body is read by the reader of the path it came by, and a finding by its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from db.model.alert import Reading, Unreadable
from db.model.finding import CONTENT_TYPE, write_finding
from receiver.sources.reading import read_alertmanager, read_grafana
from receiver.sources.stored import read_stored
from tests.db.builders import an_alert

PAYLOADS = sorted((Path(__file__).parents[2] / "payloads").glob("*.json"))


def test_a_finding_is_read_back() -> None:
    reading = Reading(source="alertmanager", alerts=(an_alert(source="alertmanager"),))
    assert read_stored("grafana", CONTENT_TYPE, write_finding(reading)) == reading
    with pytest.raises(Unreadable):
        read_stored("grafana", CONTENT_TYPE, b"{}")


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.name)
@pytest.mark.parametrize("source", ["grafana", "alertmanager"])
def test_every_body_is_read_as_when_it_came_in(path: Path, source: str) -> None:
    body = path.read_bytes()
    read = read_alertmanager if source == "alertmanager" else read_grafana
    assert result(partial(read_stored, source, "application/json"), body) == result(read, body)


def result(read: Callable[[bytes], Reading], body: bytes) -> Reading | tuple[str, str]:
    """What a reader says, or why it cannot."""
    try:
        return read(body)
    except Unreadable as problem:
        return problem.path, problem.reason
