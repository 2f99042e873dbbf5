"""Figures of the record as it is now, for those who watch Observer."""

from __future__ import annotations

from datetime import datetime

from db.database import Transaction
from db.queries import query


def open_incidents(tx: Transaction) -> dict[tuple[str, str], int]:
    """How many incidents are open, by status and severity."""
    rows = tx.rows(query("gauges", "open_incidents"))
    return {(row["status"], row["severity"]): int(row["incidents"]) for row in rows}


def looks(tx: Transaction) -> dict[str, datetime]:
    """When the list of each source was read last, UTC."""
    return {row["source"]: row["succeeded_at"] for row in tx.rows(query("gauges", "looks"))}
