"""A heartbeat has stopped when it was silent, or said so, for as long as somebody listened; and that is found once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from db.model.alert import AlertState
from db.model.heartbeat import WATCHDOG, Heartbeat, Pulse, beats, beats_again, read_heartbeats, stopped
from db.model.incident import Severity
from db.model.sections import Sections
from tests.db.builders import an_alert, at

FIVE = timedelta(minutes=5)
HEARTBEAT = Heartbeat(WATCHDOG[0].match, missing_after=FIVE)
LONG = timedelta(days=1)


def a_pulse(*, silent: float = 0, ended: bool = False, stopped_at: datetime | None = None) -> Pulse:
    """Heard of at the start of the story."""
    return Pulse(
        source="alertmanager",
        fingerprint="f1",
        alertname="Watchdog",
        labels={"cluster": "prod-eu-1"},
        heard_at=at(0),
        ended=ended,
        stopped_at=stopped_at,
        silent=timedelta(seconds=silent),
    )


@pytest.mark.parametrize(
    ("pulse", "missing_after", "watched", "found"),
    [
        (a_pulse(silent=299), FIVE, LONG, False),
        (a_pulse(silent=300), FIVE, LONG, True),
        (a_pulse(silent=10**6), FIVE, timedelta(seconds=299), False),
        (a_pulse(silent=10**6), FIVE, timedelta(seconds=300), True),
        (a_pulse(silent=1, ended=True), FIVE, timedelta(0), True),
        (a_pulse(silent=10**6), None, LONG, False),
        (a_pulse(silent=1, ended=True), None, LONG, False),
        (a_pulse(silent=10**6, stopped_at=at(0)), FIVE, LONG, False),
    ],
)
def test_silence_counts_only_while_somebody_listened(
    pulse: Pulse, missing_after: timedelta | None, watched: timedelta, found: bool
) -> None:
    heartbeat = replace(HEARTBEAT, missing_after=missing_after)
    assert (stopped(pulse, heartbeat, watched, {}) is not None) is found


@pytest.mark.parametrize(
    ("pulse", "found"),
    [
        (a_pulse(stopped_at=at(-1)), True),
        (a_pulse(stopped_at=at(0)), False),
        (a_pulse(), False),
        (a_pulse(stopped_at=at(-1), ended=True), False),
    ],
)
def test_it_beats_again_when_it_was_heard_after_it_stopped(pulse: Pulse, found: bool) -> None:
    assert (beats_again(pulse) is not None) is found


def test_every_replica_finds_the_same_and_each_stop_is_another() -> None:
    silent = a_pulse(silent=300)
    one, other = (stopped(silent, HEARTBEAT, LONG, {}) for _ in range(2))
    later = stopped(replace(silent, heard_at=at(60)), HEARTBEAT, LONG, {})
    again = beats_again(a_pulse(stopped_at=at(-1)))
    assert one is not None
    assert other is not None
    assert later is not None
    assert again is not None
    assert one.request_id == other.request_id
    assert len({one.request_id, later.request_id, again.request_id}) == 3


def test_what_is_recorded_of_it_fires_and_is_over() -> None:
    begin = stopped(a_pulse(silent=300), HEARTBEAT, LONG, {"severity": "critical"})
    end = beats_again(a_pulse(stopped_at=at(-60)))
    assert begin is not None
    assert end is not None
    (fires,), (over,) = begin.reading.alerts, end.reading.alerts
    assert (fires.state, fires.starts_at, fires.ends_at) == (AlertState.FIRING, at(0), None)
    assert (over.state, over.starts_at, over.ends_at) == (AlertState.RESOLVED, at(-60), at(0))
    assert fires.alertname == "Heartbeat Watchdog of prod-eu-1 stopped"
    assert (fires.labels["severity"], fires.labels["heartbeat"]) == ("critical", "Watchdog")
    assert (fires.rule_uid, fires.fingerprint) == (over.rule_uid, over.fingerprint), "one incident"


def test_resolved_says_that_it_does_not_beat() -> None:
    assert beats(an_alert())
    assert not beats(an_alert(ends=10))


def test_heartbeats_of_the_policy_file_are_read() -> None:
    assert read_heartbeats(Sections({})) == WATCHDOG
    file = Sections({"heartbeats": [{"match": {"alertname": "Alive"}, "missing_after": "5m", "severity": "high"}]})
    (read,) = read_heartbeats(file)
    assert (read.missing_after, read.severity, file.problems) == (FIVE, Severity.HIGH, [])
    assert read.match.matches({"alertname": "Alive"})


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"missing_after": "9s"}, "heartbeats[0].missing_after must be 10 seconds or more"),
        ({"severity": "page"}, "heartbeats[0].severity must be one of"),
        ({"missing": "5m"}, "heartbeats[0].missing is not a known key"),
    ],
)
def test_what_is_wrong_with_one_is_named(entry: dict[str, str], problem: str) -> None:
    file = Sections({"heartbeats": [{"match": {"alertname": "Alive"}, **entry}]})
    read_heartbeats(file)
    (said,) = file.problems
    assert said.startswith(problem)
