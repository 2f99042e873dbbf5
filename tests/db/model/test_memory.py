"""What a repeat is, decided from memory: never anything else than what would be decided from the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from db.model.alert import Alert, address_of
from db.model.grouping import carry_out, plan, sort
from db.model.identity import IncidentKey
from db.model.lifecycle import Action
from db.model.meaning import Meaning
from db.model.memory import Remembered, only_repeats, worth_remembering
from tests.db.builders import POLICY, a_reading, an_alert, at, cannot_see, key_of
from tests.db.model.record import MemoryRecord
from tests.strategies import unhurried

KEY = key_of()
ORIGIN = "grafana|https://grafana.example|"
OTHER = "grafana|https://other.grafana.example|"


def remembered(record: MemoryRecord, turn: int = 7) -> dict[IncidentKey, Remembered]:
    """What is remembered of a record after somebody looked at all of it."""
    nothing = plan([], record.known(at(0)), record.policy, at(0), source_name="grafana")
    turns = dict.fromkeys([incident.key for incident in record.incidents.values()], turn)
    return worth_remembering(record.known(at(0)), nothing, turns, 1)


def rows_of(record: MemoryRecord, now: float, *alerts: Alert, origin: str = "") -> list[Meaning] | None:
    """What these alerts mean, decided from memory."""
    rows = only_repeats(sort(a_reading(*alerts), POLICY), remembered(record).get, POLICY, at(now), origin)
    return None if rows is None else [row.meaning for row in rows]


def test_a_repeat_is_known_as_one() -> None:
    record = MemoryRecord(POLICY)
    record.deliver(at(0), an_alert("a"), an_alert("b"))
    assert rows_of(record, 60, an_alert("b"), an_alert("a", starts=-5)) == [Meaning.REPEAT, Meaning.LATE]


def test_what_says_anything_new_is_left_to_be_decided() -> None:
    record = MemoryRecord(POLICY)
    record.deliver(at(0), an_alert("a", values={"A": 1.0}), an_alert("b"))
    for new in (
        an_alert("c"),  # an instance that nobody knows
        an_alert("a", starts=30, values={"A": 1.0}),  # a later occurrence
        an_alert("a", ends=30, values={"A": 1.0}),  # it is over
        an_alert("a", values={"A": 2.0}),  # other values, which the card shows
        an_alert("a", service="search", values={"A": 1.0}),  # of another incident
        cannot_see(),
    ):
        assert rows_of(record, 60, an_alert("b"), new) is None, new
    assert rows_of(record, 60, an_alert("b"), origin=ORIGIN) is None, "which server says so was not known yet"
    assert rows_of(record, 60, an_alert("a", values={"A": 1.0})) == [Meaning.REPEAT]


def test_repeats_of_two_servers_are_known_as_such() -> None:
    record = MemoryRecord(POLICY)
    for number, origin in enumerate((ORIGIN, OTHER)):
        record.deliver(at(number), an_alert("a", starts=-10 * number), external_url=address_of(origin))
    assert rows_of(record, 60, an_alert("a"), origin=ORIGIN) == [Meaning.REPEAT]
    assert rows_of(record, 60, an_alert("a", starts=-10), origin=OTHER) == [Meaning.REPEAT]
    assert rows_of(record, 60, an_alert("a"), origin="grafana|https://third.example|") is None


def test_an_incident_that_is_over_or_waits_for_something_is_not_remembered() -> None:
    record = MemoryRecord(POLICY)
    opened = record.deliver(at(0), an_alert("a")).opened[0]
    assert set(remembered(record)) == {KEY}
    record.incidents[opened.incident_id] = replace(opened, stale_since=at(5))
    assert remembered(record) == {}, "its next alert is news"
    record.incidents[opened.incident_id] = replace(opened, sight_at=at(5))
    assert remembered(record) == {}, "it may settle at any time"
    record.incidents[opened.incident_id] = opened
    record.act(at(10), opened.incident_id, Action.RESOLVE)
    assert remembered(record) == {}


def test_an_instance_that_stayed_in_an_older_incident_is_not_remembered() -> None:
    record = MemoryRecord(replace(POLICY, reopen_window=timedelta(0)))
    first = record.deliver(at(0), an_alert("a"), an_alert("b")).opened[0]
    record.act(at(10), first.incident_id, Action.RESOLVE)
    record.deliver(at(20), an_alert("c", starts=20))
    assert set(remembered(record)[KEY].instances) == {"c"}
    assert rows_of(record, 30, an_alert("a")) is None


def test_what_a_plan_changed_is_not_remembered_and_what_it_left_is() -> None:
    record = MemoryRecord(POLICY)
    record.deliver(at(0), an_alert("a"), an_alert("c"), an_alert("s", service="search"))
    ordered = sort(a_reading(an_alert("a"), an_alert("b"), an_alert("s", service="search")), POLICY)
    known = record.known(at(0))
    decided = plan([(keyed, keyed.key) for keyed in ordered.keyed], known, POLICY, at(5), source_name="grafana")
    carry_out(known, decided)
    found = worth_remembering(known, decided, {KEY: 30, key_of(service="search"): 50}, 7)
    joined, other = found[KEY], found[key_of(service="search")]
    assert (joined.turn, joined.since, joined.changed, set(joined.instances)) == (30, 30, frozenset("b"), {"a", "c"})
    assert (other.turn, other.since, other.changed, set(other.instances)) == (50, 43, frozenset(), {"s"})
    assert joined.last_seen_at == other.last_seen_at == at(5)
    assert (joined.before, other.before) == (23, 43)


def test_an_incident_that_has_just_opened_has_no_number_yet() -> None:
    known = MemoryRecord(POLICY).known(at(0))
    (keyed,) = sort(a_reading(an_alert("a")), POLICY).keyed
    decided = plan([(keyed, keyed.key)], known, POLICY, at(5), source_name="grafana")
    carry_out(known, decided)
    assert worth_remembering(known, decided, {KEY: 7}, 7) == {}


def entry(turn: int, since: int, *names: str, seen: float = 0) -> Remembered:
    """What is remembered of some instances."""
    record = MemoryRecord(POLICY)
    record.deliver(at(0), *map(an_alert, names))
    return replace(remembered(record)[KEY], turn=turn, before=turn - 1, since=since, last_seen_at=at(seen))


def test_what_holds_at_one_and_the_same_turn_is_known_together() -> None:
    older, newer = entry(5, 2, "a", seen=1), entry(6, 5, "b", seen=9)
    for both in (newer.joined(entry(5, 2, "a")), older.joined(entry(6, 5, "b", seen=9))):
        assert (both.turn, both.since, set(both.instances), both.last_seen_at) == (6, 2, {"a", "b"}, at(9))
    same = entry(6, 5, "b").joined(entry(6, 4, "a"))
    assert (same.turn, same.since, set(same.instances)) == (6, 4, {"a", "b"})


def test_what_a_transaction_changed_is_not_as_it_was_before() -> None:
    older = entry(5, 2, "a", "b")
    both = replace(entry(6, 6, "c"), changed=frozenset("b")).joined(older)
    assert (both.turn, both.since, set(both.instances)) == (6, 6, {"a", "c"})
    newer = entry(7, 6, "b").joined(both)
    assert (newer.turn, newer.since, set(newer.instances)) == (7, 6, {"a", "b", "c"})
    late = entry(6, 5, "a", "b")  # told only after a change that came later: nobody knows whether it still holds
    changed = replace(entry(7, 7, "c"), changed=frozenset("b"))
    assert late.joined(changed) is changed


def test_of_what_does_not_touch_the_newer_is_kept() -> None:
    older, newer = entry(5, 2, "a"), entry(9, 8, "b")
    assert newer.joined(older) is newer
    assert older.joined(newer) is newer
    assert older.joined(None) is older


alerts = st.builds(
    an_alert,
    st.sampled_from("abc"),
    starts=st.sampled_from([None, 0.0, 0.0004, 20.0, 50.0]),
    ends=st.sampled_from([None, None, 40.0, 70.0]),
    values=st.sampled_from([None, None, {"A": 1.0}, {"A": 2.0}]),
    service=st.sampled_from(["checkout-api", "search"]),
)
bodies = st.lists(alerts, min_size=1, max_size=4)
origins = st.sampled_from(["", ORIGIN, OTHER, "grafana|~http://10.0.0.7:3000|"])
steps = st.lists(st.tuples(bodies, origins) | st.sampled_from(list(Action)), max_size=8)


@unhurried
@given(steps, bodies, origins, st.floats(0, 4000))
def test_whatever_is_decided_from_memory_is_what_the_record_decides(
    story: list[tuple[list[Alert], str] | Action], body: list[Alert], origin: str, later: float
) -> None:
    record = MemoryRecord(POLICY)
    for number, step in enumerate(story):
        now = at(80 + 10 * number)
        if isinstance(step, tuple):
            record.deliver(now, *step[0], external_url=address_of(step[1]))
        elif record.incidents:
            record.act(now, list(record.incidents)[-1], step)
    now = at(200 + later)
    ordered = sort(a_reading(*body), POLICY)
    rows = only_repeats(ordered, remembered(record).get, POLICY, now, origin)
    known = record.known(now)
    targets = [(keyed, keyed.key) for keyed in ordered.keyed]
    decided = plan(targets, known, POLICY, now, source_name="grafana", truncated=3, origin=origin)
    if rows is not None:
        assert {(id(row.keyed), row.incident_id, row.meaning) for row in rows} == {
            (id(row.keyed), row.incident_id, row.meaning) for row in decided.recorded
        }
        assert (decided.opened, decided.changed, decided.instances, decided.superseded) == ((), (), (), ())
        assert (decided.events, decided.went_blind, decided.sees_again) == ((), (), ())
        assert {incident.last_seen_at for incident in decided.touched} == {now}
