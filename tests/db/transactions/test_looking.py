"""Second looks, and cards that move to another channel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.database import Database
from db.model.identity import IncidentId
from db.model.message import Message, Step
from db.transactions import looking, lookup, telling
from tests.db.builders import an_alert, ask, at, deliver, key_of, sql

INCIDENT = IncidentId(f"INC-20261120080000-{key_of()}")


def claimed(database: Database, worker: str = "w1") -> Message:
    message = telling.claim(database, worker, settle_seconds=0)
    assert message is not None
    return message


def let_looks_be_due(database: Database) -> None:
    database.transact(lambda tx: tx.execute(sql("UPDATE slack_second_looks SET due_at = '2026-01-01'")))


def unclear_once(database: Database) -> Message:
    """A message whose first post got no answer."""
    deliver(database, an_alert())
    telling.unclear(database, claimed(database), "w1", "timeout", 0)
    message = claimed(database)
    assert message.step is Step.LOOK
    return message


def test_a_post_that_is_repeated_is_looked_for_again_minutes_later(database: Database) -> None:
    message = unclear_once(database)
    telling.post_again(database, message, "w1", "not found in history")
    assert looking.take(database) is None, "not yet"
    again = claimed(database)
    assert again.step is Step.POST
    let_looks_be_due(database)
    look = looking.take(database)
    assert look is not None
    assert (look.post_key, look.channel, look.since) == (message.post_key, message.channel, message.posting_since)
    assert looking.take(database) is None, "one worker has it"
    right = looking.rightful(database, look)
    assert right is not None
    assert right.ts == "", "its own post is on its way"
    telling.shown(database, again, 1, "C1", "171.2")
    assert looking.rightful(database, look) == looking.Rightful(message.post_key, "C1", "171.2", behind=False)


def test_a_look_that_was_answered_counts_and_one_that_was_refused_too(database: Database) -> None:
    telling.post_again(database, unclear_once(database), "w1", "not found in history")
    let_looks_be_due(database)
    look = looking.take(database)
    assert look is not None
    looking.put_off(database, look, 0, failed=True)
    refused = looking.take(database)
    assert refused is not None
    assert (refused.looks, refused.failures) == (0, 1)
    looking.put_off(database, refused, 0, looked=True)
    answered = looking.take(database)
    assert answered is not None
    assert (answered.looks, answered.failures) == (1, 0)
    looking.done(database, answered)
    assert ask(database, "SELECT * FROM slack_second_looks") == []


def test_a_card_that_moves_is_posted_under_another_key_and_its_old_place_is_tidied(database: Database) -> None:
    deliver(database, an_alert())
    first = claimed(database)
    telling.shown(database, first, 1, "C1", "171.1", pause=0)
    deliver(database, an_alert("f2"), now=30)
    edit = claimed(database)
    assert edit.step is Step.EDIT
    telling.move(database, edit, "w1", "#refuge", {"meant_for": "#incidents", "because": "is_archived"}, "is_archived")
    moved = claimed(database)
    assert (moved.step, moved.channel, moved.channel_id, moved.shown_version) == (Step.POST, "#refuge", "", 0)
    assert moved.post_key != first.post_key
    assert moved.content == {"meant_for": "#incidents", "because": "is_archived"}
    let_looks_be_due(database)
    look = looking.take(database)
    assert look is not None
    assert (look.post_key, look.channel, look.ts) == (first.post_key, "C1", "171.1")


def test_a_card_that_somebody_else_has_by_now_is_not_moved(database: Database) -> None:
    deliver(database, an_alert())
    message = claimed(database)
    telling.move(database, message, "another worker", "#refuge", {}, "is_archived")
    assert ask(database, "SELECT channel FROM slack_messages") == [{"channel": "#incidents"}]


def test_a_channel_is_broken_since_its_first_refusal_and_until_it_takes_something(database: Database) -> None:
    assert telling.refused(database, "#a", "is_archived", at(0)) == at(0)
    assert telling.refused(database, "#a", "not_in_channel", at(60)) == at(0)
    assert telling.broken_channels(database, at(61)) == {"#a": {"error": "not_in_channel", "since": at(0).isoformat()}}
    assert telling.broken_channels(database, at(60) + timedelta(days=1, seconds=1)) == {}
    telling.works(database, "#a", "C1", at(70))
    assert telling.broken_channels(database, at(71)) == {}
    assert telling.recall(database, "channel:#a") == {"id": "C1"}


@pytest.mark.parametrize("way", ["works", "hurry"])
def test_what_waits_because_of_failures_is_due_once_slack_takes_messages_again(database: Database, way: str) -> None:
    deliver(database, an_alert())
    telling.not_sent(database, claimed(database), "w1", "is_archived", 3000)
    telling.refused(database, "#incidents", "is_archived", at(0))
    assert telling.claim(database, "w1") is None
    if way == "works":
        telling.works(database, "#incidents", "C1", at(1))
    else:
        telling.hurry(database)
    assert claimed(database).attempts == 0


def test_an_incident_is_routed_by_the_labels_of_what_fires_in_it(database: Database) -> None:
    deliver(database, an_alert())
    incident = lookup.read_incident(database, INCIDENT)
    assert incident is not None
    labels = lookup.labels_of(database, incident)
    assert labels["service"] == incident.parts.service
    assert labels["alertname"]
