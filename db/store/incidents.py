"""Incidents and the locks of their keys."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from db.columns import cut, cut_bytes, from_bytes, from_json, from_time, to_json
from db.database import Row, Transaction
from db.literals import Written, text_literal
from db.model.alert import Links
from db.model.identity import Actor, IncidentId, IncidentKey, KeyParts, Place, Reference, spelt
from db.model.incident import MOST_COUNTED, Chain, Filter, Incident, Severity, Status
from db.model.reason import Reason
from db.queries import Query, query

_STEPS = 1 << 20, 1 << 24


def next_step() -> int:
    """By how much the turns of one transaction grow. No two transactions have the same step, for all that ever comes of
    it, so none gives a key the turn that another one would have given it; 2**64 is far away all the same."""
    return random.randrange(*_STEPS)  # noqa: S311 - to be different, not to be secret


def lock_keys(tx: Transaction, keys: Iterable[IncidentKey], step: int = 0) -> None:
    """Take the rows of these keys, in key order, so that no two transactions wait for each other. Their turns grow by
    `step`, or by one of its own."""
    step = step or next_step()
    rows = [Written(f"{text_literal(key)},{step:d}") for key in sorted(set(keys))]
    tx.insert_written(query("incidents", "lock_keys"), rows, step=step)


def ask_turns(tx: Transaction, keys: Sequence[IncidentKey]) -> Callable[[], dict[IncidentKey, int]]:
    """The turns of these keys, when they are asked for; the question goes to the server with the next statement."""
    later = tx.later(query("incidents", "turns"), {"keys": list(keys)}) if keys else None
    return lambda: {IncidentKey(key): int(turn) for key, turn in later.rows()} if later else {}


def take_turns(tx: Transaction, turns: Mapping[IncidentKey, int], step: int, then: Callable[[], None]) -> None:
    """Take the rows of these keys, in key order, if these are still their turns, and let these grow by `step`. `then`
    is called when it is done. Raises `Outdated` otherwise, here or when the statement is sent."""
    rows = [Written(f"{text_literal(key)},{turns[key]:d}") for key in sorted(turns)]
    tx.insert_written(query("incidents", "take_turns"), rows, then, step=step)


def open_of_keys(tx: Transaction, keys: Sequence[IncidentKey]) -> dict[IncidentKey, Incident]:
    """The open incident of each key that has one."""
    if not keys:
        return {}
    found = [_incident(row) for row in tx.rows(query("incidents", "open_of_keys"), {"keys": list(keys)})]
    return {incident.key: incident for incident in found}


def open_and_last_of_keys(
    tx: Transaction, keys: Sequence[IncidentKey]
) -> tuple[dict[IncidentKey, Incident], dict[IncidentKey, Incident]]:
    """The open incident of each key that has one, and the newest of each key that ever had one."""
    if not keys:
        return {}, {}
    opened: dict[IncidentKey, Incident] = {}
    last: dict[IncidentKey, Incident] = {}
    for document, is_outdated in tx.lines(query("incidents", "open_documents"), {"keys": list(keys)}):
        incident = _incident(from_json(document))
        opened[incident.key] = incident
        if not is_outdated:
            last[incident.key] = incident
    if others := [key for key in keys if key not in last]:
        newest = tx.rows_of_each(
            query("incidents", "last_of_keys"), query("incidents", "last_number"), [{"key": key} for key in others]
        )
        last |= {incident.key: incident for incident in map(_incident, newest)}
    return opened, last


def open_of_rules(tx: Transaction, rules: Iterable[str]) -> list[Incident]:
    """The open incidents of these rules."""
    names = sorted({cut(rule, 255) for rule in rules})
    if not names:
        return []
    return [_incident(row) for row in tx.rows(query("incidents", "open_of_rules"), {"rules": names})]


def doubtful_of_rules(tx: Transaction, rules: Iterable[str], since: datetime) -> list[Incident]:
    """The incidents of these rules that their source resolved at `since` or later."""
    names = sorted({cut(rule, 255) for rule in rules})
    if not names:
        return []
    found = tx.rows(query("incidents", "doubtful_of_rules"), {"rules": names, "since": since})
    return [_incident(row) for row in found]


def to_settle(tx: Transaction, until: datetime, limit: int) -> list[IncidentKey]:
    """The keys of incidents whose rule sees again since `until` or earlier while something is held."""
    return _keys(tx.rows(query("incidents", "to_settle"), {"until": until, "limit": limit}))


def wrong_sight(tx: Transaction, limit: int) -> list[IncidentKey]:
    """The keys of open incidents that say something else of their rule's sight than `blind_rules`."""
    return _keys(tx.rows(query("incidents", "wrong_sight"), {"limit": limit}))


def silent(tx: Transaction, until: datetime, limit: int) -> list[IncidentKey]:
    """The keys of open incidents that were heard of last at `until` or earlier and are not marked stale."""
    return _keys(tx.rows(query("incidents", "silent"), {"until": until, "limit": limit}))


def still_firing(tx: Transaction, until: datetime, reason: str, limit: int) -> list[IncidentId]:
    """Incidents that a person resolved at `until` or earlier and that fire all the same; those that were reopened for
    this `reason` before only if their source has repeated them since."""
    rows = tx.rows(query("incidents", "still_firing"), {"until": until, "reason": reason, "limit": limit})
    return [IncidentId(row["incident_id"]) for row in rows]


def quiet(tx: Transaction, source: str, until: datetime) -> set[IncidentId]:
    """The open incidents of a source that were heard of last at `until` or earlier, whether they are stale or not."""
    rows = tx.rows(query("incidents", "quiet"), {"source": source, "until": until})
    return {IncidentId(row["incident_id"]) for row in rows}


def by_ids(tx: Transaction, ids: Iterable[IncidentId]) -> dict[IncidentId, Incident]:
    """The incidents with these ids."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found = [_incident(row) for row in tx.rows(query("incidents", "by_ids"), {"ids": wanted})]
    return {incident.incident_id: incident for incident in found}


def by_id(tx: Transaction, wanted: IncidentId) -> Incident | None:
    """One incident, if there is such a one."""
    row = tx.row(query("incidents", "by_id"), {"id": wanted})
    return _incident(row) if row else None


def find(tx: Transaction, reference: Reference) -> Incident | None:
    """The incident a person means: by its id, by its number, or by a message about it alone."""
    if isinstance(reference, Place):
        row = tx.row(query("incidents", "by_place"), {"channel_id": reference.channel_id, "ts": reference.ts})
    elif isinstance(reference, int):
        row = tx.row(query("incidents", "by_number"), {"number": reference})
    else:
        row = tx.row(query("incidents", "by_id"), {"id": reference})
    return _incident(row) if row else None


def page(tx: Transaction, after: int, limit: int) -> list[Incident]:
    """The next incidents after a number, in the order of their numbers."""
    return [_incident(row) for row in tx.rows(query("incidents", "page"), {"after": after, "limit": limit})]


def insert(tx: Transaction, incidents: Sequence[Incident], now: datetime, recorded: Mapping[IncidentId, int]) -> None:
    """Add incidents; the record gives them their numbers. `recorded` says how many alerts are recorded with them."""
    rows = [
        _columns(incident) | {"created_at": now, "recorded": recorded.get(incident.incident_id, 0)}
        for incident in incidents
    ]
    tx.insert_many(query("incidents", "insert"), rows)


def touch(tx: Transaction, touched: Sequence[tuple[Incident, Incident]], recorded: Mapping[IncidentId, int]) -> None:
    """Write when incidents were heard of last, their counts of instances, and `recorded` more alerts; each comes as it
    was and as it is."""
    heard = [now_is for was, now_is in touched if _counts(was) == _counts(now_is)]
    hear(tx, [(one.number, one.last_seen_at, recorded.get(one.incident_id, 0)) for one in heard])
    columns = ("number", "last_seen_at", "instances_total", "instances_firing", "blind_firing", "recorded")
    rows = [
        (
            i.number, i.last_seen_at, i.instances_total, i.instances_firing, i.blind_firing,
            recorded.get(i.incident_id, 0),
        )
        for was, i in touched
        if _counts(was) != _counts(i)
    ]  # fmt: skip
    tx.update_many(query("incidents", "touch"), rows, columns)


def hear(tx: Transaction, heard: Sequence[tuple[int, datetime, int]]) -> None:
    """Write of the incidents with these numbers when they were heard of last, and so many more alerts of each."""
    numbers, times, counts = zip(*heard, strict=True) if heard else ((), (), ())
    tx.update_by_case(query("incidents", "heard"), numbers, last_seen_at=times, recorded=counts)


def _counts(incident: Incident) -> tuple[int, int, int]:
    return incident.instances_total, incident.instances_firing, incident.blind_firing


def update(tx: Transaction, incident: Incident, was: int, recorded: int = 0) -> bool:
    """Write a visible change and `recorded` more alerts; whether the incident still had the version `was`, on which
    it was decided."""
    return tx.execute(query("incidents", "update"), _columns(incident) | {"was": was, "recorded": recorded}) == 1


def update_each(tx: Transaction, changes: Sequence[tuple[Incident, int, int]]) -> None:
    """`update` for many: each incident with the version on which it was decided and how many alerts more it has. Their
    keys are locked, so that none of them can lose the race of versions."""
    rows = [_columns(incident) | {"was": was, "recorded": recorded} for incident, was, recorded in changes]
    tx.update_each(query("incidents", "update"), rows)


def search(tx: Transaction, wanted: Filter, limit: int) -> list[Incident]:
    """The first incidents of a filter: the open ones first; of these the worst, those that nobody has, the oldest; of
    those that are over the worst, then the newest."""
    found: list[Incident] = []
    statuses = wanted.statuses or tuple(Status)
    for chosen, direction in (
        ([status for status in statuses if status is not Status.RESOLVED], "ASC"),
        ([status for status in statuses if status is Status.RESOLVED], "DESC"),
    ):
        left = limit - len(found)
        parts = [
            _places(wanted) | {"status": status.value, "rank": int(severity.rank), "limit": left}
            for status in chosen
            for severity in wanted.severities or tuple(Severity)
        ]
        if parts and left > 0:
            first = _through(query("incidents", "first"), wanted, direction=direction)
            some = [_incident(row) for row in tx.rows_of_each(query("incidents", "found"), first, parts)]
            found += sorted(some, key=_urgency)[:left]
    return found


def count(tx: Transaction, wanted: Filter) -> int:
    """How many incidents a filter finds; `MOST_COUNTED` + 1 means more than `MOST_COUNTED`."""
    values = _places(wanted) | {
        "statuses": [status.value for status in wanted.statuses or tuple(Status)],
        "ranks": [int(severity.rank) for severity in wanted.severities or tuple(Severity)],
        "most": MOST_COUNTED + 1,
    }
    row = tx.row(_through(query("incidents", "count"), wanted), values)
    return int(row["total"]) if row else 0


def _urgency(incident: Incident) -> tuple[int, bool, int]:
    number = incident.number if incident.is_open else -incident.number
    return int(incident.severity.rank), incident.status is not Status.ACTIVE, number


def _through(wanted_query: Query, wanted: Filter, **words: str) -> Query:
    """The query through the index that has what the filter names in the order of the list."""
    index = next(
        (index for name, index in _INDEXES.items() if getattr(wanted, name)),
        "idx_status_severity_number",
    )
    return replace(wanted_query, sql=wanted_query.sql.format(index=index, **words))


_INDEXES = {
    "service": "idx_service_status_severity_number",
    "namespace": "idx_namespace_status_severity_number",
    "cluster": "idx_cluster_status_severity_number",
}
"""By what a filter names, the most selective first."""


def _keys(rows: Sequence[Row]) -> list[IncidentKey]:
    return [IncidentKey(row["incident_key"]) for row in rows]


def _places(wanted: Filter) -> dict[str, object]:
    return {"cluster": spelt(wanted.cluster), "namespace": spelt(wanted.namespace), "service": spelt(wanted.service)}


def _columns(incident: Incident) -> dict[str, object]:
    return {
        "incident_id": incident.incident_id,
        "incident_key": incident.key,
        "status": incident.status.value,
        "severity": incident.severity.value,
        "severity_rank": int(incident.severity.rank),
        "title": cut(incident.title, 255),
        "summary": cut_bytes(incident.summary),
        "rule_uid": cut(incident.parts.rule_uid, 255),
        "phase": cut(incident.parts.phase, 255),
        "cluster": cut(incident.parts.cluster, 255),
        "namespace": cut(incident.parts.namespace, 255),
        "service": cut(incident.parts.service, 255),
        "service_category": cut(incident.service_category, 255),
        "source": incident.source,
        "channel": cut(incident.channel, 255),
        "start_time": incident.start_time,
        "first_seen_at": incident.first_seen_at,
        "last_seen_at": incident.last_seen_at,
        "instances_total": incident.instances_total,
        "instances_firing": incident.instances_firing,
        "blind_firing": incident.blind_firing,
        "held": incident.held,
        "unobserved_since": incident.unobserved_since,
        "blind_on": cut(incident.blind_on, 255),
        "blind_incident": incident.blind_incident,
        "sight_at": incident.sight_at,
        "stale_since": incident.stale_since,
        "first_values": cut(incident.first_values, 1000),
        "last_values": cut(incident.last_values, 1000),
        "links": to_json(asdict(incident.links)),
        "owner": _actor(incident.owner),
        "acknowledged_time": incident.acknowledged_time,
        "resolved_time": incident.resolved_time,
        "resolved_by": _actor(incident.resolved_by),
        "action_taken": cut_bytes(incident.action_taken) or None,
        "root_cause": cut_bytes(incident.root_cause) or None,
        "last_change": incident.last_change,
        "last_change_at": incident.last_change_at,
        "last_change_by": _actor(incident.last_change_by),
        "last_change_why": incident.last_change_why.value,
        "version": incident.version,
        "chain_length": incident.chain.length,
        "chain_head": incident.chain.head,
    }


def _actor(actor: Actor | None) -> str | None:
    return None if actor is None else cut(str(actor), 255)


_STATUSES = {status.value: status for status in Status}
_SEVERITIES = {severity.value: severity for severity in Severity}


def _incident(row: Row) -> Incident:
    def actor(name: str) -> Actor | None:
        return Actor.parse(row[name]) if row[name] else None

    return Incident(
        incident_id=IncidentId(row["incident_id"]),
        number=int(row["number"]),
        key=IncidentKey(row["incident_key"]),
        parts=KeyParts(row["rule_uid"], row["cluster"], row["namespace"], row["service"], row["phase"]),
        status=_STATUSES[row["status"]],
        severity=_SEVERITIES[row["severity"]],
        title=row["title"],
        summary=row["summary"],
        service_category=row["service_category"],
        source=row["source"],
        channel=row["channel"],
        start_time=from_time(row["start_time"]),
        first_seen_at=from_time(row["first_seen_at"]),
        last_seen_at=from_time(row["last_seen_at"]),
        alert_count=int(row["alert_count"]) + int(row["alerts_removed"]),
        instances_total=int(row["instances_total"]),
        instances_firing=int(row["instances_firing"]),
        blind_firing=int(row["blind_firing"]),
        held=int(row["held"]),
        unobserved_since=from_time(row["unobserved_since"]),
        blind_on=row["blind_on"],
        blind_incident=IncidentId(row["blind_incident"]) if row["blind_incident"] else None,
        sight_at=from_time(row["sight_at"]),
        stale_since=from_time(row["stale_since"]),
        first_values=row["first_values"],
        last_values=row["last_values"],
        links=Links(**from_json(row["links"])),
        owner=actor("owner"),
        acknowledged_time=from_time(row["acknowledged_time"]),
        resolved_time=from_time(row["resolved_time"]),
        resolved_by=actor("resolved_by"),
        action_taken=row["action_taken"] or "",
        root_cause=row["root_cause"] or "",
        last_change=row["last_change"],
        last_change_at=from_time(row["last_change_at"]),
        last_change_by=actor("last_change_by"),
        last_change_why=Reason.read(row["last_change_why"]),
        version=int(row["version"]),
        chain=Chain(
            row["chain_length"], from_bytes(row["chain_head"]), row["chain_removed"], from_bytes(row["chain_base"])
        ),
    )
