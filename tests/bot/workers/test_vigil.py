"""Heartbeats that stop: one incident, whoever finds it, and over as soon as they are heard again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.workers.vigil import Vigil
from db.database import Database
from db.model.alert import Alert
from db.model.delivery import Packed, unpack
from db.model.finding import read_finding
from db.model.heartbeat import Heartbeat
from db.model.incident import Severity
from db.model.masks import Mask, Masks
from db.model.patterns import Pattern
from db.model.policy import Policy
from db.model.sections import Matcher
from tests.db.builders import POLICY, an_alert, ask, at, check_record, count, deliver

WATCHDOG = Matcher((("alertname", Pattern("Watchdog")),))
WATCHED = replace(POLICY, heartbeats=(Heartbeat(WATCHDOG, timedelta(minutes=10)),))


def watchdog(cluster: str = "prod", *, starts: float = 0, ends: float | None = None) -> Alert:
    """A sign of life."""
    labels = {"alertname": "Watchdog", "severity": "none"}
    alert = an_alert(
        f"w-{cluster}", rule="am:Watchdog", cluster=cluster, service="", starts=starts, ends=ends, labels=labels
    )
    return replace(alert, alertname="Watchdog")


class Clock:
    """A replica's clocks, moved by the test."""

    def __init__(self, database: Database, policy: Policy = WATCHED, late: float = 0) -> None:
        self.seconds = 0.0
        self.vigil = Vigil(database, policy, lambda: at(self.seconds + late), lambda: self.seconds)

    def watch(self, seconds: float) -> None:
        """Look as often as the program does, for so long."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.vigil.turn()
            self.seconds += 30
        self.vigil.turn()


def silent_for(database: Database, minutes: float) -> None:
    """Let every heartbeat have been heard that long ago, by the database's clock."""
    seconds = int(minutes * 60)
    ask(database, f"UPDATE heartbeats SET heard_at = UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND")  # noqa: S608


def incidents(database: Database) -> list[dict[str, Any]]:
    """The incidents, the first one first."""
    return ask(database, "SELECT title, status, severity, source, cluster FROM incidents ORDER BY number")


STOPPED = {
    "title": "Heartbeat Watchdog of prod stopped",
    "status": "active",
    "severity": "critical",
    "source": "observer",
    "cluster": "prod",
}


def test_a_heartbeat_that_stops_opens_one_incident_and_heard_again_resolves_it(database: Database) -> None:
    deliver(database, watchdog(), policy=WATCHED)
    clock = Clock(database)
    clock.watch(700)
    assert incidents(database) == [], "heard of a moment ago"
    silent_for(database, 11)
    clock.watch(60)
    assert incidents(database) == [STOPPED]
    clock.watch(600)
    assert count(database, "grafana_alerts") == 1, "found once"
    deliver(database, watchdog(), policy=WATCHED)
    clock.watch(0)
    assert incidents(database) == [STOPPED | {"status": "resolved"}]
    silent_for(database, 11)
    clock.watch(0)
    assert [one["status"] for one in incidents(database)] == ["resolved", "active"], "and it may stop again"
    check_record(database)


def test_the_finding_is_a_delivery_that_can_be_read_again(database: Database) -> None:
    deliver(database, watchdog(), policy=WATCHED)
    silent_for(database, 11)
    Clock(database).watch(700)
    (row,) = ask(database, "SELECT body, body_encoding, content_type FROM deliveries WHERE source = 'observer'")
    assert row["content_type"] == "application/vnd.observer.finding+json"
    (alert,) = read_finding(unpack(Packed(row["body_encoding"], row["body"]))).alerts
    assert (alert.alertname, alert.labels["heartbeat"]) == ("Heartbeat Watchdog of prod stopped", "Watchdog")


def test_masks_for_storage_hold_for_what_is_found(database: Database) -> None:
    """The heartbeat was heard before there was the rule, so the record has its label as it came."""
    alert = watchdog()
    secret = replace(alert, labels={**alert.labels, "token": "hunter2"})
    deliver(database, secret, policy=WATCHED)
    assert ask(database, "SELECT 1 FROM heartbeats WHERE labels LIKE '%%hunter2%%'")
    silent_for(database, 11)
    masks = Masks(storage=(Mask("hunter[0-9]"),))
    clock = Clock(database, replace(WATCHED, masks=masks))
    clock.watch(700)
    (row,) = ask(database, "SELECT body, body_encoding, masked FROM deliveries WHERE source = 'observer'")
    body = unpack(Packed(row["body_encoding"], row["body"]))
    assert row["masked"] == 1
    assert b"hunter2" not in body
    (alert,) = read_finding(body).alerts
    assert alert.labels["token"] == "***"
    kept = "SELECT labels, raw_payload FROM grafana_alerts UNION ALL SELECT labels, '' FROM incident_instances"
    assert "hunter2" not in str(ask(database, kept))
    deliver(database, secret, policy=WATCHED)
    clock.watch(0)
    assert incidents(database) == [STOPPED | {"status": "resolved"}], "its end is masked the same way"


def test_however_many_replicas_look_and_whatever_their_clocks_say_it_is_found_once(database: Database) -> None:
    deliver(database, watchdog(), policy=WATCHED)
    silent_for(database, 11)
    clocks = [Clock(database, late=late) for late in (0, 60, -60)]
    for clock in clocks:
        clock.watch(540)
    for clock in clocks:
        ask(database, "UPDATE heartbeats SET stopped_at = NULL")  # as if all had read it before any wrote
        clock.watch(120)
    assert (count(database, "incidents"), count(database, "grafana_alerts")) == (1, 1)
    check_record(database)


def test_what_was_missed_while_observer_was_down_or_without_database_says_nothing(database: Database) -> None:
    deliver(database, watchdog(), policy=WATCHED)
    silent_for(database, 60)
    clock = Clock(database)
    clock.watch(540)
    assert incidents(database) == [], "it may come any moment"
    clock.seconds += 300  # asleep: nothing could be heard
    clock.watch(540)
    assert incidents(database) == []
    clock.watch(120)
    assert incidents(database) == [STOPPED]


def test_resolved_means_that_it_stopped(database: Database) -> None:
    deliver(database, watchdog(), policy=WATCHED)
    deliver(database, watchdog(ends=50), now=60, policy=WATCHED)
    Clock(database).watch(0)
    assert incidents(database) == [STOPPED], "at once"
    deliver(database, watchdog(starts=100), now=110, policy=WATCHED)
    deliver(database, watchdog(ends=50), now=120, policy=WATCHED)
    Clock(database).watch(0)
    assert incidents(database) == [STOPPED | {"status": "resolved"}], "a late message changes nothing"


def test_without_missing_after_nobody_is_told(database: Database) -> None:
    deliver(database, watchdog())
    deliver(database, watchdog(ends=50), now=60)
    silent_for(database, 10_000)
    Clock(database, POLICY).watch(3_600)
    assert (incidents(database), count(database, "heartbeats")) == ([], 1)


def test_each_cluster_has_a_heartbeat_of_its_own(database: Database) -> None:
    deliver(database, watchdog("a"), watchdog("b"), policy=WATCHED)
    silent_for(database, 11)
    deliver(database, watchdog("b"), policy=WATCHED)
    Clock(database).watch(700)
    assert [one["cluster"] for one in incidents(database)] == ["a"]


def test_a_heartbeat_that_was_never_heard_is_not_missed(database: Database) -> None:
    Clock(database).watch(3_600)
    assert incidents(database) == []


def test_its_severity_is_the_policys(database: Database) -> None:
    policy = replace(WATCHED, heartbeats=(replace(WATCHED.heartbeats[0], severity=Severity.WARNING),))
    deliver(database, watchdog(), policy=policy)
    silent_for(database, 11)
    Clock(database, policy).watch(700)
    assert incidents(database) == [STOPPED | {"severity": "warning"}]
