"""One HTTP request of a source as it arrived, and what came of it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from db.model.alert import Rejected
from db.model.identity import IncidentId

MOST_REJECTED = 100
"""Rejected parts that an answer lists; it always says how many there were."""

_SMALL = 4096
"""Bodies below this many bytes, one alert or two, are kept as they are: compressing them costs more than it saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The exact bytes of a request. `request_id` (16 bytes) is made by the receiver, once per request."""

    request_id: bytes
    received_at: datetime  # UTC
    source: str
    content_type: str
    body: bytes  # decompressed, and masked where the policy says so
    credential: str = ""  # the name of what proved who sent it; empty for what Observer found out itself
    signature: bytes | None = None  # 32 bytes: refused when a delivery with the same one is kept
    masked: bool = False  # whether masking rules changed the body

    @property
    def sha256(self) -> bytes:
        """The digest of the bytes as they are kept, before compressing."""
        return hashlib.sha256(self.body).digest()


REMOVED = "removed"
"""The encoding of a body that retention removed: its digest and its length are still known."""


class BodyRemoved(ValueError):
    """Retention removed this body."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Bytes as they are stored, and how (`identity`, `zlib` or `removed`)."""

    encoding: str
    data: bytes


def pack(body: bytes) -> Packed:
    """Compress a body for storing if that makes it smaller: a third of the disk, and less to send to the server."""
    if len(body) >= _SMALL:
        small = zlib.compress(body, 1)
        if len(small) < len(body):
            return Packed("zlib", small)
    return Packed("identity", body)


def unpack(packed: Packed) -> bytes:
    """The bytes as received. Raises `BodyRemoved`, and `ValueError` for bytes or an encoding that cannot be undone."""
    if packed.encoding == "zlib":
        try:
            return zlib.decompress(packed.data)
        except zlib.error as error:
            raise ValueError(f"the compressed bytes are damaged: {error}") from error
    if packed.encoding == "identity":
        return packed.data
    if packed.encoding == REMOVED:
        raise BodyRemoved("retention removed this body")
    raise ValueError(f"unknown body encoding {packed.encoding!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What one delivery did; this is the answer to the source, and kept with the delivery."""

    opened: tuple[IncidentId, ...] = ()
    reopened: tuple[IncidentId, ...] = ()
    joined: tuple[IncidentId, ...] = ()  # open incidents that got new instances
    resolved: tuple[IncidentId, ...] = ()
    recorded: int = 0  # rows in the fact log
    repeats: int = 0  # of these, alerts that changed nothing: repeated or late
    tests: int = 0
    heartbeats: int = 0
    truncated: int = 0
    rejected: tuple[Rejected, ...] = ()
    meanings: Mapping[str, int] = field(default_factory=dict)  # recorded alerts by what they turned out to be

    def as_json(self) -> dict[str, object]:
        """The JSON object of the answer, to which the record adds the number of the delivery."""
        return {
            "incidents": {
                "opened": list(self.opened),
                "reopened": list(self.reopened),
                "joined": list(self.joined),
                "resolved": list(self.resolved),
            },
            "alerts": {
                "recorded": self.recorded,
                "repeats": self.repeats,
                "tests": self.tests,
                "heartbeats": self.heartbeats,
                "truncated": self.truncated,
                "rejected": len(self.rejected),
            },
            "meanings": dict(self.meanings),
            "rejected": [{"path": part.path, "reason": part.reason} for part in self.rejected[:MOST_REJECTED]],
        }
