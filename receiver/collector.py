"""Lets requests that wait share a transaction: what arrives while one is written makes up the next.

Each request is still answered only after the commit it is part of. A request that makes the shared transaction fail
does not fail the others: they are then recorded one by one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from db.database import Database
from db.errors import Conflict, DatabaseAway, OutcomeUnknown
from db.model.policy import Policy
from db.transactions import ingest
from db.transactions.ingest import Arrival

_log = logging.getLogger(__name__)

Answer = dict[str, object]

_NOT_ITS_FAULT = (DatabaseAway, OutcomeUnknown, Conflict)
"""Errors that each of them would have met alone."""

WRITERS = 2
"""One commits while the other reads and plans; more would wait for the same locks and for the interpreter."""

MOST_TOGETHER = 32
"""Requests in one transaction: enough to share its cost, few enough to let go of their locks soon."""


LONGEST_WAIT_SECONDS = 25.0
"""Grafana gives up after 30 seconds, and should rather be told to send again."""


class Collector:
    """Takes requests from any thread and records them in a few; `start` it before, `stop` it after use."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._waiting: queue.SimpleQueue[tuple[Arrival, Future[Answer]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def start(self) -> None:
        """Start the writers."""
        for index in range(WRITERS):
            thread = threading.Thread(target=self._run, name=f"writer-{index}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Record what is waiting, then stop; what comes later is recorded by its own thread."""
        self._stopped = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def waiting(self) -> int:
        """How many requests wait for a writer."""
        return self._waiting.qsize()

    def record(self, arrival: Arrival) -> Answer:
        """Record one request, perhaps together with others; its answer. Raises what `record_delivery` raises."""
        if self._stopped or not arrival.can_share():
            return self._alone(arrival)
        future: Future[Answer] = Future()
        self._waiting.put((arrival, future))
        try:
            return future.result(LONGEST_WAIT_SECONDS)
        except TimeoutError as error:  # it may still be recorded; the source sends again, which does no harm
            raise DatabaseAway("no writer came to it in time") from error

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < MOST_TOGETHER:
                try:
                    another = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    self._waiting.put(None)  # for the end of this loop
                    break
                batch.append(another)
            self._record(batch)

    def _record(self, batch: Sequence[tuple[Arrival, Future[Answer]]]) -> None:
        try:
            answers = self._together([arrival for arrival, _ in batch])
        except _NOT_ITS_FAULT as error:
            # When the database is away, those that came meanwhile need not wait for an attempt of their own.
            meanwhile = self._all_that_wait() if isinstance(error, DatabaseAway) else []
            for _, future in [*batch, *meanwhile]:
                future.set_exception(error)
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            _log.warning("recording one by one", extra={"error": type(error).__name__, "requests": len(batch)})
            for one in batch:
                self._record([one])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)

    def _together(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        if len(arrivals) == 1:
            return [self._alone(arrivals[0])]
        return ingest.record_together(self._database, arrivals, self._policy)

    def _all_that_wait(self) -> list[tuple[Arrival, Future[Answer]]]:
        waiting: list[tuple[Arrival, Future[Answer]]] = []
        while True:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return waiting
            if one is None:
                self._waiting.put(None)  # the sign to stop is for the writers
                return waiting
            waiting.append(one)

    def _alone(self, arrival: Arrival) -> Answer:
        delivery = arrival.delivery
        return ingest.record_delivery(self._database, delivery, arrival.reading, self._policy, delivery.received_at)
