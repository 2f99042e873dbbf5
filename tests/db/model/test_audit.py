"""The hash chain of a timeline: whatever is done to it behind our back shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from db.model import audit
from db.model.audit import Checkpoint, Fault, Kept, Leaf, Linked, Walk
from db.model.identity import Actor, ActorKind
from db.model.incident import Chain, Event, EventKind, Status
from db.model.reason import Reason
from db.model.removal import Origin, Removal
from tests.db.builders import an_incident, at
from tests.strategies import unhurried

INCIDENT = an_incident()
ACTORS = st.builds(Actor, st.sampled_from(ActorKind), st.text(min_size=1, max_size=300))
EVENTS = st.lists(
    st.builds(
        Event,
        incident_id=st.just(INCIDENT.incident_id),
        at=st.integers(0, 10**6).map(lambda n: at(n / 1000)),
        kind=st.sampled_from(EventKind),
        actor=ACTORS,
        from_status=st.none() | st.sampled_from(Status),
        to_status=st.none() | st.sampled_from(Status),
        reason=st.sampled_from(("", "all_instances_resolved")),
        details=st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(-(2**31), 2**31), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def kept(lines: Sequence[Linked]) -> list[Kept]:
    return [Kept(100 + line.number, line.event, line.number, line.link) for line in lines]


def a_removal(first: int, last: int, link: bytes | None) -> Removal:
    return Removal(
        number=1, at=at(2 * 10**6), before=at(10**6), incident=INCIDENT.number, first=first, last=last, link=link,
        checkpoint=1,
    )  # fmt: skip


def faults(chain: Chain, found: Sequence[Kept], removals: Sequence[Removal] = ()) -> list[Fault]:
    walk = Walk(INCIDENT.incident_id, chain, [], removals)
    for one in found:
        walk.step(one)
    walk.end()
    return walk.faults


@given(EVENTS)
@unhurried
def test_a_chain_that_nobody_touched_is_whole_however_it_was_written(events: list[Event]) -> None:
    incident, lines = audit.extended(INCIDENT, events)
    one_by_one = INCIDENT
    for event in events:
        one_by_one, _ = audit.extended(one_by_one, (event,))
    assert one_by_one.chain == incident.chain
    assert [line.number for line in lines] == list(range(1, len(events) + 1))
    assert faults(incident.chain, kept(lines)) == []


@given(EVENTS, st.data())
@unhurried
def test_a_changed_missing_inserted_or_moved_event_is_found(events: list[Event], data: st.DataObject) -> None:
    incident, lines = audit.extended(INCIDENT, events)
    found = kept(lines)
    index = data.draw(st.integers(0, len(found) - 1))
    match data.draw(st.sampled_from(("change", "remove", "insert", "unlinked", "swap"))):
        case "change":
            event = found[index].event
            assert event is not None
            found[index] = replace(found[index], event=replace(event, at=event.at + timedelta(microseconds=1)))
            expected = "changed"
        case "remove":
            del found[index]
            expected = "missing"
        case "insert":
            found.insert(index + 1, found[index])
            expected = "reordered"
        case "unlinked":
            found.append(Kept(999, events[0], None, None))
            expected = "inserted"
        case _:
            if index == 0:
                return
            found[index - 1], found[index] = found[index], found[index - 1]
            expected = "reordered"
    assert expected in {fault.what for fault in faults(incident.chain, found)}


@given(EVENTS)
@unhurried
def test_events_cut_off_at_the_end_are_noticed_by_the_incident(events: list[Event]) -> None:
    incident, lines = audit.extended(INCIDENT, events)
    [fault] = faults(incident.chain, kept(lines[:-1]))
    assert (fault.what, fault.words) == ("missing", f"events {len(events)} to {len(events)} are not there")
    _, other = audit.extended(INCIDENT, [*events[:-1], replace(events[-1], reason=Reason.BULK)])
    assert [fault.what for fault in faults(incident.chain, kept(other))] == ["head"]


@given(EVENTS)
@unhurried
def test_what_retention_removed_is_no_fault_and_the_chain_goes_on(events: list[Event]) -> None:
    incident, _ = audit.extended(INCIDENT, events)
    chain = incident.chain
    removed = replace(incident, chain=replace(chain, removed=chain.length, base=chain.head))
    record = [a_removal(1, chain.length, chain.head)]
    assert faults(removed.chain, [], record) == []
    reopened = [replace(events[0], at=at(10**6), from_status=Status.RESOLVED), *events[1:]]
    later, lines = audit.extended(removed, reopened)
    assert faults(later.chain, kept(lines), record) == []
    assert [fault.what for fault in faults(incident.chain, [])] == ["missing"]


@given(EVENTS, st.data())
@unhurried
def test_a_chain_begins_late_only_where_a_record_of_the_removal_says_so(
    events: list[Event], data: st.DataObject
) -> None:
    incident, lines = audit.extended(INCIDENT, [replace(events[0], from_status=Status.ACTIVE), *events])
    chain = incident.chain
    whole = replace(chain, removed=chain.length, base=chain.head)
    part = replace(chain, removed=1, base=lines[0].link)
    begun, record, found = data.draw(
        st.sampled_from(
            [
                (whole, [], []),  # said by the incident only
                (whole, [a_removal(2, chain.length, chain.head)], []),
                (whole, [a_removal(1, chain.length - 1, lines[-2].link)], []),
                (whole, [a_removal(1, chain.length + 1, chain.head)], []),
                (whole, [a_removal(1, chain.length, chain.head)] * 2, []),
                (whole, [a_removal(1, chain.length, bytes(32))], []),
                (replace(whole, base=bytes(32)), [a_removal(1, chain.length, chain.head)], []),
                (part, [], lines[1:]),
                (part, [a_removal(1, 1, lines[0].link)], lines[1:]),  # not whole: what is left is as old
                (chain, [a_removal(1, chain.length, chain.head)], lines),  # all of it is there
            ]
        )
    )
    assert "removal" in {fault.what for fault in faults(begun, kept(found), record)}


def test_what_follows_a_removal_found_the_incident_resolved() -> None:
    opened = Event(
        incident_id=INCIDENT.incident_id, at=at(10**7), kind=EventKind.OPENED, actor=Actor.parse("source:grafana")
    )
    incident, lines = audit.extended(INCIDENT, [opened, replace(opened, from_status=Status.ACTIVE)])
    chain = replace(incident.chain, removed=1, base=lines[0].link)
    [fault] = faults(chain, kept(lines[1:]), [a_removal(1, 1, lines[0].link)])
    assert (fault.what, "not over" in fault.words) == ("removal", True)


def test_events_from_before_there_were_chains_are_counted_and_trusted() -> None:
    event = Event(
        incident_id=INCIDENT.incident_id, at=at(0), kind=EventKind.OPENED, actor=Actor.parse("source:grafana")
    )
    incident, lines = audit.extended(INCIDENT, [event])
    for newest, what in ((2, []), (1, ["inserted"]), (0, ["inserted", "inserted"])):
        walk = Walk(INCIDENT.incident_id, incident.chain, [], origin=Origin(last_unlinked=newest))
        for one in [Kept(1, event, None, None), Kept(2, event, None, None), *kept(lines)]:
            walk.step(one)
        walk.end()
        assert ([fault.what for fault in walk.faults], walk.before_chain, walk.events) == (what, newest, 3)


def test_the_form_that_is_hashed_is_fixed() -> None:
    """Hashes that were logged years ago must be found again: this text is a promise."""
    event = Event(
        incident_id=INCIDENT.incident_id, at=at(0.5).astimezone(timezone(timedelta(hours=9))),
        kind=EventKind.ACKNOWLEDGED, actor=Actor.parse("slack:U001"), from_status=Status.ACTIVE,
        to_status=Status.ACKNOWLEDGED, details={"b": "전", "a": 1},
    )  # fmt: skip
    assert audit.canonical(event, 3).decode() == (
        '{"actor":"slack:U001","at":"2026-11-20T08:00:00.500000+00:00","details":{"a":1,"b":"\\uc804"},'
        f'"from":"active","incident":"{INCIDENT.incident_id}","kind":"acknowledged","number":3,"reason":"",'
        '"to":"acknowledged"}'
    )
    assert audit.start(INCIDENT.incident_id).hex() == (
        "82efff19f99b9385bb633640bd3eab8ec80f24e3dce5128d1b761187637c3155"
    )


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9), st.binary(min_size=32, max_size=32)), min_size=1))
@unhurried
def test_a_checkpoint_holds_the_last_link_of_each_incident_and_depends_on_everything(
    found: list[tuple[int, int, bytes]],
) -> None:
    events = [(100 + index, Leaf(*leaf)) for index, leaf in enumerate(found)]
    first = audit.checkpoint(None, events, at(0))
    second = audit.checkpoint(first, events, at(1))
    assert (first.number, second.number, second.previous) == (1, 2, first.hash)
    leaves = audit.unpacked(first.leaves)
    assert [leaf.incident for leaf in leaves] == sorted({leaf.incident for _, leaf in events})
    for leaf in leaves:
        assert leaf.number == max(one.number for _, one in events if one.incident == leaf.incident)
    changes: list[Checkpoint] = [
        replace(second, at=at(2)), replace(second, events=second.events + 1), replace(second, leaves=b""),
        replace(second, previous=bytes(32)), replace(second, to_event_id=1), replace(second, number=7),
    ]  # fmt: skip
    assert all(audit.checkpoint_hash(changed) != second.hash for changed in changes)
    assert audit.checkpoint_hash(second) == second.hash
