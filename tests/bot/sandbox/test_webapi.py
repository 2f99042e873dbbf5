"""Tokens, scopes, who is who, and the shape of every answer."""

from __future__ import annotations

import pytest
from slack_sdk import WebClient

from bot.sandbox.settings import DEFAULT_SCOPES
from bot.sandbox.webapi import METHODS
from tests.bot.sandbox.support import Slack, error_of, refusal_of, request


def test_auth_test_says_who_the_app_is(slack: Slack) -> None:
    answer = slack.client.auth_test()
    assert (answer["bot_id"], answer["user_id"], answer["team_id"]) == ("B0SANDBOX", "U0SANDBOX", "T001")
    assert answer.headers["x-oauth-scopes"].split(",") == list(DEFAULT_SCOPES)


def test_api_test_needs_no_token_and_says_back_what_it_was_told(slack: Slack) -> None:
    assert request(f"{slack.url}/api/api.test", {"foo": "bar"}) == (200, {"ok": True, "args": {"foo": "bar"}})
    assert request(f"{slack.url}/api/api.test?error=my_error", b"")[1]["error"] == "my_error"


def test_a_wrong_token_is_invalid_and_a_missing_one_is_not_authed(slack: Slack) -> None:
    wrong = WebClient(token="xoxb-other", base_url=slack.running.api_url, retry_handlers=[])
    assert error_of(wrong.auth_test) == "invalid_auth"
    assert request(f"{slack.url}/api/auth.test", {})[1] == {"ok": False, "error": "not_authed"}
    slack.post("options", token="xoxb-other")
    assert wrong.auth_test()["ok"]
    assert error_of(slack.client.auth_test) == "invalid_auth"


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"api.test"}))
def test_no_method_but_api_test_works_without_a_token(slack: Slack, method: str) -> None:
    assert request(f"{slack.url}/api/{method}", {})[1]["error"] == "not_authed"


def test_an_unknown_method_is_named(slack: Slack) -> None:
    refusal = refusal_of(slack.client.api_call, api_method="chat.shout")
    assert (refusal["error"], refusal["req_method"]) == ("unknown_method", "chat.shout")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "invalid_json"),
        (b'{"text": NaN}', "application/json", "invalid_json"),
        (b'{"limit": 1e999}', "application/json", "invalid_json"),
        (b"[1]", "application/json; charset=utf-8", "json_not_object"),
        (b"[" * 100_000, "application/json", "invalid_json"),
        (b"\xff=1", "application/x-www-form-urlencoded", "invalid_form_data"),
        (b"x", "text/csv", "invalid_post_type"),
        (b"x" * 5_000_001, "application/x-www-form-urlencoded", "invalid_arguments"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(slack: Slack, body: bytes, kind: str, code: str) -> None:
    status, answer = request(f"{slack.url}/api/auth.test", body, {"content-type": kind})
    assert (status, answer["error"]) == (200, code)


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("chat.postMessage", "chat:write"),
        ("chat.update", "chat:write"),
        ("users.info", "users:read"),
        ("usergroups.list", "usergroups:read"),
        ("conversations.list", "channels:read"),
        ("conversations.history", "channels:history"),
        ("conversations.join", "channels:join"),
    ],
)
def test_a_missing_scope_is_named_beside_those_there_are(slack: Slack, method: str, needed: str) -> None:
    slack.post("options", scopes=["commands"])
    refusal = refusal_of(slack.client.api_call, api_method=method, json={"channel": "C001", "user": "U001"})
    assert (refusal["error"], refusal["needed"], refusal["provided"]) == ("missing_scope", needed, "commands")


def test_the_default_scopes_do_not_allow_joining_and_more_can_be_given(slack: Slack) -> None:
    slack.post("channels", name="elsewhere", is_member=False)
    assert error_of(slack.client.conversations_join, channel="C003") == "missing_scope"
    slack.post("options", scopes=[*DEFAULT_SCOPES, "channels:join"])
    assert slack.client.conversations_join(channel="C003")["channel"]["is_member"] is True
    assert slack.client.conversations_join(channel="C003")["warning"] == "already_in_channel"


def test_channels_are_listed_by_type_and_page(slack: Slack) -> None:
    slack.post("channels", name="closed", is_private=True)
    slack.post("channels", name="hidden", is_private=True, is_member=False)
    slack.post("channels", name="attic", is_archived=True)

    def names(**arguments: object) -> list[str]:
        answer = slack.client.api_call("conversations.list", params=arguments)
        return [channel["name"] for channel in answer["channels"]]

    assert names() == ["incidents", "random", "attic"]
    assert names(exclude_archived="true") == ["incidents", "random"]
    assert names(types="private_channel") == ["closed"]
    assert names(limit=1) == ["incidents"]
    assert error_of(slack.client.conversations_list, types="secret") == "invalid_types"
    mine = slack.client.users_conversations(types="public_channel,private_channel")["channels"]
    assert "hidden" not in [channel["name"] for channel in mine]
    assert slack.client.conversations_info(channel="C001")["channel"]["name"] == "incidents"
    assert error_of(slack.client.conversations_info, channel="C004") == "channel_not_found"
    assert "U0SANDBOX" in slack.client.conversations_members(channel="C001")["members"]


def test_people_have_names_and_on_demand_a_locale(slack: Slack) -> None:
    user = slack.client.users_info(user="U001", include_locale=True)["user"]
    assert (user["name"], user["locale"], user["tz"]) == ("oncall", "en-US", "Asia/Seoul")
    assert "locale" not in slack.client.users_info(user="U001")["user"]
    assert slack.client.users_info(user="U0SANDBOX")["user"]["is_bot"] is True
    assert error_of(slack.client.users_info, user="U999") == "user_not_found"
    assert [member["id"] for member in slack.client.users_list()["members"]] == ["U001", "U002", "U003", "U0SANDBOX"]


def test_people_and_groups_can_be_added_and_changed(slack: Slack) -> None:
    assert slack.post("users", name="sora", locale="ko-KR")["user"]["id"] == "U004"
    assert slack.post("users", id="U004", name="sora-kim")["user"]["name"] == "sora-kim"
    slack.post("usergroups", handle="oncall", users=["U004"])
    [group] = slack.client.usergroups_list(include_users=True)["usergroups"]
    assert (group["handle"], group["users"]) == ("oncall", ["U004"])
    assert slack.client.usergroups_users_list(usergroup="S001")["users"] == ["U004"]
    assert error_of(slack.client.usergroups_users_list, usergroup="S9") == "no_such_subteam"


def test_every_call_is_written_down_without_the_token(slack: Slack) -> None:
    slack.say("one", blocks=[{"type": "divider"}])
    error_of(slack.client.chat_update, channel="C001", ts="1.000001", text="x")
    calls = slack.get("calls")["calls"]
    assert [(call["method"], call["channel"], call["outcome"]) for call in calls] == [
        ("chat.postMessage", "C001", "ok"),
        ("chat.update", "C001", "message_not_found"),
    ]
    assert calls[0]["args"] == {"channel": "incidents", "text": "one", "blocks": "1 items"}
    assert slack.get("calls", method="chat.update", since=str(calls[1]["at"]))["calls"] == calls[1:]
    assert "xoxb" not in str(calls)


def test_reset_forgets_what_happened_but_not_who_is_there(slack: Slack) -> None:
    slack.post("channels", name="new")
    slack.say()
    slack.post("faults", method="chat.postMessage", kind="error")
    slack.post("reset")
    assert slack.messages() == []
    assert slack.get("calls")["calls"] == []
    assert slack.get("faults")["faults"] == []
    assert [channel["name"] for channel in slack.get("state")["channels"]] == ["incidents", "random", "new"]


def test_a_control_request_that_makes_no_sense_says_why(slack: Slack) -> None:
    assert slack.refused("click", channel="nowhere", ts="1")[0] == 404
    assert slack.refused("command", text="hello", user="oncall") == (
        400,
        "a command begins with /, not 'hello'; POST /control/message posts a message",
    )
    assert slack.refused("command", text="/incident", user="nobody")[0] == 404
    assert slack.refused("faults", kind="sulk")[0] == 400
    assert slack.refused("faults", kind="error", method="chat.shout")[0] == 400
    assert slack.refused("options", speed=3)[0] == 400
    assert slack.refused("options", app_url="file:///etc/passwd")[0] == 400
    assert slack.refused("event", event={})[0] == 400
    assert request(f"{slack.url}/control/command", b"[]")[0] == 400
