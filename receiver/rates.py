"""Counts what each source sends, per credential and minute; it never refuses anything.

Who sends too much is seen in the log, on `/ready` and in the metrics; dropping alerts is no answer to too many alerts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

_log = logging.getLogger(__name__)


class Amounts(NamedTuple):
    """How much was sent."""

    requests: int = 0
    alerts: int = 0
    bytes: int = 0
    denied: int = 0  # requests that were refused for their credentials

    def plus(self, more: Amounts) -> Amounts:
        """The sum of both."""
        return Amounts(
            self.requests + more.requests, self.alerts + more.alerts, self.bytes + more.bytes, self.denied + more.denied
        )


_NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class Rate:
    """What one source sent with one credential; `credential` is empty for requests that proved nothing."""

    source: str
    credential: str
    total: Amounts  # since the program started
    this_minute: Amounts
    last_minute: Amounts


@dataclass(slots=True)
class _Counted:
    """The same while it is counted."""

    minute: int  # since the clock's beginning
    earlier: Amounts = _NOTHING  # in all minutes before this one
    this_minute: Amounts = _NOTHING
    last_minute: Amounts = _NOTHING


@dataclass(slots=True)
class Rates:
    """The amounts of all sources. `clock` gives seconds that only grow; `warn_alerts_per_minute` 0 never warns.

    There are as many entries as credentials are configured, so a sender cannot make it grow.
    """

    clock: Callable[[], float]
    warn_alerts_per_minute: int
    _rates: dict[tuple[str, str], _Counted] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def count(self, source: str, credential: str, amounts: Amounts) -> None:
        """Add what one request brought."""
        with self._lock:
            rate = self._up_to_date((source, credential))
            before = rate.this_minute
            rate.this_minute = after = before.plus(amounts)
        most = self.warn_alerts_per_minute
        if most and before.alerts < most <= after.alerts:  # once a minute
            _log.warning(
                "many alerts from one source", extra={"source": source, "credential": credential, "per_minute": most}
            )

    def snapshot(self) -> tuple[Rate, ...]:
        """All of them as they are now."""
        with self._lock:
            rates = ((name, self._up_to_date(name)) for name in sorted(self._rates))
            return tuple(
                Rate(*name, rate.earlier.plus(rate.this_minute), rate.this_minute, rate.last_minute)
                for name, rate in rates
            )

    def as_json(self) -> list[dict[str, object]]:
        """The same for `/ready`: amounts of the last whole minute and since the start."""
        return [
            {
                "source": rate.source,
                "credential": rate.credential,
                "last_minute": _named(rate.last_minute),
                "total": _named(rate.total),
            }
            for rate in self.snapshot()
        ]

    def _up_to_date(self, name: tuple[str, str]) -> _Counted:
        """The entry, with its minutes moved on; the lock is held."""
        minute = int(self.clock() // 60)
        rate = self._rates.get(name)
        if rate is None:
            rate = self._rates[name] = _Counted(minute)
        elif rate.minute != minute:
            rate.earlier = rate.earlier.plus(rate.this_minute)
            rate.last_minute = rate.this_minute if minute == rate.minute + 1 else _NOTHING
            rate.this_minute = _NOTHING
            rate.minute = minute
        return rate


def _named(amounts: Amounts) -> dict[str, int]:
    return {
        "requests": amounts.requests,
        "alerts": amounts.alerts,
        "bytes": amounts.bytes,
        "denied": amounts.denied,
    }
