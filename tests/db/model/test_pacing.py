"""Slack's pace as timetables: when may the next call go?"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.pacing import (
    BREAK_AFTER,
    BREAK_SECONDS,
    EDITS_PER_WORKSPACE,
    POSTS_PER_CHANNEL,
    Breaker,
    Bucket,
    Pace,
    Rate,
    back_off,
)
from tests.strategies import unhurried

MINUTE = 60.0


def edits_between(start: float, end: float, step: float = 0.1) -> list[float]:
    """When edits go if one is always waiting."""
    pace, went, ticks = Pace(), [], round((end - start) / step)
    for tick in range(ticks + 1):
        now = start + tick * step
        if pace.may_edit(now):
            pace = pace.edited(now)
            went.append(round(now - start, 1))
    return went


def test_a_channel_takes_one_post_a_second() -> None:
    pace = Pace()
    timetable = []
    for now in (100.0, 100.5, 100.9, 101.0, 101.5, 102.0):
        if "C1" not in pace.busy_channels(now):
            pace = pace.posted("C1", now)
            timetable.append(now)
    assert timetable == [100.0, 101.0, 102.0]


def test_channels_do_not_wait_for_each_other() -> None:
    pace = Pace().posted("C1", 100.0)
    assert pace.busy_channels(100.5) == ("C1",)
    pace = pace.posted("C2", 100.5)
    assert pace.busy_channels(100.6) == ("C1", "C2")
    assert pace.busy_channels(101.2) == ("C2",)
    assert pace.busy_channels(101.5) == ()


def test_ten_edits_at_once_then_one_every_four_thirds_of_a_second() -> None:
    went = edits_between(0, 8)
    assert went[:10] == [round(0.1 * n, 1) for n in range(10)]
    gaps = [round(b - a, 1) for a, b in pairwise(went[11:])]
    assert all(1.3 <= gap <= 1.4 for gap in gaps)


def test_in_a_busy_hour_a_minute_holds_at_most_45_edits_and_the_first_few() -> None:
    went = edits_between(0, 10 * MINUTE)
    per_minute = [sum(MINUTE * n <= when < MINUTE * (n + 1) for when in went) for n in range(10)]
    assert per_minute[0] <= 45 + EDITS_PER_WORKSPACE.burst
    assert all(44 <= count <= 46 for count in per_minute[1:])


def test_what_slack_wants_left_alone_is_left_alone() -> None:
    pace = Pace().post_refused("C1", 100.0, 30.0).edit_refused(100.0, 5.0)
    assert pace.busy_channels(129.9) == ("C1",)
    assert pace.busy_channels(130.0) == ()
    assert not pace.may_edit(104.9)
    assert pace.may_edit(105.0)


def test_a_refused_channel_blocks_no_other() -> None:
    pace = Pace().post_refused("C1", 100.0, 30.0).post_refused("C2", 110.0, 5.0)
    assert pace.busy_channels(112.0) == ("C1", "C2")
    assert pace.busy_channels(120.0) == ("C1",)


def test_old_channels_are_forgotten() -> None:
    pace = Pace()
    for number in range(100):
        pace = pace.posted(f"C{number}", float(number * 10)).post_refused(f"C{number}", float(number * 10), 1.0)
    assert len(pace.posts) <= 2
    assert len(pace.channels_blocked) <= 2


def test_a_clock_that_goes_back_refills_nothing() -> None:
    bucket = Bucket.full(POSTS_PER_CHANNEL, 100.0).taken(100.0)
    assert not bucket.refilled(50.0).ready(50.0)
    assert bucket.refilled(50.0).at == 100.0
    assert bucket.ready(101.0)


def test_taking_without_asking_is_paid_back() -> None:
    bucket = Bucket.full(POSTS_PER_CHANNEL, 0.0).taken(0.0).taken(0.0)
    assert not bucket.ready(1.0)
    assert bucket.ready(2.0)


@given(st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 5), max_size=80))
@unhurried
def test_no_stretch_of_time_holds_more_than_its_rate(per_second: float, burst: int, pauses: list[float]) -> None:
    bucket = Bucket.full(Rate(per_second, burst), 0.0)
    now, went = 0.0, list[float]()
    for pause in pauses:
        now += pause
        if bucket.ready(now):
            bucket = bucket.taken(now)
            went.append(now)
    for first in range(len(went)):
        for last in range(first, len(went)):
            assert last - first + 1 <= burst + per_second * (went[last] - went[first]) + 1e-6


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 2.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, 32.0), (6, 60.0), (7, 60.0), (10**9, 60.0)],
)
def test_pauses_double_up_to_the_longest(attempts: int, seconds: float) -> None:
    assert back_off(attempts, first=2.0, most=60.0) == seconds


def test_many_failures_in_a_row_hold_everything_back_and_one_success_lets_it_go() -> None:
    breaker = Breaker()
    for _ in range(BREAK_AFTER - 1):
        breaker = breaker.failed(100.0)
    assert breaker.wait(100.0) == 0, "a few may be the trouble of one channel"
    breaker = breaker.failed(100.0)
    assert breaker.wait(100.0) == BREAK_SECONDS
    assert breaker.wait(100.0 + BREAK_SECONDS) == 0
    assert breaker.worked().wait(100.0) == 0


def test_a_token_that_is_refused_is_tried_ever_more_rarely() -> None:
    breaker, waits = Breaker(), []
    for _ in range(6):
        breaker = breaker.locked_out(0.0)
        waits.append(breaker.wait(0.0))
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_histories_are_left_alone_for_as_long_as_slack_wants() -> None:
    pace = Pace().look_refused(10.0, 30.0)
    assert not pace.may_look(39.9)
    assert pace.may_look(40.0)


def test_the_moments_at_which_something_may_go_again() -> None:
    assert Pace().moments(0.0) == []
    pace = Pace().posted("C1", 100.0).posted("C2", 100.25).posted("C3", 100.5)
    pace = pace.post_refused("C1", 100.5, 0.2).post_refused("C2", 100.5, 30.0).post_refused("C4", 100.5, 5.0)
    assert pace.moments(100.5) == [101.0, 101.5, 105.5, 130.5]
    assert pace.moments(101.0) == [101.5, 105.5, 130.5], "what may go now is awaited no more"
    assert pace.look_refused(100.5, 1.0).edit_refused(100.5, 2.0).moments(110.0) == [130.5]
    assert pace.look_refused(100.5, 1.0).edit_refused(100.5, 2.0).moments(100.5)[1:4] == [101.5, 101.5, 102.5]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30))
@unhurried
def test_nothing_may_go_before_its_moment_and_something_may_then(pauses: list[float]) -> None:
    pace, now = Pace(), 1000.0
    for pause in pauses:
        now += pause
        pace = (pace.edited(now) if pace.may_edit(now) else pace).posted("C1", now)
    for at in pace.moments(now):
        before, after = at - 1e-6, at + 1e-6
        held = pace.busy_channels(before), pace.may_edit(before)
        assert held != (pace.busy_channels(after), pace.may_edit(after))
    first = min(pace.moments(now), default=now + 5)
    middle = (now + first) / 2
    if first - now > 1e-5:
        assert (pace.busy_channels(now), pace.may_edit(now)) == (pace.busy_channels(middle), pace.may_edit(middle))
