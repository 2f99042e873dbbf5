"""What an alert means, given what is known of its instance.

An *occurrence* is (fingerprint, start); a source's list of alerts cuts the start to milliseconds, so two starts
less than one apart are the same. What an alert means depends on what is known of its instance:

  firing,   instance unknown                        a new occurrence
  firing,   same start, still firing                a repeat; of another kind (blind or not) a new occurrence
  firing,   same or earlier start, resolved         late, and ignored; after `refire_after` a new occurrence
  firing,   earlier start, still firing             late; also a start in the future, unless it is the same
  firing,   later start                             a new occurrence; one that fires on is told to nobody
  resolved, ended before the known start            late
  resolved, while its rule is blind                 held: it counts as firing until sight returns
  resolved, otherwise                               the instance resolves

A start that lay in the future when it arrived is compared as its arrival (`Instance.began`).
"Firing" of a held instance is read as if it were resolved.

Two servers may call different things by one fingerprint: the same rule file on two Grafanas, two clusters without a
label that tells them apart. What the second one fires is an instance with a name of its own (`name_of`), so that the
end that one server tells ends only what that server fired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from db.model.alert import Alert, AlertState, is_named, is_same_server
from db.model.identity import of_origin
from db.model.incident import Instance
from db.model.policy import Policy

_SAME_START = timedelta(milliseconds=1)
"""Alertmanager and Grafana write `startsAt` with nanoseconds in a webhook and with milliseconds in their lists."""


class Meaning(StrEnum):
    """What an alert turned out to be; counted in the answer, the logs and the metrics."""

    NEW_OCCURRENCE = "new_occurrence"
    REPEAT = "repeat"
    LATE = "late"
    RESOLVED = "resolved"
    HELD = "held"  # "resolved" of something whose rule cannot see
    RESOLVED_UNSEEN = "resolved_unseen"  # "resolved" of something we never heard firing


def is_of_another(instance: Instance, origin: str) -> bool:
    """Whether another server than this one fires the instance, as far as both are known."""
    if instance.origin == origin:  # almost always, and asked for every alert
        return False
    return is_named(origin) and is_named(instance.origin) and not is_same_server(instance.origin, origin)


def name_of(alert: Alert, origin: str, known: Callable[[str], Instance | None]) -> str:
    """The name of the instance that an alert of this server is about; `known` are those of the key, by name.

    The first server keeps the plain fingerprint. An end of the very start that another server told, from one that never
    told any, is of the same alert: replicas of one source whose addresses differ.
    """
    first = known(alert.fingerprint)
    if first is None or not is_of_another(first, origin):
        return alert.fingerprint
    own = of_origin(alert.fingerprint, origin)
    if alert.state is AlertState.RESOLVED and known(own) is None:
        replica = alert.starts_at is not None and _is_same(alert.starts_at, first.starts_at)
        return alert.fingerprint if replica else own
    return own


def values_text(alert: Alert) -> str:
    """The values of an alert as people read them: `A=0.0742, B=0.05`; without the outcomes of conditions."""
    if not alert.values:
        return ""
    said = [(name, number) for name, number in sorted(alert.values.items()) if not _is_condition(name, number)]
    return ", ".join(f"{name}={number:.6g}" for name, number in said)[:1000]


def _is_condition(name: str, number: float) -> bool:
    """Whether this is the outcome of a condition: Grafana names steps A, B, C, the query first, and a condition is 0
    or 1."""
    return number in (0, 1) and len(name) == 1 and "B" <= name <= "Z"


def meaning_of(alert: Alert, instance: Instance | None, now: datetime, policy: Policy) -> Meaning:
    """What an alert means, given what is known of its instance (see the table at the top)."""
    starts_at = alert.starts_at
    if alert.state is AlertState.RESOLVED:
        if instance is None:
            return Meaning.RESOLVED_UNSEEN
        if instance.is_held and (alert.ends_at is None or (instance.ends_at and alert.ends_at <= instance.ends_at)):
            return Meaning.REPEAT
        ended = alert.ends_at or now
        same_start = starts_at is None or _is_same(starts_at, instance.starts_at)
        if instance.state is AlertState.RESOLVED:
            return Meaning.REPEAT
        return Meaning.RESOLVED if same_start or ended > instance.began else Meaning.LATE
    if instance is None:
        return Meaning.NEW_OCCURRENCE
    if instance.state is AlertState.FIRING and not instance.is_held:
        if starts_at is None or _is_same(starts_at, instance.starts_at):
            return Meaning.REPEAT if alert.kind is instance.kind else Meaning.NEW_OCCURRENCE
        return Meaning.NEW_OCCURRENCE if instance.starts_at < starts_at <= now else Meaning.LATE
    same_start = starts_at is not None and _is_same(starts_at, instance.starts_at)
    if starts_at is None or (not same_start and _is_later(starts_at, instance.began)):
        return Meaning.NEW_OCCURRENCE
    return Meaning.NEW_OCCURRENCE if now - instance.heard_at >= policy.refire_after else Meaning.LATE


def repeated(instance: Instance, alert: Alert, meaning: Meaning, origin: str, now: datetime) -> Instance:
    """An instance after a repeat or something late: the same object, unless there are newer values of one that fires, a
    newer end of one that does not, or an origin where none was known."""
    after = instance
    if alert.state is AlertState.RESOLVED and alert.starts_at and _is_later(alert.starts_at, instance.starts_at):
        # the end of an occurrence whose beginning is still on its way, and must not fire when it comes
        after = replace(after, starts_at=alert.starts_at, ends_at=alert.ends_at or now, heard_at=now)
    if origin and not is_named(instance.origin) and (is_named(origin) or not instance.origin):  # now it is known
        after = replace(after, origin=origin)
    values = values_text(alert)
    older = alert.starts_at is not None and alert.starts_at < after.starts_at
    if meaning is Meaning.LATE or older or not values or values == instance.last_values:
        return after
    return replace(after, last_values=values)


def _is_same(start: datetime, known: datetime) -> bool:
    return abs(start - known) < _SAME_START


def _is_later(start: datetime, known: datetime) -> bool:
    return start - known >= _SAME_START
