"""What a body of Grafana's legacy alerting says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from db.model.alert import Alert, AlertKind, AlertState, Unreadable
from receiver.sources.reading import read_alertmanager, read_grafana


def body(**changes: Any) -> bytes:
    """A small body of legacy alerting."""
    known = {"state": "alerting", "ruleId": 17, "ruleName": "Order delay", "orgId": 1, "evalMatches": [], "tags": {}}
    return json.dumps({**known, **changes}).encode()


def alert(**changes: Any) -> Alert:
    """The alert of a small body with these changes."""
    (found,) = read_grafana(body(**changes)).alerts
    return found


@pytest.mark.parametrize(
    ("word", "state", "kind", "reason"),
    [
        ("alerting", AlertState.FIRING, AlertKind.NORMAL, ""),
        ("Alerting", AlertState.FIRING, AlertKind.NORMAL, ""),
        ("ok", AlertState.RESOLVED, AlertKind.NORMAL, ""),
        ("no_data", AlertState.FIRING, AlertKind.BLIND, "NoData"),
        ("paused", AlertState.RESOLVED, AlertKind.NORMAL, "Paused"),
    ],
)
def test_the_states(word: str, state: AlertState, kind: AlertKind, reason: str) -> None:
    found = alert(state=word)
    assert (found.state, found.kind, found.reason) == (state, kind, reason)
    assert (found.starts_at, found.ends_at) == (None, None)


@pytest.mark.parametrize("word", ["pending", "unknown", ""])
def test_a_state_that_is_neither_firing_nor_recovered_is_refused(word: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_grafana(body(state=word))
    assert str(caught.value) == f'state: expected "alerting", "ok", "no_data" or "paused", found "{word}"'


def test_a_missing_state_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"^state: expected a text, found null$"):
        read_grafana(body(state=None))


def test_the_rule_and_the_organisation_make_the_fingerprint() -> None:
    assert alert().fingerprint == alert(state="ok", evalMatches=None, message="x", ruleName="renamed").fingerprint
    assert len({alert().fingerprint, alert(ruleId=18).fingerprint, alert(orgId=2).fingerprint}) == 3


def test_a_rule_without_a_number_goes_by_its_name() -> None:
    assert alert(ruleId="17").rule_uid == "legacy:17"
    assert alert(ruleId=None).rule_uid == "name:Order delay"
    with pytest.raises(Unreadable, match=r"^ruleId: expected the number of the rule"):
        read_grafana(body(ruleId=None, ruleName=None))


def test_the_labels_are_the_tags() -> None:
    assert alert(tags={"service": "orders", "n": 1, "x": "", "y": None}).labels == {"service": "orders", "n": "1"}
    assert alert(tags=None).labels == {}
    with pytest.raises(Unreadable, match=r"^tags\.service: expected a text, found an object$"):
        read_grafana(body(tags={"service": {}}))


def test_the_values_are_those_of_the_series() -> None:
    matches = [
        {"metric": "delay", "value": 5, "tags": {"region": "eu"}},
        {"metric": "delay", "value": 6.5, "tags": None},
        {"metric": "delay", "value": None},
        {"metric": "lost", "value": float("nan")},
        {"metric": "text", "value": "5"},
        {"value": 5},
        {"metric": "no value"},
        None,
        "x",
    ]
    assert alert(evalMatches=matches).values == {"delay": 5.0, "delay 2": 6.5}
    assert alert(evalMatches={"delay": 5}).values == {}


def test_many_series_of_one_name_take_no_time() -> None:
    values = alert(evalMatches=[{"metric": "a", "value": 1}] * 10_000).values
    assert list(values)[:3] == ["a", "a 2", "a 3"]
    assert len(values) == 10_000


@pytest.mark.parametrize(
    ("message", "summary"),
    [("Wait.", "Wait."), ("", ""), (None, ""), ("[no value]", ""), ("x" * 4_000, "x" * 2_999 + "…")],
)
def test_the_summary_is_the_message(message: object, summary: str) -> None:
    assert alert(message=message).summary == summary


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"ruleId": 0, "ruleName": "Test rule"}, AlertKind.TEST),
        ({"ruleId": 0, "ruleName": "Test notification"}, AlertKind.TEST),
        # Later versions invent a number for the rule, so that receivers do not join all tests into one.
        (
            {
                "ruleId": 3276076600971272000,
                "ruleName": "Test notification",
                "message": "Someone is testing the alert notification within Grafana.",
            },
            AlertKind.TEST,
        ),
        ({"ruleId": 17, "ruleName": "Test rule"}, AlertKind.NORMAL),
        ({"ruleId": 0, "ruleName": "Order delay"}, AlertKind.NORMAL),
    ],
)
def test_the_test_button_of_legacy_alerting_is_recognised(changes: dict[str, Any], kind: AlertKind) -> None:
    assert alert(**changes).kind is kind


def test_a_legacy_body_is_known_by_its_keys_on_both_paths() -> None:
    for read in (read_grafana, read_alertmanager):
        assert read(b'{"state":"ok","ruleId":1}').source == "grafana-legacy"
        assert read(b'{"state":"ok","ruleName":"x","evalMatches":[]}').source == "grafana-legacy"
        with pytest.raises(Unreadable, match="expected a"):
            read(b'{"ruleId":1,"name":"something else"}')


def test_the_whole_body_is_kept() -> None:
    found = alert(imageUrl="https://old.example/17.png")
    assert json.loads(found.raw)["imageUrl"] == "https://old.example/17.png"
