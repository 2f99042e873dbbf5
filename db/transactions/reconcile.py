"""Taking turns at looking at the sources' own lists, and reading what the record knows of what they list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.database import Database, Transaction
from db.model.identity import IncidentId
from db.model.incident import Instance
from db.model.reconcile import Believed
from db.store import instances, looks

LEASE_SECONDS = 150.0
"""How long a replica has the turn: longer than the longest look."""

Sender = tuple[str, str, str]
"""Source, origin and receiver of a webhook."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to look at a source now."""

    now: datetime  # UTC by the database's clock
    memory: str  # of the last look
    failures: int  # looks in a row that failed
    senders: Sequence[tuple[str, str]]  # origin and receiver of those that ever sent webhooks of this source


@dataclass(frozen=True, slots=True)
class LookState:
    """How the looks at a source stand; times are UTC and None before the first."""

    looked_at: datetime | None
    succeeded_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What the record knows, without labels."""

    firing: Sequence[Believed]  # in the open incidents of a source
    known: Mapping[str, Sequence[Instance]]  # by fingerprint, of those that were asked for


def claim(
    database: Database, source: str, worker: str, *, urgent: bool = False, lease_seconds: float = LEASE_SECONDS
) -> Turn | None:
    """Take the turn at a source when it is due, or at once when it is urgent; None when it is somebody else's."""

    def work(tx: Transaction) -> Turn | None:
        looks.begin(tx, source)
        if not looks.claim(tx, source, worker, lease_seconds=lease_seconds, urgent=urgent):
            return None
        row = looks.row(tx, source)
        assert row is not None  # noqa: S101 - it was just taken
        return Turn(looks.now(tx), row["memory"], int(row["failures"]), looks.senders(tx, source))

    return database.transact(work, idempotent=True)


def succeeded(database: Database, source: str, worker: str, *, memory: str, pause: float) -> None:
    """The list was read; the next look is due in `pause` seconds."""
    database.transact(
        lambda tx: looks.finish(tx, source, worker, memory=memory, pause=pause), idempotent=True
    )  # fmt: skip


def failed(database: Database, source: str, worker: str, *, problem: str, memory: str, pause: float) -> None:
    """The list of at least one server could not be read; the next look is due in `pause` seconds."""
    database.transact(
        lambda tx: looks.fail(tx, source, worker, problem=problem, memory=memory, pause=pause), idempotent=True
    )


def beliefs(database: Database, source: str, fingerprints: Sequence[str]) -> Beliefs:
    """What fires by the record in the open incidents of `source`, and what it knows of these fingerprints."""

    def work(tx: Transaction) -> Beliefs:
        return Beliefs(instances.firing_of_source(tx, source), instances.of_fingerprints(tx, fingerprints))

    return database.transact(work, idempotent=True)


def labelled(database: Database, wanted: Sequence[tuple[IncidentId, str]]) -> Mapping[tuple[IncidentId, str], Instance]:
    """Whole instances by incident and fingerprint."""

    def work(tx: Transaction) -> Mapping[tuple[IncidentId, str], Instance]:
        found: dict[tuple[IncidentId, str], Instance] = {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            found |= instances.of_incidents(tx, {name for name, _ in some}, {one for _, one in some})
        return found

    return database.transact(work, idempotent=True)


def hear(database: Database, senders: Sequence[Sender]) -> None:
    """Keep who sends webhooks."""
    database.transact(lambda tx: looks.add_senders(tx, senders), idempotent=True)


def heard(database: Database) -> Sequence[Sender]:
    """Who ever sent webhooks."""
    return database.transact(looks.all_senders, idempotent=True)


def state(database: Database, source: str) -> LookState:
    """How the looks at a source stand."""

    def work(tx: Transaction) -> LookState:
        row = looks.row(tx, source)
        return (
            LookState(None, None, "")
            if row is None
            else LookState(row["looked_at"], row["succeeded_at"], row["problem"])
        )

    return database.transact(work, idempotent=True)
