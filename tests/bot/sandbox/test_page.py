"""The page in a real browser: what a person sees and does."""

from __future__ import annotations

import anyio
from playwright.sync_api import Browser, Page, expect
from starlette.responses import JSONResponse, Response

from tests.bot.sandbox.conftest import Start
from tests.bot.sandbox.support import (
    Delivery,
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


def test_a_posted_card_appears_by_itself_and_changes_in_place(slack: Slack, page: Page) -> None:
    ts = slack.say(
        "card", blocks=[{"type": "header", "text": text(":red_circle: Critical")}, section("*Status* active")]
    )
    message = page.get_by_test_id("message")
    expect(message).to_have_attribute("data-ts", ts)
    expect(message).to_contain_text("🔴 Critical")
    expect(message.locator("strong", has_text="Status")).to_be_visible()
    slack.client.chat_update(channel="C001", ts=ts, text="card", blocks=[section("resolved")])
    expect(message).to_contain_text("resolved")
    slack.client.chat_delete(channel="C001", ts=ts)
    expect(message).to_have_count(0)


def test_nothing_in_a_message_becomes_markup_of_the_page(slack: Slack, page: Page) -> None:
    hostile = "<img src=x onerror=alert(1)> &lt;script&gt;alert(1)&lt;/script&gt; <javascript:alert(1)|click>"
    slack.say(
        hostile,
        blocks=[
            section(hostile),
            {"type": "header", "text": text("<b>bold</b>")},
            actions(button("go") | {"text": text("<i>go</i>")}),
        ],
    )
    message = page.get_by_test_id("message")
    expect(message).to_contain_text("<script>alert(1)</script>")
    expect(message).to_contain_text("<b>bold</b>")
    expect(message.locator("img, script, b, i")).to_have_count(0)
    expect(message.locator("a")).to_have_count(0)


def test_markup_is_shown_as_slack_shows_it(slack: Slack, page: Page) -> None:
    slack.say(
        "*b* _i_ ~s~ `c*d*` a_b_c 2*3*4 <https://example.com/|link> <@U002> <#C002> <!here> "
        "<!date^0^{date_num} {time}|long ago> :bell:\n&gt; said\n```*raw*```"
    )
    message = page.get_by_test_id("message").locator(".body")
    for tag, content in (("strong", "b"), ("em", "i"), ("s", "s"), ("code", "c*d*"), ("pre", "*raw*"), ("a", "link")):
        expect(message.locator(tag)).to_have_text(content)
    expect(message.locator("blockquote")).to_have_text("said")
    expect(message).to_contain_text("a_b_c 2*3*4 link @backup #random @here 1970-01-01 12:00 AM 🔔")


def test_a_click_asks_waits_and_shows_that_the_app_failed(slack: Slack, page: Page) -> None:
    ask = {"title": text("Sure?"), "text": text("Really?"), "confirm": text("Yes"), "deny": text("No")}
    slack.say(blocks=[actions(button("reopen", confirm=ask))])
    slack.app.fails(500)
    page.get_by_test_id("button-reopen").click()
    page.get_by_test_id("confirm-cancel").click()
    assert slack.app.deliveries == []
    page.get_by_test_id("button-reopen").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("failure")).to_contain_text("error (500)")
    slack.app.answer = None
    page.get_by_test_id("button-reopen").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("failure")).to_have_count(0)


def test_a_button_waits_for_the_app_and_says_when_it_took_too_long(start: Start, browser: Browser) -> None:
    slack = start(answer_within=0.5)

    async def slow(delivery: Delivery) -> Response:
        await anyio.sleep(0.8)
        return Response()

    slack.app.answer = slow
    slack.say(blocks=[actions(button("slow"))])
    page = browser.new_page()
    page.goto(slack.url)
    page.get_by_test_id("button-slow").click()
    expect(page.get_by_test_id("button-slow")).to_have_attribute("aria-busy", "true")
    expect(page.get_by_test_id("failure")).to_contain_text("took too long")
    page.close()


def test_a_menu_is_used_with_the_keyboard(slack: Slack, page: Page) -> None:
    slack.say(blocks=[section(accessory=overflow("first", "second"))])
    page.get_by_test_id("overflow-more").press("Enter")
    expect(page.get_by_test_id("option-first")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("option-second")).to_be_hidden()
    wait_until(lambda: slack.app.deliveries)
    assert slack.app.last.payload["actions"][0]["selected_option"]["value"] == "second"


def test_a_modal_is_filled_in_refused_and_sent_by_the_acting_person(slack: Slack, page: Page) -> None:
    async def respond(delivery: Delivery) -> Response:
        payload = delivery.payload
        if payload["type"] == "block_actions":
            view = modal(text_input(multiline=True, focus_on_load=True))
            fresh = payload["trigger_id"]
            await anyio.to_thread.run_sync(lambda: slack.client.views_open(trigger_id=fresh, view=view))
            return Response()
        if payload["view"]["state"]["values"]["cause"]["text"]["value"] == "dunno":
            return JSONResponse({"response_action": "errors", "errors": {"cause": "too vague"}})
        return Response()

    slack.app.answer = respond
    slack.say(blocks=[actions(button("resolve"))])
    page.get_by_test_id("user-select").select_option("U003")
    page.get_by_test_id("button-resolve").click()
    field = page.get_by_test_id("input-cause")
    expect(field).to_be_focused()
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("error-cause")).to_contain_text("required")
    field.fill("dunno")
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("error-cause")).to_contain_text("too vague")
    expect(field).to_have_value("dunno")
    field.fill("a deploy")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("modal")).to_have_count(0)
    assert slack.app.last.payload["user"]["id"] == "U003"


def test_the_home_tab_asks_the_app_and_shows_what_it_publishes(slack: Slack, page: Page) -> None:
    home = {"type": "home", "blocks": [section("*2 open*"), actions(button("mine"))]}

    async def publish(delivery: Delivery) -> Response:
        if delivery.payload["type"] == "event_callback":
            await anyio.to_thread.run_sync(lambda: slack.client.views_publish(user_id="U001", view=home))
        return Response()

    slack.app.answer = publish
    page.get_by_test_id("app-home").click()
    expect(page.get_by_test_id("home")).to_contain_text("2 open")
    page.get_by_test_id("button-mine").click()
    wait_until(lambda: slack.app.last.payload["type"] == "block_actions")
    page.get_by_test_id("channel-incidents").click()
    expect(page.get_by_test_id("home")).to_have_count(0)


def test_an_app_without_a_home_tab_is_no_dead_end(slack: Slack, page: Page) -> None:
    slack.app.fails(404)
    page.get_by_test_id("app-home").click()
    expect(page.get_by_test_id("no-home")).to_contain_text("Observer has no Home tab.")
    page.get_by_test_id("no-home").get_by_role("button", name="#incidents").click()
    expect(page.locator("#title")).to_have_text("# incidents")


def test_an_empty_workspace_says_how_to_fill_it_and_an_empty_channel_that_it_is_new(slack: Slack, page: Page) -> None:
    expect(page.get_by_test_id("start")).to_contain_text("Run make demo in a terminal.")
    slack.say()
    page.get_by_test_id("channel-random").click()
    expect(page.locator("#messages")).to_have_text("This is the very beginning of #random.")


def test_commands_are_answered_to_the_person_and_words_go_to_everybody(slack: Slack, page: Page) -> None:
    slack.app.says({"text": "nothing is open"})
    page.get_by_test_id("composer").fill("/incident list")
    page.get_by_test_id("composer").press("Enter")
    expect(page.get_by_test_id("ephemeral")).to_contain_text("Only visible to you")
    expect(page.get_by_test_id("ephemeral")).to_contain_text("nothing is open")
    page.get_by_test_id("composer").fill("hello <b>")
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("message")).to_contain_text("hello <b>")
    page.get_by_test_id("user-select").select_option("U002")
    expect(page.get_by_test_id("ephemeral")).to_have_count(0)
    page.get_by_test_id("channel-random").click()
    expect(page.get_by_test_id("message")).to_have_count(0)
