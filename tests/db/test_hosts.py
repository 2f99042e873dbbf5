"""Which of several servers is used: the first that works, and back to a preferred one when it is back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.env import Env
from db.hosts import ASIDE_SECONDS, Address, Hosts, addresses, leave, order
from db.settings import DatabaseSettings

ONE, TWO, THREE = (Address(f"db{number}", 3306) for number in (1, 2, 3))
ALL = (ONE, TWO, THREE)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# -- the list


def test_a_list_names_hosts_in_order_and_ports_where_they_differ() -> None:
    assert addresses("db1, db2:3307,[::1]:3308,fe80::1", 3306) == (
        Address("db1", 3306), Address("db2", 3307), Address("::1", 3308), Address("fe80::1", 3306),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["db1,", ",", "db1:", "db1:x", "db1:0", "db1:65536", "db1,db1:3306", "[::1]x", ":3306"]
)
def test_a_list_that_is_wrong_is_refused_by_the_settings_with_the_part_that_is(text: str) -> None:
    env = Env({"DB_HOST": text, "DB_PASSWORD": "x"})
    DatabaseSettings.from_env(env)
    (problem,) = env.problems
    assert problem.startswith("DB_HOST is an address or a list such as db1,db2:3307: ")


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z0-9.-]{0,20}|[0-9a-f]{1,4}::1", fullmatch=True), st.integers(1, 65535)),
        min_size=1, max_size=5, unique=True,
    )
)  # fmt: skip
def test_an_address_is_read_back_as_it_is_written(pairs: list[tuple[str, int]]) -> None:
    wanted = tuple(Address(host, port) for host, port in pairs)
    assert addresses(",".join(str(address) for address in wanted), 3306) == wanted


# -- the decision

SET_ASIDE = st.dictionaries(st.sampled_from(ALL), st.floats(0, 100))


@given(SET_ASIDE, st.floats(100, 200), st.booleans())
def test_every_server_is_tried_once_and_those_that_work_before_those_that_failed(
    aside: dict[Address, float], now: float, pioneer: bool
) -> None:
    found = order(ALL, aside, now, pioneer=pioneer)
    assert sorted(found, key=ALL.index) == list(ALL)
    working = [address for address in found if address not in aside]
    assert working == [address for address in ALL if address not in aside], "as configured"
    before = found[: found.index(working[0])] if working else ()
    assert all(pioneer and now - aside[address] >= ASIDE_SECONDS for address in before)
    assert all(ALL.index(address) < ALL.index(working[0]) for address in before)


@given(SET_ASIDE, st.sampled_from(ALL), st.floats(100, 200), st.booleans())
def test_a_connection_is_given_up_only_for_a_better_one(
    aside: dict[Address, float], address: Address, now: float, pioneer: bool
) -> None:
    if leave(ALL, aside, address, now, pioneer=pioneer):
        first = order(ALL, aside, now, pioneer=pioneer)[0]
        assert first != address
        assert first not in aside or pioneer


# -- what a process knows


def test_a_server_that_failed_is_tried_again_by_one_pioneer_after_a_while() -> None:
    clock = Clock()
    hosts = Hosts(ALL, clock)
    hosts.failed(ONE, "refused")
    assert hosts.to_try(pioneer=True) == (TWO, THREE, ONE)
    hosts.works(TWO)
    clock.now += ASIDE_SECONDS - 1
    assert not hosts.should_leave(TWO, pioneer=True)
    clock.now += 1
    assert not hosts.should_leave(TWO, pioneer=False), "nobody who waits finds out whether it is back"
    assert hosts.should_leave(TWO, pioneer=True)
    assert hosts.to_try(pioneer=True) == (ONE, TWO, THREE)
    assert hosts.to_try(pioneer=True) == (TWO, THREE, ONE), "one is enough"
    assert not hosts.should_leave(TWO, pioneer=True)
    hosts.works(ONE)
    assert hosts.should_leave(TWO, pioneer=False)
    assert hosts.used == ONE


def test_with_nothing_better_a_connection_stays() -> None:
    hosts = Hosts((ONE, TWO), Clock())
    hosts.failed(ONE, "refused")
    hosts.failed(TWO, "read-only")
    assert not hosts.should_leave(TWO, pioneer=True)
    hosts.works(ONE)
    assert hosts.should_leave(TWO, pioneer=True)


def test_a_lone_server_is_never_left() -> None:
    hosts = Hosts((ONE,), Clock())
    hosts.failed(ONE, "refused")
    assert hosts.to_try(pioneer=False) == (ONE,)
    assert not hosts.should_leave(ONE, pioneer=True)
