"""Two Observers with a record each, one bot and one channel: neither takes the other's messages, or removes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import bodies
from tests.conftest import migrated_database
from tests.servers.database import TestServer
from tests.servers.observer import Observer, Town
from tests.servers.slack import TOKEN, SandboxSlack, wait_until
from tests.story.cards import is_acknowledged, of
from tests.story.test_delivery import settle
from tests.story.test_storms import POLICY, digests, policy, says, some


@pytest.fixture
def towns(server: TestServer, slack: SandboxSlack, tmp_path: Path) -> Iterator[list[Town]]:
    """Staging and production, so to speak."""
    more = policy(tmp_path, POLICY.format(window="10m"))
    urls = [migrated_database(server) for _ in range(2)]
    with Observer(urls[0], slack, more) as one, Observer(urls[1], slack, more) as other:
        yield [Town(one, slack, urls[0]), Town(other, slack, urls[1])]


def hanging(town: Town, kind: str) -> list[str]:
    rows = town.rows("SELECT ts FROM slack_messages WHERE kind = %s AND ts IS NOT NULL", kind)
    return [str(row["ts"]) for row in rows]


def find_again(town: Town, kind: str) -> None:
    """The answer to a post is lost; the record finds what came of it, without waiting for it to settle."""
    unclear = "SELECT 1 FROM slack_messages WHERE kind = %s AND attempts > 0 AND claimed_by IS NULL"
    wait_until(lambda: town.rows(unclear, kind) != [], f"the post of the {kind} to be lost")
    town.rows(
        "UPDATE slack_messages SET due_at = '2000-01-01', posting_since = posting_since - INTERVAL 9 SECOND"
        " WHERE kind = %s",
        kind,
    )
    wait_until(lambda: hanging(town, kind) != [], f"the {kind} to be found")


def test_each_storm_keeps_its_own_digest_when_answers_of_slack_are_lost(towns: list[Town]) -> None:
    first, second = towns
    first.post(bodies.grafana(*some(40)))
    first.slack.wait_for_message(says("40 incidents"), "the digest of the first")
    first.slack.fault("chat.postMessage", "lose", how="close", times=3)
    second.post(bodies.grafana(*some(50, first=100)))

    find_again(second, "digest")
    first.slack.wait_for_message(says("50 incidents"), "the digest of the second")
    shown = {str(message["ts"]): str(message["blocks"]) for message in digests(first.slack)}
    [one], [other] = hanging(first, "digest"), hanging(second, "digest")
    assert ("40 incidents" in shown[one], "50 incidents" in shown[other]) == (True, True)
    assert len(shown) == 2


def test_each_has_its_card_of_an_alert_that_both_heard(towns: list[Town]) -> None:
    first, second = towns
    alert = bodies.grafana(bodies.alert())
    first.post(alert)
    settle(first)
    first.slack.fault("chat.postMessage", "lose", how="close", times=1)
    second.post(alert)
    find_again(second, "card")
    ids = [town.rows("SELECT incident_id FROM incidents") for town in towns]
    assert ids[0] == ids[1], "the same incident to both"
    [one], [other] = hanging(first, "card"), hanging(second, "card")
    assert one != other
    assert {message["ts"] for message in first.slack.messages()} == {one, other}
    first.slack.options(app_url=f"{second.observer.url}/slack/events")
    first.slack.command("/incident ack 1")
    settle(second)
    acknowledged = {message["ts"]: is_acknowledged(message) for message in first.slack.messages()}
    assert acknowledged == {one: False, other: True}


def test_a_message_that_was_begun_before_keys_were_random_is_found_again(town: Town) -> None:
    town.slack.fault("chat.postMessage", "http", status=503, times=1)
    town.post(bodies.grafana(bodies.alert()))
    wait_until(lambda: bool(town.slack.calls("chat.postMessage")), "the post")
    key = "76915618-b1e0-5a6f-8d04-afa730fe48a4"
    town.rows("UPDATE slack_messages SET post_key = %s", key)
    metadata = {"event_type": "observer_message", "event_payload": {"key": key}}
    body = {"channel": "C001", "text": "the card", "metadata": metadata}
    httpx.post(f"{town.slack.api_url}chat.postMessage", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    find_again(town, "card")
    settle(town)
    [card] = town.slack.messages()
    assert of(1)(card)
    assert [card["ts"]] == hanging(town, "card")
