"""Modals and Home tabs: opened with a fresh trigger, filled in, refused, changed, closed."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest
from starlette.responses import Response

from tests.bot.sandbox.conftest import Start
from tests.bot.sandbox.support import (
    Delivery,
    Json,
    Slack,
    actions,
    button,
    error_of,
    modal,
    option,
    refusal_of,
    section,
    text,
    text_input,
)

FILLED = {"cause": {"text": "a deploy"}}


def trigger(slack: Slack, user: str = "U001") -> str:
    ts = slack.say(blocks=[actions(button("open"))])
    slack.post("click", channel="incidents", ts=ts, action_id="open", user=user)
    return str(slack.app.last.payload["trigger_id"])


def submit(slack: Slack, view: Json, values: Any = FILLED) -> Json:
    answer: Json = slack.post("submit", view_id=view["id"], user="U001", values=values)
    return answer


def test_a_modal_opens_for_the_person_who_clicked(slack: Slack) -> None:
    answer = slack.client.views_open(trigger_id=trigger(slack, "U002"), view=modal(private_metadata="42"))
    [view] = slack.views("U002")
    assert view["id"] == answer["view"]["id"]
    assert (view["hash"], view["private_metadata"]) == (answer["view"]["hash"], "42")
    assert view["root_view_id"] == view["id"]
    assert slack.views("U001") == []


def test_a_trigger_works_once(slack: Slack) -> None:
    used = trigger(slack)
    slack.client.views_open(trigger_id=used, view=modal())
    assert error_of(slack.client.views_open, trigger_id=used, view=modal()) == "exchanged_trigger_id"
    assert error_of(slack.client.views_open, trigger_id="1.2.3", view=modal()) == "invalid_trigger_id"


def test_a_trigger_expires_after_three_seconds(start: Start) -> None:
    now = [1_000_000.0]
    slack = start(clock=lambda: now[0])
    early, late = trigger(slack), trigger(slack)
    now[0] += 2.9
    slack.client.views_open(trigger_id=early, view=modal())
    now[0] += 0.2
    assert error_of(slack.client.views_open, trigger_id=late, view=modal()) == "expired_trigger_id"


def test_a_view_slack_would_not_take_is_refused_and_the_trigger_is_not_spent(slack: Slack) -> None:
    fresh = trigger(slack)
    refusal = refusal_of(slack.client.views_open, trigger_id=fresh, view=modal(title=text("x" * 25)))
    assert refusal["error"] == "invalid_arguments"
    assert "[json-pointer:/view/title/text]" in refusal["response_metadata"]["messages"][0]
    large = modal(*[section("가" * 2900) for _ in range(30)])
    assert error_of(slack.client.views_open, trigger_id=fresh, view=large) == "view_too_large"
    home = {"type": "home", "blocks": [section()]}
    assert error_of(slack.client.views_open, trigger_id=fresh, view=home) == "invalid_arguments"
    slack.client.views_open(trigger_id=fresh, view=modal())


def test_two_views_may_be_pushed_on_top_of_the_first(slack: Slack) -> None:
    first = slack.open_modal(modal(actions(button("deeper"), block_id="row")))
    for _ in range(2):
        slack.post("click_view", view_id=first["id"], action_id="deeper", user="U001")
        slack.client.views_push(trigger_id=slack.app.last.payload["trigger_id"], view=modal())
    assert [view["previous_view_id"] for view in slack.views()] == [None, *[view["id"] for view in slack.views()[:2]]]
    slack.post("click_view", view_id=first["id"], action_id="deeper", user="U001")
    fresh = slack.app.last.payload["trigger_id"]
    assert error_of(slack.client.views_push, trigger_id=fresh, view=modal()) == "push_limit_reached"


def test_an_update_with_an_old_hash_is_a_conflict(slack: Slack) -> None:
    view = slack.open_modal(modal(external_id="e-1"))
    slack.client.views_update(external_id="e-1", view=modal(external_id="e-1"), hash=view["hash"])
    assert slack.views()[0]["hash"] != view["hash"]
    outdated = {"view_id": view["id"], "view": modal(), "hash": view["hash"]}
    assert error_of(slack.client.views_update, **outdated) == "hash_conflict"
    slack.post("close", view_id=view["id"], user="U001")
    assert error_of(slack.client.views_update, view_id=view["id"], view=modal()) == "not_found"


def test_an_external_id_is_used_once_at_a_time(slack: Slack) -> None:
    slack.client.views_open(trigger_id=trigger(slack, "U001"), view=modal(external_id="e"))
    second = trigger(slack, "U002")
    assert error_of(slack.client.views_open, trigger_id=second, view=modal(external_id="e")) == "duplicate_external_id"


def test_a_click_in_a_modal_carries_the_view_and_what_was_typed(slack: Slack) -> None:
    view = slack.open_modal(modal(text_input(), actions(button("check"), block_id="row")))
    slack.post("click_view", view_id=view["id"], action_id="check", user="U001", values=FILLED)
    payload = slack.app.last.payload
    assert payload["container"] == {"type": "view", "view_id": view["id"]}
    assert payload["view"]["state"]["values"]["cause"]["text"] == {"type": "plain_text_input", "value": "a deploy"}
    assert payload["actions"][0]["action_id"] == "check"


def test_a_submission_is_signed_and_carries_every_value(slack: Slack) -> None:
    kind = text_input("kind") | {
        "element": {"type": "static_select", "action_id": "s", "options": [option("a"), option("b")]}
    }
    flags = text_input("flags", optional=True) | {
        "element": {"type": "checkboxes", "action_id": "c", "options": [option("x"), option("y")]}
    }
    when = text_input("when", optional=True) | {"element": {"type": "datepicker", "action_id": "d"}}
    view = slack.open_modal(modal(text_input(), text_input("note", optional=True), kind, flags, when))
    answer = submit(slack, view, {**FILLED, "kind": {"s": "b"}, "flags": {"c": ["x", "y"]}})
    assert (answer["status"], answer["errors"], answer["response_action"]) == (200, {}, "close")
    assert slack.app.last.verified
    payload = slack.app.last.payload
    assert payload["type"] == "view_submission"
    assert payload["view"]["callback_id"] == "resolve"
    assert payload["view"]["state"]["values"] == {
        "cause": {"text": {"type": "plain_text_input", "value": "a deploy"}},
        "note": {"text": {"type": "plain_text_input", "value": None}},
        "kind": {"s": {"type": "static_select", "selected_option": option("b")}},
        "flags": {"c": {"type": "checkboxes", "selected_options": [option("x"), option("y")]}},
        "when": {"d": {"type": "datepicker", "selected_date": None}},
    }
    assert payload["trigger_id"]
    assert slack.views() == []


@pytest.mark.parametrize(
    ("element", "value", "error"),
    [
        ({}, "", "Please complete this required field."),
        ({}, "  \n ", "Please complete this required field."),
        ({"min_length": 5}, "abc", "Your entry needs to be at least 5 characters."),
        ({"max_length": 3}, "abcde", "Your entry is 2 characters too long."),
        ({"type": "email_text_input"}, "oncall", "Please enter a valid email address."),
        ({"type": "url_text_input"}, "oncall", "Please enter a valid URL."),
        ({"type": "number_input", "is_decimal_allowed": True}, "many", "Please enter a valid number."),
    ],
)
def test_the_client_refuses_what_is_incomplete_before_anything_is_sent(
    slack: Slack, element: Json, value: str, error: str
) -> None:
    view = slack.open_modal(modal(text_input(**element)))
    sent = len(slack.app.deliveries)
    answer = submit(slack, view, {"cause": {"text": value}})
    assert (answer["status"], answer["errors"]) == (None, {"cause": error})
    assert slack.views()[0]["errors"] == {"cause": error}
    assert len(slack.app.deliveries) == sent


def test_an_initial_value_counts_as_filled_in(slack: Slack) -> None:
    view = slack.open_modal(modal(text_input(initial_value="as before")))
    submit(slack, view, {})
    assert slack.app.last.payload["view"]["state"]["values"]["cause"]["text"]["value"] == "as before"


def test_values_for_inputs_that_are_not_there_are_a_mistake_of_the_test(slack: Slack) -> None:
    view = slack.open_modal(modal())
    refused = slack.refused("submit", view_id=view["id"], user="U001", values={"other": {"text": "x"}})
    assert refused == (404, "the view has no input other/text; it has: cause/text")


def test_the_app_s_errors_are_shown_beside_the_fields_and_the_modal_stays(slack: Slack) -> None:
    view = slack.open_modal(modal())
    slack.app.says({"response_action": "errors", "errors": {"cause": "too vague"}})
    answer = submit(slack, view)
    assert (answer["errors"], answer["response_action"]) == ({"cause": "too vague"}, "errors")
    assert slack.views()[0]["errors"] == {"cause": "too vague"}
    slack.app.answer = None
    submit(slack, view)
    assert slack.views() == []


def test_an_answer_can_change_the_modal_put_one_on_top_or_close_all(slack: Slack) -> None:
    view = slack.open_modal(modal())
    slack.app.says({"response_action": "update", "view": modal(title=text("Second"))})
    submit(slack, view)
    assert [(one["id"], one["title"]["text"]) for one in slack.views()] == [(view["id"], "Second")]
    slack.app.says({"response_action": "push", "view": modal(title=text("Third"))})
    submit(slack, view)
    assert [one["title"]["text"] for one in slack.views()] == ["Second", "Third"]
    slack.app.says({"response_action": "clear"})
    submit(slack, slack.views()[-1])
    assert slack.views() == []


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "dance"},
        {"response_action": "errors", "errors": {"other": "x"}},
        {"response_action": "errors", "errors": {}},
        {"response_action": "update", "view": {"type": "modal"}},
        ["x"],
        {},
    ],
)
def test_an_answer_nobody_understands_is_trouble_connecting(slack: Slack, answer: Any) -> None:
    view = slack.open_modal(modal())
    slack.app.says(answer)
    outcome = submit(slack, view)
    assert outcome["failure"] == "We had some trouble connecting. Try again?"
    assert slack.views()[0]["failure"] == outcome["failure"]


def test_a_failed_submission_leaves_the_modal_open(slack: Slack) -> None:
    view = slack.open_modal(modal())
    slack.app.fails(500)
    assert submit(slack, view)["failure"]
    assert len(slack.views()) == 1


def test_an_app_can_open_a_modal_while_its_click_is_being_answered(slack: Slack) -> None:
    async def open_first(delivery: Delivery) -> Response:
        fresh = delivery.payload["trigger_id"]
        await anyio.to_thread.run_sync(lambda: slack.client.views_open(trigger_id=fresh, view=modal()))
        return Response()

    slack.app.answer = open_first
    trigger(slack)
    assert len(slack.views()) == 1


def test_closing_is_told_only_to_those_who_asked(slack: Slack) -> None:
    silent = slack.open_modal(modal())
    slack.post("close", view_id=silent["id"], user="U001")
    assert slack.app.last.payload["type"] == "block_actions"
    told = slack.open_modal(modal(notify_on_close=True))
    slack.post("close", view_id=told["id"], user="U001")
    payload = slack.app.last.payload
    assert (payload["type"], payload["view"]["id"], payload["is_cleared"]) == ("view_closed", told["id"], False)
    assert slack.views() == []
    assert slack.refused("close", view_id=told["id"], user="U001")[0] == 404


def test_a_home_tab_is_published_opened_and_clicked(slack: Slack) -> None:
    assert slack.get("home", user="U001")["view"] is None
    home = {"type": "home", "blocks": [section(), actions(button("mine"))]}
    published = slack.client.views_publish(user_id="U001", view=home)["view"]
    slack.post("open_home", user="U001")
    event = slack.app.last.payload["event"]
    assert (event["type"], event["tab"], event["view"]["id"]) == ("app_home_opened", "home", published["id"])
    slack.post("click_view", view_id=published["id"], action_id="mine", user="U001")
    assert slack.app.last.payload["view"]["type"] == "home"
    again = slack.client.views_publish(user_id="U001", view=home, hash=published["hash"])["view"]
    assert again["id"] == published["id"]
    stale = {"user_id": "U001", "view": home, "hash": published["hash"]}
    assert error_of(slack.client.views_publish, **stale) == "hash_conflict"
    assert error_of(slack.client.views_publish, user_id="U9", view=home) == "user_not_found"
