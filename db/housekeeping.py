"""Retention as a chore: a pass over the record every few hours, in short steps, by one replica at a time."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from db.database import Database
from db.errors import Conflict, RecordError, server_code
from db.model.retention import Part, Pass, Retention
from db.transactions import tidying

_log = logging.getLogger(__name__)

PASS_EVERY = timedelta(hours=6)
"""From the end of one pass to the beginning of the next."""

_LOOK_AGAIN_SECONDS = 300.0
"""How soon a replica looks whether there is something for it to do."""

_BUSY_SECONDS = 5.0
"""The pause when something was in the way."""

_SHARE = 4.0
"""A pause is so many times as long as the step before it: a server that is busy makes both longer."""

_SHORTEST_PAUSE = 0.05

_MAY_NOT = (1142, 1143, 1227)  # the account may not DELETE or UPDATE here


class Housekeeper:
    """Carries retention out; `turn` does one step and says how many seconds to wait before the next."""

    def __init__(
        self, database: Database, retention: Retention, clock: Callable[[], datetime], *, rows: int = tidying.STEP_ROWS
    ) -> None:
        self._database = database
        self._retention = retention
        self._clock = clock
        self._rows = rows
        self._holder = secrets.token_hex(8)
        self._pass: Pass | None = None  # under way, by us
        self._limits: dict[Part, datetime] = {}
        self.removed: dict[Part, int] = {}  # rows that our last pass removed
        self.refused: set[Part] = set()  # the account may not remove these; said once

    def turn(self) -> float:
        """One step; seconds until the next turn."""
        if not self._retention:
            return _LOOK_AGAIN_SECONDS
        began = time.monotonic()
        try:
            if self._pass is None and not self.begin():
                return _LOOK_AGAIN_SECONDS
            if not self.step():
                return _LOOK_AGAIN_SECONDS
        except (Conflict, tidying.LeaseLost):
            self._pass = None  # it is kept in the record how far it is
            return _BUSY_SECONDS
        return max(_SHORTEST_PAUSE, _SHARE * (time.monotonic() - began))

    def begin(self, *, at_once: bool = False) -> bool:
        """Take the lease and begin a pass, or go on with one that was left; whether there is something to do."""
        kept = tidying.take_lease(self._database, self._holder)
        if kept is None:
            return False
        now = self._clock()
        limits = self._retention.limits(now)
        self._limits = {part: limit for part, limit in limits.items() if part not in self.refused}
        recent = kept.finished_at is not None and now - kept.finished_at < PASS_EVERY
        if not self._limits or (kept.part is None and recent and not at_once):
            tidying.keep(self._database, self._holder, kept, give_back=True)
            return False
        self._pass = kept if kept.part in self._limits else Pass.begin(self._limits)
        return True

    def step(self) -> bool:
        """One step of the pass under way; whether there are more. Raises `Conflict` when something is in the way."""
        assert self._pass is not None and self._pass.part is not None  # noqa: S101, PT018 - `begin` said so
        part = self._pass.part
        now = self._clock()
        try:
            after = tidying.remove(self._database, self._holder, self._pass, self._limits, now, rows=self._rows)
        except RecordError as error:
            if server_code(error) not in _MAY_NOT:
                raise
            after = self._pass.step(0, None, self._limits, now)
            self._limits.pop(part)
            if part not in self.refused:
                self.refused.add(part)
                _log.warning("retention may not remove this", extra={"part": part, "error": str(error)})
        self._pass = after
        if after.part is not None:
            return True
        tidying.keep(self._database, self._holder, after, give_back=True)
        self._pass = None
        self.removed = dict(after.removed)
        if any(after.removed.values()):
            _log.info("retention removed rows", extra={str(part): count for part, count in after.removed.items()})
        return False


def would_remove(database: Database, limits: dict[Part, datetime]) -> dict[Part, int]:
    """How many rows a pass would remove now, changing nothing.

    A delivery that is named by alerts which would go first counts as staying.
    """
    found = {}
    for part, before in limits.items():
        total, after = 0, 0
        while True:
            step = tidying.look(database, part, before, after)
            total += step.removed
            if step.after is None:
                break
            after = step.after
        found[part] = total
    return found
