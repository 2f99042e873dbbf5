"""Slack's own framework understands everything the sandbox delivers."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest
from slack_bolt import App as Bolt
from slack_bolt import BoltRequest
from slack_bolt.authorization import AuthorizeResult
from starlette.responses import Response

from tests.bot.sandbox.support import Delivery, Slack, actions, button, modal, overflow, section, text_input


@pytest.fixture
def heard(slack: Slack) -> list[tuple[str, Any]]:
    """What a Bolt app behind the sandbox heard; its modal is `modal()` and it answers commands with a list."""
    log: list[tuple[str, Any]] = []
    bolt = Bolt(
        client=slack.client,
        signing_secret="sandbox-signing-secret",
        authorize=lambda: AuthorizeResult(
            enterprise_id=None,
            team_id="T001",
            bot_token="xoxb-sandbox",
            bot_id="B0SANDBOX",
            bot_user_id="U0SANDBOX",
        ),
        process_before_response=True,
    )

    @bolt.action("resolve")
    def resolve(ack: Any, body: Any, client: Any) -> None:
        client.views_open(trigger_id=body["trigger_id"], view=modal(text_input()))
        ack()

    @bolt.action("more")
    def more(ack: Any, action: Any, respond: Any) -> None:
        ack()
        log.append(("more", action["selected_option"]["value"]))
        respond("you chose", replace_original=False)

    @bolt.view("resolve")
    def submitted(ack: Any, view: Any, body: Any) -> None:
        value = view["state"]["values"]["cause"]["text"]["value"]
        log.append(("submitted", value))
        if value == "dunno":
            ack(response_action="errors", errors={"cause": "too vague"})
        else:
            ack()

    @bolt.command("/incident")
    def command(ack: Any, command: Any) -> None:
        log.append(("command", command["text"]))
        ack(text="one open", blocks=[section("one open")])

    @bolt.event("app_home_opened")
    def opened(event: Any) -> None:
        log.append(("home", event["user"]))

    @bolt.shortcut("incident_from_message")
    def shortcut(ack: Any, shortcut: Any) -> None:
        ack()
        log.append(("shortcut", shortcut["message_ts"]))

    async def dispatch(delivery: Delivery) -> Response:
        request = BoltRequest(body=delivery.body, headers={name: [value] for name, value in delivery.headers.items()})
        answer = await anyio.to_thread.run_sync(bolt.dispatch, request)
        headers = {name: values[0] for name, values in answer.headers.items()}
        return Response(answer.body, answer.status, headers)

    slack.app.answer = dispatch
    return log


def test_a_click_opens_a_modal_and_its_submission_is_understood(slack: Slack, heard: list[tuple[str, Any]]) -> None:
    ts = slack.say(blocks=[actions(button("resolve"))])
    assert slack.post("click", channel="incidents", ts=ts, action_id="resolve", user="U001")["status"] == 200
    [view] = slack.views()
    refused = slack.post("submit", view_id=view["id"], user="U001", values={"cause": {"text": "dunno"}})
    assert refused["errors"] == {"cause": "too vague"}
    slack.post("submit", view_id=view["id"], user="U001", values={"cause": {"text": "a deploy"}})
    assert slack.views() == []
    assert heard == [("submitted", "dunno"), ("submitted", "a deploy")]


def test_a_menu_is_answered_through_its_response_url(slack: Slack, heard: list[tuple[str, Any]]) -> None:
    ts = slack.say(blocks=[section(accessory=overflow("a", "b"))])
    slack.post("click", channel="incidents", ts=ts, action_id="more", value="b", user="U001")
    assert heard == [("more", "b")]
    assert [shown["text"] for shown in slack.ephemerals()] == ["you chose"]


def test_commands_events_and_shortcuts_find_their_listeners(slack: Slack, heard: list[tuple[str, Any]]) -> None:
    slack.post("command", text="/incident list", user="U001", channel="incidents")
    slack.post("open_home", user="U002")
    ts = slack.say()
    slack.post("shortcut", callback_id="incident_from_message", user="U001", channel="incidents", ts=ts)
    assert heard == [("command", "list"), ("home", "U002"), ("shortcut", ts)]
    assert slack.ephemerals()[0]["text"] == "one open"
    assert [made["status"] for made in slack.get("deliveries")["deliveries"]] == [200, 200, 200]


def test_what_nobody_listens_to_is_a_404(slack: Slack, heard: list[tuple[str, Any]]) -> None:
    ts = slack.say(blocks=[actions(button("other"))])
    assert slack.post("click", channel="incidents", ts=ts, action_id="other", user="U001")["status"] == 404
    assert heard == []
