"""What people do reaches the app signed, complete and in time, or they see that it did not."""

from __future__ import annotations

import socket
import time

import anyio
import pytest
from starlette.responses import PlainTextResponse, Response

from tests.bot.sandbox.conftest import Start
from tests.bot.sandbox.support import (
    Delivery,
    Slack,
    actions,
    button,
    option,
    overflow,
    request,
    section,
    text,
    wait_until,
)


def click(slack: Slack, ts: str, action_id: str = "go", **rest: object) -> dict[str, object]:
    answer: dict[str, object] = slack.post(
        "click", **{"channel": "incidents", "ts": ts, "action_id": action_id, "user": "U001", **rest}
    )
    return answer


def test_a_click_is_signed_and_complete(slack: Slack) -> None:
    ts = slack.say(blocks=[section(), actions(button("ack", value="v1:42", style="primary"), block_id="row")])
    answer = click(slack, ts, "ack")
    assert (answer["status"], answer["timed_out"], answer["error"]) == (200, False, None)
    delivery = slack.app.last
    assert delivery.verified
    payload = delivery.payload
    assert payload["type"] == "block_actions"
    assert payload["user"] == {"id": "U001", "username": "oncall", "name": "oncall", "team_id": "T001"}
    assert payload["team"]["id"] == "T001"
    assert payload["channel"] == {"id": "C001", "name": "incidents"}
    assert payload["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": "C001",
        "is_ephemeral": False,
    }
    assert payload["message"]["ts"] == ts
    assert payload["message"]["blocks"][1]["block_id"] == "row"
    [action] = payload["actions"]
    assert (action["type"], action["action_id"], action["block_id"], action["value"]) == (
        "button",
        "ack",
        "row",
        "v1:42",
    )
    assert action["text"] == text("Go")
    assert action["action_ts"]
    assert payload["response_url"].startswith(f"{slack.url}/response/")
    assert payload["trigger_id"]
    assert payload["api_app_id"] == "A0SANDBOX"


def test_a_menu_s_click_carries_the_whole_chosen_option(slack: Slack) -> None:
    ts = slack.say(blocks=[section(accessory=overflow("a", "b"))])
    click(slack, ts, "more", value="b")
    [action] = slack.app.last.payload["actions"]
    assert (action["type"], action["selected_option"]) == ("overflow", option("b"))
    status, reason = slack.refused("click", channel="C001", ts=ts, action_id="more", value="c", user="U001")
    assert (status, reason) == (404, "more has no option 'c'; it offers: a, b")


def test_a_click_on_what_is_not_there_says_what_is(slack: Slack) -> None:
    ts = slack.say(blocks=[actions(button("ack"), button("resolve"))])
    status, reason = slack.refused("click", channel="incidents", ts=ts, action_id="reopen", user="U001")
    assert (status, reason) == (404, "there is no element with action_id 'reopen' here; there are: ack, resolve")
    assert slack.refused("click", channel="incidents", ts="1.0", action_id="ack", user="U001")[0] == 404
    assert slack.app.deliveries == []


def test_the_block_id_tells_two_elements_of_the_same_name_apart(slack: Slack) -> None:
    rows = [actions(button("go", value=name), block_id=name) for name in ("one", "two")]
    click(slack, slack.say(blocks=rows), "go", block_id="two")
    assert slack.app.last.payload["actions"][0]["value"] == "two"


def test_a_button_in_an_attachment_can_be_clicked(slack: Slack) -> None:
    ts = slack.say(attachments=[{"color": "#a30200", "fallback": "x", "blocks": [actions(button("inside"))]}])
    assert click(slack, ts, "inside")["status"] == 200


def test_a_button_in_an_ephemeral_message_can_be_clicked(slack: Slack) -> None:
    slack.client.chat_postEphemeral(channel="C001", user="U001", text="psst", blocks=[actions(button("share"))])
    [shown] = slack.ephemerals()
    click(slack, shown["id"], "share", message_kind="ephemeral")
    payload = slack.app.last.payload
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload


def test_an_answer_that_takes_too_long_is_a_time_out(start: Start) -> None:
    slack = start(answer_within=0.2)

    async def slow(delivery: Delivery) -> Response:
        await anyio.sleep(0.5)
        return Response()

    slack.app.answer = slow
    ts = slack.say(blocks=[actions(button())])
    answer = click(slack, ts)
    assert (answer["status"], answer["timed_out"]) == (None, True)
    assert 0.19 <= float(str(answer["elapsed"])) < 0.5
    slack.post("command", text="/incident 42", user="U001", channel="incidents")
    assert [shown["text"] for shown in slack.ephemerals()] == ["/incident failed with the error “operation_timeout”"]


def test_the_sandbox_answers_others_while_the_app_is_slow(slack: Slack) -> None:
    elapsed: list[float] = []

    async def slow(delivery: Delivery) -> Response:
        started = time.monotonic()
        await anyio.to_thread.run_sync(slack.client.auth_test)
        elapsed.append(time.monotonic() - started)
        return Response()

    slack.app.answer = slow
    ts = slack.say(blocks=[actions(button())])
    assert click(slack, ts)["status"] == 200
    assert elapsed[0] < 2


def test_an_app_that_is_away_or_fails_is_shown_as_such(start: Start) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        slack = start(app_url=f"http://127.0.0.1:{nobody.getsockname()[1]}/slack/events")
        answer = slack.post("command", text="/incident", user="U001", channel="incidents")
    assert (answer["status"], answer["timed_out"]) == (None, False)
    assert "refused" in answer["error"]
    slack.post("options", app_url=slack.app.url)
    for status in (500, 404):
        slack.app.fails(status)
        assert slack.post("command", text="/incident", user="U001", channel="incidents")["status"] == status
    assert [shown["text"].partition("“")[2].rstrip("”") for shown in slack.ephemerals()] == [
        "dispatch_failed",
        "http_service_error",
        "http_client_error",
    ]


def test_a_command_is_a_signed_form_with_names_as_links_and_signs_escaped(slack: Slack) -> None:
    line = "/incident ack 42 @oncall #random @nobody a<b & c>d https://example.com/?a=1"
    slack.post("command", text=line, user="U003", channel="incidents")
    delivery = slack.app.last
    assert delivery.verified
    form = delivery.form
    assert form["text"] == (
        "ack 42 <@U001|oncall> <#C002|random> @nobody a&lt;b &amp; c&gt;d <https://example.com/?a=1>"
    )
    assert (form["command"], form["user_id"], form["user_name"]) == ("/incident", "U003", "lead")
    assert (form["channel_id"], form["channel_name"], form["team_id"]) == ("C001", "incidents", "T001")
    assert form.keys() >= {"token", "trigger_id", "response_url", "api_app_id", "team_domain"}


def test_a_command_without_text_sends_an_empty_one(slack: Slack) -> None:
    slack.post("command", text="/incident", user="U001", channel="incidents")
    assert slack.app.last.form["text"] == ""


def test_a_command_nobody_registered_never_reaches_the_app(slack: Slack) -> None:
    slack.post("command", text="/weather", user="U001", channel="incidents")
    assert slack.app.deliveries == []
    assert "`/weather` is not a valid command" in slack.ephemerals()[0]["text"]
    slack.post("users", id="U001", name="oncall", locale="ko-KR")
    slack.post("command", text="/weather", user="U001", channel="incidents")
    assert "`/weather`은(는) 올바른 명령이 아닙니다" in slack.ephemerals()[1]["text"]


def test_a_command_s_answer_is_shown_to_the_person_or_to_the_channel(slack: Slack) -> None:
    slack.app.says({"text": "one open", "blocks": [section("one open")]})
    slack.post("command", text="/incident", user="U001", channel="incidents")
    slack.app.says({"text": "shared", "response_type": "in_channel"})
    slack.post("command", text="/incident", user="U001", channel="incidents")

    async def plain(delivery: Delivery) -> Response:
        return PlainTextResponse("just words")

    slack.app.answer = plain
    slack.post("command", text="/incident", user="U001", channel="incidents")
    assert [shown["text"] for shown in slack.ephemerals()] == ["one open", "just words"]
    assert slack.ephemerals("U002") == []
    assert slack.texts() == ["shared"]


def test_a_command_s_answer_with_wrong_blocks_fails(slack: Slack) -> None:
    slack.app.says({"text": "x", "blocks": [section("")]})
    slack.post("command", text="/incident", user="U001", channel="incidents")
    assert slack.ephemerals()[0]["text"] == "/incident failed with the error “invalid_blocks”"


def test_an_event_comes_in_a_signed_envelope(slack: Slack) -> None:
    answer = slack.post("event", event={"type": "app_home_opened", "user": "U001", "tab": "home"})
    delivery = slack.app.last
    assert delivery.verified
    envelope = delivery.payload
    assert (envelope["type"], envelope["event"]["type"]) == ("event_callback", "app_home_opened")
    assert envelope["event_id"] == answer["event_id"]
    assert answer["will_retry"] is False
    assert "x-slack-retry-num" not in delivery.headers


def test_url_verification_is_no_envelope(slack: Slack) -> None:
    slack.app.says({"challenge": "c"})
    answer = slack.post("event", event={"type": "url_verification", "challenge": "c"})
    assert slack.app.last.payload.keys() == {"token", "type", "challenge"}
    assert answer["body"] == '{"challenge":"c"}'


def test_an_event_that_is_not_taken_is_sent_again_three_times_with_the_reason(start: Start) -> None:
    slack = start(event_retry_delays=(0.01, 0.01, 0.01))
    slack.app.fails(500)
    assert slack.post("event", event={"type": "app_home_opened"})["will_retry"] is True
    wait_until(lambda: len(slack.app.deliveries) == 4)
    time.sleep(0.1)
    retries = [
        (one.headers.get("x-slack-retry-num"), one.headers.get("x-slack-retry-reason")) for one in slack.app.deliveries
    ]
    assert retries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert len({one.payload["event_id"] for one in slack.app.deliveries}) == 1
    assert all(one.verified for one in slack.app.deliveries)


def test_the_app_can_ask_for_no_more_retries(start: Start) -> None:
    slack = start(event_retry_delays=(0.01,))

    async def never_again(delivery: Delivery) -> Response:
        return Response(status_code=500, headers={"x-slack-no-retry": "1"})

    slack.app.answer = never_again
    assert slack.post("event", event={"type": "app_home_opened"})["will_retry"] is False


def test_an_event_answered_too_late_is_sent_again_as_timed_out(start: Start) -> None:
    slack = start(event_retry_delays=(0.01,), answer_within=0.2)

    async def slow_once(delivery: Delivery) -> Response:
        if "x-slack-retry-num" not in delivery.headers:
            await anyio.sleep(0.4)
        return Response()

    slack.app.answer = slow_once
    slack.post("event", event={"type": "app_home_opened"})
    wait_until(lambda: len(slack.app.deliveries) == 2)
    assert slack.app.last.headers["x-slack-retry-reason"] == "http_timeout"


def test_shortcuts_say_where_they_were_used(slack: Slack) -> None:
    ts = slack.say("look at this")
    slack.post("shortcut", callback_id="incident_from_message", user="U002", channel="incidents", ts=ts)
    payload = slack.app.last.payload
    assert (payload["type"], payload["callback_id"], payload["message"]["ts"]) == (
        "message_action",
        "incident_from_message",
        ts,
    )
    slack.post("shortcut", callback_id="anything", user="U002")
    assert slack.app.last.payload["type"] == "shortcut"


def test_every_delivery_is_written_down(slack: Slack) -> None:
    slack.post("command", text="/incident", user="U001", channel="incidents")
    [made] = slack.get("deliveries")["deliveries"]
    assert (made["kind"], made["status"]) == ("command", 200)


# -- response_url ------------------------------------------------------------------------------------------------------


def respond(url: str, **body: object) -> tuple[int, object]:
    status, answer = request(url, body)
    return status, answer["error"] if isinstance(answer, dict) else answer


@pytest.fixture
def clicked(slack: Slack) -> tuple[str, str]:
    """A card somebody clicked: its ts and the response_url."""
    ts = slack.say("card", blocks=[actions(button())])
    click(slack, ts)
    return ts, slack.app.last.payload["response_url"]


def test_a_response_url_answers_only_the_person_by_default(slack: Slack, clicked: tuple[str, str]) -> None:
    assert respond(clicked[1], text="already done", blocks=[section("already done")]) == (200, "ok")
    assert [shown["text"] for shown in slack.ephemerals()] == ["already done"]
    assert slack.texts() == ["card"]


def test_a_response_url_can_tell_the_channel_replace_and_delete(slack: Slack, clicked: tuple[str, str]) -> None:
    assert respond(clicked[1], text="to all", response_type="in_channel")[0] == 200
    assert respond(clicked[1], text="new face", replace_original=True)[0] == 200
    assert slack.texts() == ["new face", "to all"]
    assert slack.messages()[0]["edits"] == 1
    assert respond(clicked[1], delete_original=True)[0] == 200
    assert [message["deleted"] for message in slack.messages()] == [True, False]
    assert respond(clicked[1], delete_original=True) == (400, "message_not_found")


def test_a_response_url_works_five_times(slack: Slack, clicked: tuple[str, str]) -> None:
    assert [respond(clicked[1], text=str(number))[0] for number in range(5)] == [200] * 5
    assert respond(clicked[1], text="6") == (404, "used_url")
    assert len(slack.ephemerals()) == 5


def test_a_response_url_ends_after_half_an_hour(start: Start) -> None:
    now = [1_000_000.0]
    slack = start(clock=lambda: now[0])
    click(slack, slack.say(blocks=[actions(button())]))
    url = slack.app.last.payload["response_url"]
    now[0] += 1799
    assert respond(url, text="x")[0] == 200
    now[0] += 2
    assert respond(url, text="x") == (404, "expired_url")
    assert respond(f"{slack.url}/response/none", text="x") == (404, "no_such_url")


def test_a_response_slack_would_not_take_is_refused_and_not_counted(slack: Slack, clicked: tuple[str, str]) -> None:
    assert respond(clicked[1], text="x", blocks=[section("")]) == (400, "invalid_blocks")
    assert respond(clicked[1], text="") == (400, "no_text")
    assert [respond(clicked[1], text="x")[0] for _ in range(5)] == [200] * 5


def test_an_ephemeral_answer_replaces_and_deletes_itself(slack: Slack) -> None:
    slack.app.says({"text": "list", "blocks": [actions(button("next"))]})
    slack.post("command", text="/incident", user="U001", channel="incidents")
    slack.app.answer = None
    [shown] = slack.ephemerals()
    click(slack, shown["id"], "next", message_kind="ephemeral")
    url = slack.app.last.payload["response_url"]
    assert respond(url, text="page 2", replace_original=True)[0] == 200
    assert [one["text"] for one in slack.ephemerals()] == ["page 2"]
    assert respond(url, delete_original=True)[0] == 200
    assert slack.ephemerals() == []
