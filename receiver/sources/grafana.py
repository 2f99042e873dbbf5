"""Reads one alert of Grafana's unified alerting, versions 8 to 13, also in the stock custom payload."""

from __future__ import annotations

import re

from db.model.alert import Alert, AlertKind, AlertState, Links
from db.model.source import GRAFANA
from receiver.sources import fields
from receiver.sources.wild import Wild

# The labels of the Test button's alert are always alertname=TestAlert, instance=Grafana, unless the user adds some.
_TEST_FINGERPRINT = "57c6d9296de2ad39"
_TEST_NAME = "TestAlert"
# A real group key begins with `{}`; that of the Test button is `<integration>-<fingerprint>-<unix seconds>`.
_TEST_GROUP_KEY = re.compile(r"[^{}]+-([0-9a-f]{16})-[0-9]+")


def read_alert(element: Wild, tested: str) -> Alert:
    """The alert in one element of `alerts`; `Unreadable` names the place when labels, state or a time are wrong.

    What only decorates (values, links) is left out when it is not what it should be. `tested` is the fingerprint that
    `tested_fingerprint` has found for the body.
    """
    state = fields.state_of(element)
    raw = element.stored()  # first of all, because it bounds the work that follows
    all_labels = element.texts_of("labels")
    labels = fields.meaningful(all_labels)
    annotations = fields.meaningful(fields.annotation_texts(element.get("annotations")))
    uid = fields.grafana_rule_uid(element, all_labels)
    fingerprint = fields.fingerprint(element, all_labels, uid)
    kind, alertname = fields.kind_and_name(labels)
    if is_test(element, tested, uid, alertname, fingerprint):
        kind = AlertKind.TEST
    return Alert(
        source=GRAFANA.name,
        state=state,
        kind=kind,
        rule_uid=uid or fields.rule_by_name("name", alertname, fingerprint),
        alertname=fields.shortened(alertname, fields.MAX_NAME),
        fingerprint=fingerprint,
        labels=labels,
        annotations=annotations,
        starts_at=element.time_of("startsAt"),
        # While an alert fires its end is the zero time or a guess, so it is not even read.
        ends_at=element.time_of("endsAt") if state is AlertState.RESOLVED else None,
        values=element.numbers_of("values"),
        summary=fields.summary_of(annotations),
        reason=fields.reason_of(labels, annotations),
        links=Links(
            source=fields.web_address(element.text_of("generatorURL")),
            dashboard=fields.address_or_text(element.text_of("dashboardURL")),
            panel=fields.address_or_text(element.text_of("panelURL")),
            runbook=fields.runbook_of(annotations),
            silence=fields.web_address(element.text_of("silenceURL")),
        ),
        raw=raw,
    )


def tested_fingerprint(group_key: str) -> str:
    """The fingerprint of the alert that a Test button has made, by the group key of its body; else an empty text."""
    if group_key.startswith("{"):  # as nearly all do
        return ""
    match = _TEST_GROUP_KEY.fullmatch(group_key)
    return match[1] if match else ""


def is_test(element: Wild, tested: str, uid: str, alertname: str, fingerprint: str) -> bool:
    """Whether the Test button of a contact point made this alert: it belongs to no rule and is never resolved."""
    if fingerprint == _TEST_FINGERPRINT:
        return True
    if uid:
        return False
    if alertname == _TEST_NAME and not element.text_of("generatorURL"):
        return True
    return fingerprint == tested
