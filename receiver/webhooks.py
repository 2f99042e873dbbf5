"""The webhooks: check who posts, keep the bytes, record what they say, answer what happened."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import anyio
import anyio.to_thread
import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from db.arrival import Arrival
from db.database import Database
from db.errors import (
    Conflict,
    DatabaseAway,
    Interrupted,
    OutcomeUnknown,
    RecordError,
    Replayed,
    SchemaError,
    TooLarge,
)
from db.model import finding
from db.model.alert import Reading, Rejected, Unreadable
from db.model.delivery import Delivery
from db.model.masks import Masks
from db.transactions import ingest
from receiver.auth import Allowed, Denial, Denied, WebhookAuth
from receiver.bodies import (
    BodyNotDecoded,
    BodyReader,
    BodyTooLarge,
    BodyTooSlow,
    Budget,
    TooManyBodies,
    UnknownEncoding,
    decoded,
    drain,
)
from receiver.collector import Collector
from receiver.masking import mask_body
from receiver.metrics import WebhookMeter
from receiver.rates import Amounts, Rates
from receiver.replays import Replays
from receiver.sources.charsets import in_utf8
from receiver.sources.reading import NothingSaid, OtherShape

_log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""What a source is told when the database is away; Alertmanager goes by its own back-off, Grafana by group_interval."""


_PROCESS = secrets.token_bytes(8)
_numbers = itertools.count()
"""The id of a request says which process took it and which of its requests it was: no two are the same, those of a time
stand together in the index, and the operating system is not asked for each."""

_BY_HEADERS = frozenset({Denial.SIGNATURE_MISSING, Denial.TIMESTAMP_MISSING, Denial.TIMESTAMP_MALFORMED})
"""Why a request is not signed, whatever its body is."""

AT_ONCE_BYTES = 32 * 1024
"""Bodies up to this are read on the event loop, which takes less than handing them to a thread: half a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook path, as an ASGI application; `source` names it in the record until the body says more."""

    source: str
    read: Callable[[bytes], Reading]
    auth: WebhookAuth
    database: Database
    collector: Collector
    clock: Callable[[], datetime]
    readers: anyio.CapacityLimiter  # of the threads that read large bodies
    keepers: anyio.CapacityLimiter  # of those that keep unreadable ones
    heard: Callable[[Reading], None]  # called after a commit with what was recorded
    meter: WebhookMeter
    bodies: BodyReader
    unproven: Budget
    rates: Rates
    replays: Replays
    masks: Masks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 2xx only after the commit."""
        response = await self._respond(_headers(scope), receive)
        await response(scope, receive, send)

    async def _respond(self, headers: Mapping[str, str], receive: Receive) -> ASGIApp:
        began = time.monotonic()
        try:
            return await self._answer(headers, receive)
        except BodyTooLarge as error:
            self.meter.outcome("too_large")
            _log.warning("webhook body too large", extra={"source": self.source})
            if error.unread:
                await drain(headers, receive)
            return _problem(413, "body", f"the body is larger than {self.bodies.most} bytes", close=True)
        except TooManyBodies:
            self.meter.outcome("busy")
            _log.warning("too many bodies of unknown senders", extra={"source": self.source})
            await drain(headers, receive)
            return _problem(503, "body", "too many bodies at once, send again", retry=True, close=True)
        except BodyTooSlow:
            self.meter.outcome("gone")
            _log.warning("webhook body too slow", extra={"source": self.source})
            reason = f"the body was not complete after {self.bodies.seconds:.0f} seconds"
            return _problem(408, "body", reason, close=True)
        except ClientDisconnect:
            self.meter.outcome("gone")
            _log.warning("webhook sender went away", extra={"source": self.source})
            return _problem(400, "body", "the sender went away before the body was complete")
        finally:
            self.meter.took(time.monotonic() - began)

    async def _answer(self, headers: Mapping[str, str], receive: Receive) -> ASGIApp:
        # A signature covers the body; whatever the headers say alone is checked before a byte of it is read.
        signed = self.auth.signed
        proof = self._proof(headers, b"")
        if isinstance(proof, Denied) and (not signed or proof.reason in _BY_HEADERS):
            await drain(headers, receive)
            return self._denied(proof)
        body = await self.bodies.read(headers, receive, self.unproven if signed else None)
        if signed:
            proof = self._proof(headers, body)
        if isinstance(proof, Denied):
            return self._denied(proof)
        arrived = _Arrived(
            received_at=self.clock(),
            content_type=_content_type(headers),
            encoding=headers.get("content-encoding", ""),
            body=body,
            credential=proof.credential,
            signature=proof.signature,
        )
        return await self._take(arrived)

    def _proof(self, headers: Mapping[str, str], body: bytes) -> Allowed | Denied:
        decision = self.auth.check(headers, body, self.clock().timestamp())
        if isinstance(decision, Allowed) and self.replays.knows(decision.signature):
            return Denied(Denial.SIGNATURE_REPLAYED)
        return decision

    def _denied(self, proof: Denied) -> Response:
        self.meter.outcome("denied")
        self.rates.count(self.source, "", Amounts(requests=1, denied=1))
        _log.warning("webhook denied", extra={"source": self.source, "reason": proof.reason.value})
        words = "missing or wrong credentials"
        if proof.reason == Denial.SCHEME_TWICE:  # which the sender can see itself
            words += ": the scheme stands twice, as in 'Bearer Bearer ...'; give the credentials without it"
        response = _problem(401, "Authorization", words, close=True)
        response.headers["WWW-Authenticate"] = self.auth.challenge
        return response

    async def _take(self, arrived: _Arrived) -> ASGIApp:
        """Read, have it recorded, answer."""
        alerts, replayed = 0, False
        if len(arrived.body) <= AT_ONCE_BYTES and not arrived.encoding and not self.masks.storage:
            understood = self._understand(arrived)
        else:
            understood = await anyio.to_thread.run_sync(self._prepare, arrived, limiter=self.readers)
        try:
            if isinstance(understood, _Unreadable) and isinstance(understood.problem, OtherShape):
                return self._other_shape(understood.problem)
            if isinstance(understood, _Unreadable):
                response = await anyio.to_thread.run_sync(self._keep_unreadable, understood, limiter=self.keepers)
                self.meter.outcome(_outcome(understood.problem))
                return response
            alerts = len(understood.reading.alerts)
            answer = await self.collector.record(understood)
        except Replayed:
            replayed = True
            self.replays.learn(arrived.signature)
            return self._denied(Denied(Denial.SIGNATURE_REPLAYED))
        except RecordError as error:
            return self._not_recorded(error)
        finally:
            if not replayed:  # which counts as denied
                self.rates.count(self.source, arrived.credential, Amounts(1, alerts, len(arrived.body)))
        self.heard(understood.reading)
        self.meter.recorded(understood.reading, answer)
        return _Recorded(orjson.dumps({"status": "recorded", **answer}))

    def _understand(self, arrived: _Arrived) -> Arrival | _Unreadable:
        """Decompress, mask, read; kept are the bytes as sent, unless they were masked."""
        try:
            sent = decoded(arrived.body, arrived.encoding, self.bodies.most)
        except UnknownEncoding:
            reason = f"{self.masks.told(arrived.encoding)[:40]!r} is not supported; send gzip, or the body as is"
            return _Unreadable(self._delivery(arrived, arrived.body), _Undecoded("Content-Encoding", reason, 415))
        except BodyNotDecoded:
            reason = "the body is not what its Content-Encoding says"
            return _Unreadable(self._delivery(arrived, arrived.body), _Undecoded("Content-Encoding", reason, 400))
        except BodyTooLarge:
            reason = f"the body is larger than {self.bodies.most} bytes once decompressed"
            return _Unreadable(self._delivery(arrived, arrived.body), _Undecoded("body", reason, 413))
        readable = in_utf8(sent, arrived.content_type)
        body, masked = mask_body(readable, self.masks)
        delivery = self._delivery(arrived, body if masked else sent, masked=masked)
        try:
            reading = self.read(body)
        except Unreadable as problem:
            problem.path, problem.reason = self.masks.told(problem.path), self.masks.told(problem.reason)
            return _Unreadable(delivery, problem)
        if reading.rejected and self.masks.storage:
            told = [Rejected(self.masks.told(one.path), self.masks.told(one.reason)) for one in reading.rejected]
            reading = replace(reading, rejected=tuple(told))
        return Arrival(delivery, reading)

    def _delivery(self, arrived: _Arrived, body: bytes, *, masked: bool = False) -> Delivery:
        return Delivery(
            request_id=_PROCESS + next(_numbers).to_bytes(8, "big"),
            received_at=arrived.received_at,
            source=self.source,
            content_type=self.masks.told(arrived.content_type),
            body=body,
            credential=arrived.credential,
            signature=arrived.signature,
            masked=masked,
        )

    def _prepare(self, arrived: _Arrived) -> Arrival | _Unreadable:
        """The same for a large body, and all that can be done of it before its turn to be recorded: a writer would do
        that as well, but should not be in the way of the other one, which holds locks."""
        understood = self._understand(arrived)
        return understood if isinstance(understood, _Unreadable) else self.collector.prepared(understood)

    def _keep_unreadable(self, unreadable: _Unreadable) -> Response:
        delivery, problem = unreadable
        if isinstance(problem, _Undecoded) and self.masks.storage:  # nobody can say what is in it
            return _problem(problem.status, problem.path, problem.reason)
        number = ingest.record_unreadable(self.database, delivery, Rejected(problem.path, problem.reason))
        if isinstance(problem, NothingSaid):  # a refused one would be sent again, for ever
            _log.info("delivery without alerts", extra={"source": self.source, "delivery": number})
            said = {"status": "recorded", "delivery": number, "path": problem.path, "reason": problem.reason}
            return _json(said)
        _log.warning(
            "delivery could not be read",
            extra={
                "source": self.source, "credential": delivery.credential, "delivery": number, "path": problem.path,
                "bytes": len(delivery.body),
            },
        )  # fmt: skip
        status = problem.status if isinstance(problem, _Undecoded) else 422
        return _problem(status, problem.path, problem.reason, delivery=number)

    def _other_shape(self, problem: Unreadable) -> Response:
        """Its sender proved itself by the credentials of other bodies. It is not kept: a replay would take it."""
        self.meter.outcome("denied")
        _log.warning("webhook denied", extra={"source": self.source, "reason": "shape_of_the_other_path"})
        return _problem(422, problem.path, problem.reason)

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


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The answer to a request that was recorded, as an ASGI application; half the cost of a `Response`."""

    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = str(len(self.body)).encode("ascii")
        headers = [(b"content-length", length), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class _Arrived(NamedTuple):
    """A request whose sender is known and whose body is complete."""

    received_at: datetime
    content_type: str
    encoding: str
    body: bytes
    credential: str
    signature: bytes | None


class _Undecoded(Unreadable):
    """The body is not what its Content-Encoding says, or in none that is supported, or too large once it is decoded."""

    def __init__(self, path: str, reason: str, status: int) -> None:
        super().__init__(path, reason)
        self.status = status


class _Unreadable(NamedTuple):
    """A request that says nothing that could be recorded as alerts."""

    delivery: Delivery
    problem: Unreadable


def _outcome(problem: Unreadable) -> str:
    """The name of what became of a request that could not be read, for the metrics."""
    if isinstance(problem, _Undecoded):
        return "too_large" if problem.status == 413 else "encoding"
    return "recorded" if isinstance(problem, NothingSaid) else "unreadable"


def _headers(scope: Scope) -> dict[str, str]:
    """The headers of a request by their names in lower case; of several with one name the first counts."""
    pairs = reversed(list(scope["headers"]))
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


def _content_type(headers: Mapping[str, str]) -> str:
    """What the sender says of the body; nobody else may claim that it is a finding of Observer's own."""
    said = headers.get("content-type", "")
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
