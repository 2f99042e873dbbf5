"""Hostile alerts over HTTP: recorded or clearly refused, kept byte for byte, on a valid card, and nobody is paged.

The sandbox Slack refuses what Slack refuses, and the program logs an error when it has to send plain text instead; so
"no error in the log" says here that every card was accepted as it was meant.
"""

from __future__ import annotations

import json
import logging
import re
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bodies import alert, at, grafana
from tests.servers.observer import Town
from tests.strategies import as_body, byte_bodies, grafana_bodies, json_bodies, unhurried

SENDER_SECONDS = 30
"""How long Grafana waits for an answer."""


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_inside(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test here may leave an error in the log of the program."""
    caplog.set_level(logging.INFO)
    yield
    wrong = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR or record.exc_info]
    assert [(record.message, record.exc_text, vars(record)) for record in wrong] == []


def last_kept(town: Town) -> bytes:
    """The bytes of the newest delivery as the record keeps them."""
    [row] = town.rows("SELECT body, body_encoding FROM deliveries ORDER BY delivery_id DESC LIMIT 1")
    body: bytes = row["body"]
    return zlib.decompress(body) if row["body_encoding"] == "zlib" else body


def post(town: Town, body: bytes, path: str = "/webhook/grafana") -> tuple[int, dict[str, Any]]:
    """Send a body, look that its exact bytes were kept, and return what was answered."""
    answer = town.post(body, path)
    assert last_kept(town) == body
    return answer.status_code, answer.json()


# Texts

TEXTS = {
    "mention of everybody": "<!channel> <!here> <!everyone|you> <!subteam^S0001|@ops>",
    "mention of a person": "<@U001> <@W12345|ana> <#C0001|general>",
    "mention in words": "@channel @here @everyone",
    "disguised link": "<https://evil.example|https://good.example> <mailto:a@evil.example|b>",
    "address": "https://evil.example/ and evil.example",
    "forged date": "<!date^0^{date}|soon>",
    "half a mention": "<!channel",
    "bold": "*pwned* _pwned_ ~pwned~ *pwned",
    "backticks": "`pwned` ```pwned``` `pwned",
    "quotation": "> pwned\n>>> pwned",
    "emoji codes": ":fire: :+1: :pwned:",
    "quotes": '"\'‘’“”«» \\ \\" \\n \\u0041',
    "SQL": "'; DROP TABLE incidents; -- \" OR 1=1 /* */ # %s %(key)s {rows} :name ?",
    "HTML": "<script>alert(1)</script> &amp; &lt;!channel&gt; &#60;",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇰🇷🔥",
    "Korean": "결제 서비스 장애 — 응답 시간 초과",
    "accents without end": "e" + "\u0301" * 500,
    "right to left": "\u202egnihtemos\u2066\u2069 שלום عالم",
    "control characters": "a\x01\x07\x08\x1b[2J\x7f\x9f",
    "NUL": "a\x00b\x00",
    "lone surrogates": "\ud83d broken \udc00\ud800",
    "lines": "one\ntwo\r\n\tthree\u2028four\x85five" + "\n" * 50,
    "nothing to see": "\u3164\u200b\u2060 \u00ad",
    "byte order marks": "\ufeff\ufffe\uffff",
    "template": "{{ .Labels.service }} ${HOME} {service} %d",
    "100 KB": "x" * 100_000,
    "100 KB of Korean": "결" * 34_000,
    "100 KB of emoji": "👩‍👩‍👧‍👦" * 4_000,
    "100 KB of mentions": "<!channel>" * 10_000,
    "100 KB of lines": "> *x*\n" * 17_000,
}

CONTROL_SEQUENCE = re.compile(
    r"<[!@#](?!date\^\d+\^(?:[A-Za-z ]+ )?\{date_short_pretty\} \{time\}"
    r"\|(?:[A-Za-z ]+ )?\d{4}-\d\d-\d\d \d\d:\d\d UTC>)"
)
LINK = re.compile(r"<((?:https?|mailto):[^|>]*)")
OURS = "https://grafana.example.internal/"


def texts(value: object) -> Iterator[tuple[str, bool]]:
    """All texts inside a message, and whether Slack reads markup in them; not the values that only come back to us."""
    if isinstance(value, str):
        yield value, True
    elif isinstance(value, dict):
        plain = value.get("type") == "plain_text"
        for name, member in value.items():
            if name in ("text", "accessibility_label") and isinstance(member, str):
                yield member, not plain and name == "text"
            elif name not in ("value", "block_id", "action_id"):
                yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def is_harmless(shown: dict[str, Any]) -> None:
    """Fail when a message mentions anybody, links to where we did not, or is formatted by the alert."""
    for text, is_markup in texts([shown["text"], shown["blocks"]]):
        assert not CONTROL_SEQUENCE.search(text), text
        assert not re.search(r":pwned:|@(?:channel|here|everyone)\b", text), text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", text), text
        if is_markup:
            assert all(address.startswith(OURS) for address in LINK.findall(text)), text
            assert not re.search(r"[*_~`]pwned|^\s*(?:>|&gt;)", text, re.MULTILINE), text


def card(town: Town) -> dict[str, Any]:
    """The card of the first incident, which must have come with its blocks."""
    shown = town.slack.wait_for_message(lambda message: "#1" in message["text"], "the card")
    assert {block["type"] for block in shown["blocks"]} >= {"header", "section", "actions", "context"}
    is_harmless(shown)
    return shown


def stored(text: str) -> str:
    """A text as JSON columns keep it: what is no text at all is replaced."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", json.loads(json.dumps(text)))


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_anywhere_in_an_alert_is_recorded_and_shown_harmlessly(name: str, town: Town) -> None:
    text = TEXTS[name]
    short = text[:3_000]  # an alert of more than 1 MiB is refused, which is another story
    labels = dict.fromkeys(("cluster", "namespace", "phase", "severity"), short) | {short: short}
    annotations = dict.fromkeys(("description", "runbook_url", "grafana_state_reason", "__dashboardUid__"), short)
    hostile = alert(
        labels=labels | {"alertname": text, "service": text, "anything": text},
        annotations=annotations | {"summary": text},
        valueString=short, silenceURL=short, dashboardURL=short, panelURL=short, imageURL=short, values={short: 1.5},
    )  # fmt: skip
    more = {"receiver": text, "title": text, "message": text, "groupKey": text, "groupLabels": {"x": text}}
    status, said = post(town, grafana(hostile, **more))
    assert (status, len(said["incidents"]["opened"]), said["rejected"]) == (200, 1, [])
    [row] = town.rows("SELECT labels, raw_payload FROM grafana_alerts")
    assert json.loads(row["labels"])["anything"] == stored(text)
    assert json.loads(row["raw_payload"])["annotations"]["summary"] == stored(text)
    card(town)
    # The same over the other words of the product: the list and the details that a command answers.
    for command in ("", "1"):
        town.slack.command(f"/incident {command}")
    for told in town.slack.ephemerals():
        is_harmless(told)
    # Nobody dropped a table, and the next alert is recorded as ever.
    assert post(town, grafana(alert("Disk nearly full", rule="disk_full")))[0] == 200
    assert town.rows("SELECT COUNT(*) AS number FROM incidents") == [{"number": 2}]


def test_any_text_in_alertmanagers_shape_is_harmless_too(town: Town) -> None:
    hostile = [
        {
            "status": "firing", "labels": {"alertname": "Hostile", f"label{number}": text, "n": str(number)},
            "annotations": {"summary": text}, "startsAt": at(0), "endsAt": "", "generatorURL": text,
            "fingerprint": text,
        }
        for number, text in enumerate(TEXTS.values())
    ]  # fmt: skip
    body = json.dumps({"version": "4", "receiver": "x", "alerts": hostile, "externalURL": "javascript:alert(1)"})
    status, said = post(town, body.encode(), "/webhook/alertmanager")
    assert (status, said["alerts"]["recorded"], said["rejected"]) == (200, len(TEXTS), [])
    card(town)


def test_the_message_of_a_test_button_is_harmless_too(town: Town) -> None:
    for text in (TEXTS["mention of everybody"], TEXTS["bold"], TEXTS["100 KB of mentions"]):
        test = alert("TestAlert", rule="", generatorURL="", annotations={"summary": text}, labels={"instance": text})
        assert post(town, grafana(test, receiver=text))[1]["alerts"]["tests"] == 1
    town.slack.wait_for_message(lambda _: len(town.slack.messages()) == 3, "three answers to Test buttons")
    for shown in town.slack.messages():
        is_harmless(shown)


# Bytes


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\xbd", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_bytes_that_are_no_utf_8_are_refused_and_kept(bad: bytes, town: Town) -> None:
    body = grafana(alert(instance="HERE")).replace(b"HERE", bad)
    status, said = post(town, body)
    assert (status, said["path"]) == (422, "body")
    assert said["reason"].startswith("not UTF-8 at line 1, byte ")


@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_a_body_that_is_nested_for_ever_is_refused(levels: int, town: Town) -> None:
    opened, closed = b'{"a":' * levels, b"}" * levels
    for body in (
        b"[" * levels,
        b"[" * levels + b"]" * levels,
        opened + b"1" + closed,
        grafana(alert(extra="HERE"), alert(instance="b")).replace(b'"HERE"', opened + b"1" + closed),
    ):
        status, said = post(town, body)
        assert status == 422
        assert said["path"] == "$"
        assert "nested" in said["reason"] or "not JSON" in said["reason"]
    assert post(town, grafana(alert()))[0] == 200


def nested(levels: int) -> object:
    """Objects inside objects."""
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_an_alert_that_is_nested_too_deep_for_the_database_does_not_cost_the_others(town: Town) -> None:
    status, said = post(town, grafana(alert(instance="a", extra=nested(150)), alert(instance="b", extra=nested(25))))
    assert (status, said["alerts"]["recorded"]) == (200, 1)
    assert said["rejected"] == [{"path": "alerts[0]", "reason": "nested deeper than 31 levels"}]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "-Infinity", "7" * 5_000, "0." + "3" * 5_000, "1E-999"])
def test_numbers_that_no_computer_holds_do_no_harm(number: str, town: Town) -> None:
    body = grafana(alert(values={"A": 1, "B": 2}, orgId=77), truncatedAlerts=88)
    for old in (b"77", b"88", b'"B": 2'):
        body = body.replace(old, old.replace(b"2", b"X").replace(b"77", b"X").replace(b"88", b"X"))
    body = body.replace(b"X", number.encode())
    status, said = post(town, body)
    assert (status, said["alerts"]["recorded"]) == (200, 1)
    [row] = town.rows("SELECT first_values FROM incidents")
    assert row["first_values"].startswith("A=1")
    card(town)


def test_of_two_equal_keys_the_last_counts(town: Town) -> None:
    body = grafana(alert()).replace(
        b'"status": "firing", "labels": {', b'"status": "resolved", "labels": {}, "status": "firing", "labels": {'
    )
    assert body.count(b'"labels"') == 2
    status, said = post(town, body)
    assert (status, len(said["incidents"]["opened"])) == (200, 1)
    assert town.rows("SELECT status, service FROM incidents") == [{"status": "active", "service": "checkout-api"}]


# Labels


@pytest.mark.parametrize("name", ["", " ", "\n", ".", "$", "$.a[0]", '"', "'", "a" * 65_000, "라벨", "\x00", "\ud800"])
def test_a_label_name_may_be_anything(name: str, town: Town) -> None:
    status, said = post(town, grafana(alert(labels={name: "value"})))
    assert (status, said["rejected"]) == (200, [])
    [row] = town.rows("SELECT labels FROM grafana_alerts")
    assert json.loads(row["labels"])[stored(name)] == "value"
    card(town)


def test_a_label_name_that_no_server_holds_costs_only_its_alert(town: Town) -> None:
    status, said = post(town, grafana(alert(labels={"k" * 70_000: "x"}), alert(instance="b")))
    assert (status, said["alerts"]["recorded"]) == (200, 1)
    assert said["rejected"][0]["path"].startswith("alerts[0].labels")
    assert said["rejected"][0]["reason"] == "its key is longer than 65,535 bytes"
    assert len(json.dumps(said)) < 1_024


def test_a_thousand_labels_are_fine(town: Town) -> None:
    many = {f"label_{number}": "x" * 100 for number in range(1_000)}
    assert post(town, grafana(alert(labels=many, annotations=many)))[0] == 200
    card(town)


def test_an_alert_that_is_too_large_costs_only_itself(town: Town) -> None:
    status, said = post(town, grafana(alert(labels={"x": "y" * 2_000_000}), alert(instance="b")))
    assert (status, said["alerts"]["recorded"]) == (200, 1)
    assert "larger than 1 MiB" in said["rejected"][0]["reason"]


# Times

TIMES = {
    "0001-01-01T00:00:00Z": True,  # how Go says "no time"
    "0001-01-01T00:00:00+14:00": True,
    "0001-06-01T00:00:00Z": False,
    "0999-12-31T23:59:59Z": False,
    "1000-01-01T00:00:00Z": False,
    "1969-12-31T23:59:59Z": False,
    "1970-01-01T00:00:00Z": True,
    "2038-01-19T03:14:08Z": True,
    "2100-12-31T23:59:59.999999999Z": True,
    "2101-01-01T00:00:00Z": False,
    "9999-12-31T23:59:59Z": False,
    "9999-12-31T23:59:59-23:59": False,
    "10000-01-01T00:00:00Z": False,
    "2026-02-30T00:00:00Z": False,
    "-001-01-01T00:00:00Z": False,
}


@pytest.mark.parametrize("time_text", TIMES)
def test_an_alert_with_a_time_of_any_year_is_recorded_and_what_cannot_be_a_time_is_named(
    time_text: str, town: Town
) -> None:
    for field, state in (("startsAt", "firing"), ("endsAt", "resolved")):
        status, said = post(town, grafana({**alert(instance=field), "status": state, field: time_text}))
        assert (status, said["alerts"]["recorded"]) == (200, 1), said
        if TIMES[time_text]:
            assert said["rejected"] == []
        else:
            [problem] = said["rejected"]
            assert problem["path"] == f"alerts[0].{field}"
            assert time_text in problem["reason"]
    card(town)


# Many


def test_five_thousand_alerts_of_as_many_rules_are_recorded_before_grafana_gives_up(town: Town) -> None:
    many = [alert(f"Rule {number}", rule=f"rule-{number}") for number in range(5_000)]
    began = time.monotonic()
    status, said = post(town, grafana(*many))
    assert time.monotonic() - began < SENDER_SECONDS
    assert (status, len(said["incidents"]["opened"]), said["alerts"]["recorded"]) == (200, 5_000, 5_000)
    assert town.rows("SELECT COUNT(*) AS n, SUM(alert_count) AS alerts FROM incidents") == [
        {"n": 5_000, "alerts": 5_000}
    ]
    # Again: repeats, and nothing else.
    assert post(town, grafana(*many))[1]["alerts"]["repeats"] == 5_000
    town.slack.wait_for_message(lambda message: "Rule" in message["text"], "the first of the cards")


def test_five_thousand_alerts_of_one_rule_are_one_incident_and_one_card(town: Town) -> None:
    began = time.monotonic()
    status, said = post(town, grafana(*(alert(instance=f"pod-{number}") for number in range(5_000))))
    assert time.monotonic() - began < SENDER_SECONDS
    assert (status, len(said["incidents"]["opened"]), said["alerts"]["recorded"]) == (200, 1, 5_000)
    assert town.rows("SELECT alert_count, instances_total, instances_firing FROM incidents") == [
        {"alert_count": 5_000, "instances_total": 5_000, "instances_firing": 5_000}
    ]
    assert "5000 of 5000" in json.dumps(card(town)["blocks"])
    status, said = post(town, grafana(*(alert(instance=f"pod-{number}", ends=60) for number in range(5_000))))
    assert (status, len(said["incidents"]["resolved"])) == (200, 1)
    town.slack.wait_for_message(lambda message: "resolved" in message["text"], "the resolved card")
    assert len(town.slack.messages()) == 1


def test_one_bad_alert_among_three_hundred_is_named_and_the_others_are_recorded(town: Town) -> None:
    many: list[dict[str, Any]] = [alert(instance=f"pod-{number}") for number in range(300)]
    many[217] = {**many[217], "labels": {"alertname": ["not", "a", "text"]}}
    status, said = post(town, grafana(*many))
    assert (status, said["alerts"]["recorded"]) == (200, 299)
    assert said["rejected"] == [{"path": "alerts[217].labels.alertname", "reason": "expected a text, found an array"}]
    card(town)


def test_a_body_of_nothing_but_rubbish_has_a_short_answer(town: Town) -> None:
    status, said = post(town, json.dumps({"version": "1", "alerts": [{"labels": 1}] * 30_000}).encode())
    assert (status, said["path"]) == (422, "alerts[0].status")
    assert "none of the 30000 alerts can be read" in said["reason"]
    # One that can be read among them: the list of the others must not grow without end.
    status, said = post(town, json.dumps({"version": "1", "alerts": [alert()] + [{"labels": 1}] * 30_000}).encode())
    assert (status, said["alerts"]["recorded"], said["alerts"]["rejected"]) == (200, 1, 30_000)
    assert len(said["rejected"]) == 100


# Anything at all


def test_whatever_grafana_could_send_is_recorded_or_refused(town: Town) -> None:
    @settings(unhurried, max_examples=60)
    @given(grafana_bodies())
    def send(body: dict[str, Any]) -> None:
        status, said = post(town, as_body(body))
        assert status in (200, 422), said
        assert said["status"] == ("recorded" if status == 200 else "error")

    send()


def test_whatever_anybody_could_send_is_recorded_or_refused(town: Town) -> None:
    @settings(unhurried, max_examples=60)
    @given(json_bodies | byte_bodies, st.sampled_from(["grafana", "alertmanager"]))
    def send(body: bytes, source: str) -> None:
        status, said = post(town, body, f"/webhook/{source}")
        assert status in (200, 422), said
        assert status == 200 or (said["path"] and said["reason"])

    send()
