"""What gets worse is told in the thread of the card, because an edit notifies nobody; what gets better is an edit."""

from __future__ import annotations

from typing import Any

from tests import bodies
from tests.servers.observer import Town
from tests.servers.slack import wait_until
from tests.story.cards import both, is_acknowledged, is_active, is_resolved, of

INFO = {"severity": "info"}
CRITICAL = {"severity": "critical"}


def replies_of(town: Town, count: int) -> list[dict[str, Any]]:
    """The replies, once there are so many; nothing else may have been posted."""
    wait_until(lambda: len(town.slack.replies()) >= count, f"{count} replies")
    found = town.slack.replies()
    assert len(found) == count, [reply["text"] for reply in found]
    (card,) = town.slack.messages()
    assert {reply["thread_ts"] for reply in found} == {card["ts"]}
    return found


def posts(town: Town) -> int:
    """How often people were notified: every new message is one, and no edit is."""
    return len(town.slack.calls("chat.postMessage"))


def test_a_raised_severity_is_told_and_shown_to_the_channel_when_it_is_critical(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(instance="a", labels=INFO)))
    town.slack.wait_for_message(of(1), "the card")
    town.post(bodies.grafana(bodies.alert(instance="a", labels=INFO, values={"A": 2})))
    town.post(bodies.grafana(bodies.alert(instance="b", labels=INFO, starts=5)))
    town.post(bodies.grafana(bodies.alert(instance="c", labels=CRITICAL, starts=10)))
    (reply,) = replies_of(town, 1)
    assert "#1" in reply["text"]
    assert "Severity raised to Critical by Grafana" in reply["text"]
    assert "3 alerts firing" in reply["text"]
    assert reply["broadcast"]
    assert posts(town) == 2


def test_what_joins_is_told_once_somebody_has_it_and_its_owner_is_named(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(instance="a", labels=INFO)))
    card = town.slack.wait_for_message(of(1), "the card")
    town.slack.click(card, "incident_acknowledge", user="U002")
    town.slack.wait_for_message(both(of(1), is_acknowledged), "the acknowledged card")
    town.post(bodies.grafana(bodies.alert(instance="b", labels=INFO, starts=5)))
    (reply,) = replies_of(town, 1)
    assert "1 more instance started firing (Grafana)" in reply["text"]
    assert "<@U002>" in reply["text"]
    assert not reply["broadcast"]
    town.post(bodies.grafana(bodies.alert(instance="b", labels=INFO, starts=5, ends=20)))
    town.post(bodies.grafana(bodies.alert(instance="a", labels=INFO, ends=20)))
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    assert posts(town) == 2, "what gets better is an edit"


def test_a_reopening_is_told(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(labels=INFO)))
    town.slack.wait_for_message(of(1), "the card")
    town.slack.command("/incident resolve 1")
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    town.slack.command("/incident reopen 1", user="U002")
    town.slack.wait_for_message(both(of(1), is_active), "the card of what is open again")
    (reply,) = replies_of(town, 1)
    assert "Reopened by <@U002>" in reply["text"]
    assert posts(town) == 2


def test_what_is_over_before_it_could_be_told_is_not_told(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(instance="a", labels=INFO)))
    town.slack.wait_for_message(of(1), "the card")
    town.slack.fault("chat.postMessage", "http", status=503, times=2)
    town.post(bodies.grafana(bodies.alert(instance="a", labels=CRITICAL, starts=5)))
    town.slack.command("/incident resolve 1")
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    wait_until(lambda: town.rows("SELECT 1 FROM slack_messages WHERE behind = 1") == [], "nothing to tell any more")
    assert town.slack.replies() == []


def test_a_reply_whose_answer_was_lost_is_found_in_its_thread(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(labels=INFO)))
    town.slack.wait_for_message(of(1), "the card")
    town.slack.fault("chat.postMessage", "lose", how="close", times=1)
    town.post(bodies.grafana(bodies.alert(instance="b", labels=CRITICAL, starts=5)))
    wait_until(lambda: town.rows("SELECT 1 FROM slack_messages WHERE behind = 1") == [], "the reply is known")
    replies_of(town, 1)
    assert town.slack.calls("conversations.replies")


def test_a_reply_whose_card_is_gone_is_given_up_because_the_new_card_tells(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(labels=INFO)))
    card = town.slack.wait_for_message(of(1), "the card")
    town.slack.delete(card)
    town.post(bodies.grafana(bodies.alert(instance="b", labels=CRITICAL, starts=5)))
    again = town.slack.wait_for_message(of(1), "another card")
    assert again["ts"] != card["ts"]
    wait_until(lambda: town.rows("SELECT 1 FROM slack_messages WHERE behind = 1") == [], "nothing waits")
    assert town.slack.replies() == []


def test_what_a_person_resolved_and_what_still_fires_is_opened_again_and_told(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert(labels=INFO)))
    town.slack.wait_for_message(of(1), "the card")
    town.slack.command("/incident resolve 1 restarted it")
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    town.rows("UPDATE incidents SET resolved_time = resolved_time - INTERVAL 31 MINUTE")
    town.slack.wait_for_message(both(of(1), is_active), "the card of what is open again")
    (reply,) = replies_of(town, 1)
    assert "Reopened: it still fires at the source" in reply["text"]
