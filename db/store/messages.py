"""Messages in Slack: which version they should show, which they show, and who works on them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from db.columns import cut, from_json, to_json
from db.database import Row, Transaction
from db.model.identity import IncidentId
from db.model.incident import Event, Incident, Severity
from db.model.message import Message, MessageKind, reply_key
from db.model.reply import Reply, is_broadcast, once
from db.queries import query

_AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""Due now, whatever the clock of this process says: leases and pauses go by the clock of the database."""


def want_cards(tx: Transaction, incidents: Sequence[Incident], now: datetime) -> None:
    """The cards of these incidents should show their present versions."""
    rows = [
        {
            "post_key": _new_key(),
            "kind": MessageKind.CARD.value,
            "incident_id": incident.incident_id,
            "content": None,
            "channel": cut(incident.channel, 255),
            "priority": int(incident.severity.rank),
            "wanted_version": incident.version,
            "due_at": _AT_ONCE,
            "created_at": now,
        }
        for incident in incidents
    ]
    tx.insert_many(query("messages", "want_cards"), rows)


def refresh_cards(tx: Transaction, incidents: Sequence[Incident]) -> None:
    """The cards of these incidents, where they have one, should show their present versions."""
    rows = [(incident.number, incident.version) for incident in incidents]
    tx.update_many(query("messages", "refresh_cards"), rows, ("number", "version"))


def want_replies(tx: Transaction, told: Sequence[tuple[Incident, Event]], now: datetime) -> None:
    """The thread of each incident's card should say what got worse; a card that does not hang yet says it itself."""
    if not told:
        return
    ids = [incident.incident_id for incident, _ in told]
    cards = {row["incident_id"]: row for row in tx.rows(query("messages", "hanging_cards"), {"ids": ids})}
    rows = [
        {
            "post_key": reply_key(incident.incident_id, card["created_at"], once(incident, event)),
            "kind": MessageKind.REPLY.value,
            "incident_id": None,
            "content": to_json(Reply(event, card["ts"], is_broadcast(incident)).as_content()),
            "channel": card["channel"],
            "priority": int(incident.severity.rank),
            "wanted_version": 1,
            "due_at": _AT_ONCE,
            "created_at": now,
        }
        for incident, event in told
        if (card := cards.get(incident.incident_id))
    ]
    tx.insert_many(query("messages", "want_cards"), rows)


def hangs_in(tx: Transaction, incident: IncidentId) -> str:
    """The id of the channel where an incident's card hangs; empty when it hangs in none."""
    row = tx.row(query("messages", "hangs_in"), {"incident_id": incident})
    return str(row["channel_id"] or "") if row else ""


def want_test(tx: Transaction, channel: str, content: Mapping[str, Any], now: datetime) -> None:
    """A message for a Test button should be shown."""
    row = {
        "post_key": _new_key(),
        "kind": MessageKind.TEST.value,
        "incident_id": None,
        "content": to_json(dict(content)),
        "channel": cut(channel, 255),
        "priority": 1,
        "wanted_version": 1,
        "due_at": _AT_ONCE,
        "created_at": now,
    }
    tx.insert_many(query("messages", "want_cards"), [row])


def claim(
    tx: Transaction, worker: str, *, busy: Sequence[str], may_edit: bool, may_look: bool, lease_seconds: float,
    settle_seconds: float, stormy: Sequence[str] = (), own_card: Collection[Severity] = (),
) -> Message | None:  # fmt: skip
    """Take the most urgent message that is behind and due, for `lease_seconds`.

    No first post in a `busy` channel, in a `stormy` one only cards of `own_card` severities; no edit unless
    `may_edit`; only if `may_look` a post whose outcome is unclear, and that only after `settle_seconds`, so that
    Slack's history shows it by then.
    """
    row = tx.row(
        query("messages", "candidates"),
        {
            "busy": list(busy) or [""],
            "stormy": list(stormy) or [""],
            "own": [int(severity.rank) for severity in own_card] or [255],
            "may_edit": int(may_edit),
            "may_look": int(may_look),
            "settle": settle_seconds,
        },
    )
    if row is None:
        return None
    taken = tx.execute(
        query("messages", "claim"),
        {"message_id": row["message_id"], "due_at": row["due_at"], "worker": worker, "lease": lease_seconds},
    )
    return _message(row) if taken else None


def shown(tx: Transaction, message_id: int, version: int, channel_id: str, ts: str, pause: float) -> None:
    """Slack shows this version."""
    tx.execute(
        query("messages", "shown"),
        {"message_id": message_id, "version": version, "channel_id": channel_id, "ts": ts, "pause": pause},
    )


def not_sent(tx: Transaction, message_id: int, worker: str, error: str, pause: float, *, counts: bool) -> None:
    """Slack certainly has nothing new; whether it `counts` as a failure."""
    tx.execute(
        query("messages", "not_sent"),
        {"message_id": message_id, "worker": worker, "error": cut(error, 255), "pause": pause, "counts": int(counts)},
    )


def unclear(tx: Transaction, message_id: int, worker: str, error: str, pause: float) -> None:
    """Whether Slack has it is not known."""
    tx.execute(
        query("messages", "unclear"),
        {"message_id": message_id, "worker": worker, "error": cut(error, 255), "pause": pause},
    )


def lost(tx: Transaction, message_id: int, ts: str, error: str) -> bool:
    """What hangs there counts no more, and the message is to be posted anew; whether it was the present one."""
    changed = tx.execute(
        query("messages", "lost"),
        {"message_id": message_id, "ts": ts, "error": cut(error, 255), "post_key": _new_key()},
    )
    return changed > 0


def move(tx: Transaction, message: Message, worker: str, channel: str, content: Mapping[str, Any], error: str) -> str:
    """The message is to be posted in another channel; its new key, empty when somebody else has it by now."""
    key = _new_key()
    moved = tx.execute(
        query("messages", "move"),
        {
            "message_id": message.message_id,
            "post_key": message.post_key,
            "new_key": key,
            "worker": worker,
            "channel": cut(channel, 255),
            "content": to_json(dict(content)) if content else None,
            "error": cut(error, 255),
        },
    )
    return key if moved else ""


def hurry(tx: Transaction, channel: str = "") -> None:
    """What waits because of failures, in this channel or in all, is due now."""
    tx.execute(query("messages", "hurry"), {"channel": cut(channel, 255)})


def abandon(tx: Transaction, message_id: int, version: int, error: str) -> None:
    """Nothing more will be shown of this version and those before it."""
    tx.execute(query("messages", "abandon"), {"message_id": message_id, "version": version, "error": cut(error, 255)})


def backlog(tx: Transaction) -> tuple[int, datetime | None]:
    """How many messages are behind, and since when the oldest of them waits."""
    row = tx.row(query("messages", "backlog"))
    return (int(row["behind"]), row["oldest"]) if row else (0, None)


def learn(tx: Transaction, name: str, value: Mapping[str, Any], now: datetime) -> None:
    """Keep something Slack told us."""
    tx.execute(query("messages", "learn"), {"name": name[:191], "value": to_json(dict(value)), "learned_at": now})


def recall(tx: Transaction, name: str) -> dict[str, Any] | None:
    """Something Slack told us before."""
    row = tx.row(query("messages", "recall"), {"name": name[:191]})
    return from_json(row["value"]) if row else None


def forget(tx: Transaction, name: str) -> bool:
    """What Slack told us is not so any more; whether it had told us."""
    return tx.execute(query("messages", "forget"), {"name": name[:191]}) > 0


def recall_all(tx: Transaction, prefix: str, since: datetime) -> dict[str, dict[str, Any]]:
    """Everything Slack told us since then under names with this prefix, by the rest of the name."""
    rows = tx.rows(query("messages", "recall_like"), {"pattern": f"{prefix}%", "since": since})
    return {row["name"][len(prefix) :]: from_json(row["value"]) for row in rows}


def _new_key() -> str:
    """The key of a message: two records that post with one bot into one channel must never have the same."""
    return str(uuid.uuid4())


def _message(row: Row) -> Message:
    return Message(
        message_id=int(row["message_id"]),
        post_key=row["post_key"],
        kind=MessageKind(row["kind"]),
        incident_id=IncidentId(row["incident_id"]) if row["incident_id"] else None,
        content=from_json(row["content"]) or {},
        channel=row["channel"],
        channel_id=row["channel_id"] or "",
        ts=row["ts"] or "",
        priority=int(row["priority"]),
        wanted_version=int(row["wanted_version"]),
        shown_version=int(row["shown_version"]),
        posting_since=row["posting_since"],
        attempts=int(row["attempts"]),
    )
