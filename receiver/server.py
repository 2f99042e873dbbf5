"""The HTTP server in front of the application: uvicorn, with bounds on all parts of a request and on its time.

uvicorn alone waits for ever for a sender that writes its headers, or a body nobody asked for, a byte at a time, and its
faster parser keeps headers and trailers of any size, and drops the body of a request that offers another protocol.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

import httptools
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from receiver.bodies import DRAIN_SECONDS

if sys.platform != "win32":
    import resource

_log = logging.getLogger(__name__)


FILES_LEFT = 4
"""So near to the limit of open files it counts as reached: some files may be the database's or Slack's."""


def _most_files() -> float:
    if sys.platform == "win32":
        return math.inf
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _OnePacket(asyncio.Transport):
    """Gathers what is written in one step of the event loop, so that an answer's head and body cost one system call.

    Nothing is held longer than that step: what an application writes piece by piece goes out piece by piece.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it after this step, behind what is held already."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(bytes(data))

    def close(self) -> None:
        """Send what is held, and no more."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is over, or will be when all is sent."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Take nothing more for the moment."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection, as the event loop names it."""
        return self._transport.get_extra_info(name, default)

    def _flush(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            if not self._transport.is_closing():  # the sender may have gone away since
                self._transport.write(data)


class GuardedProtocol(HttpToolsProtocol):
    """One connection; a request that breaks a bound is answered 431, 408 or 400 if there is still something to answer.

    Its headers, its body, and the next request each have their time. A timer for each would be a good part of what a
    request costs: so the connection has one, which is set anew only for an earlier deadline, and which looks when it
    rings whether the deadline of the moment is over.
    """

    most_header_bytes = 64 * 1024
    """Of the first line and all headers; a little more is read before it shows."""

    most_frame_bytes = 64 * 1024
    """Of what is neither headers nor body: sizes and extensions of chunks, and trailers. So much without a byte of the
    body in between; and so much in all, with `most_frame_share` for each byte of the body. A piece that the network
    hands over is counted as a whole, so a little more is read before it shows."""

    most_frame_share = 8
    """A chunk of one byte costs five more."""

    header_seconds = 20.0
    """From the first byte of a connection or request to the end of its headers."""

    request_seconds = 60.0
    """From the end of the headers to the end of the body."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: float | None = None  # of the loop's clock, for what is awaited at present
        self._overdue: Callable[[], None] = self._too_slow  # what is done when it did not come
        self._timer: TimerHandle | None = None  # never later than the deadline
        self._timer_at = 0.0
        self._in_headers = True
        self._header_bytes = 0
        self._in_body = False  # the headers are there, the end of the request is not
        self._offer = False  # this request offers to go on in another protocol
        self._requests = 0  # whose headers are complete
        self._body_bytes = 0  # of this request
        self._frame_bytes = 0  # of this request, in pieces after the one that ended its headers
        self._bare_bytes = 0  # the same, since the last byte of its body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A sender connected; its request may not let us wait."""
        super().connection_made(_OnePacket(transport, self.loop))
        if transport.get_extra_info("socket").fileno() >= _most_files() - FILES_LEFT:  # the lowest free one is taken
            # From there on the event loop resets whoever comes, without a word.
            _log.warning("no more connections", extra={"reason": "the limit of open files (ulimit -n) is reached"})
        self._await_within(self.header_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        number, in_body, body_bytes = self._requests, self._in_body, self._body_bytes
        self._parse(data)
        if self.transport.is_closing():
            return
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.most_header_bytes:
                self._refuse(431, "headers too large")
        elif in_body and self._in_body and number == self._requests:  # all of it belongs to one request
            body = self._body_bytes - body_bytes
            self._frame_bytes += len(data) - body
            self._bare_bytes = 0 if body else self._bare_bytes + len(data)
            most = self.most_frame_bytes + self.most_frame_share * self._body_bytes
            if self._frame_bytes > most or self._bare_bytes > self.most_frame_bytes:
                self._refuse(431, "too much around the body")

    def _parse(self, data: bytes) -> None:
        """Hand it to the parser, which stops behind the headers of a request that offers another protocol, such as
        `Upgrade: h2c`, and knows no more of its body. A server may ignore the offer: begin again without it."""
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as stop:
                if self.transport.is_closing():
                    return
                rest = rest[stop.args[0] :]
                head = self._head_without_offer()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
                try:
                    self.parser.feed_data(head)
                except httptools.HttpParserError:
                    self._not_http()
                    return
            except httptools.HttpParserError:
                self._not_http()
                return

    def _head_without_offer(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _not_http(self) -> None:
        if not self.transport.is_closing():
            _log.warning("connection closed", extra={"reason": "not a request"})
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._offer = False
        self._await_within(self.header_seconds, self._too_slow)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what stands behind the body is none, and nobody asked for it."""
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        if self.transport.is_closing():
            return
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + 4
        if size > self.most_header_bytes:
            self._refuse(431, "headers too large")
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(400, "no tunnels here")
            self._offer = True
            return
        fault = self._fault()
        if fault is not None:
            self._refuse(*fault)
            return
        self._in_headers = False
        self._in_body = True
        self._requests += 1
        self._body_bytes = self._frame_bytes = self._bare_bytes = 0
        self._await_within(self.request_seconds, self._too_slow)
        super().on_headers_complete()

    def _fault(self) -> tuple[int, str] | None:
        """Why a proxy in front may read this request differently, as status and words."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return 400, "only HTTP/1.1 and HTTP/1.0"
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                return 501, "only chunked as Transfer-Encoding"
        if hosts > 1 or (not hosts and version == "1.1"):
            return 400, "one Host header, please"
        return None

    def on_body(self, body: bytes) -> None:
        """A part of the body; nobody waits for that of a request that was refused."""
        self._body_bytes += len(body)
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self._offer:  # it is not: it begins again
            return
        self._in_body = False
        self._deadline = None
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written: go on with the next request that is here, or wait for one.

        uvicorn would set another timer for each pause between two requests; the rest is as it has it.
        """
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if self._deadline is None:
            self._await_within(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        elif self._in_body:  # a part of the answered request is still to come
            left = self._deadline - self.loop.time()
            self._await_within(min(left, DRAIN_SECONDS), self.timeout_keep_alive_handler)

    def _await_within(self, seconds: float, overdue: Callable[[], None]) -> None:
        """Call `overdue` in so many seconds, unless another deadline takes this one's place before."""
        self._deadline = deadline = self.loop.time() + seconds
        self._overdue = overdue
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._set_timer(deadline)

    def _set_timer(self, deadline: float) -> None:
        self._timer = self.loop.call_at(deadline, self._ring)
        self._timer_at = deadline

    def _ring(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._set_timer(self._deadline)
            return
        self._deadline = None
        self._overdue()

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "request too slow")

    def _refuse(self, status: int, words: str) -> None:
        """Answer, unless the application has the answer in hand, and close."""
        _log.warning("connection closed", extra={"reason": words})
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or (cycle.response_complete and self._in_headers):
            head = f"HTTP/1.1 {status} {words}\r\ncontent-type: text/plain\r\ncontent-length: {len(words)}\r\n"
            self.transport.write(f"{head}connection: close\r\n\r\n{words}".encode("ascii"))
        self.transport.close()


def server_config(
    app: Starlette, host: str, port: int, protocol: type[GuardedProtocol] = GuardedProtocol
) -> uvicorn.Config:
    """How the program is served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # A client may write anything into X-Forwarded-For; nothing here goes by the address of a sender.
        proxy_headers=False,
        # A click is answered in three seconds; whatever takes longer at the end was given up by its sender.
        timeout_graceful_shutdown=5,
        # Alertmanager keeps connections open and may use one just when the server closes it.
        timeout_keep_alive=75,
    )
