"""The whole story in a real browser: the alert arrives, a person handles it with the mouse and the keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests import bodies
from tests.servers.observer import Town
from tests.servers.programs import chromium_path
from tests.servers.slack import wait_until

# Without these Chromium looks for its maker's hosts at every start; --no-sandbox is for root in a container.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of headless Chromium, as large as a laptop's window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_path()), args=ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        yield opened
        browser.close()


def picture(page: Page, name: str) -> None:
    """Keep a screenshot if somebody wants to look at them: SCREENSHOTS=folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_an_incident_from_the_first_alert_to_the_last_click(town: Town, page: Page) -> None:
    page.goto(town.slack.url)
    page.get_by_test_id("user-select").select_option("U001")
    alert = bodies.alert(
        "Checkout 5xx ratio high",
        values={"A": 0.0742},
        annotations={"summary": "7.4% of requests to checkout-api fail", "runbook_url": "https://runbooks.example.internal/5xx"},
        dashboardURL="https://grafana.example.internal/d/checkout",
    )  # fmt: skip
    assert town.post(bodies.grafana(alert)).is_success

    message = page.get_by_test_id("message").first
    expect(message).to_contain_text("#1 · Checkout 5xx ratio high")
    expect(message).to_contain_text("checkout-api")
    expect(message.get_by_role("link", name="Runbook")).to_have_attribute(
        "href", "https://runbooks.example.internal/5xx"
    )
    picture(page, "1-active")

    message.get_by_test_id("button-incident_acknowledge").click()
    expect(message).to_contain_text("Acknowledged")
    expect(message.get_by_test_id("button-incident_acknowledge")).to_have_count(0)
    expect(message).to_contain_text("@oncall")
    picture(page, "2-acknowledged")

    message.get_by_test_id("button-incident_resolve").click()
    dialog = page.get_by_test_id("modal")
    expect(dialog).to_be_visible()
    dialog.get_by_test_id("input-root_cause").fill("The new release opened a connection per request")
    dialog.get_by_test_id("input-action_taken").fill("Rolled back to 2026.11.3")
    picture(page, "3-dialog")
    dialog.get_by_test_id("modal-submit").click()
    expect(dialog).to_have_count(0)
    expect(message).to_contain_text("Resolved")
    expect(message).to_contain_text("Rolled back to 2026.11.3")
    picture(page, "4-resolved")

    composer = page.get_by_test_id("composer")
    composer.fill("/incident 1")
    composer.press("Enter")
    answer = page.get_by_test_id("ephemeral").last
    expect(answer).to_contain_text("The new release opened a connection per request")
    picture(page, "5-command")
    composer.fill("/incident reslove 1")
    composer.press("Enter")
    expect(page.get_by_test_id("ephemeral").last).to_contain_text("/incident resolve 1")

    message.get_by_test_id("button-incident_reopen").click()
    page.get_by_test_id("confirm-ok").click()
    expect(message.get_by_test_id("button-incident_acknowledge")).to_be_visible()
    assert len(town.slack.messages()) == 1
    assert town.rows("SELECT status FROM incidents") == [{"status": "active"}]


def test_two_people_click_and_the_second_is_told_who_was_first(town: Town, page: Page) -> None:
    town.post(bodies.grafana(bodies.alert()))
    page.goto(town.slack.url)
    page.get_by_test_id("user-select").select_option("U002")
    button = page.get_by_test_id("message").first.get_by_test_id("button-incident_acknowledge")
    expect(button).to_be_visible()
    stale = town.slack.messages()[0]
    button.click()
    wait_until(lambda: town.rows("SELECT owner FROM incidents") == [{"owner": "slack:U002"}], "the first click")
    page.get_by_test_id("user-select").select_option("U003")
    town.slack.click(stale, "incident_acknowledge", user="U003")
    expect(page.get_by_test_id("ephemeral").last).to_contain_text("already")
    picture(page, "6-second-click")
