"""Requests that wait share a transaction, and none of them pays for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.database import Database
from db.errors import DatabaseAway
from db.server.private import reserved_port
from db.settings import DatabaseSettings
from db.transactions import ingest
from db.transactions.ingest import Arrival
from receiver.collector import Collector
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert
from tests.servers.database import DbUrl
from tests.servers.observer import rows
from tests.servers.slack import wait_until


@pytest.fixture
def collector(database: Database) -> Iterator[Collector]:
    """A collector at work."""
    running = Collector(database, POLICY)
    running.start()
    yield running
    running.stop()


def arrival(name: str) -> Arrival:
    """A request with one alert of an instance of this name."""
    return Arrival(a_delivery(), a_reading(an_alert(name, service=f"service-{name[-1]}")))


def test_each_of_many_requests_gets_its_own_answer(collector: Collector, db_url: DbUrl) -> None:
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(collector.record, [arrival(f"pod-{number}") for number in range(200)]))
    assert len({answer["delivery"] for answer in answers}) == 200
    assert rows(db_url, "SELECT COUNT(*) AS n, COUNT(DISTINCT fingerprint) AS f FROM grafana_alerts") == [
        {"n": 200, "f": 200}
    ]
    opened = [name for answer in answers for name in answer["incidents"]["opened"]]  # type: ignore[index]
    assert len(opened) == len(set(opened)) == 10
    assert rows(db_url, "SELECT SUM(instances_firing) AS n, SUM(alert_count) AS c FROM incidents") == [
        {"n": 200, "c": 200}
    ]


def test_one_that_cannot_be_recorded_with_the_others_does_not_fail_them(
    collector: Collector, database: Database, db_url: DbUrl
) -> None:
    known = arrival("pod-1")
    first = ingest.record_delivery(database, known.delivery, known.reading, POLICY, known.delivery.received_at)
    others = [arrival(f"pod-{number}") for number in range(2, 30)]
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(collector.record, [*others[:14], known, *others[14:]]))
    assert answers[14]["delivery"] == first["delivery"]  # it was recorded before: the same answer again
    assert rows(db_url, "SELECT COUNT(*) AS n FROM deliveries") == [{"n": 29}]
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 29}]


def test_a_database_that_is_away_is_told_to_every_one_of_them() -> None:
    with reserved_port() as port:
        pass
    settings = DatabaseSettings(host="127.0.0.1", port=port, password="x")
    away = Database(settings, pool_size=4, statement_seconds=1, lock_seconds=1, patience_seconds=0.3)
    collector = Collector(away, POLICY)
    collector.start()
    errors: list[Exception] = []

    def record(number: int) -> None:
        try:
            collector.record(arrival(f"pod-{number}"))
        except DatabaseAway as error:
            errors.append(error)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    collector.stop()
    away.close()
    assert len(errors) == 12


def test_what_waits_and_what_comes_later_is_recorded(database: Database, db_url: DbUrl) -> None:
    collector = Collector(database, POLICY)
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(collector.record, arrival(f"pod-{number}")) for number in range(8)]
        wait_until(lambda: collector.waiting() == 8, "all to wait")
        collector.start()
        collector.stop()
        assert all(future.result(20) for future in futures)
    collector.record(arrival("late"))
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 9}]
