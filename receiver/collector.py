"""Lets requests that wait share a transaction: what arrives while one is written makes up the next.

Each request is still answered only after the commit it is part of. A request that makes the shared transaction fail
does not fail the others: they are then recorded one by one. Requests wait on the event loop and need no thread.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread

from db.database import Database
from db.errors import Conflict, DatabaseAway, OutcomeUnknown
from db.model.policy import Policy
from db.transactions import ingest
from db.transactions.ingest import Arrival

_log = logging.getLogger(__name__)

Answer = dict[str, object]
Waiting = tuple[Arrival, "asyncio.Future[Answer]"]

_NOT_ITS_FAULT = (DatabaseAway, OutcomeUnknown, Conflict)
"""Errors that each of them would have met alone."""

WRITERS = 2
"""One writes all that waits; the other helps when that is much, or when the first is held up by a lock. Two that took
turns would share less of each transaction; more would wait for the same locks and for the interpreter."""

MANY_REQUESTS = 24
MANY_ALERTS = 200
"""So much waiting is worth a transaction of its own."""

HELD_UP_SECONDS = 0.1
"""A transaction that takes longer than this should not hold up those that do not need its locks."""

MOST_TOGETHER = 32
"""Requests in one transaction: enough to share its cost, few enough to let go of their locks soon."""

MOST_ALERTS = 500
"""Alerts in one transaction of several requests, for the same reason."""

LONE_REQUESTS = 8
"""Requests that are recorded in transactions of their own at once: blind alerts, tests, large bodies."""

LONGEST_WAIT_SECONDS = 25.0
"""Grafana gives up after 30 seconds, and should rather be told to send again."""


class Collector:
    """Takes requests on the event loop and records them in a few threads; `start` it before, `stop` it after use.

    `recorded` is called after a commit, in the thread that made it, when there is something to tell; mere repeats
    leave the workers alone.
    """

    def __init__(
        self,
        database: Database,
        policy: Policy,
        recorded: Callable[[], None],
        batch: Callable[[int], None] = lambda requests: None,
    ) -> None:
        self._database = database
        self._batch = batch  # told how many requests share a transaction
        self._policy = policy
        self._recorded = recorded
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()  # for help; False ends the helper
        self._called = False
        self._busy_since: float | None = None  # since when the first writer works on its transaction
        self._alerts_waiting = 0  # since the helper was called last
        self._threads: list[threading.Thread] = []
        self._lone = anyio.CapacityLimiter(LONE_REQUESTS)
        self._stopped = False

    def start(self) -> None:
        """Start the writers."""
        for name, run in (("writer", self._write), ("helper", self._help)):
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Record what is waiting, then stop; what comes later is recorded by a thread of its own."""
        self._stopped = True
        self._calls.put(False)
        self._waiting.put(None)
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def waiting(self) -> int:
        """How many requests wait for a writer."""
        return self._waiting.qsize()

    async def record(self, arrival: Arrival) -> Answer:
        """Record one request, perhaps together with others; its answer. Raises what `record_delivery` raises."""
        if self._stopped or not arrival.can_share():
            return await anyio.to_thread.run_sync(self._alone, arrival, limiter=self._lone)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put((arrival, future))
        self._call(len(arrival.reading.alerts))
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                return await future
        except TimeoutError as error:  # it may still be recorded; the source sends again, which does no harm
            raise DatabaseAway("no writer came to it in time") from error

    def _call(self, alerts: int) -> None:
        """Call the helper when much waits, or when the writer has been busy for long; on the event loop."""
        self._alerts_waiting += alerts
        if self._called or self._busy_since is None:
            return
        if self._waiting.qsize() >= MANY_REQUESTS or self._alerts_waiting >= MANY_ALERTS or self._is_held_up():
            self._called = True
            self._calls.put(True)

    def _is_held_up(self) -> bool:
        busy = self._busy_since
        return busy is not None and time.monotonic() - busy > HELD_UP_SECONDS

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._busy_since = time.monotonic()
            self._record(self._gather(first))
            self._busy_since = None

    def _help(self) -> None:
        while self._calls.get():
            with suppress(queue.Empty):
                first = self._waiting.get_nowait()
                if first is None:
                    self._waiting.put(None)  # the sign to stop is for the writer
                else:
                    self._record(self._gather(first))
            self._called = self._waiting.qsize() > 0 and self._is_held_up()
            if self._called:  # nobody else may come who would call again
                self._calls.put(True)

    def _gather(self, first: Waiting) -> list[Waiting]:
        """What waits behind the first one, as far as it is to share a transaction with it."""
        batch = [first]
        alerts = len(first[0].reading.alerts)
        while len(batch) < MOST_TOGETHER and alerts < MOST_ALERTS:
            try:
                another = self._waiting.get_nowait()
            except queue.Empty:
                break
            if another is None:
                self._waiting.put(None)  # for the end of this loop
                break
            batch.append(another)
            alerts += len(another[0].reading.alerts)
        self._alerts_waiting = 0
        return batch

    def _record(self, batch: Sequence[Waiting]) -> None:
        self._batch(len(batch))
        try:
            answers = self._together([arrival for arrival, _ in batch])
        except _NOT_ITS_FAULT as error:
            # When the database is away, those that came meanwhile need not wait for an attempt of their own.
            meanwhile = self._all_that_wait() if isinstance(error, DatabaseAway) else []
            _tell([(future, error) for _, future in [*batch, *meanwhile]])
        except Exception as error:
            if len(batch) == 1:
                _tell([(batch[0][1], error)])
                return
            _log.warning("recording one by one", extra={"error": type(error).__name__, "requests": len(batch)})
            for one in batch:
                self._record([one])
        else:
            _tell([(future, answer) for (_, future), answer in zip(batch, answers, strict=True)])

    def _together(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        if len(arrivals) == 1:
            return [self._alone(arrivals[0])]
        answers = ingest.record_together(self._database, arrivals, self._policy, fell_behind=self._recorded)
        self._told(arrivals, answers)
        return answers

    def _all_that_wait(self) -> list[Waiting]:
        waiting: list[Waiting] = []
        while True:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return waiting
            if one is None:
                self._waiting.put(None)  # the sign to stop is for the writer
                return waiting
            waiting.append(one)

    def _alone(self, arrival: Arrival) -> Answer:
        delivery = arrival.delivery
        answer = ingest.record_delivery(
            self._database,
            delivery,
            arrival.reading,
            self._policy,
            delivery.received_at,
            fell_behind=self._recorded,
        )
        self._told([arrival], [answer])
        return answer

    def _told(self, arrivals: Sequence[Arrival], answers: Sequence[Answer]) -> None:
        """Log what was committed, in one line however many requests shared it."""
        sources = ",".join(sorted({arrival.reading.source for arrival in arrivals}))
        credentials = ",".join(sorted({arrival.delivery.credential for arrival in arrivals}))
        told = {"source": sources, "credential": credentials}
        numbers = [answer["delivery"] for answer in answers]
        if len(answers) == 1:
            _log.info("delivery recorded", extra={**told, "delivery": numbers[0], **_figures(answers)})
        else:
            extra = {**told, "deliveries": len(numbers), "first": numbers[0], "last": numbers[-1]}
            _log.info("deliveries recorded", extra={**extra, **_figures(answers)})


def _figures(answers: Sequence[Answer]) -> dict[str, int]:
    """What the log says of deliveries: how many incidents and alerts."""
    figures: Counter[str] = Counter()
    for answer in answers:
        incidents: Any = answer.get("incidents", {})
        alerts: Any = answer.get("alerts", {})
        figures.update({name: len(ids) for name, ids in incidents.items()})
        figures.update(alerts)
    return dict(figures)


def _tell(outcomes: Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    """Wake the event loop once for all that were recorded together."""
    with suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
        outcomes[0][0].get_loop().call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    for future, outcome in outcomes:
        if future.done():  # nobody waits for it any more
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
