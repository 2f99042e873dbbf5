"""The program itself dies: killed at a precise moment, or stopped as an orchestrator stops it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from tests.faults.case import case
from tests.faults.stage import Stage
from tests.servers.database import DbUrl
from tests.servers.observer import ObserverProcess, rows
from tests.servers.proxy import Wire

CALM = "Nothing but a pause. Grafana sends again what got no answer; the card appears once."


def through(wire: Wire, url: DbUrl) -> DbUrl:
    """The same database, over the wire."""
    return DbUrl("127.0.0.1", wire.port, url.user, url.password, url.name)


class Commits:
    """Notices the COMMIT of a transaction in which some statement went before, on the same connection or in the same
    packet."""

    def __init__(self, after: Callable[[str], bool]) -> None:
        self._after = after
        self._begun: set[int] = set()

    def is_it(self, number: int, text: str) -> bool:
        """Whether this statement is that COMMIT."""
        if self._after(text):
            self._begun.add(number)
        word = text.strip().upper()
        commits = word == "COMMIT" or word.endswith(";\nCOMMIT")
        if commits or word in ("ROLLBACK", "BEGIN"):
            begun = number in self._begun
            self._begun.discard(number)
            return begun and commits
        return False


def of_delivery(text: str) -> bool:
    """It belongs to the transaction that records a webhook."""
    return "INTO grafana_alerts" in text


def of_claim(text: str) -> bool:
    """It belongs to the transaction in which a worker takes a message."""
    return text.startswith("UPDATE slack_messages") and "claimed_by = " in text and "posting_since = CASE" in text


def freeze_at(wire: Wire, program: ObserverProcess, after: Callable[[str], bool], how: str) -> threading.Event:
    """Stop the program in its tracks when it commits; `how` "before": the server never hears of it."""
    commits, frozen = Commits(after), threading.Event()

    def rule(number: int, text: str) -> str:
        if frozen.is_set() or not commits.is_it(number, text):
            return ""
        os.kill(program.pid, signal.SIGSTOP)
        frozen.set()
        return how

    wire.watch(rule)
    return frozen


def send_and_freeze(stage: Stage, frozen: threading.Event) -> threading.Thread:
    """A webhook whose program freezes meanwhile."""
    sender = threading.Thread(target=stage.alert, daemon=True)
    sender.start()
    assert frozen.wait(20), "the moment did not come"
    return sender


def recorded(stage: Stage) -> int:
    """How many alerts the record has."""
    return int(rows(stage.url, "SELECT COUNT(*) AS n FROM grafana_alerts")[0]["n"])


def claimed(stage: Stage) -> bool:
    """Whether a worker has a card at the moment."""
    return rows(stage.url, "SELECT message_id FROM slack_messages WHERE claimed_by IS NOT NULL") != []


@case("Observer killed (-9)", "before the commit", CALM)
def killed_before_the_commit(stage: Stage) -> None:
    with Wire(stage.url) as wire, stage.process(url=through(wire, stage.url)) as program:
        sender = send_and_freeze(stage, freeze_at(wire, program, of_delivery, "before"))
        program.kill()
        wire.watch(None)
        sender.join(20)
        assert (stage.accepted, recorded(stage)) == (set(), 0)
        program.start()
        assert stage.resend() == [200]
        stage.settle()


@case("Observer killed (-9)", "between the commit and the answer", CALM)
def killed_between_commit_and_answer(stage: Stage) -> None:
    with Wire(stage.url) as wire, stage.process(url=through(wire, stage.url)) as program:
        sender = send_and_freeze(stage, freeze_at(wire, program, of_delivery, ""))
        stage.wait(lambda: recorded(stage) == 1, "the commit")
        program.kill()
        wire.watch(None)
        sender.join(20)
        assert stage.accepted == set()
        program.start()
        assert stage.resend() == [200]
        stage.settle()
    assert rows(stage.url, "SELECT alert_count, instances_total FROM incidents") == [
        {"alert_count": 2, "instances_total": 1}
    ]


@case(
    "Observer killed (-9)",
    "with a card claimed, before Slack is called",
    "The card appears when the lease of 20 seconds is over, after a look into the channel's history.",
    slow=True,
)
def killed_while_holding_a_lease(stage: Stage) -> None:
    with Wire(stage.url) as wire, stage.process(url=through(wire, stage.url)) as program:
        frozen = freeze_at(wire, program, of_claim, "")
        sender = threading.Thread(target=stage.alert, daemon=True)
        sender.start()
        assert frozen.wait(20)
        stage.wait(
            lambda: bool(rows(stage.url, "SELECT 1 FROM slack_messages WHERE claimed_by IS NOT NULL")), "a claim"
        )
        program.kill()
        wire.watch(None)
        sender.join(20)
        assert stage.slack.calls("chat.postMessage") == []
        program.start()
        stage.resend()
        stage.travel(30, leases=True)
        stage.settle()
        stage.look_again()


@case(
    "Observer killed (-9)",
    "while Slack is being called; the post lands after the kill",
    "The card hangs there all the while; the next Observer finds it by its metadata and goes on with it.",
    slow=True,
)
def killed_while_slack_is_called(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "stall", seconds=1.5, times=1)
    with stage.process() as program:
        assert stage.alert() == 200
        stage.wait(
            lambda: bool(rows(stage.url, "SELECT 1 FROM slack_messages WHERE claimed_by IS NOT NULL")), "a claim"
        )
        time.sleep(0.3)  # the call is under way
        program.kill()
        stage.wait(lambda: len(stage.cards()) == 1, "the post to land")
        program.start()
        stage.travel(30, leases=True)
        stage.settle()
    assert len(stage.slack.calls("chat.postMessage")) == 1


@case(
    "Observer killed (-9)",
    "after Slack took a post, before that is recorded",
    "The card hangs there all the while; the next Observer finds it by its metadata and goes on with it.",
)
def killed_after_slack_took_a_post(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "lose", how="timeout", times=1)
    with stage.process() as program:
        assert stage.alert() == 200
        stage.wait(lambda: len(stage.cards()) == 1, "the post")
        program.kill()
        program.start()
        stage.travel(30, leases=True)
        stage.settle()
        assert stage.acknowledge() == 200
        stage.settle()
    assert len(stage.slack.calls("chat.postMessage")) == 1


@case(
    "Observer stopped (SIGTERM)",
    "under load",
    "What is under way is finished and answered; then nothing listens, and Grafana sends again.",
)
def stopped_orderly_under_load(stage: Stage) -> None:
    with stage.process() as program:
        with stage.load():
            time.sleep(1.5)
            assert program.stop() == 0
            time.sleep(0.5)
            program.start()
            time.sleep(1)
        stage.resend()
        stage.travel(30, leases=True)
        stage.settle()


@case("Observer killed (-9)", "six times under load", CALM, slow=True)
def killed_again_and_again(stage: Stage) -> None:
    with stage.process() as program:
        with stage.load():
            for pause in (1.5, 0.4, 0.8, 1.1, 0.6, 0.9):
                time.sleep(pause)
                program.kill()
                program.start()
            time.sleep(1)
        stage.resend()
        stage.travel(30, leases=True)
        stage.settle(90)
        stage.look_again()
