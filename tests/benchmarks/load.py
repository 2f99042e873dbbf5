"""The load generator, a process of its own: each line of its input is a round to run, each line it prints a result.

It sends pre-built bytes over connections that stay open; a connection sends its next request when it has its answer.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count, cycle
from typing import Any, cast

import uvloop

from tests.benchmarks.bodies import COUNTER, Shape, http, requests

PATIENCE_SECONDS = 90.0
"""After that a round is given up with an error."""


@dataclass
class _Round:
    """What the connections of one round share."""

    requests: Iterator[bytes]
    deadline: float
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    last_answer: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection: send, wait for the whole answer, send again."""

    def __init__(self, shared: _Round, done: asyncio.Future[None]) -> None:
        self._round = shared
        self._done = done
        self._sent = 0.0
        self._answer = b""
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, rest = self._answer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        now = time.perf_counter()
        shared = self._round
        shared.seconds.append(now - self._sent)
        shared.statuses[int(head[9:12])] += 1
        shared.last_answer = now
        self._answer = b""
        if now < shared.deadline:
            self._send()
        else:
            self._close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over:
            self._round.statuses[0] += 1  # no answer
        if not self._done.done():
            self._done.set_result(None)

    def _close(self) -> None:
        self._over = True
        self._transport.close()

    def _send(self) -> None:
        request = next(self._round.requests, None)
        if request is None:
            self._close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


@cache
def _prepared(shape: Shape, amount: int, seed: int, path: str, port: int, token: str) -> list[bytes]:
    return [http(payload, path, port, token) for payload in requests(shape, amount, seed)]


def _stream(spec: dict[str, Any]) -> Iterator[bytes]:
    shape = Shape(**spec["shape"])
    ready = _prepared(shape, spec["bodies"], spec["seed"], spec["path"], spec["port"], spec["token"])
    if not shape.unique:
        return cycle(ready)
    return (ready[0].replace(COUNTER, b"%08d" % number) for number in count(spec["first"]))


async def _run(spec: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    stream = _stream(spec)
    began = time.perf_counter()
    shared = _Round(stream, began + spec["seconds"])
    if limit := spec.get("requests"):
        numbers = iter(range(limit))
        shared.requests = (request for request, _ in zip(stream, numbers, strict=False))
        shared.deadline = began + PATIENCE_SECONDS
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    waiting = []
    for _ in range(spec["connections"]):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)
        await loop.create_connection(lambda done=done: _Connection(shared, done), "127.0.0.1", spec["port"])  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*waiting), spec["seconds"] + PATIENCE_SECONDS)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "statuses": dict(shared.statuses),
        "seconds": shared.seconds,
        "elapsed": (shared.last_answer or time.perf_counter()) - began,
        "cpu": after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime,
    }


def main() -> None:
    """Serve rounds until the input ends."""
    for line in sys.stdin:
        spec = json.loads(line)
        if spec.get("prepare"):
            next(_stream(spec))
            print("{}", flush=True)
        else:
            print(json.dumps(uvloop.run(_run(spec))), flush=True)


if __name__ == "__main__":
    main()
