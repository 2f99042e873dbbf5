"""Messages that are behind: who may work on which, for how long, and what comes of it."""

from __future__ import annotations

import threading
import time

import pytest

from db.database import Database
from db.model.alert import AlertKind
from db.model.identity import IncidentId, person
from db.model.lifecycle import Action
from db.model.message import Message, MessageKind, Step
from db.model.policy import Policy
from db.transactions import respond, telling
from tests.db.builders import POLICY, an_alert, ask, at, deliver, key_of

INCIDENT = IncidentId(f"INC-20261120080000-{key_of()}")


def claim(database: Database, worker: str = "w1", **how: object) -> Message | None:
    return telling.claim(database, worker, **how)  # type: ignore[arg-type]


def claimed(database: Database, worker: str = "w1", **how: object) -> Message:
    message = claim(database, worker, **how)
    assert message is not None
    return message


def posted(database: Database, message: Message, version: int | None = None, ts: str = "171.001") -> None:
    """Slack showed it at once, and the next edit need not wait."""
    telling.shown(database, message, version or message.wanted_version, "C1", ts, pause=0)


def acknowledge(database: Database) -> None:
    respond.change_status(database, INCIDENT, Action.ACKNOWLEDGE, person("U1"), at(10), policy=POLICY)


def test_a_new_incident_is_to_be_posted(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    assert (message.kind, message.incident_id) == (MessageKind.CARD, INCIDENT)
    assert (message.step, message.channel, message.wanted_version, message.shown_version) == (
        Step.POST, "#incidents", 1, 0,
    )  # fmt: skip


def test_a_message_that_somebody_has_is_left_alone_until_the_lease_is_over(database: Database) -> None:
    deliver(database, an_alert())
    claimed(database, "w1", lease_seconds=0.3)
    assert claim(database, "w2", settle_seconds=0) is None
    time.sleep(0.35)
    again = claimed(database, "w2", settle_seconds=0)
    assert again.step is Step.LOOK, "the first worker died: perhaps Slack has the post"


def test_what_is_shown_is_not_behind(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    assert claim(database) is None
    assert telling.backlog(database) == (0, None)
    (row,) = ask(database, "SELECT channel_id, ts, shown_version, claimed_by, posting_since FROM slack_messages")
    assert row == {"channel_id": "C1", "ts": "171.001", "shown_version": 1, "claimed_by": None, "posting_since": None}


def test_a_change_makes_the_card_behind_and_it_is_edited(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    acknowledge(database)
    message = claimed(database)
    assert (message.step, message.wanted_version, message.shown_version) == (Step.EDIT, 2, 1)
    assert (message.channel_id, message.ts) == ("C1", "171.001")
    assert message.posting_since is None


def test_a_change_while_a_worker_is_at_it_is_shown_afterwards(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    acknowledge(database)
    posted(database, message, version=1)
    assert claimed(database).wanted_version == 2


def test_an_older_version_never_takes_the_place_of_a_newer_one(database: Database) -> None:
    deliver(database, an_alert())
    acknowledge(database)
    message = claimed(database)
    posted(database, message, version=2)
    posted(database, message, version=1)
    assert claim(database) is None


def test_a_storm_on_one_incident_is_one_edit(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    for number in range(50):
        deliver(database, an_alert(f"pod-{number}", starts=number), now=number)
    message = claimed(database)
    assert message.wanted_version == 51
    posted(database, message)
    assert claim(database) is None


def test_an_edit_pauses_so_that_others_have_their_turn(database: Database) -> None:
    deliver(database, an_alert())
    telling.shown(database, claimed(database), 1, "C1", "171.001", pause=0.3)
    acknowledge(database)
    assert claim(database) is None
    time.sleep(0.35)
    assert claimed(database).step is Step.EDIT


def test_what_was_not_sent_is_tried_again_after_its_pause(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    telling.not_sent(database, message, "w1", "ratelimited", 0.2, counts=False)
    assert claim(database) is None
    time.sleep(0.25)
    message = claimed(database)
    assert (message.step, message.attempts) == (Step.POST, 0), "Slack has nothing: no need to look"
    telling.not_sent(database, message, "w1", "channel_not_found", 0)
    message = claimed(database)
    assert message.attempts == 1
    assert ask(database, "SELECT last_error FROM slack_messages") == [{"last_error": "channel_not_found"}]
    posted(database, message)
    assert ask(database, "SELECT attempts, last_error FROM slack_messages") == [{"attempts": 0, "last_error": ""}]


def test_an_unclear_post_is_looked_for_once_it_has_settled(database: Database) -> None:
    deliver(database, an_alert())
    telling.unclear(database, claimed(database), "w1", "timeout", 0)
    assert claim(database, settle_seconds=30) is None
    message = claimed(database, settle_seconds=0)
    assert (message.step, message.attempts) == (Step.LOOK, 1)


def test_looking_in_vain_leads_back_to_posting(database: Database) -> None:
    deliver(database, an_alert())
    telling.unclear(database, claimed(database), "w1", "timeout", 0)
    message = claimed(database, settle_seconds=0)
    telling.not_sent(database, message, "w1", "", 0, counts=False)
    assert claimed(database).step is Step.POST


def test_a_worker_whose_lease_ran_out_cannot_take_back_what_another_has(database: Database) -> None:
    deliver(database, an_alert())
    late = claimed(database, "w1", lease_seconds=0)
    claimed(database, "w2", settle_seconds=0)
    telling.not_sent(database, late, "w1", "late", 0)
    telling.unclear(database, late, "w1", "late", 0)
    (row,) = ask(database, "SELECT claimed_by, attempts FROM slack_messages")
    assert row == {"claimed_by": "w2", "attempts": 0}
    assert claim(database, "w3", settle_seconds=0) is None


def test_a_message_that_was_removed_is_posted_anew(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    acknowledge(database)
    message = claimed(database)
    telling.lost(database, message, "message_not_found")
    again = claimed(database)
    assert (again.step, again.ts) == (Step.POST, "")
    assert again.post_key != message.post_key, "to Slack it is another message"


def test_losing_an_old_message_leaves_a_newer_one_alone(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    acknowledge(database)
    old = claimed(database)
    telling.lost(database, old, "message_not_found")
    posted(database, claimed(database), ts="172.002")
    telling.lost(database, old, "message_not_found")
    assert ask(database, "SELECT ts FROM slack_messages") == [{"ts": "172.002"}]


def test_what_is_abandoned_is_behind_only_when_something_changes(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    telling.abandon(database, message, message.wanted_version, "channel_not_found")
    assert claim(database) is None
    acknowledge(database)
    assert telling.backlog(database)[0] == 1


def test_nobody_waits_for_the_post_of_what_was_abandoned(database: Database) -> None:
    """The claim marks a post as begun; when there was nothing to show nothing was posted."""
    deliver(database, an_alert())
    message = claimed(database)
    telling.abandon(database, message, message.wanted_version, "nothing to show")
    assert ask(database, "SELECT posting_since, claimed_by FROM slack_messages") == [
        {"posting_since": None, "claimed_by": None}
    ]


def test_what_changed_while_a_message_was_abandoned_is_told(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    acknowledge(database)
    telling.abandon(database, message, message.wanted_version, "message_not_found")
    assert telling.backlog(database)[0] == 1


def test_the_worst_goes_first_then_the_one_that_waits_longest(database: Database) -> None:
    for number, severity in enumerate(["warning", "info", "critical", "warning"]):
        deliver(database, an_alert(f"f{number}", service=severity + str(number), labels={"severity": severity}))
    order = [claimed(database).priority for _ in range(4)]
    assert order == [0, 2, 2, 3]


def test_a_busy_channel_does_not_hold_up_the_others(database: Database) -> None:
    deliver(database, an_alert("f1", service="a", labels={"severity": "critical"}))
    other = Policy(default_channel="#other")
    deliver(database, an_alert("f2", service="b", labels={"severity": "info"}), policy=other)
    assert claimed(database, busy=["#incidents"]).channel == "#other"
    assert claim(database, busy=["#incidents"]) is None
    assert claimed(database).channel == "#incidents"


def test_a_busy_channel_still_takes_edits(database: Database) -> None:
    deliver(database, an_alert())
    posted(database, claimed(database))
    acknowledge(database)
    assert claimed(database, busy=["#incidents"]).step is Step.EDIT


def test_when_edits_have_to_wait_posts_go_on(database: Database) -> None:
    deliver(database, an_alert("f1", service="a", labels={"severity": "critical"}))
    posted(database, claimed(database))
    deliver(database, an_alert("f3", service="a", starts=5), now=10)
    deliver(database, an_alert("f2", service="b", labels={"severity": "info"}))
    assert claimed(database, may_edit=False).step is Step.POST
    assert claim(database, may_edit=False) is None
    assert claimed(database).step is Step.EDIT


def test_a_message_without_a_channel_is_never_claimed(database: Database) -> None:
    deliver(database, an_alert(), policy=Policy())
    assert claim(database) is None
    assert telling.backlog(database)[0] == 1, "but it is known to be behind"


def test_the_backlog_tells_since_when_the_oldest_waits(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), now=5)
    deliver(database, an_alert("f2", service="b"), now=9)
    assert telling.backlog(database) == (2, at(5))


def test_a_test_button_is_told_with_what_was_received(database: Database) -> None:
    deliver(database, an_alert(kind=AlertKind.TEST))
    message = claimed(database)
    assert (message.kind, message.incident_id, message.step) == (MessageKind.TEST, None, Step.POST)
    assert message.content["receiver"] == "observer"
    posted(database, message)
    assert claim(database) is None


@pytest.mark.parametrize("workers", [8])
def test_no_message_is_given_to_two_workers(database: Database, workers: int) -> None:
    for number in range(40):
        deliver(database, an_alert(f"f{number}", service=f"s{number}"), now=number)
    given: list[int] = []
    idle = threading.Barrier(workers)

    def work(worker: str) -> None:
        idle.wait(10)
        deadline = time.monotonic() + 20
        while len(given) < 40 and time.monotonic() < deadline:
            message = claim(database, worker, lease_seconds=60)
            if message is not None:
                given.append(message.message_id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert sorted(given) == sorted(set(given))
    assert len(given) == 40


def test_a_claim_while_webhooks_change_the_same_cards(database: Database) -> None:
    """Workers and deliveries in each other's way: nobody sees an error, and every card ends level."""
    errors: list[BaseException] = []
    done = threading.Event()

    def tell(worker: str) -> None:
        try:
            while not done.is_set() or telling.backlog(database)[0]:
                message = claim(database, worker)
                if message is not None:
                    posted(database, message, ts=message.ts or f"1.{message.message_id}")
        except BaseException as error:
            errors.append(error)

    def alerts(source: int) -> None:
        try:
            for number in range(15):
                deliver(database, *(an_alert(f"{source}-{number}", service=f"s{n}", starts=number) for n in range(4)))
        except BaseException as error:
            errors.append(error)

    tellers = [threading.Thread(target=tell, args=(f"w{number}",)) for number in range(4)]
    sources = [threading.Thread(target=alerts, args=(number,)) for number in range(4)]
    for thread in (*tellers, *sources):
        thread.start()
    for thread in sources:
        thread.join(60)
    done.set()
    for thread in tellers:
        thread.join(60)
    assert errors == []
    assert telling.backlog(database) == (0, None)


def test_what_slack_told_is_known_again(database: Database) -> None:
    assert telling.recall(database, "channel:#incidents") is None
    telling.learn(database, "channel:#incidents", {"id": "C1"}, at(0))
    telling.learn(database, "channel:#incidents", {"id": "C2", "name": "사고"}, at(1))
    telling.learn(database, "bot", {"id": "B1"}, at(1))
    assert telling.recall(database, "channel:#incidents") == {"id": "C2", "name": "사고"}
    assert telling.recall(database, "channel:#Incidents") is None


def test_a_very_long_name_of_a_fact_is_found_again(database: Database) -> None:
    telling.learn(database, "channel:" + "x" * 500, {"id": "C1"}, at(0))
    assert telling.recall(database, "channel:" + "x" * 500) == {"id": "C1"}
