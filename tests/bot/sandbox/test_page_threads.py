"""Threads and notifications on the page: where a reply stands, and whether people were told."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.bot.sandbox.support import Slack, wait_until


def test_replies_stand_in_the_thread_and_the_channel_says_how_many(slack: Slack, page: Page) -> None:
    root = slack.say("root")
    slack.say("first", thread_ts=root)
    expect(page.get_by_test_id("message").get_by_test_id("open-thread")).to_have_text("1 reply")
    slack.say("second", thread_ts=root)
    expect(page.get_by_test_id("message")).to_have_count(1)
    link = page.get_by_test_id("message").get_by_test_id("open-thread")
    expect(link).to_have_text("2 replies")
    link.click()
    expect(page.get_by_test_id("reply")).to_have_count(3)
    expect(page.get_by_test_id("reply-composer")).to_be_focused()
    page.get_by_test_id("reply-composer").fill("third")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("reply").last).to_contain_text("third")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("thread")).to_be_hidden()
    expect(link).to_be_focused()
    expect(link).to_have_text("3 replies")


def test_a_broadcast_reply_stands_in_the_channel_too_and_leads_to_its_thread(slack: Slack, page: Page) -> None:
    root = slack.say("checkout fails, <@U002> has it")
    slack.say("<@U002> now critical", thread_ts=root, reply_broadcast=True)
    loud = page.get_by_test_id("message").last
    expect(loud).to_contain_text("replied to a thread: checkout fails, @backup has it")
    expect(loud).to_contain_text("now critical")
    expect(loud.get_by_test_id("mark-notified")).to_have_text("🔔 Notified, mentions @backup")
    loud.get_by_test_id("open-thread").click()
    expect(page.get_by_test_id("reply")).to_have_count(2)
    expect(page.get_by_test_id("reply").last).to_contain_text("Also sent to the channel")


def test_a_person_replies_in_a_new_thread_and_to_the_channel_as_well(slack: Slack, page: Page) -> None:
    slack.say("root")
    page.get_by_test_id("message").get_by_test_id("open-thread").click()
    page.get_by_test_id("broadcast").check()
    page.get_by_test_id("reply-composer").fill("on it")
    page.get_by_test_id("reply-send").click()
    expect(page.get_by_test_id("message")).to_have_count(2)
    expect(page.get_by_test_id("broadcast")).not_to_be_checked()
    page.get_by_test_id("reply-composer").fill("/incident ack 1")
    page.get_by_test_id("reply-send").click()
    expect(page.locator(".toast")).to_have_text("/incident does not work in threads.")
    assert slack.app.deliveries == []


def test_a_thread_whose_first_message_was_deleted_is_still_read(slack: Slack, page: Page) -> None:
    root = slack.say("root")
    slack.say("loud", thread_ts=root, reply_broadcast=True)
    slack.client.chat_delete(channel="C001", ts=root)
    page.get_by_test_id("message").get_by_test_id("open-thread").click()
    expect(page.get_by_test_id("reply").first).to_contain_text("This message was deleted.")
    expect(page.get_by_test_id("reply")).to_have_count(2)


def test_a_thread_that_the_workspace_forgot_is_closed(slack: Slack, page: Page) -> None:
    slack.say("root")
    page.get_by_test_id("message").get_by_test_id("open-thread").click()
    expect(page.get_by_test_id("reply")).to_have_count(1)
    slack.post("reset")
    expect(page.get_by_test_id("thread")).to_be_hidden()


def test_a_message_shows_whether_people_were_told(slack: Slack, page: Page) -> None:
    root = slack.say("card")
    slack.say("quiet", thread_ts=root)
    slack.say("<@U001> look", thread_ts=root)
    card = page.get_by_test_id("message")
    expect(card.get_by_test_id("mark-notified")).to_have_text("🔔 Notified")
    expect(card.get_by_test_id("mark-edited")).to_have_count(0)
    slack.client.chat_update(channel="C001", ts=root, text="card, <@U001> worse")
    expect(card.get_by_test_id("mark-edited")).to_contain_text("Edited")
    expect(card.get_by_test_id("mark-notified")).to_have_text("🔔 Notified")
    card.get_by_test_id("open-thread").click()
    replies = page.get_by_test_id("reply")
    expect(replies.nth(1).get_by_test_id("mark-silent")).to_have_text("🔕 Thread only")
    expect(replies.nth(2).get_by_test_id("mark-notified")).to_have_text("🔔 Notified: @oncall")
    page.get_by_test_id("user-select").select_option("U002")
    expect(replies.nth(2).get_by_test_id("mark-notified")).to_have_text("🔔 Notified: @oncall")


def test_what_one_wrote_oneself_notified_others(slack: Slack, page: Page) -> None:
    slack.post("message", user="U001", channel="incidents", text="mine")
    expect(page.get_by_test_id("message")).to_have_count(1)
    expect(page.get_by_test_id("mark-notified")).to_have_count(0)
    page.get_by_test_id("user-select").select_option("U002")
    expect(page.get_by_test_id("mark-notified")).to_have_count(1)


def test_a_channel_says_how_much_is_unread_until_it_is_looked_at(slack: Slack, page: Page) -> None:
    slack.say("one", channel="random")
    slack.say("two", channel="random")
    badge = page.get_by_test_id("unread-random")
    expect(badge).to_contain_text("2 unread")
    expect(page).to_have_title("(2) # incidents · Sandbox Slack")
    slack.say("<!here> three", channel="random")
    expect(badge).to_contain_text("3 unread, you are mentioned")
    slack.say("seen at once")
    expect(page.get_by_test_id("message")).to_have_count(1)
    expect(page.get_by_test_id("unread-incidents")).to_have_count(0)
    page.get_by_test_id("channel-random").click()
    expect(badge).to_have_count(0)
    expect(page).to_have_title("# random · Sandbox Slack")
    page.get_by_test_id("user-select").select_option("U002")
    expect(page.get_by_test_id("unread-incidents")).to_contain_text("1 unread")


def test_a_page_that_nobody_looks_at_reads_nothing(slack: Slack, page: Page) -> None:
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    for number in (1, 2):
        slack.say("news")
        expect(page.get_by_test_id("message")).to_have_count(number)
        expect(page).to_have_title(f"({number}) # incidents · Sandbox Slack")
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("# incidents · Sandbox Slack")


def test_a_direct_message_of_the_app_is_found_beside_it(slack: Slack, page: Page) -> None:
    expect(page.get_by_test_id("app-messages")).to_have_count(0)
    slack.client.chat_postMessage(channel="U001", text="your turn")
    expect(page.get_by_test_id("app-messages")).to_contain_text("1 unread")
    page.get_by_test_id("app-messages").click()
    expect(page.get_by_test_id("message")).to_contain_text("your turn")
    page.get_by_test_id("user-select").select_option("U002")
    expect(page.get_by_test_id("app-messages")).to_have_count(0)
    wait_until(lambda: page.locator("#title").text_content() == "# incidents")
