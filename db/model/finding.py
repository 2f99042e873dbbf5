"""What Observer finds out by itself, as a delivery of its own: the bytes that are kept, and how they are read again.

A heartbeat that stopped and an alert that a source lists without having sent it are alerts like any other: they come in
a delivery, so that no incident is without an alert and `replay` finds them again. The body of such a delivery is the
JSON object `{"observer": 1, "reading": {...}, "alerts": [{...}]}`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from db.model.alert import Alert, AlertKind, AlertState, Links, Reading, Unreadable

CONTENT_TYPE = "application/vnd.observer.finding+json"
"""The content type of deliveries that Observer made itself."""


def write_finding(reading: Reading) -> bytes:
    """The body of a delivery that says what `reading` says."""
    content = {
        "observer": 1,
        "reading": {
            "source": reading.source,
            "receiver": reading.receiver,
            "external_url": reading.external_url,
            "org": reading.org,
            "found_by": reading.found_by,
        },
        "alerts": [asdict(alert) for alert in reading.alerts],
    }
    return json.dumps(content, ensure_ascii=False, default=datetime.isoformat, separators=(",", ":")).encode()


def read_finding(body: bytes) -> Reading:
    """What such a body says. Raises `Unreadable` for anything that `write_finding` did not write."""
    try:
        content = json.loads(body)
        head = content["reading"]
        return Reading(
            source=head["source"],
            receiver=head["receiver"],
            external_url=head["external_url"],
            org=head.get("org", ""),
            found_by=head.get("found_by", ""),
            alerts=tuple(_alert(fields) for fields in content["alerts"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable("", f"not a finding of Observer's: {type(error).__name__}") from error


def _alert(fields: dict[str, Any]) -> Alert:
    return Alert(
        **fields
        | {
            "state": AlertState(fields["state"]),
            "kind": AlertKind(fields["kind"]),
            "links": Links(**fields["links"]),
            "starts_at": _time(fields["starts_at"]),
            "ends_at": _time(fields["ends_at"]),
        }
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
