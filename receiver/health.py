"""Whether the program is alive, whether it can work, and what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db.database import Database
from db.errors import RecordError
from db.migrate import cannot_write, schema_state
from db.transactions import audit, reconcile, telling
from db.transactions.reconcile import LookState
from receiver.rates import Rates
from receiver.sources import WEBHOOKS

Voice = Callable[[], Mapping[str, Any]]
"""What the bot says of itself: whether Slack listens, and which configuration errors it reported."""


READY_SECONDS = 0.9
"""After this `/ready` answers without the database: probes give up after a second."""


class Health:
    """The endpoints `/health`, `/ready` and `/`."""

    def __init__(
        self,
        database: Database,
        voice: Voice,
        version: str,
        clock: Callable[[], datetime],
        sources: Sequence[str],
        rates: Rates,
        checkpoint_every: timedelta,
    ) -> None:
        self._checkpoint_every = checkpoint_every
        self._clock = clock
        self._database = database
        self._sources = tuple(sources)  # whose own lists are compared with the record
        self._rates = rates
        self._voice = voice
        self._version = version
        self._limiter = anyio.CapacityLimiter(1)
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._looking_since = 0.0  # by the clock of the event loop
        self._problem = ""  # of the look before

    async def health(self, request: Request) -> Response:
        """Alive: 200 as long as the event loop turns."""
        return JSONResponse({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Ready: the database answers in time, takes writes and has the right tables. Slack's problems, and those of
        sources whose lists are read, are shown, and are no reason to stop taking alerts."""
        database = dict(await self._seen())
        ready = database["problem"] == ""
        looks = database.pop("reconciliation", None)
        slack = dict(self._voice())
        # Alerts are taken all the same: what is recorded is posted when Slack takes it again.
        ready_word = "recording, not posting" if "token" in slack.get("problems", {}) else "ready"
        content = {
            "status": ready_word if ready else "not ready",
            "database": database,
            "slack": slack,
            "webhooks": self._rates.as_json(),
        }
        if looks is not None:
            content["reconciliation"] = looks
        return JSONResponse(content, status_code=200 if ready else 503)

    async def information(self, request: Request) -> Response:
        """What this service is and where its parts are."""
        return JSONResponse(
            {
                "service": "Observer",
                "version": self._version,
                "about": "Turns Grafana and Alertmanager alerts into incidents that people handle in Slack.",
                "endpoints": {
                    **{
                        f"POST /webhook/{name}": f"{row.source.label}'s {row.posts_with}"
                        for name, row in WEBHOOKS.items()
                    },
                    "POST /slack/events": "Slack's clicks, commands and events",
                    "GET /health": "alive",
                    "GET /ready": "database and schema, and what Slack complains about",
                    "GET /metrics": "metrics for Prometheus",
                },
                "slack": dict(self._voice()),
            }
        )

    async def _seen(self) -> dict[str, Any]:
        """What the one look at the database sees that all who ask at the moment share: however many they are, nobody
        waits for anybody else's, and a database that is silent holds one thread."""
        now = asyncio.get_running_loop().time
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_in_a_thread())
            self._looking_since = now()
        with anyio.move_on_after(READY_SECONDS):
            return await asyncio.shield(self._looking)
        silent = f"DatabaseAway: the database has not answered for {now() - self._looking_since:.1f} s"
        return {"problem": self._problem or silent}

    async def _look_in_a_thread(self) -> dict[str, Any]:
        found = await anyio.to_thread.run_sync(self._look, limiter=self._limiter, abandon_on_cancel=True)
        self._problem = found["problem"]
        return found

    def _look(self) -> dict[str, Any]:
        try:
            state = schema_state(self._database, patience_seconds=READY_SECONDS / 3)
            if problem := cannot_write(self._database, patience_seconds=READY_SECONDS / 3) or state.problem:
                return {"problem": problem, "schema": state.found, "host": self._database.host}
            behind, oldest = telling.backlog(self._database)
            broken = telling.broken_channels(self._database, self._clock())
            newest = audit.newest_checkpoint(self._database)
            looks = {source: _told(reconcile.state(self._database, source)) for source in self._sources}
        except RecordError as error:
            return {"problem": f"{type(error).__name__}: {error}"}
        waiting = {"messages": behind, "oldest": oldest.isoformat() if oldest else None}
        found: dict[str, Any] = {
            "problem": "",
            "schema": state.found,
            "host": self._database.host,
            "repeated": self._database.repeated,
            "waiting_for_slack": waiting,
            "broken_channels": broken,
            "audit": self._audit(newest),
        }
        return found | ({"reconciliation": looks} if looks else {})

    def _audit(self, newest: tuple[datetime, float] | None) -> dict[str, Any]:
        """When the newest checkpoint of the audit trail was written, and whether the next one is overdue."""
        if newest is None:
            return {"problem": "", "checkpoint_at": None, "age_seconds": None}
        at, age = newest
        late = age > 2 * self._checkpoint_every.total_seconds() + 600
        problem = f"no checkpoint of the audit trail for {age / 3600:.1f} hours; see the log for why" if late else ""
        return {"problem": problem, "checkpoint_at": at.isoformat(), "age_seconds": round(age)}


def _told(state: LookState) -> dict[str, str | None]:
    """How the looks at a source stand: what is wrong, and when its list was read in full last."""
    return {"problem": state.problem, "read_at": state.succeeded_at.isoformat() if state.succeeded_at else None}
