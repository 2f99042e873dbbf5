"""Requests that wait share a transaction, and none of them pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from db.arrival import Arrival
from db.database import Database
from db.errors import DatabaseAway
from db.server.private import reserved_port
from db.settings import DatabaseSettings
from db.transactions import ingest
from receiver.collector import HELD_UP_SECONDS, LONGEST_WAIT_SECONDS, Collector
from tests.conftest import open_database
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, check_record
from tests.servers.database import DbUrl
from tests.servers.observer import rows
from tests.servers.proxy import Proxy, Wire


@pytest.fixture
def collector(database: Database) -> Iterator[Collector]:
    """A collector at work."""
    running = Collector(database, POLICY, recorded=lambda: None)
    running.start()
    yield running
    running.stop()


def arrival(name: str) -> Arrival:
    """A request with one alert of an instance of this name."""
    return Arrival(a_delivery(), a_reading(an_alert(name, service=f"service-{name[-1]}")))


def record_all(collector: Collector, arrivals: Sequence[Arrival]) -> list[Any]:
    """Let all of them come at once; the answer or the error of each."""

    async def come() -> list[Any]:
        return await asyncio.gather(*map(collector.record, arrivals), return_exceptions=True)

    return asyncio.run(come())


def test_each_of_many_requests_gets_its_own_answer(collector: Collector, db_url: DbUrl) -> None:
    answers = record_all(collector, [arrival(f"pod-{number}") for number in range(200)])
    assert len({answer["delivery"] for answer in answers}) == 200
    assert rows(db_url, "SELECT COUNT(*) AS n, COUNT(DISTINCT fingerprint) AS f FROM grafana_alerts") == [
        {"n": 200, "f": 200}
    ]
    opened = [name for answer in answers for name in answer["incidents"]["opened"]]
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
    answers = record_all(collector, [*others[:14], known, *others[14:]])
    assert answers[14]["delivery"] == first["delivery"]  # it was recorded before: the same answer again
    assert rows(db_url, "SELECT COUNT(*) AS n FROM deliveries") == [{"n": 29}]
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 29}]


def test_a_database_that_is_away_is_told_to_every_one_of_them() -> None:
    with reserved_port() as port:
        pass
    settings = DatabaseSettings(host="127.0.0.1", port=port, password="x")
    away = Database(settings, pool_size=4, statement_seconds=1, lock_seconds=1, patience_seconds=0.3)
    collector = Collector(away, POLICY, recorded=lambda: None)
    collector.start()
    answers = record_all(collector, [arrival(f"pod-{number}") for number in range(12)])
    collector.stop()
    away.close()
    assert [type(answer) for answer in answers] == [DatabaseAway] * 12


def test_who_comes_after_a_failure_finds_a_writer(db_url: DbUrl) -> None:
    """Also when others came while both writers were busy with a database that was away."""
    with Proxy(db_url.host, db_url.port) as proxy:
        line = open_database(replace(db_url, host=proxy.host, port=proxy.port), patience_seconds=1.0)
        collector = Collector(line, POLICY, recorded=lambda: None)
        collector.start()
        proxy.cut()

        async def come() -> None:
            waiting = []
            for number in range(4):  # the first for one writer, the second for the other, two that wait
                waiting.append(asyncio.ensure_future(collector.record(arrival(f"pod-{number}"))))
                await asyncio.sleep(2 * HELD_UP_SECONDS)
            failed = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(error) for error in failed] == [DatabaseAway] * 4
            proxy.mend()
            async with asyncio.timeout(LONGEST_WAIT_SECONDS / 2):
                assert await collector.record(arrival("late"))

        asyncio.run(come())
        collector.stop()
        line.close()
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 1}]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("together", [1, 4])
def test_a_repeat_whose_commit_nobody_heard_of_is_recorded_once(
    db_url: DbUrl, database: Database, when: str, together: int
) -> None:
    """It is sent again, finds that its keys have other turns than it remembers, and then its answer in the record."""
    with Wire(db_url) as wire:
        line = open_database(replace(db_url, host="127.0.0.1", port=wire.port))
        collector = Collector(line, POLICY, recorded=lambda: None)
        collector.start()
        names = [f"pod-{number}" for number in range(together)]
        for _ in range(2):
            record_all(collector, [arrival(name) for name in names])
        packets: list[str] = []

        def break_it(number: int, text: str) -> str:
            packets.append(text)
            return when if "INTO incident_keys" in text and len(packets) == 1 else ""

        wire.watch(break_it)
        answers = record_all(collector, [arrival(name) for name in names])
        wire.watch(None)
        collector.stop()
        line.close()
    assert "INTO incident_keys" in packets[0]
    assert packets[0].endswith("COMMIT"), "all of it is in one packet"
    assert wire.cuts == 1
    assert [answer["meanings"] for answer in answers] == [{"repeat": 1}] * together
    recorded = rows(db_url, "SELECT delivery_id FROM grafana_alerts ORDER BY delivery_id DESC")
    assert len(recorded) == 3 * together
    assert {answer["delivery"] for answer in answers} == {row["delivery_id"] for row in recorded[:together]}
    check_record(database)


def test_what_waits_and_what_comes_later_is_recorded(database: Database, db_url: DbUrl) -> None:
    told: list[None] = []
    collector = Collector(database, POLICY, recorded=lambda: told.append(None))

    async def come() -> None:
        waiting = [asyncio.ensure_future(collector.record(arrival(f"pod-{number}"))) for number in range(8)]
        await asyncio.sleep(0)
        assert collector.waiting() == 8
        collector.start()
        await asyncio.to_thread(collector.stop)
        assert all(await asyncio.gather(*waiting))
        assert await collector.record(arrival("late"))

    asyncio.run(come())
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 9}]
    assert 2 <= len(told) <= 9


def test_one_whose_sender_went_away_is_recorded_with_the_others(database: Database, db_url: DbUrl) -> None:
    collector = Collector(database, POLICY, recorded=lambda: None)

    async def come() -> None:
        waiting = [asyncio.ensure_future(collector.record(arrival(f"pod-{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        collector.start()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(answer, dict) for answer in answers] == [True, False, True]

    asyncio.run(come())
    collector.stop()
    assert rows(db_url, "SELECT COUNT(*) AS n FROM grafana_alerts") == [{"n": 3}]


def test_a_mere_repeat_wakes_nobody(database: Database) -> None:
    told: list[None] = []
    collector = Collector(database, POLICY, recorded=lambda: told.append(None))
    collector.start()

    async def come(times: int) -> None:
        await asyncio.gather(*[collector.record(arrival("pod-1")) for _ in range(times)])

    try:
        asyncio.run(come(1))
        assert len(told) == 1
        asyncio.run(come(1))
        asyncio.run(come(5))
        assert len(told) == 1
    finally:
        collector.stop()
