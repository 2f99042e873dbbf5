"""Comparing a source's own list with the record: what is missed, what is over, and what is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.alert import Alert, AlertKind, AlertState, origin_of
from db.model.finding import CONTENT_TYPE
from db.model.identity import IncidentId, of_origin
from db.model.incident import Instance
from db.model.policy import Policy
from db.model.pulling import Pulling
from db.model.reconcile import (
    Believed,
    Differences,
    Listing,
    Live,
    Memory,
    Over,
    Question,
    Seen,
    Standing,
    compare,
    end_of,
    finding,
    merged,
)
from tests.db.builders import an_alert, at, key_of
from tests.strategies import json_values, unhurried

GRACE = 180
POLICY = Policy(pulling=Pulling(grace=timedelta(seconds=GRACE)))
OURS = origin_of("alertmanager", "http://am.example:9093/")
OTHER = origin_of("alertmanager", "http://other.example:9093")
ASKED = Question(receivers=frozenset({"hub"}))


def live(fingerprint: str = "f1", *, standing: Standing = Standing.ACTIVE, receiver: str = "hub", **alert: Any) -> Live:
    """An alert of the list."""
    return Live(an_alert(fingerprint, **alert), standing, frozenset({receiver}))


def instance(fingerprint: str = "f1", *, starts: float = 0, heard: float | None = None, **more: Any) -> Instance:
    """An instance that the record believes firing."""
    fields: dict[str, Any] = {
        "incident_id": IncidentId("INC-20261120080000-" + key_of()), "key": key_of(), "fingerprint": fingerprint,
        "kind": AlertKind.NORMAL, "state": AlertState.FIRING, "starts_at": at(starts), "ends_at": None,
        "heard_at": at(starts if heard is None else heard), "labels": {}, "origin": OURS, **more,
    }  # fmt: skip
    return Instance(**fields)


def look(
    *alerts: Live,
    now: float,
    firing: Sequence[Instance] = (),
    known: Sequence[Instance] = (),
    memory: Memory | None = None,
    asked: Question = ASKED,
    **listing: Any,
) -> Differences:
    """One look at a list of ours."""
    whole = Listing(**{"alerts": alerts, "complete": True, "origins": frozenset({OURS}), **listing})
    by_fingerprint: dict[str, list[Instance]] = {}
    for one in known:
        by_fingerprint.setdefault(one.fingerprint, []).append(one)
    believed = [Believed(one, "checkout_5xx") for one in firing]
    return compare(whole, believed, by_fingerprint, memory or Memory(), asked, POLICY, at(now))


def fingerprints(found: Differences) -> tuple[list[str], list[str]]:
    """What was missed and what is over."""
    return (
        [one.alert.fingerprint for one in found.missed],
        [over.believed.instance.fingerprint for over in found.over],
    )


# -- what was missed


@pytest.mark.parametrize(
    ("one", "now", "missed"),
    [
        (live(), GRACE, True),
        (live(), GRACE - 1, False),  # its webhook may be on its way
        (live(standing=Standing.SUPPRESSED), 10_000, False),
        (live(standing=Standing.UNPROCESSED), 10_000, False),
        (live(receiver="somebody else"), 10_000, False),
        (live(starts=None), 10_000, False),
        (live(labels={"alertname": "Watchdog"}), 10_000, False),
    ],
)
def test_an_alert_is_missed_when_we_should_have_been_told_of_it(one: Live, now: float, missed: bool) -> None:
    assert bool(look(one, now=now).missed) is missed


def test_no_grace_for_a_receiver_whose_webhook_was_cut_off() -> None:
    asked = replace(ASKED, urgent=frozenset({"hub"}))
    assert fingerprints(look(live(), now=1, asked=asked)) == (["f1"], [])
    assert fingerprints(look(live(receiver="other"), now=1, asked=asked)) == ([], [])


@pytest.mark.parametrize(
    ("known", "missed"),
    [
        (instance(), False),
        (instance(starts=0.000_7), False),  # the list cuts what the webhook said to milliseconds
        (instance(starts=-60), True),  # that one is over, and this is another
        (instance(starts=60), False),
        (instance(state=AlertState.RESOLVED, heard=300), False),  # just ended, the list may be older
        (instance(state=AlertState.RESOLVED, heard=-10_000), True),
        (instance(state=AlertState.RESOLVED, starts=-60, heard=300), True),
    ],
)
def test_what_the_record_knows_is_not_missed(known: Instance, missed: bool) -> None:
    assert bool(look(live(), now=400, known=[known]).missed) is missed


# -- what is alive


def test_incidents_of_which_the_list_has_something_are_alive() -> None:
    first, second, other = (IncidentId(f"INC-2026112008000{n}-{key_of()}") for n in range(3))
    firing = [
        instance("f1", incident_id=first), instance("f2", incident_id=first), instance("f3", incident_id=second),
        instance("f4", incident_id=other, origin=OTHER),
    ]  # fmt: skip
    found = look(live("f1", standing=Standing.SUPPRESSED), live("f4"), now=1_000, firing=firing)
    assert found.alive == {first}, "a silenced one fires; what another server sent is not of this list"
    assert look(live("f1"), now=1_000, firing=firing, complete=False).alive == {first}
    assert look(now=1_000, firing=firing).alive == set()


# -- what is over


def looks_without(fired: Instance, *times: float, memory: Memory | None = None, **listing: Any) -> list[bool]:
    """Whether each of these looks at an empty list says that the instance is over."""
    said = []
    for now in times:
        found = look(now=now, firing=[fired], memory=memory, **listing)
        memory = found.memory
        said.append(bool(found.over))
    return said


def test_what_is_missing_in_looks_in_a_row_for_the_whole_grace_is_over() -> None:
    assert looks_without(instance(), 600, 660, 720, 780, 840) == [False, False, False, True, True]
    assert looks_without(instance(), 600, 6000) == [False, True]


def test_one_look_is_never_enough() -> None:
    assert looks_without(instance(), 1_000_000) == [False]


def test_a_look_that_casts_doubt_begins_the_count_again() -> None:
    memory = look(now=600, firing=[instance()]).memory
    doubtful = look(now=660, firing=[instance()], memory=memory, complete=False)
    assert fingerprints(doubtful) == ([], [])
    assert looks_without(instance(), 900, 960, 1100, memory=doubtful.memory) == [False, False, True]


@pytest.mark.parametrize("origin", [OTHER, "", origin_of("grafana", "http://am.example:9093", "1")])
def test_instances_of_other_servers_and_of_unknown_ones_are_left_alone(origin: str) -> None:
    assert looks_without(instance(origin=origin), 600, 6000, 60_000) == [False, False, False]


def test_what_is_silenced_still_fires() -> None:
    memory = Memory()
    for now in (600, 6000, 60_000):
        found = look(live(standing=Standing.SUPPRESSED), now=now, firing=[instance()], memory=memory)
        memory = found.memory
        assert fingerprints(found) == ([], [])


def test_a_rule_that_cannot_see_keeps_its_instances() -> None:
    blind = live("f2", kind=AlertKind.BLIND, standing=Standing.SUPPRESSED)
    memory = Memory()
    for now in (600, 6000, 60_000):
        found = look(blind, now=now, firing=[instance()], memory=memory)
        memory = found.memory
        assert found.over == ()
    assert looks_without(instance(), 60_060, 60_300, memory=memory) == [False, True], "and counts anew once it sees"


def test_an_instance_that_fires_again_while_it_is_missing_counts_anew() -> None:
    memory = look(now=600, firing=[instance()]).memory
    again = instance(heard=700)
    assert looks_without(again, 790, 800, 1000, memory=memory) == [False, False, True]


def test_a_server_that_does_not_say_when_it_started_is_believed_after_the_end_it_gave() -> None:
    grafana: dict[str, Any] = {"says_start": False}
    listed = Live(an_alert(), Standing.ACTIVE, frozenset({"hub"}), expires=at(2_000))
    memory = look(listed, now=600, firing=[instance()], known=[instance()], **grafana).memory
    assert looks_without(instance(), 660, 900, 1_999, 2_001, memory=memory, **grafana) == [False, False, False, True]
    assert looks_without(instance(), 600, 600 + GRACE, 600 + 2 * GRACE, **grafana) == [False, False, True], "never seen"


def test_the_end_is_when_it_was_listed_last() -> None:
    memory = look(live(), now=600, firing=[instance()], known=[instance()]).memory
    memory = look(now=660, firing=[instance()], memory=memory).memory
    (over,) = look(now=900, firing=[instance()], memory=memory).over
    assert over.ends_at == at(600)
    (over,) = look(now=900, firing=[instance()], memory=look(now=660, firing=[instance()]).memory).over
    assert over.ends_at == at(660)


def test_the_only_sender_is_ours_once_the_list_has_what_it_sent() -> None:
    sole = replace(ASKED, sole_sender=OTHER)
    sent = [instance(origin=OTHER), instance("f2", origin=OTHER)]
    memory = look(live(starts=50), now=600, firing=sent, known=sent, asked=sole).memory
    assert memory.origins == {OURS}, "another occurrence proves nothing"
    memory = look(live(), now=660, firing=sent, known=sent, asked=sole).memory
    assert OTHER in memory.origins
    memory = look(live(), now=720, firing=sent, known=sent, memory=memory).memory
    assert fingerprints(look(live(), now=960, firing=sent, known=sent, memory=memory)) == ([], ["f2"])


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, bool, frozenset[str]]]:
    """Looks: seconds since the last one, whether the list is complete, and which fingerprints it has."""
    return draw(
        st.lists(
            st.tuples(
                st.floats(1, 400), st.booleans(), st.frozensets(st.sampled_from(["f1", "f2", "f3"]))
            ),
            max_size=12,
        )
    )  # fmt: skip


@unhurried
@given(stories(), st.booleans())
def test_nothing_is_over_before_the_list_was_whole_and_without_it_for_the_whole_grace(
    story: list[tuple[float, bool, frozenset[str]]], says_start: bool
) -> None:
    firing = [instance(name) for name in ("f1", "f2", "f3")]
    memory, now = Memory(), 1_000.0
    absent_since: dict[str, float] = {}
    for pause, complete, names in story:
        now += pause
        alerts = [live(name) for name in sorted(names)]
        found = look(
            *alerts, now=now, firing=firing, known=firing, memory=memory, complete=complete, says_start=says_start
        )
        memory = Memory.from_json(found.memory.as_json("here"), "here")
        assert found.missed == ()
        for one in firing:
            if one.fingerprint in names or not complete:
                absent_since.pop(one.fingerprint, None)
            else:
                absent_since.setdefault(one.fingerprint, now)
        for name in fingerprints(found)[1]:
            assert complete
            assert name not in names
            assert now - absent_since[name] >= GRACE - 0.001


# -- memory, merging, findings


def test_memory_comes_back_as_it_was() -> None:
    memory = Memory({"f1@0.0": at(1.5)}, {"f1": Seen(at(1), at(2)), "f2": Seen(at(3), None)}, frozenset({OURS}))
    assert Memory.from_json(memory.as_json("http://am"), "http://am") == memory


@unhurried
@given(json_values | st.text())
def test_memory_of_another_kind_or_of_other_servers_is_forgotten(content: object) -> None:
    assert Memory.from_json(str(content), "http://am") == Memory()
    assert Memory.from_json(Memory({"f1@0.0": at(1)}).as_json("http://am"), "http://other") == Memory()


def test_lists_of_several_servers_are_one() -> None:
    both = merged(
        [
            [live("f1"), live("f2", standing=Standing.UNPROCESSED), live("f3", receiver="a")],
            [live("f1", standing=Standing.SUPPRESSED), live("f2"), live("f3", receiver="b"), live("f4")],
        ]
    )
    assert {one.alert.fingerprint: one.standing.value for one in both} == {
        "f1": "suppressed", "f2": "active", "f3": "active", "f4": "active",
    }  # fmt: skip
    assert both[2].receivers == {"a", "b"}


def labelled(labels: Mapping[str, str], **more: Any) -> Instance:
    """An instance with its labels."""
    return instance(labels=labels, **more)


def test_the_end_of_an_instance_goes_where_the_instance_is() -> None:
    alert = an_alert()
    whole = labelled(alert.labels)
    end = end_of(Over(Believed(whole, "checkout_5xx"), at(900)), whole, POLICY, "grafana")
    assert end is not None
    assert (end.state, end.starts_at, end.ends_at) == (AlertState.RESOLVED, at(0), at(900))
    assert (end.rule_uid, end.fingerprint, end.alertname) == ("checkout_5xx", "f1", alert.alertname)
    older = replace(POLICY, cluster_labels=("region",))
    assert end_of(Over(Believed(whole, "checkout_5xx"), at(900)), whole, older, "grafana") is None


def test_replicas_that_find_the_same_make_the_same_delivery_and_later_findings_differ() -> None:
    def name(alert: Alert, *known: Instance) -> bytes:
        return finding(alert, known, b"{}", at(5)).request_id

    alert, resolved = an_alert(), an_alert(ends=9)
    names = [
        name(alert),
        name(alert, instance(state=AlertState.RESOLVED, heard=5)),
        name(alert, instance(state=AlertState.RESOLVED, heard=6)),
        name(resolved, instance()),
        name(an_alert("f2")),
        name(an_alert(starts=1)),
    ]
    assert len(set(names)) == len(names)
    assert all(len(one) == 16 for one in names)
    assert name(alert) == finding(alert, (), b"other", at(99)).request_id
    assert finding(alert, (), b"{}", at(5)).content_type == CONTENT_TYPE


# -- two servers that call something by the same fingerprint

SECOND = of_origin("f1", OURS)
BOTH = replace(ASKED, senders=frozenset({OURS, OTHER}))


def test_what_a_second_server_fires_is_found_in_its_list_and_ends_by_it() -> None:
    labels = dict(an_alert().labels)
    first, second = instance(origin=OTHER), instance(SECOND, labels=labels)
    seen = look(live(), now=600, firing=[first, second], known=[first, second], asked=BOTH)
    assert (seen.missed, seen.over, seen.alive) == ((), (), frozenset({second.incident_id}))
    memory = look(now=660, firing=[first, second], memory=seen.memory, asked=BOTH).memory
    (over,) = look(now=1000, firing=[first, second], memory=memory, asked=BOTH).over
    assert over.believed.instance is second, "the other server was not asked"
    alert = end_of(over, second, POLICY, "alertmanager")
    assert alert is not None
    assert alert.fingerprint == "f1", "as its server calls it"


def test_what_fires_by_the_name_of_a_second_server_is_not_missed() -> None:
    over = instance(origin=OTHER, state=AlertState.RESOLVED, ends_at=at(-50), starts=-100)
    assert fingerprints(look(live(), now=600, known=[over], asked=BOTH)) == (["f1"], [])
    assert fingerprints(look(live(), now=600, known=[over, instance(SECOND)], asked=BOTH)) == ([], [])
