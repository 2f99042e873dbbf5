"""What notifies: new messages and mentions count as unread, edits and replies in threads do not."""

from __future__ import annotations

import pytest

from tests.bot.sandbox.support import Slack, section


def unread(slack: Slack, user: str = "U001", channel: str = "incidents") -> tuple[int, int]:
    """How many messages this person has not read, and how many of those mention them."""
    channels = slack.get("state", user=user)["channels"]
    found = next(one for one in channels if one["name"] == channel)
    return found["unread"], found["mentions"]


def test_a_new_message_is_unread_until_it_was_seen_and_an_edit_makes_it_no_news(slack: Slack) -> None:
    ts = slack.say("one")
    assert unread(slack) == (1, 0)
    slack.post("read", user="U001", channel="incidents", ts=ts)
    assert (unread(slack), unread(slack, "U002")) == ((0, 0), (1, 0))
    slack.client.chat_update(channel="C001", ts=ts, text="<!channel> worse")
    assert unread(slack) == (0, 0)
    slack.say("two")
    assert unread(slack) == (1, 0)


def test_a_reply_is_unread_in_the_channel_only_when_it_is_broadcast(slack: Slack) -> None:
    root = slack.say("root")
    slack.say("quiet", thread_ts=root)
    assert unread(slack) == (1, 0)
    slack.say("loud", thread_ts=root, reply_broadcast=True)
    assert unread(slack) == (2, 0)


def test_what_one_writes_oneself_or_what_was_deleted_is_not_unread(slack: Slack) -> None:
    slack.post("message", user="U001", channel="incidents", text="mine")
    gone = slack.say("gone")
    slack.client.chat_delete(channel="C001", ts=gone)
    assert (unread(slack), unread(slack, "U002")) == ((0, 0), (1, 0))


@pytest.mark.parametrize(
    ("said", "called"),
    [
        ("<@U001> look", True),
        ("<@U001|oncall> look", True),
        ("<!here> look", True),
        ("<!channel>", True),
        ("<!subteam^S001|@oncall> look", True),
        ("<@U003> look", False),
        ("&lt;!channel&gt; in a label", False),
        ("<!date^0^{date}|long ago> <https://example.com/U001|U001>", False),
    ],
)
def test_a_mention_is_one_by_name_by_group_or_of_all(slack: Slack, said: str, called: bool) -> None:
    slack.say(said)
    slack.say("in blocks", blocks=[section(said)])
    assert unread(slack) == (2, 2 * called)


def test_a_direct_message_is_unread_for_its_reader(slack: Slack) -> None:
    slack.client.chat_postMessage(channel="U001", text="your turn")
    assert unread(slack, channel="dm-oncall") == (1, 0)
