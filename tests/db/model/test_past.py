"""The order in which a past is told: what people did stands between the deliveries around it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from db.model.identity import Actor, ActorKind, IncidentId, IncidentKey, person, source
from db.model.incident import EventKind
from db.model.lifecycle import Action, Notes, with_notes
from db.model.past import Doings, Done, Mark, PastEvent, Schedule, share_notes
from tests.db.builders import an_incident, at

KEY = IncidentKey("k" * 16)


def mark(number: int, when: float) -> Mark:
    """A delivery."""
    return Mark(number, bytes(16), at(when), 0)


def done(number: int, when: float, *, after: int | None = None, before: int | None = None, key: str = "") -> Done:
    """A click."""
    return Done(
        event_id=number,
        incident_id=IncidentId("INC-1"),
        key=IncidentKey(key or KEY),
        at=at(when),
        actor=person("U1"),
        kind=EventKind.ACKNOWLEDGED,
        action=Action.ACKNOWLEDGE,
        after=after,
        before=before,
    )


def told(people: Sequence[Done], marks: Sequence[Mark]) -> list[str]:
    """The order of the telling: `d1`, `c7`."""
    schedule, order = Schedule(people), list[str]()
    for one in marks:
        order += [f"c{click.event_id}" for click in schedule.before(one)]
        order.append(f"d{one.delivery_id}")
        order += [f"c{click.event_id}" for click in schedule.following(one)]
    return order + [f"c{click.event_id}" for click in schedule.rest()]


def test_the_time_decides_where_nothing_else_does() -> None:
    assert told([done(1, 5)], [mark(1, 0), mark(2, 10)]) == ["d1", "c1", "d2"]
    assert told([done(1, 50)], [mark(1, 0), mark(2, 10)]) == ["d1", "d2", "c1"]


def test_the_timeline_wins_over_the_clocks() -> None:
    assert told([done(1, 5, after=2)], [mark(1, 0), mark(2, 10), mark(3, 20)]) == ["d1", "d2", "c1", "d3"]
    assert told([done(1, 50, before=2)], [mark(1, 0), mark(2, 10), mark(3, 20)]) == ["d1", "c1", "d2", "d3"]


def test_of_one_key_nothing_overtakes() -> None:
    assert told([done(1, 50), done(2, 5)], [mark(1, 0), mark(2, 10)]) == ["d1", "c1", "c2", "d2"]
    people = [done(1, 50), done(2, 5, key="other")]
    assert told(people, [mark(1, 0), mark(2, 10)]) == ["d1", "c2", "d2", "c1"]


bounds = st.one_of(st.none(), st.integers(1, 8))


@given(
    st.lists(st.tuples(st.integers(0, 90), bounds, bounds, st.sampled_from(["a", "b"])), max_size=8),
    st.lists(st.integers(0, 90), max_size=8),
)
def test_everything_is_told_once_and_in_the_order_of_its_key(
    clicks: list[tuple[int, int | None, int | None, str]], times: list[int]
) -> None:
    people = [done(n, when, after=a, before=b, key=key) for n, (when, a, b, key) in enumerate(clicks, 1)]
    order = told(people, [mark(number, when) for number, when in enumerate(times, 1)])
    assert sorted(order) == sorted([*(f"c{one.event_id}" for one in people), *(f"d{n + 1}" for n in range(len(times)))])
    for key in ("a", "b"):
        mine = [f"c{one.event_id}" for one in people if one.key == key]
        assert [step for step in order if step in mine] == mine


def test_lines_of_deliveries_around_a_click_are_found_and_others_are_counted() -> None:
    def event(number: int, kind: str, actor: Actor, incident: str = "INC-1") -> PastEvent:
        return PastEvent(number, IncidentId(incident), KEY, at(number), kind, actor)

    found = Doings()
    found.add(event(1, "opened", source("grafana")))
    found.add(event(2, "acknowledged", person("U1")))
    found.add(event(3, "repaired", Actor(ActorKind.OBSERVER, "check")))
    found.add(event(4, "of_tomorrow", person("U1")))
    found.add(event(5, "resolved", source("grafana"), "INC-2"))
    assert [one.event_id for one in found.people] == [2]
    assert found.lines_before == {2: (IncidentId("INC-1"), at(1))}
    assert found.lines_after == {2: (IncidentId("INC-2"), at(5))}
    assert found.others == {"repaired": 1, "of_tomorrow": 1}


words = st.lists(st.sampled_from(["disk full", "bad release", "rolled back", "restarted"]), unique=True, max_size=3)


@given(words, words, st.lists(st.sampled_from([EventKind.RESOLVED, EventKind.NOTED]), min_size=1, max_size=4))
def test_shared_notes_are_all_notes_again(root: list[str], action: list[str], kinds: list[EventKind]) -> None:
    notes = Notes("\n".join(root), "\n".join(action))
    incident = an_incident()
    for part in share_notes(notes, kinds):
        incident = with_notes(incident, part)
    assert (incident.root_cause, incident.action_taken) == (notes.root_cause, notes.action_taken)
