"""Signatures that are in the record already, as far as this process has seen them.

The record is what refuses a replay, on every replica and after every restart. This memory spares it the work: a flood
of one replayed request would otherwise make each transaction that it shares with others fail.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

MOST_KNOWN = 10_000


@dataclass(slots=True)
class Replays:
    """The newest signatures that the record refused."""

    _known: OrderedDict[bytes, None] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def knows(self, signature: bytes | None) -> bool:
        """Whether the record has refused it before."""
        return signature is not None and signature in self._known

    def learn(self, signature: bytes | None) -> None:
        """The record refused it."""
        if signature is None:
            return
        with self._lock:
            self._known[signature] = None
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
