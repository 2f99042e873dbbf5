"""Heartbeats: when each was heard last, and which are known to have stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from db.columns import cut, from_json, to_json
from db.database import Row, Transaction
from db.model.alert import Alert
from db.model.heartbeat import Pulse, beats
from db.queries import query

MOST = 5_000
"""Heartbeats looked at; each is a cluster or a Prometheus, so that more would be a wrong matcher."""


def heard(tx: Transaction, alerts: Sequence[Alert], now: datetime) -> None:
    """Remember signs of life, and those that say they are over; in one order, so that nobody waits for each other."""
    newest = {(alert.source, alert.fingerprint): alert for alert in alerts}
    rows = [
        {
            "source": cut(source, 32),
            "fingerprint": cut(fingerprint, 64),
            "alertname": cut(alert.alertname, 255),
            "labels": to_json(dict(alert.labels)),
            "starts_at": alert.starts_at or now,
            "ended": int(not beats(alert)),
        }
        for (source, fingerprint), alert in sorted(newest.items())
    ]
    tx.insert_many(query("heartbeats", "heard"), rows)


def pulses(tx: Transaction) -> list[Pulse]:
    """Every heartbeat."""
    return [_pulse(row) for row in tx.rows(query("heartbeats", "all"), {"limit": MOST})]


def stopped(tx: Transaction, pulse: Pulse) -> None:
    """It is recorded that this heartbeat stopped."""
    tx.execute(query("heartbeats", "stopped"), _name(pulse) | {"stopped_at": pulse.heard_at})


def beats_again(tx: Transaction, pulse: Pulse) -> None:
    """It is recorded that this heartbeat is heard again."""
    tx.execute(query("heartbeats", "beats_again"), _name(pulse) | {"stopped_at": pulse.stopped_at})


def _name(pulse: Pulse) -> dict[str, object]:
    return {"source": pulse.source, "fingerprint": pulse.fingerprint}


def _pulse(row: Row) -> Pulse:
    return Pulse(
        source=row["source"],
        fingerprint=row["fingerprint"],
        alertname=row["alertname"],
        labels=from_json(row["labels"]),
        heard_at=row["heard_at"],
        ended=bool(row["ended"]),
        stopped_at=row["stopped_at"],
        silent=timedelta(microseconds=int(row["silent_microseconds"])),
    )
