"""What a person handles: an incident, its instances and the events of its timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from db.model.alert import AlertKind, AlertState, Links
from db.model.identity import Actor, IncidentId, IncidentKey, KeyParts
from db.model.reason import Reason

BLIND_PREFIX = "blind:"
"""What the rule part of a blind incident's key begins with; no rule of a source does."""


class Status(StrEnum):
    """Where an incident stands: active -> acknowledged -> resolved."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How bad it is; every label of a source is mapped to one of these by the policy file."""

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> Rank:
        """0 for the worst, so that sorting puts it first."""
        return Rank[self.name]


class Rank(IntEnum):
    """The order of severities; also the order in which Slack hears of incidents."""

    CRITICAL = 0
    HIGH = 1
    WARNING = 2
    INFO = 3


@dataclass(frozen=True, slots=True)
class Chain:
    """The hash chain of an incident's timeline (see `db.model.audit`)."""

    length: int = 0
    head: bytes | None = None  # the newest link, 32 bytes; None before the first
    removed: int = 0  # events at the beginning that retention removed
    base: bytes | None = None  # the newest link of those


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An incident as the record has it. All times are UTC and aware."""

    incident_id: IncidentId
    number: int  # short number people type, `/incident 42`; 0 until the record has given one
    key: IncidentKey
    parts: KeyParts
    status: Status
    severity: Severity
    title: str
    summary: str = ""
    service_category: str = ""
    source: str = ""
    channel: str = ""  # name or id of the Slack channel of its card
    start_time: datetime  # when the thing began, by the source
    first_seen_at: datetime  # when we heard first
    last_seen_at: datetime  # when we heard last
    alert_count: int = 0
    instances_total: int = 0
    instances_firing: int = 0  # blind and held instances included
    blind_firing: int = 0  # instances that say "cannot see"
    held: int = 0  # firing instances of which the source said "resolved" while it could not see
    unobserved_since: datetime | None = None  # its rule is blind since then
    blind_on: str = ""  # the data source that its rule cannot see
    blind_incident: IncidentId | None = None  # the incident of that data source
    blind_number: int = 0  # its number, where looked up
    sight_at: datetime | None = None  # its rule sees again since then, and held resolves wait to take effect
    stale_since: datetime | None = None  # not heard of for so long that it was marked then
    rules: tuple[str, ...] = ()  # of a blind incident: names of the rules that cannot see, where looked up
    fires: Firing = field(default_factory=lambda: Firing())  # where looked up
    first_values: str = ""  # "A=0.0742, B=0.05"
    last_values: str = ""
    links: Links = field(default_factory=Links)
    owner: Actor | None = None  # who acknowledged it
    acknowledged_time: datetime | None = None
    resolved_time: datetime | None = None
    resolved_by: Actor | None = None
    action_taken: str = ""
    root_cause: str = ""
    last_change: str = ""  # kind of the newest visible event, an `EventKind`
    last_change_at: datetime | None = None
    last_change_by: Actor | None = None
    last_change_why: Reason = Reason.NONE
    version: int = 1  # grows with every visible change; a card shows one version
    chain: Chain = field(default_factory=Chain)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to handle it."""
        return self.status is not Status.RESOLVED

    def heard(self, at: datetime) -> Incident:
        """The same, heard of at `at` (or later, if it was) and so not stale. This happens with every alert, and to
        `replace` one of so many fields costs more than all that is decided about a repeat."""
        same = object.__new__(Incident)
        same.__dict__.update(self.__dict__, last_seen_at=max(self.last_seen_at, at), stale_since=None)
        return same

    @property
    def is_blind(self) -> bool:
        """Whether its source says that it cannot see."""
        return self.blind_firing > 0 or self.unobserved_since is not None

    @property
    def is_about_blindness(self) -> bool:
        """Whether it is the incident of a data source that rules cannot see, and not of something that fires."""
        return self.parts.rule_uid.startswith(BLIND_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One thing that fires: a fingerprint inside an incident, with its present state."""

    incident_id: IncidentId
    key: IncidentKey
    fingerprint: str
    kind: AlertKind
    state: AlertState
    starts_at: datetime
    ends_at: datetime | None  # None while it fires; one that fires all the same is held
    heard_at: datetime  # when its state or occurrence last changed, by our clock
    labels: Mapping[str, str]
    first_values: str = ""
    last_values: str = ""
    origin: str = ""  # which server says so (`origin_of`); empty when it is not known

    @property
    def began(self) -> datetime:
        """Since when it fires, by our clock where the start that was said lay in the future when it arrived: the clock
        of the sender was ahead, or it writes local time as UTC. `starts_at` stays as said: it names the occurrence."""
        if self.starts_at <= self.heard_at:
            return self.starts_at
        return self.heard_at if self.ends_at is None else min(self.heard_at, self.ends_at)

    @property
    def is_held(self) -> bool:
        """Whether the source said "resolved" while it could not see: it counts as firing until sight returns."""
        return self.state is AlertState.FIRING and self.ends_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What fires in an incident, as far as it was looked up."""

    instances: tuple[Instance, ...] = ()  # of very many the longest; the worst first, then the longest
    summary: str = ""  # what the newest alert of the first one says
    links: Links = field(default_factory=Links)  # of that alert; the silence is for all that fires
    elsewhere: int = 0  # instances that fire in earlier incidents of the key, which people resolved


class EventKind(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    JOINED = "joined"  # new instances fire
    PARTLY_RESOLVED = "partly_resolved"  # some instances resolved, others still fire
    SEVERITY_RAISED = "severity_raised"
    BLIND = "blind"  # the source cannot see any more
    SIGHT_RESTORED = "sight_restored"
    HELD = "held"  # "resolved" while the source cannot see, which is no recovery
    STALE = "stale"  # not heard of for a long time
    HEARD_AGAIN = "heard_again"  # it was stale
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NOTED = "noted"  # root cause or action taken added after the fact
    TRUNCATED = "truncated"  # the source cut alerts off
    REPAIRED = "repaired"  # `python -m db check --repair` made a number of it right


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an incident's timeline; never changed, never deleted before the incident."""

    incident_id: IncidentId
    at: datetime
    kind: EventKind
    actor: Actor
    from_status: Status | None = None
    to_status: Status | None = None
    reason: Reason = Reason.NONE
    details: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAlert:
    """One row of the fact log, as shown to people."""

    alert_id: int
    received_at: datetime
    state: AlertState
    alertname: str
    message: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """An incident with its newest alerts and the newest events of its timeline, both newest first."""

    incident: Incident
    alerts: tuple[RecordedAlert, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which incidents to list; an empty field does not restrict."""

    statuses: tuple[Status, ...] = (Status.ACTIVE, Status.ACKNOWLEDGED)
    severities: tuple[Severity, ...] = ()
    cluster: str = ""
    namespace: str = ""
    service: str = ""


MOST_COUNTED = 10_000
"""More than that are not counted for a list: counting all of a great many takes longer than a person waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The most urgent incidents of a filter, and how many there are in all; more than `MOST_COUNTED` are `MOST_COUNTED`
    + 1."""

    incidents: tuple[Incident, ...]
    total: int
    filter: Filter
