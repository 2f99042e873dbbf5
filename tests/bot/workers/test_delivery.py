"""The delivery worker sleeps until something may go, and not for a moment longer."""

from __future__ import annotations

import threading

import pytest

from bot.blocks.message import SlackMessage
from bot.secret import Secret
from bot.slack import Reports, Slack
from bot.workers.delivery import IDLE_SECONDS, Delivery, Face, Routes
from db.database import Database
from db.model.message import Message
from tests.db.builders import an_alert, ask, at, deliver
from tests.servers.slack import TOKEN, SandboxSlack

PAUSE = 0.25


class Worker:
    """A worker whose seconds pass when the test says so."""

    def __init__(self, database: Database, slack: SandboxSlack) -> None:
        self.now = 1000.0
        self.look_costs = 0.0  # seconds that pass with each look at the clock
        self.delivery = Delivery(
            database=database,
            slack=Slack(Secret("SLACK_BOT_TOKEN", TOKEN), slack.api_url),
            reports=Reports(),
            render=self._face,
            clock=lambda: at(0),
            routes=Routes(lambda labels: "#incidents"),
            monotonic=self._clock,
        )

    def _clock(self) -> float:
        self.now += self.look_costs
        return self.now

    def _face(self, message: Message) -> Face:
        return Face(message.wanted_version, SlackMessage(str(message.message_id), []), pause=PAUSE)

    def turn_elsewhere(self) -> float:
        """A turn of another thread."""
        found: list[float] = []
        thread = threading.Thread(target=lambda: found.append(self.delivery.turn()))
        thread.start()
        thread.join()
        return found[0]


@pytest.fixture
def worker(database: Database, slack: SandboxSlack) -> Worker:
    return Worker(database, slack)


def waiting(database: Database, number: int) -> None:
    """So many cards are to be posted in one channel."""
    for index in range(number):
        deliver(database, an_alert(f"f{index}", rule=f"r{index}"))
    assert ask(database, "SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1") == [{"n": number}]


def test_a_card_goes_at_the_moment_its_channel_takes_one(
    worker: Worker, database: Database, slack: SandboxSlack
) -> None:
    waiting(database, 3)
    assert worker.delivery.turn() == 0.0
    worker.now += 0.3  # past the pause of the card that was posted
    assert worker.delivery.turn() == pytest.approx(0.7), "one post per second and channel"
    worker.now += 0.69
    assert worker.delivery.turn() == pytest.approx(0.01)
    worker.now += 0.0101
    assert worker.delivery.turn() == 0.0
    assert len(slack.messages()) == 2


def test_a_moment_wakes_one_thread_of_several(worker: Worker, database: Database) -> None:
    waiting(database, 2)
    worker.delivery.turn()
    worker.now += 0.5
    assert worker.delivery.turn() == pytest.approx(0.5)
    assert worker.turn_elsewhere() == IDLE_SECONDS
    assert worker.delivery.turn() == pytest.approx(0.5), "who was woken before may wait for it again"
    assert worker.turn_elsewhere() == IDLE_SECONDS


def test_what_pauses_by_itself_is_looked_for_when_it_is_due(worker: Worker, database: Database) -> None:
    waiting(database, 1)
    assert worker.delivery.turn() == 0.0
    assert worker.delivery.turn() == pytest.approx(PAUSE), "it may have to be edited by then"
    worker.now += PAUSE
    assert worker.delivery.turn() == pytest.approx(1.0 - PAUSE)
    worker.now += 1.0
    assert worker.delivery.turn() == IDLE_SECONDS


def test_a_message_that_slack_put_off_is_looked_for_when_its_own_pause_is_over(
    worker: Worker, database: Database, slack: SandboxSlack
) -> None:
    """Its pause begins a little later than that of its channel, whose end finds nothing yet."""
    waiting(database, 1)
    slack.fault("chat.postMessage", "ratelimit", retry_after=2, times=1)
    worker.look_costs = 0.001
    assert worker.delivery.turn() == 0.0
    worker.look_costs = 0.0
    worker.now += 1.9
    channel, message = worker.delivery.turn(), worker.turn_elsewhere()
    assert 0.09 < channel < message < 0.101
