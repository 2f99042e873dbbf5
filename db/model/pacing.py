"""How fast Slack may be called: rate limits as values, and how long to wait after failures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, refilled by `per_second`."""

    per_second: float
    burst: float


POSTS_PER_CHANNEL = Rate(per_second=1.0, burst=1.0)
"""chat.postMessage: one per second per channel."""

EDITS_PER_WORKSPACE = Rate(per_second=0.75, burst=10.0)
"""chat.update: 50 a minute for the whole workspace; we take 45, and a few at once so that clicks show at once."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of a rate, as of `at` (seconds of a monotonic clock)."""

    rate: Rate
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: Rate, now: float) -> Bucket:
        """Nothing taken yet."""
        return cls(rate, rate.burst, now)

    def refilled(self, now: float) -> Bucket:
        """The same bucket at a later time; a clock that went back refills nothing."""
        gained = max(0.0, now - self.at) * self.rate.per_second
        return replace(self, tokens=min(self.rate.burst, self.tokens + gained), at=max(self.at, now))

    def ready(self, now: float) -> bool:
        """Whether one may go now."""
        return self.refilled(now).tokens >= 1.0

    def ready_at(self) -> float:
        """When one may go: seconds of the same clock, in the past when one may go already."""
        return self.at + (1.0 - self.tokens) / self.rate.per_second

    def taken(self, now: float) -> Bucket:
        """One gone; the tokens may fall below zero when somebody took one without asking."""
        bucket = self.refilled(now)
        return replace(bucket, tokens=bucket.tokens - 1.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """What may be called now: a bucket per channel for posts, one for all edits, and what Slack wants left alone."""

    posts: dict[str, Bucket] = field(default_factory=dict)
    edits: Bucket | None = None
    channels_blocked: dict[str, float] = field(default_factory=dict)  # channel -> monotonic seconds
    edits_blocked: float = 0.0
    looks_blocked: float = 0.0

    def may_edit(self, now: float) -> bool:
        """Whether an edit may go now."""
        return now >= self.edits_blocked and (self.edits is None or self.edits.ready(now))

    def may_look(self, now: float) -> bool:
        """Whether the history of a channel may be read now."""
        return now >= self.looks_blocked

    def look_refused(self, now: float, seconds: float) -> Pace:
        """Slack wants no history read for so long."""
        return replace(self, looks_blocked=now + seconds)

    def busy_channels(self, now: float) -> tuple[str, ...]:
        """Channels in which no post may go now."""
        paced = {channel for channel, bucket in self.posts.items() if not bucket.ready(now)}
        blocked = {channel for channel, until in self.channels_blocked.items() if now < until}
        return tuple(sorted(paced | blocked))

    def moments(self, now: float) -> list[float]:
        """When something may go that may not go now, the first first: the next post of each channel, the next edit, the
        next look. Two channels that become free at once are two moments."""
        channels = {name: bucket.ready_at() for name, bucket in self.posts.items()}
        for name, until in self.channels_blocked.items():
            channels[name] = max(until, channels.get(name, until))
        edit = max(self.edits_blocked, self.edits.ready_at() if self.edits is not None else 0.0)
        return sorted(at for at in (*channels.values(), edit, self.looks_blocked) if at > now)

    def posted(self, channel: str, now: float) -> Pace:
        """A post goes to this channel."""
        posts = {name: bucket for name, bucket in self.posts.items() if not bucket.ready(now)}
        bucket = self.posts.get(channel) or Bucket.full(POSTS_PER_CHANNEL, now)
        return replace(self, posts={**posts, channel: bucket.taken(now)})

    def edited(self, now: float) -> Pace:
        """An edit goes out."""
        return replace(self, edits=(self.edits or Bucket.full(EDITS_PER_WORKSPACE, now)).taken(now))

    def post_refused(self, channel: str, now: float, seconds: float) -> Pace:
        """Slack wants no post in this channel for so long."""
        blocked = {name: until for name, until in self.channels_blocked.items() if now < until}
        return replace(self, channels_blocked={**blocked, channel: now + seconds})

    def edit_refused(self, now: float, seconds: float) -> Pace:
        """Slack wants no edit for so long."""
        return replace(self, edits_blocked=now + seconds)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Stops calling while nothing works at all, so that what waits keeps its order for when it works again."""

    failures: int = 0  # in a row, over all channels
    until: float = 0.0  # seconds of a monotonic clock

    def wait(self, now: float) -> float:
        """Seconds until the next call may go."""
        return max(0.0, self.until - now)

    def worked(self) -> Breaker:
        """A call was answered: everything may go."""
        return Breaker() if self.failures else self

    def failed(self, now: float) -> Breaker:
        """Slack did not answer. A few may be the trouble of one channel; many in a row are Slack's."""
        failures = self.failures + 1
        return Breaker(failures, now + BREAK_SECONDS if failures >= BREAK_AFTER else self.until)

    def locked_out(self, now: float) -> Breaker:
        """Slack takes nothing at all from us, as with a revoked token: try one message now and then."""
        failures = self.failures + 1
        return Breaker(failures, now + back_off(failures, first=5.0, most=60.0))


BREAK_AFTER = 5
BREAK_SECONDS = 5.0


def back_off(attempts: int, *, first: float, most: float) -> float:
    """Seconds to wait after this many failures in a row: doubling from `first` up to `most`."""
    return float(min(most, first * 2 ** min(max(attempts, 1) - 1, 20)))
