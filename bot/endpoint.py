"""The Slack endpoint: a guard in front of Bolt, and Bolt in a thread, never on the event loop.

Bolt alone would read any body before it checks the signature, log it, answer 500 to malformed ones, and hold the event
loop for as long as a listener works.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol

import anyio
import anyio.to_thread
from slack_bolt import App
from slack_bolt.request import BoltRequest
from slack_bolt.response import BoltResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from bot.secret import Secret
from bot.slack import Reports

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Slack's own bodies are far smaller; a view holds 250 KB at most."""

RETRY_AFTER_SECONDS = 5

BODY_SECONDS = 10.0
"""The longest time for a whole body; Slack gives its request up after three seconds."""

PATH = "/slack/events"

DENIED_IN_A_ROW = 3
"""Then it is more likely our secret or our clock that is wrong than that nobody but strangers knocks."""

MOST_SECONDS_OFF = 300
"""How far the time of a request may be from ours, as Slack recommends it."""

MOST_SIGNATURES = 100_000
"""Remembered at once; more than that within ten minutes is nobody's clicking."""

REPLAYED = "replayed"
"""In Bolt's context of a request: whether one with the same signature was answered before."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SSL_CHECK = b"ssl_check=1"
_SSL_CHECK_BYTES = 1024


class _Denial(Enum):
    """Why a request is not taken for one of Slack's."""

    UNSIGNED = auto()  # a stranger's: nobody's mistake
    SIGNATURE = auto()
    TIME = auto()  # signed with our secret, at another time


class Budget(Protocol):
    """Bytes of bodies whose sender is not known yet, which the whole program has in common."""

    def take(self, size: int) -> bool:
        """Whether so many more may be held; then they are."""

    def give_back(self, size: int) -> None:
        """They are held no longer, or their sender is known."""


class _TooManyBodies(Exception):
    """Nothing more may be held."""


class SlackEndpoint:
    """Answers Slack's requests: clicks, commands, submissions and events."""

    def __init__(
        self,
        app: App,
        signing_secret: Secret,
        threads: int,
        now: Callable[[], float],
        reports: Reports,
        unproven: Budget,
    ) -> None:
        self._app = app
        self._reports = reports
        self._now = now
        self._unproven = unproven
        self._denied: list[_Denial] = []  # since the last request that was right
        self._secret = signing_secret
        self._signatures = _Signatures()
        # An own limiter: a dispatch may hold its thread for three seconds, and must not take those of the webhooks.
        self._limiter = anyio.CapacityLimiter(threads)

    async def __call__(self, request: Request) -> Response:
        """Check size and signature, then let Bolt find the listener."""
        unsigned = not {"x-slack-signature", "x-slack-request-timestamp"}.issubset(request.headers.keys())
        try:
            body = await self._body(request, _SSL_CHECK_BYTES if unsigned else MAX_BODY_BYTES)
        except _TooManyBodies:
            _log.warning("too many bodies of unknown senders", extra={"source": "slack"})
            headers = {"Connection": "close", "Retry-After": str(RETRY_AFTER_SECONDS)}
            return PlainTextResponse("too many bodies at once", status_code=503, headers=headers)
        except ClientDisconnect:
            return PlainTextResponse("incomplete", status_code=400)
        except TimeoutError:
            _log.warning("slack body too slow")
            return PlainTextResponse("too slow", status_code=408, headers={"Connection": "close"})
        if body is None and (not unsigned or _length(request) > MAX_BODY_BYTES):
            _log.warning("slack body too large")
            return PlainTextResponse("too large", status_code=413, headers={"Connection": "close"})
        if unsigned and body is not None and _SSL_CHECK in body.split(b"&"):
            return PlainTextResponse("")  # Slack tries the certificate now and then, and signs nothing for it
        denial = _Denial.UNSIGNED if body is None or unsigned else self._denial(request, body)
        if body is None or denial is not None:
            _log.warning("slack request denied", extra={"reason": (denial or _Denial.UNSIGNED).name.lower()})
            return PlainTextResponse("wrong signature", status_code=401, headers={"Connection": "close"})
        self._denied.clear()
        self._reports.fine("requests")
        is_new = self._signatures.take(request.headers["x-slack-signature"], self._now())
        response = await anyio.to_thread.run_sync(self._dispatch, request, body, not is_new, limiter=self._limiter)
        if is_new and response.status_code >= 500:
            self._signatures.give_back(request.headers["x-slack-signature"])
        return response

    async def _body(self, request: Request, most: int) -> bytes | None:
        """The body; None when it is larger than `most` bytes. Raises `TimeoutError` and `_TooManyBodies`."""
        if _length(request) > most:
            return None
        chunks: list[bytes] = []
        size = 0
        try:
            with anyio.fail_after(BODY_SECONDS):
                async for chunk in request.stream():
                    if size + len(chunk) > most:
                        return None
                    if not self._unproven.take(len(chunk)):
                        raise _TooManyBodies
                    size += len(chunk)
                    chunks.append(chunk)
        finally:
            self._unproven.give_back(size)
        return b"".join(chunks)

    def _denial(self, request: Request, body: bytes) -> _Denial | None:
        """Why the request is not Slack's; None when it is. After some in a row `/ready` says what may be wrong here."""
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not signature or not timestamp:
            return _Denial.UNSIGNED
        right = f"v0={hmac.new(self._secret().encode(), f'v0:{timestamp}:'.encode() + body, 'sha256').hexdigest()}"
        same = hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace"))
        if not same or not _TIMESTAMP.fullmatch(timestamp):
            self._complain(_Denial.SIGNATURE, "wrong signature", "is SLACK_SIGNING_SECRET that of the app?")
            return _Denial.SIGNATURE
        ahead = int(timestamp) - self._now()
        if abs(ahead) > MOST_SECONDS_OFF:
            which = "behind" if ahead > 0 else "ahead of"
            hint = f"the clock of this machine is about {abs(ahead):.0f} s {which} Slack's: set it, for example by NTP"
            self._complain(_Denial.TIME, "wrong clock", hint)
            return _Denial.TIME
        return None

    def _complain(self, denial: _Denial, error: str, hint: str) -> None:
        self._denied = [*self._denied, denial][-DENIED_IN_A_ROW:]
        if self._denied == [denial] * DENIED_IN_A_ROW:
            self._reports.trouble("requests", error, hint)

    def _dispatch(self, request: Request, body: bytes, is_replayed: bool) -> Response:
        """In a thread: Bolt waits here for the listener's `ack`, three seconds at most."""
        headers: dict[str, str | Sequence[str]] = {name: request.headers.getlist(name) for name in request.headers}
        try:
            bolt_request = BoltRequest(
                body=body.decode("utf-8"), query=request.url.query, headers=headers, context={REPLAYED: is_replayed}
            )
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


def _length(request: Request) -> int:
    """What the request says of its length; 0 when it says nothing."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


class _Signatures:
    """The signatures of the requests that were answered: each is good once. Only the event loop uses it."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # in the order in which they end

    def take(self, signature: str, now: float) -> bool:
        """Whether it comes for the first time while its timestamp is good."""
        while self._until and (next(iter(self._until.values())) < now or len(self._until) >= MOST_SIGNATURES):
            del self._until[next(iter(self._until))]
        if signature in self._until:
            return False
        self._until[signature] = now + 2 * MOST_SECONDS_OFF
        return True

    def give_back(self, signature: str) -> None:
        """It was not carried out."""
        self._until.pop(signature, None)
