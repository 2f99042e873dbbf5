"""Slack's endpoint: what is not Slack is turned away before anything else looks at it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import httpx
import pytest

from tests.servers.observer import Town
from tests.servers.slack import SIGNING_SECRET


def signed(body: bytes | str, *, age: float = 0, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers of a request that Slack signed `age` seconds ago."""
    timestamp = str(int(time.time() - age))
    message = f"v0:{timestamp}:".encode() + (body.encode() if isinstance(body, str) else body)
    signature = "v0=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


def post(
    town: Town, body: bytes | str, headers: dict[str, str], kind: str = "application/x-www-form-urlencoded"
) -> int:
    """Post to the endpoint; the status."""
    response = httpx.post(
        f"{town.observer.url}/slack/events", content=body, headers={**headers, "Content-Type": kind}, timeout=10
    )
    return response.status_code


def command(text: str) -> str:
    """The body of a slash command."""
    return urlencode({
        "command": "/incident", "text": text, "user_id": "U001", "user_name": "oncall", "channel_id": "C1",
        "team_id": "T1", "trigger_id": "1.2", "response_url": "", "api_app_id": "A1",
    })  # fmt: skip


def test_a_request_that_slack_signed_is_answered(town: Town) -> None:
    body = command("help")
    assert post(town, body, signed(body)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Request-Timestamp": "abc", "X-Slack-Signature": "v0=00"},
        {"X-Slack-Request-Timestamp": "1.5", "X-Slack-Signature": "v0=00"},
        {"X-Slack-Request-Timestamp": str(int(time.time()))},
        {"X-Slack-Signature": "v0=" + "0" * 64},
    ],
)
def test_a_request_without_a_right_signature_is_denied(town: Town, headers: dict[str, str]) -> None:
    assert post(town, command("help"), headers) == 401


@pytest.mark.parametrize("timestamp", ["9" * 400, "9" * 13, "+1795907794", "-1", "１７９５９０７７９４", "1_795", ""])
def test_a_timestamp_that_is_no_number_of_seconds_is_denied(town: Town, timestamp: str) -> None:
    body = b"x"
    signature = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = [
        (b"X-Slack-Request-Timestamp", timestamp.encode()),
        (b"X-Slack-Signature", f"v0={signature}".encode()),
    ]
    request = httpx.Request("POST", f"{town.observer.url}/slack/events", content=body, headers=headers)
    with httpx.Client() as client:
        assert client.send(request).status_code == 401


def problems(town: Town) -> dict[str, str]:
    """What `/ready` says of Slack."""
    found: dict[str, str] = httpx.get(f"{town.observer.url}/ready", timeout=10).json()["slack"]["problems"]
    return found


def test_slacks_own_check_of_the_certificate_is_answered_without_a_signature(town: Town) -> None:
    assert post(town, "ssl_check=1&token=x", {}) == 200
    assert post(town, "token=x&ssl_check=1", {}) == 200
    assert post(town, "ssl_check=10", {}) == 401
    assert post(town, "ssl_check=1&token=x", signed("other", age=900)) == 401


def test_strangers_blame_nobody(town: Town) -> None:
    for _ in range(4):
        assert post(town, "hello=1", {}) == 401
        assert post(town, "x" * 100_000, {}) == 401
    assert problems(town) == {}


def test_a_wrong_secret_is_named_after_some_requests_until_a_right_one_comes(town: Town) -> None:
    body = command("help")
    for _ in range(3):
        assert post(town, body, signed(body, secret="another")) == 401
    assert "SLACK_SIGNING_SECRET" in problems(town)["requests"]
    assert post(town, body, signed(body)) == 200
    assert problems(town) == {}


@pytest.mark.parametrize(("age", "which"), [(900, "ahead of"), (-900, "behind")])
def test_a_wrong_clock_is_called_a_wrong_clock(town: Town, age: float, which: str) -> None:
    body = command("help")
    for _ in range(3):
        assert post(town, body, signed(body, age=age)) == 401
    said = problems(town)["requests"]
    assert "wrong clock" in said
    assert f"s {which} Slack's" in said
    assert "SLACK_SIGNING_SECRET" not in said
    assert post(town, body, signed(body)) == 200
    assert problems(town) == {}


def test_a_signature_with_letters_beyond_ascii_is_denied(town: Town) -> None:
    request = httpx.Request(
        "POST",
        f"{town.observer.url}/slack/events",
        content=b"x",
        headers=[(b"X-Slack-Request-Timestamp", str(int(time.time())).encode()), (b"X-Slack-Signature", b"v0=\xe9")],
    )
    with httpx.Client() as client:
        assert client.send(request).status_code == 401


def test_another_secret_or_an_old_request_is_denied(town: Town) -> None:
    body = command("help")
    assert post(town, body, signed(body, secret="another")) == 401
    assert post(town, body, signed(body, age=301)) == 401
    assert post(town, body, signed(body, age=-310)) == 401
    assert post(town, body, signed(body, age=290)) == 200


def test_a_changed_body_is_denied(town: Town) -> None:
    assert post(town, command("ack 1"), signed(command("ack 2"))) == 401


@pytest.mark.parametrize("body", [b"payload={broken", b"\xff\xfe", b"payload=[1,2]"])
def test_a_signed_body_that_cannot_be_read_is_refused_without_a_crash(town: Town, body: bytes) -> None:
    assert post(town, body, signed(body)) in (400, 401, 404)


@pytest.mark.parametrize(
    "payload", [{"type": "view_submission", "view": {"id": "V1"}}, {"type": "view_submission", "view": 1}, {"type": 1}]
)
def test_a_signed_payload_that_slack_would_not_send_is_refused_without_a_crash(
    town: Town, payload: dict[str, object]
) -> None:
    body = urlencode({"payload": json.dumps(payload)})
    assert post(town, body, signed(body)) in (400, 404)


def test_a_large_body_is_refused_before_it_is_read(town: Town) -> None:
    assert post(town, b"x" * (1024 * 1024 + 1), {}) == 413


def test_slack_can_verify_the_address(town: Town) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c-1", "token": "t"})
    assert post(town, body, signed(body), "application/json") == 200
    assert post(town, body, {}, "application/json") == 401


def test_a_button_that_is_not_ours_is_not_found(town: Town) -> None:
    payload = {
        "type": "block_actions", "user": {"id": "U001"}, "team": {"id": "T1"}, "api_app_id": "A1",
        "actions": [{"type": "button", "action_id": "somebody_elses", "block_id": "b", "value": "1"}],
    }  # fmt: skip
    body = urlencode({"payload": json.dumps(payload)})
    assert post(town, body, signed(body)) == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "block_actions", "actions": "x"},
        {"type": "block_actions", "actions": []},
        {"type": "block_actions", "actions": [1]},
        {"type": "view_submission", "view": "x"},
        {"type": "view_submission", "view": []},
    ],
)
def test_a_signed_body_that_slack_would_not_send_is_refused_and_no_error_of_ours(
    town: Town, wrong: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    body = urlencode({"payload": json.dumps({"user": {"id": "U001"}, "team": {"id": "T001"}, **wrong})})
    assert post(town, body, signed(body)) in (400, 404)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
