"""What somebody has not read yet, and who is mentioned: new messages notify, edits never do. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.sandbox.workspace import Channel, Message

_MENTION = re.compile(r"<(?:(?:@|!subteam\^)(?P<id>\w+)|!(?P<all>here|channel|everyone))(?:\|[^<>]*)?>")


def mentioned(said: Any, people: Iterable[str], groups: Mapping[str, Any]) -> list[str]:
    """The ids of those whom a new message calls by name, by group or all together, in its text or its blocks."""
    calls = list(_MENTION.finditer(json.dumps(said, ensure_ascii=False)))
    names = {call["id"] for call in calls}
    for group in names & groups.keys():
        names.update(groups[group]["users"])
    return [person for person in people if person in names or any(call["all"] for call in calls)]


def in_channel(message: Message) -> bool:
    """Whether it stands in the channel itself: replies do only when they are broadcast."""
    return not message.deleted and (message.thread_ts in (None, message.ts) or message.broadcast)


def unread(channel: Channel, user: str, last_read: str) -> tuple[int, int]:
    """How many messages of others this person has not seen in the channel, and how many of those mention them."""
    new = [
        message
        for message in channel.messages.values()
        if message.ts > last_read and message.user != user and in_channel(message)
    ]
    return len(new), sum(user in message.mentions for message in new)
