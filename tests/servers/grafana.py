"""A stand-in for Grafana's side of alerting: its own list of alerts over HTTP, and the webhooks it would send.

The shapes are those of Grafana: the list has all labels, private annotations and times cut to milliseconds, and the
fingerprint is made of all labels; the webhook lacks what is private and has the rule's UID and values as keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.server.private import reserved_port
from receiver.sources.fields import fingerprint_of
from tests.servers.slack import ThreadedServer

TOKEN = "glsa_of_the_tests"
ROOT = "https://grafana.example.internal/sub"
ZERO = "0001-01-01T00:00:00Z"


class Grafana:
    """One organisation of a Grafana; `live` are its firing alerts by pod."""

    def __init__(self, *, org: int = 1) -> None:
        with reserved_port() as port:
            self.port = port
        self.org = org
        self.live: dict[str, dict[str, Any]] = {}
        self.answer: Response | None = None  # what it answers instead of its list
        self.asked = 0
        routes = [
            Route("/api/org", self._org),
            Route("/api/alertmanager/grafana/api/v2/alerts", self._alerts),
        ]
        self._server = ThreadedServer(Starlette(routes=routes), self.port)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def fire(self, pod: str, *, rule: str = "checkout_5xx", name: str = "", keeps: float = 4, state: str = "active",
             labels: Mapping[str, str] | None = None) -> dict[str, Any]:  # fmt: skip
        """An alert of a rule fires since a minute and some nanoseconds; it would stay `keeps` seconds by itself."""
        now = datetime.now(UTC)
        began = self.live[pod]["began"] if pod in self.live else now - timedelta(minutes=1)
        self.live[pod] = {
            "began": began,
            "rule": rule,
            "expires": now + timedelta(seconds=keeps),
            "state": state,
            "labels": {
                "__alert_rule_namespace_uid__": "f0lder",
                "__alert_rule_uid__": rule,
                "alertname": name or "Checkout 5xx ratio high",
                "grafana_folder": "Payments",
                "cluster": "prod-eu-1",
                "namespace": "payments",
                "service": "checkout-api",
                "severity": "critical",
                "pod": pod,
                **(labels or {}),
            },
            "annotations": {"summary": "One in ten answers is an error"},
        }
        return self.live[pod]

    def listed(self) -> list[dict[str, Any]]:
        """Its list, as the API gives it."""
        return [self._listed(alert) for alert in self.live.values() if alert["expires"] > datetime.now(UTC)]

    def webhook(self, *pods: str, alerts: Mapping[str, dict[str, Any]] | None = None, resolved: bool = False) -> bytes:
        """The body of the webhook about some of them."""
        known = alerts or self.live
        body: dict[str, Any] = {
            "receiver": "observer", "status": "resolved" if resolved else "firing", "orgId": self.org, "version": "1",
            "alerts": [self._sent(known[pod], resolved) for pod in pods], "externalURL": f"{ROOT}/",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "groupKey": "{}:{}", "truncatedAlerts": 0,
            "title": "", "state": "alerting", "message": "",
        }  # fmt: skip
        return json.dumps(body).encode()

    def _fingerprint(self, alert: Mapping[str, Any]) -> str:
        labels = {name: value for name, value in alert["labels"].items() if name != "__alert_rule_namespace_uid__"}
        return fingerprint_of(labels)

    def _listed(self, alert: Mapping[str, Any]) -> dict[str, Any]:
        state = alert["state"]
        private = {
            "__orgId__": str(self.org), "__values__": '{"A":0.0742,"C":1}', "__value_string__": "[ var='A' ]",
            "__dashboardUid__": "d1", "__panelId__": "7",
        }  # fmt: skip
        return {
            "annotations": {**alert["annotations"], **private},
            "endsAt": _milliseconds(alert["expires"]),
            "fingerprint": self._fingerprint(alert),
            "receivers": [{"name": "observer"}],
            "startsAt": _milliseconds(alert["began"]),
            "status": {
                "inhibitedBy": [], "silencedBy": ["a-silence"] if state == "suppressed" else [], "state": state,
            },
            "updatedAt": _milliseconds(datetime.now(UTC)),
            "generatorURL": f"{ROOT}/alerting/grafana/{alert['rule']}/view",
            "labels": {
                name: value for name, value in alert["labels"].items() if name != "__alert_rule_namespace_uid__"
            },
        }  # fmt: skip

    def _sent(self, alert: Mapping[str, Any], resolved: bool) -> dict[str, Any]:
        return {
            "status": "resolved" if resolved else "firing",
            "labels": {name: value for name, value in alert["labels"].items() if not name.startswith("__")},
            "annotations": alert["annotations"],
            "startsAt": alert["began"].isoformat().replace("+00:00", "789Z"),
            "endsAt": datetime.now(UTC).isoformat() if resolved else ZERO,
            "generatorURL": f"{ROOT}/alerting/grafana/{alert['rule']}/view?orgId={self.org}",
            "fingerprint": self._fingerprint(alert),
            "silenceURL": "", "dashboardURL": "", "panelURL": "",
            "ruleUID": alert["rule"], "values": {"A": 0.0742, "C": 1}, "valueString": "", "orgId": self.org,
        }  # fmt: skip

    async def _org(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse({"id": self.org, "name": "Main Org."})

    async def _alerts(self, request: Request) -> Response:
        self.asked += 1
        return self._denied(request) or self.answer or JSONResponse(self.listed())

    def _denied(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return JSONResponse({"message": "Unauthorized"}, status_code=401)


def _milliseconds(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
