"""The past as it is kept: what is read of one record, and asked of another, to tell it anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.database import Transaction
from db.model.delivery import Packed
from db.model.identity import Actor, IncidentId, IncidentKey
from db.model.lifecycle import Notes
from db.model.past import Line, Mark, PastEvent
from db.queries import query


@dataclass(frozen=True, slots=True)
class Stored:
    """A delivery as it is kept."""

    delivery_id: int
    request_id: bytes
    received_at: datetime
    source: str
    content_type: str
    packed: Packed


@dataclass(frozen=True, slots=True)
class Hanging:
    """A message of ours: its number, the incident it is about, and whether that is open."""

    message_id: int
    incident_id: IncidentId | None
    is_open: bool


def marks(tx: Transaction, after: int, limit: int) -> list[Mark]:
    """The next deliveries after a number."""
    return [
        Mark(int(row["delivery_id"]), bytes(row["request_id"]), row["received_at"], int(row["stored_bytes"]))
        for row in tx.rows(query("past", "marks"), {"after": after, "limit": limit})
    ]


def bodies(tx: Transaction, ids: Sequence[int]) -> list[Stored]:
    """Deliveries with their bytes."""
    return [
        Stored(
            delivery_id=int(row["delivery_id"]),
            request_id=bytes(row["request_id"]),
            received_at=row["received_at"],
            source=row["source"],
            content_type=row["content_type"],
            packed=Packed(row["body_encoding"], bytes(row["body"])),
        )
        for row in (tx.rows(query("past", "bodies"), {"ids": list(ids)}) if ids else ())
    ]


def counts(tx: Transaction) -> tuple[int, bytes]:
    """How many deliveries there are, and the request id of the first of them (empty: none)."""
    row = tx.row(query("past", "counts"))
    if row is None or not row["deliveries"]:
        return 0, b""
    first = tx.row(query("past", "request_of"), {"delivery_id": row["first"]})
    return int(row["deliveries"]), bytes(first["request_id"]) if first else b""


def has_lost_alerts(tx: Transaction) -> bool:
    """Whether retention has removed alerts."""
    return tx.row(query("past", "lost_alerts")) is not None


def events(tx: Transaction, after: int, limit: int) -> list[PastEvent]:
    """The next lines of all timelines."""
    return [
        PastEvent(
            event_id=int(row["event_id"]),
            incident_id=IncidentId(row["incident_id"]),
            key=IncidentKey(row["incident_key"]),
            at=row["at"],
            kind=row["kind"],
            actor=Actor.parse(row["actor"]),
            heard=int(row["heard"] or 0),
        )
        for row in tx.rows(query("past", "events"), {"after": after, "limit": limit})
    ]


def deliveries_of_lines(tx: Transaction, lines: Sequence[tuple[IncidentKey, Line]]) -> dict[Line, tuple[int, int]]:
    """The lowest and the highest number of the deliveries behind these lines of timelines."""
    params = {
        "keys": sorted({key for key, _ in lines}),
        "ids": sorted({incident for _, (incident, _) in lines}),
        "times": sorted({at for _, (_, at) in lines}),
    }
    return {
        (IncidentId(row["incident_id"]), row["received_at"]): (int(row["lowest"]), int(row["highest"]))
        for row in (tx.rows(query("past", "deliveries_of_lines"), params) if lines else ())
    }


def deliveries_around(tx: Transaction, incident: IncidentId, alerts: int) -> list[int]:
    """The delivery of the last of so many alerts of an incident, and that of the next one, if there are any."""
    rows = tx.rows(query("past", "deliveries_around"), {"incident_id": incident, "skip": alerts - 1})
    return [int(row["delivery_id"]) for row in rows]


def notes(tx: Transaction, ids: Sequence[IncidentId]) -> dict[IncidentId, Notes]:
    """What people wrote about these incidents."""
    rows = tx.rows(query("past", "notes"), {"ids": list(ids)}) if ids else ()
    return {IncidentId(row["incident_id"]): Notes(row["root_cause"] or "", row["action_taken"] or "") for row in rows}


def latest_alert(tx: Transaction, incident: IncidentId, upto: int) -> tuple[bytes, str] | None:
    """Request id and fingerprint of the newest alert an incident had once delivery `upto` was recorded."""
    row = tx.row(query("past", "latest_alert"), {"incident_id": incident, "upto": upto})
    return (bytes(row["request_id"]), row["fingerprint"]) if row else None


def incident_of_alert(tx: Transaction, request_id: bytes, fingerprint: str) -> IncidentId | None:
    """The incident of an alert."""
    row = tx.row(query("past", "incident_of_alert"), {"request_id": request_id, "fingerprint": fingerprint})
    return IncidentId(row["incident_id"]) if row else None


def alerts_of(tx: Transaction, ids: Sequence[int]) -> list[tuple[int, str, IncidentId]]:
    """Delivery, fingerprint and incident of every alert of these deliveries, in the order they were recorded."""
    rows = tx.rows(query("past", "alerts_of"), {"ids": list(ids)}) if ids else ()
    return [(int(row["delivery_id"]), row["fingerprint"], IncidentId(row["incident_id"])) for row in rows]


def numbers(tx: Transaction, ids: Sequence[IncidentId]) -> dict[IncidentId, int]:
    """The numbers of these incidents."""
    rows = tx.rows(query("past", "numbers"), {"ids": list(ids)}) if ids else ()
    return {IncidentId(row["incident_id"]): int(row["number"]) for row in rows}


def highest_number(tx: Transaction) -> tuple[int, int]:
    """How many incidents there are, and the highest number of one."""
    row = tx.row(query("past", "highest_number"))
    return (int(row["total"]), int(row["highest"])) if row else (0, 0)


def set_aside(tx: Transaction, far: int, limit: int) -> int:
    """Let the numbers of some incidents make room; how many did."""
    return tx.execute(query("past", "set_aside"), {"far": far, "limit": limit})


def renumber(tx: Transaction, known: Sequence[tuple[int, int]]) -> None:
    """Give incidents (by their numbers now) the numbers that people know them by."""
    tx.update_many(query("past", "renumber"), known, ("number", "known"))


def next_number(tx: Transaction, number: int) -> None:
    """The next incident gets this number."""
    tx.execute(query("past", "next_number"), {"next": number})


def has_event(tx: Transaction, incident: IncidentId, at: datetime, kind: str, actor: Actor) -> bool:
    """Whether a timeline has this line."""
    values = {"incident_id": incident, "at": at, "kind": kind, "actor": str(actor)}
    return tx.row(query("past", "has_event"), values) is not None


def messages(tx: Transaction, after: int, limit: int) -> list[Hanging]:
    """The next messages of ours."""
    return [
        Hanging(
            int(row["message_id"]),
            IncidentId(row["incident_id"]) if row["incident_id"] else None,
            row["status"] in ("active", "acknowledged"),
        )
        for row in tx.rows(query("past", "messages"), {"after": after, "limit": limit})
    ]


def cards(tx: Transaction, ids: Sequence[IncidentId]) -> dict[IncidentId, dict[str, Any]]:
    """Where in Slack the cards of these incidents hang."""
    rows = tx.rows(query("past", "cards"), {"ids": list(ids)}) if ids else []
    return {IncidentId(row["incident_id"]): row for row in rows}


def silence(tx: Transaction, ids: Sequence[int]) -> None:
    """Nothing more is told about these messages."""
    if ids:
        tx.execute(query("past", "silence"), {"ids": list(ids)})


def tell_now(tx: Transaction, ids: Sequence[int]) -> None:
    """These messages wait from now on."""
    if ids:
        tx.execute(query("past", "tell_now"), {"ids": list(ids)})


def adopt(tx: Transaction, message_id: int, card: Mapping[str, Any], *, is_behind: bool) -> None:
    """A card hangs in Slack already; whether what it shows there is to be made new."""
    names = ("post_key", "channel", "channel_id", "ts", "posting_since", "content")
    values = {name: card[name] for name in names} | {"message_id": message_id, "is_behind": int(is_behind)}
    tx.execute(query("past", "adopt"), values)
