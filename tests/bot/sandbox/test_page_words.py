"""Slack's own words and dates on the page, in the language of the person who looks."""

from __future__ import annotations

import re
import time
from importlib.resources import files

from playwright.sync_api import Page, expect

from bot.sandbox.settings import SandboxSettings
from tests.bot.sandbox.support import Slack, actions, button, modal, overflow, section, text_input

SANDBOX = files("bot.sandbox")


def test_dates_and_words_are_those_of_the_person_who_looks(slack: Slack, page: Page) -> None:
    now = int(time.time())
    ts = slack.say(
        f"<!date^{now}^{{date_short_pretty}} {{time}}|x> <!date^86400^{{date_long}} {{time_secs}}|x>",
        blocks=[],
    )
    slack.say(blocks=[section(accessory=overflow("one"))])
    slack.client.chat_postEphemeral(channel="C001", user="U001", text="psst")
    slack.say("reply", thread_ts=ts)
    first = page.get_by_test_id("message").first
    for locale, day, date, seconds, unseen, replies in (
        ("en-US", "Today", "Friday, January 2, 1970", "12:00:00 AM", "Only visible to you", "1 reply"),
        ("ko-KR", "오늘", "1970년 1월 2일 금요일", "오전 12:00:00", "나에게만 표시됨", "댓글 1개"),
    ):
        slack.post("users", id="U001", name="oncall", locale=locale)
        expect(first.locator(".text")).to_have_text(re.compile(rf"{day} .*\d:\d\d.* {date} {seconds}"))
        expect(page.locator(".day")).to_have_text([day])
        expect(page.get_by_test_id("ephemeral")).to_contain_text(unseen)
        expect(first.get_by_test_id("open-thread")).to_have_text(replies)
        expect(page.locator("html")).to_have_attribute("lang", locale)
        page.screenshot()
    expect(page.get_by_role("heading", name="채널")).to_be_visible()
    expect(page.get_by_role("button", name="추가 작업")).to_be_visible()


def test_a_dialog_speaks_the_persons_language_also_when_it_complains(slack: Slack, page: Page) -> None:
    slack.post("users", id="U001", name="oncall", locale="ko-KR")
    inputs = [text_input("need"), text_input("most", max_length=3), text_input("free", optional=True)]
    slack.open_modal(modal(*inputs))
    expect(page.locator(".optional")).to_have_text(" (선택 사항)")
    page.get_by_test_id("input-most").fill("12345")
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("error-need")).to_have_text("필수 입력란입니다.")
    expect(page.get_by_test_id("error-most")).to_have_text("2자를 초과했습니다.")
    expect(page.get_by_test_id("modal-close")).to_have_text("취소")


def test_what_the_app_says_stays_as_it_is(slack: Slack, page: Page) -> None:
    slack.post("users", id="U001", name="oncall", locale="ko-KR")
    slack.say("Today", blocks=[actions(button("cancel") | {"text": {"type": "plain_text", "text": "Cancel"}})])
    expect(page.get_by_test_id("button-cancel")).to_have_text("Cancel")


def test_every_word_of_the_page_is_there_in_korean_and_none_is_left_over() -> None:
    scripts = {one.name: one.read_text("utf-8") for one in (SANDBOX / "static").iterdir() if one.name.endswith(".js")}
    words = scripts.pop("words.js")
    korean = set(re.findall(r'"([^"]+)": "', words[: words.index("};")]))
    page = (SANDBOX / "static" / "page.html").read_text("utf-8")
    used = set(re.findall(r'data-say(?:-label)?="([^"]+)"', page))
    for script in scripts.values():
        for call in re.findall(r"\bsay\(((?:[^()]|\([^()]*\))*)\)", script):
            used.update(re.findall(r'"([^"]+)"', re.sub(r'[.\[]\w*\("[^"]*"\)|, "[^"]*"\)', "", call)))
    assert used - korean - {"\\n", ", ", " "} == set()
    everything = "\n".join(
        [*scripts.values(), page, words[words.index("};") :]]
        + [re.sub(r"\{[^{}]*\}", "{}", one.read_text("utf-8")) for one in SANDBOX.iterdir() if one.name.endswith(".py")]
    )
    assert {one for one in korean if f'"{one}"' not in everything} == set()


def test_people_speak_what_the_sandbox_was_started_with() -> None:
    assert {person.locale for person in SandboxSettings().people} == {"en-US"}
    assert {person.locale for person in SandboxSettings().with_locale("ko-KR").people} == {"ko-KR"}
