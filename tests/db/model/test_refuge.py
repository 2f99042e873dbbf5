"""Where a card goes whose channel refuses it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from db.model.policy import Policy
from db.model.refuge import RefugePolicy, where_to

MINUTE = timedelta(minutes=1)
CHANNELS = st.sampled_from(["#a", "#b", "#c", "#d"])


def to(channel: str, *, routed: str = "", minutes: float = 0, broken: tuple[str, ...] = ()) -> str:
    return where_to(
        channel,
        routed=routed or channel,
        refuges=("#refuge", "#default"),
        broken=broken,
        broken_for=minutes * MINUTE,
        after=5 * MINUTE,
    )


def test_it_waits_until_the_channel_was_broken_for_long_enough() -> None:
    assert to("#payments", minutes=4.9) == "#payments"
    assert to("#payments", minutes=5) == "#refuge"


def test_a_route_that_changed_counts_at_once() -> None:
    assert to("#gone", routed="#payments") == "#payments"


def test_a_refuge_that_is_broken_too_is_passed_over() -> None:
    assert to("#payments", minutes=5, broken=("#payments", "#refuge")) == "#default"
    assert to("#payments", minutes=5, broken=("#payments", "#refuge", "#default")) == "#payments"


def test_a_card_in_a_refuge_that_breaks_goes_home_only_when_home_is_not_broken() -> None:
    assert to("#refuge", routed="#payments") == "#payments"
    assert to("#refuge", routed="#payments", broken=("#refuge", "#payments")) == "#refuge"


@given(
    channel=CHANNELS,
    routed=CHANNELS,
    refuges=st.lists(CHANNELS, max_size=2),
    broken=st.sets(CHANNELS),
    minutes=st.integers(0, 10),
)
def test_it_never_goes_to_a_channel_that_is_known_to_refuse(
    channel: str, routed: str, refuges: list[str], broken: set[str], minutes: int
) -> None:
    goes = where_to(
        channel, routed=routed, refuges=refuges, broken=broken, broken_for=minutes * MINUTE, after=5 * MINUTE
    )
    assert goes == channel or (goes not in broken and goes in {routed, *refuges})


def test_the_policy_file_names_channel_and_patience() -> None:
    assert Policy.parse({}).refuge == RefugePolicy(channel="", after=5 * MINUTE)
    given_file = {"slack": {"fallback_channel": "#refuge", "fallback_after": "90s"}}
    assert Policy.parse(given_file).refuge == RefugePolicy(channel="#refuge", after=timedelta(seconds=90))
