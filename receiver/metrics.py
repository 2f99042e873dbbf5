"""Prometheus metrics: counters that cost the hot path an addition each, and the record in figures at scrape time.

No label takes a value that a sender can choose: sources, outcomes, meanings, methods are closed lists.
"""

from __future__ import annotations

import logging
import math
import time
from bisect import bisect_left
from collections import Counter as Counting
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from db.database import Database
from db.errors import RecordError
from db.model.alert import Reading
from db.model.incident import Severity, Status
from db.model.meaning import Meaning
from db.transactions import gauges
from db.transactions.gauges import Gauges
from receiver.rates import Rates

_log = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
"""How long the figures of the record are shown again without being read again."""

SCRAPE_SECONDS = 2.0
"""How long a scrape waits for the database; then it goes without the record's figures."""

OUTCOMES = ("recorded", "unreadable", "denied", "too_large", "encoding", "gone", "busy", "database_away", "failed")
"""What became of a request to a webhook."""

MEANINGS = (*(meaning.value for meaning in Meaning), "blind", "tests", "heartbeats", "truncated", "rejected")
"""What an alert turned out to be."""

EVENTS = ("opened", "reopened", "joined", "resolved")
"""What a source's alerts did to incidents."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


class WebhookMeter:
    """Counts what one webhook path does, on the event loop alone: whole numbers that nobody else adds to cost a request
    a tenth of what counters with locks do."""

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.buckets = [0] * (len(_SECONDS) + 1)  # requests by the first bound that they kept, the last kept none
        self.seconds = 0.0
        self.meanings: dict[str, dict[str, int]] = {}  # of alerts, by source
        self.events: dict[str, dict[str, int]] = {}  # of incidents, by source

    def outcome(self, name: str) -> None:
        """A request ended in one of `OUTCOMES`."""
        self.outcomes[name] += 1

    def took(self, seconds: float) -> None:
        """A request was answered after so long."""
        self.buckets[bisect_left(_SECONDS, seconds)] += 1
        self.seconds += seconds

    def recorded(self, reading: Reading, answer: Mapping[str, Any]) -> None:
        """A request was recorded; `answer` is the JSON object that says what it did."""
        self.outcomes["recorded"] += 1
        meanings = self.meanings.get(reading.source)
        if meanings is None:  # a few sources, each the first time only
            meanings = self.meanings[reading.source] = dict.fromkeys(MEANINGS, 0)
            self.events[reading.source] = dict.fromkeys(EVENTS, 0)
        for name, number in answer.get("meanings", {}).items():
            if name in meanings:
                meanings[name] += number
        figures = answer["alerts"]
        for name in ("tests", "heartbeats", "truncated", "rejected"):
            meanings[name] += figures[name]
        for name, ids in answer["incidents"].items():
            if ids:
                self.events[reading.source][name] += len(ids)


class Metrics:
    """All counters, in a registry of their own; made by the composition and handed to whoever counts."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        if rates is not None:
            registry.register(_RatesCollector(rates))
        self._meters: dict[str, WebhookMeter] = {}
        registry.register(_WebhooksCollector(self._meters))
        self.found = Counter(
            "observer_found_by_reconciliation_total", "Alerts that no webhook brought, by a source's list.",
            ("source", "kind"), registry=registry,
        )  # fmt: skip
        self.pull_errors = Counter(
            "observer_reconciliation_errors_total", "Lists of a source's servers that could not be read.",
            ("source", "reason"), registry=registry,
        )  # fmt: skip
        self.severities = Counter(
            "observer_unknown_severities_total", "Alerts whose severity stands in no list of the policy.",
            ("source",), registry=registry,
        )  # fmt: skip
        self.slack = Counter(
            "observer_slack_calls_total", "Calls of Slack's Web API; a 429 has the outcome ratelimited.",
            ("method", "outcome"), registry=registry,
        )  # fmt: skip
        self.batch = Histogram(
            "observer_batch_requests", "Requests that share one transaction.",
            buckets=(1, 2, 4, 8, 16, 32), registry=registry,
        )  # fmt: skip
        self.queue = Gauge("observer_queue_requests", "Requests that wait for a writer.", registry=registry)

    def webhook(self, source: str) -> WebhookMeter:
        """The counters of one webhook path."""
        return self._meters.setdefault(source, WebhookMeter())

    def slack_called(self, method: str, outcome: str) -> None:
        """Slack's Web API was called."""
        self.slack.labels(method, outcome).inc()

    def found_by_reconciliation(self, source: str, kind: str, number: int) -> None:
        """Reconciliation repaired the record."""
        self.found.labels(source, kind).inc(number)

    def severity_unknown(self, source: str) -> None:
        """An alert got the default severity, because what it says stands in no list."""
        self.severities.labels(source).inc()

    def pull_failed(self, source: str, reason: str) -> None:
        """A server's list could not be read."""
        self.pull_errors.labels(source, reason).inc()

    def expect_source(self, source: str) -> None:
        """This source will be reconciled: its counters exist from the start, so that a first increase is seen."""
        for kind in ("missed_firing", "missed_resolve"):
            self.found.labels(source, kind)


class MetricsEndpoint:
    """`GET /metrics`: never blocks the event loop, and asks the database at most every `FRESH_SECONDS`."""

    def __init__(
        self,
        metrics: Metrics,
        database: Database,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = metrics.registry
        self._record = _RecordCollector(clock)
        self._registry.register(self._record)
        self._database = database
        self._monotonic = monotonic
        self._read_at = -FRESH_SECONDS
        self._limiter = anyio.CapacityLimiter(1)

    async def __call__(self, request: Request) -> Response:
        """All metrics in Prometheus' text format; without the record's figures while the database is away."""
        if self._monotonic() - self._read_at >= FRESH_SECONDS:
            self._read_at = self._monotonic()  # those who scrape at the same time see the last figures
            self._record.gauges = await self._read()
        text = await anyio.to_thread.run_sync(generate_latest, self._registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _read(self) -> Gauges | None:
        with anyio.move_on_after(SCRAPE_SECONDS):
            return await anyio.to_thread.run_sync(self._ask, limiter=self._limiter, abandon_on_cancel=True)
        return None

    def _ask(self) -> Gauges | None:
        try:
            return gauges.read(self._database, patience_seconds=SCRAPE_SECONDS / 2)
        except RecordError as error:
            _log.warning("metrics without the record", extra={"error": type(error).__name__})
            return None


class _RatesCollector:
    """What each credential sends; names of credentials come from the settings, never from a sender."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    def collect(self) -> Iterable[CounterMetricFamily]:
        """One counter for each sort of amount."""
        labels = ("source", "credential")
        requests = CounterMetricFamily("observer_credential_requests", "Requests by credential.", labels=labels)
        alerts = CounterMetricFamily("observer_credential_alerts", "Alerts by credential.", labels=labels)
        size = CounterMetricFamily("observer_credential_bytes", "Bytes of bodies by credential.", labels=labels)
        denied = CounterMetricFamily(
            "observer_denied_requests", "Requests with missing or wrong credentials.", labels=("source",)
        )
        for rate in self._rates.snapshot():
            if rate.credential:
                name = [rate.source, rate.credential]
                requests.add_metric(name, rate.total.requests)
                alerts.add_metric(name, rate.total.alerts)
                size.add_metric(name, rate.total.bytes)
            else:
                denied.add_metric([rate.source], rate.total.denied)
        return [requests, alerts, size, denied]


class _WebhooksCollector:
    """What the webhook paths have counted."""

    def __init__(self, meters: Mapping[str, WebhookMeter]) -> None:
        self._meters = meters

    def collect(self) -> Iterable[Metric]:
        """The families of metrics."""
        deliveries = CounterMetricFamily(
            "observer_deliveries_total", "Requests to the webhooks by what became of them.",
            labels=("source", "outcome"),
        )  # fmt: skip
        seconds = HistogramMetricFamily(
            "observer_webhook_seconds", "From the first byte of a request to its answer.", labels=("source",)
        )
        alerts: Counting[tuple[str, str]] = Counting()
        incidents: Counting[tuple[str, str]] = Counting()
        for path, meter in self._meters.items():
            for outcome, number in meter.outcomes.items():
                deliveries.add_metric([path, outcome], number)
            bounds = [*map(float, _SECONDS), math.inf]
            below = accumulate(list(meter.buckets))
            seconds.add_metric(
                [path],
                [("+Inf" if bound == math.inf else str(bound), n) for bound, n in zip(bounds, below, strict=True)],
                meter.seconds,
            )
            # two paths may have alerts of one source: a Grafana may send Alertmanager's bodies
            for total, counted in ((alerts, meter.meanings), (incidents, meter.events)):
                for source, numbers in list(counted.items()):
                    total.update({(source, name): number for name, number in numbers.items()})
        yield deliveries
        yield seconds
        yield _counters("observer_alerts_total", "Alerts received by what they turned out to be.", "meaning", alerts)
        yield _counters(
            "observer_incidents_total",
            "What the sources' alerts did to incidents; people's clicks are not counted.",
            "event",
            incidents,
        )


def _counters(name: str, about: str, label: str, counted: Mapping[tuple[str, str], int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=("source", label))
    for (source, value), number in counted.items():
        family.add_metric([source, value], number)
    return family


class _RecordCollector:
    """The record in figures, as it was read last."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.gauges: Gauges | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families of metrics that the record gives; only whether it can be read while it cannot."""
        found = self.gauges
        up = GaugeMetricFamily("observer_database_up", "Whether the database answered the last scrape.")
        up.add_metric([], 0 if found is None else 1)
        yield up
        if found is None:
            return
        open_incidents = GaugeMetricFamily("observer_open_incidents", "Open incidents.", labels=("status", "severity"))
        for status in (Status.ACTIVE, Status.ACKNOWLEDGED):
            for severity in Severity:
                number = found.open.get((status.value, severity.value), 0)
                open_incidents.add_metric([status.value, severity.value], number)
        yield open_incidents
        behind = GaugeMetricFamily("observer_messages_behind", "Slack messages that do not show what they should.")
        behind.add_metric([], found.behind)
        yield behind
        age = GaugeMetricFamily("observer_messages_oldest_behind_seconds", "How long the oldest of them waits.")
        now = self._clock().astimezone(UTC)
        age.add_metric([], max(0.0, (now - found.oldest_behind).total_seconds()) if found.oldest_behind else 0.0)
        yield age
        if found.checkpoint_age is not None:
            checkpoint = GaugeMetricFamily(
                "observer_audit_checkpoint_age_seconds", "How long ago a checkpoint of the audit trail was written."
            )
            checkpoint.add_metric([], found.checkpoint_age)
            yield checkpoint
        looks = GaugeMetricFamily(
            "observer_reconciliation_last_success_timestamp_seconds",
            "When the list of a source was last read in full, by any replica.",
            labels=("source",),
        )
        for source, at in found.reconciled.items():
            looks.add_metric([source], at.timestamp())
        yield looks
