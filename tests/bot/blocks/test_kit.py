"""The pieces keep Slack's limits whatever they are given, and the tests' own validator sees when they do not."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackObjectFormationError

from bot.blocks import kit
from bot.blocks.message import SlackMessage
from bot.text.markup import Mrkdwn, length
from tests.bot.blocks.validator import check_message, check_view

EMPTY = Mrkdwn("")
LONG = Mrkdwn("word " * 2_000)


def test_nothing_to_say_is_an_ellipsis_and_never_an_empty_text() -> None:
    blocks = [kit.section(EMPTY, block_id="a"), kit.header("\x00", block_id="b", emoji=":red_circle:")]
    message = kit.message(EMPTY, blocks)
    check_message(message)
    assert message.text == "…"


def test_empty_fields_contexts_and_rows_give_no_block() -> None:
    assert kit.fields([("Owner", EMPTY)], block_id="a") == []
    assert kit.context([EMPTY, Mrkdwn("\u2060")], block_id="a") == []
    assert kit.actions([], block_id="a") == []


def test_a_message_that_is_too_big_keeps_its_header_and_buttons() -> None:
    press = kit.button("Go", action_id="incident_show", value="v", accessible="Go")
    blocks = [
        kit.header("Title", block_id="header"),
        *(kit.section(LONG, block_id=f"text-{place}") for place in range(80)),
        *kit.actions([press], block_id="buttons"),
    ]
    message = kit.message(LONG, blocks)
    check_message(message)
    assert [message.blocks[0]["type"], message.blocks[-1]["type"]] == ["header", "actions"]
    assert length(message.text) <= kit.TOP_LEVEL_TEXT


def test_half_an_identifier_is_never_sent() -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        kit.section(LONG, block_id="x" * 256)
    with pytest.raises(ValueError, match="1 to 150"):
        kit.option("label", "")


def ok() -> dict[str, Any]:
    """A message without fault."""
    press = kit.button("Go", action_id="incident_show", value="v", accessible="Go")
    return {
        "text": "Text",
        "blocks": [
            kit.header("Title", block_id="header"),
            kit.section(Mrkdwn("Text"), block_id="text"),
            *kit.actions([press], block_id="buttons"),
        ],
    }


def test_the_validator_accepts_what_is_right() -> None:
    check_message(SlackMessage(**ok()))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda m: m.update(text=""),
        lambda m: m.update(blocks=[]),
        lambda m: m.update(blocks=[kit.divider(block_id=str(n)) for n in range(51)]),
        lambda m: m["blocks"][0]["text"].update(text="x" * 151),
        lambda m: m["blocks"][0]["text"].update(text=" "),
        lambda m: m["blocks"][0]["text"].update(type="mrkdwn"),
        lambda m: m["blocks"][0].update(block_id="text"),
        lambda m: m["blocks"][0].update(surprise=1),
        lambda m: m["blocks"][1]["text"].update(text=""),
        lambda m: m["blocks"][1]["text"].update(text="x" * 3001),
        lambda m: m["blocks"][1]["text"].update(text="<!channel>"),
        lambda m: m["blocks"][1]["text"].update(text="<@U0ANN"),
        lambda m: m["blocks"][1]["text"].update(text="a & b"),
        lambda m: m["blocks"][1]["text"].update(text="\ud800"),
        lambda m: m["blocks"][1]["text"].update(verbatim=False),
        lambda m: m["blocks"][2].update(elements=[]),
        lambda m: m["blocks"][2].update(elements=m["blocks"][2]["elements"] * 2),
        lambda m: m["blocks"][2]["elements"][0].update(value=""),
        lambda m: m["blocks"][2]["elements"][0].update(style="green"),
        lambda m: m["blocks"][2]["elements"][0].update(accessibility_label="x" * 76),
        lambda m: m["blocks"][2]["elements"][0]["text"].update(text="x" * 76),
        lambda m: m["blocks"][2]["elements"][0].update(type="checkbox"),
        lambda m: m["blocks"].extend(kit.section(LONG, block_id=str(n)) for n in range(3)),
    ],
)
def test_the_validator_refuses_what_is_wrong(break_it: Any) -> None:
    broken = ok()
    break_it(broken)
    with pytest.raises((AssertionError, UnicodeEncodeError, TypeError, SlackObjectFormationError)):
        check_message(SlackMessage(**broken))


def test_the_validator_refuses_inputs_without_a_way_to_send_them() -> None:
    box = kit.text_input("Label", block_id="a", action_id="text", placeholder="Type")
    with pytest.raises(AssertionError):
        check_view(kit.modal("Title", [box], callback_id="incident_notice", private_metadata="{}", close="Close"))
