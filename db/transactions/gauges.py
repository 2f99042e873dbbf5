"""Reading the figures that metrics show of the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from db.database import Database, Transaction
from db.store import audit, gauges, messages


@dataclass(frozen=True, slots=True)
class Gauges:
    """The record in figures. Times are UTC."""

    open: Mapping[tuple[str, str], int]  # open incidents by status and severity
    behind: int  # Slack messages that do not show what they should
    oldest_behind: datetime | None  # since when the oldest of them waits
    reconciled: Mapping[str, datetime]  # when the list of each source was read last
    checkpoint_age: float | None  # seconds since the newest checkpoint of the audit trail; None: there is none yet


def read(database: Database, *, patience_seconds: float) -> Gauges:
    """The figures as they are now. Raises `DatabaseAway` after so many seconds."""

    def work(tx: Transaction) -> Gauges:
        behind, oldest = messages.backlog(tx)
        newest = audit.newest_checkpoint(tx)
        return Gauges(gauges.open_incidents(tx), behind, oldest, gauges.looks(tx), newest[1] if newest else None)

    return database.transact(work, idempotent=True, patience_seconds=patience_seconds)
