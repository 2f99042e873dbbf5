"""A request that could be read, and what can be done of it before its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db.literals import Written
from db.model import grouping
from db.model.alert import AlertKind, Reading, Rejected
from db.model.delivery import Delivery
from db.model.policy import Policy
from db.store import alerts, deliveries

_SHARED_BYTES = 512 * 1024
"""The largest body that shares a transaction with others."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a request before its transaction: its alerts by their keys, and its rows as far as they can be
    written. That takes longer than all that is decided later, and nothing is locked meanwhile."""

    ordered: grouping.Sorted
    delivery: deliveries.Prepared
    contents: Mapping[int, Written]  # of the rows of its alerts, by the identity of each `Keyed`


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that could be read; it is recorded as of `delivery.received_at`."""

    delivery: Delivery
    reading: Reading
    prepared: Prepared | None = None  # by the policy it is recorded with

    def ready(self, policy: Policy) -> Prepared:
        """What can be done of it beforehand, now if it was not done yet."""
        return self.prepared or prepare(self.delivery, self.reading, policy)

    def can_share(self) -> bool:
        """Whether it may share a transaction: what is about a rule's sight changes incidents of other keys, tests tell
        Slack of themselves, and a large body should not make small ones wait."""
        small = len(self.delivery.body) <= _SHARED_BYTES
        return small and not any(
            alert.kind is AlertKind.TEST or grouping.is_about_sight(alert) for alert in self.reading.alerts
        )


def prepare(delivery: Delivery, reading: Reading, policy: Policy) -> Prepared:
    """Do what can be done of a request without the database; pure, for any thread."""
    ordered = grouping.sort(reading, policy)
    problem = problem_text(reading.rejected) if reading.rejected else ""
    contents = {id(keyed): alerts.contents(keyed.alert) for keyed in ordered.keyed}
    for keyed in (*ordered.by_rule, *ordered.blind):
        contents[id(keyed)] = alerts.contents(keyed.alert)
    return Prepared(ordered, deliveries.prepare(delivery, truncated=reading.truncated, problem=problem), contents)


def problem_text(rejected: Sequence[Rejected]) -> str:
    """What could not be read of a request, as its delivery keeps it."""
    return "\n".join([f"{part.path}: {part.reason}" for part in rejected])
