"""Reads a whole webhook body: tells the shapes apart, reads each alert, and keeps what could not be read apart.

| shape | known by |
| --- | --- |
| Grafana 8 to 13, unified alerting | `version` "1", or `alerts` with labels and status |
| Alertmanager, and Grafana with an imported Alertmanager configuration | `version` "4" |
| Grafana up to 7, legacy alerting | `evalMatches` or `ruleId`, and no `alerts` |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from db.model.alert import Alert, AlertState, Reading, Rejected, Unreadable
from db.model.source import ALERTMANAGER, GRAFANA, GRAFANA_LEGACY, Source
from receiver.sources import alertmanager, fields, grafana, legacy
from receiver.sources.wild import Wild, parse_json, quoted

MAX_ALERTS = 40_000
"""Elements of `alerts` in one body. More do not fit into 10 MiB when they are real; rubbish would take minutes."""

MAX_RECEIVER = 1_000

_GRAFANA_BODY = "a Grafana webhook body (an object with `alerts`, or with `ruleId` and `state` of legacy alerting)"
_ALERTMANAGER_BODY = 'an Alertmanager webhook body (an object with `version` "4" and `alerts`)'

# Top-level keys that Grafana writes and Alertmanager does not.
_GRAFANA_MARKS = ("orgId", "state", "title", "appVersion")

# What other senders' bodies are known by: all of these keys. None of them can be read: their shapes are templates.
_STRANGERS = (
    ("a New Relic issue", ("issueUrl", "workflowName")),
    ("a New Relic issue", ("issueUrl", "impactedEntities")),
    ("a New Relic incident", ("current_state", "condition_id")),
    ("a Datadog event", ("last_updated", "event_type")),
    ("a Datadog event", ("alert_transition",)),
    ("a document of ElastAlert", ("num_hits", "num_matches")),
    ("a Kibana action", ("action_group",)),
    ("an Amazon SNS message", ("Type", "TopicArn")),
    ("a Slack message", ("blocks",)),
    ("a single alert outside of `alerts`", ("labels", "status")),
)
_SOURCES = {"elastalert2": "a document of ElastAlert", "kibana": "a Kibana action", "watcher": "an Elasticsearch watch"}

# The characters that Go's regexp.QuoteMeta puts a backslash before.
_ESCAPED = re.compile(r"\\([\\.+*?()|\[\]{}^$])")


class OtherShape(Unreadable):
    """The body belongs to the other path, whose senders prove themselves in another way."""


class NothingSaid(Unreadable):
    """The body has the shape of one with alerts, and there is none in it."""


class _Shape(Enum):
    GRAFANA = auto()
    ALERTMANAGER = auto()
    LEGACY = auto()


def read_grafana(body: bytes, *, own_only: bool = False) -> Reading:
    """What a body posted to Grafana's webhook says; `Unreadable` when no alert can be read from it.

    A body in Alertmanager's shape is read as such, under the name of Grafana; with `own_only` it is `OtherShape`.
    """
    root = _in_usual_form(parse_json(body))
    shape = _shape_of(root, _Shape.GRAFANA, _GRAFANA_BODY)
    if own_only and shape is _Shape.ALERTMANAGER:
        raise _other(root, "Alertmanager", "Grafana", "/webhook/alertmanager")
    return _read(root, shape, GRAFANA)


def read_alertmanager(body: bytes, *, own_only: bool = False) -> Reading:
    """What a body posted to Alertmanager's webhook says; `Unreadable` when no alert can be read from it.

    A body of Grafana that was posted here by mistake is read as one of Grafana; with `own_only` it is `OtherShape`.
    """
    root = _in_usual_form(parse_json(body))
    shape = _shape_of(root, _Shape.ALERTMANAGER, _ALERTMANAGER_BODY)
    if own_only and shape is not _Shape.ALERTMANAGER:
        raise _other(root, "Grafana", "Alertmanager", "/webhook/grafana")
    return _read(root, shape, ALERTMANAGER)


def _in_usual_form(root: Wild) -> Wild:
    """The body with its alerts in a list under `alerts`: templates of custom payloads write them alone, or packed into
    a text."""
    if root.is_array:
        elements = root.array() if root.size <= MAX_ALERTS else []
        return root.as_member("alerts") if elements and all(map(_is_whole, elements)) else root
    if not root.is_object:
        return root
    alerts = root.get("alerts")
    if alerts.is_array:
        return root
    if alerts.is_absent:
        return root.in_list().as_member("alerts") if _is_whole(root) else root
    alerts = alerts.unpacked()
    if alerts.is_object and alerts.get("labels").size:
        alerts = alerts.in_list()
    return root.with_members(alerts=alerts) if alerts.is_array else root


def _is_whole(element: Wild) -> bool:
    """Whether this is an alert by itself."""
    return element.has("labels", "status") and element.get("labels").size > 0


def _other(root: Wild, found: str, expected: str, path: str) -> OtherShape:
    reason = (
        f"this is a body of {found}'s shape on the path of {expected}, and the two prove themselves in different ways "
        f"(WEBHOOK_AUTH and WEBHOOK_AUTH_ALERTMANAGER): send it to {path}"
    )
    return OtherShape(root.error(reason).path, reason)


def _read(root: Wild, shape: _Shape, source: Source) -> Reading:
    """All alerts of a body of a known shape."""
    if shape is _Shape.LEGACY:
        return Reading(source=GRAFANA_LEGACY.name, alerts=(legacy.read_alert(root),))
    external_url = fields.web_address(root.text_of("externalURL"))
    tested = grafana.tested_fingerprint(root.text_of("groupKey"))
    if shape is _Shape.GRAFANA:
        source = GRAFANA
        alerts, rejected = _read_each(root, lambda element: grafana.read_alert(element, tested))
    else:
        alerts, rejected = _read_each(
            root, lambda element: alertmanager.read_alert(element, source, tested, external_url)
        )
    return Reading(
        source=source.name,
        alerts=alerts,
        rejected=rejected,
        truncated=root.count_of("truncatedAlerts"),
        receiver=_unescaped(root.text_of("receiver")[:MAX_RECEIVER]),
        external_url=external_url,
        org=str(root.count_of("orgId") or "") if source.has_rules else "",
    )


def _unescaped(text: str) -> str:
    """A text before Go's regexp.QuoteMeta; most texts have nothing that it would escape."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _read_each(root: Wild, read_alert: Callable[[Wild], Alert]) -> tuple[tuple[Alert, ...], tuple[Rejected, ...]]:
    """The alerts that can be read and the elements that cannot; one bad alert does not cost the others."""
    elements = root.get("alerts").array()
    if not elements:
        raise NothingSaid("alerts", "expected at least one alert, found none")
    alerts: list[Alert] = []
    rejected: list[Rejected] = []
    for element in elements:
        try:
            whole = _completed(element, root)
            alert = read_alert(whole)
        except Unreadable as error:
            rejected.append(Rejected(error.path, error.reason))
            continue
        alerts.append(alert)
        if alert.starts_at is None or (alert.ends_at is None and alert.state is AlertState.RESOLVED):
            rejected.extend(_unread_times(whole, alert.state))
    if not alerts:
        rest = f" (none of the {len(rejected)} alerts can be read)" if len(rejected) > 1 else ""
        raise Unreadable(rejected[0].path, rejected[0].reason + rest)
    return tuple(alerts), tuple(rejected)


def _completed(element: Wild, root: Wild) -> Wild:
    """The element, with what it leaves out and the body says of all alerts together: state, labels, annotations.

    The state of the body is not that of every alert in it, so an alert's own one comes first, and an end that is said
    means that it is over: a source gives none while an alert fires.
    """
    labels = element.get("labels")
    if element.text_of("status") and labels.is_object:  # as nearly all have
        return element
    shared = (root.get(name) for name in ("commonLabels", "groupLabels"))
    if labels.is_absent and (common := next((one for one in shared if one.is_object and one.size), None)):
        element = element.with_members(labels=common)
        if element.get("annotations").is_absent:
            element = element.with_members(annotations=root.get("commonAnnotations"))
    elif labels.unpacked().is_object:
        element = element.with_members(labels=labels.unpacked())
    if not element.has("status"):
        own = fields.state_said(element.text_of("state"))
        state = own or fields.state_said(root.text_of("status")) or fields.state_said(root.text_of("state"))
        if state is AlertState.FIRING and not own and element.time_of("endsAt"):
            state = AlertState.RESOLVED
        if state is not None:
            element = element.with_members(status=Wild(state.value))
    return element


def _unread_times(element: Wild, state: AlertState) -> list[Rejected]:
    """The times of an alert that could not be read: it is recorded without them."""
    names = ("startsAt", "endsAt") if state is AlertState.RESOLVED else ("startsAt",)
    problems = [element.get(name).time_problem() for name in names]
    return [Rejected(problem.path, problem.reason) for problem in problems if problem is not None]


def _shape_of(root: Wild, usual: _Shape, expected: str) -> _Shape:
    """Which shape a body has; `usual` is the one to take where nothing else decides."""
    if not root.is_object:
        found = "a list of alerts, as for Alertmanager's own API" if _is_list_of_alerts(root) else root.kind
        raise root.error(f"expected {expected}, found {found}")
    version = root.get("version").scalar_or("")
    alerts = root.get("alerts")
    if alerts.is_array and alerts.size > MAX_ALERTS:
        raise alerts.error(f"expected at most {MAX_ALERTS:,} alerts, found {alerts.size:,}")
    if alerts.is_array and (version in ("1", "4") or _holds_alerts(root)):
        if version == "4":
            return _Shape.ALERTMANAGER
        if version == "1" or any(root.has(mark) for mark in _GRAFANA_MARKS):
            return _Shape.GRAFANA
        return usual
    if alerts.is_absent and (root.has("evalMatches") or root.has("ruleId", "state")):
        return _Shape.LEGACY
    if root.has("alerts") and alerts.is_absent:  # how Go writes an empty list
        raise NothingSaid("alerts", "expected an array, found null")
    if version in ("1", "4"):
        alerts.array()  # which is not one: the error says what is there instead
    raise root.error(f"expected {expected}; this looks like {_looks_like(root)}")


def _holds_alerts(root: Wild) -> bool:
    """Whether some element is an alert by its look; an empty list is one of no alerts, and said so later."""
    elements = root.get("alerts").array()
    objects = (element for element in elements if element.is_object)
    return not elements or any(_completed(element, root).has("labels", "status") for element in objects)


def _is_list_of_alerts(root: Wild) -> bool:
    return root.is_array and root.size <= MAX_ALERTS and any(element.has("labels") for element in root.array())


def _looks_like(root: Wild) -> str:
    """What an unknown body is, for somebody who has pointed another sender here."""
    for stranger, keys in _STRANGERS:
        if root.has(*keys):
            return stranger
    if stranger_by_name := _SOURCES.get(root.text_of("source")):
        return stranger_by_name
    names = list(root.object())
    if not names:
        return "an empty object"
    return "an object with " + ", ".join(quoted(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
