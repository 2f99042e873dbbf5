"""Second looks: whether something hangs in Slack that the record does not know of."""

from __future__ import annotations

from dataclasses import dataclass

from db.database import Database, Transaction
from db.model.message import Look
from db.store import second_looks

LEASE_SECONDS = 60.0
"""How long a worker has a look; looking twice does no harm."""


@dataclass(frozen=True, slots=True)
class Rightful:
    """The message of the record as Slack has it: whatever else bears its key is too much."""

    post_key: str
    channel_id: str  # empty before the first post
    ts: str  # the same
    behind: bool  # whether Slack does not show yet what it should


def take(database: Database) -> Look | None:
    """The look that waits longest; None when none is due."""
    return database.transact(lambda tx: second_looks.take(tx, LEASE_SECONDS), idempotent=True)


def rightful(database: Database, look: Look) -> Rightful | None:
    """Which message is the right one now; None when the record has none any more."""

    def work(tx: Transaction) -> Rightful | None:
        found = second_looks.current(tx, look.message_id)
        return None if found is None else Rightful(*found)

    return database.transact(work, idempotent=True)


def put_off(database: Database, look: Look, pause: float, *, looked: bool = False, failed: bool = False) -> None:
    """Look again after `pause` seconds; whether this one was answered, or refused."""

    def work(tx: Transaction) -> None:
        failures = look.failures + 1 if failed else 0
        second_looks.put_off(tx, look, pause, looks=look.looks + int(looked), failures=failures)

    database.transact(work, idempotent=True)


def done(database: Database, look: Look) -> None:
    """Nothing is left to look for."""
    database.transact(lambda tx: second_looks.done(tx, look), idempotent=True)
