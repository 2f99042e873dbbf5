"""Blind monitoring: what it means for incidents that a rule cannot see its data, and when silence is over.

All `DatasourceNoData` and `DatasourceError` alerts of one data source are one incident, "No data from X". The open
incidents of a blind rule are *unobserved*. A "resolved" that comes meanwhile is *held*: Grafana lets an alert expire as
"resolved" when its query has no data, so it is silence and no recovery. Once the rule sees again, what fires again
takes its held instance back, and after `settle` the rest of what was held has recovered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from db.model.alert import Alert, AlertState
from db.model.identity import Actor, ActorKind, IncidentId, IncidentKey, KeyParts
from db.model.incident import BLIND_PREFIX, Event, EventKind, Incident, Instance, Status
from db.model.lifecycle import released, reopened, visibly
from db.model.reason import Reason
from db.model.sections import Sections

OBSERVER = Actor(ActorKind.OBSERVER, "blind")
"""Who resolves what was held."""

BLIND_TITLE = "No data from "
"""What the title of a data source's incident begins with in the record; cards say it in their own language."""

_MOST_NAME = 150
_SILENT = ("NoData", "Error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """What a team decides about blind rules: the table `[blind]`."""

    window: timedelta = timedelta(minutes=10)  # blindness this soon after it was over is the same incident
    settle: timedelta = timedelta(minutes=5)  # after sight returned: what does not fire within it has recovered
    by_origin: bool = False  # several Grafanas whose data sources have equal uids
    names: Mapping[str, str] = field(default_factory=dict)  # data source uid -> what people call it

    def name(self, uid: str) -> str:
        """What people call a data source."""
        return self.names.get(uid, uid)


def read_blindness(file: Sections) -> Blindness:
    """The table `[blind]` of the policy file."""
    default = Blindness()
    section = file.table("blind", {"window", "settle", "by_origin", "names"})
    by_origin = section.values.get("by_origin", default.by_origin)
    if not isinstance(by_origin, bool):
        section.problem("by_origin", f"must be true or false, not {by_origin!r}")
        by_origin = default.by_origin
    names = section.values.get("names", {})
    if not isinstance(names, Mapping) or not all(isinstance(name, str) and name for name in names.values()):
        section.problem("names", 'must be a table such as { PBFA97CFB590B2093 = "prometheus-main" }')
        names = {}
    return Blindness(
        window=section.duration("window", default.window),
        settle=section.duration("settle", default.settle),
        by_origin=by_origin,
        names={str(uid): str(name) for uid, name in names.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindRule:
    """A rule that cannot see: one of its blind alerts fires."""

    rule_uid: str
    fingerprint: str  # of that alert
    key: IncidentKey  # of the incident of the data source
    incident_id: IncidentId
    source: str  # the data source as people call it
    since: datetime


def blind_parts(alert: Alert, blindness: Blindness, origin: str) -> KeyParts:
    """The key of a blind alert: its data source. `origin` is the host of the Grafana, used with `by_origin`.

    Legacy Grafana does not name the data source, so its rule stands for it.
    """
    uid = alert.labels.get("datasource_uid", "")
    name = uid if uid else f"rule:{alert.rule_uid}"
    if uid and blindness.by_origin and origin:
        name = f"{uid}@{origin}"
    return KeyParts(BLIND_PREFIX + _bounded(name))


def source_name(alert: Alert, blindness: Blindness) -> str:
    """What people call the data source of a blind alert; without one the name of the rule."""
    uid = alert.labels.get("datasource_uid", "")
    return (blindness.name(uid) if uid else alert.alertname or alert.rule_uid)[:_MOST_NAME]


def kept_rule(rule_uid: str) -> str:
    """A rule's uid as the record keeps it, in 255 characters."""
    return rule_uid if len(rule_uid) <= 255 else rule_uid[:254] + "…"


def says_silence(alert: Alert) -> bool:
    """Whether a normal alert says itself that it resolved for want of data (`grafana_state_reason`)."""
    return alert.reason.split(",")[0].strip() in _SILENT


def lose_sight(incident: Incident, rule: BlindRule) -> Incident:
    """The rule of this open incident went blind."""
    return replace(
        incident,
        unobserved_since=rule.since, blind_on=rule.source, blind_incident=rule.incident_id, sight_at=None,
    )  # fmt: skip


def regain_sight(incident: Incident, now: datetime) -> Incident:
    """The rule of this open incident sees again; what is held waits for `settle` from now on."""
    return replace(
        incident,
        unobserved_since=None, blind_on="", blind_incident=None, sight_at=now if incident.held else None,
    )  # fmt: skip


def sight_event(incident: Incident, kind: EventKind, rule: BlindRule, actor: Actor, now: datetime) -> Event:
    """That the rule of an incident went blind, or sees again."""
    details = {"on": rule.source, "incident": rule.incident_id}
    return Event(incident_id=incident.incident_id, at=now, kind=kind, actor=actor, details=details)


def doubted(incident: Incident, members: Sequence[Instance]) -> tuple[Incident, tuple[Instance, ...]]:
    """An incident that resolved by itself just before its rule went blind, open again with what resolved then held.

    Grafana's expiry and `DatasourceNoData` may come in either order (with a pending period the expiry is first).
    """
    held = tuple(replace(one, state=AlertState.FIRING, ends_at=one.ends_at or one.heard_at) for one in members)
    again = reopened(incident)
    firing = again.instances_firing + len(held)
    return replace(again, instances_firing=firing, held=again.held + len(held)), held


@dataclass(frozen=True, slots=True)
class Settled:
    """What waited for sight took effect."""

    incident: Incident
    instances: tuple[Instance, ...]
    event: Event


def settled(incident: Incident, held: Sequence[Instance], now: datetime) -> Settled:
    """The held instances of an open incident have recovered; with nothing else firing it is resolved."""
    over = tuple(replace(one, state=AlertState.RESOLVED, heard_at=now) for one in held)
    firing = max(0, incident.instances_firing - len(held))
    details = {"instances": len(held)}
    if firing:
        kept = replace(incident, instances_firing=firing, held=0, sight_at=None)
        event = Event(
            incident_id=incident.incident_id, at=now, kind=EventKind.PARTLY_RESOLVED, actor=OBSERVER,
            reason=Reason.RECOVERED_WITHOUT_DATA, details=details,
        )  # fmt: skip
        return Settled(visibly(kept, event), over, event)
    event = Event(
        incident_id=incident.incident_id, at=now, kind=EventKind.RESOLVED, actor=OBSERVER,
        reason=Reason.RECOVERED_WITHOUT_DATA,
        from_status=incident.status, to_status=Status.RESOLVED, details=details,
    )  # fmt: skip
    resolved = released(replace(incident, status=Status.RESOLVED, resolved_time=now, resolved_by=OBSERVER))
    return Settled(visibly(replace(resolved, instances_firing=0), event), over, event)


def _bounded(name: str) -> str:
    """A name that fits into the record; a cut one keeps apart from others by its hash."""
    if len(name) <= _MOST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[: _MOST_NAME - 17]}~{digest}"
