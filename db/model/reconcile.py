"""What a source's own list of live alerts says that the record does not know: alerts that were missed, and ends.

A live alert is *missed* when it is active, routed to us, older than the grace of a webhook that may be on its way, and
would be a new occurrence. Silenced and inhibited alerts are nobody's to be told of, and still fire.

An instance that the record believes firing is *over* when the list has not had its fingerprint in looks in a row, at
least two, for the whole grace. Whatever casts doubt on a list (a server that failed, that started a moment ago, an
element that could not be read) lets the count begin again. An Alertmanager says when it started; a Grafana does not,
and lists an alert only after its rule ran again: there the end that it had given the alert last must have passed too,
which is four intervals of the rule away. An instance of another server, of an unknown one, or of a rule that cannot
see at the moment is left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from db.model.alert import Alert, AlertKind, AlertState, place_of
from db.model.attribution import key_parts
from db.model.delivery import Delivery
from db.model.finding import CONTENT_TYPE
from db.model.identity import IncidentId, incident_key, of_origin, plain_fingerprint
from db.model.incident import Instance
from db.model.meaning import Meaning, meaning_of
from db.model.policy import Policy
from db.model.reason import Reason

T = TypeVar("T")

FOUND_BY = Reason.FOUND_BY_RECONCILIATION
"""The reason that timelines give."""

MOST_REMEMBERED = 20_000
"""Instances whose looks are remembered; in a larger storm the others wait until there is room."""

_SAME_START = timedelta(milliseconds=1)


class Standing(StrEnum):
    """What a source does with a live alert."""

    ACTIVE = "active"  # it is notified of
    SUPPRESSED = "suppressed"  # silenced, inhibited or muted: it fires, and nobody is told
    UNPROCESSED = "unprocessed"  # it came in a moment ago


@dataclass(frozen=True, slots=True)
class Live:
    """One alert of a source's list; its state is firing."""

    alert: Alert
    standing: Standing
    receivers: frozenset[str]  # contact points that its route leads to
    expires: datetime | None = None  # when it ends unless its rule fires again before


@dataclass(frozen=True, slots=True)
class Listing:
    """What the servers of a source list, as one."""

    alerts: tuple[Live, ...]
    complete: bool  # what is not listed does not fire: every server answered in full and has been up long enough
    origins: frozenset[str] = frozenset()  # whose list it is, by what is configured and by what the list says
    says_start: bool = True  # its servers say when they started, and `complete` counts on it


@dataclass(frozen=True, slots=True)
class Believed:
    """An instance that the record believes firing, perhaps without its labels, and the rule of its incident."""

    instance: Instance
    rule_uid: str


@dataclass(frozen=True, slots=True)
class Seen:
    """When the list had a fingerprint last, and until when it would have stayed by itself."""

    at: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Memory:
    """What one look leaves for the next; kept in the record, because another replica may take the next one."""

    missing: Mapping[str, datetime] = field(default_factory=dict)  # occurrence -> since which look it is not listed
    seen: Mapping[str, Seen] = field(default_factory=dict)  # fingerprint -> when it was listed last
    origins: frozenset[str] = frozenset()  # servers whose list this was found to be

    def as_json(self, servers: str) -> str:
        """The text that is kept; it is worth something only for the same `servers`, as they are configured."""
        return json.dumps(
            {
                "servers": servers,
                "missing": {name: _seconds(since) for name, since in self.missing.items()},
                "seen": {name: [_seconds(seen.at), _seconds(seen.expires)] for name, seen in self.seen.items()},
                "origins": sorted(self.origins),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str, servers: str) -> Memory:
        """Read the kept text; one of other servers or of another version is forgotten, which costs a few looks."""
        try:
            content: Any = json.loads(text)
            if content["servers"] != servers:
                return cls()
            return cls(
                missing={str(name): _moment(since) for name, since in content["missing"].items()},
                seen={
                    str(name): Seen(_moment(at), None if expires is None else _moment(expires))
                    for name, (at, expires) in content["seen"].items()
                },
                origins=frozenset(str(origin) for origin in content["origins"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return cls()


@dataclass(frozen=True, slots=True)
class Over:
    """An instance that does not fire any more, and since when."""

    believed: Believed
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Differences:
    """What is to be repaired, and what the next look has to know."""

    missed: tuple[Live, ...]
    over: tuple[Over, ...]
    memory: Memory
    alive: frozenset[IncidentId] = frozenset()  # incidents of which the list still has something that fires


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a look beside the list and the record."""

    receivers: frozenset[str]  # contact points that lead to us
    urgent: frozenset[str] = frozenset()  # of these, the ones whose last webhook was cut off: no grace for them
    sole_sender: str = ""  # the origin of the only server that ever sent webhooks of this source, if there is one
    senders: frozenset[str] = frozenset()  # the origins of all that ever did


def compare(
    listing: Listing,
    firing: Sequence[Believed],
    known: Mapping[str, Sequence[Instance]],
    memory: Memory,
    asked: Question,
    policy: Policy,
    now: datetime,
) -> Differences:
    """Compare a list with the record at `now`, UTC by the clock that all replicas share.

    `firing` is what the record believes firing of this source; `known` what it knows of the `names` of listed alerts,
    at least of those that `may_be_missed` names.
    """
    live = {one.alert.fingerprint: one for one in listing.alerts}
    origins = listing.origins | memory.origins | _vouched(live, firing, asked.sole_sender)
    missed = tuple(
        one
        for one in listing.alerts
        if may_be_missed(one, asked, policy, now)
        and all(
            meaning_of(one.alert, instance, now, policy) is Meaning.NEW_OCCURRENCE
            for name in names(one.alert, asked)
            for instance in known.get(name, ())
        )
    )
    ours = [believed for believed in firing if place_of(believed.instance.origin) in origins]
    blind = {one.alert.rule_uid for one in listing.alerts if one.alert.kind is AlertKind.BLIND}
    seen: dict[str, Seen] = {}
    missing: dict[str, datetime] = {}
    over: list[Over] = []
    for believed in ours:
        instance = believed.instance
        name = instance.fingerprint
        if listed := live.get(_said(instance)):
            seen[name] = Seen(now, listed.expires)
            continue
        if name in memory.seen:
            seen[name] = memory.seen[name]
        if not listing.complete or (believed.rule_uid in blind and instance.kind is AlertKind.NORMAL):
            continue
        since = memory.missing.get(_occurrence(instance), now)
        if since < instance.heard_at:
            since = now  # it began to fire, or fires again, since it was missed first
        if since < now and now >= _believable(since, seen.get(name), listing, policy.pulling.grace):
            over.append(Over(believed, max(seen[name].at if name in seen else since, instance.began)))
        missing[_occurrence(instance)] = since
    alive = frozenset(one.instance.incident_id for one in ours if _said(one.instance) in live)
    return Differences(missed, tuple(over), Memory(_bounded(missing), _bounded(seen), origins), alive)


def names(alert: Alert, asked: Question) -> list[str]:
    """The names under which the record may know an alert of a list: those of all servers that send, because which of
    them a list belongs to may not be known."""
    several = sorted(asked.senders) if len(asked.senders) > 1 else ()
    return [alert.fingerprint, *(of_origin(alert.fingerprint, origin) for origin in several)]


def may_be_missed(one: Live, asked: Question, policy: Policy, now: datetime) -> bool:
    """Whether an alert of the list is one that we should have been told of by now."""
    routed = one.receivers & asked.receivers
    starts_at = one.alert.starts_at
    if one.standing is not Standing.ACTIVE or not routed or starts_at is None:
        return False
    if one.alert.kind is AlertKind.NORMAL and policy.is_heartbeat(one.alert.labels):
        return False  # a sign of life opens nothing, so the record never has it firing
    return bool(routed & asked.urgent) or now - starts_at >= policy.pulling.grace


def merged(listings: Iterable[Sequence[Live]]) -> tuple[Live, ...]:
    """The lists of several servers of one source as one: what any of them has is live, and what any of them silences
    is silenced, because a silence reaches the others a moment later."""
    found: dict[str, Live] = {}
    for listing in listings:
        for one in listing:
            name = one.alert.fingerprint
            other = found.get(name)
            found[name] = one if other is None else _both(one, other)
    return tuple(found.values())


def end_of(over: Over, labelled: Instance, policy: Policy, source: str) -> Alert | None:
    """The alert that says an instance is over; None when an older policy filed it under another key than the present
    one would: that alert would never reach it."""
    labels = labelled.labels
    alertname = labels.get("alertname", "")
    blind = labelled.kind is AlertKind.BLIND
    alert = Alert(
        source=source,
        state=AlertState.RESOLVED,
        kind=labelled.kind,
        rule_uid=over.believed.rule_uid,
        alertname=labels.get("rulename", alertname) if blind else alertname,
        fingerprint=_said(labelled),
        labels=labels,
        annotations={},
        starts_at=labelled.starts_at,
        ends_at=over.ends_at,
        raw=json.dumps(
            {"status": "resolved", "labels": dict(labels), "endsAt": over.ends_at.isoformat()}, ensure_ascii=False
        ),
    )
    return alert if blind or incident_key(key_parts(alert, policy)) == labelled.key else None


def finding(alert: Alert, known: Sequence[Instance], body: bytes, now: datetime) -> Delivery:
    """The delivery that repairs the record. Replicas that found the same make the same `request_id`; it names what
    the record knew, so that an occurrence that is missed once more later is another finding."""
    parts = [FOUND_BY, alert.source, alert.fingerprint, alert.state.value, str(_seconds(alert.starts_at))]
    parts += sorted(f"{instance.incident_id}@{_seconds(instance.heard_at)}" for instance in known)
    parts += sorted(instance.fingerprint for instance in known if instance.fingerprint != alert.fingerprint)
    request_id = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]
    return Delivery(request_id=request_id, received_at=now, source=alert.source, content_type=CONTENT_TYPE, body=body)


def _vouched(live: Mapping[str, Live], firing: Sequence[Believed], sole_sender: str) -> frozenset[str]:
    """The only sender there is, if the list has an occurrence that it has sent: then the list is its own."""
    for believed in firing:
        instance = believed.instance
        one = live.get(_said(instance))
        if one is None or instance.origin != sole_sender or not sole_sender:
            continue
        if one.alert.starts_at and abs(one.alert.starts_at - instance.starts_at) < _SAME_START:
            return frozenset({sole_sender})
    return frozenset()


def _said(instance: Instance) -> str:
    """What its server calls an instance."""
    return plain_fingerprint(instance.fingerprint, instance.origin)


def _believable(since: datetime, seen: Seen | None, listing: Listing, grace: timedelta) -> datetime:
    """When an absence that began at `since` means that the alert is over."""
    if listing.says_start:
        return since + grace
    if seen is None:
        return since + 2 * grace  # never listed: how long its source would have kept it is not known
    return max(since + grace, seen.expires or since)


def _both(one: Live, other: Live) -> Live:
    both = (one.standing, other.standing)
    standing = next(way for way in (Standing.SUPPRESSED, Standing.ACTIVE, Standing.UNPROCESSED) if way in both)
    ends = [end for end in (one.expires, other.expires) if end is not None]
    return Live(one.alert, standing, one.receivers | other.receivers, max(ends, default=None))


def _occurrence(instance: Instance) -> str:
    return f"{instance.fingerprint}@{_seconds(instance.starts_at)}"


def _bounded(entries: dict[str, T]) -> dict[str, T]:
    return dict(list(entries.items())[:MOST_REMEMBERED])


def _seconds(at: datetime | None) -> float | None:
    """A time as kept and hashed: Unix seconds with milliseconds."""
    return None if at is None else int(at.timestamp() * 1000) / 1000


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
