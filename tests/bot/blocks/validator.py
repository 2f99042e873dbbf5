"""Refuses what Slack refuses: slack_sdk's own models, and the limits they do not check."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.blocks.message import SlackMessage

SECTION_KEYS = {"type", "block_id", "text", "fields", "accessory"}
INVISIBLE = "\u2060\u200b\ufeff"

_OUR_SEQUENCES = re.compile(
    r"<@[UW][A-Z0-9]{1,40}>"
    r"|<!date\^-?\d+\^(?:[A-Za-z ]+ )?\{date_short_pretty\} \{time\}\|(?:[A-Za-z ]+ )?\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
    r"|<https?://[^<>|\s\"]+\|[^<>|\n]+>"
)


def check_message(message: SlackMessage) -> None:
    """Every rule for a message."""
    assert message.text.strip(), "a message needs a text"
    assert units(message.text) <= 4000
    check_mrkdwn(message.text)
    assert 1 <= len(message.blocks) <= 50
    assert len(message.text) + units(json.dumps(message.blocks, ensure_ascii=False)) < 8000
    json.dumps(message.blocks, ensure_ascii=False).encode()  # no lone surrogates
    check_blocks(message.blocks, allowed={"header", "section", "context", "actions", "divider"})


def check_view(view: Mapping[str, Any]) -> None:
    """Every rule for a modal."""
    View(**view).to_dict()
    assert set(view) <= {"type", "callback_id", "private_metadata", "title", "close", "submit", "blocks"}
    check_plain(view["title"], 24)
    check_plain(view["close"], 24)
    if "submit" in view:
        check_plain(view["submit"], 24)
    assert ("submit" in view) == any(block["type"] == "input" for block in view["blocks"])
    assert 1 <= len(view["callback_id"]) <= 255
    assert len(view["private_metadata"]) <= 3000
    assert 1 <= len(view["blocks"]) <= 100
    assert len(json.dumps(view, ensure_ascii=False).encode()) < 250_000
    check_blocks(view["blocks"], allowed={"section", "context", "input"})


def check_blocks(blocks: Sequence[Mapping[str, Any]], allowed: set[str]) -> None:
    """Every rule for the blocks of one surface."""
    parsed = Block.parse_all([dict(block) for block in blocks])
    assert len(parsed) == len(blocks)
    for block in parsed:
        block.to_dict()
    ids = [block["block_id"] for block in blocks]
    assert len(set(ids)) == len(ids), "a block_id stands twice"
    assert all(0 < units(block_id) <= 255 for block_id in ids)
    for one in blocks:
        assert one["type"] in allowed
        _CHECKS[one["type"]](one)


def _header(block: Mapping[str, Any]) -> None:
    assert set(block) == {"type", "block_id", "text"}
    check_plain(block["text"], 150)


def _section(block: Mapping[str, Any]) -> None:
    assert set(block) <= SECTION_KEYS
    assert ("text" in block) != ("fields" in block)
    if "text" in block:
        _text(block["text"], 3000)
    for field in block.get("fields", []):
        _text(field, 2000)
    assert len(block.get("fields", [None])) in range(1, 11)
    if "accessory" in block:
        check_element(block["accessory"])


def _context(block: Mapping[str, Any]) -> None:
    assert set(block) == {"type", "block_id", "elements"}
    assert 1 <= len(block["elements"]) <= 10
    for element in block["elements"]:
        _text(element, 2000)


def _actions(block: Mapping[str, Any]) -> None:
    assert set(block) == {"type", "block_id", "elements"}
    assert 1 <= len(block["elements"]) <= 25
    ids = [element["action_id"] for element in block["elements"]]
    assert len(set(ids)) == len(ids), "an action_id stands twice"
    assert sum(element.get("style") == "primary" for element in block["elements"]) <= 1
    for element in block["elements"]:
        check_element(element)


def _input(block: Mapping[str, Any]) -> None:
    assert set(block) == {"type", "block_id", "label", "element", "optional"}
    check_plain(block["label"], 2000)
    element = block["element"]
    assert element["type"] == "plain_text_input"
    assert 1 <= element["max_length"] <= 3000
    check_plain(element["placeholder"], 150)
    assert units(element.get("initial_value", "")) <= element["max_length"]


def _divider(block: Mapping[str, Any]) -> None:
    assert set(block) == {"type", "block_id"}


_CHECKS = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "divider": _divider,
}


def check_element(element: Mapping[str, Any]) -> None:
    """Every rule for a button or a menu."""
    assert re.fullmatch(r"incident_[a-z_]{1,200}", element["action_id"])
    match element["type"]:
        case "button":
            assert set(element) <= {
                "type",
                "action_id",
                "text",
                "value",
                "accessibility_label",
                "style",
                "confirm",
            }
            check_plain(element["text"], 75)
            assert 1 <= units(element["value"]) <= 2000
            assert 1 <= units(element["accessibility_label"]) <= 75
            assert element.get("style", "primary") in ("primary", "danger")
            if "confirm" in element:
                dialog = element["confirm"]
                check_plain(dialog["title"], 100)
                check_plain(dialog["text"], 300)
                check_plain(dialog["confirm"], 30)
                check_plain(dialog["deny"], 30)
        case "overflow":
            assert set(element) <= {"type", "action_id", "options", "confirm"}
            assert 1 <= len(element["options"]) <= 5
            for option in element["options"]:
                check_plain(option["text"], 75)
                assert 1 <= units(option["value"]) <= 150
        case other:
            raise AssertionError(f"no such element is ours: {other}")


def check_plain(text: Mapping[str, Any], limit: int) -> None:
    """A `plain_text` object that says something and holds nothing alive."""
    assert set(text) <= {"type", "text", "emoji"}
    assert text["type"] == "plain_text"
    assert text["text"].strip(INVISIBLE + " \n"), "an empty text"
    assert units(text["text"]) <= limit
    assert not re.search(r"<[!@#]", text["text"])
    _characters(text["text"])


def _text(text: Mapping[str, Any], limit: int) -> None:
    assert set(text) == {"type", "text", "verbatim"}
    assert text["type"] == "mrkdwn"
    assert text["verbatim"] is True
    assert text["text"].strip(INVISIBLE + " \n"), "an empty text"
    assert units(text["text"]) <= limit
    check_mrkdwn(text["text"])


def check_mrkdwn(text: str) -> None:
    """Markup in which every control sequence is one of ours and whole, and every escape too."""
    left = _OUR_SEQUENCES.sub("", text)
    assert "<" not in left, f"a control sequence that is not ours: {left!r}"
    assert ">" not in left, f"half a sequence: {left!r}"
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", left, re.DOTALL), f"half an escape: {left!r}"
    assert not re.search(r"@(?:channel|here|everyone)\b", left)
    _characters(text)


def _characters(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert "\u200d…" not in text, "cut inside an emoji"


def markup_of(message: SlackMessage) -> Iterator[str]:
    """Every text of the message in which Slack looks for markup."""
    yield message.text
    yield from _markup(message.blocks)


def _markup(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for inside in value:
            yield from _markup(inside)
    elif isinstance(value, dict) and value.get("type") == "mrkdwn":
        yield value["text"]
    elif isinstance(value, dict):
        for inside in value.values():
            yield from _markup(inside)


def plain_of(message: SlackMessage) -> Iterator[str]:
    """Every text of the message in which Slack looks for nothing but emoji codes."""
    for block in message.blocks:
        yield from _plain(block)


def _plain(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for inside in value:
            yield from _plain(inside)
    elif isinstance(value, dict) and value.get("type") == "plain_text":
        yield value["text"]
    elif isinstance(value, dict):
        for inside in value.values():
            yield from _plain(inside)


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def drawn(message: SlackMessage) -> str:
    """The message as a person may see it, one line a piece: what the examples compare."""
    lines: list[str] = []
    for block in message.blocks:
        lines += _drawn_block(block)
    return "\n".join(lines)


def _drawn_block(block: Mapping[str, Any]) -> list[str]:
    match block["type"]:
        case "header":
            return [f"# {block['text']['text']}"]
        case "section" if "fields" in block:
            return ["| " + " = ".join(field["text"].split("\n", 1)).replace("\n", " // ") for field in block["fields"]]
        case "section":
            beside = [_drawn_element(block["accessory"])] if "accessory" in block else []
            return [*block["text"]["text"].split("\n"), *beside]
        case "context":
            return ["> " + "   ".join(element["text"] for element in block["elements"])]
        case "actions":
            return [" ".join(_drawn_element(element) for element in block["elements"])]
        case other:
            return [other]


def _drawn_element(element: Mapping[str, Any]) -> str:
    if element["type"] == "overflow":
        return "(… " + ", ".join(option["text"]["text"] for option in element["options"]) + ")"
    style = {"primary": "*", "danger": "!"}.get(element.get("style", ""), "")
    ask = "?" if "confirm" in element else ""
    return f"[{style}{element['text']['text']}{ask}]"
