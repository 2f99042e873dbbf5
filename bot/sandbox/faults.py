"""Trouble on order: calls that fail, stall, or do their work and then lose the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, get_args

from bot.sandbox.errors import ControlError

Kind = Literal["error", "http", "ratelimit", "stall", "lose", "drip", "garbage", "refuse"]
How = Literal["close", "reset", "timeout", "http"]


@dataclass(slots=True)
class Fault:
    """One kind of trouble for one method (or all: `*`), in one channel or everywhere, so many times or until cleared.

    error      {"ok": false, "error": …}, nothing is done
    http       this HTTP status with a page of HTML, nothing is done
    ratelimit  429 with Retry-After, nothing is done
    stall      the call waits, then is done and answered as usual, even when the caller has left
    lose       the call is done; then the connection is closed or reset, no answer ever comes, or `status` with HTML
    drip       the call is done; then the answer comes byte by byte, over so many seconds
    garbage    200 and JSON, but not Slack's; nothing is done
    refuse     the connection is reset before anything is done
    """

    id: str
    method: str
    channel: str | None
    kind: Kind
    error: str = "fatal_error"
    status: int = 503
    retry_after: int = 3
    seconds: float = 12.0
    how: How = "close"
    times: int | None = None

    def shown(self) -> dict[str, Any]:
        """For /control/faults."""
        return {
            "fault_id": self.id,
            "method": self.method,
            "channel": self.channel,
            "kind": self.kind,
            "error": self.error,
            "status": self.status,
            "retry_after": self.retry_after,
            "seconds": self.seconds,
            "how": self.how,
            "times": self.times,
        }


@dataclass(slots=True)
class Faults:
    """The ordered troubles; the first that fits a call is taken."""

    _faults: list[Fault] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Order one; `wanted` is the JSON body of POST /control/faults."""
        kind: Any = wanted.get("kind")
        how: Any = wanted.get("how", "close")
        times = wanted.get("times")
        if kind not in get_args(Kind):
            raise ControlError(f"kind must be one of {', '.join(get_args(Kind))}, not {kind!r}")
        if how not in get_args(How):
            raise ControlError(f"how must be one of {', '.join(get_args(How))}, not {how!r}")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise ControlError("times must be a whole number of at least 1, or null for until cleared")
        try:
            fault = Fault(
                id=f"F{next(self._numbers)}",
                method=str(wanted.get("method", "*")),
                channel=None if wanted.get("channel") is None else str(wanted["channel"]).lstrip("#"),
                kind=kind,
                error=str(wanted.get("error", "fatal_error")),
                status=int(wanted.get("status", 503)),
                retry_after=int(wanted.get("retry_after", 3)),
                seconds=float(wanted.get("seconds", 12)),
                how=how,
                times=times,
            )
        except (TypeError, ValueError) as problem:
            raise ControlError(f"a number is not a number: {problem}") from None
        self._faults.append(fault)
        return fault

    def take(self, method: str, channels: frozenset[str]) -> Fault | None:
        """The trouble for a call of this method on a channel known by these names, used up by one."""
        for fault in self._faults:
            if fault.method in ("*", method) and (fault.channel is None or fault.channel in channels):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
                return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        """All that are still on order."""
        return [fault.shown() for fault in self._faults]

    def clear(self) -> None:
        """No more trouble."""
        self._faults.clear()
