"""What every handler needs, and the ways it answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from bot.blocks.message import SlackMessage
from bot.slack import Sent, Slack
from bot.text.words import Words
from bot.veil import Veil
from db.database import Database
from db.model.policy import Policy

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts a handler works with."""

    database: Database  # the pool for people: its patience fits into Slack's three seconds
    patient: Database  # for what was answered already, and nobody waits for: it waits as webhooks do
    policy: Policy
    words: Words
    slack: Slack
    clock: Callable[[], datetime]
    wake: Callable[[], None]  # there is something to tell
    later: Executor  # for answers that nobody waits for
    stopping: threading.Event  # the program is about to end

    @property
    def veil(self) -> Veil:
        """What every value of the record passes before it is shown."""
        return Veil(self.policy.masks)

    def whisper(self, response_url: str, message: SlackMessage) -> None:
        """Tell the person who clicked, and nobody else, without making them wait."""
        self._respond(response_url, message, "ephemeral", replace=False)

    def replace(self, response_url: str, message: SlackMessage) -> None:
        """Put something else in the place of the ephemeral message that was clicked."""
        self._respond(response_url, message, "ephemeral", replace=True)

    def share(self, response_url: str, message: SlackMessage) -> None:
        """Show it to the whole channel."""
        self._respond(response_url, message, "in_channel", replace=False)

    def _respond(self, response_url: str, message: SlackMessage, kind: str, *, replace: bool) -> None:
        if not response_url.startswith(("http://", "https://")):
            return
        content = {
            "text": message.text,
            "blocks": message.blocks,
            "response_type": kind,
            "replace_original": replace,
            "unfurl_links": False,
        }
        self.later.submit(self._send, response_url, content)

    def _send(self, response_url: str, content: dict[str, object]) -> None:
        outcome = self.slack.respond(response_url, content)
        if not isinstance(outcome, Sent):
            _log.warning("answer to a person not delivered", extra={"outcome": repr(outcome)})
