"""Digests: which run, which incidents they show, and which cards are held back for them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from db.columns import cut, from_json, to_json
from db.database import Row, Transaction
from db.model.identity import IncidentId
from db.model.incident import Severity, Status
from db.model.message import MessageKind
from db.model.storm import Candidate, Digest, DigestKind, Tally
from db.queries import query

_AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)


def clock(tx: Transaction) -> datetime:
    """The time of the database, UTC."""
    row = tx.row(query("digests", "clock"))
    assert row is not None  # noqa: S101 - it has no FROM
    now: datetime = row["now"]
    return now


def arrived(tx: Transaction, seconds: float, limit: int) -> dict[str, int]:
    """Channels that got more than `limit` new incidents in the last `seconds`, and how many."""
    rows = tx.rows(query("digests", "arrived"), {"seconds": seconds, "limit": limit})
    return {row["channel"]: int(row["arrived"]) for row in rows}


def running(tx: Transaction) -> list[Digest]:
    """The digests that are not over."""
    return [_digest(row) for row in tx.rows(query("digests", "running"))]


def stormy(tx: Transaction) -> list[str]:
    """The channels that have a storm."""
    return [row["channel"] for row in tx.rows(query("digests", "stormy"))]


def lock(tx: Transaction, ids: Sequence[int]) -> list[Digest]:
    """Those of these digests that nobody else works on, locked, and still not over."""
    if not ids:
        return []
    return [_digest(row) for row in tx.rows(query("digests", "lock"), {"ids": list(ids)})]


def by_id(tx: Transaction, digest_id: int) -> Digest | None:
    """One digest."""
    row = tx.row(query("digests", "by_id"), {"digest_id": digest_id})
    return _digest(row) if row else None


def begin(
    tx: Transaction, *, kind: DigestKind, channel: str, rule: str, shared: Mapping[str, str], at_least: int,
    window_seconds: int, open_key: str, since: datetime, now: datetime,
) -> Digest:  # fmt: skip
    """A digest and its message. Raises `Duplicate` when one about the same runs already."""
    values = {
        "kind": kind.value, "channel": cut(channel, 255), "rule": cut(rule, 64), "shared": to_json(dict(shared)),
        "at_least": at_least, "window_seconds": window_seconds, "open_key": open_key, "since": since, "now": now,
    }  # fmt: skip
    digest_id = tx.insert(query("digests", "insert"), values)
    message = {
        "post_key": str(uuid.uuid4()), "content": to_json({"digest": digest_id}), "channel": cut(channel, 255),
        "due_at": _AT_ONCE, "now": now, "kind": MessageKind.DIGEST.value, "priority": 0, "version": 1,
    }  # fmt: skip
    message_id = tx.insert(query("digests", "insert_message"), message)
    tx.execute(query("digests", "has_message"), {"message_id": message_id, "digest_id": digest_id})
    return Digest(
        digest_id=digest_id, kind=kind, channel=channel, rule=rule, shared=shared, at_least=at_least,
        window_seconds=window_seconds, message_id=message_id, since=since, began_at=now, busy_at=now,
        scanned_at=since, refreshed_at=now,
    )  # fmt: skip


def newcomers(tx: Transaction, digest: Digest, since: datetime, limit: int) -> list[IncidentId]:
    """Incidents that arrived in the digest's channel since then and are no members yet."""
    values = {"digest_id": digest.digest_id, "channel": digest.channel, "since": since, "limit": limit}
    return [IncidentId(row["incident_id"]) for row in tx.rows(query("digests", "newcomers"), values)]


def join(tx: Transaction, digest_id: int, incidents: Iterable[IncidentId], now: datetime) -> None:
    """Make these incidents members."""
    rows = [{"digest_id": digest_id, "incident_id": one, "now": now} for one in sorted(set(incidents))]
    tx.insert_many(query("digests", "join"), rows)


def hold_channel(tx: Transaction, digest: Digest, own: Collection[Severity], limit: int) -> int:
    """Hold back the cards of the digest's channel that are not posted, except of `own` severities; how many."""
    values = {"channel": digest.channel, "own": _ranks(own), "since": digest.since, "limit": limit}
    return _hold(tx, digest.digest_id, tx.rows(query("digests", "holdable"), values))


def hold_members(tx: Transaction, digest_id: int, ids: Sequence[IncidentId], own: Collection[Severity]) -> int:
    """Hold back the cards of these members that are not posted, except of `own` severities; how many."""
    if not ids:
        return 0
    found = tx.rows(query("digests", "holdable_members"), {"ids": list(ids), "own": _ranks(own)})
    return _hold(tx, digest_id, found)


def release_grown_worse(tx: Transaction, ids: Sequence[int], own: Collection[Severity]) -> int:
    """Let go the cards that these digests hold of incidents that became so bad that they get one at once; how many."""
    if not own or not ids:
        return 0
    ids = _ids(tx.rows(query("digests", "grown_worse"), {"ids": list(ids), "own": _ranks(own)}))
    if ids:
        tx.execute(query("digests", "release"), {"ids": ids, "due_at": _AT_ONCE})
    return len(ids)


def release_worst(tx: Transaction, digest_id: int, severities: Collection[Severity], limit: int) -> int:
    """Let go the cards that a digest holds of its worst incidents that nobody has acknowledged; how many."""
    values = {"digest_id": digest_id, "ranks": _ranks(severities), "limit": limit}
    mine = _lock_held(tx, digest_id, _ids(tx.rows(query("digests", "worst_held"), values)))
    if mine:
        tx.execute(query("digests", "release"), {"ids": mine, "due_at": _AT_ONCE})
    return len(mine)


def drop_closed(tx: Transaction, digest_id: int, limit: int) -> int:
    """Let go the cards that a digest holds of incidents that are over: they need none, unless reopened; how many."""
    rows = tx.rows(query("digests", "held_and_closed"), {"digest_id": digest_id, "limit": limit})
    mine = _lock_held(tx, digest_id, _ids(rows))
    over = _ids(tx.rows(query("digests", "of_closed"), {"ids": mine})) if mine else []
    if over:
        tx.execute(query("digests", "drop"), {"ids": over, "due_at": _AT_ONCE})
    return len(over)


def shown_here(tx: Transaction, digest_id: int, limit: int) -> None:
    """Nothing waits to be posted for the cards that a digest still holds when it is over: it is their face."""
    if ids := _ids(tx.rows(query("digests", "held_and_behind"), {"digest_id": digest_id, "limit": limit})):
        tx.execute(query("digests", "shown_here"), {"ids": ids})


def lasting(tx: Transaction, seconds: float, limit: int) -> list[Digest]:
    """Digests that are over and may still show open incidents, last compared so long ago, that nobody else works on."""
    return [_digest(row) for row in tx.rows(query("digests", "lasting"), {"seconds": seconds, "limit": limit})]


def settled(tx: Transaction, digest_id: int) -> None:
    """Nothing is open in it: its message shows the last of it."""
    tx.execute(query("digests", "settled"), {"digest_id": digest_id})


def busy(tx: Transaction, digest_id: int, now: datetime) -> None:
    """The rate is exceeded, or a member joined."""
    tx.execute(query("digests", "busy"), {"digest_id": digest_id, "now": now})


def scanned(tx: Transaction, digest_id: int, now: datetime) -> None:
    """All that belonged to it by then is a member."""
    tx.execute(query("digests", "scanned"), {"digest_id": digest_id, "now": now})


def full(tx: Transaction, digest_id: int) -> None:
    """It takes no more members."""
    tx.execute(query("digests", "full"), {"digest_id": digest_id})


def finish(tx: Transaction, digest_id: int, now: datetime) -> None:
    """It is over."""
    tx.execute(query("digests", "finish"), {"digest_id": digest_id, "now": now})


def versions(tx: Transaction, digest_id: int) -> tuple[int, int, int]:
    """How many members it has, the version its message should show while it runs, and how many members are open."""
    row = tx.row(query("digests", "versions"), {"digest_id": digest_id})
    assert row is not None  # noqa: S101 - it counts
    return int(row["members"]), 1 + int(row["version"]), int(row["still_open"])


def refresh(tx: Transaction, digest: Digest, version: int, now: datetime) -> None:
    """Its message should show this version."""
    tx.execute(query("digests", "refresh"), {"message_id": digest.message_id, "version": version})
    tx.execute(query("digests", "refreshed"), {"digest_id": digest.digest_id, "now": now})


def tallies(tx: Transaction, digest_id: int) -> tuple[list[Tally], int]:
    """Its members, counted, and the version of the message that shows them while the digest runs."""
    rows = tx.rows(query("digests", "tallies"), {"digest_id": digest_id})
    counted = [
        Tally(
            service=row["service"],
            cluster=row["cluster"],
            severity=Severity(row["severity"]),
            status=Status(row["status"]),
            count=int(row["members"]),
        )
        for row in rows
    ]
    return counted, 1 + sum(int(row["version"]) for row in rows)


def own_cards(tx: Transaction, digest_id: int) -> int:
    """How many of its members have a card of their own."""
    row = tx.row(query("digests", "own_cards"), {"digest_id": digest_id})
    return int(row["cards"]) if row else 0


def how_many_run(tx: Transaction) -> int:
    """How many digests are not over."""
    row = tx.row(query("digests", "how_many_run"))
    return int(row["running"]) if row else 0


def members(
    tx: Transaction, digest_id: int, place: tuple[str, str] | None, *, limit: int = 1_000_000, offset: int = 0
) -> list[IncidentId]:
    """Its members of a (service, cluster), or all: the open ones first, then the worst, then the oldest."""
    service, cluster = place or ("", "")
    values = {
        "digest_id": digest_id, "everything": int(place is None), "service": service, "cluster": cluster,
        "limit": limit, "offset": offset,
    }  # fmt: skip
    return [IncidentId(row["incident_id"]) for row in tx.rows(query("digests", "members"), values)]


def candidates(tx: Transaction, seconds: float, limit: int) -> list[Candidate]:
    """Open incidents of the last `seconds` that are in no digest."""
    return [
        Candidate(
            incident_id=IncidentId(row["incident_id"]),
            channel=row["channel"],
            parts={
                "cluster": row["cluster"],
                "namespace": row["namespace"],
                "service": row["service"],
                "phase": row["phase"],
                "severity": row["severity"],
                "category": row["service_category"],
                "title": row["title"],
            },
            queued_at=row["queued_at"],
        )
        for row in tx.rows(query("digests", "candidates"), {"seconds": seconds, "limit": limit})
    ]


def group_of(tx: Transaction, incident: IncidentId) -> Digest | None:
    """The newest group of related incidents that an incident is in."""
    row = tx.row(query("digests", "group_of"), {"incident_id": incident})
    return _digest(row) if row else None


def tell_cards(tx: Transaction, digest_id: int) -> int:
    """Let the members' cards that hang in the channel be edited, so that they name the group; how many."""
    rows = tx.rows(query("digests", "untold"), {"digest_id": digest_id})
    if not rows:
        return 0
    tx.execute(query("digests", "edit_again"), {"ids": _ids(rows)})
    tx.execute(query("digests", "told"), {"digest_id": digest_id, "ids": [row["incident_id"] for row in rows]})
    return len(rows)


def _hold(tx: Transaction, digest_id: int, found: Sequence[Row]) -> int:
    ids = _ids(found)
    if ids:
        tx.execute(query("digests", "hold"), {"digest_id": digest_id, "ids": ids})
    return len(ids)


def _lock_held(tx: Transaction, digest_id: int, ids: Sequence[int]) -> list[int]:
    if not ids:
        return []
    return _ids(tx.rows(query("digests", "lock_held"), {"ids": list(ids), "digest_id": digest_id}))


def _ids(rows: Sequence[Row]) -> list[int]:
    return sorted(int(row["message_id"]) for row in rows)


def _ranks(severities: Collection[Severity]) -> list[int]:
    """The priorities of messages that are of these severities; never an empty list, which SQL does not take."""
    return sorted(int(severity.rank) for severity in severities) or [255]


def _digest(row: Row) -> Digest:
    return Digest(
        digest_id=int(row["digest_id"]),
        kind=DigestKind(row["kind"]),
        channel=row["channel"],
        rule=row["rule"],
        shared=from_json(row["shared"]),
        at_least=int(row["at_least"]),
        window_seconds=int(row["window_seconds"]),
        message_id=int(row["message_id"]),
        since=row["since"],
        began_at=row["began_at"],
        busy_at=row["busy_at"],
        scanned_at=row["scanned_at"],
        refreshed_at=row["refreshed_at"],
        ended_at=row["ended_at"],
    )
