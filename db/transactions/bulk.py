"""One click for many incidents: acknowledge or resolve the members of a digest's group, a bounded number at a time."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from db.database import Database, Transaction
from db.errors import Conflict, DatabaseAway, Interrupted, OutcomeUnknown
from db.model import audit
from db.model.identity import Actor, IncidentId
from db.model.incident import Event, Incident, Status
from db.model.lifecycle import Action, Already, Changed, transition
from db.model.policy import Policy
from db.model.reason import Reason
from db.model.storm import EVERYTHING, Digest, Group, grouped, whole
from db.store import digests, incidents, instances, messages, timeline

_log = logging.getLogger(__name__)

CHUNK = 100
"""Incidents changed in one transaction: their keys are locked for some ten milliseconds."""

PATIENCE_SECONDS = 60.0
"""How long a change is repeated that nobody waits for any more, before the person is told that it failed."""

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """What a button meant when it was pressed: who joins later is not touched by it."""

    digest: Digest
    group: Group
    members: tuple[IncidentId, ...]  # the most urgent first


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the incidents so far."""

    changed: int = 0
    already: Mapping[Actor | None, int] = field(default_factory=dict)  # by whom, and how many
    resolved: int = 0  # to be acknowledged, and resolved already
    refused: bool = False  # the person may not; nothing was changed
    still_firing: int = 0  # of those that were resolved

    def and_then(self, other: Result) -> Result:
        """Both together."""
        return Result(
            changed=self.changed + other.changed,
            already=dict(Counter(self.already) + Counter(other.already)),
            resolved=self.resolved + other.resolved,
            refused=self.refused or other.refused,
            still_firing=self.still_firing + other.still_firing,
        )


def select(database: Database, digest_id: int, group_key: str) -> Selection | None:
    """The members of a group as it is now; None when there is no such digest or group."""

    def work(tx: Transaction) -> Selection | None:
        digest = digests.by_id(tx, digest_id)
        if digest is None:
            return None
        tallies, _ = digests.tallies(tx, digest_id)
        groups = [whole(tallies)] if group_key == EVERYTHING else grouped(tallies)
        group = next((one for one in groups if one.key == group_key), None)
        if group is None:
            return None
        place = None if group_key == EVERYTHING else (group.service, group.cluster)
        return Selection(digest, group, tuple(digests.members(tx, digest_id, place)))

    return database.transact(work, idempotent=True)


def change(
    database: Database,
    ids: Sequence[IncidentId],
    action: Action,
    actor: Actor,
    now: datetime,
    *,
    policy: Policy,
    digest_id: int,
) -> Result:
    """Acknowledge or resolve these incidents, at most `CHUNK` of them, in one transaction.

    Safe to repeat: what this click (of `actor` at `now`) changed already counts as changed. Raises the errors of
    `db.errors`; then none of these is changed.
    """
    if not policy.may(actor.id):
        return Result(refused=True)
    if len(ids) > CHUNK:
        raise ValueError(f"at most {CHUNK} incidents are changed at once")

    def work(tx: Transaction) -> Result:
        incidents.lock_keys(tx, [incident.key for incident in incidents.by_ids(tx, ids).values()])
        changed: list[Incident] = []
        events: list[Event] = []
        released: list[IncidentId] = []
        already: Counter[Actor | None] = Counter()
        resolved = again = still_firing = 0
        for incident in incidents.by_ids(tx, ids).values():
            outcome = transition(incident, action, actor, now)
            if isinstance(outcome, Changed):
                changed.append(replace(outcome.incident, last_change_why=Reason.BULK))
                if incident.held and not outcome.incident.held:
                    released.append(incident.incident_id)
                events.append(replace(outcome.event, reason=Reason.BULK, details={"digest": digest_id}))
                still_firing += action is Action.RESOLVE and outcome.incident.instances_firing > 0
            elif isinstance(outcome, Already) and (outcome.by, outcome.at) == (actor, now):
                again += 1  # by this very click, in a run whose COMMIT got no answer
                still_firing += action is Action.RESOLVE and outcome.incident.instances_firing > 0
            elif isinstance(outcome, Already):
                already[outcome.by] += 1
            elif incident.status is Status.RESOLVED:
                resolved += 1
        linked, lines = audit.sealed(changed, events)
        incidents.update_each(tx, [(linked[one.incident_id], one.version - 1, 0) for one in changed])
        for name in released:
            instances.release(tx, name, now)
        timeline.append(tx, lines)
        messages.want_cards(tx, [_with_channel(incident, policy) for incident in changed], now)
        return Result(len(changed) + again, dict(already), resolved, still_firing=still_firing)

    return database.transact(work, idempotent=True)


def insist(work: Callable[[], Result], wait: Callable[[float], bool], *, seconds: float = PATIENCE_SECONDS) -> Result:
    """Repeat a change that did not come through because the database is slow or away, for so long.

    `wait` pauses for some seconds, and is true when there is no time for more. Raises the last error then.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (Interrupted, DatabaseAway, Conflict, OutcomeUnknown) as error:
            if time.monotonic() + _PAUSE_SECONDS >= deadline or wait(_PAUSE_SECONDS):
                raise
            _log.warning("bulk click repeats", extra={"error": type(error).__name__})


def _with_channel(incident: Incident, policy: Policy) -> Incident:
    """An incident recorded before a default channel was configured gets its card there."""
    return incident if incident.channel else replace(incident, channel=policy.default_channel)
