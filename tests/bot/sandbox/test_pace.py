"""How fast Slack lets an app call, as timetables."""

from __future__ import annotations

import pytest

from bot.sandbox.limits import POST_PER_CHANNEL, TIER_2, TIER_3, Pace
from tests.bot.sandbox.conftest import Start
from tests.bot.sandbox.support import refusal_of

POST, UPDATE = "chat.postMessage", "chat.update"


def test_one_post_a_second_in_a_channel_goes_on_for_ever() -> None:
    pace = Pace()
    assert all(pace.take(POST, "C1", float(second)) is None for second in range(600))


def test_a_short_burst_of_posts_is_tolerated_then_a_second_must_pass() -> None:
    pace = Pace()
    burst = POST_PER_CHANNEL.burst
    timetable = [(0.0, None)] * burst + [(0.0, 1), (0.5, 1), (1.0, None), (1.0, 1), (3.0, None), (3.0, None), (3.0, 1)]
    assert [pace.take(POST, "C1", at) for at, _ in timetable] == [wait for _, wait in timetable]


def test_another_channel_is_not_slowed_down() -> None:
    pace = Pace()
    for _ in range(10):
        pace.take(POST, "C1", 0.0)
    assert pace.take(POST, "C2", 0.0) is None


def test_posts_of_all_channels_together_are_limited_too() -> None:
    pace = Pace()
    waits = [pace.take(POST, f"C{number}", 0.0) for number in range(400)]
    assert 300 <= waits.count(None) <= 330
    assert waits[-1] == 60


def test_updates_are_counted_over_the_whole_workspace_in_any_minute() -> None:
    pace = Pace()
    allowed = TIER_3.calls + TIER_3.tolerance
    assert all(pace.take(UPDATE, f"C{number}", float(number) / 10) is None for number in range(allowed))
    assert pace.take(UPDATE, "C1", 10.0) == 50
    assert pace.take(UPDATE, "C1", 59.9) == 1
    assert pace.take(UPDATE, "C1", 60.1) is None


def test_45_updates_a_minute_are_never_refused() -> None:
    pace = Pace()
    assert all(pace.take(UPDATE, "C1", number * 60 / 45) is None for number in range(500))


@pytest.mark.parametrize(("method", "limit"), [("usergroups.list", TIER_2), ("conversations.history", TIER_3)])
def test_every_method_has_its_own_limit(method: str, limit: object) -> None:
    pace = Pace()
    waits = [pace.take(method, None, 0.0) for _ in range(200)]
    assert waits[0] is None
    assert waits[-1] == 60
    assert pace.take("auth.test", None, 0.0) is None


def test_nothing_is_refused_when_it_is_off() -> None:
    pace = Pace(on=False)
    assert all(pace.take(POST, "C1", 0.0) is None for _ in range(1000))


def test_a_call_that_comes_too_fast_is_429_with_retry_after(start: Start) -> None:
    slack = start(pace=True, clock=lambda: 1_000_000.0)
    for _ in range(POST_PER_CHANNEL.burst):
        slack.say()
    refusal = refusal_of(slack.say)
    assert (refusal.status_code, refusal["error"], refusal.headers["retry-after"]) == (429, "ratelimited", "1")
    assert len(slack.messages()) == POST_PER_CHANNEL.burst
    slack.say(channel="random")
    slack.post("options", pace=False)
    slack.say()
