"""Counts what each source sends, per credential and minute; it never refuses anything.

Who sends too much is seen in the log, on `/ready` and in the metrics; dropping alerts is no answer to too many alerts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Amounts:
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


@dataclass(frozen=True, slots=True)
class Rate:
    """What one source sent with one credential; `credential` is empty for requests that proved nothing."""

    source: str
    credential: str
    total: Amounts  # since the program started
    this_minute: Amounts
    last_minute: Amounts


@dataclass(slots=True)
class Rates:
    """The amounts of all sources. `clock` gives seconds that only grow; `warn_alerts_per_minute` 0 never warns.

    There are as many entries as credentials are configured, so a sender cannot make it grow.
    """

    clock: Callable[[], float]
    warn_alerts_per_minute: int
    _rates: dict[tuple[str, str], Rate] = field(default_factory=dict, init=False)
    _minutes: dict[tuple[str, str], int] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def count(self, source: str, credential: str, amounts: Amounts) -> None:
        """Add what one request brought."""
        name = (source, credential)
        with self._lock:
            before = self._up_to_date(name)
            after = replace(before, total=before.total.plus(amounts), this_minute=before.this_minute.plus(amounts))
            self._rates[name] = after
        most = self.warn_alerts_per_minute
        if most and before.this_minute.alerts < most <= after.this_minute.alerts:  # once a minute
            _log.warning(
                "many alerts from one source", extra={"source": source, "credential": credential, "per_minute": most}
            )

    def snapshot(self) -> tuple[Rate, ...]:
        """All of them as they are now."""
        with self._lock:
            return tuple(self._up_to_date(name) for name in sorted(self._rates))

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

    def _up_to_date(self, name: tuple[str, str]) -> Rate:
        """The entry, with its minutes moved on; the lock is held."""
        minute = int(self.clock() // 60)
        rate = self._rates.get(name) or Rate(*name, Amounts(), Amounts(), Amounts())
        passed = minute - self._minutes.get(name, minute)
        self._minutes[name] = minute
        if passed:
            rate = replace(rate, last_minute=rate.this_minute if passed == 1 else Amounts(), this_minute=Amounts())
            self._rates[name] = rate
        return rate


def _named(amounts: Amounts) -> dict[str, int]:
    return {
        "requests": amounts.requests,
        "alerts": amounts.alerts,
        "bytes": amounts.bytes,
        "denied": amounts.denied,
    }
