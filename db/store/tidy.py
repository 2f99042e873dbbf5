"""What retention looks at and removes: old deliveries, and the alerts and timelines of incidents that are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.database import Transaction
from db.model.delivery import REMOVED
from db.model.identity import IncidentId, IncidentKey
from db.model.incident import Chain
from db.queries import query


@dataclass(frozen=True, slots=True)
class OldDelivery:
    """A delivery, and what still needs it."""

    number: int
    received_at: datetime
    has_body: bool
    body_bytes: int  # as received
    is_named: bool  # by an alert
    is_open: bool  # an incident of its alerts is, and the body is there


@dataclass(frozen=True, slots=True)
class OldIncident:
    """An incident as retention sees it."""

    number: int
    incident_id: IncidentId
    key: IncidentKey
    resolved_time: datetime | None  # None while it is open
    first_seen_at: datetime
    has_alerts: bool
    has_events: bool


@dataclass(frozen=True, slots=True)
class OldTimeline:
    """The timeline of an incident as retention sees it."""

    incident_id: IncidentId
    number: int  # of the incident
    lines: int
    unlinked: int  # lines from before there were chains
    last_event: int  # id of the newest line
    chain: Chain
    checkpoint: int | None  # the oldest one that covers all of it, if that is as old

    @property
    def is_whole(self) -> bool:
        """Whether every event of the chain is there: what is not as it was written stays, to be found."""
        return self.lines - self.unlinked == self.chain.length - self.chain.removed


@dataclass(frozen=True, slots=True)
class OldDigest:
    """A digest, and whether it runs, is young, holds a card, or has a member that is open or young."""

    number: int
    is_needed: bool


def newest_delivery(tx: Transaction, before: datetime) -> int:
    """The number of the newest delivery that is older; 0 when there is none."""
    row = tx.row(query("tidy", "newest_before"), {"before": before})
    return int(row["delivery_id"]) if row else 0


def deliveries(tx: Transaction, after: int, upto: int, limit: int) -> list[OldDelivery]:
    """The next deliveries after a number."""
    return [
        OldDelivery(
            number=int(row["delivery_id"]),
            received_at=row["received_at"],
            has_body=row["body_encoding"] != REMOVED,
            body_bytes=int(row["body_bytes"]),
            is_named=bool(row["is_named"]),
            is_open=bool(row["is_open"]),
        )
        for row in tx.rows(
            query("tidy", "deliveries"), {"after": after, "upto": upto, "limit": limit, "removed": REMOVED}
        )
    ]


def remove_bodies(tx: Transaction, ids: Sequence[int]) -> None:
    """Take the bytes of these deliveries away."""
    tx.execute(query("tidy", "remove_bodies"), {"ids": list(ids), "removed": REMOVED})


def remove_deliveries(tx: Transaction, ids: Sequence[int]) -> None:
    """Remove deliveries that no alert names."""
    tx.execute(query("tidy", "remove_deliveries"), {"ids": list(ids)})


def incidents(tx: Transaction, after: int, limit: int) -> list[OldIncident]:
    """The next incidents after a number."""
    return [
        OldIncident(
            number=int(row["number"]),
            incident_id=IncidentId(row["incident_id"]),
            key=IncidentKey(row["incident_key"]),
            resolved_time=row["resolved_time"] if row["status"] == "resolved" else None,
            first_seen_at=row["first_seen_at"],
            has_alerts=int(row["alert_count"]) > 0,
            has_events=bool(row["has_events"]),
        )
        for row in tx.rows(query("tidy", "incidents"), {"after": after, "limit": limit})
    ]


def lock_free_keys(tx: Transaction, keys: Sequence[IncidentKey]) -> set[IncidentKey]:
    """Lock those of these keys that nobody else works on, without waiting for any."""
    rows = tx.rows(query("tidy", "lock_free_keys"), {"keys": sorted(set(keys))})
    return {IncidentKey(row["incident_key"]) for row in rows}


def over(tx: Transaction, ids: Sequence[IncidentId], before: datetime) -> dict[IncidentId, int]:
    """Those of these incidents that are over since before a time, with their numbers."""
    rows = tx.rows(query("tidy", "over"), {"ids": list(ids), "before": before})
    return {IncidentId(row["incident_id"]): int(row["number"]) for row in rows}


def old_alerts(
    tx: Transaction, ids: Sequence[IncidentId], before: datetime, limit: int
) -> list[tuple[int, IncidentId]]:
    """The oldest alerts of these incidents, each with its incident."""
    rows = tx.rows(query("tidy", "old_alerts"), {"ids": list(ids), "before": before, "limit": limit})
    return [(int(row["alert_id"]), IncidentId(row["incident_id"])) for row in rows]


def count_old_alerts(tx: Transaction, ids: Sequence[IncidentId], before: datetime) -> int:
    """How many alerts of these incidents are older than a time."""
    row = tx.row(query("tidy", "count_old_alerts"), {"ids": list(ids), "before": before})
    return int(row["n"]) if row else 0


def remove_alerts(tx: Transaction, ids: Sequence[int], removed: Mapping[int, int]) -> None:
    """Remove alerts; `removed` says how many of the incidents with these numbers go."""
    tx.execute(query("tidy", "remove_alerts"), {"ids": list(ids)})
    tx.update_many(query("tidy", "count_removed_alerts"), list(removed.items()), ("number", "removed"))


def timelines(tx: Transaction, ids: Sequence[IncidentId], before: datetime) -> list[OldTimeline]:
    """The timelines of these incidents; those that have no line any more are left out."""
    rows = tx.rows(query("tidy", "timelines"), {"ids": list(ids), "before": before}) if ids else ()
    return [
        OldTimeline(
            incident_id=IncidentId(row["incident_id"]),
            number=int(row["number"]),
            lines=int(row["events"]),
            unlinked=int(row["unlinked"]),
            last_event=int(row["last_event_id"]),
            chain=Chain(row["chain_length"], row["chain_head"], row["chain_removed"], row["chain_base"]),
            checkpoint=row["checkpoint_number"],
        )
        for row in rows
    ]


def leaves(tx: Transaction, checkpoint: int) -> bytes:
    """The leaves of a checkpoint."""
    row = tx.row(query("tidy", "leaves"), {"number": checkpoint})
    return bytes(row["leaves"]) if row else b""


def remove_whole_timelines(tx: Transaction, old: Sequence[OldTimeline]) -> None:
    """Remove these timelines, every one of them whole and in this transaction.

    The only place that ever removes lines of a timeline: a chain over one incident's lines is never cut in its middle.
    """
    tx.execute(query("tidy", "remove_timelines"), {"ids": [one.incident_id for one in old]})
    rows = [(one.number, one.lines) for one in old]
    tx.update_many(query("tidy", "count_removed_events"), rows, ("number", "removed"))


def digests(tx: Transaction, after: int, limit: int, before: datetime) -> list[OldDigest]:
    """The next digests after a number."""
    rows = tx.rows(query("tidy", "digests"), {"after": after, "limit": limit, "before": before})
    return [OldDigest(int(row["digest_id"]), is_needed=bool(row["is_needed"])) for row in rows]


def members(tx: Transaction, digest_id: int, limit: int) -> list[IncidentId]:
    """The first members of a digest."""
    rows = tx.rows(query("tidy", "members"), {"digest_id": digest_id, "limit": limit})
    return [IncidentId(row["incident_id"]) for row in rows]


def count_members(tx: Transaction, ids: Sequence[int]) -> int:
    """How many members these digests have."""
    row = tx.row(query("tidy", "count_members"), {"ids": list(ids)})
    return int(row["n"]) if row else 0


def remove_members(tx: Transaction, digest_id: int, members: Sequence[IncidentId]) -> None:
    """These incidents are no longer members of a digest."""
    tx.execute(query("tidy", "remove_members"), {"digest_id": digest_id, "ids": list(members)})


def remove_digests(tx: Transaction, ids: Sequence[int]) -> None:
    """Remove digests that have no members any more."""
    tx.execute(query("tidy", "remove_digests"), {"ids": list(ids)})
