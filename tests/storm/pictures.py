"""Screenshots of the sandbox's channel, so that a person can look at what a storm looks like."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.sync_api import Browser, Error, Locator, Playwright, sync_playwright

from db.server.machine import Machine
from tests.servers.programs import find_chromium

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


class Pictures:
    """A headless browser on the sandbox's page; each picture is a file in `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._playwright = sync_playwright().start()
        path = find_chromium(os.environ, Machine.from_env(os.environ))
        self._browser = self._playwright.chromium.launch(executable_path=str(path), args=ARGUMENTS)
        self.page = self._browser.new_page(viewport={"width": 1100, "height": 1200})
        self.page.goto(self._url)
        self.page.get_by_test_id("user-select").select_option("U001")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()

    def digest(self) -> Locator:
        """The newest digest in the channel."""
        show = self.page.get_by_test_id("button-incident_digest_show")
        return self.page.get_by_test_id("message").filter(has=show).last

    def take(self, what: Locator, name: str) -> Path:
        """A picture of one thing on the page."""
        path = self._folder / f"{name}.png"
        for left in reversed(range(10)):
            try:
                what.screenshot(path=str(path), timeout=5000)
                return path
            except Error:  # the page draws a channel anew whenever something arrives in it
                if not left:
                    raise
        return path

    def last_answer(self) -> Locator:
        """What only this person was told last."""
        return self.page.get_by_test_id("ephemeral").last

    def press(self, where: Locator, button: str, *, confirm: bool = False) -> None:
        """Press the first such button, and say yes if it asks."""
        where.get_by_test_id(f"button-{button}").first.click(timeout=60_000)
        if confirm:
            self.page.get_by_test_id("confirm-ok").click()
