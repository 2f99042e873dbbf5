"""Looks at the sources' own lists: whose turn it is, what the next one has to know, and who sends webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from db.columns import cut
from db.database import Row, Transaction
from db.queries import query


def now(tx: Transaction) -> datetime:
    """The time by the database's clock, which all replicas share; UTC."""
    row = tx.row(query("looks", "now"))
    assert row is not None  # noqa: S101 - a SELECT without a table has one row
    found: datetime = row["now"]
    return found


def begin(tx: Transaction, source: str) -> None:
    """Make the row of a source, due at once, if there is none."""
    tx.execute(query("looks", "begin"), {"source": source})


def claim(tx: Transaction, source: str, worker: str, *, lease_seconds: float, urgent: bool) -> bool:
    """Take the turn of a source; whether it was to be had."""
    values = {"source": source, "worker": worker, "lease": lease_seconds, "urgent": urgent}
    return tx.execute(query("looks", "claim"), values) == 1


def row(tx: Transaction, source: str) -> Row | None:
    """The row of a source."""
    return tx.row(query("looks", "row"), {"source": source})


def finish(tx: Transaction, source: str, worker: str, *, memory: str, pause: float) -> None:
    """The list was read; the turn is given back."""
    tx.execute(query("looks", "finish"), {"source": source, "worker": worker, "memory": memory, "pause": pause})


def fail(tx: Transaction, source: str, worker: str, *, problem: str, memory: str, pause: float) -> None:
    """The list could not be read, or not of all servers; the turn is given back."""
    values = {"source": source, "worker": worker, "memory": memory, "pause": pause, "problem": cut(problem, 255)}
    tx.execute(query("looks", "fail"), values)


def senders(tx: Transaction, source: str) -> list[tuple[str, str]]:
    """Who ever sent webhooks of a source: origin and receiver."""
    return [(row["origin"], row["receiver"]) for row in tx.rows(query("looks", "senders"), {"source": source})]


def all_senders(tx: Transaction) -> list[tuple[str, str, str]]:
    """Who ever sent webhooks: source, origin and receiver."""
    return [(row["source"], row["origin"], row["receiver"]) for row in tx.rows(query("looks", "all_senders"))]


def add_senders(tx: Transaction, found: Iterable[tuple[str, str, str]]) -> None:
    """Keep who sends webhooks: source, origin and receiver."""
    rows = [{"source": source, "origin": origin, "receiver": cut(receiver, 255)} for source, origin, receiver in found]
    for one in rows:  # each once in the life of a process
        tx.execute(query("looks", "add_sender"), one)
