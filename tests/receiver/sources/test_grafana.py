"""What one alert of Grafana says: its rule, its kind, its texts, its links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from db.model.alert import Alert, AlertKind, AlertState
from receiver.sources.reading import read_grafana

ROOT = "https://grafana.example"
VIEW = ROOT + "/alerting/grafana/from-path/view?orgId=1"
SILENCE = ROOT + "/alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3Dfrom-silence&matcher=a%3Db"


def alert(group_key: str = "{}:{}", **changes: Any) -> Alert:
    """A small alert with these changes, as it is read."""
    element = {"status": "firing", "labels": {"alertname": "A"}, "fingerprint": "00000000000000aa", **changes}
    body = {"version": "1", "alerts": [element], "groupKey": group_key}
    (found,) = read_grafana(json.dumps(body).encode()).alerts
    return found


# The rule


@pytest.mark.parametrize(
    ("changes", "rule_uid"),
    [
        (
            {
                "ruleUID": "from-field",
                "labels": {"__alert_rule_uid__": "from-label"},
                "generatorURL": VIEW,
                "silenceURL": SILENCE,
            },
            "from-field",
        ),
        ({"labels": {"__alert_rule_uid__": "from-label"}, "generatorURL": VIEW, "silenceURL": SILENCE}, "from-label"),
        ({"generatorURL": VIEW, "silenceURL": SILENCE}, "from-path"),
        ({"generatorURL": ROOT + "/explore?q=1", "silenceURL": SILENCE}, "from-silence"),
        ({"silenceURL": SILENCE.replace("%3D", "=").replace("?alertmanager=grafana&", "?")}, "from-silence"),
        ({"generatorURL": ROOT + "/sub/path/alerting/early_9/edit"}, "early_9"),
        ({"generatorURL": ROOT + "/alerting/grafana/trailing/view/"}, "trailing"),
        ({"generatorURL": ROOT + "/alerting/grafana/x/view#/alerting/grafana/y/view"}, "x"),
        ({"generatorURL": "http://prometheus:9090/graph?g0.expr=/alerting/grafana/x/view"}, "name:A"),
        ({"ruleUID": "not a uid", "generatorURL": VIEW}, "from-path"),
        ({"ruleUID": "", "generatorURL": VIEW}, "from-path"),
        ({"ruleUID": None, "generatorURL": VIEW}, "from-path"),
        ({"ruleUID": 7, "generatorURL": 7, "silenceURL": None}, "name:A"),
        ({"ruleUID": "u" * 40}, "u" * 40),
        ({"ruleUID": "u" * 41}, "name:A"),
        ({"labels": {"alertname": "DatasourceError", "rulename": "B"}}, "name:B"),
        ({"labels": {"alertname": "DatasourceNoData"}}, "name:DatasourceNoData"),
        ({"labels": {"alertname": "[no value]"}}, "name:fingerprint=00000000000000aa"),
        ({"labels": {}}, "name:fingerprint=00000000000000aa"),
        ({"labels": None}, "name:fingerprint=00000000000000aa"),
    ],
)
def test_the_rule_uid_is_found_in_the_documented_order(changes: dict[str, Any], rule_uid: str) -> None:
    assert alert(**changes).rule_uid == rule_uid


def test_long_names_stay_apart_although_they_are_cut() -> None:
    first, second = (alert(labels={"alertname": "A" * 300 + end}).rule_uid for end in "xy")
    assert first != second
    assert len(first) == len(second) == 255


# The fingerprint


@pytest.mark.parametrize("fingerprint", [None, "", 7, "has space", "é", "x" * 65, {}])
def test_a_missing_fingerprint_is_computed_as_grafana_would(fingerprint: object) -> None:
    labels = {"alertname": "Bare rule", "grafana_folder": "Misc"}
    assert alert(fingerprint=fingerprint, labels=labels, ruleUID="cc0bare000001").fingerprint == "3c5fefcff9919f96"


def test_values_that_mean_nothing_are_still_part_of_the_computed_fingerprint() -> None:
    one, two = (alert(fingerprint="", labels={"alertname": "A", "s": s}).fingerprint for s in ("[no value]", ""))
    assert one != two


# Labels and annotations


def test_labels_and_annotations_that_say_nothing_are_absent() -> None:
    found = alert(
        labels={"alertname": "A", "a": "", "b": "[no value]", "c": "<no value>", "d": " ", "e": None, "f": "0"},
        annotations={"summary": "[no value]", "description": "", "x": "value: [no value]", "y": None, "z": "-"},
    )
    assert found.labels == {"alertname": "A", "f": "0"}
    assert found.annotations == {"x": "value: [no value]", "z": "-"}
    assert json.loads(found.raw)["labels"]["b"] == "[no value]"


def test_private_labels_and_annotations_are_absent() -> None:
    found = alert(labels={"alertname": "A", "__alert_rule_uid__": "u", "__x": "stays"}, annotations={"__orgId__": "1"})
    assert found.labels == {"alertname": "A", "__x": "stays"}
    assert found.annotations == {}


def test_labels_that_are_no_texts_become_texts() -> None:
    found = alert(labels={"alertname": "A", "shard": 3, "ratio": 0.5, "canary": True, "nothing": None})
    assert found.labels == {"alertname": "A", "shard": "3", "ratio": "0.5", "canary": "true"}


def test_annotations_may_be_missing_or_nested() -> None:
    assert alert(annotations=None).annotations == {}
    assert alert(annotations={"owners": ["a", "b"], "n": 1}).annotations == {"owners": '["a","b"]', "n": "1"}


def test_u_0000_and_lone_surrogates_are_replaced_everywhere() -> None:
    found = alert(labels={"alertname": "a\x00b\ud800"}, annotations={"summary": "\udfff!", "k\x00": "v"})
    assert found.alertname == "a\ufffdb\ufffd"
    assert found.summary == "\ufffd!"
    assert found.annotations["k\ufffd"] == "v"
    assert json.loads(found.raw)["labels"] == {"alertname": "a\ufffdb\ufffd"}


@pytest.mark.parametrize(
    ("annotations", "summary"),
    [
        ({"summary": "S", "message": "M", "title": "T", "description": "D"}, "S"),
        ({"summary": " ", "message": "M", "title": "T", "description": "D"}, "M"),
        ({"title": "T", "description": "D"}, "T"),
        ({"description": "D"}, "D"),
        ({"other": "O"}, ""),
        ({"summary": "x" * 3_000}, "x" * 3_000),
        ({"summary": "x" * 3_001}, "x" * 2_999 + "…"),
    ],
)
def test_the_summary_is_the_first_annotation_that_says_something(annotations: dict[str, str], summary: str) -> None:
    assert alert(annotations=annotations).summary == summary


# State, times, values


@pytest.mark.parametrize("status", ["firing", "FIRING", " Firing "])
def test_the_status_may_be_in_any_case(status: str) -> None:
    assert alert(status=status).state is AlertState.FIRING


def test_an_alert_that_fires_has_no_end_whatever_it_says() -> None:
    assert alert(endsAt="2026-11-20T08:41:10Z").ends_at is None
    assert alert(endsAt="rubbish").ends_at is None


def test_zero_and_missing_times_are_none() -> None:
    zero = "0001-01-01T00:00:00Z"
    assert alert(status="resolved", startsAt=zero, endsAt=zero).starts_at is None
    assert alert(status="resolved", startsAt=zero, endsAt=zero).ends_at is None
    assert alert().starts_at is None


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"A": 1, "B": -1, "C": 0.5}, {"A": 1.0, "B": -1.0, "C": 0.5}),
        ({"A": float("nan"), "B": float("inf"), "C": None, "D": "1", "E": True, "F": 2}, {"F": 2.0}),
        (None, {}),
        ("[no value]", {}),
        ([1, 2], {}),
    ],
)
def test_values_are_finite_numbers_and_minus_one_stays_minus_one(given: object, values: dict[str, float]) -> None:
    assert alert(values=given).values == values


# Kinds and reasons


@pytest.mark.parametrize(
    ("labels", "annotations", "kind", "name", "reason"),
    [
        ({"alertname": "A"}, {}, AlertKind.NORMAL, "A", ""),
        ({"alertname": "A"}, {"grafana_state_reason": "MissingSeries"}, AlertKind.NORMAL, "A", "MissingSeries"),
        ({"alertname": "A"}, {"grafana_state_reason": "NoData, KeepLast"}, AlertKind.NORMAL, "A", "NoData, KeepLast"),
        ({"alertname": "A", "rulename": "B"}, {"Error": "e"}, AlertKind.NORMAL, "A", ""),
        ({"alertname": "DatasourceNoData", "rulename": "B"}, {}, AlertKind.BLIND, "B", "NoData"),
        (
            {"alertname": "DatasourceNoData", "rulename": "[no value]"},
            {},
            AlertKind.BLIND,
            "DatasourceNoData",
            "NoData",
        ),
        (
            {"alertname": "DatasourceError", "rulename": "B"},
            {"Error": "refused"},
            AlertKind.BLIND,
            "B",
            "Error: refused",
        ),
        ({"alertname": "DatasourceError"}, {}, AlertKind.BLIND, "DatasourceError", "Error"),
        ({"alertname": "DatasourceError"}, {"error": "x"}, AlertKind.BLIND, "DatasourceError", "Error"),
    ],
)
def test_an_alert_that_cannot_see_is_blind_and_says_why(
    labels: dict[str, str], annotations: dict[str, str], kind: AlertKind, name: str, reason: str
) -> None:
    found = alert(labels=labels, annotations=annotations)
    assert (found.kind, found.alertname, found.reason) == (kind, name, reason)


def test_a_blind_alert_can_be_resolved_and_stays_blind() -> None:
    found = alert(status="resolved", labels={"alertname": "DatasourceNoData", "rulename": "B"})
    assert (found.kind, found.state) == (AlertKind.BLIND, AlertState.RESOLVED)


TEST_LABELS = {"alertname": "TestAlert", "instance": "Grafana", "team": "x"}


@pytest.mark.parametrize(
    ("changes", "group_key", "kind"),
    [
        ({"fingerprint": "57c6d9296de2ad39"}, "{}:{}", AlertKind.TEST),
        ({"fingerprint": "", "labels": {"alertname": "TestAlert", "instance": "Grafana"}}, "{}:{}", AlertKind.TEST),
        ({"labels": TEST_LABELS}, "{}:{}", AlertKind.TEST),
        ({"labels": TEST_LABELS, "generatorURL": ""}, "{}:{}", AlertKind.TEST),
        ({"labels": TEST_LABELS, "generatorURL": "http://prometheus/graph"}, "{}:{}", AlertKind.NORMAL),
        ({"labels": TEST_LABELS, "ruleUID": "real"}, "{}:{}", AlertKind.NORMAL),
        ({}, "webhook-00000000000000aa-1795164100", AlertKind.TEST),
        ({}, "some-integration-00000000000000aa-1795164100", AlertKind.TEST),
        ({}, "webhook-00000000000000bb-1795164100", AlertKind.NORMAL),
        ({}, '{}:{alertname="x-00000000000000aa-1"}', AlertKind.NORMAL),
        ({"ruleUID": "real"}, "webhook-00000000000000aa-1795164100", AlertKind.NORMAL),
    ],
)
def test_the_test_button_is_recognised(changes: dict[str, Any], group_key: str, kind: AlertKind) -> None:
    assert alert(group_key, **changes).kind is kind


# Links


@pytest.mark.parametrize(
    "address",
    [
        "https://grafana.example/",
        "http://localhost:3000",
        "HTTPS://Grafana.Example/A?b=c#d",
        "http://[::1]:3000/x",
        "https://сервер.example/путь",
        "https://grafana.example?q=%7B%7D|x",
        " https://grafana.example/trimmed ",
    ],
)
def test_web_addresses_are_links(address: str) -> None:
    found = alert(generatorURL=address, dashboardURL=address, panelURL=address, silenceURL=address)
    links = found.links
    assert {links.source, links.dashboard, links.panel, links.silence} == {address.strip()}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "grafana.example/x",
        "/alerting/list",
        "//grafana.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://grafana.example/",
        "https://",
        "https:///path",
        "https://:3000/",
        "https://user:secret@grafana.example/",
        "https://good.example@evil.example/",
        "https://evil.example\\@good.example/",
        "https://grafana.example/a b",
        "https://grafana.example/\nx",
        "https://grafana.example/\u2003x",
        "https://grafana.example/\x7f",
        "\x7fhttps://grafana.example/",
        "https://grafana.example:port/",
        "https://<b>/",
        "https://grafana.example/" + "x" * 8_000,
        7,
        None,
        {},
    ],
)
def test_everything_else_is_no_link(address: object) -> None:
    links = alert(generatorURL=address, silenceURL=address).links
    assert (links.source, links.silence) == ("", "")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("wiki.example/runbooks/x", "wiki.example/runbooks/x"),
        (" see the wiki,\npage 3 ", "see the wiki,\npage 3"),
        ("/d/abc", "/d/abc"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://user:secret@wiki.example/x", "https://wiki.example/x"),
        ("wiki: https://user:secret@wiki.example/x or //a@b/", "wiki: https://wiki.example/x or //b/"),
        ("x" * 1_001, ""),
        ("https://wiki.example/" + "x" * 8_000, ""),  # cut, it would lead elsewhere
        ("https://wiki.example/a b", "https://wiki.example/a b"),
        ("[no value]", ""),
        ("", ""),
        (7, ""),
    ],
)
def test_what_is_no_address_of_a_page_is_kept_as_a_text(text: object, kept: str) -> None:
    links = alert(annotations={"runbook_url": text}, dashboardURL=text, panelURL=text).links
    assert links.runbook == ("7" if text == 7 else kept)
    if text != "[no value]":
        assert (links.dashboard, links.panel) == (kept, kept)


@pytest.mark.parametrize(
    ("annotations", "runbook"),
    [
        ({"runbook_url": "https://a.example", "runbook": "https://b.example"}, "https://a.example"),
        ({"runbook_url": "see the wiki", "runbook": "https://b.example"}, "https://b.example"),
        ({"runbook": "restart it"}, "restart it"),
        ({"runbook_url": " ", "runbook": "restart it"}, "restart it"),
        ({}, ""),
    ],
)
def test_the_runbook_is_the_annotation_that_is_an_address_else_what_is_said(
    annotations: dict[str, str], runbook: str
) -> None:
    assert alert(annotations=annotations).links.runbook == runbook
