"""What Slack refuses is refused, each with a pointer to the place; what Slack takes passes."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox import blocks as kit
from tests.bot.sandbox.support import (
    Json,
    Slack,
    actions,
    button,
    error_of,
    modal,
    mrkdwn,
    option,
    overflow,
    refusal_of,
    section,
    text,
    text_input,
)


def select(*options: Json, **rest: Any) -> Json:
    return {"type": "static_select", "action_id": "s", "placeholder": text("Pick"), "options": list(options), **rest}


def fields(*values: Json) -> Json:
    return {"type": "section", "fields": list(values)}


def header(value: Json) -> Json:
    return {"type": "header", "text": value}


def context(*elements: Json) -> Json:
    return {"type": "context", "elements": list(elements)}


def image(**rest: Any) -> Json:
    return {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a", **rest}


def confirm(**rest: Any) -> Json:
    return {"title": text("Sure?"), "text": text("Really?"), "confirm": text("Yes"), "deny": text("No"), **rest}


def table(rows: int, cells: int) -> Json:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * cells for _ in range(rows)]}


REFUSED_IN_MESSAGES: dict[str, tuple[list[Any], str]] = {
    "51 blocks": ([section() for _ in range(51)], "/blocks"),
    "a block that is no object": (["x"], "/blocks/0"),
    "a block without a type": ([{"text": text()}], "/blocks/0/type"),
    "an unknown block type": ([{"type": "banner"}], "/blocks/0/type"),
    "an unknown key": ([section(color="red")], "/blocks/0/color"),
    "an alert block": ([{"type": "alert", "text": mrkdwn()}], "/blocks/0/type"),
    "a block_id of 256": ([section(block_id="b" * 256)], "/blocks/0/block_id"),
    "an empty block_id": ([section(block_id="")], "/blocks/0/block_id"),
    "a block_id twice": ([section(block_id="b"), section(block_id="b")], "/blocks/1/block_id"),
    "a section without text and fields": ([{"type": "section"}], "/blocks/0"),
    "a section with an empty text": ([section("")], "/blocks/0/text/text"),
    "a section text of 3001": ([section("x" * 3001)], "/blocks/0/text/text"),
    "a section text that is a string": ([{"type": "section", "text": "x"}], "/blocks/0/text"),
    "a text of an unknown type": ([{"type": "section", "text": text(kind="html")}], "/blocks/0/text/type"),
    "a text without its text": ([{"type": "section", "text": {"type": "mrkdwn"}}], "/blocks/0/text"),
    "emoji in mrkdwn": ([{"type": "section", "text": mrkdwn() | {"emoji": True}}], "/blocks/0/text/emoji"),
    "verbatim in plain_text": ([{"type": "section", "text": text() | {"verbatim": True}}], "/blocks/0/text/verbatim"),
    "11 fields": ([fields(*[mrkdwn()] * 11)], "/blocks/0/fields"),
    "no fields in a list": ([fields()], "/blocks/0/fields"),
    "a field of 2001": ([fields(mrkdwn("x" * 2001))], "/blocks/0/fields/0/text"),
    "an empty field": ([fields(mrkdwn(""))], "/blocks/0/fields/0/text"),
    "a header of 151": ([header(text("x" * 151))], "/blocks/0/text/text"),
    "a header of 76 emoji, two units each": ([header(text("🔥" * 76))], "/blocks/0/text/text"),
    "a header with mrkdwn": ([header(mrkdwn())], "/blocks/0/text/type"),
    "a header without text": ([{"type": "header"}], "/blocks/0"),
    "an empty row of actions": ([actions()], "/blocks/0/elements"),
    "26 buttons": ([actions(*[button(f"b{n}") for n in range(26)])], "/blocks/0/elements"),
    "an action_id twice in a block": ([actions(button("a"), button("a"))], "/blocks/0/elements/1/action_id"),
    "an action_id of 256": ([actions(button("a" * 256))], "/blocks/0/elements/0/action_id"),
    "a type that is no text": ([{"type": ["section"]}, actions({"type": {}})], "/blocks/1/elements/0/type"),
    "an unknown element": ([actions({"type": "slider", "action_id": "a"})], "/blocks/0/elements/0/type"),
    "an unknown key of an element": ([actions(button(color="red"))], "/blocks/0/elements/0/color"),
    "a text input among actions": (
        [actions({"type": "plain_text_input", "action_id": "a"})],
        "/blocks/0/elements/0/type",
    ),
    "a button text of 76": ([actions(button() | {"text": text("x" * 76)})], "/blocks/0/elements/0/text/text"),
    "a button with mrkdwn": ([actions(button() | {"text": mrkdwn()})], "/blocks/0/elements/0/text/type"),
    "a button without text": ([actions({"type": "button", "action_id": "a"})], "/blocks/0/elements/0/text"),
    "a button value of 2001": ([actions(button(value="v" * 2001))], "/blocks/0/elements/0/value"),
    "a button url of 3001": (
        [actions(button(url="https://example.com/" + "x" * 2981))],
        "/blocks/0/elements/0/url",
    ),
    "a button url that is none": ([actions(button(url="example"))], "/blocks/0/elements/0/url"),
    "a button of a wrong style": ([actions(button(style="warning"))], "/blocks/0/elements/0/style"),
    "an accessibility_label of 76": (
        [actions(button(accessibility_label="x" * 76))],
        "/blocks/0/elements/0/accessibility_label",
    ),
    "an overflow without options": ([actions(overflow())], "/blocks/0/elements/0/options"),
    "an overflow of 6": ([actions(overflow(*"abcdef"))], "/blocks/0/elements/0/options"),
    "a select of 101": (
        [actions(select(*[option(str(n)) for n in range(101)]))],
        "/blocks/0/elements/0/options",
    ),
    "a select without options": (
        [actions({"type": "static_select", "action_id": "s", "placeholder": text()})],
        "/blocks/0/elements/0",
    ),
    "101 option groups": (
        [
            actions(
                {
                    "type": "static_select",
                    "action_id": "s",
                    "option_groups": [{"label": text(), "options": [option()]}] * 101,
                }
            )
        ],
        "/blocks/0/elements/0/option_groups",
    ),
    "an option group label of 76": (
        [
            actions(
                {
                    "type": "static_select",
                    "action_id": "s",
                    "option_groups": [{"label": text("x" * 76), "options": [option()]}],
                }
            )
        ],
        "/blocks/0/elements/0/option_groups/0/label/text",
    ),
    "a placeholder of 151": (
        [actions(select(option()) | {"placeholder": text("x" * 151)})],
        "/blocks/0/elements/0/placeholder/text",
    ),
    "an initial option that is not offered": (
        [actions(select(option("a"), initial_option=option("b")))],
        "/blocks/0/elements/0/initial_option",
    ),
    "an option text of 76": (
        [actions(select(option(label="x" * 76)))],
        "/blocks/0/elements/0/options/0/text/text",
    ),
    "an option value of 151": ([actions(select(option("v" * 151)))], "/blocks/0/elements/0/options/0/value"),
    "an option without a value": ([actions(select({"text": text()}))], "/blocks/0/elements/0/options/0"),
    "11 radio buttons": (
        [
            actions(
                {"type": "radio_buttons", "action_id": "r", "options": [option(str(number)) for number in range(11)]}
            )
        ],
        "/blocks/0/elements/0/options",
    ),
    "a confirm title of 101": (
        [actions(button(confirm=confirm(title=text("x" * 101))))],
        "/blocks/0/elements/0/confirm/title/text",
    ),
    "a confirm text of 301": (
        [actions(button(confirm=confirm(text=text("x" * 301))))],
        "/blocks/0/elements/0/confirm/text/text",
    ),
    "a confirm button of 31": (
        [actions(button(confirm=confirm(confirm=text("x" * 31))))],
        "/blocks/0/elements/0/confirm/confirm/text",
    ),
    "a deny button of 31": (
        [actions(button(confirm=confirm(deny=text("x" * 31))))],
        "/blocks/0/elements/0/confirm/deny/text",
    ),
    "a confirm of a wrong style": (
        [actions(button(confirm=confirm(style="red")))],
        "/blocks/0/elements/0/confirm/style",
    ),
    "an empty context": ([context()], "/blocks/0/elements"),
    "a context of 11": ([context(*[mrkdwn()] * 11)], "/blocks/0/elements"),
    "a button in a context": ([context(button())], "/blocks/0/elements/0/type"),
    "an image without alt_text": ([{"type": "image", "image_url": "https://example.com/a.png"}], "/blocks/0"),
    "an image without address": ([{"type": "image", "alt_text": "a"}], "/blocks/0"),
    "an image address of 3001": (
        [image(image_url="https://example.com/" + "x" * 2981)],
        "/blocks/0/image_url",
    ),
    "an alt_text of 2001": ([image(alt_text="x" * 2001)], "/blocks/0/alt_text"),
    "an image title of 2001": ([image(title=text("x" * 2001))], "/blocks/0/title/text"),
    "a table of 101 rows": ([table(101, 1)], "/blocks/0/rows"),
    "a table of 21 columns": ([table(1, 21)], "/blocks/0/rows/0"),
    "two tables": ([table(1, 1), table(1, 1)], "/blocks"),
    "12,001 characters of markdown": (
        [{"type": "markdown", "text": "x" * 6001}, {"type": "markdown", "text": "x" * 6000}],
        "/blocks",
    ),
}

REFUSED_VIEWS: dict[str, tuple[Any, str]] = {
    "no object": ("x", "/view"),
    "an unknown type": (modal() | {"type": "page"}, "/view/type"),
    "no blocks": (modal() | {"blocks": []}, "/view/blocks"),
    "101 blocks": (modal(*[section()] * 101), "/view/blocks"),
    "an unknown key": (modal(color="red"), "/view/color"),
    "no title": ({key: value for key, value in modal().items() if key != "title"}, "/view/title"),
    "a title of 25": (modal(title=text("x" * 25)), "/view/title/text"),
    "a title with mrkdwn": (modal(title=mrkdwn()), "/view/title/type"),
    "a submit of 25": (modal(submit=text("x" * 25)), "/view/submit/text"),
    "a close of 25": (modal(close=text("x" * 25)), "/view/close/text"),
    "an input without submit": ({key: value for key, value in modal().items() if key != "submit"}, "/view/submit"),
    "private_metadata of 3001": (modal(private_metadata="x" * 3001), "/view/private_metadata"),
    "a callback_id of 256": (modal(callback_id="x" * 256), "/view/callback_id"),
    "an external_id of 256": (modal(external_id="x" * 256), "/view/external_id"),
    "a markdown block": (modal({"type": "markdown", "text": "x"}), "/view/blocks/0/type"),
    "an input label with mrkdwn": (modal(text_input() | {"label": mrkdwn()}), "/view/blocks/0/label/type"),
    "an input label of 2001": (modal(text_input() | {"label": text("x" * 2001)}), "/view/blocks/0/label/text"),
    "an input without element": (
        modal({"type": "input", "label": text()}),
        "/view/blocks/0",
    ),
    "a button as an input": (modal(text_input() | {"element": button()}), "/view/blocks/0/element/type"),
    "a max_length of 3001": (modal(text_input(max_length=3001)), "/view/blocks/0/element/max_length"),
    "a min_length above max_length": (
        modal(text_input(min_length=9, max_length=3)),
        "/view/blocks/0/element/min_length",
    ),
    "an initial value of 3001": (
        modal(text_input(initial_value="x" * 3001)),
        "/view/blocks/0/element/initial_value",
    ),
    "a Home tab with submit": (
        {"type": "home", "blocks": [section()], "submit": text()},
        "/view/submit",
    ),
}

CARD = [
    header(text(":red_circle: Critical · #42 · CheckoutErrors")),
    fields(*[mrkdwn("*Status*\nactive")] * 10),
    section("x" * 3000, block_id="s" * 255, accessory=overflow(*"abcde")),
    actions(
        button("a", style="primary", value="v" * 2000, accessibility_label="x" * 75),
        button("b", url="https://example.com/", confirm=confirm(style="danger")),
        select(option(label="x" * 75), option("v" * 150)),
        block_id="row-1",
    ),
    actions(button("a"), block_id="row-2"),  # the same action_id in another block is fine
    {"type": "divider"},
    context(mrkdwn(), image(), text()),
    image(title=text()),
]


@pytest.mark.parametrize("violation", REFUSED_IN_MESSAGES)
def test_a_message_with_a_violation_is_refused_with_a_pointer_to_it(violation: str) -> None:
    blocks, pointer = REFUSED_IN_MESSAGES[violation]
    assert pointer in [problem.pointer for problem in kit.lint_message(blocks)]


@pytest.mark.parametrize("violation", REFUSED_VIEWS)
def test_a_view_with_a_violation_is_refused_with_a_pointer_to_it(violation: str) -> None:
    view, pointer = REFUSED_VIEWS[violation]
    assert pointer in [problem.pointer for problem in kit.lint_view(view)]


def test_more_violations_are_known_than_the_facts_list() -> None:
    assert len(REFUSED_IN_MESSAGES) + len(REFUSED_VIEWS) >= 33


def test_what_reaches_every_limit_exactly_passes() -> None:
    assert kit.lint_message(CARD) == []
    assert kit.lint_message([section() for _ in range(50)]) == []
    assert kit.lint_message([actions(*[button(f"b{n}") for n in range(25)])]) == []
    assert kit.lint_message([table(100, 20), {"type": "markdown", "text": "x" * 12_000}]) == []
    assert kit.lint_message([]) == []


def test_whole_modals_and_home_tabs_pass() -> None:
    choices = [option(str(number)) for number in range(10)]
    assert (
        kit.lint_view(
            modal(
                section(accessory=button()),
                text_input(multiline=True, min_length=1, max_length=3000, placeholder=text()),
                text_input("b") | {"element": select(*choices), "hint": text()},
                text_input("c") | {"element": {"type": "checkboxes", "action_id": "c", "options": choices}},
                text_input("d") | {"element": {"type": "radio_buttons", "action_id": "c", "options": choices}},
                text_input("e") | {"element": {"type": "datepicker", "action_id": "c"}},
                title=text("x" * 24),
                close=text("x" * 24),
                private_metadata="x" * 3000,
                notify_on_close=True,
            )
        )
        == []
    )
    assert kit.lint_view({"type": "home", "blocks": [section() for _ in range(100)], "private_metadata": ""}) == []


def test_slack_sdk_s_models_judge_what_the_rules_let_pass() -> None:
    assert kit.lint_message([{"type": "video", "title": text()}]) != []


def test_invalid_blocks_are_answered_with_pointers_and_nothing_is_posted(slack: Slack) -> None:
    refusal = refusal_of(slack.say, blocks=[section("")])
    assert refusal["error"] == "invalid_blocks"
    assert refusal["response_metadata"]["messages"] == [
        "[ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]"
    ]
    assert slack.messages() == []


def test_blocks_inside_attachments_are_judged_too(slack: Slack) -> None:
    refusal = refusal_of(slack.say, attachments=[{"color": "#a30200", "blocks": [actions()]}])
    assert refusal["error"] == "invalid_blocks"
    assert "/attachments/0/blocks/0/elements" in refusal["response_metadata"]["messages"][0]


def test_more_than_about_13_200_characters_over_all_blocks_are_too_long(slack: Slack) -> None:
    assert error_of(slack.say, blocks=[section("x" * 2700) for _ in range(5)]) == "msg_blocks_too_long"
    slack.say(blocks=[section("x" * 2500) for _ in range(5)])


def test_blocks_that_are_no_list_have_a_wrong_format(slack: Slack) -> None:
    assert error_of(slack.say, blocks={"type": "section"}) == "invalid_blocks_format"
    assert error_of(slack.say, blocks="[{") == "invalid_blocks_format"
