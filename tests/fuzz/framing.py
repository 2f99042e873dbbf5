"""Bodies in chunks as no ordinary client writes them: what stands around the body must not change what is said."""

from __future__ import annotations

import random
from typing import NamedTuple

_TRAILERS = (
    b"X-Checksum: 1",
    b"Authorization: Bearer token-of-the-tests",
    b"Content-Encoding: gzip",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Host: other",
    b"Upgrade: h2c",
    b"Connection: upgrade",
    b"X-Slack-Signature: v0=0",
    b"X: " + b"x" * 70_000,
    b": nothing",
    b"no colon",
    b" folded",
    b"\xff\xfe: \x80",
)
_EXTENSIONS = (b";a", b";a=b", b';a="b;c"', b"; a = b", b";", b";;", b";a=" + b"x" * 70_000, b";\xff=\x80", b" ", b"\t")
_WRONG_SIZES = (b"-1", b"+5", b"0x5", b"5 5", b"", b"g", b"ffffffffffffffff", b"10000000000000000", b"\xd9\xa3")
_MOST_CHUNKS = 400


class Framed(NamedTuple):
    """A body on the wire."""

    pieces: tuple[bytes, ...]  # each in a segment of its own, as far as the network lets it be
    is_sound: bool  # whether it is by the rules, so that it must mean what the plain body does, if it is taken


def framed(choices: bytes, body: bytes) -> Framed:
    """The body in chunks; the same choices give the same ones."""
    chance = random.Random(choices)
    extended, padded, trailing, wrong = (chance.random() < often for often in (0.4, 0.4, 0.5, 0.1))
    pieces: list[bytes] = []
    rest = body
    while rest:
        size = chance.choice((1, 2, 7, 100, 4096, len(rest)))
        if len(pieces) > _MOST_CHUNKS:
            size = len(rest)
        chunk, rest = rest[:size], rest[size:]
        pieces.append(_size(chance, len(chunk), extended=extended, padded=padded) + chunk + b"\r\n")
    last = _size(chance, 0, extended=extended, padded=padded)
    if wrong:
        at = chance.randrange(len(pieces) + 1)
        pieces.insert(at, chance.choice(_WRONG_SIZES) + chance.choice((b"\r\n", b"\n", b"\r")))
    trailers = chance.choices(_TRAILERS, k=chance.choice((1, 2, 300))) if trailing else []
    whole = b"".join([*pieces, last, *(trailer + b"\r\n" for trailer in trailers), b"\r\n"])
    return Framed(_cut(chance, whole), not wrong)


def _size(chance: random.Random, size: int, *, extended: bool, padded: bool) -> bytes:
    zeros = b"0" * chance.choice((0, 1, 15, 1_000, 70_000)) if padded and chance.random() < 0.2 else b""
    extension = chance.choice(_EXTENSIONS) if extended and chance.random() < 0.3 else b""
    return zeros + chance.choice((b"%x", b"%X")) % size + extension + b"\r\n"


def _cut(chance: random.Random, whole: bytes) -> tuple[bytes, ...]:
    places = sorted(chance.sample(range(len(whole) + 1), min(len(whole), chance.choice((0, 1, 3, 20)))))
    return tuple(whole[begin:end] for begin, end in zip([0, *places], [*places, len(whole)], strict=True))
