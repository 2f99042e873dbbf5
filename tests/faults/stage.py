"""Where a case plays: the program, its database and its Slack as real servers, and everything counted that goes in."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pymysql

from bot.blocks.card import Moved, incident_card
from bot.slack import CALL_SECONDS
from bot.text.languages import words_for
from db.migrate import migrate
from db.model.identity import IncidentId
from db.model.policy import Policy
from db.server.private import PrivateServer
from db.transactions import storms
from tests import bodies
from tests.conftest import empty_tables, open_database
from tests.db.builders import check_record
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, ObserverProcess, found_by, rows, send
from tests.servers.slack import NothingToClick, SandboxSlack, wait_until

SENDERS_PATIENCE_SECONDS = 30
"""Grafana gives a webhook up after 30 seconds; an answer that comes later counts as none."""

BEHIND = "SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the matrix shows of a case."""

    sent: int  # alerts, each with a fingerprint of its own
    refused: int  # webhooks that got no 2xx, or no answer
    answered: int  # of them 2xx
    found: int  # of those in the record
    cards: int  # that the record wants shown
    right: int  # of them shown once, and exactly as the record is now
    doubled: int  # messages too many
    clicks: int  # answered 200
    kept: int  # of those in the record

    @property
    def promise_broken(self) -> str:
        """Which promise does not hold, in words; empty when all do."""
        return ", ".join(
            text
            for broken, text in (
                (self.found < self.answered, f"{self.answered - self.found} alerts lost"),
                (self.right < self.cards, f"{self.cards - self.right} cards wrong"),
                (self.doubled > 0, f"{self.doubled} posts doubled"),
                (self.kept < self.clicks, f"{self.clicks - self.kept} clicks lost"),
            )
            if broken
        )


@dataclass
class Stage:
    """One case's world; `mortal` is a database server of its own, for cases that kill or fill it."""

    url: DbUrl
    slack: SandboxSlack
    folder: Path
    new_server: Callable[[Path], PrivateServer]  # one more database server, with its data in this folder
    mortal: PrivateServer | None = None
    sent: int = 0
    accepted: set[str] = field(default_factory=set)  # fingerprints of alerts answered 2xx
    refused: Counter[int] = field(default_factory=Counter)  # other answers; 0: none
    clicked: set[int] = field(default_factory=set)  # incidents whose acknowledgement was answered 200
    click_answers: Counter[int] = field(default_factory=Counter)
    reason: str = ""  # of the last refusal
    later: ExitStack = field(default_factory=ExitStack)  # ended once everything is counted
    _unanswered: list[list[dict[str, Any]]] = field(default_factory=list)
    _skipped: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _base: str = ""

    # -- the program ----------------------------------------------------------------------------------------------

    @contextmanager
    def observer(self, *, url: DbUrl | None = None, more: Mapping[str, str] | None = None) -> Iterator[Observer]:
        """The program in a thread, with a clock that `travel` moves."""
        with Observer(url or self.url, self.slack, more, monotonic=lambda: time.monotonic() + self._skipped) as running:
            self._base = running.url
            yield running

    @contextmanager
    def process(
        self, *, url: DbUrl | None = None, more: Mapping[str, str] | None = None, wait: bool = True
    ) -> Iterator[ObserverProcess]:
        """The program as a process that can be killed."""
        program = ObserverProcess(url or self.url, self.slack, self.folder / "observer.log", more=more)
        self._base = program.url
        program.start(wait=wait)
        try:
            yield program
        finally:
            with suppress(AssertionError):
                program.kill()

    def ready(self) -> dict[str, Any]:
        """What `/ready` says, with its status as `code`."""
        answer = httpx.get(f"{self._base}/ready", timeout=30)
        return {"code": answer.status_code, **answer.json()}

    def alive(self) -> None:
        """`/health` answers at once, whatever else is broken."""
        assert httpx.get(f"{self._base}/health", timeout=5).status_code == 200

    # -- what goes in ---------------------------------------------------------------------------------------------

    def alert(self, rule: str = "one", *, number: int = 1, **more: Any) -> int:
        """Send a webhook with so many alerts as Grafana does; the status it was answered with, 0 for none."""
        with self._lock:
            first = self.sent
            self.sent += number
        return self._send([bodies.alert(rule=rule, instance=f"pod-{first + index}", **more) for index in range(number)])

    def again(self) -> int:
        """Send the last webhook once more, as a source does that repeats itself."""
        return self._send(self._last)

    def together(self, rules: Sequence[str]) -> int:
        """One webhook with an alert of each rule."""
        with self._lock:
            first = self.sent
            self.sent += len(rules)
        return self._send([bodies.alert(rule=rule, instance=f"pod-{first + n}") for n, rule in enumerate(rules)])

    def resend(self) -> list[int]:
        """Send again what was not answered 2xx, as a source does at its next interval; the statuses."""
        with self._lock:
            again, self._unanswered = self._unanswered, []
        return [self._send(alerts) for alerts in again]

    def _send(self, alerts: list[dict[str, Any]]) -> int:
        self._last = alerts
        try:
            answer = send(self._base, bodies.grafana(*alerts), timeout=SENDERS_PATIENCE_SECONDS)
        except httpx.HTTPError:
            with self._lock:
                self.refused[0] += 1
                self._unanswered.append(alerts)
            return 0
        with self._lock:
            if answer.is_success:
                self.accepted |= {alert["fingerprint"] for alert in alerts}
            else:
                self.refused[answer.status_code] += 1
                self.reason = answer.text
                self._unanswered.append(alerts)
        return answer.status_code

    def acknowledge(self, *, user: str = "U001", channel: str = "incidents") -> int:
        """Click Acknowledge on the first card that offers it; what Slack was answered."""
        for message in self.slack.messages(channel):
            with suppress(NothingToClick):
                answer = self.slack.click(message, "incident_acknowledge", user=user, channel=channel)
                status = 0 if answer["timed_out"] else int(answer["status"] or 0)
                self.click_answers[status] += 1
                if status == 200:
                    self.clicked.add(number_of(message))
                return status
        raise AssertionError("there is no card to click")

    @contextmanager
    def load(self, *, senders: int = 3, rules: int = 6, clicks: bool = True) -> Iterator[None]:
        """Webhooks from several threads, and clicks, until the block ends."""
        stop = threading.Event()

        def pour(sender: int) -> None:
            turn = 0
            while not stop.is_set():
                turn += 1
                if self.alert(f"rule-{(sender * 7 + turn) % rules}") == 0:
                    time.sleep(0.1)
                time.sleep(0.03)

        def click() -> None:
            while not stop.is_set():
                with suppress(AssertionError, httpx.HTTPError):
                    self.acknowledge()
                time.sleep(0.3)

        threads = [threading.Thread(target=pour, args=(sender,), daemon=True) for sender in range(senders)]
        threads += [threading.Thread(target=click, daemon=True)] if clicks else []
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)

    # -- time -----------------------------------------------------------------------------------------------------

    def travel(self, seconds: float, *, leases: bool = False) -> None:
        """Let time pass: for the pace of calls, for pauses and, if asked, for leases that somebody holds.

        The pace comes last: a worker that may call again must find everything due that is due by then.
        """
        rows(
            self.url,
            "UPDATE slack_messages SET due_at = due_at - INTERVAL %s SECOND, "
            "posting_since = LEAST(posting_since, UTC_TIMESTAMP(6) - INTERVAL 6 SECOND) "
            "WHERE behind = 1 AND due_at > '2001-01-01' AND (claimed_by IS NULL OR %s)",
            seconds,
            int(leases),
        )
        rows(self.url, "UPDATE slack_second_looks SET due_at = due_at - INTERVAL %s SECOND", seconds)
        for fact in rows(self.url, "SELECT name, value FROM slack_facts WHERE name LIKE 'broken:%%'"):
            said = json.loads(fact["value"])
            said["since"] = rows(
                self.url,
                "SELECT CONCAT(DATE_FORMAT(%s - INTERVAL %s SECOND, '%%Y-%%m-%%dT%%H:%%i:%%s'), '+00:00') AS since",
                said["since"][:19].replace("T", " "),
                seconds,
            )[0]["since"]
            rows(self.url, "UPDATE slack_facts SET value = %s WHERE name = %s", json.dumps(said), fact["name"])
        self._skipped += seconds

    def rest(self) -> None:
        """Wait until no worker has a message in hand: what came of the last call is in the record."""
        claimed = "SELECT COUNT(*) AS n FROM slack_messages WHERE claimed_by IS NOT NULL"
        self.wait(lambda: rows(self.url, claimed)[0]["n"] == 0, "the workers to rest")

    def shown(self) -> bool:
        """Whether Slack shows all that the record wants shown."""
        return bool(rows(self.url, BEHIND) == [{"n": 0}])

    def settle(self, seconds: float = 60) -> None:
        """Wait until Slack shows the record; pauses pass quickly."""
        began = time.monotonic()
        while not self.shown():
            now = time.monotonic()
            if now > began + seconds:
                waiting = rows(self.url, "SELECT * FROM slack_messages WHERE behind = 1")
                raise AssertionError(f"Slack does not show the record: {waiting}")
            # After the longest call of a worker nobody can be at it any more: what is still held was left behind.
            self.travel(30, leases=now > began + CALL_SECONDS + 2)
            time.sleep(0.1)

    def look_again(self, seconds: float = 30) -> None:
        """Let the second looks happen."""
        deadline = time.monotonic() + seconds
        while left := rows(self.url, "SELECT * FROM slack_second_looks"):
            assert time.monotonic() < deadline, left
            self.travel(1300)
            time.sleep(0.2)

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Wait until something is so."""
        wait_until(condition, what, seconds=seconds)

    # -- what came of it ------------------------------------------------------------------------------------------

    def cards(self, channel: str = "incidents") -> list[dict[str, Any]]:
        """The cards that hang in a channel."""
        return [message for message in self.slack.messages(channel) if message["blocks"]]

    def counts(self) -> Counts:
        """Count everything in the record and in Slack."""
        stored = {row["fingerprint"] for row in rows(self.url, "SELECT fingerprint FROM grafana_alerts")}
        hanging = [message for channel in self.slack.channels() for message in self.slack.messages(channel)]
        hanging = [message for message in hanging if message["metadata"] and "#" in message["text"]]
        keys = Counter(message["metadata"]["event_payload"]["key"] for message in hanging)
        of_incident = Counter(map(number_of, hanging))
        doubled = max(sum(n - 1 for n in keys.values()), sum(n - 1 for n in of_incident.values()))
        database = open_database(self.url)
        try:
            check_record(database)
            for command in (("check", "--bodies"), ("verify-audit",)):
                assert (said := found_by(self.url, *command)) == "", f"{command[0]}: {said}"
            wanted = rows(self.url, "SELECT incident_id, content FROM slack_messages WHERE kind = 'card'")
            right = 0
            for row in wanted:
                found = storms.read_card(database, IncidentId(row["incident_id"]), Policy())
                assert found is not None
                incident, _ = found
                moved = Moved.from_content(json.loads(row["content"] or "{}"))
                card = incident_card(incident, words_for("en"), moved=moved)
                of_it = [message for message in hanging if number_of(message) == incident.number]
                same = [one for one in of_it if one["text"] == card.text and _same(one["blocks"], card.blocks)]
                right += len(of_it) == len(same) == 1
        finally:
            database.close()
        owned = {row["number"] for row in rows(self.url, "SELECT number FROM incidents WHERE owner IS NOT NULL")}
        return Counts(
            sent=self.sent,
            refused=self.refused.total(),
            answered=len(self.accepted),
            found=len(self.accepted & stored),
            cards=len(wanted),
            right=right,
            doubled=doubled,
            clicks=len(self.clicked),
            kept=len(self.clicked & owned),
        )

    # -- the database ---------------------------------------------------------------------------------------------

    def use(self, server: PrivateServer) -> None:
        """From now on the record is on this server."""
        self.mortal = server
        self.url = DbUrl(server.host, server.port, server.user, server.password, server.database)
        prepare(self.url)

    @property
    def server(self) -> PrivateServer:
        """The server that may be harmed."""
        assert self.mortal is not None, "this case did not ask for a server of its own"
        return self.mortal

    def as_root(self, *statements: str) -> None:
        """Statements on the server that may be harmed."""
        for statement in statements:
            self.ask_root(statement)

    def ask_root(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a statement on the server that may be harmed."""
        with self.root() as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def root(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A connection of root to the server that may be harmed."""
        return pymysql.connect(
            unix_socket=str(self.server.socket), user="root", password=self.server.password, autocommit=True,
            ssl_disabled=True, connect_timeout=10,
        )  # fmt: skip


def prepare(url: DbUrl) -> None:
    """All tables, empty."""
    database = open_database(url)
    try:
        migrate(database)
    finally:
        database.close()
    empty_tables(url)


def number_of(card: Mapping[str, Any]) -> int:
    """The number of a card's incident."""
    text = card["text"]
    return int("".join(character for character in text.split("#", 1)[1].split(":")[0] if character.isdigit()))


def _same(shown: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Whether Slack shows these blocks; it adds identifiers where there are none.

    When an alert came last is left out: a repeat changes nothing else, and is not worth an edit.
    """
    shown, wanted = _without_last_alert(shown), _without_last_alert(wanted)
    return len(shown) == len(wanted) and all(_within(want, show) for show, want in zip(shown, wanted, strict=True))


def _without_last_alert(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**block, "elements": block["elements"][:-1]} if block.get("block_id", "").startswith("change:") else block
        for block in blocks
    ]


def _within(wanted: Any, shown: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and all(_within(value, shown.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(shown, list)
            and len(shown) == len(wanted)
            and all(_within(want, show) for want, show in zip(wanted, shown, strict=True))
        )
    return bool(wanted == shown)


def is_root() -> bool:
    """Whether this run may mount a small disk."""
    return os.geteuid() == 0
