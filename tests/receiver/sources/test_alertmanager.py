"""What one alert of Alertmanager says, where it differs from Grafana."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from db.model.alert import Alert, AlertKind
from receiver.sources.reading import read_alertmanager, read_grafana


def body(external_url: object = "http://am.example:9093", **changes: Any) -> bytes:
    """A small body of Alertmanager with one alert."""
    element = {"status": "firing", "labels": {"alertname": "A"}, "fingerprint": "00000000000000aa", **changes}
    return json.dumps({"version": "4", "alerts": [element], "externalURL": external_url}).encode()


def alert(external_url: object = "http://am.example:9093", **changes: Any) -> Alert:
    """A small alert with these changes, as it is read."""
    (found,) = read_alertmanager(body(external_url, **changes)).alerts
    return found


def test_the_name_stands_for_the_rule() -> None:
    assert alert().rule_uid == "am:A"
    assert alert(generatorURL="http://prometheus:9090/graph?g0.expr=up").rule_uid == "am:A"


def test_an_alert_without_a_name_stays_alone() -> None:
    assert alert(labels={"job": "x"}).rule_uid == "am:fingerprint=00000000000000aa"
    assert alert(labels={"job": "x"}).alertname == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"alertname": "A", "__alert_rule_uid__": "uid1"}},
        {"generatorURL": "https://grafana.example/alerting/grafana/uid1/view?orgId=1"},
    ],
)
def test_an_alert_that_grafana_handed_over_keeps_the_uid_of_its_rule(changes: dict[str, Any]) -> None:
    assert alert(**changes).rule_uid == "uid1"


def test_a_missing_fingerprint_is_that_of_the_labels() -> None:
    labels = {"alertname": "Watchdog", "prometheus": "monitoring/kps-prometheus", "severity": "none"}
    assert alert(fingerprint=None, labels=labels).fingerprint == "d68248beabce3f14"


def test_alertmanager_has_no_test_button() -> None:
    labels = {"alertname": "TestAlert", "instance": "Grafana"}
    assert alert(labels=labels).kind is AlertKind.NORMAL
    (found,) = read_grafana(body(labels=labels)).alerts
    assert found.kind is AlertKind.TEST


@pytest.mark.parametrize(
    ("labels", "matchers"),
    [
        ({"alertname": "A", "job": "x"}, '{alertname="A", job="x"}'),
        ({"alertname": 'quo"te'}, '{alertname="quo\\"te"}'),
        ({"alertname": "back\\slash\nline"}, '{alertname="back\\\\slash\\nline"}'),
        ({"alertname": "a&b=c#d%7D"}, '{alertname="a&b=c#d%7D"}'),
        ({"alertname": "결제 장애"}, '{alertname="결제 장애"}'),
        ({"a.b": "c", "with space": "d"}, '{"a.b"="c", "with space"="d"}'),
        ({"9a": "c", "é": "~._-", "_": "10.0.0.1:80"}, '{"9a"="c", "é"="~._-", _="10.0.0.1:80"}'),
        ({"alertname": "A", "empty": "", "n": 3}, '{alertname="A", n="3"}'),
    ],
)
def test_the_silence_form_has_a_matcher_for_each_label(labels: dict[str, object], matchers: str) -> None:
    form, _, query = alert(labels=labels).links.silence.partition("?filter=")
    assert form == "http://am.example:9093/#/silences/new"
    assert unquote(query) == matchers
    assert not set(query) & set(' "{}&=#<>|')


def test_the_silence_form_may_live_under_a_sub_path() -> None:
    assert alert("https://am.example/alertmanager/").links.silence == (
        "https://am.example/alertmanager/#/silences/new?filter=%7Balertname%3D%22A%22%7D"
    )


@pytest.mark.parametrize("external_url", ["", None, "am.example", "javascript:alert(1)", 7])
def test_without_an_address_there_is_no_silence_form(external_url: object) -> None:
    assert alert(external_url).links.silence == ""


def test_labels_too_long_for_an_address_give_no_silence_form() -> None:
    assert alert(labels={"alertname": "x" * 100_000}).links.silence == ""
    assert alert(labels={"x" * 5_000: "y", "z": "x" * 3_000}).links.silence == ""
    assert alert(labels={"alertname": "A", "x" * 50_000: ""}).links.silence  # what has no value needs no matcher
    assert alert(labels={}).links.silence == ""
