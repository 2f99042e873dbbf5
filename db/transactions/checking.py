"""Looking whether the record keeps its promises, window by window; and repairing what has one right answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from db.database import Database, Transaction
from db.errors import Conflict, RecordError, server_code
from db.model import audit
from db.model.checking import TRIGGERS, UNIQUE_KEYS, Check, Space, Suspect
from db.model.delivery import BodyRemoved, Packed, unpack
from db.model.identity import Actor, ActorKind, IncidentId, IncidentKey
from db.model.incident import Event, EventKind
from db.store import checks, incidents, messages, timeline

_WINDOW = 1000
"""Rows of a space that one statement looks at."""

_WINDOW_OF_ROWS = 5000
"""The same where a row is looked at by itself."""

_BODY_BYTES = 8 * 1024 * 1024

_MAY_NOT_LOCK = (1142, 1143, 1227, 1290, 1792, 1836)  # an account that may only read, a server that takes no writes


def window(database: Database, space: Space, after: int | str) -> tuple[int | str | None, int]:
    """Where the next window of a space ends (None: there is nothing more), and how many rows are in it."""
    limit = _WINDOW if space in (Space.INCIDENTS, Space.KEYS, Space.DELIVERIES) else _WINDOW_OF_ROWS
    return database.transact(partial(checks.span, space=space, after=after, limit=limit), idempotent=True)


def look(database: Database, check: Check, after: int | str, upto: int | str, minutes: int) -> list[Suspect]:
    """What seems to break a promise in a window."""
    return database.transact(lambda tx: _suspects(tx, check, after, upto, minutes), idempotent=True)


def look_again(
    database: Database, check: Check, suspect: Suspect, after: int | str, upto: int | str, minutes: int
) -> Suspect | None:
    """The same row while nobody works on its key, if it still breaks the promise.

    A reader sees only what is committed, and each look is one statement; but a cluster's other node, or a card that is
    being sent, may be a moment behind. An account that may not lock looks a second time without.
    """
    first, last = _around(suspect, after, upto)

    def work(tx: Transaction, *, locked: bool) -> Suspect | None:
        if locked and suspect.key:
            checks.lock(tx, suspect.key)
        return _same(_suspects(tx, check, first, last, minutes), suspect)

    try:
        return database.transact(partial(work, locked=True), idempotent=True, patience_seconds=5)
    except RecordError as error:
        if server_code(error) not in _MAY_NOT_LOCK and not isinstance(error, Conflict):
            raise
        return database.transact(partial(work, locked=False), idempotent=True)


def repair(
    database: Database, check: Check, suspect: Suspect, after: int | str, upto: int | str, minutes: int, now: datetime
) -> bool:
    """Repair one row under the lock of its key, and say so in the timeline where people see the difference.

    Whether it was still wrong, and is right now; nothing is changed when the repair does not help.
    """
    first, last = _around(suspect, after, upto)

    def work(tx: Transaction) -> bool:
        if suspect.key:
            incidents.lock_keys(tx, [IncidentKey(suspect.key)])
            if check.name == "key_rows":
                return True  # locking a key makes its row
        seen = _same(_suspects(tx, check, first, last, minutes), suspect)
        if seen is None:
            return False
        _put_right(tx, check, seen, now)
        if check.is_visible:
            _tell(tx, check, seen, now)
        checks.tell_now(tx, seen.name)
        if _same(_suspects(tx, check, first, last, minutes), suspect) is not None:
            raise _NoHelp
        return True

    try:
        return database.transact(work)
    except _NoHelp:
        return False


def schema_gaps(database: Database) -> tuple[list[str], bool]:
    """Which triggers and unique keys, on which promises rest, are missing; and whether the account can see triggers."""

    def work(tx: Transaction) -> tuple[list[str], bool]:
        there, unique = checks.triggers(tx), checks.unique_keys(tx)
        sees = bool(there) or checks.may_see_triggers(tx)
        gaps = [f"trigger {name} is missing" for name in TRIGGERS if sees and name not in there]
        return gaps + [f"unique key {name} is missing" for name in UNIQUE_KEYS if name not in unique], sees

    return database.transact(work, idempotent=True)


def last_delivery(database: Database) -> int:
    """The highest number of a delivery; 0 when there is none."""
    return database.transact(checks.last_delivery, idempotent=True)


def sizes(database: Database, after: int) -> list[tuple[int, int]]:
    """Number and stored bytes of the next deliveries."""
    return database.transact(partial(checks.sizes, after=after, limit=_WINDOW), idempotent=True)


def wrong_bodies(database: Database, some: Sequence[tuple[int, int]]) -> tuple[int, list[str]]:
    """How many of these deliveries (number and stored bytes) have a body, and which are not what was received."""
    looked, wrong, first = 0, list[str](), 0
    while first < len(some):
        last, size = first, 0
        while last < len(some) and last - first < 200 and (last == first or size + some[last][1] <= _BODY_BYTES):
            size += some[last][1]
            last += 1
        ids = [number for number, _ in some[first:last]]
        for number, packed, digest, length in database.transact(partial(checks.bodies, ids=ids), idempotent=True):
            problem = _body_problem(packed, digest, length)
            looked += problem is not None
            if problem:
                wrong.append(f"delivery {number}: {problem}")
        first = last
    return looked, wrong


def _suspects(tx: Transaction, check: Check, after: int | str, upto: int | str, minutes: int) -> list[Suspect]:
    found = checks.suspects(tx, check.name, after, upto, minutes)
    if found and check.name == "delivery_alerts" and checks.has_lost_alerts(tx):
        found = [one for one in found if int(one.found) > int(one.expected)]  # alerts that are gone are no finding
    return found


class _NoHelp(Exception):
    """A repair did not help; its transaction is rolled back."""


def _same(found: Sequence[Suspect], suspect: Suspect) -> Suspect | None:
    return next((one for one in found if (one.id, one.name) == (suspect.id, suspect.name)), None)


def _around(suspect: Suspect, after: int | str, upto: int | str) -> tuple[int | str, int | str]:
    """The smallest window that has the row."""
    return (suspect.id - 1, suspect.id) if isinstance(suspect.id, int) else (after, upto)


def _put_right(tx: Transaction, check: Check, suspect: Suspect, now: datetime) -> None:
    if check.name == "is_current":
        checks.repair_current(tx, IncidentKey(suspect.key), suspect.name)
    elif check.name == "card_wanted":
        incident = incidents.by_id(tx, IncidentId(suspect.name))
        messages.want_cards(tx, [incident] if incident else [], now)
    else:
        checks.repair(tx, check.name, suspect.id)


def _tell(tx: Transaction, check: Check, suspect: Suspect, now: datetime) -> None:
    """A line of the timeline, and a new version of the card."""
    incident = incidents.by_id(tx, IncidentId(suspect.name))
    if incident is None:
        return
    details = {"what": check.name, "was": suspect.found, "is": suspect.expected}
    actor = Actor(ActorKind.OBSERVER, "check")
    event = Event(incident_id=incident.incident_id, at=now, kind=EventKind.REPAIRED, actor=actor, details=details)
    newer, lines = audit.extended(replace(incident, version=incident.version + 1), (event,))
    incidents.update(tx, newer, incident.version)
    timeline.append(tx, lines)
    messages.refresh_cards(tx, [newer])


def _body_problem(packed: Packed, digest: bytes, length: int) -> str | None:
    """What is wrong with a body; empty for nothing, None for one that retention removed."""
    try:
        body = unpack(packed)
    except BodyRemoved:
        return None
    except ValueError as error:
        return str(error)
    if len(body) != length:
        return f"{len(body)} bytes, not {length}"
    return "" if hashlib.sha256(body).digest() == digest else "its digest is another"
