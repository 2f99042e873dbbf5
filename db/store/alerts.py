"""The fact log: every alert that was received."""

from __future__ import annotations

from collections.abc import Iterable
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
            alert.kind,
            alert.state,
            cut(alert.rule_uid, 255),
            cut(alert.alertname, 255),
            cut(alert.fingerprint, 64),
            alert.starts_at,
            alert.ends_at,
            cut_bytes(alert.summary or alert.reason),
            to_json(alert.labels if type(alert.labels) is dict else dict(alert.labels)),
            to_json(alert.annotations if type(alert.annotations) is dict else dict(alert.annotations)),
            alert.raw,
        )
    )


def insert(tx: Transaction, rows: Iterable[tuple[Recorded, Written, int | Written, datetime | Written]]) -> None:
    """Add alerts, each to its incident, with their contents and the number (or what stands for it) and the time of
    their delivery."""
    incidents: dict[IncidentId, Written] = {}
    arrived: dict[int | Written, Written] = {}

    def row(entry: Recorded, text: Written, delivery_id: int | Written, received_at: datetime | Written) -> Written:
        # Incidents and deliveries are few, and alerts are many.
        incident = incidents.get(entry.incident_id) or incidents.setdefault(
            entry.incident_id, written((entry.incident_id, entry.key))
        )
        delivery = arrived.get(delivery_id) or arrived.setdefault(delivery_id, written((delivery_id, received_at)))
        return Written(f"{incident},{delivery},{text}")

    tx.insert_written(query("alerts", "insert"), [row(*one) for one in rows])


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
