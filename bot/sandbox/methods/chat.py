"""chat.*: posting, changing and deleting messages."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from bot.sandbox import blocks as kit
from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError
from bot.sandbox.workspace import BOT_USER_ID, PERMALINKS, Channel, Json, Message, Workspace

TEXT_POSTED = 40_000
"""Slack's documentation says both "truncated" and `msg_too_long`; here it is an error, so that nobody relies on it."""

TEXT_SPLIT = 4_000
"""A longer text without blocks becomes several messages."""

TEXT_UPDATED = 4_000
METADATA_SIZE = 16_000


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says; None where nothing was sent."""

    text: str | None
    blocks: list[Json] | None
    attachments: list[Json] | None


def content(args: Arguments) -> Content:
    """Text, blocks and attachments, refused where Slack refuses them."""
    blocks = args.structured("blocks", "invalid_blocks_format")
    attachments = args.structured("attachments", "invalid_attachments")
    text, markdown = args.text("text"), args.text("markdown_text")
    if blocks is not None:
        check_blocks(blocks)
    if attachments is not None:
        if not isinstance(attachments, list) or not all(_is_attachment(attachment) for attachment in attachments):
            raise SlackError("invalid_attachments")
        if len(attachments) > kit.ATTACHMENTS:
            raise SlackError("too_many_attachments")
        if problems := kit.lint_attachments(attachments):
            raise _invalid_blocks(problems)
    if markdown is not None:
        if text is not None or blocks is not None:
            raise SlackError("markdown_text_conflict")
        if kit.length(markdown) > kit.MESSAGE_MARKDOWN:
            raise SlackError("msg_too_long")
        text = markdown
    return Content(text, deepcopy(blocks), deepcopy(attachments))


def check_blocks(blocks: Any) -> None:
    """Refuse what Slack refuses."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if problems := kit.lint_message(blocks):
        raise _invalid_blocks(problems)
    if kit.size(blocks) > kit.MESSAGE_SIZE:
        raise SlackError("msg_blocks_too_long")


def post_message(workspace: Workspace, args: Arguments) -> Json:
    """chat.postMessage"""
    channel = _writable(workspace, _target(workspace, args))
    said = content(args)
    if said.text is None and not said.blocks and not said.attachments:
        raise SlackError("no_text")
    if kit.length(said.text or "") > TEXT_POSTED:
        raise SlackError("msg_too_long")
    metadata = _metadata(args)
    thread = thread_of(channel, args.text("thread_ts"))
    client_msg_id = args.text("client_msg_id")
    if workspace.deduplicate and client_msg_id is not None:
        for earlier in channel.messages.values():
            if earlier.client_msg_id == client_msg_id and not earlier.deleted:
                return _posted(channel, earlier)
    text = said.text or ""
    pieces = [text] if said.blocks else _split(text)
    first: Message | None = None
    for index, piece in enumerate(pieces):
        message = workspace.add_message(
            channel,
            BOT_USER_ID,
            piece,
            said.blocks or [],
            attachments=(said.attachments or []) if index == len(pieces) - 1 else [],
            metadata=metadata if index == 0 else None,
            thread_ts=thread,
            client_msg_id=client_msg_id if index == 0 else None,
            broadcast=args.flag("reply_broadcast"),
        )
        first = first or message
    assert first is not None  # noqa: S101  # `pieces` is never empty
    return _posted(channel, first)


def update(workspace: Workspace, args: Arguments) -> Json:
    """chat.update: `text` alone removes the blocks; blocks stay only when there is no `text` either."""
    channel, message = _own_message(workspace, args, "cant_update_message")
    if channel.is_archived:
        raise SlackError("is_archived")
    said = content(args)
    if said.text is None and not said.blocks and not said.attachments and not args.has("metadata"):
        raise SlackError("no_text")
    if kit.length(said.text or "") > TEXT_UPDATED:
        raise SlackError("msg_too_long")
    new: Json = {}
    if said.blocks is not None or said.text is not None:
        new["blocks"] = said.blocks or []
    if said.text is not None:
        new["text"] = said.text
    if said.attachments is not None:
        new["attachments"] = said.attachments
    if args.has("metadata"):
        new["metadata"] = _metadata(args)
    if not new.get("blocks", message.blocks):
        new["edited_ts"] = workspace.next_ts()
    workspace.edit_message(message, **new)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": message.as_slack(True)}


def delete(workspace: Workspace, args: Arguments) -> Json:
    """chat.delete"""
    channel, message = _own_message(workspace, args, "cant_delete_message")
    workspace.delete_message(message)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(workspace: Workspace, args: Arguments) -> Json:
    """chat.postEphemeral"""
    channel = _target(workspace, args)
    if not channel.is_member and channel.im_user is None:
        raise SlackError("not_in_channel" if not channel.is_private else "channel_not_found")
    if channel.is_archived:
        raise SlackError("is_archived")
    if workspace.people.get(args.needed("user")) is None:
        raise SlackError("user_not_in_channel")
    said = content(args)
    if said.text is None and not said.blocks and not said.attachments:
        raise SlackError("no_text")
    if kit.length(said.text or "") > TEXT_POSTED:
        raise SlackError("msg_too_long")
    shown = workspace.add_ephemeral(
        channel.id, args.needed("user"), said.text or "", said.blocks or [], said.attachments or []
    )
    return {"message_ts": shown.id}


def get_permalink(workspace: Workspace, args: Arguments) -> Json:
    """chat.getPermalink"""
    channel = workspace.find_channel(args.needed("channel"), by_name=False)
    if channel is None:
        raise SlackError("channel_not_found")
    message = channel.messages.get(args.needed("message_ts"))
    if message is None or message.deleted:
        raise SlackError("message_not_found")
    return {"channel": channel.id, "permalink": f"{PERMALINKS}/{channel.id}/p{message.ts.replace('.', '')}"}


def _is_attachment(value: Any) -> bool:
    texts = ("color", "fallback", "pretext", "title", "text", "footer")
    return isinstance(value, dict) and all(isinstance(value.get(name, ""), str) for name in texts)


def _posted(channel: Channel, message: Message) -> Json:
    return {"channel": channel.id, "ts": message.ts, "message": message.as_slack(True)}


def _target(workspace: Workspace, args: Arguments) -> Channel:
    name = args.needed("channel", "channel_not_found")
    channel = workspace.find_channel(name)
    if channel is None and name in workspace.people:
        return workspace.direct(name)
    if channel is None:
        raise SlackError("channel_not_found")
    return channel


def _writable(workspace: Workspace, channel: Channel) -> Channel:
    if channel.im_user is None and not channel.is_member:
        if channel.is_private:
            raise SlackError("channel_not_found")
        if "chat:write.public" not in workspace.scopes:
            raise SlackError("not_in_channel")
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def _own_message(workspace: Workspace, args: Arguments, code: str) -> tuple[Channel, Message]:
    channel = workspace.find_channel(args.needed("channel", "channel_not_found"), by_name=False)
    if channel is None:
        raise SlackError("channel_not_found")
    message = channel.messages.get(args.needed("ts", "message_not_found"))
    if message is None or message.deleted:
        raise SlackError("message_not_found")
    if not message.from_app:
        raise SlackError(code)
    return channel, message


def thread_of(channel: Channel, ts: str | None) -> str | None:
    """The thread that a reply to the message `ts` belongs to; raises `thread_not_found`."""
    if ts is None:
        return None
    root = channel.messages.get(ts)
    if root is None or root.deleted:
        raise SlackError("thread_not_found")
    if root.thread_ts is None:
        root.thread_ts = root.ts
    return root.thread_ts


def _metadata(args: Arguments) -> Json | None:
    metadata = args.structured("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if metadata.keys() - {"event_type", "event_payload", "entities"}:
        raise SlackError("invalid_metadata_format")
    if "entities" not in metadata or metadata.keys() & {"event_type", "event_payload"}:
        kind, payload = metadata.get("event_type"), metadata.get("event_payload")
        if not isinstance(kind, str) or not 0 < len(kind) <= kit.IDENTIFIER or not isinstance(payload, dict):
            raise SlackError("invalid_metadata_format")
    if kit.size(metadata) > METADATA_SIZE:
        raise SlackError("metadata_too_large")
    return deepcopy(metadata)


def _split(text: str) -> list[str]:
    """Pieces of at most 4,000 characters, cut at a line or a word where there is one."""
    pieces = []
    while len(text) > TEXT_SPLIT:
        cut = max(text.rfind("\n", 0, TEXT_SPLIT), text.rfind(" ", 0, TEXT_SPLIT)) + 1 or TEXT_SPLIT
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _invalid_blocks(problems: list[kit.Problem]) -> SlackError:
    messages = [str(problem) for problem in problems[:20]]
    return SlackError("invalid_blocks", errors=messages, response_metadata={"messages": messages})
