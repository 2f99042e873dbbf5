"""A short form of what `make fuzz` does for minutes: odd chunks, and requests of all sorts of people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.by_strategy import CHUNKS, PEOPLE
from tests.fuzz.surface import Surface
from tests.servers.database import TestServer
from tests.servers.slack import SandboxSlack

FEW = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def surface(server: TestServer, slack: SandboxSlack) -> Iterator[Surface]:
    """The running program."""
    with Surface(server, slack) as running:
        yield running


@pytest.mark.parametrize("inputs", [CHUNKS, PEOPLE], ids=["chunks", "people"])
def test_no_request_breaks_anything_or_means_two_things(surface: Surface, inputs: st.SearchStrategy[bytes]) -> None:
    FEW(given(inputs)(surface.check))()
    surface.check_record()
