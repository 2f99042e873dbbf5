"""What Slack sends, understood: bodies as Bolt hands them over become clicks, submissions and commands.

A body in a shape we do not know raises `UnreadablePayload`, which says where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.blocks.identifiers import (
    ACTION_TAKEN_BLOCK,
    NOTE_INPUT,
    ROOT_CAUSE_BLOCK,
    ClickAction,
    DigestValue,
    UnreadableValue,
    decode,
    decode_digest,
)
from bot.grammar import Change, Command, understand
from db.model.identity import IncidentId
from db.model.lifecycle import Notes
from db.model.policy import Policy


class UnreadablePayload(Exception):
    """A body of Slack's in a shape we do not know: `path` says where, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody pressed a button or chose from a menu. Texts that Slack did not send are empty."""

    action: ClickAction
    incident_id: IncidentId
    version: int  # of the incident they were looking at
    user_id: str
    channel_id: str
    message_ts: str
    trigger_id: str
    response_url: str
    ephemeral: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Somebody sent the resolve dialog."""

    incident_id: IncidentId
    notes: Notes
    user_id: str
    view_id: str
    channel_id: str  # where the button was; empty when unknown


def read_click(body: object) -> Click:
    """Read a `block_actions` body. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    if (kind := payload["type"].text()) != "block_actions":
        raise UnreadablePayload("type", f"{kind!r} is not block_actions")
    pressed = payload["actions"].first()
    chosen = pressed["selected_option"]
    value = chosen["value"] if chosen.there() else pressed["value"]
    try:
        said = decode(value.text())
    except UnreadableValue as error:
        raise UnreadablePayload(value.path, str(error)) from error
    container = payload["container"]
    return Click(
        action=said.action,
        incident_id=said.incident_id,
        version=said.version,
        user_id=payload["user"]["id"].text(),
        channel_id=payload["channel"]["id"].text_or_empty() or container["channel_id"].text_or_empty(),
        message_ts=container["message_ts"].text_or_empty() or payload["message"]["ts"].text_or_empty(),
        trigger_id=payload["trigger_id"].text_or_empty(),
        response_url=payload["response_url"].text_or_empty(),
        ephemeral=container["is_ephemeral"].value is True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestClick:
    """Somebody pressed a button on a digest, or on the list it opened. Texts that Slack did not send are empty."""

    value: DigestValue
    user_id: str
    response_url: str
    ephemeral: bool  # the button was on a list that only this person sees


def read_digest_click(body: object) -> DigestClick:
    """Read the `block_actions` body of a button on a digest. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    if (kind := payload["type"].text()) != "block_actions":
        raise UnreadablePayload("type", f"{kind!r} is not block_actions")
    value = payload["actions"].first()["value"]
    try:
        said = decode_digest(value.text())
    except UnreadableValue as error:
        raise UnreadablePayload(value.path, str(error)) from error
    return DigestClick(
        value=said,
        user_id=payload["user"]["id"].text(),
        response_url=payload["response_url"].text_or_empty(),
        ephemeral=payload["container"]["is_ephemeral"].value is True,
    )


def read_submission(body: object) -> Submission:
    """Read the `view_submission` body of the resolve dialog. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    if (kind := payload["type"].text()) != "view_submission":
        raise UnreadablePayload("type", f"{kind!r} is not view_submission")
    view = payload["view"]
    metadata = _metadata(view["private_metadata"])
    values = view["state"]["values"]
    return Submission(
        incident_id=_incident_id(metadata["incident"]),
        notes=Notes(
            root_cause=values[ROOT_CAUSE_BLOCK][NOTE_INPUT]["value"].text_or_empty().strip(),
            action_taken=values[ACTION_TAKEN_BLOCK][NOTE_INPUT]["value"].text_or_empty().strip(),
        ),
        user_id=payload["user"]["id"].text(),
        view_id=view["id"].text_or_empty(),
        channel_id=metadata["channel"].text_or_empty(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """Somebody typed a command."""

    command: Command
    name: str  # `/incident`
    user_id: str
    channel_id: str
    trigger_id: str
    response_url: str


def read_command(body: object, policy: Policy | None = None) -> CommandCall:
    """Read the body of a slash command; `policy` has words for severities. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    name = payload["command"].text_or_empty() or "/incident"
    return CommandCall(
        command=understand(payload["text"].text_or_empty(), name, policy),
        name=name,
        user_id=payload["user_id"].text(),
        channel_id=payload["channel_id"].text_or_empty(),
        trigger_id=payload["trigger_id"].text_or_empty(),
        response_url=payload["response_url"].text_or_empty(),
    )


def only_looks(body: Mapping[str, object]) -> bool:
    """Whether it is a command that changes nothing, and shows something to the person who asked alone."""
    try:
        return "command" in body and not isinstance(read_command(body).command, Change)
    except UnreadablePayload:
        return False


def _metadata(kept: _Wild) -> _Wild:
    try:
        return _Wild(json.loads(kept.text()), kept.path)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayload(kept.path, "not JSON") from error


def _incident_id(kept: _Wild) -> IncidentId:
    text = kept.text()
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise UnreadablePayload(kept.path, "not the id of an incident")
    return IncidentId(text)


class _Wild:
    """A value of a body that nobody has checked yet; it knows its path, and a missing one is an error once read."""

    def __init__(self, value: object, path: str = "") -> None:
        self.value = value
        self.path = path or "body"
        self._prefix = f"{path}." if path else ""

    def __getitem__(self, name: str) -> _Wild:
        inside = self.value.get(name) if isinstance(self.value, Mapping) else None
        return _Wild(inside, self._prefix + name)

    def there(self) -> bool:
        return self.value is not None

    def first(self) -> _Wild:
        if not isinstance(self.value, Sequence) or isinstance(self.value, str | bytes) or not self.value:
            raise UnreadablePayload(self.path, "not a list with something in it")
        return _Wild(self.value[0], f"{self.path}[0]")

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise UnreadablePayload(self.path, "missing" if self.value is None else "not a text")
        return _storable(self.value)

    def text_or_empty(self) -> str:
        if self.value is not None and not isinstance(self.value, str):
            raise UnreadablePayload(self.path, "not a text")
        return _storable(self.value or "")


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str) -> str:
    """Slack sends neither, but a signed body could: the database takes no lone surrogate, and nothing needs NUL."""
    return _NOT_STORABLE.sub("\ufffd", text)
