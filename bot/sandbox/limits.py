"""How fast Slack lets an app call: every limit is a value, every answer a number of seconds to wait."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Steady:
    """A call every `1 / per_second` seconds on average; `burst` of them may come at once after a pause."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class PerMinute:
    """So many calls in any 60 seconds, and `tolerance` more before it says no."""

    calls: int
    tolerance: int


POST_PER_CHANNEL = Steady(per_second=1.0, burst=4)
"""chat.postMessage and chat.postEphemeral: one a second in a channel, short bursts tolerated."""

POST_PER_WORKSPACE = PerMinute(300, 30)
"""Several hundred a minute over all channels."""

TIER_2 = PerMinute(20, 4)
TIER_3 = PerMinute(50, 5)
TIER_4 = PerMinute(100, 10)

PER_METHOD: dict[str, PerMinute] = {
    "chat.postMessage": POST_PER_WORKSPACE,
    "chat.postEphemeral": TIER_4,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "conversations.list": TIER_2,
    "conversations.info": TIER_3,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "conversations.join": TIER_3,
    "conversations.members": TIER_4,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.conversations": TIER_3,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "views.open": TIER_4,
    "views.update": TIER_4,
    "views.push": TIER_4,
    "views.publish": TIER_4,
}
"""Each for the whole workspace; auth.test, api.test and chat.getPermalink have special tiers nobody reaches."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Pace:
    """Counts calls and says how long the next must wait."""

    on: bool = True
    _channels: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _methods: dict[str, deque[float]] = field(default_factory=dict)

    def take(self, method: str, channel: str | None, now: float) -> int | None:
        """Count this call; None when it may go on, else Retry-After in whole seconds. A refused call is not counted."""
        if not self.on:
            return None
        waits = [self._method_wait(method, now)]
        bucket = None
        if channel is not None and method in ("chat.postMessage", "chat.postEphemeral"):
            bucket = self._filled(method, channel, now)
            waits.append(0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) / POST_PER_CHANNEL.per_second)
        if (wait := max(waits)) > 0:
            return max(1, math.ceil(wait))
        self._methods.setdefault(method, deque()).append(now)
        if bucket is not None:
            bucket.tokens -= 1
        return None

    def reset(self) -> None:
        """Forget all calls."""
        self._channels.clear()
        self._methods.clear()

    def _filled(self, method: str, channel: str, now: float) -> _Bucket:
        bucket = self._channels.setdefault((method, channel), _Bucket(POST_PER_CHANNEL.burst, now))
        grown = bucket.tokens + max(0.0, now - bucket.at) * POST_PER_CHANNEL.per_second
        bucket.tokens, bucket.at = min(float(POST_PER_CHANNEL.burst), grown), now
        return bucket

    def _method_wait(self, method: str, now: float) -> float:
        limit = PER_METHOD.get(method)
        calls = self._methods.get(method)
        if limit is None or calls is None:
            return 0.0
        while calls and calls[0] <= now - MINUTE:
            calls.popleft()
        if len(calls) < limit.calls + limit.tolerance:
            return 0.0
        return calls[0] + MINUTE - now
