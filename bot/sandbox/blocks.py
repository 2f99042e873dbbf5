"""The linter for Block Kit: what Slack refuses in messages and views, each with a JSON pointer and the reason. Pure.

Limits (all lengths in UTF-16 units, the strictest way to count):

    message       50 blocks; 13,200 characters over all blocks; one table; 12,000 characters of markdown; no alert block
    view          100 blocks, at least one; modal: title, and `submit` with any input; home: neither;
                  title, submit, close 24; private_metadata 3,000; callback_id and external_id 255; 250 KB in all
    every block   block_id 255, once per message or view; no unknown key; no unknown type
    section       `text` (3,000) or 1 to 10 `fields` (2,000 each); one accessory
    header        plain_text, 150
    actions       1 to 25 elements          context   1 to 10 elements
    image         image_url 3,000, alt_text 2,000, title 2,000
    input         label 2,000 and hint 2,000, both plain_text; one element
    table         100 rows of 20 cells
    every text    at least 1 character; `emoji` only in plain_text, `verbatim` only in mrkdwn
    element       action_id 255, once per block; placeholder 150
    button        plain_text 75, value 2,000, url 3,000, accessibility_label 75, style primary or danger
    overflow      1 to 5 options            select, radio buttons, checkboxes   1 to 100, 100, 10 or 10 options
    option        text 75, value 150, description 75; option groups 100, label 75
    confirm       title 100, text 300, confirm and deny 30
    text input    min_length 0 to 3,000, max_length 1 to 3,000, initial_value 3,000

What these rules let pass is also given to slack_sdk's models, which know some more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

MESSAGE_BLOCKS = 50
MESSAGE_SIZE = 13_200
MESSAGE_MARKDOWN = 12_000
MESSAGE_TABLES = 1
ATTACHMENTS = 100
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
VIEW_TITLE = 24
PRIVATE_METADATA = 3000
IDENTIFIER = 255
SECTION_TEXT = 3000
FIELDS = 10
FIELD_TEXT = 2000
HEADER_TEXT = 150
ACTIONS_ELEMENTS = 25
CONTEXT_ELEMENTS = 10
CONTEXT_TEXT = 2000
IMAGE_URL = 3000
ALT_TEXT = 2000
IMAGE_TITLE = 2000
INPUT_LABEL = 2000
INPUT_HINT = 2000
TABLE_ROWS = 100
TABLE_CELLS = 20
PLACEHOLDER = 150
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
BUTTON_URL = 3000
ACCESSIBILITY_LABEL = 75
OVERFLOW_OPTIONS = 5
SELECT_OPTIONS = 100
CHOICE_OPTIONS = 10
OPTION_GROUPS = 100
OPTION_TEXT = 75
OPTION_VALUE = 150
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
INPUT_LENGTH = 3000

PLAIN = ("plain_text",)
ANY_TEXT = ("plain_text", "mrkdwn")
STYLES = ("primary", "danger")

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+")

_SELECTS = frozenset(
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
)
_SINGLE_SELECTS = frozenset(kind for kind in _SELECTS if not kind.startswith("multi_"))
_CHOICES = frozenset(("checkboxes", "radio_buttons"))
_DATES = frozenset(("datepicker", "timepicker", "datetimepicker"))
_TEXT_INPUTS = frozenset(("plain_text_input", "email_text_input", "url_text_input", "number_input"))

IN_ACTIONS = _SINGLE_SELECTS | _CHOICES | _DATES | {"button", "overflow", "workflow_button"}
IN_SECTION = _SELECTS | _CHOICES | {"datepicker", "timepicker", "button", "overflow", "image", "workflow_button"}
IN_INPUT = _SELECTS | _CHOICES | _DATES | _TEXT_INPUTS | {"rich_text_input", "file_input"}

_COMMON_KEYS = frozenset(("type", "block_id"))
_BLOCK_KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # type: (keys beside type and block_id, those that must be there)
    "section": (frozenset(("text", "fields", "accessory", "expand")), frozenset()),
    "header": (frozenset(("text",)), frozenset(("text",))),
    "divider": (frozenset(), frozenset()),
    "actions": (frozenset(("elements",)), frozenset(("elements",))),
    "context": (frozenset(("elements",)), frozenset(("elements",))),
    "image": (frozenset(("image_url", "slack_file", "alt_text", "title")), frozenset(("alt_text",))),
    "input": (
        frozenset(("label", "element", "hint", "optional", "dispatch_action")),
        frozenset(("label", "element")),
    ),
    "markdown": (frozenset(("text",)), frozenset(("text",))),
    "table": (frozenset(("rows", "column_settings")), frozenset(("rows",))),
    "rich_text": (frozenset(("elements",)), frozenset(("elements",))),
}
_UNCHECKED_BLOCKS = frozenset(
    ("video", "file", "call", "card", "carousel", "container", "alert", "task_card", "plan", "context_actions")
)
"""Real types whose inside only slack_sdk's models judge."""

_MESSAGES_ONLY = frozenset(("markdown", "table", "file", "call", "task_card", "plan", "context_actions", "carousel"))
_MODALS_ONLY = frozenset(("alert",))

_SELECT_KEYS = {
    "static_select": ("options", "option_groups", "initial_option"),
    "multi_static_select": ("options", "option_groups", "initial_options", "max_selected_items"),
    "external_select": ("initial_option", "min_query_length"),
    "multi_external_select": ("initial_options", "min_query_length", "max_selected_items"),
    "users_select": ("initial_user",),
    "multi_users_select": ("initial_users", "max_selected_items"),
    "conversations_select": (
        "initial_conversation",
        "default_to_current_conversation",
        "response_url_enabled",
        "filter",
    ),
    "multi_conversations_select": (
        "initial_conversations",
        "default_to_current_conversation",
        "filter",
        "max_selected_items",
    ),
    "channels_select": ("initial_channel", "response_url_enabled"),
    "multi_channels_select": ("initial_channels", "max_selected_items"),
}
_ELEMENT_KEYS: dict[str, tuple[str, ...]] = {
    "button": ("action_id", "text", "value", "url", "style", "confirm", "accessibility_label", "visible_to_user_ids"),
    "overflow": ("action_id", "options", "confirm"),
    "image": ("image_url", "slack_file", "alt_text"),
    "checkboxes": ("action_id", "options", "initial_options", "confirm", "focus_on_load"),
    "radio_buttons": ("action_id", "options", "initial_option", "confirm", "focus_on_load"),
    "datepicker": ("action_id", "initial_date", "confirm", "focus_on_load", "placeholder"),
    "timepicker": ("action_id", "initial_time", "confirm", "focus_on_load", "placeholder", "timezone"),
    "datetimepicker": ("action_id", "initial_date_time", "confirm", "focus_on_load"),
    "plain_text_input": (
        "action_id",
        "initial_value",
        "multiline",
        "min_length",
        "max_length",
        "dispatch_action_config",
        "focus_on_load",
        "placeholder",
    ),
    "email_text_input": ("action_id", "initial_value", "dispatch_action_config", "focus_on_load", "placeholder"),
    "url_text_input": ("action_id", "initial_value", "dispatch_action_config", "focus_on_load", "placeholder"),
    "number_input": (
        "action_id",
        "is_decimal_allowed",
        "initial_value",
        "min_value",
        "max_value",
        "dispatch_action_config",
        "focus_on_load",
        "placeholder",
    ),
    "rich_text_input": ("action_id", "initial_value", "dispatch_action_config", "focus_on_load", "placeholder"),
    "file_input": ("action_id", "filetypes", "max_files"),
    "workflow_button": ("action_id", "text", "workflow", "style", "accessibility_label"),
    **{kind: ("action_id", "placeholder", "confirm", "focus_on_load", *keys) for kind, keys in _SELECT_KEYS.items()},
}
_VIEW_KEYS = {
    "modal": frozenset(
        (
            "type",
            "title",
            "blocks",
            "close",
            "submit",
            "private_metadata",
            "callback_id",
            "clear_on_close",
            "notify_on_close",
            "external_id",
            "submit_disabled",
        )
    ),
    "home": frozenset(("type", "blocks", "private_metadata", "callback_id", "external_id")),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing Slack would refuse."""

    pointer: str
    reason: str

    def __str__(self) -> str:
        return f"[ERROR] {self.reason} [json-pointer:{self.pointer}]"


def length(text: str) -> int:
    """UTF-16 units: what lies outside the basic plane counts twice."""
    return len(text) + sum(char > "\uffff" for char in text)


def size(blocks: Any) -> int:
    """Characters over all blocks, with the JSON around the texts."""
    return length(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def lint_message(blocks: Any, pointer: str = "/blocks") -> list[Problem]:
    """What Slack would refuse in the blocks of a message; too much in all has its own code and is judged by `size`."""
    lint = _Lint("message")
    lint.blocks(blocks, pointer, MESSAGE_BLOCKS, least=0)
    if not lint.problems:
        of_sdk(lambda: [block.to_dict() for block in Block.parse_all(blocks)], pointer, lint.problems)
    return lint.problems


def lint_attachments(attachments: Any) -> list[Problem]:
    """What Slack would refuse in the attachments of a message, as far as blocks go."""
    lint = _Lint("message")
    if not isinstance(attachments, list):
        return [Problem("/attachments", "must be an array")]
    for index, attachment in enumerate(attachments):
        here = f"/attachments/{index}"
        if not isinstance(attachment, dict):
            lint.say(here, "must be an object")
        elif "blocks" in attachment:
            lint.problems += lint_message(attachment["blocks"], f"{here}/blocks")
    return lint.problems


def lint_view(view: Any) -> list[Problem]:
    """What Slack would refuse in a modal or Home tab; too many bytes have their own code: see `view_bytes`."""
    if not isinstance(view, dict):
        return [Problem("/view", "must be an object")]
    kind = view.get("type")
    if not isinstance(kind, str) or kind not in _VIEW_KEYS:
        return [Problem("/view/type", f"unsupported type: {kind}")]
    lint = _Lint(kind)
    lint.keys(view, "/view", _VIEW_KEYS[kind], frozenset(("blocks",)))
    for name in ("callback_id", "external_id"):
        lint.string(view, name, "/view", IDENTIFIER, least=0)
    lint.string(view, "private_metadata", "/view", PRIVATE_METADATA, least=0)
    lint.blocks(view.get("blocks", []), "/view/blocks", VIEW_BLOCKS, least=1)
    if kind == "modal":
        lint.text(view.get("title"), "/view/title", VIEW_TITLE, PLAIN)
        for name in ("submit", "close"):
            if name in view:
                lint.text(view[name], f"/view/{name}", VIEW_TITLE, PLAIN)
        if "submit" not in view and any(
            isinstance(block, dict) and block.get("type") == "input" for block in _items(view.get("blocks"))
        ):
            lint.say("/view/submit", "a submit button is needed when there are input blocks")
    if not lint.problems:
        of_sdk(lambda: View(**view).to_dict(), "/view", lint.problems)
    return lint.problems


def view_bytes(view: Any) -> int:
    """How large a view is on the wire."""
    return len(json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def of_sdk(build: Callable[[], object], pointer: str, problems: list[Problem]) -> None:
    """Add what slack_sdk's models find."""
    try:
        build()
    except (SlackObjectFormationError, TypeError, ValueError, AttributeError, KeyError) as problem:
        problems.append(Problem(pointer, str(problem)))


def elements_of(block: Any) -> list[dict[str, Any]]:
    """The elements of a block that somebody can use."""
    if not isinstance(block, dict):
        return []
    match block.get("type"):
        case "actions" | "context_actions":
            found: Iterable[Any] = _items(block.get("elements"))
        case "section":
            found = [block.get("accessory")]
        case "input":
            found = [block.get("element")]
        case _:
            found = []
    return [element for element in found if isinstance(element, dict)]


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Lint:
    """One run over one message or view."""

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.problems: list[Problem] = []
        self._action_ids: set[str] = set()

    # -- what every object has -----------------------------------------------------------------------------------------

    def say(self, pointer: str, reason: str) -> None:
        self.problems.append(Problem(pointer, reason))

    def keys(
        self, value: dict[str, Any], pointer: str, allowed: Iterable[str], needed: Iterable[str] = frozenset()
    ) -> None:
        for name in value.keys() - set(allowed):
            self.say(f"{pointer}/{name}", f"invalid additional property: {name}")
        for name in sorted(set(needed) - value.keys()):
            self.say(pointer, f"missing required field: {name}")

    def string(self, value: dict[str, Any], name: str, pointer: str, most: int, least: int = 1) -> None:
        if name not in value:
            return
        text = value[name]
        if not isinstance(text, str):
            self.say(f"{pointer}/{name}", "must be a string")
        elif length(text) > most:
            self.say(f"{pointer}/{name}", f"must be less than {most + 1} characters")
        elif length(text) < least:
            self.say(f"{pointer}/{name}", f"must be more than {least - 1} characters")

    def items(self, value: Any, pointer: str, least: int, most: int) -> list[Any]:
        if not isinstance(value, list):
            self.say(pointer, "must be an array")
            return []
        if len(value) < least:
            self.say(pointer, f"no fewer than {least} items allowed")
        if len(value) > most:
            self.say(pointer, f"no more than {most} items allowed")
        return value[:most]

    def text(self, value: Any, pointer: str, most: int, kinds: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            self.say(pointer, "must be a text object")
            return
        kind = value.get("type")
        if kind not in kinds:
            self.say(f"{pointer}/type", f"must be {' or '.join(kinds)}, not {kind}")
            return
        self.keys(value, pointer, ("type", "text", "emoji" if kind == "plain_text" else "verbatim"), ("text",))
        self.string(value, "text", pointer, most)
        for name in ("emoji", "verbatim"):
            self.boolean(value, name, pointer)

    def boolean(self, value: dict[str, Any], name: str, pointer: str) -> None:
        if name in value and not isinstance(value[name], bool):
            self.say(f"{pointer}/{name}", "must be a boolean")

    def address(self, value: dict[str, Any], name: str, pointer: str, most: int) -> None:
        self.string(value, name, pointer, most)
        if isinstance(text := value.get(name), str) and text and not _ADDRESS.fullmatch(text):
            self.say(f"{pointer}/{name}", "must be a valid URL")

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self, value: Any, pointer: str, most: int, least: int) -> None:
        ids: set[str] = set()
        types: list[str] = []
        markdown = 0
        for index, block in enumerate(self.items(value, pointer, least, most)):
            here = f"{pointer}/{index}"
            if not isinstance(block, dict):
                self.say(here, "must be an object")
                continue
            types.append(str(block.get("type")))
            self.string(block, "block_id", here, IDENTIFIER)
            if (name := block.get("block_id")) is not None and name != "":
                if str(name) in ids:
                    self.say(f"{here}/block_id", f"`block_id` {name} already exists")
                ids.add(str(name))
            self.block(block, here)
            if block.get("type") == "markdown":
                markdown += length(str(block.get("text", "")))
        if markdown > MESSAGE_MARKDOWN:
            self.say(pointer, f"all markdown together must be less than {MESSAGE_MARKDOWN + 1} characters")
        if types.count("table") > MESSAGE_TABLES:
            self.say(pointer, "only_one_table_allowed")

    def block(self, block: dict[str, Any], here: str) -> None:
        kind = block.get("type")
        if not isinstance(kind, str) or (kind not in _BLOCK_KEYS and kind not in _UNCHECKED_BLOCKS):
            self.say(f"{here}/type", f"unsupported type: {kind}")
            return
        if (kind in _MESSAGES_ONLY and self.surface != "message") or (kind in _MODALS_ONLY and self.surface != "modal"):
            self.say(f"{here}/type", f"unsupported type: {kind} in a {self.surface}")
            return
        if kind in _UNCHECKED_BLOCKS:
            return
        allowed, needed = _BLOCK_KEYS[kind]
        self.keys(block, here, allowed | _COMMON_KEYS, needed)
        self._action_ids = set()
        match kind:
            case "section":
                self.section(block, here)
            case "header" if "text" in block:
                self.text(block["text"], f"{here}/text", HEADER_TEXT, PLAIN)
            case "actions" if "elements" in block:
                for index, element in enumerate(self.items(block["elements"], f"{here}/elements", 1, ACTIONS_ELEMENTS)):
                    self.element(element, f"{here}/elements/{index}", IN_ACTIONS)
            case "context" if "elements" in block:
                self.context(block["elements"], f"{here}/elements")
            case "image":
                self.image(block, here)
                if "title" in block:
                    self.text(block["title"], f"{here}/title", IMAGE_TITLE, PLAIN)
            case "input":
                self.input(block, here)
            case "markdown":
                self.string(block, "text", here, MESSAGE_MARKDOWN)
            case "table" if "rows" in block:
                for index, row in enumerate(self.items(block["rows"], f"{here}/rows", 1, TABLE_ROWS)):
                    self.items(row, f"{here}/rows/{index}", 1, TABLE_CELLS)
            case _:
                pass

    def section(self, block: dict[str, Any], here: str) -> None:
        if "text" not in block and "fields" not in block:
            self.say(here, "missing required field: text or fields")
        if "text" in block:
            self.text(block["text"], f"{here}/text", SECTION_TEXT, ANY_TEXT)
        if "fields" in block:
            for index, value in enumerate(self.items(block["fields"], f"{here}/fields", 1, FIELDS)):
                self.text(value, f"{here}/fields/{index}", FIELD_TEXT, ANY_TEXT)
        if "accessory" in block:
            self.element(block["accessory"], f"{here}/accessory", IN_SECTION)
        self.boolean(block, "expand", here)

    def context(self, elements: Any, here: str) -> None:
        for index, element in enumerate(self.items(elements, here, 1, CONTEXT_ELEMENTS)):
            if isinstance(element, dict) and element.get("type") == "image":
                self.keys(element, f"{here}/{index}", ("type", *_ELEMENT_KEYS["image"]))
                self.image(element, f"{here}/{index}")
            else:
                self.text(element, f"{here}/{index}", CONTEXT_TEXT, ANY_TEXT)

    def input(self, block: dict[str, Any], here: str) -> None:
        if "label" in block:
            self.text(block["label"], f"{here}/label", INPUT_LABEL, PLAIN)
        if "hint" in block:
            self.text(block["hint"], f"{here}/hint", INPUT_HINT, PLAIN)
        for name in ("optional", "dispatch_action"):
            self.boolean(block, name, here)
        if "element" in block:
            self.element(block["element"], f"{here}/element", IN_INPUT)

    def image(self, value: dict[str, Any], here: str) -> None:
        if ("image_url" in value) == ("slack_file" in value):
            self.say(here, "exactly one of image_url and slack_file is needed")
        if "alt_text" not in value:
            self.say(here, "missing required field: alt_text")
        self.address(value, "image_url", here, IMAGE_URL)
        self.string(value, "alt_text", here, ALT_TEXT)

    # -- elements ------------------------------------------------------------------------------------------------------

    def element(self, element: Any, here: str, allowed: frozenset[str]) -> None:
        if not isinstance(element, dict):
            self.say(here, "must be an object")
            return
        kind = element.get("type")
        if not isinstance(kind, str) or kind not in allowed:
            self.say(f"{here}/type", f"unsupported type: {kind}")
            return
        self.keys(element, here, ("type", *_ELEMENT_KEYS[kind]))
        self.string(element, "action_id", here, IDENTIFIER)
        if isinstance(action_id := element.get("action_id"), str):
            if action_id in self._action_ids:
                self.say(f"{here}/action_id", f"`action_id` {action_id} already exists in this block")
            self._action_ids.add(action_id)
        if "placeholder" in element:
            self.text(element["placeholder"], f"{here}/placeholder", PLACEHOLDER, PLAIN)
        if "confirm" in element:
            self.confirm(element["confirm"], f"{here}/confirm")
        match kind:
            case "button":
                self.button(element, here)
            case "image":
                self.image(element, here)
            case "overflow":
                self.options(element.get("options"), f"{here}/options", OVERFLOW_OPTIONS, PLAIN)
            case "checkboxes" | "radio_buttons":
                self.options(element.get("options"), f"{here}/options", CHOICE_OPTIONS, ANY_TEXT)
            case "static_select" | "multi_static_select":
                self.select(element, here)
            case "plain_text_input":
                self.text_input(element, here)
            case _:
                pass
        self.initial(element, here)

    def button(self, element: dict[str, Any], here: str) -> None:
        self.text(element.get("text"), f"{here}/text", BUTTON_TEXT, PLAIN)
        self.string(element, "value", here, BUTTON_VALUE)
        self.string(element, "accessibility_label", here, ACCESSIBILITY_LABEL)
        self.address(element, "url", here, BUTTON_URL)
        self.style(element, here)

    def style(self, value: dict[str, Any], here: str) -> None:
        if "style" in value and value["style"] not in STYLES:
            self.say(f"{here}/style", f"must be one of {', '.join(STYLES)}")

    def confirm(self, value: Any, here: str) -> None:
        if not isinstance(value, dict):
            self.say(here, "must be an object")
            return
        self.keys(value, here, ("title", "text", "confirm", "deny", "style"), ("text",))
        for name, most, kinds in (
            ("title", CONFIRM_TITLE, PLAIN),
            ("text", CONFIRM_TEXT, ANY_TEXT),
            ("confirm", CONFIRM_BUTTON, PLAIN),
            ("deny", CONFIRM_BUTTON, PLAIN),
        ):
            if name in value:
                self.text(value[name], f"{here}/{name}", most, kinds)
        self.style(value, here)

    def select(self, element: dict[str, Any], here: str) -> None:
        if ("options" in element) == ("option_groups" in element):
            self.say(here, "exactly one of options and option_groups is needed")
        elif "options" in element:
            self.options(element["options"], f"{here}/options", SELECT_OPTIONS, PLAIN)
        else:
            groups = self.items(element["option_groups"], f"{here}/option_groups", 1, OPTION_GROUPS)
            for index, group in enumerate(groups):
                there = f"{here}/option_groups/{index}"
                if not isinstance(group, dict):
                    self.say(there, "must be an object")
                    continue
                self.text(group.get("label"), f"{there}/label", OPTION_TEXT, PLAIN)
                self.options(group.get("options"), f"{there}/options", SELECT_OPTIONS, PLAIN)

    def options(self, value: Any, here: str, most: int, kinds: tuple[str, ...]) -> None:
        for index, option in enumerate(self.items(value, here, 1, most)):
            there = f"{here}/{index}"
            if not isinstance(option, dict):
                self.say(there, "must be an object")
                continue
            self.keys(option, there, ("text", "value", "description", "url"), ("text", "value"))
            self.text(option.get("text"), f"{there}/text", OPTION_TEXT, kinds)
            self.string(option, "value", there, OPTION_VALUE)
            if "description" in option:
                self.text(option["description"], f"{there}/description", OPTION_TEXT, kinds)
            self.address(option, "url", there, BUTTON_URL)

    def initial(self, element: dict[str, Any], here: str) -> None:
        if element.get("type") not in ("static_select", "multi_static_select", "checkboxes", "radio_buttons"):
            return
        offered = all_options(element)
        chosen = [element["initial_option"]] if "initial_option" in element else _items(element.get("initial_options"))
        for option in chosen:
            if option not in offered:
                self.say(f"{here}/initial_option", "must be one of the options")

    def text_input(self, element: dict[str, Any], here: str) -> None:
        self.string(element, "initial_value", here, INPUT_LENGTH, least=0)
        bounds = []
        for name, least in (("min_length", 0), ("max_length", 1)):
            if name not in element:
                continue
            number = element[name]
            if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= INPUT_LENGTH:
                self.say(f"{here}/{name}", f"must be a whole number from {least} to {INPUT_LENGTH}")
            else:
                bounds.append(number)
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            self.say(f"{here}/min_length", "must not be more than max_length")
        for name in ("multiline", "focus_on_load"):
            self.boolean(element, name, here)


def all_options(element: dict[str, Any]) -> list[Any]:
    """The options an element offers, those of groups included."""
    offered = list(_items(element.get("options")))
    for group in _items(element.get("option_groups")):
        if isinstance(group, dict):
            offered += _items(group.get("options"))
    return offered
