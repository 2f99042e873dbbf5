"""Every error code of Slack that a person must act on has a remedy in words; Socket Mode and start-up say theirs."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_bolt import App

from bot import app, slack
from bot.settings import BotSettings
from bot.slack import Reports, Trouble
from bot.slack_words import REMEDIES, remedy

CODES = sorted(slack._CONFIGURATION | slack._FIXED | slack._CHANNEL)


@pytest.mark.parametrize("code", [*CODES, "restricted_action", "restricted_action_read_only_channel"])
def test_every_code_that_a_person_must_act_on_has_a_sentence(code: str) -> None:
    assert slack._trouble(code) in (Trouble.CONFIGURATION, Trouble.FIXED)
    assert len(remedy(code).split()) > 4
    assert remedy(code, "chat:write").startswith("chat:write: ")


def test_a_sentence_is_one_plain_line() -> None:
    for text in REMEDIES.values():
        assert re.fullmatch(r"[ -~]{20,120}", text), text


@pytest.fixture
def refusing() -> Iterator[str]:
    """Slack's Web API as it answers to a wrong app-level token."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Refuse."""
            body = json.dumps({"ok": False, "error": "invalid_auth"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/"
    server.shutdown()
    thread.join()
    server.server_close()


def problem_of(api_url: str) -> str:
    reports = Reports()
    settings = BotSettings(
        token="xoxb-1", signing_secret="", app_token="xapp-1-abc", api_url=api_url, channel="#incidents"
    )
    bolt = App(token="xoxb-1", signing_secret="x", token_verification_enabled=False)
    socket = app._Socket(bolt, settings, reports)
    try:
        assert socket.turn() <= 10.0
        return str(reports.as_json()["problems"]["socket mode"])
    finally:
        socket.close()


def test_a_wrong_token_of_socket_mode_is_told_with_its_remedy(refusing: str) -> None:
    assert "SLACK_APP_TOKEN must be an app-level token" in problem_of(refusing)


def test_a_slack_that_cannot_be_reached_is_told() -> None:
    assert "no click arrives" in problem_of("http://127.0.0.1:9/api/")


def test_the_list_of_codes_is_that_of_the_program() -> None:
    text = Path(slack.__file__).read_text("utf-8")
    for code in CODES:
        assert f'"{code}"' in text
