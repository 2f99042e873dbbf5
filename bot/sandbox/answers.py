"""JSON as Slack writes it: ASCII only, so that whatever a text holds (lone surrogates too) can be sent."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Answer(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        """Its bytes."""
        return as_json(content).encode()


def as_json(content: Any) -> str:
    """One line of ASCII."""
    return json.dumps(content, separators=(",", ":"))
