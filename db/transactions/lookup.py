"""Looking things up for people: lists, one incident with its story, and what a card shows."""

from __future__ import annotations

from db.database import Database, Transaction
from db.model.grouping import named
from db.model.identity import IncidentId, Reference
from db.model.incident import Details, Filter, Incident, Listing
from db.model.policy import Policy
from db.store import alerts, incidents, instances, timeline


def list_incidents(database: Database, wanted: Filter, limit: int = 10) -> Listing:
    """The first incidents of a filter: the worst first, of these those that nobody has, the oldest; and how many."""

    def work(tx: Transaction) -> Listing:
        found = incidents.search(tx, wanted, limit)
        total = len(found) if len(found) < limit else incidents.count(tx, wanted)
        return Listing(incidents=tuple(found), total=total, filter=wanted)

    return database.transact(work, idempotent=True)


def show_incident(
    database: Database, reference: Reference, policy: Policy, *, latest_alerts: int = 5, latest_events: int = 10
) -> Details | None:
    """One incident, however a person names it, with what fires in it, the worst first by the policy, and its newest
    alerts and events; None when there is none."""

    def work(tx: Transaction) -> Details | None:
        incident = incidents.find(tx, reference)
        if incident is None:
            return None
        return Details(
            incident=instances.looked_up(tx, incident, policy),
            alerts=alerts.latest(tx, incident.incident_id, latest_alerts),
            events=timeline.latest(tx, incident.incident_id, latest_events),
        )

    return database.transact(work, idempotent=True)


def read_incident(database: Database, incident: IncidentId) -> Incident | None:
    """One incident as it is now."""

    def work(tx: Transaction) -> Incident | None:
        found = incidents.by_id(tx, incident)
        return None if found is None else instances.with_rules(tx, found)

    return database.transact(work, idempotent=True)


def labels_of(database: Database, incident: Incident) -> dict[str, str]:
    """The labels by which an incident is routed: of what fired last in it, and what it is filed under."""
    labels = database.transact(lambda tx: instances.newest_labels(tx, incident.incident_id), idempotent=True)
    return {**labels, **named(incident.parts)}
