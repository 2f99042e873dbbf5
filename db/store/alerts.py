"""The fact log: every alert that was received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db.columns import cut, cut_bytes, to_json
from db.database import Transaction
from db.literals import Written, written
from db.model.alert import Alert, AlertState
from db.model.grouping import Recorded
from db.model.identity import IncidentId
from db.model.incident import RecordedAlert
from db.queries import query


def contents(alert: Alert) -> Written:
    """What an alert's row says apart from where it belongs: written before anything is locked, because it takes longer
    than all that is decided about the alert."""
    return written(
        (
            alert.source,
            alert.kind.value,
            alert.state.value,
            cut(alert.rule_uid, 255),
            cut(alert.alertname, 255),
            cut(alert.fingerprint, 64),
            alert.starts_at,
            alert.ends_at,
            cut_bytes(alert.summary or alert.reason),
            to_json(dict(alert.labels)),
            to_json(dict(alert.annotations)),
            alert.raw,
        )
    )


def insert(tx: Transaction, rows: Sequence[tuple[Recorded, Written, int, datetime]]) -> None:
    """Add alerts, each to its incident, with their contents and the number and the time of their delivery."""
    tx.insert_many(
        query("alerts", "insert"),
        [
            {
                "incident_id": entry.incident_id,
                "incident_key": entry.key,
                "delivery_id": delivery_id,
                "received_at": received_at,
                "contents": text,
            }
            for entry, text, delivery_id, received_at in rows
        ],
    )


def latest(tx: Transaction, incident: IncidentId, limit: int) -> tuple[RecordedAlert, ...]:
    """The newest alerts of an incident, newest first."""
    return tuple(
        RecordedAlert(
            alert_id=int(row["alert_id"]),
            received_at=row["received_at"],
            state=AlertState(row["state"]),
            alertname=row["alertname"],
            message=row["message"],
            fingerprint=row["fingerprint"],
        )
        for row in tx.rows(query("alerts", "latest"), {"id": incident, "limit": limit})
    )
