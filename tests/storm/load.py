"""The alerts of a storm: many new incidents, or very many alerts on few of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests import bodies
from tests.servers.observer import send

SERVICES = (
    "checkout-api", "search", "order-queue", "payments", "inventory", "mail-relay", "login", "image-resizer",
)  # fmt: skip
CLUSTERS = ("prod-eu-1", "prod-us-1", "prod-ap-1")
NAMES = (
    "5xx ratio high", "p99 latency high", "queue grows", "pod keeps crashing", "disk almost full",
    "certificate expires", "too many retries", "replica lags behind",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that fires; its number is also in its rule, so that each is an incident of its own."""

    number: int
    severity: str

    @property
    def service(self) -> str:
        """Where it fires."""
        return SERVICES[self.number % len(SERVICES)]

    @property
    def cluster(self) -> str:
        """Where it fires."""
        return CLUSTERS[self.number // len(SERVICES) % len(CLUSTERS)]

    def body(self, *, ends: float | None = None, instance: str = "", starts: float = 0) -> dict[str, Any]:
        """Its alert."""
        return bodies.alert(
            f"{self.service}: {NAMES[self.number % 7]} ({self.number})",
            rule=f"storm-{self.number}",
            starts=starts,
            ends=ends,
            instance=instance,
            labels={"service": self.service, "cluster": self.cluster, "severity": self.severity},
        )


def alarms(count: int) -> list[Alarm]:
    """3 % of them critical, spread evenly; most are warnings."""
    severities = ("warning", "high", "warning", "info", "warning")
    return [
        Alarm(number, "critical" if number % 33 == 16 else severities[number % len(severities)])
        for number in range(count)
    ]


def fire(url: str, wanted: Sequence[Alarm], seconds: float) -> dict[int, float]:
    """Each alarm in a request of its own, spread over so many seconds; when each was answered 2xx (seconds of 1970)."""
    began = time.monotonic()

    def one(alarm: Alarm) -> tuple[int, float]:
        at = began + seconds * alarm.number / len(wanted)
        time.sleep(max(0.0, at - time.monotonic()))
        assert send(url, bodies.grafana(alarm.body())).is_success
        return alarm.number, time.time()

    with ThreadPoolExecutor(8) as threads:
        return dict(threads.map(one, wanted))


def recover(url: str, gone: Sequence[Alarm]) -> None:
    """All of these are resolved by their source, fifty in a request."""
    for start in range(0, len(gone), 50):
        part = [alarm.body(ends=600) for alarm in gone[start : start + 50]]
        assert send(url, bodies.grafana(*part)).is_success


def flood(url: str, wanted: Sequence[Alarm], alerts: int, per_body: int) -> Iterator[int]:
    """So many alerts of these alarms, in large bodies; yields how many were answered 2xx so far."""
    sent = 0
    while sent < alerts:
        part = min(per_body, alerts - sent)
        body = [
            wanted[(sent + index) % len(wanted)].body(
                instance=f"pod-{(sent + index) // len(wanted) % 40}", starts=(sent + index) // (40 * len(wanted))
            )
            for index in range(part)
        ]
        assert send(url, bodies.grafana(*body)).is_success
        sent += part
        yield sent
