"""A varied past for tests of replay, check and retention: storms, joins, resolves, windows, clicks, blind, unreadable.

`live` plays it into a database as the program does it: requests share transactions, people click in between.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.arrival import Arrival
from db.database import Database
from db.model.alert import Alert, AlertKind, AlertState, Reading, Rejected, Unreadable
from db.model.delivery import Delivery
from db.model.finding import CONTENT_TYPE, write_finding
from db.model.identity import person
from db.model.lifecycle import Action, Notes
from db.model.policy import Policy
from db.model.reason import Reason
from db.transactions import ingest, respond
from receiver.sources.stored import read_stored
from tests import bodies
from tests.db.builders import ask, sql

START = datetime(2026, 3, 1, 8, 0, tzinfo=bodies.BASE.tzinfo)


@dataclass(frozen=True, slots=True)
class Request:
    """A webhook of the past."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Click:
    """A person does something to one of the newest incidents."""

    at: datetime
    pick: int
    action: Action
    actor: str
    notes: Notes


def past(count: int, seed: int, *, services: int = 20, seconds: float = 20.0) -> Iterator[Request | Click]:
    """So many requests, `seconds` apart in the mean, with clicks in between; always the same for a seed."""
    dice = random.Random(seed)
    now = START
    firing: dict[tuple[int, int], datetime] = {}
    for number in range(count):
        now += timedelta(seconds=dice.expovariate(1 / seconds), microseconds=number % 7)
        yield Request(_request(dice, number, now, firing, services))
        if dice.random() < 0.08:
            now += timedelta(seconds=dice.random())
            action = dice.choice([Action.ACKNOWLEDGE, Action.ACKNOWLEDGE, Action.UNACKNOWLEDGE, Action.RESOLVE,
                                  Action.RESOLVE, Action.REOPEN])  # fmt: skip
            notes = Notes(f"cause {number}", f"rolled back {number}") if dice.random() < 0.5 else Notes()
            yield Click(now, dice.randrange(12), action, f"U{dice.randrange(1, 6):03d}", notes)


def _request(
    dice: random.Random, number: int, now: datetime, firing: dict[tuple[int, int], datetime], services: int
) -> Delivery:
    chance = dice.random()
    source, content_type = "grafana", "application/json"
    if chance < 0.01:
        body = b'{"alerts": "not a list", "version": "1"' if dice.random() < 0.5 else b"\x00\xff not JSON"
    elif chance < 0.02:
        body = _alertmanager(dice, now, "Watchdog", "none", {})
        source = "alertmanager"
    elif chance < 0.05:
        service = dice.randrange(services)
        ends = now if dice.random() < 0.4 else None
        body = bodies.grafana(_blind(service % 5, service, now, ends))
    elif chance < 0.08:
        body, content_type = write_finding(_finding(dice, now)), CONTENT_TYPE
    elif chance < 0.17:
        source = "alertmanager"
        labels = {"service": f"am-{dice.randrange(services)}", "pod": f"pod-{dice.randrange(3)}"}
        body = _alertmanager(dice, now, f"AmRule{dice.randrange(4)}", dice.choice(["critical", "warning"]), labels)
    else:
        body = _grafana(dice, now, firing, services)
    identity = random.Random(f"{number}:{now}").randbytes(16)
    return Delivery(request_id=identity, received_at=now, source=source, content_type=content_type, body=body)


def _grafana(dice: random.Random, now: datetime, firing: dict[tuple[int, int], datetime], services: int) -> bytes:
    alerts = []
    for _ in range(dice.choice([1, 1, 1, 2, 3, 5])):
        name = (dice.randrange(services), dice.choice([0, 0, 0, 1, 1, 2]))
        ends = None
        if name in firing and dice.random() < 0.7:
            started, ends = firing.pop(name), now
        elif name in firing:
            started = firing[name]
        else:
            started = firing[name] = now - timedelta(seconds=dice.randrange(60))
        values = {"A": round(dice.random() * 10, 1)} if dice.random() < 0.6 else None
        alerts.append(_alert(*name, started, ends, dice.choice(["critical", "warning", "high"]), values))
    unique = {one["fingerprint"]: one for one in alerts}
    return bodies.grafana(*unique.values(), truncatedAlerts=3 if dice.random() < 0.01 else 0)


def _seconds(at: datetime) -> float:
    return (at - bodies.BASE).total_seconds()


def _alert(
    service: int, instance: int, started: datetime, ends: datetime | None, severity: str, values: Any
) -> dict[str, Any]:
    one = bodies.alert(
        f"Errors of {service}",
        rule=f"rule_{service % 5}",
        starts=_seconds(started),
        ends=None if ends is None else _seconds(ends),
        labels={"service": f"service-{service}", "phase": "dev" if instance == 1 else "prod"},
        values=values,
        instance=f"pod-{instance}",
    )
    one["labels"]["severity"] = severity
    return one


def _blind(rule: int, service: int, now: datetime, ends: datetime | None) -> dict[str, Any]:
    one = bodies.alert(
        "DatasourceNoData",
        rule=f"rule_{rule}",
        starts=_seconds(now),
        ends=None if ends is None else _seconds(ends),
        labels={"rulename": f"Errors of {service}", "datasource_uid": "prometheus", "ref_id": "A"},
    )
    for name in ("cluster", "namespace", "service", "phase"):
        del one["labels"][name]
    return one


def _finding(dice: random.Random, now: datetime) -> Reading:
    alert = Alert(
        source="alertmanager",
        state=dice.choice([AlertState.FIRING, AlertState.RESOLVED]),
        kind=AlertKind.NORMAL,
        rule_uid="am:HeartbeatStopped",
        alertname="HeartbeatStopped",
        fingerprint=f"heartbeat-{dice.randrange(3)}",
        labels={"alertname": "HeartbeatStopped", "severity": "critical"},
        annotations={},
        starts_at=now - timedelta(minutes=5),
        ends_at=None,
        summary="A heartbeat stopped",
    )
    return Reading(source="alertmanager", alerts=(alert,), found_by=Reason.FOUND_BY_RECONCILIATION)


def _alertmanager(dice: random.Random, now: datetime, name: str, severity: str, labels: dict[str, str]) -> bytes:
    hour = now.replace(minute=0, second=0, microsecond=0)
    over = dice.random() < 0.4 and name != "Watchdog"
    one = bodies.alert(name, starts=_seconds(hour), ends=_seconds(now) if over else None)
    del one["ruleUID"], one["values"], one["orgId"]
    one["labels"] = {"alertname": name, "severity": severity, "cluster": "prod-eu-1", **labels}
    one["fingerprint"] = hashlib.sha256(repr((name, sorted(labels.items()))).encode()).hexdigest()[:16]
    body = {
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "resolved" if over else "firing",
        "receiver": "observer", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.internal", "alerts": [one],
    }  # fmt: skip
    return json.dumps(body).encode()


class Live:
    """Plays a past into a database as it would have happened."""

    def __init__(self, database: Database, policy: Policy, *, together: int = 40) -> None:
        self._database = database
        self._policy = policy
        self._together = together
        self._waiting: list[Arrival] = []

    def play(self, story: Iterator[Request | Click], report: Callable[[int], None] = lambda _: None) -> int:
        """All of it; how many clicks changed something."""
        clicks = 0
        for number, step in enumerate(story):
            if isinstance(step, Request):
                self._request(step.delivery)
            else:
                clicks += self._click(step)
            if number % 5000 == 0:
                report(number)
        self._flush()
        return clicks

    def _request(self, delivery: Delivery) -> None:
        try:
            reading = read_stored(delivery.source, delivery.content_type, delivery.body)
        except Unreadable as problem:
            self._flush()
            ingest.record_unreadable(self._database, delivery, Rejected(problem.path, problem.reason))
            return
        arrival = Arrival(delivery, reading)
        if not arrival.can_share():
            self._flush()
            ingest.record_delivery(self._database, delivery, reading, self._policy, delivery.received_at)
            return
        if self._waiting and delivery.received_at - self._waiting[0].delivery.received_at > timedelta(seconds=30):
            self._flush()
        self._waiting.append(arrival)
        if len(self._waiting) >= self._together:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            ingest.record_together(self._database, self._waiting, self._policy)
            self._waiting = []

    def _click(self, click: Click) -> bool:
        self._flush()
        newest = ask(self._database, "SELECT incident_id FROM incidents ORDER BY number DESC LIMIT 12")
        if not newest:
            return False
        name = newest[click.pick % len(newest)]["incident_id"]
        outcome = respond.change_status(
            self._database, name, click.action, person(click.actor), click.at, policy=self._policy, notes=click.notes
        )
        return getattr(outcome, "event", None) is not None


def hang_cards(database: Database) -> None:
    """Slack shows every card that is wanted, as far as the record knows."""
    database.transact(
        lambda tx: tx.execute(
            sql(
                "UPDATE slack_messages SET shown_version = wanted_version, channel_id = 'C1', "
                "due_at = UTC_TIMESTAMP(6), ts = CONCAT('1700000000.', LPAD(message_id, 6, '0'))"
            )
        )
    )
