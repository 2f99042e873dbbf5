"""Reads the one alert in a body of Grafana's legacy dashboard alerting: always up to version 7, by choice up to 10."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from db.model.alert import Alert, AlertKind, AlertState, Links
from db.model.identity import spelt
from db.model.source import GRAFANA_LEGACY
from receiver.sources import fields
from receiver.sources.wild import Wild, quoted

_TEST_NAMES = frozenset({"Test rule", "Test notification"})
_TEST_MESSAGE = "Someone is testing the alert notification"


@dataclass(frozen=True, slots=True)
class _Meaning:
    state: AlertState
    kind: AlertKind = AlertKind.NORMAL
    reason: str = ""


# `pending` is not here: the rule waits, it neither fires nor has it recovered, and Grafana does not notify of it.
# A paused rule sends nothing more, so its incident would stay open for ever; unified alerting resolves it as well.
_MEANINGS = {
    "alerting": _Meaning(AlertState.FIRING),
    "ok": _Meaning(AlertState.RESOLVED),
    "no_data": _Meaning(AlertState.FIRING, AlertKind.BLIND, "NoData"),
    "paused": _Meaning(AlertState.RESOLVED, reason="Paused"),
}


def read_alert(body: Wild) -> Alert:
    """The alert that the whole body is. Legacy alerting knows no labels, no times and no UID, only a numbered rule."""
    raw = body.stored()  # first of all, because it bounds the work that follows
    state = body.get("state")
    meaning = _MEANINGS.get(state.text().strip().lower())
    if meaning is None:
        raise state.error(f'expected "alerting", "ok", "no_data" or "paused", found {quoted(state.text())}')
    rule_id = spelt(body.get("ruleId").scalar_or(""))
    name = spelt(body.get("ruleName").scalar_or(""))
    if not rule_id and not name:
        raise body.get("ruleId").error("expected the number of the rule, found neither ruleId nor ruleName")
    message = body.get("message").text_or("")
    is_test = message.startswith(_TEST_MESSAGE) or (rule_id == "0" and name in _TEST_NAMES)
    fingerprint = fields.fnv1a(f"legacy:{body.get('orgId').scalar_or('')}:{rule_id or name}".encode())
    return Alert(
        source=GRAFANA_LEGACY.name,
        state=meaning.state,
        kind=AlertKind.TEST if is_test else meaning.kind,
        rule_uid=fields.rule_by_name("legacy", rule_id, "") if rule_id else fields.rule_by_name("name", name, ""),
        alertname=fields.shortened(name, fields.MAX_NAME),
        fingerprint=fingerprint,
        labels=fields.meaningful(_tags(body.get("tags"))),
        annotations={},
        starts_at=None,
        ends_at=None,
        values=_values(body.get("evalMatches")),
        summary="" if message.strip() in ("", "[no value]") else fields.shortened(message, fields.MAX_SUMMARY),
        reason=meaning.reason,
        links=Links(source=fields.web_address(body.get("ruleUrl").text_or(""))),
        raw=raw,
    )


def _tags(tags: Wild) -> Mapping[str, str]:
    """The tags of the rule, which are the only labels there are; older versions have none."""
    return {} if tags.is_absent else tags.texts()


def _values(matches: Wild) -> dict[str, float]:
    """What was measured, by the name of the series; further series of the same name get a number."""
    values: dict[str, float] = {}
    seen: Counter[str] = Counter()
    for match in matches.array() if matches.is_array else []:
        metric = match.get("metric").scalar_or("") if match.is_object else ""
        value = match.get("value").number_or_none() if metric else None
        if value is None:
            continue
        seen[metric] += 1
        values[metric if seen[metric] == 1 else f"{metric} {seen[metric]}"] = value
    return values
