"""Instances: what fires inside an incident, and whether it still does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from db.columns import cut, from_json, from_time, to_json
from db.database import Row, Transaction
from db.model.alert import AlertKind, AlertState, Links, is_web_address
from db.model.firing import links_of, shared_labels, worst_first
from db.model.grouping import InstanceName
from db.model.identity import IncidentId, IncidentKey
from db.model.incident import Firing, Incident, Instance
from db.model.policy import Policy
from db.model.reconcile import Believed
from db.queries import query

MOST_RULES = 500
"""Blind alerts whose rules are looked up; a card names fewer."""

MOST_FIRING = 500
"""Instances that are looked up; a card names fewer."""

MOST_LOOKED_AT = 2_000
"""Alerts of an incident among which the newest of one instance is looked for."""


def current(tx: Transaction, keys: Sequence[IncidentKey], fingerprints: Iterable[str]) -> dict[InstanceName, Instance]:
    """What is known of these fingerprints under these keys."""
    wanted = sorted({cut(fingerprint, 64) for fingerprint in fingerprints})
    if not keys or not wanted:
        return {}
    rows = tx.rows(query("instances", "current"), {"keys": list(keys), "fingerprints": wanted})
    return {(instance.key, instance.fingerprint): instance for instance in map(_instance, rows)}


def ask_names(tx: Transaction, names: Iterable[InstanceName]) -> Callable[[], dict[InstanceName, Instance]]:
    """What is known of these fingerprints, each under its key, when it is asked for; the question goes to the server
    with the next statement. For very many the same as `current`, and far cheaper."""
    wanted = sorted({(key, cut(fingerprint, 64)) for key, fingerprint in names})
    later = tx.later(query("instances", "of_names"), {"names": to_json(wanted)}) if wanted else None

    def answer() -> dict[InstanceName, Instance]:
        found = [_instance(from_json(document)) for (document,) in later.rows()] if later else []
        return {(instance.key, instance.fingerprint): instance for instance in found}

    return answer


def of_incidents(
    tx: Transaction, ids: Iterable[IncidentId], fingerprints: Iterable[str]
) -> dict[tuple[IncidentId, str], Instance]:
    """What is known of these fingerprints in these very incidents, whether they are the newest or not."""
    wanted = sorted({cut(fingerprint, 64) for fingerprint in fingerprints})
    names = sorted(set(ids))
    if not names or not wanted:
        return {}
    rows = tx.rows(query("instances", "of_incidents"), {"ids": names, "fingerprints": wanted})
    return {(instance.incident_id, instance.fingerprint): instance for instance in map(_instance, rows)}


def of_rules(tx: Transaction, rules: Iterable[str], fingerprints: Iterable[str]) -> list[Instance]:
    """What is known of these fingerprints in any incident of these rules, the newest incident first."""
    names = sorted({cut(rule, 255) for rule in rules})
    wanted = sorted({cut(fingerprint, 64) for fingerprint in fingerprints})
    if not names or not wanted:
        return []
    rows = tx.rows(query("instances", "of_rules"), {"rules": names, "fingerprints": wanted})
    # Sorted here: MySQL's sort buffer does not hold rows with large labels (error 1038).
    return [_instance(row) for row in sorted(rows, key=lambda row: int(row["incident_number"]), reverse=True)]


def firing_of_source(tx: Transaction, source: str) -> list[Believed]:
    """What fires in the open incidents of a source, without the labels."""
    rows = tx.rows(query("instances", "firing_of_source"), {"source": source})
    return [Believed(_instance(row), row["rule_uid"]) for row in rows]


def of_fingerprints(tx: Transaction, fingerprints: Sequence[str]) -> dict[str, list[Instance]]:
    """What is known of these fingerprints under any key, without the labels."""
    found: dict[str, list[Instance]] = defaultdict(list)
    for start in range(0, len(fingerprints), 1000):
        some = [cut(fingerprint, 64) for fingerprint in fingerprints[start : start + 1000]]
        for row in tx.rows(query("instances", "of_fingerprints"), {"fingerprints": some}):
            found[row["fingerprint"]].append(_instance(row))
    return found


def recovered(tx: Transaction, ids: Iterable[IncidentId], since: datetime) -> list[Instance]:
    """What recovered in these incidents at `since` or later, by our clock."""
    names = sorted(set(ids))
    if not names:
        return []
    return [_instance(row) for row in tx.rows(query("instances", "recovered"), {"ids": names, "since": since})]


def held(tx: Transaction, ids: Iterable[IncidentId]) -> list[Instance]:
    """What resolved in these incidents while its rule was blind."""
    names = sorted(set(ids))
    return [_instance(row) for row in tx.rows(query("instances", "held"), {"ids": names})] if names else []


def release(tx: Transaction, incident: IncidentId, at: datetime) -> None:
    """What is held in this incident has recovered."""
    tx.execute(query("instances", "release"), {"incident_id": incident, "at": at})


def looked_up(tx: Transaction, incident: Incident, policy: Policy) -> Incident:
    """An incident with what its card tells beside its own row: what fires in it, the rules of a blind one."""
    incident = with_rules(tx, incident)
    if incident.blind_incident and (row := tx.row(query("instances", "number_of"), {"id": incident.blind_incident})):
        incident = replace(incident, blind_number=int(row["number"]))
    fires = _firing(tx, incident, policy)
    return incident if fires is None else replace(incident, fires=fires)


def _firing(tx: Transaction, incident: Incident, policy: Policy) -> Firing | None:
    """What fires in an incident, None when nothing does or it is not known which."""
    elsewhere = 0
    if incident.is_open:
        params = {"key": incident.key, "id": incident.incident_id}
        row = tx.row(query("instances", "elsewhere"), params)
        elsewhere = int(row["firing"]) if row else 0
    rows: list[Row] = []
    if incident.instances_firing > incident.blind_firing:
        rows = tx.rows(query("instances", "firing"), {"id": incident.incident_id, "limit": MOST_FIRING})
    if not rows:
        return Firing(elsewhere=elsewhere) if elsewhere else None
    found = worst_first(map(_instance, rows), policy.severity)
    first = cut(found[0].fingerprint, 64)
    named = {"id": incident.incident_id, "fingerprint": first, "looked_at": MOST_LOOKED_AT}
    said = tx.row(query("instances", "said_of"), named)
    newest = _links(said["raw_payload"]) if said else Links()
    # of more than were read, nobody knows what they share
    shared = shared_labels(one.labels for one in found) if len(found) < MOST_FIRING else {}
    return Firing(
        instances=tuple(found),
        summary=said["message"] if said else "",
        links=links_of(incident.links, newest, shared),
        elsewhere=elsewhere,
    )


def _links(element: str) -> Links:
    """The addresses in an alert's own element, as Grafana and Alertmanager name them."""
    said = from_json(element)

    def address(name: str) -> str:
        text = str(said.get(name) or "")
        return text if is_web_address(text) else ""

    return Links(
        source=address("generatorURL"),
        dashboard=address("dashboardURL"),
        panel=address("panelURL"),
        silence=address("silenceURL"),
    )


def with_rules(tx: Transaction, incident: Incident) -> Incident:
    """A blind incident with the names of its rules: those that cannot see, or once it is over all that could not."""
    if not incident.is_about_blindness:
        return incident
    state = AlertState.FIRING if incident.is_open and incident.blind_firing else AlertState.RESOLVED
    params = {"id": incident.incident_id, "state": state.value, "limit": MOST_RULES}
    labels = [from_json(row["labels"]) for row in tx.rows(query("instances", "blind_labels"), params)]
    names = {one.get("rulename") or one.get("alertname") or "" for one in labels}
    return replace(incident, rules=tuple(sorted(name for name in names if name)))


def write(tx: Transaction, instances: Sequence[Instance]) -> None:
    """Add instances, or write their newer state."""
    tx.insert_many(query("instances", "write"), [_columns(instance) for instance in instances])


def supersede(tx: Transaction, names: Sequence[tuple[IncidentId, str]]) -> None:
    """These instances are not the newest of their key any more."""
    by_incident: dict[IncidentId, list[str]] = defaultdict(list)
    for incident, fingerprint in names:
        by_incident[incident].append(cut(fingerprint, 64))
    for incident, fingerprints in sorted(by_incident.items()):
        tx.execute(query("instances", "supersede"), {"incident_id": incident, "fingerprints": fingerprints})


def newest_labels(tx: Transaction, incident: IncidentId) -> dict[str, str]:
    """The labels of what fired last in an incident; empty when it has no instance."""
    row = tx.row(query("instances", "newest_labels"), {"incident_id": incident})
    return {str(name): str(value) for name, value in from_json(row["labels"]).items()} if row else {}


def _columns(instance: Instance) -> dict[str, object]:
    return {
        "incident_id": instance.incident_id,
        "fingerprint": cut(instance.fingerprint, 64),
        "incident_key": instance.key,
        "is_current": 1,
        "kind": instance.kind.value,
        "state": instance.state.value,
        "starts_at": instance.starts_at,
        "ends_at": instance.ends_at,
        "heard_at": instance.heard_at,
        "labels": to_json(dict(instance.labels)),
        "first_values": cut(instance.first_values, 1000),
        "last_values": cut(instance.last_values, 1000),
        "origin": instance.origin,
    }


_KINDS = {kind.value: kind for kind in AlertKind}
_STATES = {state.value: state for state in AlertState}


def _instance(row: Row) -> Instance:
    return Instance(
        incident_id=IncidentId(row["incident_id"]),
        key=IncidentKey(row["incident_key"]),
        fingerprint=row["fingerprint"],
        kind=_KINDS[row["kind"]],
        state=_STATES[row["state"]],
        starts_at=from_time(row["starts_at"]),
        ends_at=from_time(row["ends_at"]),
        heard_at=from_time(row["heard_at"]),
        labels=from_json(row["labels"]) or {},
        first_values=row["first_values"],
        last_values=row["last_values"],
        origin=row["origin"],
    )
