"""Requests that share a transaction leave the same record as requests that do not."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from db.arrival import Arrival
from db.database import Database
from db.errors import Duplicate
from db.model.alert import Alert, AlertKind
from db.model.identity import person
from db.model.lifecycle import Action
from db.model.policy import Policy
from db.queries import Query
from db.transactions import ingest, respond
from tests.conftest import empty_tables
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, at, cannot_see, check_record
from tests.servers.database import DbUrl
from tests.servers.observer import rows

TABLES = {
    "incidents": "SELECT * FROM incidents ORDER BY number",
    "instances": "SELECT * FROM incident_instances ORDER BY incident_id, fingerprint",
    "timeline": "SELECT incident_id, at, kind, actor, from_status, to_status, reason, details FROM incident_timeline "
    "ORDER BY incident_id, event_id",
    "alerts": "SELECT incident_id, delivery_id, received_at, state, fingerprint, starts_at FROM grafana_alerts "
    "ORDER BY delivery_id, alert_id",
    "cards": "SELECT incident_id, channel, priority, wanted_version FROM slack_messages ORDER BY incident_id",
    "deliveries": "SELECT delivery_id, received_at, body_bytes, truncated_alerts, outcome FROM deliveries ORDER BY 1",
}

_NEWEST = Query("newest", "The newest incident.", "SELECT MAX(number) AS number FROM incidents")


@dataclass(frozen=True)
class Webhook:
    """A step of a story: a source sends something."""

    arrival: Arrival


@dataclass(frozen=True)
class Clicked:
    """A step of a story: a person clicks on the newest incident."""

    action: Action
    at: float


def story(dice: random.Random) -> list[Webhook | Clicked]:
    """Alerts of a few instances of two services that fire, repeat, resolve and come late, with clicks between."""
    steps: list[Webhook | Clicked] = []
    starts = dict.fromkeys("abcd", 0.0)
    now = 0.0
    for _ in range(dice.randrange(4, 16)):
        now += dice.choice([0.2, 1, 60, 1000])
        if steps and dice.random() < 0.2:
            steps.append(Clicked(dice.choice(list(Action)), now))
            continue
        alerts: list[Alert] = []
        for name in dice.sample("abcd", dice.randrange(1, 4)):
            if dice.random() < 0.4:
                starts[name] = now
            ends = now if dice.random() < 0.4 else None
            values = {"A": float(dice.randrange(3))} if dice.random() < 0.5 else None
            service = "checkout-api" if name in "ab" else "search"
            severity = {"severity": dice.choice(["warning", "critical"])}
            alerts.append(
                an_alert(name, starts=starts[name], ends=ends, values=values, service=service, labels=severity)
            )
        truncated = dice.choice([0, 0, 2])
        steps.append(Webhook(Arrival(a_delivery(now=now), a_reading(*alerts, truncated=truncated))))
    return steps


def snapshot(url: DbUrl) -> dict[str, list[dict[str, Any]]]:
    """Everything a story leaves in the record."""
    taken = {name: rows(url, sql) for name, sql in TABLES.items()}
    for incident in taken["incidents"]:
        del incident["number"], incident["created_at"]  # of the transaction
    return taken


def with_blindness(dice: random.Random, steps: list[Webhook | Clicked]) -> list[Webhook | Clicked]:
    """The same story, with the rule going blind and seeing again in between."""
    mixed: list[Webhook | Clicked] = []
    starts: float | None = None
    for step in steps:
        mixed.append(step)
        if isinstance(step, Webhook) and dice.random() < 0.4:
            now = (step.arrival.delivery.received_at - at(0)).total_seconds() + 0.1
            alert = cannot_see(starts=now) if starts is None else cannot_see(starts=starts, ends=now)
            starts = now if starts is None else None
            mixed.append(Webhook(Arrival(a_delivery(now=now), a_reading(alert))))
    return mixed


def play(database: Database, steps: list[Webhook | Clicked], policy: Policy, together: int) -> list[dict[str, object]]:
    """Let a story happen, with so many webhooks in a transaction at most; the answers."""
    answers: list[dict[str, object]] = []
    waiting: list[Arrival] = []

    def record() -> None:
        if waiting:
            answers.extend(ingest.record_together(database, waiting, policy))
            waiting.clear()

    for step in steps:
        if isinstance(step, Webhook) and not step.arrival.can_share():
            record()
            one = step.arrival
            when = one.delivery.received_at
            answers.append(ingest.record_delivery(database, one.delivery, one.reading, policy, when))
        elif isinstance(step, Webhook):
            waiting.append(step.arrival)
            if len(waiting) == together:
                record()
        else:
            record()
            newest = database.transact(lambda tx: tx.row(_NEWEST))
            assert newest is not None
            who, when = person("U1"), at(step.at)
            respond.change_status(database, int(newest["number"]), step.action, who, when, policy=policy)
    record()
    return answers


@pytest.mark.parametrize("seed", range(25))
def test_sharing_a_transaction_changes_nothing_in_the_record(db_url: DbUrl, database: Database, seed: int) -> None:
    dice = random.Random(seed)
    steps = story(dice)
    if seed % 2:
        steps = with_blindness(dice, steps)
    one_by_one = play(database, steps, POLICY, 1), snapshot(db_url)
    check_record(database)
    empty_tables(db_url)
    assert (play(database, steps, POLICY, 7), snapshot(db_url)) == one_by_one


def test_one_request_together_is_one_request_alone(db_url: DbUrl, database: Database) -> None:
    delivery, reading = a_delivery(), a_reading(an_alert("a"), an_alert("b"))
    alone = ingest.record_delivery(database, delivery, reading, POLICY, at(0)), snapshot(db_url)
    empty_tables(db_url)
    (together,) = ingest.record_together(database, [Arrival(delivery, reading)], POLICY)
    assert (together, snapshot(db_url)) == alone


def test_a_request_that_is_recorded_already_is_not_recorded_with_others(database: Database, db_url: DbUrl) -> None:
    first, second = (Arrival(a_delivery(), a_reading(an_alert(name))) for name in "ab")
    ingest.record_together(database, [first], POLICY)
    with pytest.raises(Duplicate):
        ingest.record_together(database, [second, first], POLICY)
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 1}]


def test_blind_alerts_tests_and_large_bodies_do_not_share() -> None:
    assert Arrival(a_delivery(), a_reading(an_alert())).can_share()
    assert not Arrival(a_delivery(), a_reading(an_alert(kind=AlertKind.BLIND))).can_share()
    assert not Arrival(a_delivery(), a_reading(an_alert(kind=AlertKind.TEST))).can_share()
    legacy_ok = an_alert(resolved=True, source="grafana-legacy")
    assert not Arrival(a_delivery(), a_reading(legacy_ok)).can_share(), "it may lack the labels of its incident"
    assert not Arrival(a_delivery(b" " * 600_000), a_reading(an_alert())).can_share()
