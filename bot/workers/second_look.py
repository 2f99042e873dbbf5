"""Looks once more, minutes later, for posts that came after they were given up, and removes what is too much.

A post whose answer was lost is looked for before it is posted again; one that Slack carries out even later hangs there
twice from then on. This worker finds it, keeps the message of the record and deletes the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from bot.slack import Outcome, RateLimited, Rejected, Sent, Slack, Trouble
from bot.workers.delivery import known_channel
from db.database import Database
from db.model.message import Look
from db.model.pacing import back_off
from db.transactions import looking, telling
from db.transactions.telling import SECOND_LOOKS_SECONDS

_log = logging.getLogger(__name__)

IDLE_SECONDS = 2.0

BETWEEN_SECONDS = 2.0
"""Between two looks: reading histories is limited to about fifty a minute, and urgent looks go first."""

BETWEEN_DELETES_SECONDS = 1.3
"""The same for removing a message."""

NOT_YET_SECONDS = 30.0
"""While the message of the record is on its way itself, what hangs there may be it."""

MOST_FAILURES = 60
"""About two and a half days of refusals: then nobody is going to let us read that channel."""


class SecondLook:
    """The worker of second looks; `turn` handles one."""

    def __init__(self, *, database: Database, slack: Slack, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._slack = slack
        self._clock = clock

    def turn(self) -> float:
        """Take one look; seconds until the next."""
        look = looking.take(self._database)
        if look is None:
            return IDLE_SECONDS
        right = looking.rightful(self._database, look)
        if right is None:
            looking.done(self._database, look)
            return 0.0
        if look.ts and (look.channel, look.ts) == (right.channel_id, right.ts):
            looking.done(self._database, look)
            return 0.0
        if look.ts and not right.ts and right.behind:
            # Until the new message hangs people have the old one; looks that wait so are counted, and become rarer.
            looking.put_off(
                self._database, look, back_off(look.looks + 1, first=2.0, most=NOT_YET_SECONDS), looked=True
            )
            return 0.0
        if look.ts:
            self._remove(look, look.channel, [look.ts])
            return BETWEEN_DELETES_SECONDS
        if not right.ts and right.post_key == look.post_key:
            looking.put_off(self._database, look, NOT_YET_SECONDS)
            return 0.0
        self._search(look, (right.channel_id, right.ts))
        return BETWEEN_SECONDS

    def _search(self, look: Look, right: tuple[str, str]) -> None:
        channel = known_channel(self._database, self._slack, look.channel)
        if not isinstance(channel, str) or not channel:
            self._refused(look, channel or Rejected("channel_not_found", Trouble.CONFIGURATION))
            return
        found = self._slack.find(channel, look.post_key, look.since.timestamp(), self._clock().timestamp())
        if not isinstance(found, Sequence):
            self._refused(look, found)
            return
        self._remove(look, channel, [ts for ts in found if (channel, ts) != right])

    def _remove(self, look: Look, channel: str, too_many: Sequence[str]) -> None:
        for ts in too_many:
            outcome = self._slack.delete(channel, ts)
            if not (isinstance(outcome, Sent) or (isinstance(outcome, Rejected) and outcome.trouble is Trouble.GONE)):
                self._refused(look, outcome)
                return
            _log.warning("deleted what was too much", extra={"slack_message": look.message_id, "ts": ts})
            if look.ts:
                telling.removable(self._database, channel)
        if look.ts or look.looks + 1 >= len(SECOND_LOOKS_SECONDS):
            looking.done(self._database, look)
        else:
            looking.put_off(self._database, look, SECOND_LOOKS_SECONDS[look.looks + 1], looked=True)

    def _refused(self, look: Look, outcome: Outcome) -> None:
        if isinstance(outcome, RateLimited):
            looking.put_off(self._database, look, outcome.retry_after)
        elif look.failures + 1 >= MOST_FAILURES:
            _log.error("gave up to look again", extra={"slack_message": look.message_id, "outcome": repr(outcome)})
            looking.done(self._database, look)
        else:
            if look.ts and isinstance(outcome, Rejected) and not outcome.locks_out:
                telling.not_removed(self._database, look.channel, outcome.error, self._clock())
            pause = back_off(look.failures + 1, first=30.0, most=3600.0)
            looking.put_off(self._database, look, pause, failed=True)
