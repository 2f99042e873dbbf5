"""Keeping Slack's messages level with the record: claim one that is behind, and keep what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from db.database import Database, Transaction
from db.model.incident import Severity
from db.model.message import Message
from db.store import digests, messages

LEASE_SECONDS = 20.0
"""How long a worker has a message; longer than the longest Slack call, so that nobody else works on it meanwhile."""

SETTLE_SECONDS = 5.0
"""How long after an unclear post its channel's history is trusted to show it."""

EDIT_PAUSE_SECONDS = 1.5
"""Between two edits of one message, so that a storm on one incident leaves room for the others."""


def claim(
    database: Database,
    worker: str,
    *,
    busy: Sequence[str] = (),
    may_edit: bool = True,
    lease_seconds: float = LEASE_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    own_card: Collection[Severity] = (Severity.CRITICAL,),
) -> Message | None:
    """Take the most urgent message that is behind and due; None when there is none.

    While a channel has a storm, only incidents of the severities `own_card` get a card there.
    """

    def work(tx: Transaction) -> Message | None:
        return messages.claim(
            tx, worker, busy=busy, may_edit=may_edit, lease_seconds=lease_seconds, settle_seconds=settle_seconds,
            stormy=digests.stormy(tx), own_card=own_card,
        )  # fmt: skip

    return database.transact(work)


def shown(
    database: Database, message: Message, version: int, channel_id: str, ts: str, *, pause: float = EDIT_PAUSE_SECONDS
) -> None:
    """Slack shows this version of the message."""
    database.transact(
        lambda tx: messages.shown(tx, message.message_id, version, channel_id, ts, pause), idempotent=True
    )


def not_sent(
    database: Database, message: Message, worker: str, error: str, pause: float, *, counts: bool = True
) -> None:
    """Slack certainly has nothing new of it: try again after `pause` seconds."""
    database.transact(
        lambda tx: messages.not_sent(tx, message.message_id, worker, error, pause, counts=counts), idempotent=True
    )


def unclear(database: Database, message: Message, worker: str, error: str, pause: float) -> None:
    """Whether Slack has it is not known: look for it after `pause` seconds."""
    database.transact(lambda tx: messages.unclear(tx, message.message_id, worker, error, pause), idempotent=True)


def lost(database: Database, message: Message, error: str) -> None:
    """Somebody removed the message from Slack: post it anew."""
    database.transact(lambda tx: messages.lost(tx, message.message_id, message.ts, error), idempotent=True)


def abandon(database: Database, message: Message, version: int, error: str) -> None:
    """Nothing more will be shown of this version; a newer one, of a reopened incident, is told again."""
    database.transact(lambda tx: messages.abandon(tx, message.message_id, version, error), idempotent=True)


def backlog(database: Database) -> tuple[int, datetime | None]:
    """How many messages are behind, and since when (UTC) the oldest of them waits."""
    return database.transact(messages.backlog, idempotent=True)


def learn(database: Database, name: str, value: Mapping[str, Any], now: datetime) -> None:
    """Keep something Slack told us, such as the id of a channel."""
    database.transact(lambda tx: messages.learn(tx, name, value, now), idempotent=True)


def recall(database: Database, name: str) -> dict[str, Any] | None:
    """Something Slack told us before; None when it never did."""
    return database.transact(lambda tx: messages.recall(tx, name), idempotent=True)
