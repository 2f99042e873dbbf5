"""What Slack sends to an app, complete as the real ones are; builders only, nothing is sent here."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from bot.sandbox.blocks import all_options, elements_of
from bot.sandbox.errors import ControlError
from bot.sandbox.settings import Person
from bot.sandbox.workspace import (
    APP_ID,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    VERIFICATION_TOKEN,
    Channel,
    Ephemeral,
    Json,
    Message,
    OpenView,
    Trigger,
    Workspace,
)

_MENTION = re.compile(r"(?<![\w@#<])([@#])([\w.-]+)")
_ADDRESS = re.compile(r"(?<![\w<|])(https?://[^\s<>|]+)")

SINGLE_OPTION = frozenset(("overflow", "static_select", "external_select", "radio_buttons"))
SEVERAL_OPTIONS = frozenset(("checkboxes", "multi_static_select", "multi_external_select"))
BARE_VALUES = {
    # type of element: the name under which its value goes out
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "plain_text_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "number_input": "value",
}
BARE_LISTS = {
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
}


def find_element(blocks: list[Json], action_id: str, block_id: str | None) -> tuple[Json, Json] | None:
    """The block and element with these identifiers."""
    for block in blocks:
        for element in elements_of(block):
            if element.get("action_id") == action_id and block_id in (None, block.get("block_id")):
                return block, element
    return None


def action(block: Json, element: Json, value: Any, ts: str) -> Json:
    """One use of an element. For menus `value` is the chosen option's value."""
    kind = element["type"]
    shown: Json = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": ts,
    }
    if kind == "button":
        shown["text"] = deepcopy(element["text"])
        for name in ("value", "style", "url"):
            if name in element:
                shown[name] = element[name]
        return shown
    if "placeholder" in element:
        shown["placeholder"] = deepcopy(element["placeholder"])
    return shown | chosen(element, value)


def chosen(element: Json, value: Any) -> Json:
    """The part of an action or a state that holds the value; a menu's value must be one of its options."""
    kind = element["type"]
    if kind in SINGLE_OPTION:
        return {"selected_option": None if value in (None, "") else _option(element, value)}
    if kind in SEVERAL_OPTIONS:
        return {"selected_options": [_option(element, one) for one in _several(value)]}
    if kind in BARE_LISTS:
        return {BARE_LISTS[kind]: _several(value)}
    if kind in BARE_VALUES:
        return {BARE_VALUES[kind]: None if value in (None, "") else value}
    return {"value": value}


def click(
    workspace: Workspace,
    person: Person,
    channel: Channel,
    where: Message | Ephemeral,
    used: Json,
    trigger: Trigger,
    response_url: str,
) -> Json:
    """block_actions from a message."""
    ephemeral = isinstance(where, Ephemeral)
    ts = where.id if isinstance(where, Ephemeral) else where.ts
    container: Json = {"type": "message", "message_ts": ts, "channel_id": channel.id, "is_ephemeral": ephemeral}
    payload = (
        {"type": "block_actions", "user": _user(person)}
        | _common(workspace)
        | {
            "container": container,
            "trigger_id": trigger.id,
            "channel": {"id": channel.id, "name": _channel_name(channel)},
            "state": {"values": {}},
            "response_url": response_url,
            "actions": [used],
        }
    )
    if isinstance(where, Message):
        if where.thread_ts is not None:
            container["thread_ts"] = where.thread_ts
        payload["message"] = where.as_slack(with_metadata=True)
    return payload


def view_click(workspace: Workspace, person: Person, view: OpenView, used: Json, trigger: Trigger) -> Json:
    """block_actions from a modal or Home tab."""
    return (
        {"type": "block_actions", "user": _user(person)}
        | _common(workspace)
        | {
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": trigger.id,
            "view": view.as_slack(),
            "actions": [used],
        }
    )


def view_submission(workspace: Workspace, person: Person, view: OpenView, trigger: Trigger) -> Json:
    """The Submit button of a modal."""
    return (
        {"type": "view_submission", "user": _user(person)}
        | _common(workspace)
        | {"trigger_id": trigger.id, "view": view.as_slack(), "response_urls": []}
    )


def view_closed(workspace: Workspace, person: Person, view: OpenView, is_cleared: bool) -> Json:
    """A modal that asked to be told was closed."""
    return (
        {"type": "view_closed", "user": _user(person)}
        | _common(workspace)
        | {"view": view.as_slack(), "is_cleared": is_cleared}
    )


def shortcut(workspace: Workspace, person: Person, callback_id: str, trigger: Trigger, ts: str) -> Json:
    """A global shortcut."""
    return (
        {"type": "shortcut", "user": _user(person)}
        | _common(workspace)
        | {"callback_id": callback_id, "trigger_id": trigger.id, "action_ts": ts}
    )


def message_shortcut(
    workspace: Workspace,
    person: Person,
    callback_id: str,
    channel: Channel,
    message: Message,
    trigger: Trigger,
    ts: str,
    response_url: str,
) -> Json:
    """A shortcut in a message's menu."""
    return (
        {"type": "message_action", "user": _user(person)}
        | _common(workspace)
        | {
            "callback_id": callback_id,
            "trigger_id": trigger.id,
            "action_ts": ts,
            "message_ts": message.ts,
            "channel": {"id": channel.id, "name": _channel_name(channel)},
            "message": message.as_slack(with_metadata=True),
            "response_url": response_url,
        }
    )


def command(
    workspace: Workspace, person: Person, channel: Channel, name: str, text: str, trigger: Trigger, response_url: str
) -> dict[str, str]:
    """The form of a slash command."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": _channel_name(channel),
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": escaped(workspace, text),
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger.id,
    }


def event(workspace: Workspace, inner: Json, event_id: str) -> Json:
    """An Events API envelope; url_verification is one by itself."""
    if inner.get("type") == "url_verification":
        return {"token": VERIFICATION_TOKEN} | inner
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "context_team_id": TEAM_ID,
        "context_enterprise_id": None,
        "api_app_id": APP_ID,
        "event": inner,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(workspace.now()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER_ID,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }


def escaped(workspace: Workspace, text: str) -> str:
    """What somebody typed, as Slack sends it: `&<>` escaped, names of people and channels and addresses as links."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def link(found: re.Match[str]) -> str:
        sign, name = found.groups()
        if sign == "@" and (person := workspace.person(name)) is not None:
            return f"<@{person.id}|{person.name}>"
        if sign == "#" and (channel := workspace.find_channel(name)) is not None:
            return f"<#{channel.id}|{channel.name}>"
        return found[0]

    return _ADDRESS.sub(r"<\1>", _MENTION.sub(link, text))


def _common(workspace: Workspace) -> Json:
    return {
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "api_app_id": APP_ID,
        "token": VERIFICATION_TOKEN,
    }


def _user(person: Person) -> Json:
    return {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM_ID}


def _channel_name(channel: Channel) -> str:
    if channel.im_user is not None:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name


def _several(value: Any) -> list[str]:
    if value in (None, ""):
        return []
    return [str(one) for one in value] if isinstance(value, list) else str(value).split(",")


def _option(element: Json, value: Any) -> Json:
    for option in all_options(element):
        if option.get("value") == value:
            return deepcopy(option) if isinstance(option, dict) else {}
    offered = ", ".join(str(option.get("value")) for option in all_options(element))
    raise ControlError(f"{element['action_id']} has no option {value!r}; it offers: {offered}", 404)
