"""Reads a request's body within bounds: of bytes, of bytes once decompressed, and of time.

A sender that writes a byte a minute, and one that compressed gigabytes of zeros, must not hold anything for long.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

import anyio
from starlette.requests import ClientDisconnect
from starlette.types import Receive

BODY_SECONDS = 30.0
"""The longest time for a whole body: Grafana gives up its request after 30 seconds, Alertmanager after 10."""

UNPROVEN_BYTES = 64 * 1024 * 1024
"""What is held at once of bodies whose sender is not known until they are complete, because a signature covers them."""

DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_SECONDS = 2.0
"""What is still read of a body that is refused, and thrown away: a sender that is still writing would only see a
broken connection."""

_PIECE = 1024 * 1024
_MOST_MEMBERS = 16  # gzip streams one after the other in one body; each costs an allocation and a copy of the rest


class BodyTooLarge(Exception):
    """The body is larger than allowed; `unread` when a part of it is still to come."""

    def __init__(self, *, unread: bool) -> None:
        super().__init__()
        self.unread = unread


class BodyTooSlow(Exception):
    """The body was not complete in time."""


class TooManyBodies(Exception):
    """Strangers, or senders that are not known yet, hold all that may be held of their bodies."""


class BodyNotDecoded(Exception):
    """The body is not what its Content-Encoding says."""


class UnknownEncoding(Exception):
    """The body came in an encoding that is not supported."""


class Budget:
    """Bytes of bodies whose sender is not known yet, of all connections and paths together; for one event loop."""

    def __init__(self, most: int = UNPROVEN_BYTES) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Whether so many more may be held; then they are."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """They are held no longer, or their sender is known."""
        self._left += size


class BodyReader:
    """Reads bodies of at most `most` bytes that are complete within `seconds`; for one event loop.

    Nearly every body is there as soon as its headers, and a timer for each would cost more than reading it: so one
    timer watches all that are being read. They all have the same time, so the one that began first is due first.
    """

    def __init__(self, most: int, seconds: float = BODY_SECONDS) -> None:
        self.most = most
        self.seconds = seconds
        self._deadlines: dict[asyncio.Task[object], float] = {}  # of the loop's clock, the first one first
        self._late: set[asyncio.Task[object]] = set()  # those that were cancelled because of it
        self._timer: asyncio.TimerHandle | None = None  # never later than the first deadline

    async def read(self, headers: Mapping[str, str], receive: Receive, unproven: Budget | None = None) -> bytes:
        """The whole body as sent; `headers` have lower-case names. Raises `BodyTooLarge`, `BodyTooSlow`, and
        Starlette's `ClientDisconnect` when the sender goes away; with a budget `TooManyBodies` when that is used up.
        Who is to prove itself by the body is asked for that before anything else is awaited.
        """
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.most:
            raise BodyTooLarge(unread=True)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        loop = task.get_loop()
        self._deadlines[task] = deadline = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._look, loop)
        try:
            return await self._read(receive, unproven)
        except asyncio.CancelledError as error:
            # As `asyncio.timeout` has it: who was cancelled by somebody else as well stays cancelled.
            if task in self._late and task.uncancel() == 0:
                raise BodyTooSlow from error
            raise
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    async def _read(self, receive: Receive, unproven: Budget | None) -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                if size + len(chunk) > self.most:
                    raise BodyTooLarge(unread=True)
                if unproven is not None and not unproven.take(len(chunk)):
                    raise TooManyBodies
                size += len(chunk)
                chunks.append(chunk)
                more = message.get("more_body", False)
        finally:
            if unproven is not None:
                unproven.give_back(size)
        return b"".join(chunks)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is late, and look again when the next one will be; without one, the next body begins anew."""
        self._timer = None
        now = loop.time()
        for task, deadline in self._deadlines.items():
            if deadline > now:
                self._timer = loop.call_at(deadline, self._look, loop)
                break
            if task not in self._late:
                self._late.add(task)
                task.cancel()


async def drain(headers: Mapping[str, str], receive: Receive) -> None:
    """Read on for a moment and throw it away, so that the sender comes to read the answer. Never raises.

    `headers` have lower-case names."""
    if "expect" in headers:  # this sender waits before it writes; reading would tell it to begin
        return
    size = 0
    with anyio.move_on_after(DRAIN_SECONDS):
        more = True
        while more and size <= DRAIN_BYTES:
            message = await receive()
            size += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its Content-Encoding, at most `most` bytes; no more than that is ever decompressed.

    Raises `BodyTooLarge`, `BodyNotDecoded`, `UnknownEncoding`.
    """
    word = _word(encoding)
    if word in ("", "identity"):
        return body
    if word in ("gzip", "x-gzip"):
        return _inflate(body, zlib.MAX_WBITS | 16, most)
    if word == "deflate":
        # zlib's format, as the standard says; some senders leave its frame out
        framed = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _inflate(body, zlib.MAX_WBITS if framed else -zlib.MAX_WBITS, most)
    raise UnknownEncoding


def _word(encoding: str) -> str:
    return encoding.strip().lower()


def _inflate(body: bytes, wbits: int, most: int) -> bytes:
    """Decompress, also of several members one after the other, which gzip allows."""
    pieces: list[bytes] = []
    size = 0
    rest, members = body, 0
    try:
        while rest:
            members += 1
            if members > _MOST_MEMBERS:
                raise BodyNotDecoded
            stream = zlib.decompressobj(wbits)
            while True:
                piece = stream.decompress(rest, min(_PIECE, most + 1 - size))
                rest = stream.unconsumed_tail
                size += len(piece)
                if size > most:
                    raise BodyTooLarge(unread=False)
                pieces.append(piece)
                if stream.eof:
                    break
                if not piece and not rest:
                    raise BodyNotDecoded
            rest = stream.unused_data if wbits == zlib.MAX_WBITS | 16 else b""
    except zlib.error as error:
        raise BodyNotDecoded from error
    if not body:
        raise BodyNotDecoded
    return b"".join(pieces)
