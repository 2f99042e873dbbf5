"""A person's action on an incident: acknowledge, resolve, take back, reopen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from db.database import Database, Transaction
from db.errors import Conflict
from db.model import audit, reply
from db.model.blind import lose_sight
from db.model.identity import Actor, Reference
from db.model.incident import Incident
from db.model.lifecycle import Action, Already, Changed, Notes, Outcome, Refusal, Refused, transition
from db.model.policy import Policy
from db.store import blind, incidents, instances, messages, timeline


def change_status(
    database: Database,
    reference: Reference,
    action: Action,
    actor: Actor,
    now: datetime,
    *,
    policy: Policy,
    notes: Notes | None = None,
) -> Outcome:
    """Do `action` to the incident that a person calls so; what came of it.

    Safe to repeat: a second run of the same action is `Already` by the same person. Raises the errors of `db.errors`;
    then nothing is changed.
    """
    if not policy.may(actor.id):
        return Refused(Refusal.NOT_ALLOWED)

    def work(tx: Transaction) -> Outcome:
        found = incidents.find(tx, reference)
        if found is None:
            return Refused(Refusal.NOT_FOUND)
        incidents.lock_keys(tx, [found.key])
        incident = incidents.by_id(tx, found.incident_id)
        if incident is None:
            return Refused(Refusal.NOT_FOUND)
        other = incidents.open_of_keys(tx, [incident.key]).get(incident.key)
        in_the_way = other if other is not None and other.incident_id != incident.incident_id else None
        outcome = transition(incident, action, actor, now, notes=notes, other_open=in_the_way)
        if isinstance(outcome, Changed) or (isinstance(outcome, Already) and outcome.event is not None):
            event = outcome.event
            assert event is not None  # noqa: S101 - just tested; the type checker cannot see it
            outcome = replace(outcome, incident=_as_seen(tx, outcome.incident, incident))
            linked, lines = audit.extended(outcome.incident, (event,))
            if not incidents.update(tx, linked, incident.version):
                raise Conflict("the incident changed meanwhile")
            if incident.held and not outcome.incident.held:
                instances.release(tx, incident.incident_id, now)
            timeline.append(tx, lines)
            messages.want_cards(tx, [_with_channel(outcome.incident, policy)], now)
            messages.want_replies(tx, reply.worse([outcome.incident], [event]), now)
        return outcome

    return database.transact(work, idempotent=True)


def _as_seen(tx: Transaction, incident: Incident, before: Incident) -> Incident:
    """An incident that a person opened again, unobserved if its rule cannot see."""
    if before.is_open or not incident.is_open:
        return incident
    reasons = blind.of_rules(tx, [incident.parts.rule_uid]).get(incident.parts.rule_uid)
    return lose_sight(incident, reasons[0]) if reasons else incident


def _with_channel(incident: Incident, policy: Policy) -> Incident:
    """An incident recorded before a default channel was configured gets its card there."""
    return incident if incident.channel else replace(incident, channel=policy.default_channel)
