"""What Observer finds out by itself, as a delivery of its own: the bytes that are kept, and how they are read again.

A heartbeat that stopped and an alert that a source lists without having sent it are alerts like any other: they come in
a delivery, so that no incident is without an alert and `replay` finds them again. The body of such a delivery is the
JSON object `{"observer": 1, "reading": {...}, "alerts": [{...}]}`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from db.model.alert import Alert, AlertKind, AlertState, Links, Reading, Unreadable
from db.model.masks import Masks
from db.model.reason import Reason

CONTENT_TYPE = "application/vnd.observer.finding+json"
"""The content type of deliveries that Observer made itself."""

_TEXTS = frozenset({"rule_uid", "alertname", "labels", "annotations", "summary", "reason", "links"})
"""What of an alert comes from texts of its source, beside its own element."""


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


def masked_finding(reading: Reading, masks: Masks) -> tuple[Reading, bool]:
    """What `reading` says with its texts masked for storage, and whether that changed anything.

    What finds an alert again (`fingerprint`, source, state and times) stays, as in the bodies of webhooks.
    """
    if not masks.storage:
        return reading, False
    alerts = [_masked(alert, masks) for alert in reading.alerts]
    changed = any(one is not other for one, other in zip(alerts, reading.alerts, strict=True))
    return (replace(reading, alerts=tuple(alerts)), True) if changed else (reading, False)


def _masked(alert: Alert, masks: Masks) -> Alert:
    """The alert masked; this very one when there is nothing to mask."""
    texts = {name: value for name, value in asdict(alert).items() if name in _TEXTS}
    masked, changed = masks.document(texts)
    raw, raw_changed = masks.document(json.loads(alert.raw))
    if not (changed or raw_changed):
        return alert
    fields: dict[str, Any] = dict(masked) if isinstance(masked, dict) else {}
    return replace(
        alert,
        **fields | {"links": Links(**fields["links"])},
        raw=json.dumps(raw, ensure_ascii=False) if raw_changed else alert.raw,
    )


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
            found_by=Reason.read(head.get("found_by", "")),
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
