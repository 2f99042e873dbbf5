"""A source's own list is read to the same keys, fingerprints and values as its webhook."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from db.model.alert import Alert, AlertKind, AlertState, Links, Unreadable
from db.model.attribution import key_parts
from db.model.policy import Policy
from db.model.reconcile import Standing
from receiver.sources.live import ALERTMANAGER_LIST, GRAFANA_LIST, read_list, read_organisation, read_uptime
from receiver.sources.reading import read_alertmanager, read_grafana
from tests.servers.grafana import ROOT, Grafana
from tests.strategies import byte_bodies, json_values, unhurried

ALERTMANAGER = {
    "annotations": {"summary": "s"},
    "endsAt": "2026-11-21T03:30:27.186Z",
    "fingerprint": "6051004c729abe0e",
    "receivers": [{"name": "hub (prod)"}, {"name": "other"}],
    "startsAt": "2026-11-21T03:00:00.123Z",
    "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
    "updatedAt": "2026-11-21T03:25:27.186Z",
    "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up",
    "labels": {"alertname": "A", "x": "1"},
}
"""An element as Alertmanager 0.25 lists it."""


def listed(element: object) -> bytes:
    return json.dumps([element]).encode()


def of_alertmanager(**changes: Any) -> Any:
    (one,) = read_list(listed({**ALERTMANAGER, **changes}), ALERTMANAGER_LIST, "http://am.example:9093").alerts
    return one


def without_precision(alert: Alert) -> Alert:
    """An alert without what a list has otherwise: milliseconds, links of its own, its own raw element."""
    assert alert.starts_at is not None
    cut = alert.starts_at.replace(microsecond=alert.starts_at.microsecond // 1000 * 1000)
    return replace(alert, starts_at=cut, links=Links(), raw="")


@pytest.mark.parametrize("name", ["", "DatasourceNoData", "DatasourceError"])
def test_an_alert_of_grafana_is_the_one_of_its_webhook(name: str) -> None:
    grafana = Grafana()
    grafana.fire("pod-a", name=name, labels={"rulename": "Checkout 5xx ratio high"} if name else None)
    page = read_list(json.dumps(grafana.listed()).encode(), GRAFANA_LIST, "http://10.0.0.1:3000")
    (one,), (sent,) = page.alerts, read_grafana(grafana.webhook("pod-a")).alerts
    assert without_precision(one.alert) == without_precision(sent)
    assert key_parts(one.alert, Policy()) == key_parts(sent, Policy())
    assert one.alert.kind is (AlertKind.BLIND if name else AlertKind.NORMAL)
    assert one.alert.values == {"A": 0.0742, "C": 1.0}
    assert not any(label.startswith("__") for label in (*one.alert.labels, *one.alert.annotations))
    assert one.receivers == {"observer"}
    assert page.roots == {ROOT}
    assert one.alert.links.dashboard == f"{ROOT}/d/d1?orgId=1"
    assert one.alert.links.panel == f"{ROOT}/d/d1?orgId=1&viewPanel=7"
    assert "matcher=__alert_rule_uid__%3Dcheckout_5xx&" in one.alert.links.silence


def test_an_alert_of_alertmanager_is_the_one_of_its_webhook() -> None:
    sent = {**ALERTMANAGER, "status": "firing", "endsAt": "0001-01-01T00:00:00Z"}
    body = {"version": "4", "receiver": "hub", "externalURL": "http://am.example:9093", "alerts": [sent]}
    (webhook,) = read_alertmanager(json.dumps(body).encode()).alerts
    one = of_alertmanager()
    assert replace(one.alert, raw="") == replace(webhook, raw="")
    assert one.alert.state is AlertState.FIRING
    assert one.alert.ends_at is None
    assert one.receivers == {"hub (prod)", "other"}
    assert one.expires == datetime(2026, 11, 21, 3, 30, 27, 186_000, UTC)


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ({"state": "active", "silencedBy": [], "inhibitedBy": []}, Standing.ACTIVE),
        ({"state": "unprocessed", "silencedBy": [], "inhibitedBy": []}, Standing.UNPROCESSED),
        ({"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []}, Standing.SUPPRESSED),
        ({"state": "active", "silencedBy": [], "inhibitedBy": ["x"]}, Standing.SUPPRESSED),
        ({"state": "active", "mutedBy": ["night"]}, Standing.SUPPRESSED),
    ],
)
def test_what_is_silenced_inhibited_or_muted_is_suppressed(status: object, standing: Standing) -> None:
    assert of_alertmanager(status=status).standing is standing


@pytest.mark.parametrize(
    "changes",
    [
        {"status": {"state": "resolved"}},
        {"status": "firing"},
        {"labels": {"a": {}}},
        {"startsAt": "yesterday"},
        {"receivers": [{}]},
        {"receivers": None},
    ],
)
def test_an_element_that_cannot_be_read_is_counted_and_costs_no_other(changes: dict[str, Any]) -> None:
    body = json.dumps([{**ALERTMANAGER, **changes}, ALERTMANAGER]).encode()
    page = read_list(body, ALERTMANAGER_LIST, "http://am.example:9093")
    assert (len(page.alerts), page.rejected) == (1, 1)


@unhurried
@given(byte_bodies | json_values.map(listed))
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    for read in (
        lambda: read_list(body, GRAFANA_LIST, "http://grafana.example"),
        lambda: read_list(body, ALERTMANAGER_LIST, "http://am.example"),
        lambda: read_organisation(body),
        lambda: read_uptime(body),
    ):
        try:
            read()
        except Unreadable:
            continue


@unhurried
@given(json_values)
def test_any_annotation_leaves_the_alert_readable(value: object) -> None:
    element = {
        **ALERTMANAGER,
        "generatorURL": f"{ROOT}/alerting/grafana/u/view",
        "annotations": {"__values__": value, "__dashboardUid__": value, "__panelId__": value, "__orgId__": value},
    }
    page = read_list(json.dumps([element]).encode(), GRAFANA_LIST, "http://grafana.example")
    assert len(page.alerts) + page.rejected == 1


def test_the_organisation_and_the_start_are_read() -> None:
    assert read_organisation(b'{"id": 3, "name": "x"}') == "3"
    assert read_uptime(b'{"uptime": "2026-11-21T03:25:25.192Z"}') == datetime(2026, 11, 21, 3, 25, 25, 192_000, UTC)
    for body in (b"{}", b'{"id": "x"}', b'{"uptime": null}', b"[]"):
        with pytest.raises(Unreadable):
            read_organisation(body)
        with pytest.raises(Unreadable):
            read_uptime(body)
