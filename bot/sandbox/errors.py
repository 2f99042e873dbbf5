"""How a method of the Web API says no.

SlackError             a Web API method refuses; becomes {"ok": false, "error": …}
└── TooFast            the same with HTTP 429 and Retry-After
ControlError           a request to /control/… makes no sense; becomes HTTP 4xx with one sentence
"""

from __future__ import annotations

from typing import Any


class SlackError(Exception):
    """Slack's own code of an error, with what Slack puts beside it."""

    def __init__(self, code: str, **beside: Any) -> None:
        super().__init__(code)
        self.code = code
        self.beside = beside


class TooFast(SlackError):
    """More calls than Slack allows; try again after so many seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after


class ControlError(Exception):
    """What is wrong with a request to a control endpoint."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
