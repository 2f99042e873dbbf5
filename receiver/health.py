"""Whether the program is alive, whether it can work, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db.database import Database
from db.errors import RecordError
from db.migrate import cannot_write, schema_state
from db.transactions import reconcile, telling
from db.transactions.reconcile import LookState
from receiver.rates import Rates

Voice = Callable[[], Mapping[str, Any]]
"""What the bot says of itself: whether Slack listens, and which configuration errors it reported."""


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
    ) -> None:
        self._clock = clock
        self._database = database
        self._sources = tuple(sources)  # whose own lists are compared with the record
        self._rates = rates
        self._voice = voice
        self._version = version
        self._limiter = anyio.CapacityLimiter(2)

    async def health(self, request: Request) -> Response:
        """Alive: 200 as long as the event loop turns."""
        return JSONResponse({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Ready: the database answers, takes writes and has the right tables. Slack's problems, and those of sources
        whose lists are read, are shown, and are no reason to stop taking alerts."""
        database = await anyio.to_thread.run_sync(self._look, limiter=self._limiter)
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
                    "POST /webhook/grafana": "Grafana's webhook contact point",
                    "POST /webhook/alertmanager": "Alertmanager's webhook receiver",
                    "POST /slack/events": "Slack's clicks, commands and events",
                    "GET /health": "alive",
                    "GET /ready": "database and schema, and what Slack complains about",
                    "GET /metrics": "metrics for Prometheus",
                },
                "slack": dict(self._voice()),
            }
        )

    def _look(self) -> dict[str, Any]:
        try:
            state = schema_state(self._database)
            if problem := cannot_write(self._database) or state.problem:
                return {"problem": problem, "schema": state.found, "host": self._database.host}
            behind, oldest = telling.backlog(self._database)
            broken = telling.broken_channels(self._database, self._clock())
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
        }
        return found | ({"reconciliation": looks} if looks else {})


def _told(state: LookState) -> dict[str, str | None]:
    """How the looks at a source stand: what is wrong, and when its list was read in full last."""
    return {"problem": state.problem, "read_at": state.succeeded_at.isoformat() if state.succeeded_at else None}
