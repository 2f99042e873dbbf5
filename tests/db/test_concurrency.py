"""Many at once: webhooks of the same keys, recoveries against new alerts, and people in between.

The promise: never two open incidents of one key, no lost alert, counts that equal recounts, and no error to anybody.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest

from db.database import Database, Transaction
from db.model.alert import AlertKind
from db.model.identity import person
from db.model.lifecycle import Action
from db.transactions import ingest, respond
from tests.db.builders import (
    POLICY,
    a_delivery,
    a_reading,
    an_alert,
    ask,
    at,
    check_record,
    count,
    deliver,
    settings_of,
)
from tests.servers.database import DbUrl

T = TypeVar("T")

THREADS = 64
KEYS = [f"service-{number}" for number in range(8)]


class CountingDatabase(Database):
    """A pool that counts how often work had to run again."""

    calls = 0
    runs = 0
    _counts = threading.Lock()

    def transact(self, work: Callable[[Transaction], T], **options: Any) -> T:
        with self._counts:
            self.calls += 1

        def counted(tx: Transaction) -> T:
            with self._counts:
                self.runs += 1
            return work(tx)

        return super().transact(counted, **options)

    @property
    def repeats(self) -> int:
        """How often work ran again."""
        return self.runs - self.calls


@pytest.fixture
def crowd(db_url: DbUrl) -> Iterator[CountingDatabase]:
    """A pool for all threads, with the limits of the program's webhooks."""
    pool = CountingDatabase(
        settings_of(db_url), pool_size=THREADS, statement_seconds=10.0, lock_seconds=5, patience_seconds=30.0
    )
    yield pool
    print(f"\n{pool.calls} transactions, {pool.repeats} of them again")
    pool.close()


def at_once(jobs: Sequence[Callable[[], object]]) -> None:
    """Run all jobs at the same moment; no error to anybody."""
    errors: list[BaseException] = []
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        try:
            ready.wait(30)
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "nobody waits for ever"
    assert errors == []


def check_timeline(database: Database) -> None:
    """Every transition begins where the one before it ended."""
    status: dict[str, str | None] = {}
    rows = ask(database, "SELECT incident_id, from_status, to_status FROM incident_timeline ORDER BY event_id")
    for row in rows:
        if row["to_status"] is not None:
            assert row["from_status"] == status.get(row["incident_id"]), row
            status[row["incident_id"]] = row["to_status"]
    now = {row["incident_id"]: row["status"] for row in ask(database, "SELECT incident_id, status FROM incidents")}
    assert status == now


def test_first_alerts_of_a_few_keys_at_once_open_one_incident_each(crowd: CountingDatabase) -> None:
    rounds = 5
    for turn in range(rounds):
        alerts = [an_alert(f"f{n}", service=KEYS[n % 8], cluster=f"c{turn}", starts=turn) for n in range(THREADS)]
        at_once([partial(deliver, crowd, alert, now=turn) for alert in alerts])
    assert count(crowd, "grafana_alerts") == rounds * THREADS
    rows = ask(crowd, "SELECT status, alert_count, instances_firing, version FROM incidents")
    assert len(rows) == rounds * len(KEYS)
    assert {tuple(row.values()) for row in rows} == {("active", 8, 8, 8)}
    check_record(crowd)
    check_timeline(crowd)


def test_webhooks_with_the_same_keys_in_opposite_orders_wait_for_nobody_in_vain(crowd: CountingDatabase) -> None:
    sent = itertools.count()
    rounds, size = 4, 12

    def send(turn: int, n: int) -> None:
        services = [f"s{number}" for number in range(20)]
        random.Random(1000 * turn + n // 2).shuffle(services)
        chosen = services[:size] if n % 2 else services[:size][::-1]
        deliver(crowd, *(an_alert(f"f{n}", service=name, starts=turn) for name in chosen), now=turn)
        for _ in chosen:
            next(sent)

    for turn in range(rounds):
        at_once([partial(send, turn, n) for n in range(THREADS)])
    assert next(sent) == rounds * THREADS * size == count(crowd, "grafana_alerts")
    check_record(crowd)
    check_timeline(crowd)


def test_recoveries_new_alerts_and_clicks_cross(crowd: CountingDatabase) -> None:
    """Every thread has an instance of its own that fires and resolves; people click on whatever is there."""
    clock = itertools.count(1)
    sent = itertools.count()
    rounds, steps = 3, 6

    def source(turn: int, n: int) -> None:
        dice = random.Random(100 * turn + n)
        service = KEYS[n % 8]
        for _ in range(steps):
            now = next(clock)
            kind = AlertKind.BLIND if n % 8 == 0 else AlertKind.NORMAL
            name = f"b{n}" if kind is AlertKind.BLIND else f"f{n}"
            deliver(crowd, an_alert(name, service=service, kind=kind, starts=now, rule=f"r{n % 8}"), now=now)
            next(sent)
            if dice.random() < 0.8:
                end = next(clock)
                over = an_alert(name, service=service, kind=kind, starts=now, ends=end, rule=f"r{n % 8}")
                deliver(crowd, over, now=end)
                next(sent)

    def people(turn: int, n: int) -> None:
        dice = random.Random(100 * turn + n)
        for _ in range(steps):
            action = dice.choice([Action.ACKNOWLEDGE, Action.RESOLVE, Action.RESOLVE, Action.REOPEN])
            number = dice.randint(1, max(1, count(crowd, "incidents")))
            respond.change_status(crowd, number, action, person(f"U{n}"), at(next(clock)), policy=POLICY)

    for turn in range(rounds):
        at_once([partial(people if n % 4 == 3 else source, turn, n) for n in range(THREADS)])
        check_record(crowd)
    assert next(sent) == count(crowd, "grafana_alerts")
    check_timeline(crowd)


def test_the_last_recovery_against_the_next_alert_never_loses_it(crowd: CountingDatabase) -> None:
    """One recovers while another begins: whichever comes first, the one that fires has an open incident."""
    for turn in range(15):
        began = 10 * turn
        first, over = an_alert("f1", starts=began), an_alert("f1", starts=began, ends=began + 5)
        second = an_alert("f2", starts=began + 5)
        deliver(crowd, first, now=began)
        at_once([partial(deliver, crowd, alert, now=began + 6) for alert in (over, second, first)])
        rows = ask(crowd, "SELECT instances_firing FROM incidents WHERE status <> 'resolved'")
        assert rows == [{"instances_firing": 1}]
        deliver(crowd, an_alert("f2", starts=began + 5, ends=began + 7), now=began + 8)
        assert ask(crowd, "SELECT 1 FROM incidents WHERE status <> 'resolved'") == []
    check_record(crowd)
    check_timeline(crowd)


def test_the_same_request_many_times_at_once_is_recorded_once(crowd: CountingDatabase) -> None:
    """A source that is impatient, or a replica that repeats an unclear commit while the first one still runs."""
    delivery, reading = a_delivery(), a_reading(an_alert("f1"), an_alert("f2", service="other"))
    answers: list[dict[str, object]] = []

    def send() -> None:
        answers.append(ingest.record_delivery(crowd, delivery, reading, POLICY, at(0)))

    at_once([send] * 32)
    assert all(answer == answers[0] for answer in answers)
    assert (count(crowd, "deliveries"), count(crowd, "grafana_alerts")) == (1, 2)
    check_record(crowd)
