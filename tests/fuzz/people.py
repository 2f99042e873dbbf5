"""Slack's requests of all sorts of people: ours, those of other workspaces and apps, bots, and nobody."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bot.blocks.identifiers import RESOLVE_CALLBACK, ClickAction, encode
from bot.sandbox.workspace import APP_ID, TEAM_ID
from db.model.identity import IncidentId
from tests.strategies import NASTY

OURS = "U001"
STRANGER = "UFOREIGN"
"""Whoever is named so belongs to another workspace or enterprise."""

_NOBODY: tuple[object, ...] = (
    "<!channel>",
    "observer:reconciliation",
    "B0BOT",
    "",
    "u001",
    "U001 ",
    "U",
    "Ü001",
    "U" * 60,
    None,
    7,
    [],
    {},
)
_COMMANDS = ("", "list", "list status:all", "show 1", "ack 1", "unack 1", "resolve 1 done", "reopen 1", "help", "1")
_ELSEWHERE: tuple[dict[str, Any], ...] = (
    {"team": {"id": "T_OTHER"}, "team_id": "T_OTHER"},
    {"user_team": "T_OTHER"},
    {"enterprise": {"id": "E_OTHER"}, "enterprise_id": "E_OTHER", "is_enterprise_install": True},
)


class Said(NamedTuple):
    """The body of a request, and whether it may neither read nor change anything."""

    body: bytes
    is_foreign: bool


def said(choices: bytes, incident: IncidentId) -> Said:
    """A request about this incident; the same choices give the same one."""
    chance = random.Random(choices)
    who = chance.choice(("ours", "ours", "elsewhere", "elsewhere", "nobody"))
    user: object = {"ours": OURS, "elsewhere": STRANGER, "nobody": chance.choice(_NOBODY)}[who]
    more: dict[str, Any] = dict(chance.choice(_ELSEWHERE)) if who == "elsewhere" else {}
    common: dict[str, Any] = {
        "api_app_id": chance.choice((APP_ID, "A_OTHER", "", None)),
        "trigger_id": "1.2",
        "response_url": chance.choice(("", "http://127.0.0.1:1/", "https://hooks.slack.com.evil.example/", None, 3)),
    }
    is_command = chance.random() < 0.5 and "user_team" not in more  # a command does not say where its person belongs
    if is_command:
        form = {
            **common,
            "command": chance.choice(("/incident", "/obs", "", "<!here>")),
            "text": chance.choice((*_COMMANDS, *NASTY)).encode("utf-8", "replace").decode(),
            "user_id": user, "channel_id": "C001", "team_id": TEAM_ID,
            **{name: value for name, value in more.items() if isinstance(value, str)},
        }  # fmt: skip
        return Said(urlencode(form).encode(), who != "ours")
    person = {"id": user, **({"team_id": more.pop("user_team")} if "user_team" in more else {})}
    payload = {**common, "user": person, "team": {"id": TEAM_ID}, **more, **_act(chance, incident)}
    if chance.random() < 0.2:  # something is missing, or is another thing than it should be
        payload[chance.choice(sorted(set(payload) - {"user", "team", "enterprise"}))] = chance.choice(
            (None, 1, [], "x", {})
        )
    return Said(urlencode({"payload": json.dumps(payload)}).encode(), who != "ours")


def _act(chance: random.Random, incident: IncidentId) -> dict[str, Any]:
    action = chance.choice(list(ClickAction))
    text = chance.choice(NASTY)
    if chance.random() < 0.3:
        metadata = json.dumps({"v": 1, "incident": incident})
        inputs = {"root_cause": {"text": {"type": "plain_text_input", "value": text}}}
        view = {"id": "V1", "callback_id": RESOLVE_CALLBACK, "private_metadata": metadata, "state": {"values": inputs}}
        return {"type": "view_submission", "view": view}
    value = chance.choice((encode(action, incident, 1), encode(action, incident, 10**17), text))
    button = {"type": "button", "action_id": action.action_id, "block_id": "b", "value": value}
    container = {"type": "message", "message_ts": "1.2", "channel_id": "C001", "is_ephemeral": chance.random() < 0.5}
    return {"type": "block_actions", "actions": [button], "channel": {"id": "C001"}, "container": container}
