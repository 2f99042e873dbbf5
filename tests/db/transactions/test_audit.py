"""The audit trail on a real server: written with every change, checked in steps; whatever is done to it is found."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.workers.notary import SETTLED_SECONDS, Notary
from db.database import Database, Transaction
from db.housekeeping import Housekeeper
from db.model.audit import Checkpoint, Fault, Linked, checkpoint_hash, link
from db.model.identity import person
from db.model.incident import Event, EventKind, Status
from db.model.lifecycle import Action, Notes
from db.model.removal import Removal
from db.model.retention import Retention
from db.store import audit as stored
from db.store import removals, timeline
from db.transactions import audit, respond
from db.transactions.audit import Known, write_checkpoint
from tests.db.builders import POLICY, an_alert, ask, at, audit_of, check_record, count, deliver, sql
from tests.servers.database import CHECKOUT, DbUrl

NONE = timedelta(0)
DAY = 86_400


def change(database: Database, text: str, **params: object) -> None:
    """What somebody with the rights to do it does to the record."""

    def work(tx: Transaction) -> None:
        tx.execute(sql(text), params or None)

    database.transact(work, idempotent=True)


def a_story(database: Database, incidents: int = 3) -> None:
    """Incidents with four or five events each, by sources and by people."""
    for number in range(incidents):
        service = f"service-{number}"
        deliver(database, an_alert("f1", service=service))
        deliver(database, an_alert("f2", service=service), now=1)
        respond.change_status(database, number + 1, Action.ACKNOWLEDGE, person("U001"), at(2), policy=POLICY)
        notes = Notes("원인", "rolled back")
        respond.change_status(database, number + 1, Action.RESOLVE, person("U002"), at(3), policy=POLICY, notes=notes)
    respond.change_status(database, 1, Action.REOPEN, person("U" + "X" * 400), at(4), policy=POLICY)


def whats(database: Database, **options: object) -> list[str]:
    return sorted({fault.what for fault in audit_of(database, **options).faults})


def test_every_event_is_linked_and_the_incident_keeps_the_head(database: Database) -> None:
    a_story(database)
    report = audit_of(database)
    assert (report.faults, report.incidents, report.events, report.before_chain) == ([], 3, 13, 0)
    heads = ask(
        database,
        "SELECT incidents.incident_id FROM incidents JOIN incident_timeline ON link = chain_head "
        "AND incident_timeline.incident_id = incidents.incident_id AND chain_number = chain_length",
    )
    assert len(heads) == 3
    check_record(database)


def test_requests_that_share_a_transaction_and_actions_at_once_make_one_chain(database: Database) -> None:
    deliver(database, an_alert("f0"))

    def act(index: int) -> None:
        for turn in range(3):
            deliver(database, an_alert(f"f{index}-{turn}"), now=turn)
            action = Action.ACKNOWLEDGE if (index + turn) % 2 else Action.UNACKNOWLEDGE
            respond.change_status(database, 1, action, person(f"U{index}"), at(turn), policy=POLICY)

    threads = [threading.Thread(target=act, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = audit_of(database, incidents=1, events=2)
    assert (report.faults, report.incidents) == ([], 1)
    assert report.events >= 25
    check_record(database)


@pytest.mark.parametrize(("incidents", "events"), [(1, 1), (2, 3), (500, 5_000)])
def test_the_steps_in_which_chains_are_read_do_not_matter(database: Database, incidents: int, events: int) -> None:
    a_story(database)
    change(database, "DELETE FROM incident_timeline WHERE event_id = 6")
    report = audit_of(database, incidents=incidents, events=events)
    assert (report.incidents, report.events, report.fault_count) == (3, 12, 1)


TAMPERING = {
    "changed": "UPDATE incident_timeline SET actor = 'slack:U003' WHERE event_id = 3",
    "changed time": "UPDATE incident_timeline SET at = at + INTERVAL 1 MICROSECOND WHERE event_id = 1",
    "changed details": "UPDATE incident_timeline SET details = '{}' WHERE event_id = 1",
    "changed kind": "UPDATE incident_timeline SET kind = 'unheard_of' WHERE event_id = 2",
    "missing first": "DELETE FROM incident_timeline WHERE event_id = 1",
    "missing last": "DELETE FROM incident_timeline WHERE event_id = 8",
    "missing all": "DELETE FROM incident_timeline "
    "WHERE incident_id = (SELECT incident_id FROM incidents WHERE number = 2)",
    "inserted": "INSERT INTO incident_timeline (incident_id, at, kind, actor, details) "
    "SELECT incident_id, at, kind, actor, details FROM incident_timeline WHERE event_id = 2",
    "inserted far": "INSERT INTO incident_timeline (incident_id, at, kind, actor, details, chain_number, link) "
    "SELECT incident_id, at, kind, actor, details, 99, link FROM incident_timeline WHERE event_id = 2",
    "reordered": "UPDATE incident_timeline SET event_id = event_id + 1000 WHERE event_id = 2",
    "head": "UPDATE incidents SET chain_head = REPEAT('x', 32) WHERE number = 2",
    "missing by the head": "UPDATE incidents SET chain_length = chain_length + 1 WHERE number = 2",
    "inserted by the head": "UPDATE incidents SET chain_length = chain_length - 1 WHERE number = 2",
    "moved": "UPDATE incident_timeline SET chain_number = 77, incident_id = (SELECT incident_id FROM incidents "
    "WHERE number = 2) WHERE event_id = 3",
}


@pytest.mark.parametrize("name", TAMPERING)
def test_whatever_is_done_to_the_timeline_is_found(database: Database, name: str) -> None:
    a_story(database)
    change(database, TAMPERING[name])
    found = whats(database)
    expected = name.split()[0]
    assert found, name
    if expected != "moved":
        assert expected in found


def test_who_computes_a_chain_anew_is_found_out_by_a_checkpoint(database: Database) -> None:
    a_story(database)
    made = write_checkpoint(database, NONE)
    assert made is not None
    assert (made.number, made.events) == (1, 13)
    good = audit_of(database, anchors=[made.hash.hex()])
    assert good.is_good
    assert (good.checkpoints, good.newest) == (1, made.hash.hex())
    # Somebody takes the last event of an incident away and sets its head back, so that the chain is whole again.
    change(database, "DELETE FROM incident_timeline WHERE event_id = 8")
    change(
        database,
        "UPDATE incidents SET chain_length = chain_length - 1, chain_head = "
        "(SELECT link FROM incident_timeline WHERE event_id = 7) WHERE number = 2",
    )
    [fault] = audit_of(database).faults
    assert (fault.what, "checkpoint 1" in fault.words) == ("missing", True)
    # Without the checkpoint, whose hash was logged, nothing is left to see but the anchor.
    change(database, "DELETE FROM audit_checkpoints")
    report = audit_of(database, anchors=[made.hash.hex().upper()])
    assert (report.faults, report.anchors_missing, report.is_good) == ([], [made.hash.hex()], False)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_checkpoints SET leaves = CONCAT(leaves, REPEAT('x', 44)) WHERE checkpoint_number = 1",
        "UPDATE audit_checkpoints SET at = at + INTERVAL 1 SECOND WHERE checkpoint_number = 2",
        "UPDATE audit_checkpoints SET hash = REPEAT('x', 32) WHERE checkpoint_number = 1",
        "DELETE FROM audit_checkpoints WHERE checkpoint_number = 1",
    ],
)
def test_a_changed_checkpoint_is_found(database: Database, tampering: str) -> None:
    a_story(database)
    while write_checkpoint(database, NONE, most=5) is not None:
        pass
    assert audit_of(database).checkpoints == 3
    change(database, tampering)
    assert "checkpoint" in whats(database)


def test_an_incident_that_is_gone_is_missed_by_the_checkpoint(database: Database) -> None:
    a_story(database)
    write_checkpoint(database, NONE)
    [row] = ask(database, "SELECT incident_id FROM incidents WHERE number = 2")
    for table in ("slack_messages", "incident_timeline", "grafana_alerts", "incident_instances", "incidents"):
        change(database, f"DELETE FROM {table} WHERE incident_id = %(id)s", id=row["incident_id"])  # noqa: S608
    [fault] = audit_of(database).faults
    assert "incident #2, which was there when checkpoint 1 was written, is gone" in fault.words


UNLINKED = (
    "INSERT INTO incident_timeline (event_id, incident_id, at, kind, actor, from_status, to_status, reason, details) "
    "SELECT {id}, incident_id, '2026-01-01', 'resolved', 'slack:UINNOCENT', 'active', 'resolved', '', '{{}}' "
    "FROM incidents WHERE number = 1"
)


@pytest.mark.parametrize("event_id", [0, 5])
def test_an_event_without_a_link_in_front_of_a_chain_was_inserted(database: Database, event_id: int) -> None:
    """Whatever number it takes: one that is free because something was rolled back, or zero."""
    database.transact(lambda tx: tx.execute(sql("ALTER TABLE incident_timeline AUTO_INCREMENT = 10")))
    a_story(database)

    def work(tx: Transaction) -> None:
        tx.execute(sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"))
        tx.execute(sql(UNLINKED.format(id=event_id)))
        tx.execute(sql("SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_AUTO_VALUE_ON_ZERO', '')"))

    database.transact(work)
    [fault] = audit_of(database).faults
    assert (fault.what, fault.event_id) == ("inserted", event_id)


def test_there_are_never_more_events_without_a_link_than_when_they_were_counted(database: Database) -> None:
    a_story(database, 1)
    change(database, "UPDATE incident_timeline SET event_id = event_id + 100")
    for number in (3, 4):
        change(database, UNLINKED.format(id=number))
    change(
        database,
        "INSERT INTO audit_origin (one, at, last_event_id, last_unlinked_id, unlinked, removals) "
        "VALUES (1, UTC_TIMESTAMP(6), 4, 4, 2, 0)",
    )
    report = audit_of(database)
    assert (report.faults, report.before_chain) == ([], 2)
    change(database, UNLINKED.format(id=2))
    [fault] = audit_of(database).faults
    assert (fault.what, fault.words) == (
        "inserted",
        "3 events without a link, and there were 2 before there were chains",
    )


# What is passed off as removed by retention

OF_ONE = "(SELECT incident_id FROM incidents WHERE number = 1)"
TAKE_ALL = [f"DELETE FROM incident_timeline WHERE incident_id = {OF_ONE}"]  # noqa: S608
SAY_SO = [
    "UPDATE incidents SET chain_removed = chain_length, chain_base = chain_head, timeline_removed = 5 WHERE number = 1"
]
BEGIN_ELSEWHERE = [
    "UPDATE incidents SET chain_removed = 5, chain_base = REPEAT('x', 32), timeline_removed = 5 WHERE number = 1"
]


def insert_linked(database: Database, text: str) -> None:
    """Somebody links an event of his to what the chain of incident 1 now begins with; head and length match."""
    [row] = ask(database, "SELECT * FROM incidents WHERE number = 1")
    event = Event(
        incident_id=row["incident_id"], at=at(60), kind=EventKind.RESOLVED, actor=person(text),
        from_status=Status.RESOLVED, to_status=Status.RESOLVED,
    )  # fmt: skip
    number = row["chain_removed"] + 1
    head = link(row["chain_base"], event, number)

    def work(tx: Transaction) -> None:
        timeline.append(tx, [Linked(event, number, head)])
        tx.execute(
            sql("UPDATE incidents SET chain_head = %(head)s, chain_length = %(n)s WHERE number = 1"),
            {"head": head, "n": number},
        )

    database.transact(work)


@pytest.mark.parametrize("days", [0, 30])
@pytest.mark.parametrize("way", ["all", "all and another end", "the first"])
def test_a_timeline_that_somebody_erased_is_not_believed_to_be_removed_by_retention(
    database: Database, way: str, days: int
) -> None:
    """Whether there is a rule for timelines or not."""
    a_story(database)
    made = write_checkpoint(database, NONE)
    assert made is not None
    if way == "the first":
        change(
            database,
            "UPDATE incidents SET chain_removed = 1, "
            "chain_base = (SELECT link FROM incident_timeline WHERE event_id = 1) WHERE number = 1",
        )
        change(database, "DELETE FROM incident_timeline WHERE event_id = 1")
    else:
        for text in [*TAKE_ALL, *(SAY_SO if way == "all" else BEGIN_ELSEWHERE)]:
            change(database, text)
    if way == "all and another end":
        insert_linked(database, "UINNOCENT")
    retention = Retention(timelines=timedelta(days=days))
    report = audit_of(database, anchors=[made.hash.hex()], retention=retention)
    assert not report.is_good
    assert "removal" in {fault.what for fault in report.faults}
    assert audit_of(database, retention=retention, incidents=1, events=1).fault_count == report.fault_count


def forge_removal(database: Database, **other: object) -> None:
    """Somebody with all rights records a removal as retention would, linked as it has to be."""
    [row] = ask(database, "SELECT * FROM incidents WHERE number = 1")
    removal = Removal(
        number=0, at=at(40 * DAY), before=at(10 * DAY), incident=1, first=1, last=row["chain_length"],
        link=row["chain_head"], checkpoint=1,
    )  # fmt: skip
    database.transact(lambda tx: removals.add(tx, [replace(removal, **other)]))  # type: ignore[arg-type]


FORGED: dict[str, dict[str, object]] = {
    "younger than the rule wants": {"before": at(DAY)},
    "nothing younger than a day": {"at": at(10 * DAY + 60)},
    "does not have the event": {"checkpoint": 7},
    "events 5 to 5 are gone, and no record": {"last": 4},
    "does not have the event that it says": {"last": 6},
    "goes on from another link": {"link": bytes(32)},
    "events 1 to 1 are gone, and no record": {"first": 2},
}


@pytest.mark.parametrize("words", FORGED)
def test_a_forged_record_of_a_removal_has_to_prove_the_age(database: Database, words: str) -> None:
    """The checkpoint that it names is in the log that is kept elsewhere."""
    a_story(database)
    made = write_checkpoint(database, NONE, at=at(5 * DAY))
    assert made is not None
    forge_removal(database, **FORGED[words])
    for text in (*TAKE_ALL, *SAY_SO):
        change(database, text)
    report = audit_of(database, anchors=[made.hash.hex()], retention=Retention(timelines=timedelta(days=30)))
    assert [fault.words for fault in report.faults if words in fault.words], report.faults


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM audit_removals WHERE removal_number = 2",
        "DELETE FROM audit_removals WHERE removal_number = 1",
        "DELETE FROM audit_removals",
        "UPDATE audit_removals SET before_at = before_at - INTERVAL 1 DAY WHERE removal_number = 1",
        "UPDATE audit_removals SET hash = NULL WHERE removal_number = 2",
        "INSERT INTO audit_origin (one, at, last_event_id, last_unlinked_id, unlinked, removals) "
        "VALUES (1, UTC_TIMESTAMP(6), 99, 99, 9, 9)",
    ],
)
def test_a_record_of_removals_that_was_changed_is_found_by_the_checkpoint(database: Database, tampering: str) -> None:
    a_story(database)
    rule = Retention(timelines=timedelta(days=10))
    respond.change_status(database, 1, Action.RESOLVE, person("U001"), at(9), policy=POLICY)
    write_checkpoint(database, NONE, at=at(DAY))
    keeper = Housekeeper(database, rule, lambda: at(20 * DAY))
    assert keeper.begin(at_once=True)
    while keeper.step():
        pass
    made = write_checkpoint(database, NONE, at=at(21 * DAY))
    assert made is not None, "a checkpoint is written for removals, too"
    assert (made.events, count(database, "audit_removals")) == (0, 3)
    assert audit_of(database, retention=rule).is_good
    change(database, tampering)
    assert "removal" in whats(database, retention=rule)


def test_a_checkpoint_is_due_when_time_has_passed(database: Database) -> None:
    hour = timedelta(hours=1)
    assert write_checkpoint(database, NONE) is None, "nothing has happened yet"
    a_story(database, 1)
    assert write_checkpoint(database, hour, at=at(60)) is not None
    deliver(database, an_alert("f9", service="service-0"), now=65)
    assert write_checkpoint(database, hour, at=at(120)) is None, "not due"
    made = write_checkpoint(database, hour, at=at(3_661))
    assert made is not None
    assert made.events == 1
    assert write_checkpoint(database, NONE, at=at(3_662)) is None, "nothing is new"
    made = write_checkpoint(database, hour, at=at(7_300))
    assert made is not None, "that nothing is new is known, too"
    assert (made.events, audit_of(database).faults) == (0, [])


def test_a_backlog_is_covered_without_a_pause_whatever_is_in_it(database: Database) -> None:
    """The first events are from before there were chains."""
    change(database, "ALTER TABLE incident_timeline AUTO_INCREMENT = 10")
    a_story(database)
    for number in (3, 4, 5):
        change(database, UNLINKED.format(id=number))
    made = [write_checkpoint(database, timedelta(hours=1), most=2, at=at(60 + turn)) for turn in range(12)]
    assert [one.to_event_id for one in made if one is not None] == [4, 10, 12, 14, 16, 18, 20, 22]


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_event_waits_for_a_checkpoint_until_none_can_come_before_it(database: Database) -> None:
    """It counts when it was seen, not what time somebody wrote into it."""
    watch = Watch()
    notary = Notary(database, timedelta(microseconds=1), watch)
    covered = "SELECT COALESCE(MAX(to_event_id), 0) AS upto FROM audit_checkpoints"
    a_story(database, 1)
    [newest] = ask(database, "SELECT MAX(event_id) AS id FROM incident_timeline")
    notary.turn()
    assert ask(database, covered) == [{"upto": 0}]
    watch.now += SETTLED_SECONDS - 1
    deliver(database, an_alert("f9", service="service-0"), now=5)
    notary.turn()
    assert ask(database, covered) == [{"upto": 0}]
    watch.now += 1
    notary.turn()
    assert ask(database, covered) == [{"upto": newest["id"]}]
    watch.now += SETTLED_SECONDS
    notary.turn()
    assert ask(database, covered) == [{"upto": newest["id"] + 1}]
    assert audit_of(database).is_good


# What somebody does to stop checkpoints


def plant(database: Database, **other: object) -> None:
    """A checkpoint as the application's account can write it: with the right hash, after the newest one."""
    [row] = ask(database, "SELECT * FROM audit_checkpoints ORDER BY checkpoint_number DESC LIMIT 1")
    made = Checkpoint(
        number=row["checkpoint_number"] + 1, at=row["at"], to_event_id=row["to_event_id"], events=0,
        leaves=row["leaves"], previous=row["hash"], hash=b"",
    )  # fmt: skip
    made = replace(made, **other)  # type: ignore[arg-type]
    database.transact(lambda tx: stored.add_checkpoint(tx, replace(made, hash=made.hash or checkpoint_hash(made))))


LAST = 2**64 - 1
PLANTED: dict[str, dict[str, object]] = {
    "covers events that there never were": {"to_event_id": LAST},
    "are not there": {"to_event_id": LAST, "number": 2**32 - 1},
    "its hash does not fit its contents": {"hash": b"x" * 32},
    "does not follow from the one before": {"previous": b"x" * 32, "to_event_id": LAST},
    "covers less than the one before": {"to_event_id": 1},
    "leaves event_id": {"events": 99},
}


@pytest.mark.parametrize("words", PLANTED)
@pytest.mark.parametrize("remembers", [True, False])
def test_a_checkpoint_that_somebody_planted_is_named_and_stops_no_other(
    database: Database, words: str, remembers: bool
) -> None:
    """Whether the process saw it come, or was started afterwards."""
    known = Known()
    a_story(database)
    write_checkpoint(database, NONE, known=known)
    deliver(database, an_alert("f9", service="service-0"), now=5)
    other = dict(PLANTED[words])
    if words == "leaves event_id":  # the one that came since
        other["to_event_id"] = ask(database, "SELECT MAX(event_id) AS id FROM incident_timeline")[0]["id"]
    plant(database, **other)
    for turn in range(3):
        made = write_checkpoint(database, NONE, known=known if remembers else None)
        [newest] = ask(database, "SELECT MAX(event_id) AS id FROM incident_timeline")
        assert made is not None, turn
        assert made.to_event_id == newest["id"]
        anchor = made.hash.hex()
        deliver(database, an_alert(f"g{turn}", service="service-0"), now=6 + turn)
    report = audit_of(database, anchors=[anchor])
    [fault] = report.faults
    assert fault.what == "checkpoint"
    assert words in fault.words
    assert report.newest == anchor, "the chain goes on without it"


def test_a_checkpoint_of_a_time_to_come_delays_no_other_and_is_named(database: Database) -> None:
    a_story(database)
    hour = timedelta(hours=1)
    write_checkpoint(database, hour)
    [row] = ask(database, "SELECT at FROM audit_checkpoints")
    plant(database, at=row["at"] + timedelta(days=400))
    deliver(database, an_alert("f9", service="service-0"), now=5)
    made = write_checkpoint(database, hour)
    assert made is not None
    assert made.events == 1
    assert write_checkpoint(database, hour) is None
    now = made.at
    words = [(fault.what, fault.words.split(" UTC, ")[1]) for fault in audit_of(database, now=now).faults]
    assert words == [("clock", "is still to come"), ("clock", "is before that of checkpoint 2")]


def test_a_clock_that_is_ahead_delays_no_checkpoint_and_is_named(database: Database) -> None:
    a_story(database, 1)
    respond.change_status(database, 1, Action.ACKNOWLEDGE, person("U001"), at(DAY), policy=POLICY)
    respond.change_status(database, 1, Action.RESOLVE, person("U001"), at(9), policy=POLICY)
    made = write_checkpoint(database, NONE)
    assert made is not None
    assert made.events == 7
    assert audit_of(database).is_good, "once that time has come"
    [row] = ask(database, "SELECT event_id FROM incident_timeline WHERE chain_number = 6")
    faults = [fault for fault in audit_of(database, now=at(60)).faults if fault.incident]
    assert [(fault.what, fault.number, fault.event_id) for fault in faults] == [("clock", 6, row["event_id"])]


def test_events_that_go_on_without_a_checkpoint_are_told(database: Database) -> None:
    a_story(database, 1)
    deliver(database, an_alert("g0", service="service-0"), now=4 * 3600)
    assert audit_of(database).is_good, "a record that was told anew has no checkpoint yet"
    write_checkpoint(database, NONE)
    for hours in (1, 2):
        deliver(database, an_alert(f"g{hours}", service="service-0"), now=hours * 3600)
    assert audit_of(database).is_good
    deliver(database, an_alert("g4", service="service-0"), now=4 * 3600)
    assert [fault.words for fault in audit_of(database).faults] == [
        "3 events since 2026-11-20 09:00 UTC are in no checkpoint"
    ]
    assert audit_of(database, every=timedelta(hours=2)).is_good


def test_a_checkpoint_of_somebody_else_is_named_in_the_log_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    notary = Notary(database, timedelta(microseconds=1), Watch())
    notary.turn()
    plant(database, to_event_id=LAST)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            notary.turn()
    assert [(vars(one)["checkpoint"], vars(one)["reason"]) for one in caplog.records] == [
        (2, "it covers events that there never were")
    ]


def test_of_several_replicas_one_writes_the_checkpoint(database: Database) -> None:
    a_story(database, 1)
    made: list[object] = []
    threads = [threading.Thread(target=lambda: made.append(write_checkpoint(database, NONE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in made) == 1
    assert audit_of(database).is_good


def test_a_chain_that_grows_while_it_is_read_is_no_fault(database: Database) -> None:
    a_story(database, 1)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            deliver(database, an_alert(f"g{number}", service="service-0"), now=10 + number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [audit_of(database, events=3) for _ in range(10)]
    finally:
        stop.set()
        writer.join()
    assert [report.faults for report in reports] == [[]] * 10


# The command


def run(url: DbUrl, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "db", "verify-audit", *arguments],
        cwd=CHECKOUT, env={**kept, **url.env()}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_says_what_it_found(database: Database, db_url: DbUrl) -> None:
    a_story(database)
    made = write_checkpoint(database, NONE)
    assert made is not None
    done = run(db_url, "--anchor", made.hash.hex())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "3 incidents, 13 events, 1 checkpoints"
    assert done.stdout.splitlines()[-1] == "The audit trail is whole."
    change(database, "UPDATE incident_timeline SET reason = 'x' WHERE event_id = 2")
    done = run(db_url, "--json", "--anchor", "ab")
    said = json.loads(done.stdout)
    assert (done.returncode, said["good"], said["anchors_missing"]) == (1, False, ["ab"])
    [fault] = [Fault(**fault) for fault in said["faults"]]
    assert (fault.event_id, fault.number, fault.what) == (2, 2, "changed")
    assert "changed: INC-" in run(db_url).stdout


def test_the_command_reads_the_rule_by_which_timelines_go(database: Database, db_url: DbUrl, tmp_path: Path) -> None:
    a_story(database)
    write_checkpoint(database, NONE, at=at(DAY))
    keeper = Housekeeper(database, Retention(timelines=timedelta(days=2)), lambda: at(4 * DAY))
    assert keeper.begin(at_once=True)
    while keeper.step():
        pass
    policy = tmp_path / "observer.toml"
    policy.write_text('[retention]\ntimelines = "2d"\n', "utf-8")
    assert "the policy keeps timelines for ever" in run(db_url).stdout
    assert "the policy keeps timelines for ever" in run(db_url, "--no-retention").stdout
    assert "removal" not in run(db_url, "--policy", str(policy)).stdout


def test_a_list_of_faults_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    a_story(database)
    change(database, "UPDATE incident_timeline SET reason = 'x'")
    monkeypatch.setattr(audit, "MOST_FAULTS", 5)
    report = audit_of(database)
    assert (len(report.faults), report.fault_count) == (5, 13)
