"""A running app and sandboxes that deliver to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import SandboxSettings
from bot.sandbox.server import running
from tests.bot.sandbox.support import App, Slack, running_app

Start = Callable[..., Slack]


@pytest.fixture
def app() -> Iterator[App]:
    """The app that gets the deliveries."""
    with running_app() as started:
        yield started


@pytest.fixture
def start(app: App) -> Iterator[Start]:
    """Start a sandbox with these settings; unpaced and patient enough for a slow machine unless a test says otherwise."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Slack:
            chosen = replace(SandboxSettings(port=0, app_url=app.url, pace=False), **settings)
            sandbox = stack.enter_context(running(chosen))
            client = WebClient(token=chosen.token, base_url=sandbox.api_url, retry_handlers=[], timeout=10)
            return Slack(sandbox, app, client)

        yield start


@pytest.fixture
def slack(start: Start) -> Slack:
    """A sandbox with the usual settings."""
    return start()
