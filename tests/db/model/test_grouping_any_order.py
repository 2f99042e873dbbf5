"""Late, repeated and shuffled messages, and people in between: what holds for every story.

`MemoryRecord.check` runs after every step of every story: at most one open incident per key, no alert without its
incident and no incident without an alert, counts that equal recounts, every incident under its own key.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from db.model.alert import Alert, AlertKind, AlertState
from db.model.blind import Blindness
from db.model.incident import EventKind
from db.model.lifecycle import Action
from db.model.meaning import Meaning
from db.model.policy import Policy
from db.model.reason import Reason
from tests.db.builders import an_alert, at, cannot_see, key_of
from tests.db.model.record import MemoryRecord
from tests.strategies import unhurried

FINGERPRINTS = ("f1", "f2", "f3")

windows = st.sampled_from([timedelta(0), timedelta(seconds=20)])
blindness = st.builds(Blindness, window=windows, settle=st.sampled_from([timedelta(0), timedelta(seconds=15)]))
policies = st.builds(
    Policy,
    blind=blindness,
    reopen_window=windows,
    refire_after=st.sampled_from([timedelta(seconds=15), timedelta(minutes=15)]),
)


blind_names = st.sampled_from([("blind-1", "prometheus"), ("blind-2", "prometheus"), ("blind-3", "loki")])


@st.composite
def alerts(draw: st.DrawFn, *, orderly: bool = False) -> Alert:
    """Any message of three instances of two services, and of their rule that cannot see one of two data sources.

    Orderly ones have a start, and an occurrence ends before the next one of its instance begins.
    """
    starts = draw(st.sampled_from([0, 10, 20, 30, 40]))
    ends = draw(st.sampled_from([None, None, starts, starts + 5, starts + (5 if orderly else 15)]))
    timed = orderly or draw(st.integers(0, 5)) > 0
    values = draw(st.sampled_from([None, {"A": 1.0}, {"A": 2.0}]))
    severity = {"severity": draw(st.sampled_from(["critical", "warning"]))}
    times: dict[str, float | None] = {"starts": starts if timed else None, "ends": ends}
    if draw(st.integers(0, 3)) == 0:
        name, uid = draw(blind_names)
        labels = {**severity, "datasource_uid": uid}
        return an_alert(name, kind=AlertKind.BLIND, values=values, labels=labels, **times)  # type: ignore[arg-type]
    name, service = draw(st.sampled_from([("f1", "a"), ("f2", "a"), ("f3", "b")]))
    reason = draw(st.sampled_from(["", "", "", "NoData", "MissingSeries"]))
    return an_alert(
        name,
        service=service,
        values=values,
        labels=severity,
        reason=reason,
        **times,  # type: ignore[arg-type]
    )


def message(alert: Alert) -> tuple[object, ...]:
    """What a body holds once: an occurrence and whether it is over; of what is blind, the instance at all.

    Sources put an instance into a body once. Where a blind alert goes is decided by what was known before its body.
    """
    if alert.kind is AlertKind.BLIND:
        return (alert.fingerprint,)
    return (alert.fingerprint, alert.starts_at, alert.state)


deliveries = st.lists(alerts(), min_size=1, max_size=4, unique_by=message)
clicks = st.tuples(st.sampled_from(Action), st.integers(0, 5))
stories = st.lists(st.tuples(st.integers(0, 12), deliveries | clicks), max_size=14)


def told(record: MemoryRecord, story: list[tuple[int, list[Alert] | tuple[Action, int]]]) -> float:
    """Let a story happen; when it ends."""
    now = 0.0
    for pause, step in story:
        now += pause
        if pause % 2:  # the vigil may be late
            record.settle(at(now))
        if isinstance(step, list):
            before = {rule for rule, _, _ in record.blind}
            decided = record.deliver(at(now), *step)
            for event in decided.events:
                if event.kind is EventKind.RESOLVED:
                    # What was due settled before the body was read, in which the rule may have gone blind again.
                    blind = (
                        before
                        if event.reason is Reason.RECOVERED_WITHOUT_DATA
                        else {rule for rule, _, _ in record.blind}
                    )
                    rule = record.incidents[event.incident_id].parts.rule_uid
                    assert rule not in blind, "silence is no recovery"
        elif record.incidents:
            names = list(record.incidents)
            record.act(at(now), names[step[1] % len(names)], step[0])
    return now


@given(policies, stories)
@unhurried
def test_any_story_leaves_a_sound_record(
    policy: Policy, story: list[tuple[int, list[Alert] | tuple[Action, int]]]
) -> None:
    told(MemoryRecord(policy), story)


@given(
    st.builds(Policy, reopen_window=windows),
    stories,
    st.lists(alerts(orderly=True), min_size=1, max_size=5, unique_by=message),
)
@unhurried
def test_the_same_delivery_twice_changes_nothing_but_the_fact_log(
    policy: Policy, story: list[tuple[int, list[Alert] | tuple[Action, int]]], delivery: list[Alert]
) -> None:
    record = MemoryRecord(policy)
    now = told(record, story)
    record.deliver(at(now + 1), *delivery)
    before, rows = record.without_hearing(), len(record.recorded)
    decided = record.deliver(at(now + 2), *delivery)
    assert record.without_hearing() == before
    assert len(record.recorded) == rows + len(delivery)
    assert {entry.meaning for entry in decided.recorded} <= {Meaning.REPEAT, Meaning.LATE}


def story_of(fingerprint: str, occurrences: int, still_fires: bool) -> list[Alert]:
    """All messages of one instance: occurrences of 5 s, one every 10 s, the last one perhaps without its end."""
    told_of: list[Alert] = []
    for number in range(occurrences):
        starts = 10 * number
        told_of.append(an_alert(fingerprint, starts=starts))
        if number < occurrences - 1 or not still_fires:
            told_of.append(an_alert(fingerprint, starts=starts, ends=starts + 5))
    return told_of


one_instance = st.tuples(st.integers(1, 4), st.booleans())


@given(st.data(), st.lists(one_instance, min_size=1, max_size=3))
@unhurried
def test_messages_in_any_order_end_as_their_newest_occurrence(
    data: st.DataObject, instances: list[tuple[int, bool]]
) -> None:
    messages = [
        alert
        for fingerprint, (occurrences, still_fires) in zip(FINGERPRINTS, instances, strict=False)
        for alert in story_of(fingerprint, occurrences, still_fires)
    ]
    repeated = messages + data.draw(st.lists(st.sampled_from(messages), max_size=4))
    shuffled = data.draw(st.permutations(repeated))
    record = MemoryRecord()
    cuts = data.draw(st.lists(st.integers(1, 4), min_size=len(shuffled), max_size=len(shuffled)))
    now, rest = 100.0, list(shuffled)
    for size in cuts:
        if part := rest[:size]:
            record.deliver(at(now), *part)
        now, rest = now + 1, rest[size:]
    for fingerprint, (_, still_fires) in zip(FINGERPRINTS, instances, strict=False):
        expected = AlertState.FIRING if still_fires else AlertState.RESOLVED
        assert record.state_of(key_of(), fingerprint) is expected, fingerprint
    assert bool(record.open()) == any(still_fires for _, still_fires in instances)


@given(stories, st.lists(st.integers(1, 600), min_size=1, max_size=6), policies)
@unhurried
def test_what_a_person_resolved_stays_resolved_through_repeats(
    story: list[tuple[int, list[Alert] | tuple[Action, int]]], pauses: list[int], policy: Policy
) -> None:
    record = MemoryRecord(policy)
    now = told(record, story)
    assume(record.open())
    for incident in record.open():
        record.act(at(now), incident.incident_id, Action.RESOLVE)
    known = set(record.incidents)
    firing = [
        an_alert(
            fingerprint,
            starts=(instance.starts_at - at(0)).total_seconds(),
            kind=instance.kind,
            service=instance.labels.get("service", ""),
            labels=instance.labels,
        )
        for (_, fingerprint), name in record.current.items()
        if (instance := record.instances[name, fingerprint]).state is AlertState.FIRING
        and (instance.kind is not AlertKind.BLIND or len(instances_of(record, fingerprint)) == 1)
    ]
    assume(firing)
    for pause in pauses:
        now += pause
        record.deliver(at(now), *firing)
        assert record.open() == []
        assert set(record.incidents) == known


def instances_of(record: MemoryRecord, fingerprint: str) -> list[str]:
    """The incidents in which a fingerprint is the newest of its key."""
    return [name for (_, of), name in record.current.items() if of == fingerprint]


@given(policies, st.integers(0, 40), st.booleans())
@unhurried
def test_a_new_occurrence_after_a_persons_resolve_opens_or_reopens(policy: Policy, pause: int, same: bool) -> None:
    record = MemoryRecord(policy)
    record.deliver(at(0), an_alert("f1"))
    first = record.open()[0].incident_id
    record.act(at(10), first, Action.RESOLVE)
    record.deliver(at(11), an_alert("f1"))
    now = 12 + pause
    record.deliver(at(now), an_alert("f1" if same else "f2", starts=12))
    (opened,) = record.open()
    reopened = timedelta(seconds=now - 10) < policy.reopen_window
    assert (opened.incident_id == first) == reopened
    assert len(record.incidents) == (1 if reopened else 2)


@given(policies, stories)
@unhurried
def test_nothing_fires_for_ever_once_all_recovered_and_settled(
    policy: Policy, story: list[tuple[int, list[Alert] | tuple[Action, int]]]
) -> None:
    record = MemoryRecord(policy)
    now = told(record, story) + 100
    for (_, fingerprint), name in list(record.current.items()):
        instance = record.instances[name, fingerprint]
        if instance.state is AlertState.FIRING:
            starts = (instance.starts_at - at(0)).total_seconds()
            over = an_alert(
                fingerprint, kind=instance.kind, starts=starts, ends=now, labels=instance.labels,
                service=instance.labels.get("service", ""),
            )  # fmt: skip
            record.deliver(at(now), over)
        now += 1
    assert record.blind == {}
    record.settle(at(now) + policy.blind.settle)
    assert all(instance.state is AlertState.RESOLVED for instance in record.instances.values())
    clicked = {event.incident_id for event in record.events if str(event.actor) == "slack:U1"}
    for incident in record.open():
        assert incident.instances_firing == 0
        assert incident.incident_id in clicked, "only what a person opened again is left to a person"


SILENT = (
    an_alert("f1", starts=0),
    an_alert("f1", starts=0, ends=80),  # it expires
    cannot_see(starts=70),
    cannot_see(starts=70, ends=200),
)


@given(st.permutations(SILENT), st.lists(st.integers(0, 60), min_size=4, max_size=4), st.booleans())
@unhurried
def test_the_order_of_expiry_and_blindness_does_not_matter(
    messages: list[Alert], pauses: list[int], again: bool
) -> None:
    """Whatever comes first: in the end it is over, or fires if it did again once its rule could see."""
    record = MemoryRecord()
    now = 300
    for message_, pause in zip(messages, pauses, strict=True):
        record.deliver(at(now), message_)
        now += pause
    if again:
        record.deliver(at(now), an_alert("f1", starts=250))
    record.settle(at(now + 300))
    assert [incident.key for incident in record.open()] == [key_of()] * again
    assert record.state_of(key_of(), "f1") is (AlertState.FIRING if again else AlertState.RESOLVED)


@given(st.permutations((*SILENT, an_alert("f1", starts=250))), st.lists(st.integers(0, 60), min_size=5, max_size=5))
@unhurried
def test_what_fires_again_fires_in_the_end_whenever_it_is_heard(messages: list[Alert], pauses: list[int]) -> None:
    record = MemoryRecord()
    now = 300
    for message_, pause in zip(messages, pauses, strict=True):
        record.deliver(at(now), message_)
        now += pause
    record.settle(at(now + 300))
    (incident,) = record.open()
    assert (incident.key, incident.held, incident.unobserved_since) == (key_of(), 0, None)
