"""Every case of the fault matrix as a test; the slow ones run with `make faults` only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.case import Case, NotHere, played
from tests.faults.matrix import CASES
from tests.faults.world import World
from tests.servers.database import TestServer


@pytest.fixture(scope="module")
def world(server: TestServer) -> Iterator[World]:
    """The servers that all cases share."""
    with World(server) as shared:
        yield shared


@pytest.mark.parametrize(
    "one", [pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.slow else []) for one in CASES]
)
def test_the_promises_are_kept_when(one: Case, world: World) -> None:
    with world.stage(one) as stage:
        try:
            played(one, stage)
        except NotHere as reason:
            pytest.skip(str(reason))


def test_every_case_has_a_name_of_its_own_and_says_what_people_see() -> None:
    assert len({one.name for one in CASES}) == len(CASES)
    assert all(one.sees and one.moment for one in CASES)
