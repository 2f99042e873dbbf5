"""The statements of every webhook look into their index, whatever the servers' statistics say of the tables."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pymysql
import pymysql.cursors
import pytest

from db.database import Database, Transaction
from db.model.incident import Filter
from db.queries import Query, query
from db.store import incidents
from db.transactions import ingest
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, at
from tests.servers.database import DbUrl
from tests.servers.observer import rows

NEVER_REOPENS = replace(POLICY, reopen_window=timedelta(0))
_KEYS_READ = Query(
    "keys_read",
    "Entries of indexes and rows that this session read.",
    "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next', 'Handler_read_prev', "
    "'Handler_read_first', 'Handler_read_last', 'Handler_read_rnd_next')",
)
TOUCHED = ("number", "last_seen_at", "instances_total", "instances_firing", "blind_firing", "recorded")


@pytest.fixture
def small_record(database: Database, db_url: DbUrl) -> list[dict[str, Any]]:
    """Tables with so few rows that reading all of them looks cheap: the instances, with the numbers of incidents."""
    alerts = [an_alert(f"f{number}", service=f"service-{number % 8}") for number in range(24)]
    ingest.record_delivery(database, a_delivery(), a_reading(*alerts), POLICY, at(0))
    for table in ("incidents", "incident_instances", "incident_keys"):
        rows(db_url, f"ANALYZE TABLE {table}")
    return rows(
        db_url,
        "SELECT incident_instances.*, incidents.number FROM incident_instances "
        "JOIN incidents ON incidents.incident_id = incident_instances.incident_id",
    )


def index_of(url: DbUrl, table: str, sql: str, parameters: dict[str, object] | None = None) -> object:
    """The index through which a statement reaches a table."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name,
        cursorclass=pymysql.cursors.DictCursor, ssl_disabled=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {sql}", parameters)
        (plan,) = [row for row in cursor.fetchall() if row["table"] == table]
    return plan["key"]


def test_instances_are_looked_up_by_their_names(db_url: DbUrl, small_record: list[dict[str, Any]]) -> None:
    """Reading all of them for each transaction is quick in a test, and most of the time of a record that is used."""
    names = json.dumps([[row["incident_key"], row["fingerprint"]] for row in small_record])
    index = index_of(db_url, "incident_instances", query("instances", "of_names").sql, {"names": names})
    assert index == "idx_instances_current"


def test_incidents_that_are_heard_of_again_are_changed_by_their_numbers(
    db_url: DbUrl, small_record: list[dict[str, Any]]
) -> None:
    """An UPDATE that reads all rows also locks them on its way."""
    numbers = sorted({row["number"] for row in small_record})
    heard = query("incidents", "heard").sql.format(
        each="(" + ",".join(map(str, numbers)) + ")",
        last_seen_at=" ".join(f"WHEN {number} THEN '2026-11-20 08:00:00'" for number in numbers),
        recorded=" ".join(f"WHEN {number} THEN 1" for number in numbers),
    )
    assert index_of(db_url, "incidents", heard) == "uq_number"


def test_incidents_whose_counts_moved_are_changed_by_their_numbers(
    db_url: DbUrl, small_record: list[dict[str, Any]]
) -> None:
    numbers = sorted({row["number"] for row in small_record})
    new = [
        "SELECT " + ", ".join(f"{value} AS {name}" for name, value in zip(TOUCHED, values, strict=True))
        for values in ((number, "'2026-11-20 08:00:00'", 3, 3, 0, 1) for number in numbers)
    ]
    touch = query("incidents", "touch").sql.replace("{rows}", " UNION ALL ".join(new))
    assert index_of(db_url, "incidents", touch) == "uq_number"


def test_open_incidents_are_looked_up_by_their_keys(db_url: DbUrl, small_record: list[dict[str, Any]]) -> None:
    keys = sorted({row["incident_key"] for row in small_record})
    documents = query("incidents", "open_documents").sql
    assert index_of(db_url, "incidents", documents, {"keys": keys}) == "uq_open_key"
    assert index_of(db_url, "newest", documents, {"keys": keys}) == "idx_incident_key_number"


def test_a_message_is_looked_up_by_its_place(db_url: DbUrl, small_record: list[dict[str, Any]]) -> None:
    rows(db_url, "UPDATE slack_messages SET channel_id = 'C1', ts = CONCAT('1795935286.00000', message_id)")
    rows(db_url, "ANALYZE TABLE slack_messages")
    place: dict[str, object] = {"channel_id": "C1", "ts": "1795935286.000003"}
    by_place = query("incidents", "by_place").sql
    assert index_of(db_url, "slack_messages", by_place, place) == "idx_messages_place"
    assert index_of(db_url, "incidents", by_place, place) == "PRIMARY"


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(service="s7"), Filter(cluster="prod-a"), Filter(namespace="shop"), Filter(statuses=())]
)
def test_a_list_reads_what_it_shows_however_many_are_open(database: Database, db_url: DbUrl, wanted: Filter) -> None:
    alerts = [
        an_alert(f"f{number}", service=f"s{number % 8}", phase=f"p{number}", cluster="prod-a", namespace="shop")
        for number in range(800)
    ]
    ingest.record_delivery(database, a_delivery(), a_reading(*alerts), POLICY, at(0))
    rows(db_url, "UPDATE incidents SET severity = 'high', severity_rank = 1 WHERE number % 3 = 0")

    def look(tx: Transaction) -> tuple[int, int]:
        before = keys_read(tx)
        found = incidents.search(tx, wanted, 10)
        return len(found), keys_read(tx) - before

    assert database.transact(look)[0] == 10
    assert database.transact(look)[1] < 200


def test_no_more_incidents_are_counted_than_a_list_says(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "MOST_COUNTED", 20)
    alerts = [an_alert(f"f{number}", phase=f"p{number}") for number in range(400)]
    ingest.record_delivery(database, a_delivery(), a_reading(*alerts), POLICY, at(0))

    def count(tx: Transaction) -> tuple[int, int]:
        before = keys_read(tx)
        return incidents.count(tx, Filter()), keys_read(tx) - before

    counted, read = database.transact(count)
    assert counted == 21
    assert read < 100


def test_the_newest_incident_of_a_key_takes_one_look_however_many_there_were(database: Database, db_url: DbUrl) -> None:
    for number in range(30):  # one key whose incidents come and go
        for ends in (None, 1000 * number + 500):
            alert = an_alert(starts=1000 * number, ends=ends)
            now = 1000 * number if ends is None else ends
            ingest.record_delivery(database, a_delivery(now=now), a_reading(alert), NEVER_REOPENS, at(now))
    (key,) = {row["incident_key"] for row in rows(db_url, "SELECT incident_key FROM incidents")}

    def look(tx: Transaction) -> tuple[int, int]:
        before = keys_read(tx)
        _, last = incidents.open_and_last_of_keys(tx, [key])
        return last[key].number, keys_read(tx) - before

    number, read = database.transact(look)
    assert number == 30
    assert read < 10


def keys_read(tx: Transaction) -> int:
    """How many entries of indexes and rows this session has read."""
    return sum(int(row["Value"]) for row in tx.rows(_KEYS_READ))
