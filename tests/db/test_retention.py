"""Retention: what is old and over goes in short steps, what is open stays, and the counts stay true."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pymysql
import pytest

from db.database import Database, Transaction
from db.errors import Conflict
from db.housekeeping import Housekeeper, would_remove
from db.model.delivery import BodyRemoved, Packed, unpack
from db.model.identity import person
from db.model.lifecycle import Action
from db.model.retention import Part, Pass, Retention
from db.transactions import ingest, lookup, respond, tidying
from db.transactions.audit import write_checkpoint
from tests.conftest import open_database
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, ask, at, audit_of, count, deliver, sql
from tests.servers.database import DbUrl, TestServer

DAY = 86_400
EVERYTHING = Retention(bodies=timedelta(days=10), alerts=timedelta(days=20), timelines=timedelta(days=30))


def keeper(database: Database, now: float, retention: Retention = EVERYTHING, rows: int = 3) -> Housekeeper:
    """One that tidies at a time of the story, with small steps."""
    return Housekeeper(database, retention, lambda: at(now), rows=rows)


def tidy(database: Database, now: float, retention: Retention = EVERYTHING, rows: int = 3) -> dict[Part, int]:
    """A whole pass; how many rows went."""
    one = keeper(database, now, retention, rows)
    assert one.begin(at_once=True)
    while one.step():
        pass
    return one.removed


def sum_up(database: Database, now: float) -> None:
    """A checkpoint at a time of the story: without one that is old enough no timeline goes."""
    assert write_checkpoint(database, timedelta(0), at=at(now)) is not None


def a_past(database: Database) -> None:
    """Service a: fired ten times and over. Service b: still open. Service c: over, and recent."""
    for number in range(10):
        deliver(database, an_alert("f1", service="a", values={"A": number}), now=number)
    deliver(database, an_alert("f1", service="a", ends=60), now=60)
    deliver(database, an_alert("f1", service="b"), now=70)
    sum_up(database, DAY)
    deliver(database, an_alert("f1", service="c", starts=25 * DAY), now=25 * DAY)
    deliver(database, an_alert("f1", service="c", starts=25 * DAY, ends=25 * DAY + 5), now=25 * DAY + 5)


def services(database: Database, table: str) -> set[str]:
    """Of which services there is something in a table."""
    rows = ask(database, f"SELECT DISTINCT service FROM {table} JOIN incidents USING (incident_id)")  # noqa: S608 - ours
    return {row["service"] for row in rows}


def test_what_is_old_and_over_goes_and_what_is_open_stays(database: Database) -> None:
    a_past(database)
    removed = tidy(database, 40 * DAY)
    assert removed == {Part.ALERTS: 11, Part.DELIVERIES: 11, Part.BODIES: 2, Part.TIMELINES: 2, Part.DIGESTS: 0}
    assert services(database, "grafana_alerts") == {"b", "c"}
    assert services(database, "incident_timeline") == {"b", "c"}
    assert services(database, "incident_instances") == {"a", "b", "c"}
    encodings = ask(database, "SELECT received_at, body_encoding FROM deliveries ORDER BY delivery_id")
    assert [row["body_encoding"] for row in encodings] == ["identity", "removed", "removed"], "b is open"
    check_record_after(database)


def check_record_after(database: Database) -> None:
    """As `check_record`, where retention took alerts away."""
    wrong = ask(
        database,
        "SELECT incident_id FROM incidents WHERE alert_count <> (SELECT COUNT(*) FROM grafana_alerts AS a"
        " WHERE a.incident_id = incidents.incident_id) OR (alert_count = 0 AND alerts_removed = 0)",
    )
    assert wrong == []


def test_people_see_how_many_alerts_there_were(database: Database) -> None:
    a_past(database)
    tidy(database, 40 * DAY)
    row = ask(database, "SELECT incident_id, alert_count, alerts_removed FROM incidents WHERE service = 'a'")[0]
    assert (row["alert_count"], row["alerts_removed"]) == (0, 11)
    incident = lookup.read_incident(database, row["incident_id"])
    assert incident is not None
    assert incident.alert_count == 11


def test_digest_length_and_answer_of_a_delivery_stay(database: Database) -> None:
    body = b'{"alerts": []}' * 100
    ingest.record_delivery(database, a_delivery(body), a_reading(an_alert(ends=5)), POLICY, at(0))
    before = ask(database, "SELECT body_sha256, body_bytes, outcome FROM deliveries")
    tidy(database, 15 * DAY)
    assert ask(database, "SELECT body_sha256, body_bytes, outcome FROM deliveries") == before
    row = ask(database, "SELECT body, body_encoding FROM deliveries")[0]
    assert row["body"] == b""
    with pytest.raises(BodyRemoved):
        unpack(Packed(row["body_encoding"], row["body"]))


def a_storm(database: Database, *names: str, digest: int) -> None:
    """A digest that was over on the third day and has the incidents of these services as its members."""
    ended = at(3 * DAY)
    statements = [
        "INSERT INTO digests (digest_id, kind, channel, rule, shared, at_least, window_seconds, since, began_at,"
        " busy_at, scanned_at, refreshed_at, ended_at) VALUES (%(digest)s, 'storm', '#incidents', 'storm', '{}', 3, 60,"
        " %(ended)s, %(ended)s, %(ended)s, %(ended)s, %(ended)s, %(ended)s)",
        "INSERT INTO digest_members (digest_id, incident_id, joined_at)"
        " SELECT %(digest)s, incident_id, %(ended)s FROM incidents WHERE service IN %(names)s",
    ]
    params = {"digest": digest, "ended": ended, "names": list(names)}
    for statement in statements:
        database.transact(lambda tx, statement=statement: tx.execute(sql(statement), params))  # type: ignore[misc]


def digests(database: Database) -> list[tuple[int, int]]:
    """The digests, with the number of their members."""
    text = "SELECT digest_id, COUNT(incident_id) AS n FROM digests LEFT JOIN digest_members USING (digest_id)"
    return [(row["digest_id"], row["n"]) for row in ask(database, f"{text} GROUP BY digest_id ORDER BY digest_id")]


def test_digests_go_when_all_that_they_are_about_may_go(database: Database) -> None:
    """Of five services, two a step; b is open, c was resolved on the 25th day."""
    for name in "defg":
        deliver(database, an_alert("f1", service=name), now=1)
        deliver(database, an_alert("f1", service=name, ends=60), now=60)
    a_past(database)
    a_storm(database, *"adefg", digest=1)
    a_storm(database, *"ab", digest=2)
    a_storm(database, *"ac", digest=3)
    a_storm(database, *"a", digest=4)
    database.transact(lambda tx: tx.execute(sql("UPDATE digests SET ended_at = NULL WHERE digest_id = 4")))
    whole = [(1, 5), (2, 2), (3, 2), (4, 1)]
    assert digests(database) == whole
    assert tidy(database, 22 * DAY)[Part.DIGESTS] == 0, "over for less than twenty days"
    assert would_remove(database, EVERYTHING.limits(at(40 * DAY)))[Part.DIGESTS] == 6
    assert digests(database) == whole
    assert tidy(database, 40 * DAY, rows=2)[Part.DIGESTS] == 6
    assert digests(database) == [(2, 2), (3, 2), (4, 1)]
    assert tidy(database, 50 * DAY)[Part.DIGESTS] == 3
    assert digests(database) == [(2, 2), (4, 1)], "an open member keeps its digest, and a running one stays"


def test_a_digest_that_holds_a_card_stays(database: Database) -> None:
    a_past(database)
    a_storm(database, "a", digest=1)
    database.transact(lambda tx: tx.execute(sql("UPDATE slack_messages SET held_by = 1 LIMIT 1")))
    assert tidy(database, 40 * DAY)[Part.DIGESTS] == 0


def test_nothing_goes_without_an_age(database: Database) -> None:
    a_past(database)
    assert keeper(database, 4000 * DAY, Retention()).turn() > 60
    assert not keeper(database, 4000 * DAY, Retention()).begin(at_once=True)
    assert count(database, "grafana_alerts") == 14


@pytest.mark.parametrize("part", [Part.ALERTS, Part.BODIES, Part.TIMELINES])
def test_each_age_stands_for_itself(database: Database, part: Part) -> None:
    a_past(database)
    retention = Retention(**{part.value: timedelta(days=10)})
    removed = tidy(database, 20 * DAY, retention)
    assert {one for one, rows in removed.items() if rows} == {part}
    assert removed[part] == {Part.ALERTS: 11, Part.BODIES: 11, Part.TIMELINES: 2}[part]
    assert count(database, "deliveries") == 14, "a delivery goes only when its bytes may"


def test_a_dry_run_counts_and_changes_nothing(database: Database) -> None:
    a_past(database)
    found = would_remove(database, EVERYTHING.limits(at(40 * DAY)))
    assert found == {Part.ALERTS: 11, Part.DELIVERIES: 0, Part.BODIES: 13, Part.TIMELINES: 2, Part.DIGESTS: 0}
    assert (count(database, "grafana_alerts"), count(database, "deliveries")) == (14, 14)
    assert count(database, "incident_timeline") == 5


def test_what_comes_back_after_its_alerts_went_finds_its_instance(database: Database) -> None:
    a_past(database)
    tidy(database, 40 * DAY)
    deliver(database, an_alert("f1", service="a", ends=60), now=40 * DAY)  # the end, once more
    row = ask(database, "SELECT status, alert_count FROM incidents WHERE service = 'a'")[0]
    assert (row["status"], row["alert_count"]) == ("resolved", 1)
    deliver(database, an_alert("f1", service="a", starts=40 * DAY), now=40 * DAY)
    rows = ask(database, "SELECT status, alert_count FROM incidents WHERE service = 'a' ORDER BY number")
    assert [tuple(row.values()) for row in rows] == [("resolved", 1), ("active", 1)]
    check_record_after(database)


def test_a_reopened_incident_is_open_and_keeps_what_it_has(database: Database) -> None:
    a_past(database)
    number = ask(database, "SELECT number FROM incidents WHERE service = 'a'")[0]["number"]
    respond.change_status(database, number, Action.REOPEN, person("U1"), at(100), policy=POLICY)
    assert tidy(database, 40 * DAY)[Part.ALERTS] == 0
    assert services(database, "grafana_alerts") == {"a", "b", "c"}


def test_one_tidies_at_a_time_and_another_goes_on_from_where_it_died(database: Database, db_url: DbUrl) -> None:
    a_past(database)
    first, second = keeper(database, 40 * DAY), keeper(database, 40 * DAY)
    assert first.begin()
    assert first.step()
    assert not second.begin(at_once=True), "the lease is taken"
    left = count(database, "grafana_alerts")
    assert 3 <= left < 14
    database.transact(lambda tx: tx.execute(sql("UPDATE chores SET until_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")))
    assert second.begin()
    with pytest.raises(tidying.LeaseLost):
        first.step()
    assert count(database, "grafana_alerts") == left, "a step without the lease is rolled back"
    while second.step():
        pass
    assert second.removed == {Part.ALERTS: 11, Part.DELIVERIES: 11, Part.BODIES: 2, Part.TIMELINES: 2, Part.DIGESTS: 0}
    assert not first.begin(), "a pass was finished a moment ago"
    check_record_after(database)


def test_a_turn_waits_for_nobody_and_comes_again(database: Database) -> None:
    """A key that a webhook works on is passed over, and its alerts go with the next pass."""
    a_past(database)
    held, done = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        tx.rows(sql("SELECT * FROM incident_keys FOR UPDATE"))
        held.set()
        assert done.wait(30)

    thread = threading.Thread(target=database.transact, args=(work,))
    thread.start()
    try:
        assert held.wait(30)
        assert tidy(database, 40 * DAY)[Part.ALERTS] == 0
    finally:
        done.set()
        thread.join()
    assert tidy(database, 40 * DAY)[Part.ALERTS] == 11


def test_counts_stay_true_while_webhooks_come_in(database: Database) -> None:
    keys = [f"s{number}" for number in range(6)]
    for turn in range(12):
        alerts = [an_alert(f"f{turn}", service=key, starts=turn, ends=turn + 1) for key in keys]
        deliver(database, *(an_alert(f"f{turn}", service=key, starts=turn) for key in keys), now=turn)
        deliver(database, *alerts, now=turn + 1)
    stop = threading.Event()
    errors: list[BaseException] = []
    sent = [0]

    def storm(number: int) -> None:
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                start = 50 * DAY + turn
                some = keys if number else keys[::-1]
                deliver(database, *(an_alert(f"n{number}", service=key, starts=start) for key in some), now=start)
                over = (an_alert(f"n{number}", service=key, starts=start, ends=start + 1) for key in some)
                deliver(database, *over, now=start + 1)
                sent[0] += 2 * len(keys)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    removed = 0
    for _ in range(60):
        one = keeper(database, 50 * DAY, EVERYTHING, rows=7)
        if one.begin(at_once=True):
            try:
                while one.step():
                    pass
                removed += one.removed[Part.ALERTS]
            except Conflict:
                continue
        if removed == 144 and sent[0] > 200:
            break
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    tidy(database, 50 * DAY)
    rows = ask(database, "SELECT SUM(alerts_removed) AS removed, SUM(alert_count) AS there FROM incidents")[0]
    assert rows["removed"] == 144
    assert rows["there"] == count(database, "grafana_alerts")
    check_record_after(database)


def test_an_account_that_may_not_delete_is_named_once_and_the_rest_goes_on(
    database: Database, db_url: DbUrl, server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    a_past(database)
    account = f"narrow_{db_url.name[-8:]}"
    if not _grant(server, db_url, account):
        pytest.skip("the server's account may not make others")
    narrow = open_database(DbUrl(db_url.host, db_url.port, account, "narrow-1-password", db_url.name))
    try:
        with caplog.at_level(logging.WARNING, "db.housekeeping"):
            one = keeper(narrow, 40 * DAY)
            for _ in range(2):
                assert one.begin(at_once=True)
                while one.step():
                    pass
    finally:
        narrow.close()
    assert one.refused == {Part.TIMELINES}
    assert [record.part for record in caplog.records if hasattr(record, "part")] == [Part.TIMELINES]
    assert count(database, "incident_timeline") == 5
    assert services(database, "grafana_alerts") == {"b", "c"}


def _grant(server: TestServer, url: DbUrl, account: str) -> bool:
    """An account that may do everything but remove lines of timelines."""
    root = DbUrl.parse(server.root_url + ("any" if server.root_url.endswith("/") else ""))
    connection = pymysql.connect(
        host=root.host, port=root.port, user=root.user, password=root.password, autocommit=True, ssl_disabled=True
    )
    tables = ("incidents", "incident_keys", "incident_instances", "grafana_alerts", "deliveries", "chores")
    with connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE USER '{account}'@'%' IDENTIFIED BY 'narrow-1-password'")
            cursor.execute(f"GRANT SELECT ON `{url.name}`.* TO '{account}'@'%'")
            for table in tables:
                cursor.execute(f"GRANT INSERT, UPDATE, DELETE ON `{url.name}`.{table} TO '{account}'@'%'")
        except pymysql.err.OperationalError:
            return False
    return True


def test_how_far_a_pass_is_survives_being_written_down() -> None:
    state = Pass(part=Part.BODIES, after=7, removed={Part.ALERTS: 3}, finished_at=None)
    assert Pass.from_json(state.as_json()) == state
    over = state.step(2, None, {Part.BODIES: at(0)}, at(9))
    assert over == Pass(part=None, removed={Part.ALERTS: 3, Part.BODIES: 2}, finished_at=at(9))
    assert Pass.from_json(over.as_json()) == over
    assert Pass.from_json({}) is None
    assert Pass.from_json({"part": "walls", "after": 1, "removed": {}, "finished_at": None}) is None


# What removes timelines says so


TIMELINES = Retention(timelines=timedelta(days=10))


def record_of_removals(database: Database) -> list[tuple[object, ...]]:
    rows = ask(database, "SELECT * FROM audit_removals ORDER BY removal_number")
    names = ("removal_number", "incident_number", "first_number", "last_number", "checkpoint_number")
    return [tuple(row[name] for name in names) for row in rows]


def test_each_timeline_that_goes_is_recorded_and_known_by_its_rule(database: Database) -> None:
    a_past(database)
    tidy(database, 20 * DAY, TIMELINES)
    assert record_of_removals(database) == [(1, 1, 1, 2, 1)]
    report = audit_of(database, retention=TIMELINES)
    assert (report.faults, report.removed) == ([], 2)
    [fault] = audit_of(database).faults
    assert (fault.what, fault.words) == ("removal", "removal 1: the policy keeps timelines for ever")


def test_a_timeline_that_went_twice_is_two_removals(database: Database) -> None:
    a_past(database)
    tidy(database, 20 * DAY, TIMELINES)
    respond.change_status(database, 1, Action.REOPEN, person("U1"), at(21 * DAY), policy=POLICY)
    respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(22 * DAY), policy=POLICY)
    sum_up(database, 26 * DAY)
    tidy(database, 60 * DAY, TIMELINES)
    assert record_of_removals(database) == [(1, 1, 1, 2, 1), (2, 1, 3, 4, 2), (3, 3, 1, 2, 2)]
    sum_up(database, 61 * DAY)
    assert audit_of(database, retention=TIMELINES).faults == []


def test_a_timeline_that_no_old_checkpoint_has_stays(database: Database) -> None:
    """Nothing proves how old it is."""
    a_past(database)
    database.transact(lambda tx: tx.execute(sql("DELETE FROM audit_checkpoints")))
    assert tidy(database, 20 * DAY, TIMELINES)[Part.TIMELINES] == 0
    sum_up(database, 15 * DAY)
    assert tidy(database, 20 * DAY, TIMELINES)[Part.TIMELINES] == 0, "the checkpoint is younger than ten days"
    assert tidy(database, 26 * DAY, TIMELINES)[Part.TIMELINES] == 2


def test_a_timeline_of_which_somebody_took_a_part_stays_to_be_found(database: Database) -> None:
    a_past(database)
    database.transact(lambda tx: tx.execute(sql("DELETE FROM incident_timeline ORDER BY event_id LIMIT 1")))
    assert tidy(database, 20 * DAY, TIMELINES)[Part.TIMELINES] == 0
    assert [fault.what for fault in audit_of(database, retention=TIMELINES).faults] == ["missing"]
