"""The fact log: every alert that was received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db.columns import cut, cut_bytes, to_json
from db.database import Transaction
from db.model.alert import AlertState
from db.model.grouping import Recorded
from db.model.identity import IncidentId
from db.model.incident import RecordedAlert
from db.queries import query


def insert(tx: Transaction, recorded: Sequence[Recorded], delivery_id: int, received_at: datetime) -> None:
    """Add the alerts of one delivery, each to its incident."""
    insert_all(tx, [(entry, delivery_id, received_at) for entry in recorded])


def insert_all(tx: Transaction, recorded: Sequence[tuple[Recorded, int, datetime]]) -> None:
    """Add alerts with the number and the time of the delivery each came in."""
    rows = []
    for entry, delivery_id, received_at in recorded:
        alert = entry.keyed.alert
        rows.append(
            {
                "incident_id": entry.incident_id,
                "incident_key": entry.key,
                "delivery_id": delivery_id,
                "received_at": received_at,
                "source": alert.source,
                "kind": alert.kind.value,
                "state": alert.state.value,
                "rule_uid": cut(alert.rule_uid, 255),
                "alertname": cut(alert.alertname, 255),
                "fingerprint": cut(alert.fingerprint, 64),
                "starts_at": alert.starts_at,
                "ends_at": alert.ends_at,
                "message": cut_bytes(alert.summary or alert.reason),
                "labels": to_json(dict(alert.labels)),
                "annotations": to_json(dict(alert.annotations)),
                "raw_payload": alert.raw,
            }
        )
    tx.insert_many(query("alerts", "insert"), rows)


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
