"""The `[reconcile]` table of the policy file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.model.policy import Policy
from db.model.pulling import Pulling
from db.model.sections import PolicyError


def test_every_key_is_read_and_an_absent_table_has_the_defaults() -> None:
    assert Policy.parse({}).pulling == Pulling(every=timedelta(minutes=1), grace=timedelta(minutes=3))
    table = {"every": "30s", "grace": "10m", "receivers": "hub", "origins": ["https://am.example"]}
    assert Policy.parse({"reconcile": table}).pulling == Pulling(
        every=timedelta(seconds=30),
        grace=timedelta(minutes=10),
        receivers=frozenset({"hub"}),
        origins=frozenset({"https://am.example"}),
    )


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"every": "0s"}, "reconcile.every"),
        ({"grace": 3}, "reconcile.grace"),
        ({"receivers": [""]}, "reconcile.receivers"),
        ({"interval": "1m"}, "reconcile.interval"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, object], named: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse({"reconcile": table})
    (problem,) = caught.value.problems
    assert named in problem
