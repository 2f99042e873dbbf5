"""Slack misbehaves: after it, every card shows the record, and none hangs there twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.database import Database
from tests import bodies
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import is_acknowledged


def cards(town: Town, channel: str = "incidents") -> list[dict[str, Any]]:
    """The cards that hang in a channel, not those of a plain fallback."""
    return [message for message in town.slack.messages(channel) if message["blocks"]]


def all_shown(town: Town) -> bool:
    """Whether Slack shows all that the record wants shown."""
    return town.rows("SELECT COUNT(*) AS behind FROM slack_messages WHERE behind = 1") == [{"behind": 0}]


def hurry(town: Town) -> None:
    """Let all pauses be over."""
    connection_rows = town.rows("SELECT message_id FROM slack_messages WHERE behind = 1 AND claimed_by IS NULL")
    if connection_rows:
        town.rows(
            "UPDATE slack_messages SET due_at = '2000-01-01', posting_since = posting_since - INTERVAL 60 SECOND "
            "WHERE behind = 1 AND claimed_by IS NULL"
        )


def settle(town: Town, seconds: float = 40) -> None:
    """Wait until Slack shows the record, without waiting for pauses to pass."""
    deadline = time.monotonic() + seconds
    while not all_shown(town):
        assert time.monotonic() < deadline, town.rows("SELECT * FROM slack_messages WHERE behind = 1")
        hurry(town)
        time.sleep(0.1)


def test_a_rate_limited_post_comes_later_and_once(town: Town) -> None:
    town.slack.fault("chat.postMessage", "ratelimit", retry_after=1, times=2)
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    assert len(cards(town)) == 1
    assert [call["outcome"] for call in town.slack.calls("chat.postMessage")][-1] == "ok"


@pytest.mark.parametrize("how", ["close", "reset", "timeout"])
def test_a_post_whose_answer_was_lost_is_found_again_and_not_repeated(town: Town, how: str) -> None:
    town.slack.fault("chat.postMessage", "lose", how=how, times=1, seconds=12)
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    assert len(cards(town)) == 1
    assert len(town.slack.calls("chat.postMessage")) == 1
    town.slack.click(cards(town)[0], "incident_acknowledge")
    settle(town)
    assert is_acknowledged(cards(town)[0])


def test_what_others_wrote_with_our_key_is_not_ours(town: Town) -> None:
    """Another app, or a person's token, may write any metadata: it is neither taken for the card nor removed."""
    town.slack.fault("chat.postMessage", "http", status=503, times=1)
    town.post(bodies.grafana(bodies.alert()))
    wait_until(lambda: bool(town.slack.calls("chat.postMessage")), "the post")
    (row,) = town.rows("SELECT post_key FROM slack_messages")
    metadata = {"event_type": "observer_message", "event_payload": {"key": row["post_key"]}}
    stranger = town.slack.say("I was here first", metadata=metadata)
    settle(town)
    assert len(cards(town)) == 1
    town.rows("UPDATE slack_second_looks SET due_at = '2000-01-01'")
    wait_until(lambda: town.rows("SELECT looks FROM slack_second_looks") == [{"looks": 1}], "the second look")
    assert [one["text"] for one in town.slack.messages() if one["ts"] == stranger] == ["I was here first"]
    assert town.slack.calls("chat.delete") == []


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("error", {"error": "internal_error"}),
        ("http", {"status": 503}),
        ("refuse", {}),
        ("error", {"error": "fatal_error"}),
    ],
)
def test_a_post_that_failed_without_a_trace_is_posted_once_in_the_end(
    town: Town, kind: str, details: dict[str, Any]
) -> None:
    town.slack.fault("chat.postMessage", kind, times=2, **details)
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    assert len(cards(town)) == 1


def test_an_edit_that_failed_is_made_good(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    town.slack.fault("chat.update", "lose", how="close", times=1)
    town.slack.fault("chat.update", "error", error="internal_error", times=1)
    town.slack.command("/incident ack 1")
    settle(town)
    assert is_acknowledged(cards(town)[0])
    assert len(cards(town)) == 1


def test_slack_away_for_long_shows_the_newest_state_only(town: Town) -> None:
    town.slack.fault("*", "http", status=503)
    for second in range(5):
        town.post(bodies.grafana(bodies.alert(instance=f"pod-{second}")))
    town.slack.command("/incident ack 1")
    town.slack.heal()
    settle(town)
    (card,) = cards(town)
    assert is_acknowledged(card)


def test_a_configuration_error_is_reported_and_does_not_block_other_channels(
    town: Town, database: Database, tmp_path: Any
) -> None:
    town.slack.fault("chat.postMessage", "error", error="is_archived", times=None, channel="incidents")
    town.post(bodies.grafana(bodies.alert()))

    def reported() -> bool:
        slack = httpx.get(f"{town.observer.url}/ready", timeout=10).json()["slack"]
        return "is_archived" in str(slack["problems"])

    wait_until(reported, "the problem to be reported by /ready")
    town.rows("UPDATE slack_messages SET channel = '#random' WHERE behind = 1")
    settle(town)
    assert len(cards(town, "random")) == 1


def test_blocks_that_slack_refuses_are_replaced_by_a_sentence(town: Town) -> None:
    town.slack.fault("chat.postMessage", "error", error="invalid_blocks", times=1)
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    (message,) = town.slack.messages()
    assert "Checkout 5xx ratio high" in message["text"]


def test_a_card_that_somebody_deleted_is_posted_anew_while_its_incident_is_open(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    town.slack.fault("chat.update", "error", error="message_not_found", times=1)
    town.slack.command("/incident ack 1")
    settle(town)
    assert is_acknowledged(cards(town)[-1])
    town.slack.fault("chat.update", "error", error="message_not_found", times=1)
    posted = len(town.slack.calls("chat.postMessage"))
    town.slack.command("/incident resolve 1")
    settle(town)
    assert len(town.slack.calls("chat.postMessage")) == posted


def problems(town: Town) -> dict[str, str]:
    """What `/ready` says of Slack."""
    found: dict[str, str] = httpx.get(f"{town.observer.url}/ready", timeout=10).json()["slack"]["problems"]
    return found


EDITS_REFUSED = ["edit_window_closed", "cant_update_message", "a_code_of_tomorrow"]


@pytest.mark.parametrize("code", EDITS_REFUSED)
def test_where_edits_are_refused_a_new_card_takes_the_place_of_the_old_one(town: Town, code: str) -> None:
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    (first,) = cards(town)
    town.slack.fault("chat.update", "error", error=code)
    for command in ("ack", "resolve"):
        town.slack.command(f"/incident {command} 1")
        settle(town)
        wait_until(lambda: len(cards(town)) == 1, f"one card after {command}")
    (last,) = cards(town)
    assert last["ts"] != first["ts"]
    assert "resolved" in last["text"].lower(), "what is over is told as well"
    assert code in problems(town)["edits in #incidents"]
    town.slack.heal()
    town.slack.command("/incident reopen 1")
    settle(town)
    (edited,) = cards(town)
    assert edited["ts"] == last["ts"]
    assert problems(town) == {}


def test_the_old_card_hangs_until_the_new_one_does(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    town.slack.fault("chat.update", "error", error="edit_window_closed")
    town.slack.fault("chat.postMessage", "http", status=503)
    town.slack.command("/incident ack 1")
    wait_until(lambda: len(town.slack.calls("chat.postMessage")) > 1, "the new one to be refused")
    time.sleep(5)
    assert len(cards(town)) == 1
    town.slack.heal()
    town.slack.fault("chat.update", "error", error="edit_window_closed")
    settle(town)
    wait_until(lambda: len(cards(town)) == 1, "the old one to go")
    assert is_acknowledged(cards(town)[0])


@pytest.fixture
def two_channels(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> Iterator[Town]:
    """The program with a fallback channel that is soon used."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[storm]\nenabled = false\n[slack]\nfallback_channel = "#random"\nfallback_after = "1s"\n')
    with Observer(db_url, slack, {"OBSERVER_CONFIG": str(policy)}) as observer:
        yield Town(observer, slack, db_url)


@pytest.mark.parametrize("code", ["external_channel_migrating", "access_denied", "a_code_of_tomorrow"])
def test_a_channel_that_refuses_with_a_code_in_no_list_is_a_broken_one(two_channels: Town, code: str) -> None:
    town = two_channels
    town.slack.fault("chat.postMessage", "error", error=code, channel="incidents")
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    (card,) = cards(town, "random")
    assert "#incidents" in str(card["blocks"])
    assert code in str(card["blocks"])
    ready = httpx.get(f"{town.observer.url}/ready", timeout=10).json()
    assert ready["database"]["broken_channels"]["#incidents"]["error"] == code


@pytest.fixture
def channels_of_their_own(slack: SandboxSlack) -> Iterator[None]:
    """What a story does to the channels does not outlive it."""
    yield
    slack.reset(everything=True)


@pytest.mark.usefixtures("channels_of_their_own")
def test_a_channel_that_was_renamed_is_reached_by_its_id(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    town.slack.channel("alerts", id="incidents")
    town.post(bodies.grafana(bodies.alert("Another rule", rule="another")))
    town.post(bodies.grafana(bodies.alert("A third rule", rule="third")))
    settle(town)
    assert len(cards(town, "alerts")) == 3
    assert problems(town) == {"name of #incidents": "renamed (the channel is called alerts now: change the settings)"}
    town.slack.channel("incidents", id="alerts")
    town.post(bodies.grafana(bodies.alert("A fourth rule", rule="fourth")))
    settle(town)
    assert problems(town) == {}


@pytest.mark.usefixtures("channels_of_their_own")
def test_a_fallback_channel_that_was_renamed_before_it_was_used_is_reached(two_channels: Town) -> None:
    town = two_channels
    wait_until(lambda: len(town.rows("SELECT * FROM slack_facts WHERE name LIKE 'channel:%'")) == 2, "the ids")
    town.slack.channel("refuge", id="random")
    town.slack.fault("chat.postMessage", "error", error="is_archived", channel="incidents")
    town.post(bodies.grafana(bodies.alert()))
    settle(town)
    assert len(cards(town, "refuge")) == 1
    assert "name of #random" in problems(town)


@pytest.mark.parametrize("code", ["cant_delete_message", "restricted_action", "a_code_of_tomorrow"])
def test_where_neither_edits_nor_deletions_are_taken_no_more_cards_are_posted(town: Town, code: str) -> None:
    town.post(bodies.grafana(bodies.alert()))
    town.post(bodies.grafana(bodies.alert("Another rule", rule="another")))
    settle(town)
    town.slack.fault("chat.update", "error", error="edit_window_closed")
    town.slack.fault("chat.delete", "error", error=code)
    town.slack.command("/incident ack 1")
    wait_until(lambda: len(cards(town)) == 3, "the one that takes the place of the first")
    wait_until(lambda: bool(town.slack.calls("chat.delete")), "the removal to be refused")
    for command in ("unack 1", "ack 1", "ack 2", "resolve 1"):
        town.slack.command(f"/incident {command}")
        for _ in range(15):
            hurry(town)
            time.sleep(0.1)
    assert len(cards(town)) == 3, "one was posted before it was known, and none since"
    assert problems(town)["edits in #incidents"].endswith(f"(and the old message cannot be removed: {code})")
    town.slack.heal()
    town.rows("UPDATE slack_second_looks SET due_at = '2000-01-01'")
    settle(town)
    wait_until(lambda: len(cards(town)) == 2, "the old one to go once that is possible")
    assert problems(town) == {}


def test_a_storm_on_one_incident_is_a_handful_of_edits(town: Town) -> None:
    for number in range(60):
        town.post(bodies.grafana(*(bodies.alert(instance=f"pod-{number}-{index}") for index in range(10))))
    settle(town)
    assert town.rows("SELECT alert_count, instances_firing FROM incidents") == [
        {"alert_count": 600, "instances_firing": 600}
    ]
    (card,) = cards(town)
    assert "600" in str(card["blocks"])
    assert len(town.slack.calls("chat.update")) < 30


def test_the_pace_of_slack_is_kept_and_the_worst_go_first(town: Town) -> None:
    town.slack.options(pace=True)
    for index, severity in enumerate(["info", "warning", "info", "warning", "critical"]):
        town.post(bodies.grafana(bodies.alert(rule=f"rule-{index}", labels={"severity": severity})))
    settle(town)
    assert all(call["outcome"] == "ok" for call in town.slack.calls("chat.postMessage"))
    texts = [card["text"] for card in cards(town)]
    assert len(texts) == 5
    critical = next(index for index, text in enumerate(texts) if "Critical" in text or "critical" in text)
    assert critical <= 2  # those that were posted before it had come before it
