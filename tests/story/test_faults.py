"""Things die in the middle: what was answered 2xx is in the record, cards end right, and nothing is posted twice."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

import receiver.app
from db.migrate import migrate
from db.server.private import PrivateServer, reserved_port
from tests import bodies
from tests.conftest import open_database
from tests.servers.database import DbUrl, TestServer
from tests.servers.observer import Observer, ObserverProcess, rows, send
from tests.servers.proxy import Proxy
from tests.servers.slack import NothingToClick, SandboxSlack, wait_until
from tests.story.cards import Card, is_acknowledged, is_active, is_resolved

RULES = 6


@dataclass
class Stream:
    """A stream of webhooks and clicks from several threads, remembering what was answered 2xx."""

    base: str
    slack: SandboxSlack
    accepted: list[str] = field(default_factory=list)  # fingerprints of alerts answered 2xx
    refused: int = 0
    clicked: set[int] = field(default_factory=set)  # numbers of incidents whose acknowledgement was answered 200
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to send."""
        for number in range(4):
            self._threads.append(threading.Thread(target=self._send, args=(number,), daemon=True))
        self._threads.append(threading.Thread(target=self._click, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self, sender: int) -> None:
        dice = random.Random(sender)
        number = 0
        while not self._stop.is_set():
            number += 1
            alert = bodies.alert(rule=f"rule-{dice.randrange(RULES)}", instance=f"pod-{sender}-{number}")
            try:
                answer = send(self.base, bodies.grafana(alert), timeout=15)
            except httpx.HTTPError:
                self.refused += 1
                time.sleep(0.1)
                continue
            if answer.is_success:
                self.accepted.append(alert["fingerprint"])
            else:
                assert answer.status_code == 503, answer.text
                self.refused += 1
            time.sleep(0.02)

    def _click(self) -> None:
        while not self._stop.is_set():
            for message in self.slack.messages():
                if message["blocks"] and is_active(message):
                    with suppress(NothingToClick):
                        if self.slack.click(message, "incident_acknowledge")["status"] == 200:
                            self.clicked.add(number_of(message))
            time.sleep(0.2)


def number_of(card: Card) -> int:
    """The number of a card's incident."""
    found = re.search(r"#(\d+)", card["text"])
    assert found, card["text"]
    return int(found[1])


BEHIND = "SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1"
DOUBLE_OPEN = "SELECT open_key FROM incidents WHERE open_key IS NOT NULL GROUP BY open_key HAVING COUNT(*) > 1"
WRONG_ALERT_COUNT = """
    SELECT incident_id FROM incidents
    WHERE alert_count <> (SELECT COUNT(*) FROM grafana_alerts WHERE grafana_alerts.incident_id = incidents.incident_id)
"""
WRONG_FIRING_COUNT = """
    SELECT incident_id FROM incidents
    WHERE instances_firing <> (
        SELECT COUNT(*) FROM incident_instances
        WHERE incident_instances.incident_id = incidents.incident_id AND incident_instances.state = 'firing'
    )
"""
LOOKS = {"active": is_active, "acknowledged": is_acknowledged, "resolved": is_resolved}


def check(url: DbUrl, slack: SandboxSlack, stream: Stream) -> None:
    """The promises of the record and of the cards, after everything is calm again."""
    wait_until(lambda: rows(url, BEHIND) == [{"n": 0}], "Slack to show the record", seconds=90)
    stored = {row["fingerprint"] for row in rows(url, "SELECT fingerprint FROM grafana_alerts")}
    assert [name for name in stream.accepted if name not in stored] == []
    assert rows(url, DOUBLE_OPEN) == []
    assert rows(url, WRONG_ALERT_COUNT) == []
    assert rows(url, WRONG_FIRING_COUNT) == []
    incidents = rows(url, "SELECT number, status, owner FROM incidents ORDER BY number")
    cards = [message for message in slack.messages() if message["blocks"]]
    assert sorted(map(number_of, cards)) == [incident["number"] for incident in incidents]
    looks = {number_of(card): card for card in cards}
    for incident in incidents:
        assert LOOKS[incident["status"]](looks[incident["number"]]), looks[incident["number"]]["text"]
    assert stream.clicked <= {incident["number"] for incident in incidents if incident["owner"]}


def test_the_program_is_killed_in_the_middle_of_a_stream(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    with ObserverProcess(db_url, slack, tmp_path / "observer.log") as observer:
        stream = Stream(observer.url, slack)
        stream.start()
        for pause in (1.5, 0.8, 1.2):
            time.sleep(pause)
            observer.kill()
            observer.start()
        time.sleep(1)
        stream.stop()
        check(db_url, slack, stream)
    print(f"answered 2xx: {len(stream.accepted)}, refused: {stream.refused}, clicks kept: {len(stream.clicked)}")
    assert len(stream.accepted) > 20
    assert "Traceback" not in (tmp_path / "observer.log").read_text()


def test_the_program_is_killed_just_after_slack_took_a_post(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    slack.fault("chat.postMessage", "stall", seconds=8, times=1)  # lands after the kill
    slack.fault("chat.postMessage", "lose", how="timeout", seconds=30, times=1)
    with ObserverProcess(db_url, slack, tmp_path / "observer.log") as observer:
        for rule in ("one", "two", "three"):
            assert send(observer.url, bodies.grafana(bodies.alert(rule=rule))).is_success
        wait_until(lambda: len(slack.calls("chat.postMessage")) >= 3, "the posts to be under way")
        observer.kill()
        slack.heal()
        observer.start()
        wait_until(lambda: rows(db_url, BEHIND) == [{"n": 0}], "Slack to show the record", seconds=90)
    assert len([message for message in slack.messages() if message["blocks"]]) == 3


@pytest.fixture
def own_server(server: TestServer) -> PrivateServer:
    """A database server that may be killed."""
    if server.private is None:
        pytest.skip("TEST_DB_URL names a server that tests must not kill")
    return server.new_private("to_be_killed", durable=True)


def test_the_database_is_killed_and_restarted_in_the_middle_of_a_stream(
    own_server: PrivateServer, slack: SandboxSlack, tmp_path: Path
) -> None:
    with own_server:
        url = DbUrl(own_server.host, own_server.port, own_server.user, own_server.password, own_server.database)
        database = open_database(url)
        migrate(database)
        database.close()
        with ObserverProcess(url, slack, tmp_path / "observer.log") as observer:
            stream = Stream(observer.url, slack)
            stream.start()
            time.sleep(2)
            own_server.kill()
            time.sleep(1)
            assert httpx.get(f"{observer.url}/health", timeout=10).status_code == 200
            own_server.start()
            time.sleep(2)
            own_server.restart()
            time.sleep(2)
            stream.stop()
            check(url, slack, stream)
        print(f"answered 2xx: {len(stream.accepted)}, refused: {stream.refused}, clicks kept: {len(stream.clicked)}")
        assert len(stream.accepted) > 20


@pytest.mark.parametrize("trouble", ["slow", "silent", "cut"])
def test_twenty_clicks_at_once_on_a_bad_line_to_the_database_are_answered_or_plainly_fail(
    db_url: DbUrl, slack: SandboxSlack, trouble: str
) -> None:
    with Proxy(db_url.host, db_url.port) as proxy:
        behind_proxy = DbUrl(proxy.host, proxy.port, db_url.user, db_url.password, db_url.name)
        with Observer(behind_proxy, slack) as observer:
            for number in range(4):
                assert send(observer.url, bodies.grafana(bodies.alert(rule=f"rule-{number}"))).is_success
            wait_until(lambda: len(slack.messages()) == 4, "the cards", seconds=60)
            messages = slack.messages()
            answers: list[dict[str, object]] = []

            def click(message: dict[str, object], user: str) -> None:
                answers.append(slack.click(message, "incident_acknowledge", user=user))

            if trouble == "slow":
                proxy.delay = 0.06
            elif trouble == "silent":
                proxy.stall()
            else:
                proxy.cut()
            threads = [
                threading.Thread(target=click, args=(message, f"U00{user}"), daemon=True)
                for message in messages
                for user in (1, 2, 3, 1, 2)
            ]
            for thread in threads:
                thread.start()
            health = [httpx.get(f"{observer.url}/health", timeout=10).status_code for _ in range(10)]
            answered_before_the_clicks = len(answers) < 20
            for thread in threads:
                thread.join(30)
            proxy.mend()
            assert health == [200] * 10
            if trouble != "cut":
                assert answered_before_the_clicks  # the event loop was not held by any of them
            assert len(answers) == 20
            assert all(answer["timed_out"] is False for answer in answers), answers
            statuses = Counter(answer["status"] for answer in answers)
            print(f"{trouble}: {dict(statuses)}, slowest {max(float(str(a['elapsed'])) for a in answers):.2f} s")
            assert set(statuses) <= {200, 503}
            recorded = rows(db_url, "SELECT COUNT(*) AS n FROM incidents WHERE status = 'acknowledged'")[0]["n"]
            assert recorded >= (statuses[200] > 0)
            assert send(observer.url, bodies.grafana(bodies.alert(rule="after"))).is_success


def test_looking_at_the_tables_again_and_again_finds_out_nothing_new_about_the_hosts(
    db_url: DbUrl, slack: SandboxSlack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It knows what the pools know: the host that is away is named once, and not tried at each look."""
    monkeypatch.setattr(receiver.app, "SCHEMA_SECONDS", 0.05)
    with reserved_port() as away, caplog.at_level(logging.INFO, "db.hosts"):
        both = replace(db_url, host=f"127.0.0.1:{away},{db_url.host}:{db_url.port}")
        with Observer(both, slack) as observer:
            assert send(observer.url, bodies.grafana(bodies.alert())).is_success
            time.sleep(1.0)
    said = [record.message for record in caplog.records if record.name == "db.hosts"]
    assert sorted(said) == ["database host in use", "database host set aside"]
