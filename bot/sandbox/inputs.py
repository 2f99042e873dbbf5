"""What Slack's client does with a modal before it sends it: collects the values and refuses incomplete ones. Pure."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.blocks import length
from bot.sandbox.errors import ControlError
from bot.sandbox.payloads import BARE_LISTS, BARE_VALUES, SEVERAL_OPTIONS, SINGLE_OPTION, chosen
from bot.sandbox.workspace import Json

REQUIRED = "Please complete this required field."

Values = dict[str, dict[str, Any]]
"""block_id -> action_id -> what was typed or chosen."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_STATEFUL = SINGLE_OPTION.union(SEVERAL_OPTIONS, BARE_LISTS, BARE_VALUES) - {"overflow"}


def collect(blocks: list[Json], values: Values) -> tuple[Json, dict[str, str]]:
    """The state to send and, by block, what the client would complain about."""
    state: Json = {}
    errors: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    for block in blocks:
        for element in _stateful(block):
            block_id, action_id = block["block_id"], element["action_id"]
            known.add((block_id, action_id))
            given = values.get(block_id, {})
            value = given[action_id] if action_id in given else initial(element)
            filled = chosen(element, value)
            state.setdefault(block_id, {})[action_id] = {"type": element["type"]} | filled
            if block["type"] == "input" and (error := _complaint(block, element, next(iter(filled.values())))):
                errors[block_id] = error
    unknown = [
        f"{block_id}/{action_id}"
        for block_id, given in values.items()
        for action_id in given
        if (block_id, action_id) not in known
    ]
    if unknown:
        there = ", ".join(f"{block}/{action}" for block, action in sorted(known)) or "none"
        raise ControlError(f"the view has no input {', '.join(unknown)}; it has: {there}", 404)
    return state, errors


def initial(element: Json) -> Any:
    """What an element holds before anybody touches it."""
    for name in ("initial_value", "initial_date", "initial_time", "initial_date_time", "initial_user"):
        if name in element:
            return element[name]
    for name in ("initial_channel", "initial_conversation", "initial_users", "initial_channels"):
        if name in element:
            return element[name]
    if "initial_option" in element:
        return element["initial_option"]["value"]
    return [option["value"] for option in element.get("initial_options", [])] or None


def _stateful(block: Json) -> list[Json]:
    match block.get("type"):
        case "input":
            found = [block["element"]]
        case "section":
            found = [block.get("accessory")]
        case "actions":
            found = block["elements"]
        case _:
            found = []
    return [element for element in found if isinstance(element, dict) and element.get("type") in _STATEFUL]


def _complaint(block: Json, element: Json, value: Any) -> str | None:
    if value in (None, "", []) or (isinstance(value, str) and not value.strip()):
        return None if block.get("optional") else REQUIRED
    kind = element["type"]
    if kind == "plain_text_input":
        least, most, size = element.get("min_length", 0), element.get("max_length", 3000), length(str(value))
        if size < least:
            return f"Your entry needs to be at least {least} characters."
        if size > most:
            return f"Your entry is {size - most} characters too long."
    if kind == "email_text_input" and not _EMAIL.fullmatch(str(value)):
        return "Please enter a valid email address."
    if kind == "url_text_input" and not re.match(r"https?://\S+", str(value)):
        return "Please enter a valid URL."
    if kind == "number_input":
        try:
            float(str(value))
        except ValueError:
            return "Please enter a valid number."
    return None
