"""Sends signed requests to the app, in threads of its own, and gives up when Slack would."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from bot.sandbox.answers import as_json
from bot.sandbox.workspace import Json, Workspace

THREADS = 40
ANSWER_LIMIT = 1_000_000
DELIVERIES_KEPT = 1000

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the app answered; `status` is None when it did not. `elapsed` is in seconds."""

    status: int | None
    elapsed: float
    body: str = ""
    timed_out: bool = False
    error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def fine(self) -> bool:
        """Whether Slack is satisfied."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def trouble(self) -> str:
        """Slack's word for what went wrong with a slash command."""
        if self.timed_out:
            return "operation_timeout"
        if self.status is None:
            return "dispatch_failed"
        return "http_service_error" if self.status >= 500 else "http_client_error"

    def shown(self) -> Json:
        """For /control/…."""
        return {
            "status": self.status,
            "elapsed": round(self.elapsed, 4),
            "body": self.body,
            "timed_out": self.timed_out,
            "error": self.error,
        }


class Deliveries:
    """The way from the workspace to the app."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._limiter: anyio.CapacityLimiter | None = None
        self._tasks: TaskGroup | None = None
        self.made: deque[Json] = deque(maxlen=DELIVERIES_KEPT)

    def start(self, tasks: TaskGroup) -> None:
        """Give it an owner for what goes on after an answer: the retries of events."""
        self._tasks = tasks

    async def payload(self, payload: Json) -> Outcome:
        """An interaction: a form with one field."""
        return await self.form({"payload": as_json(payload)}, str(payload["type"]))

    async def form(self, fields: Mapping[str, str], kind: str) -> Outcome:
        """A form, as for slash commands."""
        return await self._send(urlencode(fields).encode(), FORM, kind)

    async def event(self, envelope: Json) -> tuple[Outcome, bool]:
        """An event; when the answer is not 2xx it is sent again later. The second value says whether it will be."""
        body, kind = as_json(envelope).encode(), str(envelope.get("event", envelope).get("type"))
        first = await self._send(body, JSON, kind)
        again = envelope.get("type") == "event_callback" and _wants_retry(first)
        if again and self._tasks is not None and self._workspace.settings.event_retry_delays:
            self._tasks.start_soon(self._retry, body, kind, first)
            return first, True
        return first, False

    async def _retry(self, body: bytes, kind: str, last: Outcome) -> None:
        for number, delay in enumerate(self._workspace.settings.event_retry_delays[:3], start=1):
            await anyio.sleep(delay)
            reason = "http_timeout" if last.timed_out else "connection_failed" if last.status is None else "http_error"
            last = await self._send(
                body, JSON, kind, {"x-slack-retry-num": str(number), "x-slack-retry-reason": reason}
            )
            if not _wants_retry(last):
                return

    async def _send(self, body: bytes, content_type: str, kind: str, extra: Mapping[str, str] | None = None) -> Outcome:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)
        url, limit = self._workspace.app_url, self._workspace.settings.answer_within
        headers = {
            "content-type": content_type,
            "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "accept": "application/json,*/*",
            **signature(self._workspace.settings.signing_secret, body, int(self._workspace.now())),
            **(extra or {}),
        }
        started = time.monotonic()
        outcome: Outcome | None = None
        with anyio.move_on_after(limit):
            outcome = await anyio.to_thread.run_sync(
                _post, url, body, headers, limit, limiter=self._limiter, abandon_on_cancel=True
            )
        if outcome is None:
            outcome = Outcome(None, time.monotonic() - started, timed_out=True, error="no answer in time")
        self.made.append(
            {"kind": kind, "at": self._workspace.now(), "retry": (extra or {}).get("x-slack-retry-num")}
            | outcome.shown()
        )
        return outcome


def signature(secret: str, body: bytes, timestamp: int) -> dict[str, str]:
    """Slack's v0 scheme."""
    signed = hmac.new(secret.encode(), b"v0:%d:" % timestamp + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(timestamp), "x-slack-signature": f"v0={signed}"}


def _wants_retry(outcome: Outcome) -> bool:
    return not outcome.fine and outcome.headers.get("x-slack-no-retry") != "1"


def _post(url: str, body: bytes, headers: Mapping[str, str], limit: float) -> Outcome:
    """In a thread: one request, no redirects followed."""
    started = time.monotonic()
    parts = urlsplit(url)
    kind: Any = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=limit)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_LIMIT)
        return Outcome(
            response.status,
            time.monotonic() - started,
            answer.decode("utf-8", "replace"),
            headers={name.lower(): value for name, value in response.getheaders()},
        )
    except TimeoutError:
        return Outcome(None, time.monotonic() - started, timed_out=True, error="no answer in time")
    except (OSError, http.client.HTTPException) as problem:
        return Outcome(None, time.monotonic() - started, error=f"{type(problem).__name__}: {problem}")
    finally:
        connection.close()
