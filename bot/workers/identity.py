"""Learns in the background who the bot is, because Bolt wants to know and Slack may be away when we start; and the ids
of the channels that are configured by name, because names change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from bot.slack import Rejected, Reports, Sent, Slack, Trouble
from bot.slack_words import remedy
from bot.workers.delivery import is_channel_id
from db.database import Database
from db.model.pacing import back_off
from db.transactions import telling

FACT = "bot"
HOUR = 3600.0


class Identity:
    """Asks `auth.test` until it answers, then every hour; the last known ids are kept in the record."""

    def __init__(
        self, *, database: Database, slack: Slack, reports: Reports, clock: Callable[[], datetime],
        channels: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._database = database
        self._slack = slack
        self._reports = reports
        self._clock = clock
        self._channels = sorted({one for one in channels if one and not is_channel_id(one)})
        self._failures = 0
        self._recalled = False

    def turn(self) -> float:
        """Ask once; seconds until the next time."""
        if not self._recalled:
            known = telling.recall(self._database, FACT)
            if known:
                self._reports.identified({name: str(value) for name, value in known.items()})
            self._recalled = True
        outcome = self._slack.who_am_i()
        if isinstance(outcome, Sent):
            self._failures = 0
            names = ("bot_id", "user_id", "team_id", "team", "enterprise_id")
            identity = {name: str(outcome.data.get(name) or "") for name in names}
            self._reports.identified(identity)
            self._reports.fine("token")
            telling.learn(self._database, FACT, identity, self._clock())
            self._learn_channels()
            return HOUR
        if isinstance(outcome, Rejected) and outcome.trouble is Trouble.CONFIGURATION:
            self._reports.trouble("token", outcome.error, outcome.hint)
        self._failures += 1
        return back_off(self._failures, first=1.0, most=60.0)

    def _learn_channels(self) -> None:
        """The ids of channels that took nothing yet, such as the fallback: once renamed they are found by them only."""
        unknown = [one for one in self._channels if not telling.channel_id(self._database, one)]
        found = self._slack.channel_ids(unknown) if unknown else {}
        if isinstance(found, dict):
            for name in unknown:
                if name in found:
                    self._reports.fine(name)
                else:
                    self._reports.trouble(name, "channel_not_found", remedy("channel_not_found"))
            telling.learn_channels(self._database, found, self._clock())
