"""Keeping Slack's messages level with the record: claim one that is behind, and keep what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from db.database import Database, Transaction
from db.model.identity import IncidentId
from db.model.incident import Severity
from db.model.message import Message
from db.store import digests, incidents, messages, second_looks

LEASE_SECONDS = 20.0
"""How long a worker has a message; longer than the longest Slack call, so that nobody else works on it meanwhile."""

SETTLE_SECONDS = 5.0
"""How long after an unclear post its channel's history is trusted to show it."""

EDIT_PAUSE_SECONDS = 1.5
"""Between two edits of one message, so that a storm on one incident leaves room for the others."""


SECOND_LOOKS_SECONDS = (120.0, 1200.0)
"""When to look again for a post that came late: after so long, and again so long after that."""

REPLACED_SECONDS = 2.0
"""After so long the message that takes the place of another hangs, as a rule."""

_BROKEN = "broken:"
_CHANNEL = "channel:"
_IRREMOVABLE = "irremovable:"
_REMEMBERED = timedelta(days=1)


def claim(
    database: Database,
    worker: str,
    *,
    busy: Sequence[str] = (),
    may_edit: bool = True,
    may_look: bool = True,
    lease_seconds: float = LEASE_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    own_card: Collection[Severity] = (Severity.CRITICAL,),
) -> Message | None:
    """Take the most urgent message that is behind and due; None when there is none.

    While a channel has a storm, only incidents of the severities `own_card` get a card there.
    """

    def work(tx: Transaction) -> Message | None:
        return messages.claim(
            tx, worker, busy=busy, may_edit=may_edit, may_look=may_look, lease_seconds=lease_seconds,
            settle_seconds=settle_seconds, stormy=digests.stormy(tx), own_card=own_card,
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


def post_again(database: Database, message: Message, worker: str, error: str) -> None:
    """A post that was begun is not to be seen: post it again, and look some minutes later whether it came after all."""

    def work(tx: Transaction) -> None:
        messages.not_sent(tx, message.message_id, worker, error, 0.0, counts=True)
        pause = SECOND_LOOKS_SECONDS[0]
        second_looks.want(tx, message.message_id, message.post_key, message.channel, message.posting_since, pause)

    database.transact(work, idempotent=True)


def move(
    database: Database, message: Message, worker: str, channel: str, content: Mapping[str, Any], error: str
) -> None:
    """The channel of a message cannot be used: show it in another one. `content` says so in the message.

    What already hangs in the old channel, or may have come there, is removed once that is possible again.
    """

    def work(tx: Transaction) -> None:
        if messages.move(tx, message, worker, channel, content, error) and (message.ts or message.posting_since):
            second_looks.want(
                tx,
                message.message_id,
                message.post_key,
                message.channel_id or message.channel,
                message.posting_since,
                SECOND_LOOKS_SECONDS[0],
                ts=message.ts,
            )

    database.transact(work, idempotent=True)


def refused(database: Database, channel: str, error: str, now: datetime) -> datetime:
    """A channel refuses us; since when (UTC) it does so, by any replica's account."""

    def work(tx: Transaction) -> datetime:
        known = messages.recall(tx, f"{_BROKEN}{channel}")
        since = datetime.fromisoformat(known["since"]) if known else now
        messages.learn(tx, f"{_BROKEN}{channel}", {"error": error, "since": since.isoformat()}, now)
        return since

    return database.transact(work, idempotent=True)


def works(database: Database, channel: str, channel_id: str, now: datetime) -> None:
    """A channel took a message: its id, and if it refused us before, what waits for it is due now."""

    def work(tx: Transaction) -> None:
        messages.learn(tx, f"{_CHANNEL}{channel}", {"id": channel_id}, now)
        if messages.forget(tx, f"{_BROKEN}{channel}"):
            messages.hurry(tx, channel)

    database.transact(work, idempotent=True)


def channel_id(database: Database, channel: str) -> str:
    """The id that a channel had when we knew it by this name (`#` or not); empty when we never did."""
    name = channel.removeprefix("#")

    def work(tx: Transaction) -> str:
        found = messages.recall(tx, f"{_CHANNEL}#{name}") or messages.recall(tx, f"{_CHANNEL}{name}")
        return str(found["id"]) if found else ""

    return database.transact(work, idempotent=True)


def channels_of(database: Database, incident: IncidentId) -> frozenset[str]:
    """The ids of the channels an incident belongs to: where its card hangs, and where it was meant to hang."""

    def work(tx: Transaction) -> frozenset[str]:
        found = incidents.by_id(tx, incident)
        if found is None:
            return frozenset()
        name = found.channel.removeprefix("#")
        known = [messages.recall(tx, f"{_CHANNEL}{one}") for one in (f"#{name}", name)]
        learned = {str(fact["id"]) for fact in known if fact}
        return frozenset({found.channel, messages.hangs_in(tx, incident), *learned} - {""})

    return database.transact(work, idempotent=True)


def learn_channels(database: Database, ids: Mapping[str, str], now: datetime) -> None:
    """These channels have these ids."""

    def work(tx: Transaction) -> None:
        for channel, its_id in ids.items():
            messages.learn(tx, f"{_CHANNEL}{channel}", {"id": its_id}, now)

    database.transact(work, idempotent=True)


def hurry(database: Database) -> None:
    """Slack takes messages again: what waits because of failures is due now."""
    database.transact(messages.hurry, idempotent=True)


def broken_channels(database: Database, now: datetime) -> dict[str, dict[str, Any]]:
    """The channels that refused us within a day and took nothing since: `error` and `since` (ISO, UTC) of each."""
    return database.transact(lambda tx: messages.recall_all(tx, _BROKEN, now - _REMEMBERED), idempotent=True)


def lost(database: Database, message: Message, error: str) -> None:
    """Somebody removed the message from Slack: post it anew."""
    database.transact(lambda tx: messages.lost(tx, message.message_id, message.ts, error), idempotent=True)


def replace(database: Database, message: Message, error: str) -> bool:
    """The message cannot be edited: post it anew, and remove the old one once the new one hangs.

    False, and nothing is done, while one that it took the place of still hangs beside it.
    """

    def work(tx: Transaction) -> bool:
        if second_looks.something_to_go(tx, message.message_id, message.channel_id):
            return False
        if messages.lost(tx, message.message_id, message.ts, error):
            second_looks.want(
                tx, message.message_id, message.post_key, message.channel_id, message.posting_since, REPLACED_SECONDS,
                ts=message.ts,
            )  # fmt: skip
        return True

    return database.transact(work, idempotent=True)


def irremovable(database: Database, channel_id: str, now: datetime) -> str:
    """Why messages cannot be removed from a channel, by what was found within a day; empty when they can."""
    name = f"{_IRREMOVABLE}{channel_id}"
    found = database.transact(lambda tx: messages.recall_all(tx, name, now - _REMEMBERED), idempotent=True)
    return str(found[""]["error"]) if "" in found else ""


def removable(database: Database, channel_id: str) -> None:
    """Messages can be removed from a channel, or need not be."""
    database.transact(lambda tx: messages.forget(tx, f"{_IRREMOVABLE}{channel_id}"), idempotent=True)


def not_removed(database: Database, channel_id: str, error: str, now: datetime) -> None:
    """A message could not be removed from a channel."""
    learn(database, f"{_IRREMOVABLE}{channel_id}", {"error": error}, now)


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
