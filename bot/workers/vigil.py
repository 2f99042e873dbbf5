"""What happens because nothing is heard: held resolves settle, silent incidents are marked, heartbeats have stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from db.database import Database
from db.errors import RecordError
from db.model.delivery import Delivery
from db.model.finding import CONTENT_TYPE, masked_finding, write_finding
from db.model.heartbeat import Finding, Pulse, beats_again, stopped
from db.model.policy import Policy
from db.model.source import OBSERVER
from db.transactions import ingest, vigil

_log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""Between two looks; each is four small queries when there is nothing to do."""

_DEAF_SECONDS = 60.0
"""When two looks are further apart than this, nobody can say what would have been heard between them."""


class Vigil:
    """The worker; every replica has one, and what they find is recorded once."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._monotonic = monotonic
        self._hears_since: float | None = None
        self._looked_at = 0.0

    def turn(self) -> float:
        """Look once; seconds until the next look."""
        try:
            self._look()
        except RecordError:
            self._hears_since = None  # while the database was away no heartbeat could be remembered
            raise
        return PAUSE_SECONDS

    def _look(self) -> None:
        changed = 1
        while changed:
            changed = vigil.correct_sight(self._database, self._clock())
            changed += vigil.settle(self._database, self._policy, self._clock())
            changed += vigil.mark_stale(self._database, self._policy, self._clock())
            changed += vigil.open_again(self._database, self._policy, self._clock())
            if changed:
                _log.info("incidents changed by time", extra={"incidents": changed})
        if any(heartbeat.missing_after is not None for heartbeat in self._policy.heartbeats):
            self._listen()

    def _listen(self) -> None:
        now = self._monotonic()
        pulses = vigil.read_pulses(self._database)
        if self._hears_since is None or now - self._looked_at > _DEAF_SECONDS:
            self._hears_since = now
        self._looked_at = now
        watched = timedelta(seconds=now - self._hears_since)
        for pulse in pulses:
            if back := beats_again(pulse):
                self._record(back, pulse, "heartbeat is back")
                vigil.heartbeat_is_back(self._database, pulse)
                continue
            heartbeat = self._policy.heartbeat(pulse.labels)
            if heartbeat is None:
                continue
            severity = self._policy.severity_label(heartbeat.severity)
            if found := stopped(pulse, heartbeat, watched, severity):
                self._record(found, pulse, "heartbeat stopped")
                vigil.heartbeat_stopped(self._database, pulse)

    def _record(self, found: Finding, pulse: Pulse, what: str) -> None:
        now = self._clock()
        reading, masked = masked_finding(found.reading, self._policy.masks)
        delivery = Delivery(
            request_id=found.request_id,
            received_at=now,
            source=OBSERVER.name,
            content_type=CONTENT_TYPE,
            body=write_finding(reading),
            masked=masked,
        )
        ingest.record_delivery(self._database, delivery, reading, self._policy, now)
        _log.warning(what, extra={"heartbeat": pulse.alertname, "source": pulse.source})
