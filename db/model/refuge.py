"""Where a card goes when its channel cannot be used: an alert that nobody sees is lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from db.model.sections import Sections


@dataclass(frozen=True, slots=True, kw_only=True)
class RefugePolicy:
    """The table `[slack]` of the policy file."""

    channel: str = ""  # empty: SLACK_CHANNEL
    after: timedelta = timedelta(minutes=5)

    @classmethod
    def read(cls, file: Sections) -> RefugePolicy:
        """From the policy file; what is wrong is left in `file.problems`."""
        section = file.table("slack", {"fallback_channel", "fallback_after"})
        return cls(
            channel=section.text("fallback_channel", cls().channel),
            after=section.duration("fallback_after", cls().after),
        )


def where_to(
    channel: str,
    *,
    routed: str,
    refuges: Sequence[str],
    broken: Collection[str],
    broken_for: timedelta,
    after: timedelta,
) -> str:
    """The channel for a card that `channel` refuses: `channel` itself while it is to wait.

    `routed` is where the policy sends it now, `refuges` the channels for those that have none, in order; `broken`
    those known to refuse too. A route that changed meanwhile counts at once, a refuge after `after`.
    """
    if routed and routed != channel and routed not in broken:
        return routed
    if broken_for < after:
        return channel
    return next((one for one in refuges if one and one != channel and one not in broken), channel)
