"""Telling a record anew in another database: how far it is, what old incidents became, which cards hang already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from db.database import Database, Transaction
from db.model.identity import Actor, IncidentId
from db.store import chores, incidents, past

CHORE = "replay"

_LEASE_SECONDS = 60.0


_FAR = 10**12
"""Added to numbers while they change: no record has so many incidents."""


class NotEmpty(Exception):
    """The database has deliveries that no replay of this record brought."""


class Busy(Exception):
    """Another process replays into this database."""


@dataclass(slots=True)
class Progress:
    """How far a replay is; kept in the new record after each transaction of deliveries and each action."""

    first: str  # the request id of the old record's first delivery, in hex: which record this is
    delivery: int = 0  # the number, in the old record, of the last delivery that is told
    actions: list[int] = field(default_factory=list)  # what people did that was told since then, by event id
    told: dict[str, int] = field(default_factory=dict)  # counts for the report
    names: dict[str, list[str]] = field(default_factory=dict)  # and examples
    aside: bool = False  # the numbers of all incidents make room for those that people know
    finished: bool = False

    def count(self, what: str, number: int = 1, name: str = "") -> None:
        """Count something, and name it if it is one of the first."""
        self.told[what] = self.told.get(what, 0) + number
        if name and len(self.names.setdefault(what, [])) < 10:
            self.names[what].append(name)

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        names = ("first", "delivery", "actions", "told", "names", "aside", "finished")
        return {name: getattr(self, name) for name in names}


def begin(database: Database, holder: str, first: bytes) -> Progress:
    """Begin, or go on where a replay of the same record was interrupted. Raises `NotEmpty` and `Busy`."""

    def work(tx: Transaction) -> Progress:
        chore = chores.take(tx, CHORE, holder, _LEASE_SECONDS)
        if chore is None:
            raise Busy("another process replays into this database; a killed one is forgotten after a minute")
        if chore.state:
            progress = Progress(**chore.state)
            if progress.first != first.hex():
                raise NotEmpty("a replay of another record was begun in this database")
            return progress
        if past.counts(tx)[0]:
            raise NotEmpty("this database holds deliveries already; a replay needs an empty one")
        progress = Progress(first=first.hex())
        chores.keep(tx, CHORE, holder, progress.as_json(), _LEASE_SECONDS)
        return progress

    return database.transact(work, idempotent=True)


def keep(database: Database, holder: str, progress: Progress, *, give_back: bool = False) -> None:
    """Write how far it is. Raises `Busy` when another process took over."""

    def work(tx: Transaction) -> None:
        if not chores.keep(tx, CHORE, holder, progress.as_json(), 0.0 if give_back else _LEASE_SECONDS):
            raise Busy("another process took this replay over")

    database.transact(work, idempotent=True)


def become(database: Database, old: IncidentId, alert: tuple[bytes, str] | None) -> IncidentId | None:
    """Which incident an old one is now: where its newest `alert` (request id and fingerprint) is, else the same id."""

    def work(tx: Transaction) -> IncidentId | None:
        found = past.incident_of_alert(tx, *alert) if alert else None
        if found is None and incidents.by_id(tx, old) is not None:
            return old
        return found

    return database.transact(work, idempotent=True)


def has_line(database: Database, incident: IncidentId, at: datetime, kind: str, actor: Actor) -> bool:
    """Whether the timeline has this line already."""
    return database.transact(partial(past.has_event, incident=incident, at=at, kind=kind, actor=actor), idempotent=True)


def messages(database: Database, after: int, limit: int = 500) -> list[past.Hanging]:
    """The next messages of ours."""
    return database.transact(partial(past.messages, after=after, limit=limit), idempotent=True)


def settle(database: Database, some: list[past.Hanging], cards: Mapping[IncidentId, Mapping[str, Any]]) -> int:
    """Let these messages be what Slack shows already, and tell nothing of what is over; how many cards hang there.

    The card of an open incident is edited where it hangs, or posted if it hangs nowhere. One of an incident that is
    over is edited only if the old record had not finished with it.
    """

    def work(tx: Transaction) -> int:
        found = 0
        past.tell_now(tx, [message.message_id for message in some if message.is_open])
        for message in some:
            card = cards.get(message.incident_id) if message.incident_id else None
            if card is not None and (card["ts"] or message.is_open):
                past.adopt(tx, message.message_id, card, is_behind=message.is_open or bool(card["behind"]))
                found += 1
            elif not message.is_open:
                past.silence(tx, [message.message_id])
        return found

    return database.transact(work, idempotent=True)


def set_aside(database: Database) -> None:
    """Let all numbers of incidents make room for those that people know."""
    while database.transact(partial(past.set_aside, far=_FAR, limit=1000), idempotent=True):
        pass


def incidents_after(database: Database, number: int, limit: int = 500) -> dict[IncidentId, int]:
    """The next incidents after a number, with their numbers."""
    page = database.transact(partial(incidents.page, after=number, limit=limit), idempotent=True)
    return {incident.incident_id: incident.number for incident in page}


def renumber(database: Database, now: Mapping[IncidentId, int], known: Mapping[IncidentId, int]) -> None:
    """Give these incidents their known numbers in place of those they have `now`."""
    pairs = [(number, known[name]) for name, number in now.items() if number != known[name]]
    database.transact(partial(past.renumber, known=pairs), idempotent=True)


def next_number(database: Database, number: int) -> None:
    """The next incident gets this number."""
    database.transact(partial(past.next_number, number=number), idempotent=True)


def is_set_aside(number: int) -> bool:
    """Whether a number makes room for another at the moment."""
    return number >= _FAR
