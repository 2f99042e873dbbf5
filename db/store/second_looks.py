"""Second looks: what may hang in Slack without belonging there."""

from __future__ import annotations

from datetime import datetime

from db.columns import cut
from db.database import Transaction
from db.model.message import Look
from db.queries import query


def want(
    tx: Transaction, message_id: int, post_key: str, channel: str, since: datetime | None, pause: float, *, ts: str = ""
) -> None:
    """Look for `post_key` in `channel` after `pause` seconds; with `ts` that very message is to go."""
    tx.execute(
        query("second_looks", "want"),
        {
            "message_id": message_id,
            "post_key": post_key,
            "channel": cut(channel, 255),
            "since": since,
            "pause": pause,
            "ts": ts or None,
        },
    )


def take(tx: Transaction, lease_seconds: float) -> Look | None:
    """The look that waits longest, taken for `lease_seconds`; None when none is due."""
    row = tx.row(query("second_looks", "due"))
    if row is None:
        return None
    look = Look(
        message_id=int(row["message_id"]),
        post_key=row["post_key"],
        channel=row["channel"],
        ts=row["ts"] or "",
        since=row["since"],
        looks=int(row["looks"]),
        failures=int(row["failures"]),
    )
    put_off(tx, look, lease_seconds, looks=look.looks, failures=look.failures)
    return look


def put_off(tx: Transaction, look: Look, pause: float, *, looks: int, failures: int) -> None:
    """Not before `pause` seconds."""
    tx.execute(
        query("second_looks", "put_off"),
        {"post_key": look.post_key, "channel": look.channel, "pause": pause, "looks": looks, "failures": failures},
    )


def current(tx: Transaction, message_id: int) -> tuple[str, str, str, bool] | None:
    """The present key, channel id and `ts` (empty before the first post) of a message, and whether it is behind."""
    row = tx.row(query("second_looks", "current"), {"message_id": message_id})
    return None if row is None else (row["post_key"], row["channel_id"] or "", row["ts"] or "", bool(row["behind"]))


def something_to_go(tx: Transaction, message_id: int, channel: str) -> bool:
    """Whether an earlier message of this row is still to be removed from a channel."""
    return tx.row(query("second_looks", "to_go"), {"message_id": message_id, "channel": channel}) is not None


def done(tx: Transaction, look: Look) -> None:
    """Nothing is left to look for."""
    tx.execute(query("second_looks", "done"), {"post_key": look.post_key, "channel": look.channel})
