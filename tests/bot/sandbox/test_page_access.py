"""The page for those who use a keyboard, a screen reader, a finger or tired eyes."""

from __future__ import annotations

import re
from typing import Literal

import anyio
import pytest
import yaml
from playwright.sync_api import Locator, Page, expect
from starlette.responses import Response

from bot.sandbox.settings import COMMAND_FORMS
from tests.bot.sandbox.probes import CONTRAST, READ_OUT, SMALL, TOO_WIDE, WATCH_ADDED, WATCH_MODE
from tests.bot.sandbox.support import (
    Delivery,
    Json,
    Slack,
    actions,
    button,
    modal,
    overflow,
    section,
    text,
    text_input,
    wait_until,
)
from tests.test_layout import ROOT


def card(title: str = "#7 Checkout fails", **changes: Json) -> list[Json]:
    """Blocks like those of an incident."""
    acknowledge = button("ack", style="primary") | {"text": text("Acknowledge")}
    row = actions(acknowledge, button("resolve") | {"text": text("Resolve…")}, overflow("details", "share"))
    links = section("<https://grafana.example/silence|Silence> <https://runbooks.example/|Runbook> `label=value`")
    note = {"type": "context", "elements": [text("Last alert <https://example.com/|here>", "mrkdwn")]}
    return [{"type": "header", "text": text(f":red_circle: {title}")}, section("it is *bad*"), links, row, note]


def resolved(title: str = "#7 Checkout fails") -> list[Json]:
    """The same, with another button."""
    return [{"type": "header", "text": text(title)}, actions(button("reopen"))]


# -- the focus ---------------------------------------------------------------------------------------------------------


def test_the_focus_stays_in_the_card_when_its_button_goes_away(slack: Slack, page: Page) -> None:
    ts = slack.say(blocks=card())

    async def acknowledge(delivery: Delivery) -> Response:
        await anyio.to_thread.run_sync(
            lambda: slack.client.chat_update(channel="C001", ts=ts, text="card", blocks=resolved())
        )
        return Response()

    slack.app.answer = acknowledge
    page.get_by_test_id("button-ack").press("Enter")
    expect(page.get_by_test_id("button-reopen")).to_be_focused()


def test_the_focus_stays_on_its_row_of_a_list(slack: Slack, page: Page) -> None:
    rows = [section(name, accessory=button("show")) for name in ("one", "two", "three")]
    ts = slack.say(blocks=rows)
    page.get_by_test_id("button-show").nth(1).focus()
    slack.client.chat_update(channel="C001", ts=ts, text="card", blocks=[section("new"), *rows[1:]])
    expect(page.get_by_test_id("message")).to_contain_text("new")
    expect(page.get_by_test_id("button-show")).to_have_count(2)
    expect(page.get_by_test_id("button-show").nth(1)).to_be_focused()


@pytest.mark.parametrize("end", ["Escape", "Control+Enter"])
def test_after_a_dialog_the_focus_is_back_on_the_card(slack: Slack, page: Page, end: str) -> None:
    ts = slack.say(blocks=card())

    async def respond(delivery: Delivery) -> Response:
        def act() -> None:
            if delivery.payload["type"] == "block_actions":
                view = modal(text_input(focus_on_load=True, optional=True))
                slack.client.views_open(trigger_id=delivery.payload["trigger_id"], view=view)
            slack.client.chat_update(channel="C001", ts=ts, text="card", blocks=resolved())  # its button has gone

        await anyio.to_thread.run_sync(act)
        return Response()

    slack.app.answer = respond
    page.get_by_test_id("button-resolve").press("Enter")
    expect(page.get_by_test_id("modal")).to_be_visible()
    page.get_by_test_id("input-cause").fill("a deploy")
    page.keyboard.press(end)
    expect(page.get_by_test_id("modal")).to_have_count(0)
    expect(page.get_by_test_id("button-reopen")).to_be_focused()


@pytest.mark.parametrize("answer", ["confirm-cancel", "confirm-ok"])
def test_after_a_question_the_focus_is_back_on_its_button(slack: Slack, page: Page, answer: str) -> None:
    ask = {"title": text("Sure?"), "text": text("Really?"), "confirm": text("Yes"), "deny": text("No")}
    slack.say(blocks=[actions(button("first"), button("reopen", confirm=ask))])
    page.get_by_test_id("button-reopen").press("Enter")
    page.get_by_test_id(answer).press("Enter")
    expect(page.get_by_test_id("button-reopen")).to_be_focused()


def test_an_answer_that_goes_away_leaves_the_focus_with_the_messages(slack: Slack, page: Page) -> None:
    slack.app.says({"text": "list", "blocks": [actions(button("dismiss"))]})
    page.get_by_test_id("composer").fill("/incident")
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("button-dismiss").press("Enter")
    wait_until(lambda: slack.app.last.headers["content-type"] and "payload" in slack.app.last.form)
    address = slack.app.last.payload["response_url"]
    page.request.post(address, data={"delete_original": True})
    expect(page.get_by_test_id("ephemeral")).to_have_count(0)
    expect(page.locator("#messages")).to_be_focused()


def test_the_focus_stays_in_the_list_of_channels_when_something_arrives(slack: Slack, page: Page) -> None:
    page.get_by_test_id("channel-random").focus()
    slack.say(channel="random")
    expect(page.get_by_test_id("unread-random")).to_be_visible()
    expect(page.get_by_test_id("channel-random")).to_be_focused()


# -- the ears ----------------------------------------------------------------------------------------------------------


def announced(message: Locator) -> str:
    """What of a message that arrived in #messages is read out."""
    return str(message.evaluate(READ_OUT))


def test_a_new_card_is_read_out_as_one_sentence_and_its_edits_are_not(slack: Slack, page: Page) -> None:
    messages = page.locator("#messages")
    expect(messages).to_have_attribute("role", "log")
    expect(messages).to_have_attribute("aria-live", "polite")
    ts = slack.say("Critical: #7 Checkout fails, <@U002> &amp; all", blocks=card())
    message = page.get_by_test_id("message")
    expect(message).to_have_count(1)
    assert re.fullmatch(r"Observer, \d+:\d\d [AP]M: Critical: #7 Checkout fails, @backup & all", announced(message))
    page.evaluate(WATCH_ADDED)
    slack.client.chat_update(channel="C001", ts=ts, text="Resolved: #7 Checkout fails", blocks=resolved())
    expect(message.get_by_test_id("button-reopen")).to_be_visible()
    assert page.evaluate("window.added.length") == 0
    assert "Resolved: #7" in announced(message)
    expect(page.get_by_role("article", name="Resolved: #7 Checkout fails")).to_be_visible()


def test_a_channel_that_is_opened_is_not_read_out_from_its_beginning(slack: Slack, page: Page) -> None:
    slack.say("old", channel="random")
    page.evaluate(WATCH_MODE)
    page.get_by_test_id("channel-random").click()
    expect(page.get_by_test_id("message")).to_contain_text("old")
    assert page.evaluate("window.modes[0]") == "off"
    expect(page.locator("#messages")).to_have_attribute("aria-live", "polite")


def test_links_and_menus_say_which_incident_they_belong_to(slack: Slack, page: Page) -> None:
    slack.say(blocks=card("#7 Checkout fails"))
    message = page.get_by_test_id("message")
    expect(message.get_by_role("link", name="Silence #7 Checkout fails", exact=True)).to_be_visible()
    message.get_by_role("button", name="More actions #7 Checkout fails", exact=True).click()
    expect(message.get_by_role("menuitem", name="Option #7 Checkout fails", exact=True)).to_have_count(2)


def test_the_menu_of_a_row_is_named_after_its_row(slack: Slack, page: Page) -> None:
    rows = [section(f"*#{number}* first line\nmore", accessory=overflow("a")) for number in (1, 2)]
    slack.say(blocks=[{"type": "header", "text": text("2 open")}, *rows])
    expect(page.get_by_role("button", name="More actions #2 first line", exact=True)).to_be_visible()


# -- the keyboard ------------------------------------------------------------------------------------------------------


def test_what_can_follow_a_command_is_reached_with_arrows(slack: Slack, page: Page) -> None:
    composer = page.get_by_test_id("composer")
    composer.press_sequentially("/")
    hints = page.get_by_test_id("hint")
    expect(hints).to_have_text(["/incident", *(f"/incident {form}" for form in COMMAND_FORMS["/incident"])])
    composer.press("ArrowUp")
    expect(hints.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hints.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(hints.first).to_be_hidden()
    expect(composer).to_be_focused()
    composer.press_sequentially("incident r")
    expect(hints).to_have_text(["/incident resolve NUMBER"])
    composer.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(composer).to_have_value("/incident resolve ")
    expect(composer).to_be_focused()
    expect(hints).to_have_count(0)


def test_what_can_follow_a_command_is_reached_with_tab(slack: Slack, page: Page) -> None:
    composer = page.get_by_test_id("composer")
    composer.fill("/incident l")
    composer.press("Tab")
    expect(page.get_by_test_id("hint")).to_be_focused()
    page.keyboard.press("Enter")
    expect(composer).to_have_value("/incident list")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("send")).to_be_focused()


def test_the_hints_are_those_of_the_apps_manifest() -> None:
    manifest = yaml.safe_load((ROOT / "slack_app_manifest.yaml").read_text("utf-8"))
    (command,) = manifest["features"]["slash_commands"]
    assert command["usage_hint"] == f"[{' | '.join(COMMAND_FORMS[command['command']])}]"


# -- fingers and eyes --------------------------------------------------------------------------------------------------


def fill(slack: Slack) -> None:
    """A channel with everything in it."""
    ts = slack.say("card", blocks=card("#7 A title that is rather long for a telephone, checkout-api-7d9f8b6c5-x2k4q"))
    slack.say("reply <@U001>", thread_ts=ts, reply_broadcast=True)
    slack.client.chat_update(channel="C001", ts=ts, text="card", blocks=card())
    slack.client.chat_postEphemeral(
        channel="C001", user="U001", text="```code``` &gt; `x`\n&gt; quote\n<!here> <@U002>"
    )
    slack.say("<!here>", channel="random")
    slack.post("message", user="U002", channel="incidents", text="on it")


def test_on_a_telephone_everything_is_large_enough_for_fingers_and_nothing_scrolls_sideways(
    slack: Slack, phone: Page
) -> None:
    fill(slack)
    expect(phone.get_by_test_id("message")).to_have_count(3)
    phone.get_by_test_id("overflow-more").tap()
    assert phone.evaluate(SMALL) == []
    assert phone.evaluate(TOO_WIDE) is False
    assert phone.locator("#messages").bounding_box()["y"] <= 80  # type: ignore[index]
    phone.keyboard.press("Escape")
    phone.get_by_test_id("composer").fill("/")
    assert phone.evaluate(SMALL) == []


def test_a_thread_on_a_telephone_takes_the_whole_page_and_gives_it_back(slack: Slack, phone: Page) -> None:
    fill(slack)
    phone.get_by_test_id("open-thread").first.tap()
    expect(phone.get_by_test_id("reply")).to_have_count(2)
    assert phone.get_by_test_id("thread").bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert phone.evaluate(SMALL) == []
    phone.get_by_test_id("reply-composer").fill("on it")
    phone.get_by_test_id("reply-send").tap()
    expect(phone.get_by_test_id("reply").last).to_contain_text("on it")
    phone.get_by_test_id("close-thread").tap()
    expect(phone.get_by_test_id("thread")).to_be_hidden()


def test_a_dialog_on_a_telephone_fits_and_its_buttons_too(slack: Slack, phone: Page) -> None:
    many = [text_input(f"cause{number}", multiline=True) for number in range(8)]
    slack.open_modal(modal(*many))
    expect(phone.get_by_test_id("modal-submit")).to_be_in_viewport(ratio=1)
    assert phone.evaluate(SMALL) == []
    assert phone.evaluate(TOO_WIDE) is False


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_stand_out_from_what_is_behind_them(
    slack: Slack, page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    fill(slack)
    expect(page.get_by_test_id("message")).to_have_count(3)
    page.get_by_test_id("message").first.get_by_test_id("overflow-more").press("Enter")
    expect(page.get_by_test_id("option-details")).to_be_focused()
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    page.get_by_test_id("open-thread").last.click()
    page.get_by_test_id("composer").fill("/")
    page.get_by_test_id("button-ack").first.hover()
    assert page.evaluate(CONTRAST) == []
    slack.app.fails(500)
    page.get_by_test_id("button-resolve").first.click()
    expect(page.get_by_test_id("failure").first).to_be_visible()
    slack.open_modal(modal(text_input(max_length=2), text_input("more", optional=True)))
    page.get_by_test_id("input-cause").fill("too long")
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("error-cause")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
