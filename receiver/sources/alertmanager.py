"""Reads one alert of Alertmanager's webhook body, version 4, which Grafana also sends for imported configurations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from db.model.alert import Alert, AlertKind, AlertState, Links
from db.model.source import Source
from receiver.sources import fields, grafana
from receiver.sources.wild import Wild

# What needs no escape, neither in a matcher nor in an address.
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.~-]*")


def read_alert(element: Wild, source: Source, tested: str, external_url: str) -> Alert:
    """The alert in one element of `alerts`; `Unreadable` names the place when labels, state or a time are wrong.

    Alertmanager knows no rules, so the name of the alert stands for the rule: `am:<alertname>`. `generatorURL` would
    not do: it is the expression, and changes with every edit. Only an alert that a Grafana has handed over keeps the
    UID of its rule, so that it means the same rule on both ways.
    """
    state = fields.state_of(element)
    raw = element.stored()  # first of all, because it bounds the work that follows
    all_labels = element.texts_of("labels")
    labels = fields.meaningful(all_labels)
    annotations = fields.meaningful(fields.annotation_texts(element.get("annotations")))
    uid = fields.grafana_rule_uid(element, all_labels)
    fingerprint = fields.fingerprint(element, all_labels, "")  # nothing was stripped here, so nothing has to be added
    kind, alertname = fields.kind_and_name(labels)
    if source.has_rules and grafana.is_test(element, tested, uid, alertname, fingerprint):
        kind = AlertKind.TEST
    # A Grafana that speaks this dialect gives its own address as externalURL, and has no such silence form there.
    form = "" if source.has_rules and (uid or kind is AlertKind.TEST) else external_url
    return Alert(
        source=source.name,
        state=state,
        kind=kind,
        rule_uid=uid or fields.rule_by_name("am", alertname, fingerprint),
        alertname=fields.shortened(alertname, fields.MAX_NAME),
        fingerprint=fingerprint,
        labels=labels,
        annotations=annotations,
        starts_at=element.time_of("startsAt"),
        ends_at=element.time_of("endsAt") if state is AlertState.RESOLVED else None,
        values=element.numbers_of("values"),
        summary=fields.summary_of(annotations),
        reason=fields.reason_of(labels, annotations),
        links=Links(
            source=fields.web_address(element.text_of("generatorURL")),
            dashboard=fields.address_or_text(element.text_of("dashboardURL")),
            panel=fields.address_or_text(element.text_of("panelURL")),
            runbook=fields.runbook_of(annotations),
            silence=fields.web_address(element.text_of("silenceURL")) or silence_form(form, all_labels),
        ),
        raw=raw,
    )


def silence_form(external_url: str, labels: Mapping[str, str]) -> str:
    """The address of Alertmanager's form for a new silence with one matcher per label, or an empty text."""
    if not external_url:
        return ""
    matchers: list[str] = []
    left = fields.MAX_LINK
    for name, value in labels.items():
        if value:
            left -= len(name) + len(value)
            if left < 0:  # before time is spent on a text that no address can hold
                return ""
            matchers.append(_matcher(name, value))
    if not matchers:
        return ""
    return fields.web_address(f"{external_url.rstrip('/')}/#/silences/new?filter=%7B{'%2C%20'.join(matchers)}%7D")


def _matcher(name: str, value: str) -> str:
    """The matcher `name="value"` as it stands in the query of an address.

    Since Alertmanager 0.27 any text can be the name of a label, in quotation marks.
    """
    is_word = name.isascii() and name.isidentifier()  # letters, digits and underscores, no digit first
    label = name if is_word else f"%22{_escaped(name)}%22"
    return f"{label}%3D%22{_escaped(value)}%22"


def _escaped(text: str) -> str:
    """A text between the quotation marks of a matcher, escaped as Alertmanager does, and then for an address."""
    if _PLAIN_TEXT.fullmatch(text):
        return text
    return quote(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"), safe="")
