"""Whose request it is: other workspaces, nobody, replays, a renamed command, answers to other addresses."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot.origin import Foreign, Origin, foreign
from db.model.policy import Policy
from tests import bodies
from tests.bot.test_endpoint import signed
from tests.servers.observer import Town
from tests.servers.slack import wait_until
from tests.story.cards import elements, of

TEAM = {"team_id": "T001", "enterprise_id": ""}


def send(town: Town, body: str) -> httpx.Response:
    """What Slack sends, signed."""
    headers = {**signed(body), "Content-Type": "application/x-www-form-urlencoded"}
    return httpx.post(f"{town.observer.url}/slack/events", content=body, headers=headers, timeout=10)


def click(card: dict[str, Any], action: str, **more: Any) -> str:
    """The body of a click on a card's button."""
    button = next(one for one in elements(card) if one.get("action_id") == action)
    payload = {
        "type": "block_actions",
        "user": {"id": "U001"},
        "actions": [{"type": "button", "action_id": action, "block_id": "b", "value": button["value"]}],
        "container": {"type": "message", "message_ts": card["ts"]},
        "channel": {"id": "C001"},
        **more,
    }
    return urlencode({"payload": json.dumps(payload)})


def command(text: str, **more: str) -> str:
    """The body of a slash command."""
    return urlencode({"command": "/incident", "text": text, "user_id": "U001", "channel_id": "C001", **more})


def opened(town: Town) -> dict[str, Any]:
    town.post(bodies.grafana(bodies.alert()))
    card = town.slack.wait_for_message(of(1), "the card")
    wait_until(lambda: town.rows("SELECT 1 FROM slack_facts WHERE name = 'bot'") != [], "our workspace to be known")
    return card


def owner(town: Town) -> object:
    return town.rows("SELECT owner FROM incidents")[0]["owner"]


@pytest.mark.parametrize(
    "more",
    [
        {"team": {"id": "T_OTHER"}},
        {"user": {"id": "U001", "team_id": "T_PARTNER"}},
        {"enterprise": {"id": "E_OTHER"}, "is_enterprise_install": True},
        {"user": {"id": "<!channel>"}},
        {"user": {"id": "observer:reconciliation"}},
        {"user": {"id": "B0BOT"}},
    ],
)
def test_a_click_of_another_workspace_or_of_nobody_changes_nothing(town: Town, more: dict[str, Any]) -> None:
    card = opened(town)
    assert send(town, click(card, "incident_acknowledge", **more)).status_code == 200
    assert owner(town) is None
    assert send(town, click(card, "incident_acknowledge")).status_code == 200
    assert owner(town) == "slack:U001"


def test_a_command_of_another_workspace_lists_nothing_and_is_told_why(town: Town) -> None:
    opened(town)
    answer = send(town, command("list", team_id="T_EVIL"))
    assert "Only people of this workspace" in answer.text
    assert "Checkout" not in answer.text
    assert "Checkout" in send(town, command("list")).text


@pytest.mark.parametrize(
    ("origin", "policy", "why"),
    [
        (Origin("U1", frozenset({"T001"}), ""), Policy(), None),
        (Origin("U1", frozenset(), ""), Policy(), None),
        (Origin("U1", frozenset({"T002"}), ""), Policy(), Foreign.OTHER_WORKSPACE),
        (Origin("U1", frozenset({"T002"}), ""), Policy(external=True), None),
        (Origin("U1", frozenset({"T002"}), ""), Policy(may_act=frozenset({"U1"})), None),
        (Origin("U1", frozenset({"T001"}), "E1"), Policy(), Foreign.OTHER_WORKSPACE),
        (Origin("", frozenset(), ""), Policy(external=True), Foreign.NO_PERSON),
        (Origin("U1", frozenset({"T001"}), ""), Policy(may_read=frozenset({"U1"})), None),
        (Origin("U1", frozenset({"T001"}), ""), Policy(may_read=frozenset({"U2"})), Foreign.NO_READER),
        (Origin("U1", frozenset({"T001"}), ""), Policy(may_read=frozenset({"U2"}), may_act=frozenset({"U1"})), None),
    ],
)
def test_who_counts(origin: Origin, policy: Policy, why: Foreign | None) -> None:
    assert foreign(origin, TEAM, policy) is why
    assert foreign(origin, {}, policy) is not Foreign.OTHER_WORKSPACE, "before Slack said who we are"


def test_another_workspace_of_the_same_enterprise_counts() -> None:
    ours = {"team_id": "T001", "enterprise_id": "E1"}
    assert foreign(Origin("U1", frozenset({"T002"}), "E1"), ours, Policy()) is None
    assert foreign(Origin("U1", frozenset({"T002"}), "E2"), ours, Policy()) is Foreign.OTHER_WORKSPACE


def test_a_replayed_click_changes_nothing(town: Town) -> None:
    card = opened(town)
    body = click(card, "incident_acknowledge")
    headers = {**signed(body), "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{town.observer.url}/slack/events"
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    assert owner(town) == "slack:U001"
    town.slack.command("/incident unack 1", user="U002")
    assert owner(town) is None
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    assert owner(town) is None


@pytest.mark.parametrize(
    ("asked", "told"), [("list", "1 open incident"), ("show 1", "Checkout"), ("help", "/incident")]
)
def test_a_replayed_command_that_only_looks_is_answered_again_as_things_are_now(
    town: Town, asked: str, told: str
) -> None:
    opened(town)
    body = command(asked)
    headers = {**signed(body), "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{town.observer.url}/slack/events"
    first = httpx.post(url, content=body, headers=headers)
    again = httpx.post(url, content=body, headers=headers)
    assert told in first.text
    assert again.text == first.text
    town.slack.command("/incident resolve 1")
    if asked == "list":
        assert told not in httpx.post(url, content=body, headers=headers).text


def test_a_replayed_command_that_changes_something_is_refused(town: Town) -> None:
    opened(town)
    body = command("ack 1")
    headers = {**signed(body), "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{town.observer.url}/slack/events"
    assert "#1" in httpx.post(url, content=body, headers=headers).text
    town.slack.command("/incident unack 1", user="U002")
    replayed = httpx.post(url, content=body, headers=headers)
    assert (replayed.status_code, replayed.text) == (200, "")
    assert owner(town) is None


def test_the_command_may_have_another_name_which_answers_and_help_use(town: Town) -> None:
    answer = send(town, command("help", command="/obs"))
    assert answer.status_code == 200
    assert "/obs list" in answer.text
    assert "/incident" not in answer.text


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """An address that is not Slack's."""

    heard: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        """Write it down."""
        self.heard.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def test_an_answer_goes_to_no_other_address_than_slacks(town: Town) -> None:
    card = opened(town)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        body = click(card, "incident_acknowledge", response_url=f"http://127.0.0.1:{server.server_port}/redir")
        assert send(town, body).status_code == 200
        again = click(card, "incident_acknowledge", response_url=f"http://127.0.0.1:{server.server_port}/again")
        assert send(town, again).status_code == 200, "who is second is told"
        town.slack.command("/incident resolve 1")
        town.slack.wait_for_message(lambda message: "resolved" in message["text"], "the resolved card")
        assert Elsewhere.heard == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
