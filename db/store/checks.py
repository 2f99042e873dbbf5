"""What a check reads of the record, window by window, and the repairs that have one right answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db.database import Transaction
from db.model.checking import Space, Suspect
from db.model.delivery import Packed
from db.model.identity import IncidentId, IncidentKey
from db.queries import Query, query


def span(tx: Transaction, space: Space, after: int | str, limit: int) -> tuple[int | str | None, int]:
    """Where the next window ends (None: there is nothing more), and how many rows are in it."""
    row = tx.row(_spans()[space], {"after": after, "limit": limit})
    return (row["upto"], int(row["looked"])) if row else (None, 0)


def suspects(tx: Transaction, name: str, after: int | str, upto: int | str, minutes: int) -> list[Suspect]:
    """The rows in a window that break a promise; one statement, so it sees one state of the record."""
    rows = tx.rows(_finders()[name], {"after": after, "upto": upto, "minutes": minutes})
    return [
        Suspect(row["id"], str(row["name"]), str(row["incident_key"]), str(row["found"]), str(row["expected"]))
        for row in rows
    ]


def has_lost_alerts(tx: Transaction) -> bool:
    """Whether retention has removed alerts."""
    return tx.row(query("checks", "lost_alerts")) is not None


def lock(tx: Transaction, key: str) -> None:
    """Wait until nobody changes the incidents of a key, and let nobody begin to."""
    tx.rows(query("checks", "lock"), {"key": key})


def repair(tx: Transaction, name: str, number: int | str) -> None:
    """Make a row what the other rows say it is."""
    tx.execute(_repairs()[name], {"id": number})


def tell_now(tx: Transaction, incident: str) -> None:
    """The card of this incident waits from now on, not since it was last shown."""
    tx.execute(query("checks", "tell_now"), {"incident_id": incident})


def repair_current(tx: Transaction, key: IncidentKey, fingerprint: str) -> None:
    """The instance in the newest incident is the newest instance."""
    row = tx.row(query("checks", "newest_holder"), {"key": key, "fingerprint": fingerprint})
    if row:
        values = {"key": key, "fingerprint": fingerprint, "incident_id": IncidentId(row["incident_id"])}
        tx.execute(query("checks", "repair_is_current"), values)


def last_delivery(tx: Transaction) -> int:
    """The highest number of a delivery; 0 when there is none."""
    row = tx.row(query("checks", "last_delivery"))
    return int(row["last"]) if row else 0


def sizes(tx: Transaction, after: int, limit: int) -> list[tuple[int, int]]:
    """Number and stored bytes of the next deliveries."""
    rows = tx.rows(query("checks", "sizes"), {"after": after, "limit": limit})
    return [(int(row["delivery_id"]), int(row["stored_bytes"])) for row in rows]


def bodies(tx: Transaction, ids: Sequence[int]) -> list[tuple[int, Packed, bytes, int]]:
    """Number, bytes as they are stored, and digest and length as received."""
    return [
        (int(row["delivery_id"]), Packed(row["body_encoding"], bytes(row["body"])), bytes(row["body_sha256"]),
         int(row["body_bytes"]))
        for row in tx.rows(query("checks", "bodies"), {"ids": list(ids)})
    ]  # fmt: skip


def triggers(tx: Transaction) -> set[str]:
    """The triggers that are there."""
    return {row["name"] for row in tx.rows(query("checks", "triggers"))}


def may_see_triggers(tx: Transaction) -> bool:
    """Whether the account has the right without which the server hides triggers."""
    return tx.row(query("checks", "may_see_triggers")) is not None


def unique_keys(tx: Transaction) -> set[str]:
    """The unique keys that are there."""
    return {row["name"] for row in tx.rows(query("checks", "unique_keys"))}


def _spans() -> Mapping[Space, Query]:
    return {
        Space.INCIDENTS: query("checks", "span_incidents"),
        Space.KEYS: query("checks", "span_keys"),
        Space.ALERTS: query("checks", "span_alerts"),
        Space.INSTANCES: query("checks", "span_instances"),
        Space.EVENTS: query("checks", "span_events"),
        Space.MESSAGES: query("checks", "span_messages"),
        Space.DELIVERIES: query("checks", "span_deliveries"),
        Space.DIGESTS: query("checks", "span_digests"),
        Space.MEMBERS: query("checks", "span_members"),
    }


def _finders() -> Mapping[str, Query]:
    return {
        "alert_count": query("checks", "alert_count"),
        "without_alert": query("checks", "without_alert"),
        "instance_counts": query("checks", "instance_counts"),
        "resolved_time": query("checks", "resolved_time"),
        "last_transition": query("checks", "last_transition"),
        "owner": query("checks", "owner"),
        "resolved_by": query("checks", "resolved_by"),
        "severity": query("checks", "severity"),
        "notes": query("checks", "notes"),
        "key_rows": query("checks", "key_rows"),
        "severity_rank": query("checks", "severity_rank"),
        "numbers": query("checks", "numbers"),
        "card_wanted": query("checks", "card_wanted"),
        "card_version": query("checks", "card_version"),
        "one_open": query("checks", "one_open"),
        "is_current": query("checks", "is_current"),
        "alert_incident": query("checks", "alert_incident"),
        "alert_delivery": query("checks", "alert_delivery"),
        "instance_incident": query("checks", "instance_incident"),
        "event_incident": query("checks", "event_incident"),
        "message_incident": query("checks", "message_incident"),
        "shown_version": query("checks", "shown_version"),
        "card_held": query("checks", "card_held"),
        "behind": query("checks", "behind"),
        "delivery_alerts": query("checks", "delivery_alerts"),
        "delivery_outcome": query("checks", "delivery_outcome"),
        "digest_message": query("checks", "digest_message"),
        "member_digest": query("checks", "member_digest"),
        "member_incident": query("checks", "member_incident"),
    }


def _repairs() -> Mapping[str, Query]:
    return {
        "alert_count": query("checks", "repair_alert_count"),
        "instance_counts": query("checks", "repair_instance_counts"),
        "severity_rank": query("checks", "repair_severity_rank"),
        "card_version": query("checks", "repair_card_version"),
        "shown_version": query("checks", "repair_shown_version"),
        "card_held": query("checks", "repair_card_held"),
    }
