"""What an answer of Slack means for who called: how long to wait, and whether the call may be made again."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from bot.secret import Secret
from bot.slack import Outcome, RateLimited, Rejected, Sent, Slack, Trouble, Unclear, Unreachable


class Answering(http.server.ThreadingHTTPServer):
    """A Web API on loopback that gives one answer to everything."""

    status = 200
    said: dict[str, object] | None = None  # None: no JSON at all
    headers: tuple[tuple[str, str], ...] = ()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        """The answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"<html>" if self.server.said is None else json.dumps(self.server.said).encode()
        self.send_response(self.server.status)
        for name, value in (*self.server.headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def api() -> Iterator[Answering]:
    server = Answering(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def posted(port: int) -> Outcome:
    """What comes of a message."""
    slack = Slack(Secret("SLACK_BOT_TOKEN", "xoxb-1"), f"http://127.0.0.1:{port}/api/")
    return slack.post("C1", "text", [], "key")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("2.5", 2.5),
        ("0", 1.0),
        ("-5", 1.0),
        ("600", 600.0),
        ("86400", 600.0),
        ("inf", 600.0),
        ("nan", 1.0),
        ("soon", 30.0),
        ("", 30.0),
        (None, 30.0),
    ],
)
def test_who_is_too_fast_waits_as_told_but_neither_not_at_all_nor_for_ever(
    api: Answering, header: str | None, seconds: float
) -> None:
    api.status, api.said = 429, {"ok": False, "error": "ratelimited"}
    api.headers = () if header is None else (("Retry-After", header),)
    assert posted(api.server_port) == RateLimited(seconds)


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (200, {"ok": True, "channel": "C1", "ts": "1.2"}, Sent("C1", "1.2", {})),
        (200, {"ok": True}, Unclear("answer_not_understood")),
        (200, {"ok": True, "channel": "C1"}, Unclear("answer_not_understood")),
        (200, {"ok": False, "error": "ratelimited"}, RateLimited(30.0)),
        (200, {"ok": False, "error": "internal_error"}, Unclear("internal_error")),
        (200, {"ok": False, "error": "request_timeout"}, Unclear("request_timeout")),
        (500, {"ok": False, "error": "channel_not_found"}, Unclear("channel_not_found")),
        (200, {"ok": False, "error": "invalid_blocks"}, Rejected("invalid_blocks", Trouble.CONTENT)),
        (200, {"ok": False, "error": "invalid_metadata_format"}, Rejected("invalid_metadata_format", Trouble.CONTENT)),
        (200, {"ok": False, "error": "message_not_found"}, Rejected("message_not_found", Trouble.GONE)),
        (200, {"ok": False, "error": "edit_window_closed"}, Rejected("edit_window_closed", Trouble.FIXED)),
        (200, {"ok": False, "error": "not_in_channel"}, Rejected("not_in_channel", Trouble.CONFIGURATION)),
        (
            200,
            {"ok": False, "error": "restricted_action_thread_only_channel"},
            Rejected("restricted_action_thread_only_channel", Trouble.CONFIGURATION),
        ),
        (200, {"ok": False, "error": "something_new"}, Rejected("something_new", Trouble.OTHER)),
    ],
)
def test_what_an_answer_means(api: Answering, status: int, said: dict[str, object] | None, outcome: Outcome) -> None:
    api.status, api.said = status, said
    found = posted(api.server_port)
    match found, outcome:
        case Sent(), Sent():
            assert (found.channel, found.ts) == (outcome.channel, outcome.ts)
        case Rejected(), Rejected():
            assert (found.error, found.trouble) == (outcome.error, outcome.trouble)
        case _:
            assert found == outcome


def test_what_slack_says_beside_a_code_comes_first(api: Answering) -> None:
    api.said = {"ok": False, "error": "missing_scope", "needed": "chat:write"}
    found = posted(api.server_port)
    assert isinstance(found, Rejected)
    assert found.hint.startswith("chat:write: ")


def test_an_answer_that_is_no_json_is_unclear(api: Answering) -> None:
    api.status, api.said = 503, None
    assert isinstance(posted(api.server_port), Unclear)


def test_a_call_that_never_left_may_be_made_again_and_one_that_broke_off_is_unclear(api: Answering) -> None:
    assert posted(9) == Unreachable("ConnectionRefusedError")
    api.headers = (("Content-Length", "10000"),)
    assert isinstance(posted(api.server_port), Unclear)
