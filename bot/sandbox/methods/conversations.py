"""conversations.*: channels and what was said in them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError
from bot.sandbox.workspace import BOT_USER_ID, Channel, Json, Message, Workspace

PAGE = 100
LONGEST_PAGE = 999

_TS = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?")


def list_(workspace: Workspace, args: Arguments) -> Json:
    """conversations.list, of the types asked for."""
    types = {kind.strip() for kind in (args.text("types") or "public_channel").split(",")}
    if types - {"public_channel", "private_channel", "mpim", "im"}:
        raise SlackError("invalid_types")
    _need_scopes(workspace, types)
    shown = [
        as_slack(channel)
        for channel in workspace.channels.values()
        if _kind(channel) in types
        and (not channel.is_private or channel.is_member)
        and not (channel.is_archived and args.flag("exclude_archived"))
    ]
    return _page(args, "channels", shown, code="invalid_limit")


def info(workspace: Workspace, args: Arguments) -> Json:
    """conversations.info"""
    channel = visible(workspace, args)
    _need_scopes(workspace, {_kind(channel)})
    shown = as_slack(channel)
    if args.flag("include_num_members"):
        shown["num_members"] = len(workspace.people) + channel.is_member
    return {"channel": shown}


def history(workspace: Workspace, args: Arguments) -> Json:
    """conversations.history: newest first, without replies in threads and deleted messages."""
    channel = readable(workspace, args)
    messages = [
        message for message in channel.messages.values() if message.thread_ts in (None, message.ts) or message.broadcast
    ]
    return _messages(args, list(reversed(messages))) | {"pin_count": 0}


def replies(workspace: Workspace, args: Arguments) -> Json:
    """conversations.replies: the root first, then its replies, oldest first."""
    channel = readable(workspace, args)
    ts = args.needed("ts")
    root = channel.messages.get(ts)
    if root is None or root.deleted:
        raise SlackError("thread_not_found")
    thread = root.thread_ts or root.ts
    return _messages(
        args, [message for message in channel.messages.values() if thread in (message.ts, message.thread_ts)]
    )


def join(workspace: Workspace, args: Arguments) -> Json:
    """conversations.join: public channels only."""
    channel = workspace.find_channel(args.needed("channel", "channel_not_found"), by_name=False)
    if channel is None or (channel.is_private and not channel.is_member):
        raise SlackError("channel_not_found")
    if channel.is_private:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    already = channel.is_member
    channel.is_member = True
    workspace.changes.bump()
    joined: Json = {"channel": as_slack(channel)}
    if already:
        joined |= {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return joined


def members(workspace: Workspace, args: Arguments) -> Json:
    """conversations.members: everybody is in every channel."""
    channel = visible(workspace, args)
    _need_scopes(workspace, {_kind(channel)})
    return _page(args, "members", _members(workspace, channel), code="invalid_limit")


def of_user(workspace: Workspace, args: Arguments) -> Json:
    """users.conversations: the app's own channels, or those of somebody."""
    user = args.text("user")
    types = {kind.strip() for kind in (args.text("types") or "public_channel").split(",")}
    _need_scopes(workspace, types)
    shown = [
        as_slack(channel)
        for channel in workspace.channels.values()
        if _kind(channel) in types
        and channel.is_member
        and (user is None or user in _members(workspace, channel))
        and not (channel.is_archived and args.flag("exclude_archived"))
    ]
    return _page(args, "channels", shown, code="invalid_limit")


def as_slack(channel: Channel) -> Json:
    """Slack's conversation object."""
    if channel.im_user is not None:
        return {
            "id": channel.id,
            "created": channel.created,
            "is_im": True,
            "is_archived": False,
            "user": channel.im_user,
        }
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": True,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_general": False,
        "is_member": channel.is_member,
        "created": channel.created,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def visible(workspace: Workspace, args: Arguments) -> Channel:
    """The channel, if the app may know that it exists."""
    channel = workspace.find_channel(args.needed("channel", "channel_not_found"), by_name=False)
    if channel is None or (channel.is_private and not channel.is_member):
        raise SlackError("channel_not_found")
    return channel


def readable(workspace: Workspace, args: Arguments) -> Channel:
    """The channel, if the app may read it."""
    channel = visible(workspace, args)
    scope = "im:history" if channel.im_user else "groups:history" if channel.is_private else "channels:history"
    if scope not in workspace.scopes:
        raise missing_scope(workspace, scope)
    if not channel.is_member:
        raise SlackError("not_in_channel")
    return channel


def missing_scope(workspace: Workspace, *needed: str) -> SlackError:
    """The error with what Slack puts beside it."""
    return SlackError("missing_scope", needed=",".join(needed), provided=",".join(workspace.scopes))


def _need_scopes(workspace: Workspace, kinds: set[str]) -> None:
    scopes = {
        "public_channel": "channels:read",
        "private_channel": "groups:read",
        "im": "im:read",
        "mpim": "mpim:read",
    }
    needed = sorted(scopes[kind] for kind in kinds if kind in scopes)
    if missing := [scope for scope in needed if scope not in workspace.scopes]:
        raise missing_scope(workspace, *missing)


def _kind(channel: Channel) -> str:
    if channel.im_user is not None:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def _members(workspace: Workspace, channel: Channel) -> list[str]:
    if channel.im_user is not None:
        return [channel.im_user, BOT_USER_ID]
    return [*workspace.people, *([BOT_USER_ID] if channel.is_member else [])]


def _messages(args: Arguments, messages: list[Message]) -> Json:
    oldest, latest = _moment(args, "oldest"), _moment(args, "latest")
    inclusive = args.flag("inclusive")
    chosen = []
    for message in messages:
        micros = _micros(message.ts)
        if message.deleted:
            continue
        if oldest is not None and (micros < oldest or (micros == oldest and not inclusive)):
            continue
        if latest is not None and (micros > latest or (micros == latest and not inclusive)):
            continue
        chosen.append(message)
    with_metadata = args.flag("include_all_metadata")
    page = _page(args, "messages", [message.as_slack(with_metadata) for message in chosen], code="invalid_limit")
    return page | {"has_more": bool(page["response_metadata"]["next_cursor"])}


def _page(args: Arguments, name: str, items: list[Any], code: str) -> Json:
    limit = args.number("limit", PAGE, LONGEST_PAGE, code)
    start = 0
    if (cursor := args.text("cursor")) is not None:
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
        except (ValueError, binascii.Error):
            raise SlackError("invalid_cursor") from None
    end = start + limit
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return {name: items[start:end], "response_metadata": {"next_cursor": following}}


def _moment(args: Arguments, name: str) -> int | None:
    value = args.text(name)
    if value is None:
        return None
    if value == "now":
        return None
    if not _TS.fullmatch(value):
        raise SlackError(f"invalid_ts_{name}")
    return _micros(value)


def _micros(ts: str) -> int:
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int((fraction + "000000")[:6])
