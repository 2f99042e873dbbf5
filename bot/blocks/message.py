"""What is sent to Slack as one message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """The blocks people see, and the `text` that screen readers and notifications read instead; send both, always."""

    text: str
    blocks: list[dict[str, object]]
