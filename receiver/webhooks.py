"""The webhooks: check who posts, keep the bytes, record what they say, answer what happened."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import anyio
import anyio.to_thread
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from db.database import Database
from db.errors import Conflict, DatabaseAway, Interrupted, OutcomeUnknown, RecordError, SchemaError, TooLarge
from db.model import finding
from db.model.alert import Reading, Rejected, Unreadable
from db.model.delivery import Delivery
from db.transactions import ingest
from db.transactions.ingest import Arrival
from receiver.auth import Basic, Denied, Hmac, WebhookAuth
from receiver.collector import Collector
from receiver.metrics import WebhookMeter

_log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""What a source is told when the database is away; Alertmanager goes by its own back-off, Grafana by group_interval."""


_PROCESS = secrets.token_bytes(8)
_numbers = itertools.count()
"""The id of a request says which process took it and which of its requests it was: no two are the same, those of a time
stand together in the index, and the operating system is not asked for each."""

AT_ONCE_BYTES = 32 * 1024
"""Bodies up to this are read on the event loop, which takes less than handing them to a thread: half a millisecond."""


class BodyTooLarge(Exception):
    """The body is larger than `MAX_BODY_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook path: `source` names it in the record until the body says more."""

    source: str
    read: Callable[[bytes], Reading]
    auth: WebhookAuth
    database: Database
    collector: Collector
    clock: Callable[[], datetime]
    limiter: anyio.CapacityLimiter  # of the threads that read large bodies and keep unreadable ones
    heard: Callable[[Reading], None]  # called after a commit with what was recorded
    meter: WebhookMeter
    max_body_bytes: int

    async def __call__(self, request: Request) -> Response:
        """Answer one request; 2xx only after the commit."""
        began = time.monotonic()
        try:
            return await self._answer(request)
        except BodyTooLarge:
            self.meter.outcome("too_large")
            _log.warning("webhook body too large", extra={"source": self.source})
            return _problem(413, "body", f"the body is larger than {self.max_body_bytes} bytes", close=True)
        except ClientDisconnect:
            self.meter.outcome("gone")
            _log.warning("webhook sender went away", extra={"source": self.source})
            return _problem(400, "body", "the sender went away before the body was complete")
        finally:
            self.meter.took(time.monotonic() - began)

    async def _answer(self, request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_body_bytes:
            raise BodyTooLarge
        # A signature covers the body; other credentials are checked before a byte of it is read.
        signed = isinstance(self.auth, Hmac)
        if not signed and (denied := self._denied(request, b"")):
            return denied
        body = await self._body(request)
        if signed and (denied := self._denied(request, body)):
            return denied
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", ""):
            self.meter.outcome("encoding")
            return _problem(415, "Content-Encoding", f"{encoding[:40]!r} is not supported; send the body as it is")
        delivery = Delivery(
            request_id=_PROCESS + next(_numbers).to_bytes(8, "big"),
            received_at=self.clock(),
            source=self.source,
            content_type=_content_type(request),
            body=body,
        )
        return await self._record(delivery)

    def _denied(self, request: Request, body: bytes) -> Response | None:
        decision = self.auth.check(request.headers, body, self.clock().timestamp())
        if not isinstance(decision, Denied):
            return None
        self.meter.outcome("denied")
        _log.warning("webhook denied", extra={"source": self.source, "reason": decision.reason.value})
        response = _problem(401, "Authorization", "missing or wrong credentials", close=True)
        response.headers["WWW-Authenticate"] = 'Basic realm="Observer"' if isinstance(self.auth, Basic) else "Bearer"
        return response

    async def _body(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.max_body_bytes:
                raise BodyTooLarge
            chunks.append(chunk)
        return b"".join(chunks)

    async def _record(self, delivery: Delivery) -> Response:
        """Read, have it recorded, answer."""
        try:
            try:
                if len(delivery.body) <= AT_ONCE_BYTES:
                    reading = self.read(delivery.body)
                else:
                    reading = await anyio.to_thread.run_sync(self.read, delivery.body, limiter=self.limiter)
            except Unreadable as problem:
                return await anyio.to_thread.run_sync(self._keep_unreadable, delivery, problem, limiter=self.limiter)
            answer = await self.collector.record(Arrival(delivery, reading))
        except RecordError as error:
            return self._not_recorded(error)
        self.heard(reading)
        self.meter.recorded(reading, answer)
        return _json({"status": "recorded", **answer})

    def _keep_unreadable(self, delivery: Delivery, problem: Unreadable) -> Response:
        number = ingest.record_unreadable(self.database, delivery, Rejected(problem.path, problem.reason))
        self.meter.outcome("unreadable")
        _log.warning(
            "delivery could not be read",
            extra={"source": self.source, "delivery": number, "path": problem.path, "bytes": len(delivery.body)},
        )
        return _problem(422, problem.path, problem.reason, delivery=number)

    def _not_recorded(self, error: RecordError) -> Response:
        _log.error("delivery not recorded", extra={"source": self.source, "error": type(error).__name__})
        if isinstance(error, TooLarge):
            self.meter.outcome("too_large")
            return _problem(413, "body", "too large for the database's max_allowed_packet; raise it to 64M")
        if isinstance(error, SchemaError):
            self.meter.outcome("database_away")
            return _problem(503, "database", f"nothing was recorded, send again: {error}"[:600], retry=True)
        if isinstance(error, DatabaseAway | Conflict | OutcomeUnknown | Interrupted):
            self.meter.outcome("database_away")
            return _problem(503, "database", "the database is away; nothing was recorded, send again", retry=True)
        self.meter.outcome("failed")
        raise error


def _content_type(request: Request) -> str:
    """What the sender says of the body; nobody else may claim that it is a finding of Observer's own."""
    said = request.headers.get("content-type", "")
    return "" if said.lower().startswith(finding.CONTENT_TYPE) else said


def _problem(
    status: int, path: str, reason: str, *, delivery: int | None = None, retry: bool = False, close: bool = False
) -> Response:
    """An error that says what is wrong and where; Grafana shows 1024 bytes of it to who presses the Test button."""
    content: dict[str, object] = {"status": "error", "path": path, "reason": reason}
    if delivery is not None:
        content["delivery"] = delivery
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if retry else {}
    if close:
        headers["Connection"] = "close"  # the rest of the body is not read
    return _json(content, status, headers)


def _json(content: dict[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")
