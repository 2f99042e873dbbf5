"""Bodies within bounds: of bytes, of bytes once decompressed, and of time."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db.server.private import reserved_port
from receiver.app import Settings, create_app
from receiver.bodies import BodyNotDecoded, BodyReader, BodyTooLarge, BodyTooSlow, decoded
from receiver.settings import MAX_BODY_BYTES
from tests.bodies import alert, grafana
from tests.receiver.test_webhooks import BEARER, BODY, head, kept, talk
from tests.servers.database import DbUrl
from tests.servers.observer import Town, environment
from tests.servers.slack import SandboxSlack, ThreadedServer
from tests.strategies import unhurried

MOST = 100_000


def raw_deflate(body: bytes) -> bytes:
    """Without zlib's frame, as some senders understand "deflate"."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


ENCODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress, lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])],
    "x-gzip": [gzip.compress],
    " GZip ": [gzip.compress],
    "deflate": [zlib.compress, raw_deflate],
    "identity": [bytes],
    "": [bytes],
}


@given(st.binary(max_size=2_000), st.sampled_from([(name, way) for name, ways in ENCODERS.items() for way in ways]))
@unhurried
def test_what_was_encoded_comes_out_as_it_was(body: bytes, encoding: tuple[str, Callable[[bytes], bytes]]) -> None:
    name, encode = encoding
    assert decoded(encode(body), name, MOST) == body


@given(st.binary(max_size=500), st.sampled_from(("gzip", "deflate")))
@example(b"", "gzip")
@example(b"\x78\x9c", "deflate")
@example(gzip.compress(b"x" * 1000)[:-9], "gzip")
@example(gzip.compress(b"x") + b"rest", "gzip")
@unhurried
def test_bytes_that_are_not_what_they_say_never_crash(body: bytes, encoding: str) -> None:
    with suppress(BodyNotDecoded):
        assert len(decoded(body, encoding, MOST)) <= MOST


def test_a_bomb_is_given_up_without_being_unpacked() -> None:
    bomb = gzip.compress(bytes(300 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            decoded(bomb, "gzip", MAX_BODY_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_BODY_BYTES
    with pytest.raises(BodyTooLarge):
        decoded(zlib.compress(bytes(MOST + 1)), "deflate", MOST)
    assert decoded(zlib.compress(bytes(MOST)), "deflate", MOST) == bytes(MOST)


def test_a_body_of_very_many_compressed_parts_is_refused() -> None:
    with pytest.raises(BodyNotDecoded):
        decoded(gzip.compress(b"x") * 100_000, "gzip", MAX_BODY_BYTES)


# Of time


async def whole() -> dict[str, Any]:
    """A body that is there at once."""
    return {"type": "http.request", "body": b"{}", "more_body": False}


async def never() -> dict[str, Any]:
    """A body that does not come."""
    await asyncio.Event().wait()
    raise AssertionError


async def late_after(reader: BodyReader) -> float:
    """After how many seconds a body that does not come is given up."""
    began = time.monotonic()
    with pytest.raises(BodyTooSlow):
        await reader.read({}, never)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "who reads may go on"
    return time.monotonic() - began


def test_each_body_has_its_own_time_although_one_timer_watches_all() -> None:
    async def run() -> list[float]:
        reader = BodyReader(100, 0.3)
        assert await reader.read({}, whole) == b"{}"  # sets the timer
        await asyncio.sleep(0.2)
        first = asyncio.create_task(late_after(reader))
        await asyncio.sleep(0.1)
        assert await reader.read({}, whole) == b"{}"
        second = asyncio.create_task(late_after(reader))
        waits = [await first, await second, await late_after(reader)]
        await asyncio.sleep(0.35)  # nobody is watched, the timer is gone
        assert await reader.read({}, whole) == b"{}"
        return [*waits, await late_after(reader)]

    assert asyncio.run(run()) == pytest.approx([0.3] * 4, abs=0.05)


def test_a_reader_that_is_stopped_by_others_is_not_late() -> None:
    async def run() -> None:
        reader = BodyReader(100, 0.2)
        task = asyncio.create_task(reader.read({}, never))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await late_after(reader)

    asyncio.run(run())


# Over HTTP


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_is_recorded_as_it_was_before_compressing(town: Town, encoding: str) -> None:
    sent = gzip.compress(BODY) if encoding == "gzip" else zlib.compress(BODY)
    headers = {**BEARER, "Content-Encoding": encoding}
    answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=sent, headers=headers)
    assert (answer.status_code, answer.json()["alerts"]["recorded"]) == (200, 1)
    [delivery] = kept(town.db_url)
    assert (delivery["received"], delivery["body_bytes"]) == (BODY, len(BODY))


def test_a_bomb_is_answered_413_and_rubbish_400(town: Town) -> None:
    url, headers = f"{town.observer.url}/webhook/grafana", {**BEARER, "Content-Encoding": "gzip"}
    bomb, rubbish = gzip.compress(bytes(100 * 1024 * 1024)), b"\x1f\x8b rubbish"
    answer = httpx.post(url, content=bomb, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["reason"] == f"the body is larger than {MAX_BODY_BYTES} bytes once decompressed"
    answer = httpx.post(url, content=rubbish, headers=headers)
    assert (answer.status_code, answer.json()["path"]) == (400, "Content-Encoding")
    assert [delivery["received"] for delivery in kept(town.db_url)] == [bomb, rubbish], "what came is kept as it came"
    assert answer.json()["delivery"] == kept(town.db_url)[1]["delivery_id"]
    assert "is not what its Content-Encoding says" in kept(town.db_url)[1]["problem"]


def test_a_sender_who_is_refused_while_it_writes_still_reads_why(town: Town) -> None:
    """Without reading on, closing would reset the connection, and the answer would be lost with it."""
    port = town.observer.port
    large = head("/webhook/grafana", Content_Length=str(MAX_BODY_BYTES + 500_000))
    for _ in range(5):
        assert b"413" in talk(port, large, bytes(400_000), bytes(400_000)).split(b"\r\n")[0]
    one_too_many = head("/webhook/grafana", Content_Length=str(MAX_BODY_BYTES + 1))
    assert b"413" in talk(port, one_too_many, bytes(MAX_BODY_BYTES + 1)).split(b"\r\n")[0]
    denied = large.replace(b"Bearer token", b"Bearer wrong")
    assert b"401" in talk(port, denied.replace(str(MAX_BODY_BYTES + 500_000).encode(), b"800000"), bytes(800_000))


def test_a_sender_who_waits_to_be_asked_is_told_before_it_writes(town: Town) -> None:
    request = head("/webhook/grafana", Content_Length=str(MAX_BODY_BYTES + 1), Expect="100-continue")
    assert b" 413 " in talk(town.observer.port, request)


def test_a_body_that_does_not_come_to_an_end_is_given_up(db_url: DbUrl, slack: SandboxSlack) -> None:
    with reserved_port() as port:
        pass
    settings = Settings.from_env(environment(db_url, slack, port))
    settings = replace(settings, receiver=replace(settings.receiver, body_seconds=0.3))
    server = ThreadedServer(create_app(settings), port)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
            wire.sendall(head("/webhook/grafana", Content_Length="1000") + b"{")
            answer = wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body was not complete after" in answer
        good = httpx.post(f"http://127.0.0.1:{port}/webhook/grafana", content=grafana(alert()), headers=BEARER)
        assert good.status_code == 200
    finally:
        server.stop()
