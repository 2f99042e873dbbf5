"""Who reads what: looking up by people whom the policy does not name, and sharing outside of the incident's channel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests import bodies
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import of
from tests.story.test_origin import click, send

ROUTE = '[[routes]]\nmatch = {severity = "critical"}\nchannel = "#random"\n'
Place = Callable[[str], AbstractContextManager[Town]]


@pytest.fixture
def place(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> Place:
    """A town with an incident in #random, and people as the policy has them."""

    @contextmanager
    def open_town(people: str) -> Iterator[Town]:
        (tmp_path / "observer.toml").write_text(f"[people]\n{people}\n{ROUTE}")
        with Observer(db_url, slack, {"OBSERVER_CONFIG": str(tmp_path / "observer.toml")}) as observer:
            town = Town(observer, slack, db_url)
            town.post(bodies.grafana(bodies.alert()))
            slack.wait_for_message(of(1), "the card", channel="random")
            yield town

    return open_town


def told(town: Town, text: str, user: str, channel: str = "incidents") -> str:
    return str(json.loads(town.slack.command(f"/incident {text}", user=user, channel=channel)["body"]))


def shares(town: Town, channel: str) -> list[str]:
    """What the channel reads after U001 asked there and pressed the button that shares."""
    town.slack.command("/incident 1", channel=channel)
    answer = town.slack.ephemerals()[-1]
    town.slack.click({"ts": answer["id"]}, "incident_share", channel=channel, message_kind="ephemeral")
    wait_until(
        lambda: (
            any("Shared by" in str(message["blocks"]) for message in town.slack.messages(channel))
            or "only in its own channel" in town.slack.ephemerals()[-1]["text"]
        ),
        "an answer",
    )
    return [message["text"] for message in town.slack.messages(channel) if "Shared by" in str(message["blocks"])]


@pytest.mark.parametrize("asked", ["list", "list service:checkout-api", "show 1", "1", "ack 1"])
def test_who_is_not_named_looks_nothing_up_and_changes_nothing(place: Place, asked: str) -> None:
    with place('may_read = ["U001"]') as town:
        assert "not allowed to see" in told(town, asked, "U002")
        assert "Checkout" not in told(town, asked, "U002")
        assert town.rows("SELECT status FROM incidents") == [{"status": "active"}]
        assert "Checkout" in told(town, "show 1", "U001")


def test_a_button_shows_nothing_to_who_is_not_named(place: Place) -> None:
    with place('may_read = ["U001"]') as town:
        [card] = town.slack.messages("random")
        for action in ("incident_details", "incident_acknowledge", "incident_resolve"):
            try:
                body = click(card, action, user={"id": "U002"})
            except StopIteration:
                continue
            assert send(town, body).status_code == 200
        assert town.rows("SELECT status FROM incidents") == [{"status": "active"}]
        assert all("Checkout" not in str(one["blocks"]) for one in town.slack.ephemerals("U002"))
        assert town.slack.views("U002") == []


def test_who_may_act_may_read(place: Place) -> None:
    with place('may_act = ["U002"]\nmay_read = ["U001"]') as town:
        assert "Checkout" in told(town, "list", "U002")
        assert "Checkout" in told(town, "list", "U001")
        assert "not allowed to change" in told(town, "ack 1", "U001")
        assert "not allowed to see" in told(town, "list", "U003")
        told(town, "ack 1", "U002")
        assert town.rows("SELECT owner FROM incidents") == [{"owner": "slack:U002"}]


def test_an_incident_is_shared_in_its_own_channel_only(place: Place) -> None:
    with place("") as town:
        assert shares(town, "incidents") == []
        assert len(shares(town, "random")) == 1


def test_the_policy_may_allow_sharing_elsewhere(place: Place) -> None:
    with place("share_anywhere = true") as town:
        assert len(shares(town, "incidents")) == 1
