"""Writes a checkpoint of the timeline's hash chains at intervals, and tells the log: who keeps the log elsewhere holds
an anchor of the record."""

from __future__ import annotations

import logging
from datetime import timedelta

from db.database import Database
from db.transactions import audit

_log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Between two looks, so that it does not matter which replica is there when a checkpoint is due."""


class Notary:
    """Any number of replicas may have one: the record takes each checkpoint once."""

    def __init__(self, database: Database, every: timedelta) -> None:
        self._database = database
        self._every = every

    def turn(self) -> float:
        """Write a checkpoint if one is due and there is something new; seconds until the next look."""
        made = audit.write_checkpoint(self._database, self._every)
        if made is None:
            return min(LOOK_SECONDS, max(1.0, self._every.total_seconds()))
        _log.info(
            "audit checkpoint",
            extra={
                "checkpoint": made.number, "hash": made.hash.hex(), "events": made.events, "to_event": made.to_event_id,
            },
        )  # fmt: skip
        return 0.0
