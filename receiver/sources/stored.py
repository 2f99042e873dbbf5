"""Reads a stored delivery again: which reader its body needs is told by the path it came by."""

from __future__ import annotations

from db.model import finding
from db.model.alert import Reading
from db.model.source import GRAFANA
from receiver.sources import WEBHOOKS
from receiver.sources.charsets import in_utf8


def read_stored(source: str, content_type: str, body: bytes) -> Reading:
    """What a stored body says; `source` and `content_type` are as the delivery has them. Raises `Unreadable`."""
    if content_type == finding.CONTENT_TYPE:
        return finding.read_finding(body)
    body = in_utf8(body, content_type)
    return WEBHOOKS.get(source, WEBHOOKS[GRAFANA.name]).read(body)
