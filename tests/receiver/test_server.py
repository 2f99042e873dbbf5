"""The HTTP server in front: headers have bounds, slow senders an end, and odd requests are no way around anything."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import httptools
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from db.server.private import reserved_port
from receiver.bodies import DRAIN_SECONDS
from receiver.server import GuardedProtocol, server_config
from tests.borrowed import borrowed, names_inside
from tests.servers.slack import ThreadedServer


class Hasty(GuardedProtocol):
    """The same with little patience."""

    header_seconds = 0.3
    request_seconds = 0.5

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.timeout_keep_alive = 2


async def echo(request: Request) -> PlainTextResponse:
    """What arrived."""
    body = await request.body()
    return PlainTextResponse(f"{request.url.path} {len(body)} {len(request.headers)}")


async def names(request: Request) -> PlainTextResponse:
    """The body and, after that, the names of all headers."""
    body = await request.body()
    await asyncio.sleep(0.05)
    return PlainTextResponse(f"{body.decode()} {','.join(sorted(request.headers))};")


async def deaf(request: Request) -> PlainTextResponse:
    """Answers without reading a body."""
    return PlainTextResponse("deaf")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with reserved_port() as port:
        pass
    app = Starlette(
        routes=[
            Route("/", echo, methods=["GET", "POST"]),
            Route("/deaf", deaf, methods=["POST"]),
            Route("/names", names, methods=["GET", "POST"]),
        ]
    )
    server = ThreadedServer(app, port, server_config(app, "127.0.0.1", port, Hasty))
    server.start()
    yield port
    server.stop()


def answers(port: int, *pieces: bytes, every: float = 0.0) -> bytes:
    """Send pieces, perhaps slowly, and read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for piece in pieces:
            try:
                wire.sendall(piece)
            except OSError:
                break
            if every:
                time.sleep(every)
        answer = b""
        try:
            while data := wire.recv(65_536):
                answer += data
        except ConnectionResetError:
            pass
        return answer


def test_usual_requests_are_answered_and_connections_are_kept(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for size in (0, 10, 2_000_000):
            assert client.post("/", content=bytes(size)).text.split()[:2] == ["/", str(size)]
    two = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert answers(port, two).count(b"HTTP/1.1 200") == 3


def test_an_idle_connection_may_be_used_again(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for _ in range(2):
            wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(Hasty.request_seconds + 0.2)


def test_an_idle_connection_is_closed_without_a_word_when_its_time_is_over(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for pause in (1.2, 0.0):  # a second request begins the time anew
            wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(pause)
        began = time.monotonic()
        assert wire.recv(65_536) == b""
        assert 1.9 < time.monotonic() - began < 3.0


def test_each_request_of_a_connection_has_the_whole_time_and_no_more(port: int) -> None:
    """One timer serves them all: it must not ring for an earlier request, nor be late for a later one."""
    whole = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for _ in range(8):  # each begins at another moment of the timer's time
            wire.sendall(whole[:20])
            time.sleep(0.2)
            wire.sendall(whole[20:-1])
            time.sleep(0.15)
            wire.sendall(whole[-1:])
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(0.07)
        began = time.monotonic()
        wire.sendall(whole[:20])
        assert wire.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert Hasty.header_seconds - 0.05 < time.monotonic() - began < Hasty.header_seconds + 0.3
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(whole)
        assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)
        began = time.monotonic()
        wire.sendall(whole[:-1])
        assert wire.recv(65_536) == b"", "the application has the answer in hand"
        assert Hasty.request_seconds - 0.05 < time.monotonic() - began < Hasty.request_seconds + 0.3


def test_an_answer_comes_in_one_piece(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for _ in range(20):
            wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.recv(65_536).endswith(b"\r\n\r\n/ 0 1")


@pytest.mark.parametrize("pieces", [1, 40])
def test_headers_without_end_are_refused(port: int, pieces: int) -> None:
    large = b"x" * 200_000
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + large + b"\r\n\r\n"
    size = len(request) // pieces + 1
    answer = answers(port, *(request[start : start + size] for start in range(0, len(request), size)))
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert b"200" not in answer


def test_very_many_headers_are_refused(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n"
    assert b"HTTP/1.1 200" not in answers(port, request)


def test_an_address_without_end_is_refused(port: int) -> None:
    assert b"HTTP/1.1 200" not in answers(port, b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"G"],
        [b"GET / HTTP/1.1\r\nHost: a\r\n"],
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HT"],
        [b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 20],
    ],
)
def test_a_sender_that_does_not_finish_its_headers_is_let_go(port: int, pieces: list[bytes]) -> None:
    answer = answers(port, *pieces, every=0.05)
    assert b"HTTP/1.1 408 " in answer


def test_a_body_that_is_written_byte_by_byte_is_let_go(port: int) -> None:
    start = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    assert b"HTTP/1.1 200" not in answers(port, start, *[b"x"] * 20, every=0.05)
    assert answers(port, start.replace(b"/ ", b"/deaf "), *[b"x"] * 20, every=0.05).startswith(b"HTTP/1.1 200")


SMUGGLING = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET /deaf HTTP/1.1\r\nHost: a\r\n\r\n",
    "odd encoding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd",
    "length with a sign": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: 4\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nHost: a\n\n",
    "no number of a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_a_request_that_two_programs_could_read_differently_is_one_request_at_most(port: int, name: str) -> None:
    """A proxy in front may see one request where we would see two: then the second one would come in unseen."""
    answer = answers(port, SMUGGLING[name])
    assert answer.count(b"HTTP/1.1 200") <= 1
    assert b"deaf" not in answer
    if name not in ("a bare line feed", "a folded header"):
        assert b"HTTP/1.1 200" not in answer


CHUNKED = b"POST /names HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /names HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def segments(request: bytes, *cuts: bytes) -> list[bytes]:
    """The request in pieces, cut in front of each of these."""
    pieces = []
    for cut in cuts:
        at = request.index(cut)
        pieces.append(request[:at])
        request = request[at:]
    return [*pieces, request]


@pytest.mark.parametrize(
    "trailer", [b"Authorization: Bearer secret", b"Content-Encoding: gzip", b"Expect: 100-continue"]
)
@pytest.mark.parametrize("cuts", [(), (b"5\r\n",), (b"5\r\n", b"0\r\n"), (b"0\r\n",), (b"0\r\n", b":")])
def test_what_stands_behind_a_body_is_no_header(port: int, trailer: bytes, cuts: tuple[bytes, ...]) -> None:
    """Neither of its own request nor of the next one, however the network cuts it."""
    pieces = segments(b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n" + LAST, *cuts)
    answer = answers(port, CHUNKED + pieces[0], *pieces[1:], every=0.02)
    assert b"\r\n\r\nhello host,transfer-encoding;" in answer
    assert answer.endswith(b"\r\n\r\n connection,host;")


ENDLESS = {
    "trailers": (b"0\r\n", (b"A: " + b"b" * 60 + b"\r\n") * 1000),
    "a trailer's name": (b"0\r\n", b"b" * 66_000),
    "a trailer's value": (b"0\r\nA: ", b"b" * 66_000),
    "an extension": (b"5;", b"b" * 66_000),
    "an extension's value": (b"5;a=", b"b" * 66_000),
    "zeros of a size": (b"", b"0" * 66_000),
    "extensions of small chunks": (b"", (b"1;" + b"b" * 600 + b"\r\nx\r\n") * 100),
    "zeros of small chunks": (b"", (b"0" * 600 + b"1\r\nx\r\n") * 100),
}


@pytest.mark.parametrize("path", [b"/", b"/deaf", b"/unknown"])
@pytest.mark.parametrize("name", ENDLESS)
def test_what_is_neither_headers_nor_body_has_a_bound(port: int, name: str, path: bytes) -> None:
    start, again = ENDLESS[name]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(CHUNKED.replace(b"/names", path) + start)
        sent, closed = 0, False
        while sent < 16_000_000 and not closed:  # what the operating system takes unread counts as well
            try:
                sent += wire.send(again)
            except OSError:
                closed = True
        assert closed


def test_small_chunks_are_no_fault(port: int) -> None:
    pieces = [b"1\r\nx\r\n" * 20_000] * 4
    answer = answers(port, CHUNKED.replace(b"/names", b"/"), *pieces, b"0\r\n\r\n" + LAST)
    assert b"\r\n\r\n/ 80000 2" in answer


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"
BODIES = {
    "length": (b"Content-Length: 5\r\n\r\nhello", (b"hello",)),
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", (b"2\r\n",)),
}


@pytest.mark.parametrize("protocol", [b"h2c", b"H2C", b"websocket", b"TLS/1.0"])
@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("pieces", ["one", "body", "headers", "many"])
def test_an_offer_of_another_protocol_is_ignored(port: int, protocol: bytes, form: str, pieces: str) -> None:
    body, cuts = BODIES[form]
    request = b"POST /names HTTP/1.1\r\nHost: a\r\n" + OFFER % protocol + body
    cut = {
        "one": [request],
        "body": segments(request, *cuts),
        "headers": segments(request, b"Upgrade: "),
        "many": [request[n : n + 7] for n in range(0, len(request), 7)],  # within the time for the headers
    }[pieces]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(3):  # the connection is as good as before
            for piece in cut:
                wire.sendall(piece)
                if len(cut) < 5:  # the time for the headers is short
                    time.sleep(0.0005)
            answer = wire.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\n\r\nhello connection,content-length" in answer or b"\r\n\r\nhello connection,host" in answer
    answer = answers(port, request * 3 + LAST)
    assert answer.count(b"hello connection,") == 3
    assert answer.endswith(b"\r\n\r\n connection,host;")


def test_an_offer_changes_nothing_of_the_bounds(port: int) -> None:
    start = b"POST / HTTP/1.1\r\nHost: a\r\n" + OFFER % b"h2c"
    assert b"HTTP/1.1 200" not in answers(port, start + b"X-A: " + b"x" * 200_000 + b"\r\n\r\n")
    assert b"HTTP/1.1 200" not in answers(port, start + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 20, every=0.05)
    assert b"HTTP/1.1 200" not in answers(port, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", LAST)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /\r\n\r\n", b""),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"501"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"501",
        ),
    ],
)
def test_a_request_that_says_too_little_or_too_much_of_itself_is_refused(
    port: int, request_: bytes, status: bytes
) -> None:
    answer = answers(port, request_)
    assert b" 200 " not in answer
    assert status in answer.partition(b"\r\n")[0]


def test_an_old_request_without_a_host_is_answered(port: int) -> None:
    assert answers(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_what_is_still_to_come_of_an_answered_request_is_awaited_for_a_moment_only() -> None:
    class Patient(GuardedProtocol):
        request_seconds = 30.0

    with reserved_port() as port:
        pass
    app = Starlette(routes=[Route("/deaf", deaf, methods=["POST"])])
    server = ThreadedServer(app, port, server_config(app, "127.0.0.1", port, Patient))
    server.start()
    try:
        began = time.monotonic()
        answer = answers(port, b"POST /deaf HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert answer.endswith(b"deaf")
        assert DRAIN_SECONDS - 0.1 < time.monotonic() - began < DRAIN_SECONDS + 2
    finally:
        server.stop()


def test_the_private_parts_that_the_guards_rest_on_are_there() -> None:
    """A new release that renames one of them would switch a guard off without a word."""
    taken = borrowed(GuardedProtocol)
    assert "pipeline" in taken
    assert taken - names_inside(HttpToolsProtocol) == set()
    overridden = (
        "connection_made connection_lost data_received on_message_begin on_url on_header on_headers_complete on_body "
        "on_message_complete on_response_complete timeout_keep_alive_handler send_400_response"
    )
    for name in overridden.split():
        assert callable(getattr(HttpToolsProtocol, name, None)), name
    code = {
        HttpToolsProtocol.on_response_complete: "total_requests flow resume_reading pipeline timeout_keep_alive",
        HttpToolsProtocol.connection_made: "transport",
        HttpToolsProtocol.on_message_begin: "url headers scope",
        HttpToolsProtocol.on_header: "headers append",
        HttpToolsProtocol.on_headers_complete: "cycle _start_asgi_task get_http_version get_method should_upgrade",
        HttpToolsProtocol.on_body: "cycle response_complete body",
        HttpToolsProtocol.on_message_complete: "cycle more_body message_event",
        HttpToolsProtocol.data_received: "parser feed_data HttpParserError HttpParserUpgrade",
        HttpToolsProtocol.__init__: "loop server_state parser HttpRequestParser set_dangerous_leniencies "
        "timeout_keep_alive pipeline transport cycle",
        RequestResponseCycle.__init__: "response_complete on_response",
        RequestResponseCycle.send: "on_response transport write close",
    }
    for method, names_ in code.items():
        there = method.__code__.co_names + method.__code__.co_varnames
        for name in names_.split():
            assert name in there, f"{method.__qualname__} {name}"
    parser = httptools.HttpRequestParser(object.__new__(HttpToolsProtocol))
    for name in ("feed_data", "get_http_version", "get_method", "should_upgrade", "set_dangerous_leniencies"):
        assert callable(getattr(parser, name, None)), name
    assert issubclass(httptools.HttpParserError, Exception)
    assert not issubclass(httptools.HttpParserUpgrade, httptools.HttpParserError)
