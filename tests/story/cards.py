"""Reading cards as a person does: which incident, which state, which buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Card = dict[str, Any]


def elements(message: Card) -> list[dict[str, Any]]:
    """All buttons and menus of a message."""
    return [
        element
        for block in message["blocks"] or []
        for element in [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]
    ]


def element_ids(message: Card) -> set[str]:
    """The `action_id`s of a message's buttons and menus."""
    return {element["action_id"] for element in elements(message) if "action_id" in element}


def option(message: Card, action: str) -> str:
    """The value of the menu's option for an action."""
    for element in elements(message):
        for choice in element.get("options", []):
            if f":{action}:" in choice["value"]:
                return str(choice["value"])
    raise AssertionError(f"no option {action} in {message['blocks']}")


def of(number: int) -> Callable[[Card], bool]:
    """The card of the incident with this number."""
    return lambda message: f"#{number}" in message["text"]


def is_active(message: Card) -> bool:
    """Nobody has acknowledged it."""
    return "incident_acknowledge" in element_ids(message)


def is_acknowledged(message: Card) -> bool:
    """Somebody works on it."""
    return "incident_resolve" in element_ids(message) and not is_active(message)


def is_resolved(message: Card) -> bool:
    """It is over."""
    return "incident_reopen" in element_ids(message)


def both(*conditions: Callable[[Card], bool]) -> Callable[[Card], bool]:
    """A card for which all of these hold."""
    return lambda message: all(condition(message) for condition in conditions)
