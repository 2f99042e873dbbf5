"""The Slack endpoint: a guard in front of Bolt, and Bolt in a thread, never on the event loop.

Bolt alone would read any body before it checks the signature, log it, answer 500 to malformed ones, and hold the event
loop for as long as a listener works.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
from slack_bolt import App
from slack_bolt.request import BoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from bot.secret import Secret
from bot.slack import Reports

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Slack's own bodies are far smaller; a view holds 250 KB at most."""

BODY_SECONDS = 10.0
"""The longest time for a whole body; Slack gives its request up after three seconds."""

PATH = "/slack/events"

WRONG_SIGNATURES = 3
"""In a row: then it is more likely our secret that is wrong than that nobody but strangers knocks."""


class SlackEndpoint:
    """Answers Slack's requests: clicks, commands, submissions and events."""

    def __init__(
        self, app: App, signing_secret: Secret, threads: int, now: Callable[[], float], reports: Reports
    ) -> None:
        self._app = app
        self._reports = reports
        self._wrong = 0  # signatures since the last right one
        self._secret = signing_secret
        self._verifier = SignatureVerifier(signing_secret(), _Now(now))
        # An own limiter: a dispatch may hold its thread for three seconds, and must not take those of the webhooks.
        self._limiter = anyio.CapacityLimiter(threads)

    async def __call__(self, request: Request) -> Response:
        """Check size and signature, then let Bolt find the listener."""
        try:
            body = await _body(request)
        except ClientDisconnect:
            return PlainTextResponse("incomplete", status_code=400)
        except TimeoutError:
            _log.warning("slack body too slow")
            return PlainTextResponse("too slow", status_code=408, headers={"Connection": "close"})
        if body is None:
            _log.warning("slack body too large")
            return PlainTextResponse("too large", status_code=413, headers={"Connection": "close"})
        if not self._signed(request, body):
            _log.warning("slack request denied")
            self._wrong += 1
            if self._wrong >= WRONG_SIGNATURES:
                self._reports.trouble("requests", "wrong signature", "is SLACK_SIGNING_SECRET that of the app?")
            return PlainTextResponse("wrong signature", status_code=401)
        self._wrong = 0
        self._reports.fine("requests")
        return await anyio.to_thread.run_sync(self._dispatch, request, body, limiter=self._limiter)

    def _signed(self, request: Request, body: bytes) -> bool:
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        self._verifier.signing_secret = self._secret()
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except (ValueError, TypeError):  # a timestamp that is no number, a signature that is not ASCII
            return False

    def _dispatch(self, request: Request, body: bytes) -> Response:
        """In a thread: Bolt waits here for the listener's `ack`, three seconds at most."""
        headers: dict[str, str | Sequence[str]] = {name: request.headers.getlist(name) for name in request.headers}
        try:
            bolt_request = BoltRequest(body=body.decode("utf-8"), query=request.url.query, headers=headers)
        except Exception:
            _log.warning("slack body not understood", extra={"bytes": len(body)})
            return PlainTextResponse("not understood", status_code=400)
        try:
            answer: BoltResponse = self._app.dispatch(bolt_request)
        except (
            Exception
        ) as error:  # Bolt's own reading of a body that Slack would not send, such as a view without type
            _log.warning("slack body not understood", extra={"bytes": len(body), "error": type(error).__name__})
            return PlainTextResponse("not understood", status_code=400)
        response = Response(answer.body, status_code=answer.status)
        for name, values in answer.headers.items():
            for value in values:
                response.headers[name] = value
        return response


async def _body(request: Request) -> bytes | None:
    """The body; None when it is larger than `MAX_BODY_BYTES`. Raises `TimeoutError`."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        return None
    chunks: list[bytes] = []
    size = 0
    with anyio.fail_after(BODY_SECONDS):
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                return None
            chunks.append(chunk)
    return b"".join(chunks)


class _Now(Clock):
    """The SDK's way of being told the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        """Unix seconds."""
        return self._now()
