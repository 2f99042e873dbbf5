"""Values for the record's tests: only what a test is about has to be said."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from db.database import Database, Row, Transaction
from db.model.alert import Alert, AlertKind, AlertState, Links, Reading, Rejected
from db.model.delivery import Delivery
from db.model.identity import IncidentKey, KeyParts, incident_id, incident_key
from db.model.incident import Incident, Severity, Status
from db.model.policy import Policy
from db.queries import Query
from db.settings import DatabaseSettings
from db.transactions import ingest
from db.transactions.audit import Report, verify
from tests.servers.database import DbUrl

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
"""When stories begin."""

POLICY = Policy(default_channel="#incidents")


def at(seconds: float) -> datetime:
    """A time of the story."""
    return START + timedelta(seconds=seconds)


def an_alert(
    fingerprint: str = "f1",
    *,
    starts: float | None = 0,
    ends: float | None = None,
    resolved: bool = False,
    rule: str = "checkout_5xx",
    kind: AlertKind = AlertKind.NORMAL,
    values: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    links: Links | None = None,
    source: str = "grafana",
    reason: str = "",
    **key: str,
) -> Alert:
    """One alert; resolved when it `ends`. `key` gives cluster, namespace, service, phase; a blind one has none."""
    parts = {} if kind is AlertKind.BLIND else {"cluster": "prod-eu-1", "service": "checkout-api", **key}
    return Alert(
        source=source,
        state=AlertState.FIRING if ends is None and not resolved else AlertState.RESOLVED,
        kind=kind,
        rule_uid=rule,
        alertname="Checkout 5xx ratio high",
        fingerprint=fingerprint,
        labels={"alertname": "Checkout 5xx ratio high", **parts, **(labels or {})},
        annotations={"summary": "One in ten answers is an error"},
        starts_at=None if starts is None else at(starts),
        ends_at=None if ends is None else at(ends),
        values=values or {},
        summary="One in ten answers is an error",
        reason=reason,
        links=links or Links(),
        raw='{"status": "firing"}',
    )


def cannot_see(
    fingerprint: str = "blind-1",
    rule: str = "checkout_5xx",
    *,
    starts: float = 20,
    ends: float | None = None,
    uid: str = "prometheus",
    severity: str = "warning",
) -> Alert:
    """A `DatasourceNoData` or `DatasourceError` alert of a rule."""
    labels = {"datasource_uid": uid, "rulename": f"Rule {rule}", "severity": severity}
    return an_alert(fingerprint, kind=AlertKind.BLIND, rule=rule, starts=starts, ends=ends, labels=labels)


def key_of(rule: str = "checkout_5xx", service: str = "checkout-api", cluster: str = "prod-eu-1") -> IncidentKey:
    """The key of `an_alert`."""
    return incident_key(KeyParts(rule, cluster, "", service, ""))


def a_reading(*alerts: Alert, truncated: int = 0, rejected: tuple[Rejected, ...] = ()) -> Reading:
    """A body with these alerts."""
    return Reading(source="grafana", alerts=alerts, rejected=rejected, truncated=truncated, receiver="observer")


def a_delivery(body: bytes = b"{}", request_id: bytes | None = None, now: float = 0) -> Delivery:
    """A request with an id of its own."""
    return Delivery(
        request_id=request_id or uuid.uuid4().bytes,
        received_at=at(now),
        source="grafana",
        content_type="application/json",
        body=body,
    )


def deliver(database: Database, *alerts: Alert, now: float = 0, policy: Policy = POLICY) -> dict[str, object]:
    """One webhook with these alerts; its answer."""
    return ingest.record_delivery(database, a_delivery(now=now), a_reading(*alerts), policy, at(now))


def an_incident(status: Status = Status.ACTIVE, **more: object) -> Incident:
    """An incident as the record has it, opened at the start of the story."""
    key = key_of()
    resolved = status is Status.RESOLVED
    fields: dict[str, object] = {
        "incident_id": incident_id(key, START, None),
        "number": 7,
        "key": key,
        "parts": KeyParts("checkout_5xx", "prod-eu-1", "", "checkout-api", ""),
        "status": status,
        "severity": Severity.CRITICAL,
        "title": "Checkout 5xx ratio high",
        "start_time": START,
        "first_seen_at": START,
        "last_seen_at": START,
        "resolved_time": at(60) if resolved else None,
        **more,
    }
    return Incident(**fields)  # type: ignore[arg-type]  # the fields are named above


def settings_of(url: DbUrl, host: str = "", port: int = 0) -> DatabaseSettings:
    """How the program is told of a test's database."""
    return DatabaseSettings(
        host=host or url.host, port=port or url.port, user=url.user, password=url.password, name=url.name
    )


def a_pool(
    url: DbUrl,
    *,
    size: int = 2,
    statement: float = 10.0,
    lock: int = 5,
    patience: float = 10.0,
    connect: int = 1,
    work: float = math.inf,
    host: str = "",
    port: int = 0,
) -> Database:
    """A pool with limits of its own; `host` and `port` lead elsewhere, for example through a proxy."""
    return Database(
        settings_of(url, host, port),
        pool_size=size,
        statement_seconds=statement,
        lock_seconds=lock,
        patience_seconds=patience,
        connect_seconds=connect,
        work_seconds=work,
    )


def audit_of(database: Database, **options: Any) -> Report:
    """What `verify` finds, at a time when no story is still to come."""
    return verify(database, **{"now": at(10**8), **options})


def sql(text: str) -> Query:
    """A statement of a test."""
    return Query("of_a_test", "A statement of a test.", text)


def ask(database: Database, text: str, **params: object) -> list[Row]:
    """Read what is committed."""

    def work(tx: Transaction) -> list[Row]:
        return tx.rows(sql(text), params or None)

    return database.transact(work, idempotent=True)


def count(database: Database, table: str) -> int:
    """How many rows a table has."""
    return int(ask(database, f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])  # noqa: S608 - a table of ours


def check_record(database: Database) -> None:
    """What must hold after every transaction, whatever was done."""
    twice = ask(
        database,
        "SELECT incident_key FROM incidents WHERE status <> 'resolved' GROUP BY incident_key HAVING COUNT(*) > 1",
    )
    assert twice == [], "never two open incidents of one key"
    alone = ask(
        database,
        "SELECT incident_id FROM incidents WHERE incident_id NOT IN (SELECT incident_id FROM grafana_alerts)",
    )
    assert alone == [], "never an incident without an alert"
    wrong = ask(
        database,
        """
        SELECT incidents.incident_id, alert_count, instances_total, instances_firing, blind_firing, held,
            (SELECT COUNT(*) FROM grafana_alerts AS a WHERE a.incident_id = incidents.incident_id) AS alerts,
            (SELECT COUNT(*) FROM incident_instances AS i WHERE i.incident_id = incidents.incident_id) AS total,
            (SELECT COUNT(*) FROM incident_instances AS i
             WHERE i.incident_id = incidents.incident_id AND i.state = 'firing') AS firing,
            (SELECT COUNT(*) FROM incident_instances AS i
             WHERE i.incident_id = incidents.incident_id AND i.state = 'firing' AND i.kind = 'blind') AS blind,
            (SELECT COUNT(*) FROM incident_instances AS i
             WHERE i.incident_id = incidents.incident_id AND i.state = 'firing' AND i.ends_at IS NOT NULL) AS holds
        FROM incidents
        HAVING alert_count <> alerts OR instances_total <> total OR instances_firing <> firing OR blind_firing <> blind
            OR held <> holds
        """,
    )
    assert wrong == [], "the counts of incidents equal recounts"
    blind = ask(
        database,
        "SELECT incident_key, fingerprint FROM incident_instances WHERE kind = 'blind' AND state = 'firing' "
        "AND is_current = 1 ORDER BY 1, 2",
    )
    rules = ask(database, "SELECT incident_key, fingerprint FROM blind_rules ORDER BY 1, 2")
    assert rules == blind, "a rule is blind while one of its blind alerts fires"
    several = ask(
        database,
        "SELECT incident_key, fingerprint FROM incident_instances WHERE is_current = 1 "
        "GROUP BY incident_key, fingerprint HAVING COUNT(*) > 1",
    )
    assert several == [], "one newest instance of a fingerprint under a key"
    stale = ask(
        database,
        "SELECT incidents.incident_id FROM incidents JOIN slack_messages USING (incident_id) "
        "WHERE wanted_version <> version",
    )
    assert stale == [], "every card is wanted as the incident is"
