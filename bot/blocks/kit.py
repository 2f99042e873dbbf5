"""Block Kit's pieces, each made so that Slack accepts it: the one place that knows the limits.

Every constructor takes what it is given and cuts it to what Slack allows; none of them can produce an empty text, an
empty list or a message that is too big. Texts of type `Mrkdwn` go out as they are, `str` is made harmless on its way
into `plain_text`. `verbatim` is always set, so that Slack adds no links or mentions of its own to a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from bot.blocks.message import SlackMessage
from bot.text.markup import ELLIPSIS, Mrkdwn, bold, cut, is_blank, length, plain, plain_lines, safe

Block = dict[str, object]
Element = dict[str, object]
View = dict[str, object]

BLOCKS_PER_MESSAGE = 50
BLOCKS_PER_VIEW = 100
MESSAGE_SIZE = (
    7_900  # Slack refused about 13,000 with `msg_blocks_too_long`; counted here with all JSON around the texts
)
VIEW_SIZE = 100_000  # of 250 KB, most of it could be three bytes a character
TOP_LEVEL_TEXT = 1_000  # a sentence or two that are read aloud

HEADER = 150
SECTION_TEXT = 3000
FIELDS = 10
FIELD_TEXT = 2000
CONTEXT_ELEMENTS = 10
CONTEXT_TEXT = 2000
ACTIONS_ELEMENTS = 25
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
ACCESSIBILITY_LABEL = 75
OVERFLOW_OPTIONS = 5
OPTION_TEXT = 75
OPTION_VALUE = 150
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
IDENTIFIER = 255
VIEW_TITLE = 24
VIEW_BUTTON = 24
PRIVATE_METADATA = 3000
INPUT_LABEL = 2000
PLACEHOLDER = 150
INPUT_LENGTH = 3000

_SMALLEST_CUT = 80
"""A text is not shortened below this to make a message fit; after that whole blocks go."""


# -- blocks ------------------------------------------------------------------------------------------------------------


def header(text: str, *, block_id: str, emoji: str = "") -> Block:
    """A title; `emoji` are codes of ours such as `:red_circle:`, shown before the text."""
    start = f"{emoji} " if emoji else ""
    words = plain(text, HEADER - length(start)) or ELLIPSIS
    return {
        "type": "header",
        "block_id": _identifier(block_id),
        "text": {"type": "plain_text", "text": start + words, "emoji": True},
    }


def section(text: Mrkdwn, *, block_id: str, accessory: Element | None = None) -> Block:
    """A text, with at most one button or menu beside it."""
    block: Block = {"type": "section", "block_id": _identifier(block_id), "text": _mrkdwn(text, SECTION_TEXT)}
    if accessory is not None:
        block["accessory"] = accessory
    return block


def fields(pairs: Iterable[tuple[str, Mrkdwn]], *, block_id: str) -> list[Block]:
    """Names and values in two columns: one section, or none when no value says anything."""
    said = [(name, value) for name, value in pairs if not is_blank(value)][:FIELDS]
    if not said:
        return []
    texts = [_mrkdwn(Mrkdwn(f"{bold(safe(name, 80))}\n{value}"), FIELD_TEXT) for name, value in said]
    return [{"type": "section", "block_id": _identifier(block_id), "fields": texts}]


def context(parts: Iterable[Mrkdwn], *, block_id: str) -> list[Block]:
    """Small print: one context block, or none when there is nothing to say."""
    said = [_mrkdwn(part, CONTEXT_TEXT) for part in parts if not is_blank(part)][:CONTEXT_ELEMENTS]
    if not said:
        return []
    return [{"type": "context", "block_id": _identifier(block_id), "elements": said}]


def actions(elements: Sequence[Element], *, block_id: str) -> list[Block]:
    """A row of buttons and menus, or no block when there are none."""
    if not elements:
        return []
    return [{"type": "actions", "block_id": _identifier(block_id), "elements": list(elements)[:ACTIONS_ELEMENTS]}]


def divider(*, block_id: str) -> Block:
    """A line across."""
    return {"type": "divider", "block_id": _identifier(block_id)}


def text_input(
    label: str, *, block_id: str, action_id: str, placeholder: str, focus: bool = False, initial: str = ""
) -> Block:
    """A box of several lines that may stay empty."""
    element: Element = {
        "type": "plain_text_input",
        "action_id": _identifier(action_id),
        "multiline": True,
        "max_length": INPUT_LENGTH,
        "focus_on_load": focus,
        "placeholder": _plain_text(placeholder, PLACEHOLDER),
    }
    if not is_blank(initial):
        element["initial_value"] = plain_lines(initial, INPUT_LENGTH)
    return {
        "type": "input",
        "block_id": _identifier(block_id),
        "label": _plain_text(label, INPUT_LABEL),
        "element": element,
        "optional": True,
    }


# -- elements ----------------------------------------------------------------------------------------------------------


def button(
    label: str,
    *,
    action_id: str,
    value: str,
    accessible: str,
    style: Literal["primary", "danger"] | None = None,
    ask: Element | None = None,
) -> Element:
    """A button. `accessible` is what a screen reader says instead of the label; `ask` is a `confirm` dialog."""
    element: Element = {
        "type": "button",
        "action_id": _identifier(action_id),
        "text": _plain_text(label, BUTTON_TEXT),
        "value": _whole(value, BUTTON_VALUE),
        "accessibility_label": plain(accessible, ACCESSIBILITY_LABEL) or ELLIPSIS,
    }
    if style is not None:
        element["style"] = style
    if ask is not None:
        element["confirm"] = ask
    return element


def option(label: str, value: str) -> Element:
    """A line of a menu."""
    return {"text": _plain_text(label, OPTION_TEXT), "value": _whole(value, OPTION_VALUE)}


def overflow(options: Sequence[Element], *, action_id: str) -> Element:
    """The menu behind the three dots."""
    return {
        "type": "overflow",
        "action_id": _identifier(action_id),
        "options": list(options)[:OVERFLOW_OPTIONS],
    }


def confirm(title: str, text: str, *, yes: str, no: str, style: Literal["primary", "danger"] | None = None) -> Element:
    """The question asked before a button counts."""
    dialog: Element = {
        "title": _plain_text(title, CONFIRM_TITLE),
        "text": _plain_text(text, CONFIRM_TEXT),
        "confirm": _plain_text(yes, CONFIRM_BUTTON),
        "deny": _plain_text(no, CONFIRM_BUTTON),
    }
    if style is not None:
        dialog["style"] = style
    return dialog


# -- wholes ------------------------------------------------------------------------------------------------------------


def message(text: Mrkdwn, blocks: Sequence[Block]) -> SlackMessage:
    """A message that Slack takes: at most 50 blocks, below the size at which it refuses.

    What does not fit is shortened where it is longest; if that is not enough, blocks go from the end. The header and
    the buttons stay: an incident that cannot be described must still be handled.
    """
    top = cut(text, TOP_LEVEL_TEXT)
    kept = list(blocks)
    while len(kept) > BLOCKS_PER_MESSAGE and (last := _last_dispensable(kept)) is not None:
        del kept[last]
    _shrink(kept, MESSAGE_SIZE - length(top))
    return SlackMessage(top if not is_blank(top) else ELLIPSIS, kept)


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str,
    private_metadata: str,
    close: str,
    submit: str | None = None,
) -> View:
    """A dialog; without `submit` it only tells something."""
    kept = list(blocks)[:BLOCKS_PER_VIEW]
    _shrink(kept, VIEW_SIZE)
    view: View = {
        "type": "modal",
        "callback_id": _identifier(callback_id),
        "private_metadata": _whole(private_metadata, PRIVATE_METADATA),
        "title": _plain_text(title, VIEW_TITLE),
        "close": _plain_text(close, VIEW_BUTTON),
        "blocks": kept,
    }
    if submit is not None:
        view["submit"] = _plain_text(submit, VIEW_BUTTON)
    return view


def size(blocks: Sequence[Mapping[str, object]]) -> int:
    """How much of a message's limit these blocks use, with all the JSON around their texts."""
    return length(json.dumps(blocks, ensure_ascii=False))


# -- inside ------------------------------------------------------------------------------------------------------------


def _mrkdwn(text: Mrkdwn, limit: int) -> dict[str, object]:
    kept = cut(text, limit)
    return {"type": "mrkdwn", "text": ELLIPSIS if is_blank(kept) else kept, "verbatim": True}


def _plain_text(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": plain_lines(text, limit) or ELLIPSIS, "emoji": True}


def _identifier(text: str) -> str:
    return _whole(text, IDENTIFIER)


def _whole(text: str, limit: int) -> str:
    """A text for machines: it is refused, never cut, for half an identifier is another identifier."""
    if not 0 < length(text) <= limit:
        raise ValueError(f"an identifier must have 1 to {limit} characters, this one has {length(text)}")
    return text


def _shrink(blocks: list[Block], room: int) -> None:
    """Make the blocks fit into `room`, in place."""
    excess = size(blocks) - room
    while excess > 0:
        longest = max(_texts(blocks), key=lambda text: length(str(text["text"])), default=None)
        now = length(str(longest["text"])) if longest is not None else 0
        if longest is not None and now > _SMALLEST_CUT:
            less = min(max(excess, 20), now // 3)  # a third at a time: the next longest gives its share too
            longest["text"] = cut(Mrkdwn(str(longest["text"])), max(_SMALLEST_CUT, now - less))
        elif (last := _last_dispensable(blocks)) is not None:
            del blocks[last]
        else:
            return
        excess = size(blocks) - room


def _texts(blocks: Iterable[Block]) -> Iterator[dict[str, object]]:
    """The text objects that may be shortened: of sections, fields and contexts."""
    for block in blocks:
        if block["type"] == "section" and isinstance(text := block.get("text"), dict):
            yield text
        for name in ("fields", "elements"):
            if block["type"] in ("section", "context") and isinstance(texts := block.get(name), list):
                yield from texts


def _last_dispensable(blocks: Sequence[Block]) -> int | None:
    for index in range(len(blocks) - 1, -1, -1):
        if blocks[index]["type"] not in ("header", "actions", "input") and "accessory" not in blocks[index]:
            return index
    return next((index for index in range(len(blocks) - 1, -1, -1) if "accessory" in blocks[index]), None)
