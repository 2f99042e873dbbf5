"""Log lines: one event is one line, ids and reasons are in it, bodies, headers and secrets never are."""

from __future__ import annotations

import io
import json
import logging
import signal
import socket
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.logs import OF_STRANGERS, QUIET_SECONDS, JsonFormatter, Output, TextFormatter
from tests.bodies import alert, grafana
from tests.servers.database import DbUrl
from tests.servers.observer import ObserverProcess, rows, send
from tests.servers.slack import SandboxSlack

MARK = "must-not-be-logged"
ROOT = Path(__file__).resolve().parents[1]


def record(event: str, /, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    """A log record as a call of ours makes it."""
    return logging.getLogger("receiver.test").makeRecord(
        "receiver.test", level, __file__, 1, event, (), None, extra=extra
    )


def line(of: logging.LogRecord) -> dict[str, Any]:
    """The JSON line of a record, which must be one line."""
    text = JsonFormatter().format(of)
    assert "\n" not in text
    assert "\r" not in text
    found: dict[str, Any] = json.loads(text)
    return found


# The formats


def test_a_json_line_has_time_level_logger_event_and_what_the_call_gave() -> None:
    found = line(record("delivery recorded", delivery=7, opened=["INC-1"], reason=None))
    moment = datetime.fromisoformat(found.pop("time"))
    assert moment.utcoffset() is not None
    assert abs(moment.timestamp() - time.time()) < 60
    assert found == {
        "level": "info", "logger": "receiver.test", "event": "delivery recorded", "delivery": 7, "opened": ["INC-1"],
        "reason": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "\r\n",
        "a\u2028b\u2029c\x85d",
        "tab\tnul\x00esc\x1b[2J\x9b2J",
        "\u202eturned\x7f",
        '"quoted" \\ 결제',
    ],
)
def test_a_value_of_any_characters_stays_in_one_line(text: str) -> None:
    found = line(record(text, value=text))
    assert (found["event"], found["value"]) == (text, text)
    assert len(TextFormatter().format(record(text, value=text)).splitlines()) == 1
    for part in ("\x1b", "\x9b", "\x00", "\x7f", "\u202e", "\u2028"):
        assert part not in TextFormatter().format(record("event", value=text))
        assert part not in JsonFormatter().format(record(text, value=text))


@pytest.mark.parametrize("value", ["lone \ud800 surrogate", 2**80, float("nan"), {1: 2}, {"a", "b"}, b"\xff", object()])
def test_a_value_that_json_does_not_know_costs_no_line(value: object) -> None:
    found = line(record("odd value", value=value, delivery=7))
    assert (found["event"], found["delivery"]) == ("odd value", 7)
    assert "value" in found
    assert TextFormatter().format(record("odd value", value=value)).encode()


def test_an_exception_is_part_of_its_line() -> None:
    try:
        int("went\nwrong")
    except ValueError:
        made = record("worker failed", logging.ERROR, worker="delivery-0")
        made.exc_info = sys.exc_info()
    found = line(made)
    assert (found["level"], found["worker"]) == ("error", "delivery-0")
    assert found["exception"].startswith("Traceback")
    assert "ValueError: invalid literal" in found["exception"]


def test_a_line_for_people_reads_from_left_to_right() -> None:
    text = TextFormatter().format(record("delivery recorded", delivery=7, reason="a\nb"))
    assert text[8:] == " INFO receiver.test delivery recorded delivery=7 reason=a\\nb"
    assert text[:8].count(":") == 2


# What strangers cause


def told(lines: list[str], event: str) -> tuple[int, int]:
    """How many lines tell of an event, and of how many of them."""
    found = [entry for entry in map(json.loads, lines) if entry["event"] == event]
    return len(found), sum(entry.get("times", 1) for entry in found)


def test_what_strangers_cause_is_one_line_a_second_that_says_how_many() -> None:
    stream = io.StringIO()
    output = Output(stream)
    output.setFormatter(JsonFormatter())
    for number in range(500):
        output.handle(record("webhook denied", source="grafana", reason="credentials_wrong"))
        output.handle(record("webhook denied", source="grafana", reason=f"other_{number % 2}"))
        output.handle(record("delivery recorded", delivery=number))
    assert told(stream.getvalue().splitlines(), "webhook denied") == (3, 3), "the first of each reason at once"
    assert told(stream.getvalue().splitlines(), "delivery recorded") == (500, 500), "what is not theirs is not held"
    time.sleep(QUIET_SECONDS + 0.5)
    assert told(stream.getvalue().splitlines(), "webhook denied") == (6, 1000)
    output.handle(record("webhook denied", source="grafana", reason="credentials_wrong"))
    output.close()
    assert told(stream.getvalue().splitlines(), "webhook denied") == (7, 1001), "a stop loses nothing"


def test_all_that_is_held_back_is_logged_somewhere_by_this_name() -> None:
    sources = "".join(path.read_text("utf-8") for part in ("bot", "receiver") for path in (ROOT / part).glob("*.py"))
    for event in OF_STRANGERS:
        assert f'_log.warning("{event}"' in sources, event


def test_strangers_do_not_fill_the_log_of_a_program(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    log = tmp_path / "observer.log"
    kinds = {
        "webhook denied": (b"POST /webhook/grafana HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b" 401 "),
        "slack request denied": (b"POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b" 401 "),
        "slack body too large": (
            b"POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", b" 413 ",
        ),
        "connection closed": (b"rubbish\r\n\r\n", b" 400 "),
    }  # fmt: skip
    with ObserverProcess(db_url, slack, log) as observer:
        began = time.monotonic()
        for _ in range(50):
            for request, status in kinds.values():
                with socket.create_connection(("127.0.0.1", observer.port), timeout=20) as wire:
                    wire.sendall(request)
                    assert status in wire.recv(65_536).partition(b"\r\n")[0] + b" "
        seconds = time.monotonic() - began
        assert observer.stop() in (0, -signal.SIGTERM)
    lines = log.read_text("utf-8").splitlines()
    for event in kinds:
        written, times = told(lines, event)
        assert written <= 3 + seconds, event
        assert times == 50, event


# The running program


def disturb(url: str, token: str) -> None:
    """Send everything that could tempt a program to log what it got; all that is secret holds the mark."""
    labelled = alert(labels={"service": MARK, "password": MARK}, annotations={"summary": MARK})
    body = grafana(labelled)
    unreadable = json.dumps({"alerts": MARK, MARK: MARK}).encode()
    partly = grafana(labelled, {**labelled, "labels": {MARK: {MARK: MARK}}}, {**labelled, "status": MARK})
    for one in (body, body, partly, unreadable, MARK.encode(), f'{{"{MARK}'.encode(), b"\xff" + MARK.encode()):
        assert send(url, one, token=token).status_code in (200, 422)
        assert send(url, one, "/webhook/alertmanager", token=token).status_code in (200, 422)
        assert send(url, one, token=f"{MARK}-wrong").status_code == 401
    for headers in (
        {"Authorization": f"Basic {MARK}"},
        {"Authorization": MARK, "Cookie": MARK, "X-Grafana-Alerting-Signature": MARK},
        {"Authorization": f"Bearer {token}", "Content-Encoding": MARK, "Content-Type": MARK, "User-Agent": MARK},
    ):
        assert httpx.post(f"{url}/webhook/grafana?{MARK}", content=body, headers=headers).status_code in (401, 415)
    for headers in (
        {},
        {"X-Slack-Signature": f"v0={MARK}", "X-Slack-Request-Timestamp": str(int(time.time()))},
    ):
        answer = httpx.post(f"{url}/slack/events", content=f"token={MARK}&payload={MARK}", headers=headers)
        assert 400 <= answer.status_code < 500
    assert httpx.get(f"{url}/{MARK}", headers={"Authorization": MARK}).status_code == 404


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_program_that_got_secrets_does_not_log_them(
    log_format: str, db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    log = tmp_path / "observer.log"
    token = f"{MARK}-token"
    more = {"WEBHOOK_TOKEN": token, "LOG_FORMAT": log_format}
    with ObserverProcess(db_url, slack, log, more=more) as observer:
        disturb(observer.url, token)
        [card] = rows(db_url, "SELECT COUNT(*) AS cards FROM slack_messages")
        slack.wait_for_message(lambda message: MARK in json.dumps(message), "the card")
        number = rows(db_url, "SELECT number FROM incidents ORDER BY number LIMIT 1")[0]["number"]
        slack.command(f"/incident resolve {number}")
        slack.command(f"/incident list service:{MARK}")
        assert card["cards"] >= 1
        assert observer.stop() in (0, -signal.SIGTERM)
    text = log.read_text("utf-8")
    lines = text.splitlines()
    assert MARK not in text
    for secret in (db_url.password, "xoxb-", "Bearer ", "sandbox-signing-secret"):
        assert secret not in text
    if log_format == "json":
        events = [json.loads(entry) for entry in lines]
        assert all({"time", "level", "logger", "event"} <= event.keys() for event in events)
        said = {event["event"] for event in events}
        recorded = [event for event in events if event["event"] == "delivery recorded"]
        assert [event["delivery"] for event in recorded] == sorted(event["delivery"] for event in recorded)
        assert recorded[0] | {"opened": 1, "recorded": 1, "rejected": 0, "source": "grafana"} == recorded[0]
        denied = [event for event in events if event["event"] == "webhook denied"]
        assert {event["reason"] for event in denied} == {"credentials_wrong", "credentials_of_other_scheme"}
        unread = [event for event in events if event["event"] == "delivery could not be read"]
        assert all(event["delivery"] and event["bytes"] for event in unread)
        assert said >= {"observer started", "delivery recorded", "message posted", "observer stopped"}
        assert [event for event in events if event["level"] == "error"] == []
    else:
        for start in ("INFO receiver.app observer started", "INFO receiver.collector delivery recorded source=grafana"):
            assert any(entry[9:].startswith(start) for entry in lines), start
