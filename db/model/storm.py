"""When one message takes the place of many cards: storms of a channel, and groups of related incidents.

A *digest* is that message. Which of the two kinds it is decides who belongs to it and when it is over:

  storm     a channel got more than `incidents` new incidents within `window`; everything that arrives meanwhile belongs
            to it; it is over when the rate was kept for `calm`
  related   by a rule of the policy file at least so many open incidents share the same values within its window; later
            ones with these values belong to it too, until none came for a whole window; it is over when all its members
            are resolved

All decisions are made again and again from what is recorded, by the clock of the database, so it does not matter which
replica makes them, and when.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from db.model.identity import IncidentId
from db.model.incident import Incident, Rank, Severity, Status
from db.model.sections import Matcher, Section, Sections

GROUP_PARTS = ("cluster", "namespace", "service", "phase")
"""What incidents of a group may have in common."""

_MATCHABLE = (*GROUP_PARTS, "severity", "category", "title")


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPolicy:
    """The table `[storm]` of the policy file."""

    enabled: bool = True
    incidents: int = 10  # more new incidents than this within the window are a storm
    window: timedelta = timedelta(minutes=1)
    calm: timedelta = timedelta(minutes=2)  # after so long at no more than that rate it is over
    own_card: frozenset[Severity] = frozenset({Severity.CRITICAL})  # these always get their card at once


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """One of `[[groups]]`: open incidents with the same values of `by` are one group."""

    name: str  # `groups[0]`, as problems of the policy file name it
    match: Matcher
    by: tuple[str, ...]
    window: timedelta = timedelta(minutes=10)
    at_least: int = 3


def read_storm(file: Sections) -> StormPolicy:
    """The table `[storm]`."""
    default = StormPolicy()
    section = file.table("storm", {"enabled", "incidents", "window", "calm", "own_card"})
    enabled = section.values.get("enabled", default.enabled)
    if not isinstance(enabled, bool):
        section.problem("enabled", f"must be true or false, not {enabled!r}")
        enabled = default.enabled
    return StormPolicy(
        enabled=enabled,
        incidents=section.integer("incidents", default.incidents, 1, 10_000),
        window=_some_time(section, "window", default.window),
        calm=_some_time(section, "calm", default.calm),
        own_card=_severities(section, default.own_card),
    )


def read_groups(file: Sections) -> tuple[GroupRule, ...]:
    """The rules `[[groups]]`."""
    default = GroupRule(name="", match=Matcher(()), by=())
    rules = []
    for section in file.entries("groups", {"match", "by", "window", "at_least"}):
        by = section.texts("by", ())
        if not by or not set(by) <= set(GROUP_PARTS):
            section.problem("by", f"must name some of {', '.join(GROUP_PARTS)}, not {section.values.get('by')!r}")
            continue
        match = section.matcher()
        for label, _ in match.labels:
            if label not in _MATCHABLE:
                section.problem(f"match.{label}", f"is not known here (known: {', '.join(_MATCHABLE)})")
        rules.append(
            GroupRule(
                name=section.path,
                match=match,
                by=tuple(dict.fromkeys(by)),
                window=_some_time(section, "window", default.window),
                at_least=section.integer("at_least", default.at_least, 2, 1_000),
            )
        )
    return tuple(rules)


def _some_time(section: Section, key: str, default: timedelta) -> timedelta:
    value = section.duration(key, default)
    if not value:
        section.problem(key, "must be longer than nothing")
        return default
    return value


def _severities(section: Section, default: frozenset[Severity]) -> frozenset[Severity]:
    if section.values.get("own_card") == []:
        return frozenset()
    named = section.texts("own_card", tuple(default))
    if wrong := [name for name in named if not any(name == known for known in Severity)]:
        section.problem("own_card", f"must be of {', '.join(Severity)}, not {wrong[0]!r}")
        return default
    return frozenset(Severity(name) for name in named)


class DigestKind(StrEnum):
    """Why incidents are shown together."""

    STORM = "storm"
    RELATED = "related"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One message for many incidents, as the record has it. All times are UTC, by the clock of the database."""

    digest_id: int
    kind: DigestKind
    channel: str  # name or id, as configured
    rule: str  # of the policy file: `storm`, `groups[0]`
    shared: Mapping[str, str]  # what the members have in common; empty for a storm
    at_least: int  # the number that was exceeded (storm) or reached (related)
    window_seconds: int
    message_id: int
    since: datetime  # what arrived from then on belongs to it
    began_at: datetime
    busy_at: datetime  # when the rate was last exceeded, or a member joined
    scanned_at: datetime  # up to then all that belongs to it is a member
    refreshed_at: datetime  # when its message was last compared with its members
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is held back for it any more."""
        return self.ended_at is not None


AFTER_SEVERITIES = (Severity.CRITICAL, Severity.HIGH)
AFTER_CARDS = 10
"""After a storm so many incidents of these severities that nobody has acknowledged get a card of their own."""


class Weather(StrEnum):
    """What a channel is to do about storms, by its present rate."""

    CALM = "calm"  # no storm, and none begins
    BEGINS = "begins"
    RAGES = "rages"  # the rate is exceeded
    ABATES = "abates"  # it is not, but not for long enough
    ENDS = "ends"


def weather(arrived: int, storm: Digest | None, policy: StormPolicy, now: datetime) -> Weather:
    """Judge a channel at `now` (UTC): `arrived` new incidents within the window, and the storm that is on, if any."""
    too_many = policy.enabled and arrived > policy.incidents
    if storm is None:
        return Weather.BEGINS if too_many else Weather.CALM
    if too_many:
        return Weather.RAGES
    if not policy.enabled or now - storm.busy_at >= policy.calm:
        return Weather.ENDS
    return Weather.ABATES


# -- related incidents -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An open incident that is in no digest yet, and when its card was asked for."""

    incident_id: IncidentId
    channel: str
    parts: Mapping[str, str]  # cluster, namespace, service, phase, severity, category, title
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Incidents that join a group: a running one, or one that begins."""

    rule: GroupRule
    channel: str
    shared: Mapping[str, str]
    members: tuple[IncidentId, ...]
    digest: Digest | None  # None: it begins


def gather(
    candidates: Sequence[Candidate], rules: Sequence[GroupRule], running: Iterable[Digest], now: datetime
) -> list[Gathering]:
    """Which of the candidates are related at `now`; the first rule that takes an incident has it.

    `running` are groups that still take members. Values that are empty are shared by nobody.
    """
    taking = {(one.rule, one.channel, _named(one.shared)): one for one in running}
    left = list(candidates)
    found: list[Gathering] = []
    for rule in rules:
        same: dict[tuple[str, tuple[tuple[str, str], ...]], list[Candidate]] = defaultdict(list)
        for one in left:
            values = {part: one.parts.get(part, "") for part in rule.by}
            if now - one.queued_at <= rule.window and all(values.values()) and rule.match.matches(one.parts):
                same[one.channel, _named(values)].append(one)
        for (channel, values_of), members in same.items():
            group = taking.get((rule.name, channel, values_of))
            if group is None and len(members) < rule.at_least:
                continue
            ids = tuple(one.incident_id for one in members)
            found.append(
                Gathering(rule=rule, channel=channel, shared=dict(values_of), members=ids, digest=group)
            )  # fmt: skip
            gone = set(ids)
            left = [one for one in left if one.incident_id not in gone]
    return found


def takes_members(group: Digest, now: datetime) -> bool:
    """Whether a related group is young enough for more members: one came within its window."""
    return not group.is_over and now - group.busy_at <= timedelta(seconds=group.window_seconds)


def open_key(rule: str, channel: str, shared: Mapping[str, str]) -> str:
    """What only one digest at a time may be about: 32 hex digits."""
    return hashlib.sha256(repr((rule, channel, _named(shared))).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _named(shared: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(shared.items()))


# -- what a digest shows -----------------------------------------------------------------------------------------------

EVERYTHING = "all"
"""The name of all members of a digest together, where a group is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many members of one service, cluster, severity and status there are."""

    service: str
    cluster: str
    severity: Severity
    status: Status
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The members of one service and cluster, counted; `key` is empty of meaning and stays the same."""

    key: str
    service: str
    cluster: str
    statuses: Mapping[Status, int]
    severities: Mapping[Severity, int]  # of the open ones; of all when none is open
    worst: Severity  # of the open ones; of all when none is open

    @property
    def open(self) -> int:
        """How many still have to be handled."""
        return self.statuses.get(Status.ACTIVE, 0) + self.statuses.get(Status.ACKNOWLEDGED, 0)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.statuses.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A digest with all that its message shows."""

    digest: Digest
    version: int  # grows with every change of a member
    whole: Group  # all members together
    groups: tuple[Group, ...]  # the most urgent first
    members: tuple[Incident, ...]  # the most urgent ones
    own_cards: int  # members that have a card of their own
    as_of: datetime
    running: int  # digests that are on in the whole workspace


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a group's members: the open ones first, then the worst, then the oldest."""

    digest: Digest
    group: Group
    incidents: tuple[Incident, ...]
    offset: int  # how many members come before


def group_key(service: str, cluster: str) -> str:
    """The name of a group in buttons: 12 hex digits."""
    return hashlib.sha256(f"{service}\0{cluster}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def grouped(tallies: Iterable[Tally]) -> tuple[Group, ...]:
    """The groups by service and cluster, the most urgent first."""
    by_place: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for tally in tallies:
        by_place[tally.service, tally.cluster].append(tally)
    groups = [
        _group(group_key(service, cluster), service, cluster, some) for (service, cluster), some in by_place.items()
    ]
    return tuple(sorted(groups, key=_urgency))


def whole(tallies: Sequence[Tally]) -> Group:
    """All members as one group."""
    return _group(EVERYTHING, "", "", tallies)


def _group(key: str, service: str, cluster: str, tallies: Sequence[Tally]) -> Group:
    statuses: dict[Status, int] = defaultdict(int)
    for tally in tallies:
        statuses[tally.status] += tally.count
    still_open = [tally for tally in tallies if tally.status is not Status.RESOLVED and tally.count]
    severities: dict[Severity, int] = defaultdict(int)
    for tally in still_open or tallies:
        severities[tally.severity] += tally.count
    worst = min(severities, key=lambda severity: severity.rank, default=Severity.INFO)
    return Group(
        key=key, service=service, cluster=cluster, statuses=dict(statuses), severities=dict(severities), worst=worst
    )  # fmt: skip


def _urgency(group: Group) -> tuple[bool, bool, Rank, int, int, str, str]:
    """What nobody has acknowledged goes before what somebody works on, and that before what is over."""
    active = group.statuses.get(Status.ACTIVE, 0)
    return group.open == 0, active == 0, group.worst.rank, -active, -group.total, group.service, group.cluster


def digest_pause(running: int, shortest: float = 5.0) -> float:
    """Seconds between two edits of one digest: all that are on share half of what Slack takes for the workspace
    (45 a minute), so that cards are not starved."""
    return max(shortest, running * 60.0 / 22.5)
