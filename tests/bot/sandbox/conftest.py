"""A running app and sandboxes that deliver to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import SandboxSettings
from bot.sandbox.server import Running, running
from tests.bot.sandbox.support import App, Slack, running_app

Start = Callable[..., Slack]


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
