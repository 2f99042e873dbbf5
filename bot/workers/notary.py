"""Writes a checkpoint of the timeline's hash chains at intervals, and tells the log: who keeps the log elsewhere holds
an anchor of the record."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from db.database import Database
from db.transactions import audit
from db.transactions.audit import Known

_log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Between two looks, so that it does not matter which replica is there when a checkpoint is due."""

SETTLED_SECONDS = 300.0
"""An event waits for so long after it was seen first: one with a smaller id may still be on its way until then. No
time that somebody wrote into the record counts, so none can hold a checkpoint up."""


class Notary:
    """Any number of replicas may have one: the record takes each checkpoint once."""

    def __init__(self, database: Database, every: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._every = every
        self._monotonic = monotonic
        self._seen: deque[tuple[float, int]] = deque()  # when, and the newest event of then; the first one is settled
        self._known = Known()

    def turn(self) -> float:
        """Write a checkpoint if one is due; seconds until the next look."""
        strange = set(self._known.wrong)
        upto = self._settled()
        made = audit.write_checkpoint(self._database, self._every, known=self._known, upto=upto)
        for number in sorted(self._known.wrong.keys() - strange):
            _log.warning(
                "a checkpoint that Observer did not write is passed over; run `python -m db verify-audit`",
                extra={"checkpoint": number, "reason": self._known.wrong[number]},
            )
        if made is None:
            return min(LOOK_SECONDS, max(1.0, self._every.total_seconds()))
        _log.info(
            "audit checkpoint",
            extra={
                "checkpoint": made.number, "hash": made.hash.hex(), "events": made.events, "to_event": made.to_event_id,
            },
        )  # fmt: skip
        return 0.0

    def _settled(self) -> int:
        """The newest event that was there long enough ago; 0 when this process does not know that of any."""
        now = self._monotonic()
        self._seen.append((now, audit.newest_event(self._database)))
        while len(self._seen) > 1 and now - self._seen[1][0] >= SETTLED_SECONDS:
            self._seen.popleft()
        since, newest = self._seen[0]
        return newest if now - since >= SETTLED_SECONDS else 0
