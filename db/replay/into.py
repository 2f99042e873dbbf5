"""Tells a record anew into an empty database: deliveries and what people did, in their order and with their times."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from db.arrival import Arrival
from db.database import Database
from db.errors import Duplicate
from db.model import blind, still_firing
from db.model.alert import Rejected
from db.model.identity import IncidentId
from db.model.incident import EventKind
from db.model.lifecycle import Already, Changed
from db.model.past import Done, Mark, Schedule
from db.model.policy import Policy
from db.replay.reading import Again, ReadStored, read_again
from db.transactions import ingest, past, reconcile, replaying, respond, vigil
from db.transactions.replaying import Progress

_SHARED = 100
"""Deliveries that share a transaction at most."""

_SHARED_TIME = timedelta(seconds=60)
"""From the first to the last of them: those that shared one live came within moments, and what time does to incidents
(`[blind] settle`) is decided once for all of them."""

_SHARED_BYTES = 1024 * 1024
_SHARED_ALERTS = 1000


class Replay:
    """One replay of `old` into `new`; `run` may be called again after an interruption, also by another process."""

    def __init__(
        self,
        old: Database,
        new: Database,
        policy: Policy,
        read: ReadStored,
        report: Callable[[Progress, int], None],
    ) -> None:
        self._old = old
        self._new = new
        # Who was allowed to click was decided when they clicked.
        self._policy = replace(policy, may_act=frozenset(), may_read=frozenset())
        self._read = read
        self._report = report
        self._holder = secrets.token_hex(8)
        self._waiting: list[Arrival] = []
        self._size = 0
        self._alerts = 0
        self._last = 0  # the newest delivery that is told, or waits to be

    def run(self) -> Progress:
        """Tell everything; what came of it. Raises `NotEmpty`, `Busy` and the errors of `db.errors`."""
        total, first = past.counts(self._old)
        self._progress = replaying.begin(self._new, self._holder, first)
        people, found = past.doings(self._old)
        if self._progress.finished:
            return self._progress
        if not self._progress.delivery:
            for kind, number in found.others.items():
                self._progress.count(f"lines of Observer's own: {kind}", number)
        schedule = Schedule(people)
        self._report(self._progress, total)
        for page in past.marks(self._old):
            self._page(page, schedule)
            self._report(self._progress, total)
        for done in schedule.rest():
            self._do(done)
        reconcile.hear(self._new, reconcile.heard(self._old))  # also of senders whose bodies are removed
        self._settle()
        self._renumber()
        self._progress.finished = True
        replaying.keep(self._new, self._holder, self._progress, give_back=True)
        return self._progress

    def _page(self, page: list[Mark], schedule: Schedule) -> None:
        told = [mark for mark in page if mark.delivery_id <= self._progress.delivery]
        for mark in told:  # before an interruption
            schedule.before(mark)
            following = schedule.following(mark)
            self._last = mark.delivery_id
            if mark.delivery_id == self._progress.delivery:
                for done in following:
                    self._do(done)
        for stored in past.bodies(self._old, page[len(told) :]):
            again = read_again(stored, self._read)
            mark = again.mark
            for done in schedule.before(mark):
                self._do(done)
            self._tell(again)
            for done in schedule.following(mark):
                self._do(done)
        self._flush()

    def _tell(self, again: Again) -> None:
        """One delivery: it waits for others to share a transaction with, if it can."""
        if again.delivery is None:
            self._flush()
            self._last = again.mark.delivery_id
            self._progress.count(f"bodies {again.lost}", 1, str(again.mark.delivery_id))
            self._keep()
        elif again.reading is None:
            self._flush()
            self._last = again.mark.delivery_id
            problem = again.problem
            assert problem is not None  # noqa: S101 - one of the three is there
            ingest.record_unreadable(self._new, again.delivery, Rejected(problem.path, problem.reason))
            self._progress.count("unreadable")
            self._keep()
        else:
            arrival = Arrival(again.delivery, again.reading)
            if not arrival.can_share():
                self._flush()
                self._last = again.mark.delivery_id
                self._record(arrival)
                self._keep()
                return
            if self._waiting and not self._is_near(self._waiting[0], arrival):
                self._flush()
            self._last = again.mark.delivery_id
            self._waiting.append(arrival)
            self._size += len(again.delivery.body)
            self._alerts += len(again.reading.alerts)
            many = len(self._waiting) >= _SHARED or self._alerts >= _SHARED_ALERTS
            if many or self._size >= _SHARED_BYTES:
                self._flush()

    def _is_near(self, first: Arrival, arrival: Arrival) -> bool:
        apart = abs(arrival.delivery.received_at - first.delivery.received_at)
        return apart < min(_SHARED_TIME, self._policy.blind.settle or _SHARED_TIME)

    def _flush(self) -> None:
        """Record what waits."""
        if not self._waiting:
            return
        arrivals, self._waiting, self._size, self._alerts = self._waiting, [], 0, 0
        try:
            ingest.record_together(self._new, arrivals, self._policy)
            self._progress.count("deliveries", len(arrivals))
        except Duplicate:  # an interruption came between recording them and saying so
            for arrival in arrivals:
                self._record(arrival)
        self._keep()

    def _record(self, arrival: Arrival) -> None:
        now = arrival.delivery.received_at
        ingest.record_delivery(self._new, arrival.delivery, arrival.reading, self._policy, now)
        self._progress.count("deliveries")

    def _keep(self) -> None:
        self._progress.delivery = self._last
        self._progress.actions = []
        replaying.keep(self._new, self._holder, self._progress)

    def _do(self, done: Done) -> None:
        """What a person did, to what the incident is now."""
        self._flush()
        if done.event_id in self._progress.actions:
            return
        alert = past.latest_alert(self._old, done.incident_id, self._last)
        name = replaying.become(self._new, done.incident_id, alert)
        if name is None:
            self._progress.count("actions without an incident", 1, f"{done.kind} of {done.incident_id}")
        elif replaying.has_line(self._new, name, done.at, done.kind.value, done.actor):
            self._progress.count("actions", int(done.action is not None))
        elif done.action is None:  # not of a delivery, which would have left the line again
            self._pass_time(done, name)
        else:
            outcome = respond.change_status(
                self._new, name, done.action, done.actor, done.at, policy=self._policy, notes=done.notes
            )
            if isinstance(outcome, Changed) or (isinstance(outcome, Already) and outcome.event is not None):
                self._progress.count("actions")
            else:
                self._progress.count("actions that change nothing", 1, f"{done.kind} of {done.incident_id}")
        self._progress.actions.append(done.event_id)
        replaying.keep(self._new, self._holder, self._progress)

    def _pass_time(self, line: Done, name: IncidentId) -> None:
        """What time did where this line was left: what was held settled, this silent incident was marked, or unmarked
        because a list had it, or what still fires was opened again. Others were silent only as far as the deliveries
        tell it."""
        if line.kind is EventKind.HEARD_AGAIN:
            vigil.heard_of(self._new, [name], line.actor, line.at)
        elif line.actor == blind.OBSERVER:
            while vigil.settle(self._new, self._policy, line.at):
                pass
        elif line.actor == still_firing.OBSERVER:
            vigil.open_again(self._new, self._policy, line.at, only=name)
        else:
            vigil.mark_stale(self._new, self._policy, line.at, only=name)

    def _settle(self) -> None:
        """No card is posted twice: those of open incidents are the messages that hang in Slack already."""
        after = 0
        while page := replaying.messages(self._new, after):
            cards = past.cards(self._old, [one.incident_id for one in page if one.incident_id])
            self._progress.count("cards taken over", replaying.settle(self._new, page, cards))
            after = page[-1].message_id

    def _renumber(self) -> None:
        """People say "#42": incidents get the numbers they had, if they are the same incidents.

        The record counts on without gaps, and the old one has some. With other incidents the order of numbers, by
        which the newest of a key is known, could break; then they keep the ones they have.
        """
        total, highest = past.highest_number(self._old)
        count, _ = past.highest_number(self._new)
        matched, after = 0, 0
        while page := replaying.incidents_after(self._new, after):
            matched += len(past.numbers(self._old, list(page)))
            after = max(page.values())
        if not total == count == matched:
            self._progress.count("incidents with new numbers", count)
            return
        if not self._progress.aside:
            replaying.set_aside(self._new)
            self._progress.aside = True
            replaying.keep(self._new, self._holder, self._progress)
        after = 0
        while page := replaying.incidents_after(self._new, after):
            aside = {name: number for name, number in page.items() if replaying.is_set_aside(number)}
            replaying.renumber(self._new, aside, past.numbers(self._old, list(aside)))
            after = max(page.values())
        replaying.next_number(self._new, highest + 1)
        self._progress.count("incidents with their old numbers", count)
