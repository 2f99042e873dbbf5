"""Posting, changing and deleting messages, and reading them back."""

from __future__ import annotations

import pytest

from bot.sandbox.settings import DEFAULT_SCOPES
from tests.bot.sandbox.conftest import Start
from tests.bot.sandbox.support import Slack, actions, button, error_of, refusal_of, request, section

METADATA = {"event_type": "incident_post", "event_payload": {"key": "k-1"}}


@pytest.mark.parametrize("name", ["incidents", "#incidents", "C001"])
def test_a_message_may_be_posted_by_the_channel_s_name_and_is_answered_with_its_id(slack: Slack, name: str) -> None:
    answer = slack.client.chat_postMessage(channel=name, text="hello", blocks=[section("hello")])
    assert answer["channel"] == "C001"
    assert answer["message"]["ts"] == answer["ts"]
    assert answer["message"]["bot_id"] == "B0SANDBOX"
    assert slack.messages()[0]["text"] == "hello"


def test_every_message_has_its_own_ts_in_order(slack: Slack) -> None:
    posted = [slack.say(str(number)) for number in range(20)]
    assert posted == sorted(set(posted))


def test_blocks_without_identifiers_get_them(slack: Slack) -> None:
    slack.say(blocks=[actions({"type": "button", "text": {"type": "plain_text", "text": "Go"}})])
    block = slack.messages()[0]["blocks"][0]
    assert block["block_id"]
    assert block["elements"][0]["action_id"]


def test_the_body_may_be_a_form(slack: Slack) -> None:
    form = b"channel=incidents&text=hello&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D&token=xoxb-sandbox"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, answer = request(f"{slack.url}/api/chat.postMessage", form, headers)
    assert (status, answer["ok"]) == (200, True)
    assert slack.messages()[0]["blocks"][0]["type"] == "divider"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"channel": "nowhere"}, "channel_not_found"),
        ({"channel": "C999"}, "channel_not_found"),
        ({"channel": "attic"}, "is_archived"),
        ({"channel": "secret"}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
        ({"attachments": "["}, "invalid_attachments"),
        ({"attachments": [{"color": 5}]}, "invalid_attachments"),
        ({"markdown_text": "*x*"}, "markdown_text_conflict"),
        ({"thread_ts": "1.000001"}, "thread_not_found"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "", "event_payload": {}}}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "x", "event_payload": "x"}}, "invalid_metadata_format"),
        ({"metadata": "{"}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "x", "event_payload": {"x": "x" * 16_001}}}, "metadata_too_large"),
    ],
)
def test_a_message_slack_would_not_take_is_refused_with_its_code(
    slack: Slack, arguments: dict[str, object], code: str
) -> None:
    slack.post("channels", name="attic", is_archived=True)
    slack.post("channels", name="secret", is_private=True, is_member=False)
    body = {"channel": "incidents", "text": "x", **arguments}
    assert error_of(slack.client.api_call, api_method="chat.postMessage", json=body) == code
    assert slack.messages() == []


def test_a_public_channel_needs_membership_or_a_scope(slack: Slack) -> None:
    slack.post("channels", name="elsewhere", is_member=False)
    slack.say(channel="elsewhere")
    slack.post("options", scopes=[scope for scope in DEFAULT_SCOPES if scope != "chat:write.public"])
    assert error_of(slack.say, channel="elsewhere") == "not_in_channel"


def test_a_person_s_id_is_their_direct_conversation(slack: Slack) -> None:
    assert slack.client.chat_postMessage(channel="U001", text="psst")["channel"] == "D001"


def test_a_long_text_without_blocks_is_split_and_with_blocks_is_not(slack: Slack) -> None:
    slack.say("word " * 1_000)
    assert [len(one) for one in slack.texts()] == [4000, 1000]
    slack.say("x" * 5_000, blocks=[section()])
    assert len(slack.messages()) == 3


def test_an_update_with_text_alone_removes_the_blocks(slack: Slack) -> None:
    ts = slack.say("one", blocks=[section("one")])
    answer = slack.client.chat_update(channel="C001", ts=ts, text="two")
    message = slack.messages()[0]
    assert (message["text"], message["blocks"], message["edits"]) == ("two", [], 1)
    assert message["history"][0]["text"] == "one"
    assert message["history"][0]["blocks"][0]["text"]["text"] == "one"
    assert answer["message"]["edited"]


def test_an_update_with_attachments_alone_keeps_text_and_blocks(slack: Slack) -> None:
    ts = slack.say("one", blocks=[section("one")])
    slack.client.chat_update(channel="C001", ts=ts, attachments=[{"text": "beside", "fallback": "beside"}])
    message = slack.messages()[0]
    assert (message["text"], len(message["blocks"]), len(message["attachments"])) == ("one", 1, 1)


def test_an_update_with_blocks_is_not_marked_as_edited(slack: Slack) -> None:
    ts = slack.say("one", blocks=[section("one")])
    answer = slack.client.chat_update(channel="C001", ts=ts, text="two", blocks=[section("two")], attachments=[])
    assert "edited" not in answer["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"channel": "incidents"}, "channel_not_found"),  # an id is needed here
        ({"ts": "1.000001"}, "message_not_found"),
        ({"text": "x" * 4_001}, "msg_too_long"),
        ({"text": ""}, "no_text"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
    ],
)
def test_an_update_slack_would_not_take_is_refused_with_its_code(
    slack: Slack, arguments: dict[str, object], code: str
) -> None:
    ts = slack.say("one")
    body = {"channel": "C001", "ts": ts, "text": "two", **arguments}
    assert error_of(slack.client.api_call, api_method="chat.update", json=body) == code
    assert slack.messages()[0]["edits"] == 0


def test_somebody_else_s_message_can_neither_be_changed_nor_deleted(slack: Slack) -> None:
    ts = slack.post("message", user="oncall", channel="incidents", text="mine & <yours>, @backup")["ts"]
    assert error_of(slack.client.chat_update, channel="C001", ts=ts, text="x") == "cant_update_message"
    assert error_of(slack.client.chat_delete, channel="C001", ts=ts) == "cant_delete_message"
    assert slack.texts() == ["mine &amp; &lt;yours&gt;, <@U002|backup>"]


def test_a_deleted_message_is_gone_from_history_but_the_control_still_shows_it(slack: Slack) -> None:
    ts = slack.say("one")
    slack.client.chat_delete(channel="C001", ts=ts)
    assert slack.client.conversations_history(channel="C001")["messages"] == []
    assert slack.messages()[0]["deleted"] is True
    assert error_of(slack.client.chat_delete, channel="C001", ts=ts) == "message_not_found"
    assert error_of(slack.client.chat_update, channel="C001", ts=ts, text="x") == "message_not_found"


def test_a_channel_keeps_its_newest_messages_only(start: Start) -> None:
    slack = start(messages_per_channel=3)
    for number in range(5):
        slack.say(str(number))
    assert slack.texts() == ["2", "3", "4"]


def test_client_msg_id_deduplicates_only_when_told_to(slack: Slack) -> None:
    first = slack.say("one", client_msg_id="c-1")
    assert slack.say("one", client_msg_id="c-1") != first
    slack.post("options", client_msg_id=True)
    assert slack.say("one", client_msg_id="c-1") == first
    assert len(slack.messages()) == 2
    assert slack.messages()[0]["client_msg_id"] == "c-1"


def test_metadata_comes_back_only_with_include_all_metadata(slack: Slack) -> None:
    slack.say("one", metadata=METADATA)
    [plain] = slack.client.conversations_history(channel="C001")["messages"]
    [full] = slack.client.conversations_history(channel="C001", include_all_metadata=True)["messages"]
    assert "metadata" not in plain
    assert full["metadata"] == METADATA
    assert slack.messages()[0]["metadata"] == METADATA


def test_history_is_newest_first_between_oldest_and_latest(slack: Slack) -> None:
    posted = [slack.say(str(number)) for number in range(5)]

    def texts(**arguments: object) -> list[str]:
        answer = slack.client.api_call("conversations.history", params={"channel": "C001", **arguments})
        return [message["text"] for message in answer["messages"]]

    assert texts() == ["4", "3", "2", "1", "0"]
    assert texts(oldest=posted[1]) == ["4", "3", "2"]
    assert texts(oldest=posted[1], inclusive="1") == ["4", "3", "2", "1"]
    assert texts(latest=posted[3], oldest=posted[0]) == ["2", "1"]
    assert texts(limit=2) == ["4", "3"]


def test_history_comes_in_pages(slack: Slack) -> None:
    for number in range(5):
        slack.say(str(number))
    first = slack.client.conversations_history(channel="C001", limit=3)
    assert first["has_more"] is True
    cursor = first["response_metadata"]["next_cursor"]
    second = slack.client.conversations_history(channel="C001", limit=3, cursor=cursor)
    assert [message["text"] for message in second["messages"]] == ["1", "0"]
    assert second["has_more"] is False
    assert error_of(slack.client.conversations_history, channel="C001", cursor="?") == "invalid_cursor"
    assert error_of(slack.client.conversations_history, channel="C001", oldest="x") == "invalid_ts_oldest"
    assert error_of(slack.client.conversations_history, channel="C001", limit=0) == "invalid_limit"


def test_replies_are_read_by_their_root_and_are_not_in_the_history(slack: Slack) -> None:
    root = slack.say("root")
    slack.say("reply", thread_ts=root)
    slack.say("loud", thread_ts=root, reply_broadcast=True)
    history = slack.client.conversations_history(channel="C001")["messages"]
    assert [message["text"] for message in history] == ["loud", "root"]
    thread = slack.client.conversations_replies(channel="C001", ts=root)["messages"]
    assert [message["text"] for message in thread] == ["root", "reply", "loud"]
    assert error_of(slack.client.conversations_replies, channel="C001", ts="1.000001") == "thread_not_found"


def test_history_needs_membership_and_the_scope_of_the_channel_s_kind(slack: Slack) -> None:
    slack.post("channels", name="elsewhere", is_member=False)
    slack.post("channels", name="closed", is_private=True)
    assert error_of(slack.client.conversations_history, channel="C003") == "not_in_channel"
    slack.post("options", scopes=["channels:history"])
    refusal = refusal_of(slack.client.conversations_history, channel="C004")
    assert (refusal["error"], refusal["needed"], refusal["provided"]) == (
        "missing_scope",
        "groups:history",
        "channels:history",
    )


def test_an_ephemeral_message_is_seen_by_one_person_and_is_not_in_the_history(slack: Slack) -> None:
    answer = slack.client.chat_postEphemeral(channel="C001", user="U002", text="psst", blocks=[section("psst")])
    assert answer["message_ts"]
    assert [shown["text"] for shown in slack.ephemerals("U002")] == ["psst"]
    assert slack.ephemerals("U001") == []
    assert slack.client.conversations_history(channel="C001")["messages"] == []
    assert error_of(slack.client.chat_postEphemeral, channel="C001", user="U9", text="x") == "user_not_in_channel"
    ts = answer["message_ts"]
    assert error_of(slack.client.chat_update, channel="C001", ts=ts, text="x") == "message_not_found"


def test_a_permalink_names_channel_and_message(slack: Slack) -> None:
    ts = slack.say(blocks=[actions(button())])
    link = slack.client.chat_getPermalink(channel="C001", message_ts=ts)["permalink"]
    assert link.endswith(f"/C001/p{ts.replace('.', '')}")
    assert error_of(slack.client.chat_getPermalink, channel="C001", message_ts="1.0") == "message_not_found"


def test_text_that_is_no_text_survives(slack: Slack) -> None:
    slack.say("lone \ud800 surrogate, NUL \x00, 한국어 🔥")
    assert slack.texts() == ["lone \ud800 surrogate, NUL \x00, 한국어 🔥"]
