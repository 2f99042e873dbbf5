"""Compares a source's own list of alerts with the record at intervals, and records what webhooks did not bring.

Of several replicas one looks at a time: the turn is a lease in the record. The source is asked outside of any
transaction; what it lists and the record does not know is recorded as findings, deliveries that Observer makes itself.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from db.arrival import Arrival
from db.database import Database
from db.errors import Duplicate, RecordError
from db.model.alert import Alert, AlertKind, Reading, address_of, asked_at, origin_of, place_of
from db.model.finding import masked_finding, write_finding
from db.model.identity import IncidentId
from db.model.incident import Instance
from db.model.pacing import back_off
from db.model.policy import Policy
from db.model.reconcile import (
    FOUND_BY,
    Differences,
    Listing,
    Memory,
    Question,
    compare,
    end_of,
    finding,
    may_be_missed,
    merged,
    names,
)
from db.model.stale import OBSERVER
from db.transactions import ingest, reconcile, vigil
from db.transactions.reconcile import Beliefs, Sender, Turn
from receiver.pull.client import Answer, Client, SourceSettings

_log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""Between two glances at whether there is something to do; costs nothing."""

ASK_SECONDS = 5.0
"""Between two questions to the record whether it is our turn, while another replica takes the looks."""

MOST_WAIT_SECONDS = 300.0
"""The longest pause after failures in a row."""

LOOK_SECONDS = 100.0
"""How long after it began a look records; what is left then is found again by the next one. Four silent servers take 60
of them, and all of it is less than the lease."""

_TOGETHER = 32
_MOST_SENDERS = 1_000


class Kind(StrEnum):
    """What reconciliation finds."""

    MISSED_FIRING = "missed_firing"
    MISSED_RESOLVE = "missed_resolve"


@dataclass(frozen=True, slots=True)
class Notices:
    """Whom a look tells what came of it; called from the thread of the look."""

    recorded: Callable[[], None]  # there may be something to tell Slack
    found: Callable[[str, str, int], None]  # source, kind and number of repairs
    failed: Callable[[str, str], None]  # source and trouble of one server


@dataclass(frozen=True, slots=True)
class _Repair:
    kind: Kind
    arrival: Arrival


class Reconciler:
    """Looks at one source; `turn` is called again and again by one thread, `heard` by any."""

    def __init__(
        self,
        settings: SourceSettings,
        *,
        database: Database,
        policy: Policy,
        notices: Notices,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = settings.source
        self._settings = settings
        self._servers = " ".join(sorted(settings.addresses))
        self._client = Client(settings, policy.masks)
        self._database = database
        self._policy = policy
        self._notices = notices
        self._monotonic = monotonic
        self._worker = secrets.token_hex(8)
        self._next = 0.0
        self._lock = threading.Lock()
        self._known: set[tuple[str, str, str]] = set()
        self._new: set[Sender] = set()
        self._cut_off: set[str] = set()
        self._look_now = False
        self._said = ""

    def heard(self, reading: Reading) -> None:
        """A webhook was recorded: remember who sends, and look at once if it was cut off."""
        if reading.source != self.source:
            return
        name = (reading.external_url, reading.org, reading.receiver)
        if name not in self._known and not all(alert.kind is AlertKind.TEST for alert in reading.alerts):
            with self._lock:
                if len(self._known) < _MOST_SENDERS:
                    self._known.add(name)
                    if reading.origin and reading.receiver:
                        self._new.add((reading.source, reading.origin, reading.receiver))
        if reading.truncated:
            with self._lock:
                self._cut_off.add(reading.receiver)
                self._look_now = True

    def turn(self) -> float:
        """Look if it is time and our turn; seconds until the next glance."""
        self._keep_senders()
        with self._lock:
            urgent, self._look_now = self._look_now, False
            cut_off, self._cut_off = frozenset(self._cut_off), set()
        now = self._monotonic()
        if not urgent and now < self._next:
            return IDLE_SECONDS
        every = self._policy.pulling.every.total_seconds()
        self._next = now + min(every, ASK_SECONDS)
        try:
            turn = reconcile.claim(self._database, self.source, self._worker, urgent=urgent)
            if turn is not None:
                self._look_or_let_go(turn, cut_off, now)
                return 0.0
        except Exception:
            self._again(urgent, cut_off)
            raise
        self._again(urgent, cut_off)  # another replica looks, perhaps at a list from before the alerts were cut off
        return IDLE_SECONDS

    def _again(self, urgent: bool, cut_off: frozenset[str]) -> None:
        with self._lock:
            self._look_now = self._look_now or urgent
            self._cut_off |= cut_off

    def _keep_senders(self) -> None:
        with self._lock:
            senders = sorted(self._new)
        if senders:
            reconcile.hear(self._database, senders)
            with self._lock:
                self._new.difference_update(senders)

    # -- one look ------------------------------------------------------------------------------------------------------

    def _look_or_let_go(self, turn: Turn, cut_off: frozenset[str], began: float) -> None:
        """Look; a look that breaks off gives the turn back, and its memory stays as it was."""
        try:
            self._look(turn, cut_off, began)
        except Exception as error:
            every = self._policy.pulling.every.total_seconds()
            with suppress(RecordError):  # then the lease runs out
                reconcile.failed(
                    self._database, self.source, self._worker,
                    problem=type(error).__name__, memory=turn.memory,
                    pause=back_off(turn.failures + 1, first=every, most=max(every, MOST_WAIT_SECONDS)),
                )  # fmt: skip
            raise

    def _look(self, turn: Turn, cut_off: frozenset[str], began: float) -> None:
        memory = Memory.from_json(turn.memory, self._servers)
        pulling = self._policy.pulling
        every = pulling.every.total_seconds()
        answers: list[Answer] = []
        problems: list[str] = []
        for one in self._client.read(pulling.grace):
            if isinstance(one, Answer):
                answers.append(one)
                if one.doubt:
                    problems.append(f"{one.address}: {one.doubt}")
            else:
                address, failed = one
                problems.append(f"{address}: {failed}")
                self._notices.failed(self.source, failed.trouble.value)
        if answers:
            listing = self._listing(answers, problems)
            asked = self._asked(turn, cut_off, answers)
            wanted = [
                name
                for one in listing.alerts
                if may_be_missed(one, asked, self._policy, turn.now)
                for name in names(one.alert, asked)
            ]
            beliefs = reconcile.beliefs(self._database, self.source, wanted)
            differences = compare(listing, beliefs.firing, beliefs.known, memory, asked, self._policy, turn.now)
            memory = differences.memory
            left = self._record(self._repairs(differences, beliefs, answers, asked, turn), began)
            self._hear_of(differences.alive, turn.now, began)
            if not asked.receivers:
                problems.append("no receiver leads here yet: send one webhook, or name it in [reconcile] receivers")
            pause = 0.0 if left else every
        else:
            memory = replace(memory, missing={})
            pause = back_off(turn.failures + 1, first=every, most=max(every, MOST_WAIT_SECONDS))
        text, problem = memory.as_json(self._servers), "; ".join(problems)
        self._say(problem)
        if problem:
            reconcile.failed(self._database, self.source, self._worker, problem=problem, memory=text, pause=pause)
        else:
            reconcile.succeeded(self._database, self.source, self._worker, memory=text, pause=pause)

    def _say(self, problem: str) -> None:
        """Name a problem once, and that it is over."""
        if problem and problem != self._said:
            _log.warning("source not fully reconciled", extra={"source": self.source, "problem": problem})
        elif self._said and not problem:
            _log.info("source reconciled again", extra={"source": self.source})
        self._said = problem

    def _listing(self, answers: Sequence[Answer], problems: Sequence[str]) -> Listing:
        origins = {
            origin_of(self.source, address, answer.organisation)
            for answer in answers
            for address in (answer.address, *answer.page.roots, *self._policy.pulling.origins)
        }
        return Listing(
            alerts=merged(answer.page.alerts for answer in answers),
            complete=not problems and all(answer.settled for answer in answers),
            origins=frozenset(origins),
            says_start=self._settings.lists.says_start,
        )

    def _asked(self, turn: Turn, cut_off: frozenset[str], answers: Sequence[Answer]) -> Question:
        pulling = self._policy.pulling
        origins = {origin for origin, _ in turn.senders}
        sole = next(iter(origins)) if len(origins) == 1 else ""
        # Another organisation of the same Grafana has alerts of its own.
        mine = {origin_of(self.source, "-", answer.organisation).rpartition("|")[2] for answer in answers}
        return Question(
            receivers=pulling.receivers | {receiver for _, receiver in turn.senders},
            urgent=cut_off,
            sole_sender=sole if sole.rpartition("|")[2] in mine else "",
            senders=frozenset(origins),
        )

    def _repairs(
        self, found: Differences, beliefs: Beliefs, answers: Sequence[Answer], asked: Question, turn: Turn
    ) -> list[_Repair]:
        answer = answers[0]
        # By the name that its webhooks give the server, if that is known: they mean the same instance.
        named = sorted(found.memory.origins & asked.senders)
        address = next(iter(sorted(answer.page.roots)), answer.address)
        ours = origin_of(self.source, asked_at(address), answer.organisation)
        ours = next((origin for origin in named if origin == place_of(ours)), next(iter(named), ours))
        masked_list = any(one.masked for one in answers)
        repairs = []

        def add(kind: Kind, alert: Alert, receiver: str, known: Sequence[Instance], origin: str) -> None:
            reading = Reading(
                source=self.source, alerts=(alert,), receiver=receiver, external_url=address_of(origin),
                org=origin.rpartition("|")[2], found_by=FOUND_BY,
            )  # fmt: skip
            # What the record has may be older than a rule.
            reading, masked = masked_finding(reading, self._policy.masks)
            masked = masked or (masked_list and kind is Kind.MISSED_FIRING)
            delivery = replace(finding(alert, known, write_finding(reading), turn.now), masked=masked)
            repairs.append(_Repair(kind, Arrival(delivery, reading)))

        for one in found.missed:
            known = [known for name in names(one.alert, asked) for known in beliefs.known.get(name, ())]
            add(Kind.MISSED_FIRING, one.alert, min(one.receivers & asked.receivers), known, ours)
        ended = [(over.believed.instance.incident_id, over.believed.instance.fingerprint) for over in found.over]
        whole = reconcile.labelled(self._database, ended) if ended else {}
        for over, pair in zip(found.over, ended, strict=True):
            instance = whole.get(pair)
            alert = end_of(over, instance, self._policy, self.source) if instance is not None else None
            if instance is not None and alert is not None:
                add(Kind.MISSED_RESOLVE, alert, "", [instance], instance.origin)
        return repairs

    # -- recording -----------------------------------------------------------------------------------------------------

    def _record(self, repairs: Sequence[_Repair], began: float) -> int:
        """Record repairs, many in one transaction; how many are left because the time was over."""
        done = 0
        while done < len(repairs) and self._monotonic() < began + LOOK_SECONDS:
            some = [repairs[done]]
            for repair in repairs[done + 1 : done + _TOGETHER]:
                if not (repair.arrival.can_share() and some[0].arrival.can_share()):
                    break
                some.append(repair)
            self._record_some(some)
            done += len(some)
        return len(repairs) - done

    def _hear_of(self, alive: frozenset[IncidentId], now: datetime, began: float) -> None:
        """What the list still has is not stale, although nobody sends it again; a few at a time, because their keys are
        locked. Only those that would become stale: what is left, the next look finds."""
        quiet = sorted(alive & vigil.quiet(self._database, self._policy, self.source, now)) if alive else []
        for start in range(0, len(quiet), vigil.STEP):
            if self._monotonic() >= began + LOOK_SECONDS:
                return
            some = quiet[start : start + vigil.STEP]
            if vigil.heard_of(self._database, some, OBSERVER, now):
                self._notices.recorded()

    def _record_some(self, repairs: Sequence[_Repair]) -> None:
        try:
            if len(repairs) > 1:
                answers = ingest.record_together(self._database, [one.arrival for one in repairs], self._policy)
            else:
                arrival = repairs[0].arrival
                answers = [
                    ingest.record_delivery(
                        self._database, arrival.delivery, arrival.reading, self._policy, arrival.delivery.received_at
                    )
                ]
        except Duplicate:  # another replica recorded some of them
            for one in repairs:
                self._record_some([one])
            return
        self._notices.recorded()
        for repair, answer in zip(repairs, answers, strict=True):
            self._tell(repair, answer)

    def _tell(self, repair: _Repair, answer: dict[str, object]) -> None:
        """Count and name a repair, unless a webhook brought the same meanwhile."""
        incidents = answer["incidents"]
        figures = answer["alerts"]
        if not isinstance(figures, dict) or figures.get("repeats"):
            return
        self._notices.found(self.source, repair.kind.value, 1)
        alert = repair.arrival.reading.alerts[0]
        ids = incidents if isinstance(incidents, dict) else {}
        _log.warning(
            "found by reconciliation",
            extra={
                "source": self.source,
                "kind": repair.kind.value,
                "rule": alert.rule_uid,
                "fingerprint": alert.fingerprint,
                "delivery": answer.get("delivery"),
                **{name: ",".join(map(str, some)) for name, some in ids.items() if some},
            },
        )
