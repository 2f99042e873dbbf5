"""The HTTP server in front: headers have bounds, slow senders an end, and odd requests are no way around anything."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from db.server.private import reserved_port
from receiver.server import GuardedProtocol, server_config
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


async def deaf(request: Request) -> PlainTextResponse:
    """Answers without reading a body."""
    return PlainTextResponse("deaf")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with reserved_port() as port:
        pass
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/deaf", deaf, methods=["POST"])])
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
