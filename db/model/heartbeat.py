"""Heartbeats: alerts that only say their source is alive, and what it means when one of them stops."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from db.model.alert import Alert, AlertKind, AlertState, Reading
from db.model.incident import Severity
from db.model.patterns import Pattern
from db.model.sections import Matcher, Section, Sections
from db.model.source import OBSERVER

ALERTNAME = "HeartbeatStopped"

_SHORTEST = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Which alerts are a heartbeat, and when it counts as stopped."""

    match: Matcher
    missing_after: timedelta | None = None  # None: it may stop without anybody being told
    severity: Severity = Severity.CRITICAL


WATCHDOG = (Heartbeat(Matcher((("alertname", Pattern("Watchdog")),))),)
"""The heartbeats of an absent policy file."""


def read_heartbeats(file: Sections) -> tuple[Heartbeat, ...]:
    """The entries `[[heartbeats]]` of the policy file."""
    if "heartbeats" not in file.data:
        return WATCHDOG
    return tuple(_heartbeat(section) for section in file.entries("heartbeats", {"match", "missing_after", "severity"}))


def _heartbeat(section: Section) -> Heartbeat:
    missing_after: timedelta | None = None
    if "missing_after" in section.values:
        missing_after = section.duration("missing_after", _SHORTEST)
        if missing_after < _SHORTEST:
            section.problem("missing_after", "must be 10 seconds or more; leave it out to be told nothing")
    severity = section.values.get("severity", Severity.CRITICAL.value)
    if not any(severity == known for known in Severity):
        section.problem("severity", f"must be one of {', '.join(Severity)}, not {severity!r}")
        severity = Severity.CRITICAL.value
    return Heartbeat(section.matcher(), missing_after, Severity(severity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is known of one heartbeat; all times by the clock of the database."""

    source: str
    fingerprint: str
    alertname: str
    labels: Mapping[str, str]
    heard_at: datetime
    ended: bool  # its source said "resolved"
    stopped_at: datetime | None  # the `heard_at` after which it was found stopped, until that is over
    silent: timedelta  # since `heard_at`


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be recorded of a heartbeat; the same on every replica, by its request id."""

    request_id: bytes
    reading: Reading


def beats(alert: Alert) -> bool:
    """Whether a heartbeat says that it is alive; "resolved" says that it is not."""
    return alert.state is AlertState.FIRING


def stopped(pulse: Pulse, heartbeat: Heartbeat, watched: timedelta, labels: Mapping[str, str]) -> Finding | None:
    """That a heartbeat stopped, if it did and that is not recorded yet.

    `watched` is for how long Observer has been able to hear: what it missed while it was down says nothing. `labels`
    give the finding its severity.
    """
    if heartbeat.missing_after is None or pulse.stopped_at is not None:
        return None
    if not pulse.ended and min(pulse.silent, watched) < heartbeat.missing_after:
        return None
    return _finding(pulse, "stopped", labels, starts_at=pulse.heard_at, ends_at=None)


def beats_again(pulse: Pulse) -> Finding | None:
    """That a heartbeat which had stopped was heard again."""
    if pulse.stopped_at is None or pulse.ended or pulse.heard_at <= pulse.stopped_at:
        return None
    return _finding(pulse, "again", {}, starts_at=pulse.stopped_at, ends_at=pulse.heard_at)


def _finding(
    pulse: Pulse, what: str, labels: Mapping[str, str], *, starts_at: datetime, ends_at: datetime | None
) -> Finding:
    name = pulse.alertname or "without a name"
    where = next((pulse.labels[one] for one in ("cluster", "prometheus", "job") if pulse.labels.get(one)), pulse.source)
    alert = Alert(
        source=OBSERVER.name,
        state=AlertState.FIRING if ends_at is None else AlertState.RESOLVED,
        kind=AlertKind.NORMAL,
        rule_uid=f"heartbeat:{pulse.source}:{name}"[:255],
        alertname=f"Heartbeat {name} of {where} stopped"[:255],
        fingerprint=pulse.fingerprint,
        labels={**pulse.labels, **labels, "alertname": ALERTNAME, "heartbeat": name},
        annotations={},
        starts_at=starts_at,
        ends_at=ends_at,
        summary=f"The heartbeat {name} of {where} is not heard any more: its alerts may not arrive either."[:3000],
    )
    identity = "|".join(("heartbeat", what, pulse.source, pulse.fingerprint, starts_at.isoformat()))
    reading = Reading(source=OBSERVER.name, alerts=(replace(alert, raw='{"found":"by Observer"}'),))
    return Finding(hashlib.sha256(identity.encode()).digest()[:16], reading)
