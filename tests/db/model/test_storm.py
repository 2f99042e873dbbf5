"""Storms as timetables: when one begins, goes on and ends; and which incidents are related."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.identity import IncidentId
from db.model.incident import Severity, Status
from db.model.patterns import Pattern
from db.model.policy import Policy
from db.model.sections import Matcher, PolicyError
from db.model.storm import (
    Candidate,
    Digest,
    DigestKind,
    GroupRule,
    StormPolicy,
    Tally,
    Weather,
    digest_pause,
    gather,
    group_key,
    grouped,
    open_key,
    takes_members,
    weather,
    whole,
)

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
POLICY = StormPolicy(incidents=10, window=timedelta(minutes=1), calm=timedelta(minutes=2))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_digest(kind: DigestKind = DigestKind.STORM, *, busy: float = 0, **more: object) -> Digest:
    fields: dict[str, object] = {
        "digest_id": 1, "kind": kind, "channel": "#incidents", "rule": "storm", "shared": {}, "at_least": 10,
        "window_seconds": 60, "message_id": 1, "since": START, "began_at": START, "busy_at": at(busy),
        "scanned_at": START, "refreshed_at": START, **more,
    }  # fmt: skip
    return Digest(**fields)  # type: ignore[arg-type]  # the fields are named above


@pytest.mark.parametrize(
    ("arrived", "busy", "now", "expected"),
    [
        (0, None, 0, Weather.CALM),
        (10, None, 0, Weather.CALM),
        (11, None, 0, Weather.BEGINS),
        (11, 0, 600, Weather.RAGES),
        (10, 0, 119, Weather.ABATES),
        (10, 0, 120, Weather.ENDS),
        (0, 0, 119, Weather.ABATES),
    ],
)
def test_a_storm_begins_above_the_rate_and_ends_when_it_was_kept(
    arrived: int, busy: float | None, now: float, expected: Weather
) -> None:
    storm = None if busy is None else a_digest(busy=busy)
    assert weather(arrived, storm, POLICY, at(now)) is expected


def test_a_storm_ends_at_once_when_the_policy_knows_none_any_more() -> None:
    off = StormPolicy(enabled=False)
    assert weather(500, a_digest(), off, at(1)) is Weather.ENDS
    assert weather(500, None, off, at(1)) is Weather.CALM


@given(gaps=st.lists(st.floats(0, 90), max_size=120), every=st.sampled_from([1, 3, 10]))
def test_whatever_arrives_a_storm_is_on_exactly_while_the_rate_was_exceeded_within_calm(
    gaps: list[float], every: int
) -> None:
    arrivals, now = [], 0.0
    for gap in gaps:
        now += gap
        arrivals.append(now)
    busy: float | None = None
    exceeded: list[float] = []
    for look in range(0, int(now) + 400, every):
        count = sum(look - 60 < when <= look for when in arrivals)
        if count > 10:
            exceeded.append(look)
        storm = None if busy is None else a_digest(busy=busy)
        match weather(count, storm, POLICY, at(look)):
            case Weather.BEGINS | Weather.RAGES:
                busy = look
            case Weather.ENDS:
                busy = None
            case Weather.CALM | Weather.ABATES:
                pass
        assert (busy is not None) == any(look - 120 < when <= look for when in exceeded)
    assert busy is None, "every storm ends"


def candidate(number: int, *, channel: str = "#incidents", queued: float = 0, **parts: str) -> Candidate:
    return Candidate(
        incident_id=IncidentId(f"INC-{number}"),
        channel=channel,
        parts={"cluster": "prod", "service": f"s{number}", "severity": "warning", **parts},
        queued_at=at(queued),
    )


BY_CLUSTER = GroupRule(name="groups[0]", match=Matcher(()), by=("cluster",), at_least=3)
BY_SERVICE = GroupRule(name="groups[1]", match=Matcher(()), by=("service",), at_least=2)


def test_enough_incidents_with_the_same_value_are_a_group() -> None:
    found = gather([candidate(n) for n in range(3)], [BY_CLUSTER], [], at(10))
    assert [(one.shared, len(one.members), one.digest) for one in found] == [({"cluster": "prod"}, 3, None)]
    assert gather([candidate(n) for n in range(2)], [BY_CLUSTER], [], at(10)) == []


def test_old_ones_other_channels_and_empty_values_do_not_count() -> None:
    two = [candidate(1), candidate(2)]
    assert gather([*two, candidate(3, queued=-601)], [BY_CLUSTER], [], at(0)) == []
    assert gather([*two, candidate(3, channel="#other")], [BY_CLUSTER], [], at(0)) == []
    assert gather([candidate(n, cluster="") for n in range(9)], [BY_CLUSTER], [], at(0)) == []


def test_the_first_rule_that_takes_an_incident_has_it() -> None:
    some = [candidate(n, service="checkout") for n in range(3)]
    found = gather(some, [BY_CLUSTER, BY_SERVICE], [], at(0))
    assert [one.rule.name for one in found] == ["groups[0]"]
    alone = [candidate(1, service="checkout"), candidate(2, service="checkout", cluster="other")]
    assert [one.rule.name for one in gather(alone, [BY_CLUSTER, BY_SERVICE], [], at(0))] == ["groups[1]"]


def test_a_rule_takes_only_what_it_matches() -> None:
    rule = GroupRule(
        name="groups[0]", match=Matcher((("severity", Pattern("high|warning")),)), by=("cluster",), at_least=2
    )
    assert gather([candidate(1), candidate(2, severity="info")], [rule], [], at(0)) == []
    assert len(gather([candidate(1), candidate(2, severity="high")], [rule], [], at(0))) == 1


def test_one_more_joins_the_group_that_is_there() -> None:
    group = a_digest(DigestKind.RELATED, rule="groups[0]", shared={"cluster": "prod"})
    (found,) = gather([candidate(9)], [BY_CLUSTER], [group], at(0))
    assert found.digest is group


def test_a_group_takes_members_until_none_came_for_a_window() -> None:
    group = a_digest(DigestKind.RELATED, busy=100)
    assert takes_members(group, at(160))
    assert not takes_members(group, at(161))
    assert not takes_members(a_digest(DigestKind.RELATED, ended_at=at(1)), at(2))


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", ""]), st.floats(-900, 0)), max_size=40
    )
)  # fmt: skip
def test_nobody_is_in_two_groups_and_every_group_shares_what_it_says(some: list[tuple[str, str, float]]) -> None:
    candidates = [
        candidate(number, channel=channel, cluster=cluster, queued=queued, service=f"s{number % 5}")
        for number, (channel, cluster, queued) in enumerate(some)
    ]
    by_id = {one.incident_id: one for one in candidates}
    found = gather(candidates, [BY_CLUSTER, BY_SERVICE], [], at(0))
    members = [member for one in found for member in one.members]
    assert len(set(members)) == len(members)
    for one in found:
        assert len(one.members) >= one.rule.at_least
        for member in one.members:
            assert by_id[member].channel == one.channel
            assert all(by_id[member].parts[part] == value for part, value in one.shared.items())
            assert all(one.shared.values())


@given(st.dictionaries(st.text(), st.text()), st.text(), st.text())
def test_a_key_does_not_depend_on_the_order(shared: dict[str, str], rule: str, channel: str) -> None:
    backwards = dict(reversed(shared.items()))
    assert open_key(rule, channel, shared) == open_key(rule, channel, backwards)
    assert len(open_key(rule, channel, shared)) == 32


tallies = st.lists(
    st.builds(
        Tally,
        service=st.sampled_from(["a", "b", ""]),
        cluster=st.sampled_from(["x", "y"]),
        severity=st.sampled_from(Severity),
        status=st.sampled_from(Status),
        count=st.integers(1, 50),
    ),
    max_size=30,
)


@given(tallies)
def test_groups_count_everything_once_and_the_most_urgent_come_first(some: list[Tally]) -> None:
    groups, everything = grouped(some), whole(some)
    assert sum(group.total for group in groups) == everything.total == sum(one.count for one in some)
    assert sum(group.open for group in groups) == everything.open
    assert len({group.key for group in groups}) == len(groups)
    assert [group.open == 0 for group in groups] == sorted(group.open == 0 for group in groups)
    urgency = [(group.statuses.get(Status.ACTIVE, 0) == 0, group.worst.rank) for group in groups if group.open]
    assert urgency == sorted(urgency)


def test_a_group_is_as_bad_as_the_worst_of_its_open_members() -> None:
    def one(severity: Severity, status: Status) -> Tally:
        return Tally(service="a", cluster="x", severity=severity, status=status, count=1)

    (group,) = grouped([one(Severity.CRITICAL, Status.RESOLVED), one(Severity.INFO, Status.ACTIVE)])
    assert (group.worst, group.severities) == (Severity.INFO, {Severity.INFO: 1})
    assert group.key == group_key("a", "x")


def test_digests_share_half_of_the_edits_that_slack_takes() -> None:
    assert digest_pause(1) == 5.0
    for running in (2, 5, 40):
        assert running * 60 / digest_pause(running) <= 24


# -- the policy file


def test_the_tables_are_read() -> None:
    policy = Policy.parse(
        {
            "storm": {
                "enabled": False,
                "incidents": 5,
                "window": "30s",
                "calm": "5m",
                "own_card": ["critical", "high"],
            },
            "groups": [{"match": {"severity": "warning"}, "by": "service", "window": "5m", "at_least": 4}],
        }
    )  # fmt: skip
    assert policy.storm == StormPolicy(
        enabled=False, incidents=5, window=timedelta(seconds=30), calm=timedelta(minutes=5),
        own_card=frozenset({Severity.CRITICAL, Severity.HIGH}),
    )  # fmt: skip
    (rule,) = policy.groups
    assert (rule.name, rule.by, rule.window, rule.at_least) == ("groups[0]", ("service",), timedelta(minutes=5), 4)
    assert Policy.parse({"storm": {"own_card": []}}).storm.own_card == frozenset()
    assert Policy.parse({}).storm == StormPolicy()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"storm": {"enabled": "yes"}}, "storm.enabled must be true or false"),
        ({"storm": {"incidents": 0}}, "storm.incidents must be a whole number"),
        ({"storm": {"window": "0s"}}, "storm.window must be longer than nothing"),
        ({"storm": {"own_card": ["bad"]}}, "storm.own_card must be of"),
        ({"storm": {"rate": 1}}, "storm.rate is not a known key"),
        ({"groups": [{"match": {}}]}, "groups[0].by must name some of"),
        ({"groups": [{"by": ["pod"]}]}, "groups[0].by must name some of"),
        ({"groups": [{"by": ["cluster"], "match": {"team": "x"}}]}, "groups[0].match.team is not known here"),
        ({"groups": [{"by": ["cluster"], "at_least": 1}]}, "groups[0].at_least must be a whole number"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, object], problem: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(problem)):
        Policy.parse(data)
