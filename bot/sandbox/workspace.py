"""What the workspace holds: people, channels, messages, views, and rights that run out (triggers, response URLs)."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anyio

from bot.sandbox.blocks import elements_of
from bot.sandbox.errors import SlackError
from bot.sandbox.settings import Person, SandboxSettings
from bot.sandbox.unread import mentioned

Json = dict[str, Any]

TEAM_ID = "T001"
TEAM_DOMAIN = "sandbox"
TEAM_NAME = "Sandbox"
APP_ID = "A0SANDBOX"
BOT_ID = "B0SANDBOX"
BOT_USER_ID = "U0SANDBOX"
VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105  # Slack's deprecated field; nobody checks it
PERMALINKS = f"https://{TEAM_DOMAIN}.slack.com/archives"

CALLS_KEPT = 5000
EPHEMERALS_KEPT = 500
VIEW_STACK = 3
VERSIONS_KEPT = 200


@dataclass(slots=True)
class Channel:
    """A channel, or a direct conversation with the app when `im_user` is set."""

    id: str
    name: str
    created: int
    is_private: bool = False
    is_archived: bool = False
    is_member: bool = True
    im_user: str | None = None
    messages: dict[str, Message] = field(default_factory=dict)

    def names(self) -> frozenset[str]:
        """All it is known by."""
        return frozenset((self.id, self.name))


@dataclass(slots=True)
class Message:
    """One message with all its earlier versions."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Json]
    attachments: list[Json]
    metadata: Json | None = None
    thread_ts: str | None = None
    client_msg_id: str | None = None
    broadcast: bool = False
    deleted: bool = False
    edits: int = 0
    edited_ts: str | None = None
    mentions: list[str] = field(default_factory=list)
    """Whom it called when it was posted: what an edit adds calls nobody."""
    history: list[Json] = field(default_factory=list)
    at: float = 0.0
    changed_at: float = 0.0
    """When the present version appeared."""

    @property
    def from_app(self) -> bool:
        """Whether the app posted it."""
        return self.user == BOT_USER_ID

    def as_slack(self, with_metadata: bool = False) -> Json:
        """Slack's message object."""
        shown: Json = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": TEAM_ID}
        if self.from_app:
            shown |= {"bot_id": BOT_ID, "app_id": APP_ID}
        if self.blocks:
            shown["blocks"] = deepcopy(self.blocks)
        if self.attachments:
            shown["attachments"] = deepcopy(self.attachments)
        if self.thread_ts is not None:
            shown["thread_ts"] = self.thread_ts
            if self.thread_ts != self.ts:
                shown["parent_user_id"] = BOT_USER_ID
        if self.client_msg_id is not None and not self.from_app:
            shown["client_msg_id"] = self.client_msg_id
        if self.edited_ts is not None:
            shown["edited"] = {"user": self.user, "ts": self.edited_ts}
        if with_metadata and self.metadata is not None:
            shown["metadata"] = deepcopy(self.metadata)
        return shown


@dataclass(slots=True)
class Ephemeral:
    """A message only one person sees, until it is replaced or deleted."""

    id: str
    channel: str
    user: str
    text: str
    blocks: list[Json]
    attachments: list[Json]
    at: float
    by_app: bool = True


@dataclass(slots=True)
class OpenView:
    """A view somebody has on the screen (or their Home tab), with the errors shown in it."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str | None = None
    state: Json = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    failure: str | None = None

    def as_slack(self) -> Json:
        """Slack's view object."""
        body = deepcopy(self.body)
        shown: Json = {
            "id": self.id,
            "team_id": TEAM_ID,
            "type": body["type"],
            "blocks": with_block_ids(body["blocks"]),
            "private_metadata": body.get("private_metadata", ""),
            "callback_id": body.get("callback_id", ""),
            "state": {"values": deepcopy(self.state)},
            "hash": self.hash,
            "clear_on_close": body.get("clear_on_close", False),
            "notify_on_close": body.get("notify_on_close", False),
            "previous_view_id": self.previous,
            "root_view_id": self.root,
            "app_id": APP_ID,
            "external_id": body.get("external_id", ""),
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
        }
        if body["type"] == "modal":
            shown |= {"title": body["title"], "close": body.get("close"), "submit": body.get("submit")}
        return shown


@dataclass(slots=True)
class Trigger:
    """The right to open one view, for a few seconds."""

    id: str
    user: str
    at: float
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """The right to answer where somebody acted, five times in half an hour."""

    id: str
    user: str
    channel: str
    at: float
    message_ts: str | None = None
    ephemeral_id: str | None = None
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Web API and how it ended."""

    method: str
    channel: str | None
    at: float
    outcome: str
    result: str
    args: Json


class Changes:
    """Counts what can be seen, and wakes those who watch."""

    def __init__(self) -> None:
        self.number = 0
        self.closing = False
        self._event: anyio.Event | None = None

    def bump(self) -> None:
        """Something visible changed."""
        self.number += 1
        if self._event is not None:
            self._event.set()
            self._event = None

    def close(self) -> None:
        """Let those who watch go home."""
        self.closing = True
        self.bump()

    async def after(self, seen: int, seconds: float) -> int:
        """The present number: at once if it is past `seen`, else on the next change or after so many seconds."""
        if self.number <= seen and not self.closing:
            if self._event is None:
                self._event = anyio.Event()
            with anyio.move_on_after(seconds):
                await self._event.wait()
        return self.number


class Workspace:
    """All of it, used from the event loop's thread only."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.changes = Changes()
        self._numbers = count(1)
        self._last_ts = 0
        self._begin()

    def _begin(self) -> None:
        settings = self.settings
        self.token = settings.token
        self.scopes = list(settings.scopes)
        self.app_url = settings.app_url
        self.deduplicate = settings.deduplicate_client_msg_id
        self.people: dict[str, Person] = {person.id: person for person in settings.people}
        self.usergroups: dict[str, Json] = {
            "S001": {"handle": "oncall", "name": "On call", "users": [person.id for person in settings.people[:2]]}
        }
        self.channels: dict[str, Channel] = {}
        self._forget()
        for name in settings.channels:
            self.add_channel(name)

    def _forget(self) -> None:
        self.ephemerals: deque[Ephemeral] = deque(maxlen=EPHEMERALS_KEPT)
        self.views: dict[str, list[OpenView]] = {}
        self.homes: dict[str, OpenView] = {}
        self.last_read: dict[tuple[str, str], str] = {}  # (user, channel) -> ts
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)

    def reset(self, everything: bool = False) -> None:
        """Forget messages, ephemerals, views, triggers and calls; people, channels and options stay, or go as well."""
        if everything:
            self._begin()
        self._forget()
        for channel in self.channels.values():
            channel.messages.clear()
        self.changes.bump()

    # -- time and names ------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since 1970."""
        return self.settings.clock()

    def next_ts(self) -> str:
        """A message's time and name: never twice, always later than the one before."""
        self._last_ts = max(int(self.now() * 1_000_000), self._last_ts + 1)
        seconds, micros = divmod(self._last_ts, 1_000_000)
        return f"{seconds}.{micros:06d}"

    def next_id(self, letter: str) -> str:
        """A new identifier."""
        return f"{letter}{next(self._numbers):06d}{secrets.token_hex(2).upper()}"

    # -- people and channels -------------------------------------------------------------------------------------------

    def person(self, user: str) -> Person | None:
        """By id or name."""
        return self.people.get(user) or next(
            (person for person in self.people.values() if person.name == user.lstrip("@")), None
        )

    def add_channel(self, name: str, **flags: Any) -> Channel:
        """Add one."""
        number = len(self.channels) + 1
        channel = Channel(f"C{number:03d}", name, int(self.now()), **flags)
        self.channels[channel.id] = channel
        self.changes.bump()
        return channel

    def find_channel(self, name: str | None, by_name: bool = True) -> Channel | None:
        """By id, or by name with or without `#`."""
        if name is None:
            return None
        if (found := self.channels.get(name)) is not None:
            return found
        wanted = name.lstrip("#")
        return next((channel for channel in self.channels.values() if by_name and channel.name == wanted), None)

    def direct(self, user: str) -> Channel:
        """The app's direct conversation with somebody, opened when it is not yet."""
        for channel in self.channels.values():
            if channel.im_user == user:
                return channel
        channel = Channel(f"D{user[1:]}", f"dm-{self.people[user].name}", int(self.now()), True, im_user=user)
        self.channels[channel.id] = channel
        self.changes.bump()
        return channel

    # -- messages ------------------------------------------------------------------------------------------------------

    def add_message(self, channel: Channel, user: str, text: str, blocks: list[Json], **rest: Any) -> Message:
        """Post; the oldest message of a full channel goes."""
        attachments = rest.pop("attachments", [])
        message = Message(
            self.next_ts(),
            channel.id,
            user,
            text,
            with_block_ids(blocks),
            attachments,
            mentions=mentioned([text, blocks, attachments], self.people, self.usergroups),
            at=self.now(),
            changed_at=self.now(),
            **rest,
        )
        for attachment in message.attachments:
            if "blocks" in attachment:
                attachment["blocks"] = with_block_ids(attachment["blocks"])
        channel.messages[message.ts] = message
        if len(channel.messages) > self.settings.messages_per_channel:
            del channel.messages[next(iter(channel.messages))]
        self.changes.bump()
        return message

    def edit_message(self, message: Message, **new: Any) -> None:
        """Change text, blocks, attachments or metadata; the version before stays in the message's history."""
        message.history.append(
            {
                "text": message.text,
                "blocks": message.blocks,
                "attachments": message.attachments,
                "at": message.changed_at,
            }
        )
        del message.history[:-VERSIONS_KEPT]
        message.changed_at = self.now()
        message.edits += 1
        for name, value in new.items():
            setattr(message, name, with_block_ids(value) if name == "blocks" else value)
        self.changes.bump()

    def delete_message(self, message: Message) -> None:
        """Take it away from all eyes but the control's."""
        message.deleted = True
        self.changes.bump()

    def add_ephemeral(
        self, channel: str, user: str, text: str, blocks: list[Json], attachments: list[Json], by_app: bool = True
    ) -> Ephemeral:
        """Show something to one person."""
        shown = Ephemeral(self.next_ts(), channel, user, text, with_block_ids(blocks), attachments, self.now(), by_app)
        self.ephemerals.append(shown)
        self.changes.bump()
        return shown

    def ephemeral(self, name: str | None) -> Ephemeral | None:
        """By id."""
        return next((shown for shown in self.ephemerals if shown.id == name), None)

    # -- rights that run out -------------------------------------------------------------------------------------------

    def new_trigger(self, user: str) -> Trigger:
        """A fresh one; long expired ones are forgotten."""
        now = self.now()
        for old in [trigger.id for trigger in self.triggers.values() if trigger.at < now - 600]:
            del self.triggers[old]
        trigger = Trigger(f"{next(self._numbers)}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}", user, now)
        self.triggers[trigger.id] = trigger
        return trigger

    def use_trigger(self, name: str) -> Trigger:
        """Spend it, if it is known, fresh and unspent."""
        trigger = self.triggers.get(name)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self.now() - trigger.at > self.settings.trigger_lifetime:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger

    def new_response_url(
        self, user: str, channel: str, message_ts: str | None = None, ephemeral_id: str | None = None
    ) -> ResponseUrl:
        """A fresh one; long expired ones are forgotten."""
        now = self.now()
        lifetime = 2 * self.settings.response_url_lifetime
        for old in [right.id for right in self.response_urls.values() if right.at < now - lifetime]:
            del self.response_urls[old]
        right = ResponseUrl(secrets.token_urlsafe(18), user, channel, now, message_ts, ephemeral_id)
        self.response_urls[right.id] = right
        return right

    # -- views ---------------------------------------------------------------------------------------------------------

    def all_views(self) -> Iterator[OpenView]:
        """Open modals and Home tabs."""
        for stack in self.views.values():
            yield from stack
        yield from self.homes.values()

    def view(self, name: str | None) -> OpenView | None:
        """By id."""
        return next((view for view in self.all_views() if view.id == name), None)

    def push_view(self, user: str, body: Json, on_top: bool) -> OpenView:
        """Show a modal: alone, or on top of those that are open."""
        stack = self.views.setdefault(user, [])
        if not on_top:
            stack.clear()
        if len(stack) >= VIEW_STACK:
            raise SlackError("push_limit_reached")
        name = self.next_id("V")
        view = OpenView(name, user, body, self.new_hash(), stack[0].id if stack else name)
        view.previous = stack[-1].id if stack else None
        view.body["blocks"] = with_block_ids(view.body["blocks"])
        stack.append(view)
        self.changes.bump()
        return view

    def replace_view(self, view: OpenView, body: Json) -> None:
        """Show something else in its place; what was typed into inputs that stay is kept by the client."""
        view.body, view.hash = body, self.new_hash()
        view.body["blocks"] = with_block_ids(view.body["blocks"])
        view.errors, view.failure = {}, None
        self.changes.bump()

    def close_views(self, user: str, only_top: bool) -> None:
        """Close the top modal or all of them."""
        stack = self.views.get(user, [])
        if only_top and stack:
            stack.pop()
        else:
            stack.clear()
        self.changes.bump()

    def new_hash(self) -> str:
        """The name of a view's version."""
        return f"{int(self.now())}.{secrets.token_hex(4)}"


def with_block_ids(blocks: list[Json]) -> list[Json]:
    """Slack gives every block (and element) without an identifier a random one."""
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for element in elements_of(block):
            if element.get("type") != "image":
                element.setdefault("action_id", secrets.token_urlsafe(4))
    return blocks
