"""Reading a record as the past: its deliveries with their bytes, what people did, and its incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from db.database import Database, Transaction
from db.model.identity import IncidentId, IncidentKey
from db.model.incident import Event, Incident
from db.model.lifecycle import Notes
from db.model.past import Doings, Done, Line, Mark, placed
from db.store import incidents, past, timeline
from db.store.past import Stored as Stored

_PAGE = 2000
_BYTES = 8 * 1024 * 1024
"""Bytes of bodies, as they are stored, that are read at once."""


def counts(database: Database) -> tuple[int, bytes]:
    """How many deliveries there are, and the request id of the first of them (empty: none)."""
    return database.transact(past.counts, idempotent=True)


def has_lost_alerts(database: Database) -> bool:
    """Whether retention has removed alerts."""
    return database.transact(past.has_lost_alerts, idempotent=True)


def marks(database: Database, after: int = 0) -> Iterator[list[Mark]]:
    """All deliveries after a number without their bytes, page by page."""
    while True:
        page = database.transact(partial(past.marks, after=after, limit=_PAGE), idempotent=True)
        if not page:
            return
        yield page
        after = page[-1].delivery_id


def bodies(database: Database, some: Sequence[Mark]) -> Iterator[Stored]:
    """These deliveries with their bytes, read in pieces."""
    first = 0
    while first < len(some):
        last, size = first, 0
        while last < len(some) and last - first < 200 and (last == first or size + some[last].stored_bytes <= _BYTES):
            size += some[last].stored_bytes
            last += 1
        ids = [mark.delivery_id for mark in some[first:last]]
        yield from database.transact(partial(past.bodies, ids=ids), idempotent=True)
        first = last


def doings(database: Database) -> tuple[list[Done], Doings]:
    """What people did, with its place between the deliveries; and what the timelines tell besides."""
    found, after = Doings(), 0
    while True:
        page = database.transact(partial(past.events, after=after, limit=_PAGE), idempotent=True)
        if not page:
            break
        for event in page:
            found.add(event)
        after = page[-1].event_id
    keys = {done.event_id: done.key for done in found.people}
    lines = {
        (keys[number], line) for lines in (found.lines_before, found.lines_after) for number, line in lines.items()
    }
    return placed(found, _deliveries(database, sorted(lines)), _notes(database, found), _heard(database, found)), found


def _deliveries(database: Database, lines: Sequence[tuple[IncidentKey, Line]]) -> dict[Line, tuple[int, int]]:
    known: dict[Line, tuple[int, int]] = {}
    for first in range(0, len(lines), 40):  # every key with every time is a range of the index
        some = lines[first : first + 40]
        known |= database.transact(partial(past.deliveries_of_lines, lines=some), idempotent=True)
    return known


def _heard(database: Database, found: Doings) -> dict[int, tuple[int, int | None]]:
    """By event id the deliveries of the last alert that an incident had when a person did something, and of the next
    one; where retention has removed alerts nobody counts them any more."""
    if has_lost_alerts(database):
        return {}
    known: dict[int, tuple[int, int | None]] = {}
    for done in found.people:
        if done.heard:
            of_incident = partial(past.deliveries_around, incident=done.incident_id, alerts=done.heard)
            around = database.transact(of_incident, idempotent=True)
            if around:
                known[done.event_id] = (around[0], around[1] if around[1:] and around[1] != around[0] else None)
    return known


def _notes(database: Database, found: Doings) -> dict[IncidentId, Notes]:
    ids = sorted({done.incident_id for done in found.people})
    known: dict[IncidentId, Notes] = {}
    for first in range(0, len(ids), 500):
        known |= database.transact(partial(past.notes, ids=ids[first : first + 500]), idempotent=True)
    return known


def latest_alert(database: Database, incident: IncidentId, upto: int) -> tuple[bytes, str] | None:
    """Request id and fingerprint of the newest alert an incident had once delivery `upto` was recorded."""
    return database.transact(lambda tx: past.latest_alert(tx, incident, upto), idempotent=True)


def alerts_of(database: Database, ids: Sequence[int]) -> list[tuple[int, str, IncidentId]]:
    """Delivery, fingerprint and incident of every alert of these deliveries, in the order they were recorded."""
    return database.transact(lambda tx: past.alerts_of(tx, ids), idempotent=True)


def cards(database: Database, ids: Sequence[IncidentId]) -> dict[IncidentId, dict[str, object]]:
    """Where in Slack the cards of these incidents hang."""
    return database.transact(lambda tx: past.cards(tx, ids), idempotent=True)


def numbers(database: Database, ids: Sequence[IncidentId]) -> dict[IncidentId, int]:
    """The numbers of these incidents."""
    return database.transact(partial(past.numbers, ids=ids), idempotent=True)


def highest_number(database: Database) -> tuple[int, int]:
    """How many incidents there are, and the highest number of one."""
    return database.transact(past.highest_number, idempotent=True)


Story = tuple[Incident, list[Event]]
"""An incident with its whole timeline."""


def stories(database: Database) -> Iterator[list[Story]]:
    """All incidents with their timelines, page by page."""
    after = 0
    while True:
        page = database.transact(partial(_page_of_stories, after=after), idempotent=True)
        if not page:
            return
        yield page
        after = page[-1][0].number


def stories_of(database: Database, ids: Sequence[IncidentId]) -> dict[IncidentId, Story]:
    """These incidents with their timelines, as far as there are such."""
    found = database.transact(lambda tx: _stories(tx, list(incidents.by_ids(tx, ids).values())), idempotent=True)
    return {incident.incident_id: (incident, events) for incident, events in found}


def _page_of_stories(tx: Transaction, after: int) -> list[Story]:
    return _stories(tx, incidents.page(tx, after, 500))


def _stories(tx: Transaction, some: list[Incident]) -> list[Story]:
    events = timeline.of_incidents(tx, [incident.incident_id for incident in some])
    return [(incident, events[incident.incident_id]) for incident in some]
