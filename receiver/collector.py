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
from db.errors import Conflict, DatabaseAway, Interrupted, OutcomeUnknown
from db.model.policy import Policy
from db.transactions import ingest
from db.transactions.ingest import Arrival

_log = logging.getLogger(__name__)

Answer = dict[str, object]

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
        if len(batch) > 1:
            try:
                answers = ingest.record_together(self._database, [arrival for arrival, _ in batch], self._policy)
            except (DatabaseAway, OutcomeUnknown, Conflict, Interrupted) as error:
                for _, future in batch:  # it is not one of them: the database cannot record any
                    future.set_exception(error)
                return
            except Exception as error:  # one of them cannot be recorded, and is told so below
                _log.warning("recording one by one", extra={"error": type(error).__name__, "requests": len(batch)})
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    future.set_result(answer)
                return
        for arrival, future in batch:
            try:
                future.set_result(self._alone(arrival))
            except Exception as error:
                future.set_exception(error)

    def _alone(self, arrival: Arrival) -> Answer:
        delivery = arrival.delivery
        return ingest.record_delivery(self._database, delivery, arrival.reading, self._policy, delivery.received_at)
