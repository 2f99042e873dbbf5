"""What the world does meanwhile: sources that send until they are told 2xx, and people who click until it worked."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests import bodies
from tests.servers.observer import WEBHOOK_TOKEN
from tests.servers.slack import NothingToClick, SandboxSlack
from tests.story.cards import Card, element_ids, elements

Pick = Callable[[], str]
"""The address of any replica, as a load balancer gives it: perhaps of one that was killed just now."""

CHANNELS = tuple(f"team-{number}" for number in range(6))


@dataclass(slots=True)
class Ledger:
    """What the world knows: it is compared with the record in the end. Safe for any thread."""

    sent: int = 0  # alerts, each counted once however often its body was sent
    attempts: int = 0  # requests
    answered: dict[bytes, list[int]] = field(default_factory=dict)  # digest of a body -> deliveries it was told
    alerts_in: dict[bytes, int] = field(default_factory=dict)  # digest of a body -> its alerts
    unanswered: int = 0  # bodies that were given up at the end
    clicks_tried: int = 0
    acknowledged: list[tuple[str, str]] = field(default_factory=list)  # (incident, person), answered OK
    resolved: list[tuple[str, str]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)  # what ended a source or a person early
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def clicks_ok(self) -> int:
        """Clicks that were answered OK."""
        return len(self.acknowledged) + len(self.resolved)

    @property
    def alerts_answered(self) -> int:
        """Alerts of bodies that were answered 2xx."""
        return sum(self.alerts_in[digest] for digest in self.answered)

    def guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same work; what it raises is kept, so that a source that ended early is not taken for a quiet one."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.errors.append(error)

        return run


class Source:
    """Sends the alerts of a few rules. Several sources have instances of the same rules, at the same time.

    A `steady` source's alerts stay until people have resolved them: then it fires anew.
    """

    def __init__(
        self, number: int, rules: Sequence[str], ledger: Ledger, pick: Pick, over: threading.Event, *, steady: bool
    ) -> None:
        self._number = number
        self._rules = tuple(rules)
        self._ledger = ledger
        self._pick = pick
        self._over = over
        self._steady = steady
        self._random = random.Random(number)
        self._client = httpx.Client(timeout=15)
        self._firing: dict[str, float] = {}  # rule -> start of the occurrence
        self._thread = threading.Thread(target=ledger.guarded(self._run), name=f"source-{number}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the last body; whether it was answered in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.is_set():
            rules = self._random.sample(self._rules, self._random.randint(1, min(3, len(self._rules))))
            self._send([self._step(rule) for rule in rules])
            self._over.wait(self._random.uniform(0.02, 0.15))
        if not self._steady and self._firing:
            self._send([self._alert(rule, start, ended=True) for rule, start in self._firing.items()])
        self._client.close()

    def _step(self, rule: str) -> dict[str, Any]:
        """What happens to one rule: it begins, is repeated, or ends."""
        start = self._firing.get(rule)
        if self._steady:
            # A new occurrence now and then: it joins the incident, or opens one if people resolved the last.
            if start is None or _seconds() - start > 5:
                start = self._firing[rule] = _seconds()
            return self._alert(rule, start)
        if start is None:
            self._firing[rule] = _seconds()
            return self._alert(rule, self._firing[rule])
        if _seconds() - start > 6 and self._random.random() < 0.3:
            del self._firing[rule]
            return self._alert(rule, start, ended=True)
        return self._alert(rule, start)

    def _alert(self, rule: str, start: float, *, ended: bool = False) -> dict[str, Any]:
        channel = CHANNELS[int(hashlib.sha256(rule.encode()).hexdigest(), 16) % len(CHANNELS)]
        return bodies.alert(
            rule,
            rule=rule,
            starts=start,
            ends=max(start + 0.001, _seconds()) if ended else None,
            instance=f"pod-{self._number}",
            labels={"service": rule, "channel": channel, "severity": "warning"},
        )

    def _send(self, alerts: list[dict[str, Any]]) -> None:
        """Send the same body until it is answered 2xx; a minute after the end nobody waits any more."""
        with self._ledger.lock:
            self._ledger.sent += len(alerts)
            body = bodies.grafana(*alerts, groupKey=f"source {self._number}, message {self._ledger.sent}")
        digest = hashlib.sha256(body).digest()
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": "application/json"}
        last = None
        while last is None or time.monotonic() < last:
            if last is None and self._over.is_set():
                last = time.monotonic() + 60
            with self._ledger.lock:
                self._ledger.attempts += 1
            try:
                answer = self._client.post(f"{self._pick()}/webhook/grafana", content=body, headers=headers)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                with self._ledger.lock:
                    self._ledger.alerts_in[digest] = len(alerts)
                    self._ledger.answered.setdefault(digest, []).append(int(answer.json()["delivery"]))
                return
            assert answer is None or answer.status_code >= 500, answer.text
            time.sleep(self._random.uniform(0.1, 0.5))
        with self._ledger.lock:
            self._ledger.unanswered += 1


class Person:
    """Acknowledges steady incidents, and resolves them a while later; clicks again whenever it did not work."""

    def __init__(self, user: str, ledger: Ledger, slack: SandboxSlack, aim: Callable[[], None], over: threading.Event):
        self._user = user
        self._ledger = ledger
        self._slack = slack
        self._aim = aim  # lets the next click go to any replica
        self._over = over
        self._mine: dict[str, float] = {}  # incident -> since when acknowledged
        self._done: set[str] = set()
        self._thread = threading.Thread(target=ledger.guarded(self._run), name=f"person-{user}", daemon=True)

    def start(self) -> None:
        """Begin to click."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the last click."""
        self._thread.join(30)

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for channel in CHANNELS:
                for message in self._slack.messages(channel):
                    if "steady" in message["text"] and not self._over.is_set():
                        self._look_at(message, channel)

    def _look_at(self, message: Card, channel: str) -> None:
        incident = _incident_of(message)
        if incident is None or incident in self._done or not self._is_mine(incident):
            return
        try:
            if incident not in self._mine and "incident_acknowledge" in element_ids(message):
                self._acknowledge(message, channel, incident)
            elif incident in self._mine and time.monotonic() - self._mine[incident] > 4:
                self._resolve(message, channel, incident)
        except NothingToClick:
            pass  # edited meanwhile

    def _acknowledge(self, message: Card, channel: str, incident: str) -> None:
        self._count()
        answer = self._slack.click(message, "incident_acknowledge", user=self._user, channel=channel)
        if answer["status"] == 200:
            self._mine[incident] = time.monotonic()
            with self._ledger.lock:
                self._ledger.acknowledged.append((incident, self._user))

    def _resolve(self, message: Card, channel: str, incident: str) -> None:
        self._count()
        answer = self._slack.click(message, "incident_resolve", user=self._user, channel=channel)
        # one that could not be saved stays open, and that of this click may not be there yet
        views = [one for one in self._slack.views(self._user) if incident in str(one.get("private_metadata"))]
        if answer["status"] != 200 or not views:
            return
        notes = {"root_cause": {"text": "under fire"}, "action_taken": {"text": "held"}}
        self._count()
        try:
            answer = self._slack.submit(views[-1], notes, user=self._user)
        except AssertionError:
            return  # the dialog was closed meanwhile, by an answer that came late
        if answer["status"] == 200 and not {'"errors"', '"problem"'} & set(re.findall(r'"\w+"', str(answer["body"]))):
            self._done.add(incident)
            with self._ledger.lock:
                self._ledger.resolved.append((incident, self._user))

    def _is_mine(self, incident: str) -> bool:
        """Each incident has one of three people, so that every click that worked is theirs in the timeline."""
        return int(incident.split("-")[2], 16) % 3 == int(self._user[-1]) % 3

    def _count(self) -> None:
        self._aim()
        with self._ledger.lock:
            self._ledger.clicks_tried += 1


def _incident_of(message: Card) -> str | None:
    for element in elements(message):
        value = str(element.get("value") or "")
        if value.startswith("v1:"):
            return value.split(":")[2]
    return None


def _seconds() -> float:
    """Now, in seconds since stories begin."""
    return (datetime.now(UTC) - bodies.BASE).total_seconds()
