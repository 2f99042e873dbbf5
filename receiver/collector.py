"""Lets requests that wait share a transaction: what arrives while one is written makes up the next.

Each request is still answered only after the commit it is part of. Those that only repeat what is remembered are
recorded from memory, the others by what the record says. A request that makes the shared transaction fail does not fail
the others: they are then recorded one by one. Requests wait on the event loop and need no thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import anyio.to_thread

from db.arrival import Arrival
from db.database import Database
from db.errors import Conflict, DatabaseAway, Duplicate, OutcomeUnknown, TooLarge
from db.memory import Memory
from db.model.policy import Policy
from db.transactions import ingest, repeats

_log = logging.getLogger(__name__)

Answer = dict[str, object]
Waiting = tuple[Arrival, "asyncio.Future[Answer]"]

_NOT_ITS_FAULT = (DatabaseAway, OutcomeUnknown, Conflict)
"""Errors that each of them would have met alone."""

WRITERS = 2
"""While one waits for the database the other decides; more would wait for the same locks and for the interpreter."""

HELD_UP_SECONDS = 0.1
"""A transaction that takes longer than this should not hold up those that do not need its locks."""

MOST_TOGETHER = 32
"""Requests in one transaction: enough to share its cost, few enough to let go of their locks soon."""

MOST_ALERTS = 500
"""Alerts in one transaction of several requests, for the same reason."""

_REQUEST_WEIGHT = 2
"""What a request costs beside its alerts, measured in alerts."""

LONE_REQUESTS = 8
"""Requests that are recorded in transactions of their own at once: blind alerts, tests, large bodies."""

LONGEST_WAIT_SECONDS = 25.0
"""Grafana gives up after 30 seconds, and should rather be told to send again."""


class Collector:
    """Takes requests on the event loop and records them in a few threads; `start` it before, `stop` it after use.

    A writer begins when no other is at work, or when as much waits as the other writes: so a few requests share one
    transaction, and many share two that take turns with the database and the interpreter.

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
        self._memory = Memory()
        self._threads: list[threading.Thread] = []
        self._lone = anyio.CapacityLimiter(LONE_REQUESTS)
        self._turn = threading.Condition()  # holds for all of these:
        self._waiting: deque[Waiting] = deque()
        self._waiting_weight = 0
        self._running_weight = 0
        self._running_since = 0.0  # of the monotonic clock, when the newest transaction began
        self._called = False  # a writer was told to begin and did not come yet
        self._stopped = False
        # Of the event loop alone: until when somebody waits, the first one first.
        self._deadlines: dict[asyncio.Future[Answer], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the writers."""
        for number in range(WRITERS):
            thread = threading.Thread(target=self._write, name=f"writer-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Record what is waiting, then stop; what comes later is recorded by a thread of its own."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def waiting(self) -> int:
        """How many requests wait for a writer."""
        return len(self._waiting)

    def prepared(self, arrival: Arrival) -> Arrival:
        """The request with all that can be done before it is recorded; for any thread."""
        return replace(arrival, prepared=arrival.ready(self._policy))

    async def record(self, arrival: Arrival) -> Answer:
        """Record one request, perhaps together with others; its answer. Raises what `record_delivery` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not arrival.can_share() or not self._put(arrival, future):
            return await anyio.to_thread.run_sync(self._alone, arrival, limiter=self._lone)
        self._deadlines[future] = loop.time() + LONGEST_WAIT_SECONDS
        if self._timer is None:  # one for all who wait: a timer of its own costs each request more than its place here
            self._timer = loop.call_later(HELD_UP_SECONDS, self._look, loop)
        try:
            return await future
        finally:
            del self._deadlines[future]
            if not self._deadlines and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _put(self, arrival: Arrival, future: asyncio.Future[Answer]) -> bool:
        """Let a request wait for a writer; whether there are still any."""
        with self._turn:
            if self._stopped:
                return False
            self._waiting.append((arrival, future))
            self._waiting_weight += _weight(arrival)
            self._call()
            return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up what waited too long, and call a writer if the other is held up; on the event loop."""
        now = loop.time()
        for future, deadline in self._deadlines.items():
            if deadline > now:
                break
            if not future.done():  # it may still be recorded; the source sends again, which does no harm
                future.set_exception(DatabaseAway("no writer came to it in time"))
        with self._turn:
            self._call()
        self._timer = loop.call_later(HELD_UP_SECONDS, self._look, loop)

    def _call(self) -> None:
        """Call a writer if there is something for it; its turn is held."""
        if not self._called and self._may_begin():
            self._called = True
            self._turn.notify()

    def _may_begin(self) -> bool:
        """Whether a writer that has nothing to do should begin now; its turn is held."""
        if not self._waiting:
            return False
        if not self._running_weight or self._waiting_weight >= self._running_weight:
            return True
        return self._stopped or time.monotonic() - self._running_since > HELD_UP_SECONDS

    def _write(self) -> None:
        while (batch := self._next()) is not None:
            weight = sum(_weight(arrival) for arrival, _ in batch)
            try:
                self._record(batch)
            finally:
                with self._turn:
                    self._running_weight -= weight
                    self._call()

    def _next(self) -> list[Waiting] | None:
        """What waits, once it is worth a transaction; None at the end."""
        with self._turn:
            while not self._may_begin():
                if self._stopped:
                    return None
                self._called = False  # a call that nobody heard, or for what is gone by now, is over
                self._turn.wait()
            self._called = False
            batch: list[Waiting] = []
            weight = alerts = 0
            while self._waiting and len(batch) < MOST_TOGETHER and alerts < MOST_ALERTS:
                arrival, future = self._waiting.popleft()
                batch.append((arrival, future))
                weight += _weight(arrival)
                alerts += len(arrival.reading.alerts)
            self._waiting_weight -= weight
            self._running_weight += weight
            self._running_since = time.monotonic()
            self._call()
            return batch

    def _record(self, batch: Sequence[Waiting]) -> None:
        """Record what was taken, and tell each what came of it."""
        self._batch(len(batch))
        left = list(batch)
        try:
            left = self._repeats([(self.prepared(arrival), future) for arrival, future in left])
            answers = self._together([arrival for arrival, _ in left])
        except _NOT_ITS_FAULT as error:
            # When the database is away, those that came meanwhile need not wait for an attempt of their own.
            meanwhile = self._all_that_wait() if isinstance(error, DatabaseAway) else []
            _tell([(future, error) for _, future in [*left, *meanwhile]])
        except Exception as error:
            if len(left) == 1 and not isinstance(error, Duplicate):  # once more would be no better
                _tell([(left[0][1], error)])
                return
            _log.warning("recording one by one", extra={"error": type(error).__name__, "requests": len(left)})
            for arrival, future in left:
                _tell([(future, self._by_itself(arrival))])
        else:
            _tell([(future, answer) for (_, future), answer in zip(left, answers, strict=True)])

    def _repeats(self, batch: Sequence[Waiting]) -> list[Waiting]:
        """Record what only repeats what is remembered; what is left to be recorded."""
        arrivals = [arrival for arrival, _ in batch]
        try:
            answers = repeats.record(self._database, arrivals, self._policy, self._memory)
        except (Duplicate, TooLarge):  # of one of them
            return list(batch)
        recorded = [(one, answer) for one, answer in zip(batch, answers, strict=True) if answer is not None]
        if recorded:
            self._told([arrival for (arrival, _), _ in recorded], [answer for _, answer in recorded])
            _tell([(future, answer) for (_, future), answer in recorded])
        return [one for one, answer in zip(batch, answers, strict=True) if answer is None]

    def _together(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        if not arrivals:
            return []
        answers = ingest.record_together(
            self._database, arrivals, self._policy, memory=self._memory, fell_behind=self._recorded
        )
        self._told(arrivals, answers)
        return answers

    def _by_itself(self, arrival: Arrival) -> Answer | Exception:
        """Record a request that could not be recorded with others, or was already; its answer, or what is wrong."""
        try:
            return self._alone(arrival)
        except Exception as error:
            return error

    def _all_that_wait(self) -> list[Waiting]:
        with self._turn:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._waiting_weight = 0
        return waiting

    def _alone(self, arrival: Arrival) -> Answer:
        delivery = arrival.delivery
        answer = ingest.record_delivery(
            self._database,
            delivery,
            arrival.reading,
            self._policy,
            delivery.received_at,
            prepared=arrival.prepared,
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


def _weight(arrival: Arrival) -> int:
    """How much work a request is: as much as so many alerts."""
    return _REQUEST_WEIGHT + len(arrival.reading.alerts)


def _figures(answers: Sequence[Answer]) -> dict[str, int]:
    """What the log says of deliveries: how many incidents and alerts."""
    figures: dict[str, int] = {}
    for answer in answers:
        incidents: Any = answer.get("incidents", {})
        alerts: Any = answer.get("alerts", {})
        for name, ids in incidents.items():
            figures[name] = figures.get(name, 0) + len(ids)
        for name, number in alerts.items():
            figures[name] = figures.get(name, 0) + number
    return figures


def _tell(outcomes: Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    """Wake the event loop once for all that were recorded together."""
    if not outcomes:
        return
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
