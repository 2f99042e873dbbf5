"""Trouble on order: the message is there or it is not, and the caller learns of it or does not."""

from __future__ import annotations

import time
from http.client import HTTPException

import pytest
from slack_sdk import WebClient

from tests.bot.sandbox.support import Slack, error_of, refusal_of, wait_until


def test_an_ordered_error_comes_so_many_times_and_nothing_is_done(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="error", error="fatal_error", times=2)
    assert [error_of(slack.say), error_of(slack.say)] == ["fatal_error"] * 2
    slack.say("third")
    assert slack.texts() == ["third"]
    assert [call["outcome"] for call in slack.get("calls")["calls"]] == ["fault:error", "fault:error", "ok"]


def test_trouble_without_a_number_lasts_until_it_is_cleared(slack: Slack) -> None:
    fault = slack.post("faults", method="*", kind="error", error="internal_error")["fault_id"]
    assert error_of(slack.client.auth_test) == "internal_error"
    assert error_of(slack.say) == "internal_error"
    assert [one["fault_id"] for one in slack.get("faults")["faults"]] == [fault]
    slack.post("reset")
    slack.say()


def test_trouble_may_be_kept_to_a_channel_by_name_or_id(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", channel="random", kind="error")
    slack.say(channel="C001")
    assert error_of(slack.say, channel="C002") == "fatal_error"
    assert error_of(slack.say, channel="#random") == "fatal_error"
    assert slack.refused("faults", kind="error", channel="nowhere")[0] == 404


def test_an_ordered_status_is_answered_with_a_page_that_is_no_json(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="http", status=503, times=1)
    refusal = refusal_of(slack.say)
    assert refusal.status_code == 503
    assert slack.messages() == []


def test_an_ordered_rate_limit_says_how_long(slack: Slack) -> None:
    slack.post("faults", method="chat.update", kind="ratelimit", retry_after=7, times=1)
    ts = slack.say()
    refusal = refusal_of(slack.client.chat_update, channel="C001", ts=ts, text="x")
    assert (refusal.status_code, refusal["error"], refusal.headers["retry-after"]) == (429, "ratelimited", "7")


def test_a_stalled_call_is_done_and_answered_late(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="stall", seconds=0.3, times=1)
    started = time.monotonic()
    slack.say("late")
    assert time.monotonic() - started >= 0.3
    assert slack.texts() == ["late"]
    [call] = slack.get("calls")["calls"]
    assert (call["outcome"], call["result"]) == ("fault:stall", "ok")


def test_a_stalled_call_is_done_even_when_the_caller_has_left(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="stall", seconds=0.6, times=1)
    impatient = WebClient(token="xoxb-sandbox", base_url=slack.running.api_url, retry_handlers=[], timeout=0.2)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        impatient.chat_postMessage(channel="incidents", text="late")
    assert slack.texts() == []
    wait_until(lambda: slack.texts() == ["late"])


@pytest.mark.parametrize("how", ["close", "reset", "timeout"])
def test_a_lost_answer_leaves_the_message_there_once(slack: Slack, how: str) -> None:
    slack.post("faults", method="chat.postMessage", kind="lose", how=how, times=1)
    impatient = WebClient(token="xoxb-sandbox", base_url=slack.running.api_url, retry_handlers=[], timeout=1)
    lost: type[Exception] = TimeoutError if how == "timeout" else ConnectionError
    with pytest.raises(lost):
        impatient.chat_postMessage(channel="incidents", text="lost")
    assert slack.texts() == ["lost"]
    slack.say("found")
    assert slack.texts() == ["lost", "found"]


def test_an_answer_lost_to_a_page_of_trouble_leaves_the_message_there(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="lose", how="http", status=500, times=1)
    assert refusal_of(slack.say, text="lost").status_code == 500
    assert slack.texts() == ["lost"]


def test_an_answer_may_come_byte_by_byte(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="drip", seconds=0.5, times=1)
    started = time.monotonic()
    impatient = WebClient(token="xoxb-sandbox", base_url=slack.running.api_url, retry_handlers=[], timeout=0.4)  # type: ignore[arg-type]
    assert impatient.chat_postMessage(channel="incidents", text="slow")["ok"], "no single byte is late"
    assert time.monotonic() - started >= 0.4
    assert slack.texts() == ["slow"]


def test_garbage_is_json_that_is_not_slack_s(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="garbage", times=1)
    assert refusal_of(slack.say).data == []
    assert slack.messages() == []


def test_a_lost_update_took_effect(slack: Slack) -> None:
    ts = slack.say("one")
    slack.post("faults", method="chat.update", kind="lose", how="close", times=1)
    with pytest.raises((ConnectionError, HTTPException)):
        slack.client.chat_update(channel="C001", ts=ts, text="two")
    assert slack.texts() == ["two"]


def test_a_refused_connection_leaves_nothing(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="refuse", times=1)
    with pytest.raises(ConnectionError):
        slack.say()
    assert slack.messages() == []


def test_slack_sdk_s_default_client_posts_twice_when_the_answer_is_lost(slack: Slack) -> None:
    slack.post("faults", method="chat.postMessage", kind="lose", how="close", times=1)
    usual = WebClient(token="xoxb-sandbox", base_url=slack.running.api_url, timeout=5)
    usual.chat_postMessage(channel="incidents", text="twice")
    assert slack.texts() == ["twice", "twice"]
