"""Which of several database servers to use: the first that works, and back to a preferred one when it is back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)

ASIDE_SECONDS = 30.0
"""A server that failed is left alone for this long while another one works; then one connection tries it again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one database server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def addresses(text: str, port: int) -> tuple[Address, ...]:
    """The addresses in `db1,db2:3307,[::1]:3308`, in order; `port` is that of the ones that name none.

    Raises `ValueError` that says which part is wrong.
    """
    found: list[Address] = []
    for part in (part.strip() for part in text.split(",")):
        host, colon, number = part, "", ""
        if "/" in part or part.endswith(".sock"):
            raise ValueError(f"{part!r} is the path of a socket; a host name is wanted, for example 127.0.0.1")
        if part.startswith("["):
            host, _, rest = part[1:].partition("]")
            colon, number = rest[:1], rest[1:]
        elif part.count(":") == 1:
            host, colon, number = part.partition(":")
        if not host or colon not in ("", ":") or (colon and not number):
            raise ValueError(f"{part!r} is no address such as db1 or db1:3307")
        if number and not (number.isascii() and number.isdigit() and 1 <= int(number) <= 65535):
            raise ValueError(f"the port of {part!r} is not a whole number from 1 to 65535")
        address = Address(host, int(number) if number else port)
        if address in found:
            raise ValueError(f"{part!r} stands twice")
        found.append(address)
    return tuple(found)


def order(
    known: Sequence[Address], aside: Mapping[Address, float], now: float, *, pioneer: bool
) -> tuple[Address, ...]:
    """In which order to try to connect at `now`; `aside` holds since when servers are set aside (same clock).

    The ones that work come as configured; the ones set aside come last, the longest first, except that a `pioneer`
    tries a preferred one again after `ASIDE_SECONDS`.
    """
    usable = [address for address in known if address not in aside]
    due = [address for address in known if pioneer and address in aside and now - aside[address] >= ASIDE_SECONDS]
    if usable:
        due = [address for address in due if known.index(address) < known.index(usable[0])]
    rest = sorted((address for address in aside if address not in due), key=lambda address: aside[address])
    return (*due, *usable, *rest)


def leave(
    known: Sequence[Address], aside: Mapping[Address, float], address: Address, now: float, *, pioneer: bool
) -> bool:
    """Whether a connection to `address` should be given up at `now`, because another server is to be preferred.

    While no other is known to work, a connection that is there is better than none.
    """
    first = order(known, aside, now, pioneer=pioneer)[0]
    if first == address:
        return False
    return first not in aside or (pioneer and now - aside[first] >= ASIDE_SECONDS)


class Hosts:
    """What this process knows of its database servers; shared by its pools and safe for any thread."""

    def __init__(self, known: Sequence[Address], clock: Callable[[], float] = time.monotonic) -> None:
        self.known = tuple(known)
        self._clock = clock
        self._lock = threading.Lock()
        self._aside: dict[Address, float] = {}
        self._used: Address | None = None

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self.known) > 1

    @property
    def used(self) -> Address:
        """The server of the newest connection; the first one before there was any."""
        return self._used or self.known[0]

    def to_try(self, *, pioneer: bool) -> tuple[Address, ...]:
        """The servers in the order to try; of all pioneers one alone is sent to a server that may be back."""
        with self._lock:
            now = self._clock()
            found = order(self.known, self._aside, now, pioneer=pioneer)
            for address in found:
                if address not in self._aside:
                    break
                if now - self._aside[address] >= ASIDE_SECONDS:
                    self._aside[address] = now
            return found

    def should_leave(self, address: Address, *, pioneer: bool) -> bool:
        """Whether a pooled connection to this server should be replaced by one to a preferred server."""
        with self._lock:
            return self.several and leave(self.known, self._aside, address, self._clock(), pioneer=pioneer)

    def failed(self, address: Address, reason: str) -> None:
        """This server is away, not ready or read-only."""
        with self._lock:
            news = address not in self._aside
            self._aside[address] = self._clock()
        if news and self.several:
            _log.warning("database host set aside", extra={"host": str(address), "error": reason})

    def works(self, address: Address) -> None:
        """A connection to this server was set up, and it takes writes."""
        with self._lock:
            news = address != self._used
            self._aside.pop(address, None)
            self._used = address
        if news and self.several:
            _log.info("database host in use", extra={"host": str(address)})

    def stands_in(self, address: Address) -> None:
        """A connection to this server is used although it takes no writes: there is no better one."""
        with self._lock:
            self._used = address
