"""Webhook bodies built for a story: only what the story is about has to be said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

BASE = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
"""When stories begin."""

ZERO = "0001-01-01T00:00:00Z"


def at(seconds: float) -> str:
    """A time of the story, as RFC 3339."""
    return (BASE + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def alert(
    name: str = "Checkout 5xx ratio high",
    *,
    rule: str = "checkout_5xx",
    starts: float = 0,
    ends: float | None = None,
    labels: Mapping[str, str] | None = None,
    values: Mapping[str, float] | None = None,
    instance: str = "",
    **more: Any,
) -> dict[str, Any]:
    """One alert of Grafana 13; resolved when it `ends`. `instance` tells several of one rule apart."""
    all_labels = {
        "alertname": name,
        "cluster": "prod-eu-1",
        "namespace": "payments",
        "service": "checkout-api",
        "phase": "prod",
        "severity": "critical",
        **({"pod": instance} if instance else {}),
        **(labels or {}),
    }
    fingerprint = hashlib.sha256(json.dumps([rule, sorted(all_labels.items())]).encode()).hexdigest()[:16]
    return {
        "status": "firing" if ends is None else "resolved",
        "labels": all_labels,
        "annotations": {"summary": f"{name} in {all_labels['service']}"},
        "startsAt": at(starts),
        "endsAt": ZERO if ends is None else at(ends),
        "generatorURL": f"https://grafana.example.internal/alerting/grafana/{rule}/view?orgId=1",
        "fingerprint": fingerprint,
        "silenceURL": "",
        "dashboardURL": "",
        "panelURL": "",
        "ruleUID": rule,
        "values": dict(values) if values is not None else None,
        "valueString": "",
        "orgId": 1,
        **more,
    }


def grafana(*alerts: Mapping[str, Any], **more: Any) -> bytes:
    """The body of one webhook of Grafana 13."""
    body = {
        "receiver": "observer",
        "status": "firing" if any(one["status"] == "firing" for one in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "https://grafana.example.internal/",
        "appVersion": "13.2.0",
        "version": "1",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": "",
        "state": "alerting",
        "message": "",
        **more,
    }
    return json.dumps(body).encode()
