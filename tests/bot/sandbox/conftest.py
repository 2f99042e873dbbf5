"""A running app, sandboxes that deliver to it, and a browser that looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from slack_sdk import WebClient

from bot.sandbox import SandboxSettings
from bot.sandbox.server import Running, running
from tests.bot.sandbox.support import App, Slack, running_app
from tests.servers.programs import chromium_path

Start = Callable[..., Slack]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def running_once() -> Iterator[App]:
    """One app for all tests."""
    with running_app() as started:
        yield started


@pytest.fixture
def app(running_once: App) -> App:
    """The app that gets the deliveries; it has none yet and answers with an empty 200."""
    running_once.deliveries.clear()
    running_once.answer = None
    return running_once


@pytest.fixture(scope="session")
def slack_once(running_once: App) -> Iterator[Slack]:
    """One sandbox for all tests that need no settings of their own."""
    with running(SandboxSettings(port=0, app_url=running_once.url, pace=False)) as sandbox:
        yield connect(sandbox, running_once)


@pytest.fixture
def start(app: App) -> Iterator[Start]:
    """Start a sandbox with these settings, unpaced unless a test says otherwise."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Slack:
            chosen = replace(SandboxSettings(port=0, app_url=app.url, pace=False), **settings)
            return connect(stack.enter_context(running(chosen)), app)

        yield start


@pytest.fixture
def slack(slack_once: Slack, app: App) -> Slack:
    """A sandbox with the usual settings, unpaced, as new."""
    slack_once.post("reset", all=True)
    return slack_once


def connect(sandbox: Running, app: App) -> Slack:
    """With a client as the product's."""
    token = sandbox.workspace.settings.token
    return Slack(sandbox, app, WebClient(token=token, base_url=sandbox.api_url, retry_handlers=[], timeout=10))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; gone after each module, because Playwright runs once in a process at a time."""
    path = str(chromium_path())
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, slack: Slack) -> Iterator[Page]:
    """The sandbox on a laptop's screen."""
    yield from look(browser, slack, viewport={"width": 1280, "height": 800})


@pytest.fixture
def phone(browser: Browser, slack: Slack) -> Iterator[Page]:
    """The sandbox on a phone, under fingers."""
    yield from look(browser, slack, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


def look(browser: Browser, slack: Slack, **how: Any) -> Iterator[Page]:
    """The page in a browser of its own; no script of it may have failed."""
    opened = browser.new_page(timezone_id="UTC", **how)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.set_default_timeout(10_000)
    opened.goto(slack.url)
    yield opened
    opened.context.close()
    assert problems == []
