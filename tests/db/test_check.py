"""`db check`: finds every broken promise and nothing else, and repairs what has one right answer, if asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from db.commands import cli
from db.database import Database, Transaction
from db.model.identity import person
from db.model.lifecycle import Action, Notes
from db.model.policy import Policy
from db.transactions import respond
from receiver.sources.stored import read_stored
from tests.conftest import open_database
from tests.db.builders import an_alert, ask, at, check_record, deliver, settings_of, sql
from tests.db.history import Live, hang_cards, past
from tests.db.test_concurrency import CountingDatabase
from tests.db.test_concurrency import test_recoveries_new_alerts_and_clicks_cross as a_busy_day
from tests.servers.database import DbUrl

POLICY = Policy(default_channel="#incidents", reopen_window=timedelta(minutes=5))

Ask = Callable[..., tuple[int, dict[str, dict[str, object]]]]


@pytest.fixture
def check(db_url: DbUrl, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command; its exit status, and the checks that found something."""

    def run(*options: str) -> tuple[int, dict[str, dict[str, object]]]:
        capsys.readouterr()
        code = cli.run(["check", "--json", *options], env=db_url.env(), clock=lambda: at(9), read=read_stored)
        result = json.loads(capsys.readouterr().out)
        return code, {one["name"]: one for one in result["checks"] if one["wrong"]}

    return run


@pytest.fixture
def record(database: Database) -> Database:
    """Three incidents with cards that Slack shows: one over, one firing, one blind."""
    deliver(database, an_alert("f1", service="a"), an_alert("f2", service="a"), now=0)
    deliver(database, an_alert("f1", service="a", ends=5), an_alert("f2", service="a", ends=5), now=5)
    deliver(database, an_alert("f3", service="b"), now=6)
    deliver(database, an_alert("f4", service="c", rule="other"), now=7)
    hang_cards(database)
    return database


def test_a_clean_record_is_clean(record: Database, check: Ask) -> None:
    assert check("--bodies") == (0, {})


def test_a_varied_past_is_clean(database: Database, check: Ask) -> None:
    Live(database, POLICY).play(past(250, 9))
    hang_cards(database)
    assert check("--bodies") == (0, {})


def test_a_record_after_a_busy_day_is_clean(db_url: DbUrl, check: Ask) -> None:
    crowd = CountingDatabase(
        settings_of(db_url), pool_size=64, statement_seconds=10.0, lock_seconds=5, patience_seconds=30.0
    )
    a_busy_day(crowd)
    hang_cards(crowd)
    crowd.close()
    assert check() == (0, {})


REPAIRED = {
    "alert_count": ["UPDATE incidents SET alert_count = alert_count + 7 WHERE service = 'b'"],
    "instance_counts": ["UPDATE incidents SET instances_firing = 5 WHERE service = 'a'"],
    "key_rows": ["DELETE FROM incident_keys WHERE incident_key = RIGHT('INC-b', 16)"],
    "severity_rank": ["UPDATE incidents SET severity_rank = 3 - severity_rank WHERE service = 'b'"],
    "card_wanted": ["DELETE FROM slack_messages WHERE incident_id = 'INC-b'"],
    "card_version": ["UPDATE slack_messages SET wanted_version = 9 WHERE incident_id = 'INC-b'"],
    "is_current": ["UPDATE incident_instances SET is_current = 0 WHERE incident_id = 'INC-b'"],
    "shown_version": ["UPDATE slack_messages SET shown_version = 9 WHERE incident_id = 'INC-b'"],
}
"""What is broken, and has one right answer."""

HELD = (
    "UPDATE slack_messages SET shown_version = 0, ts = NULL, attempts = 2, held_by = {held_by}, due_at = '9999-01-01'"
)
CREATED = "UPDATE slack_messages SET created_at = '2020-01-01'"
DIGEST = (
    "INSERT INTO digests (digest_id, kind, channel, rule, shared, at_least, window_seconds, message_id, since,"
    " began_at, busy_at, scanned_at, refreshed_at, ended_at) SELECT 7, 'storm', '#incidents', 'storm', '{{}}', 3, 60,"
    " MIN(message_id), '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01', {ended}"
    " FROM slack_messages"
)
MEMBERS = (
    "INSERT INTO digest_members (digest_id, incident_id, joined_at) SELECT 7, incident_id, '2020-01-01' FROM incidents"
)

FOR_EVER = {
    "a digest that is over": [DIGEST.format(ended="'2020-01-02'"), MEMBERS, HELD.format(held_by=7)],
    "a digest that is not there": [HELD.format(held_by=8)],
    "nothing": [HELD.format(held_by="NULL")],
}
"""What a card waits for, for ever."""

NOT_REPAIRED = {
    "digest_message": [DIGEST.format(ended="NULL"), "UPDATE digests SET message_id = 4711"],
    "member_digest": [MEMBERS],
    "member_incident": [
        DIGEST.format(ended="NULL"),
        "INSERT INTO digest_members (digest_id, incident_id, joined_at) VALUES (7, 'INC-none', '2020-01-01')",
    ],
    "without_alert": ["UPDATE grafana_alerts SET incident_id = 'INC-c'"
                      " WHERE incident_id = 'INC-b'"],
    "last_transition": ["DELETE FROM incident_timeline WHERE incident_id = 'INC-b'",
                        "UPDATE incidents SET timeline_removed = 1, chain_removed = chain_length"],
    "owner": ["UPDATE incidents SET owner = 'slack:UINNOCENT', acknowledged_time = '2020-01-01' WHERE service = 'b'"],
    "resolved_by": ["UPDATE incidents SET resolved_by = 'slack:UINNOCENT' WHERE service = 'a'"],
    "severity": ["UPDATE incidents SET severity = 'info', severity_rank = 3 WHERE service = 'b'"],
    "notes": ["UPDATE incidents SET root_cause = 'nothing happened' WHERE service = 'a'"],
    "alert_incident": [
        "INSERT INTO grafana_alerts (incident_id, incident_key, delivery_id, received_at, source, kind, state,"
        " rule_uid, alertname, fingerprint, message, labels, annotations, raw_payload)"
        " SELECT 'INC-none', 'none', delivery_id, received_at, source, kind, state, rule_uid,"
        " alertname, fingerprint, message, labels, annotations, raw_payload FROM grafana_alerts LIMIT 1"
    ],
    "alert_delivery": ["DELETE FROM deliveries ORDER BY delivery_id LIMIT 1"],
    "instance_incident": ["UPDATE incident_instances SET incident_id = 'INC-none' WHERE fingerprint = 'f3'"],
    "event_incident": ["UPDATE incident_timeline SET incident_id = 'INC-none' ORDER BY event_id LIMIT 1"],
    "message_incident": ["UPDATE slack_messages SET incident_id = 'INC-none' ORDER BY message_id LIMIT 1"],
    "delivery_alerts": ["DELETE FROM grafana_alerts ORDER BY alert_id DESC LIMIT 1"],
    "delivery_outcome": ["UPDATE deliveries SET outcome = NULL ORDER BY delivery_id LIMIT 1"],
    "behind": ["UPDATE incidents SET last_change_at = '2020-01-01'",
               "UPDATE slack_messages SET shown_version = 0, attempts = 3, created_at = '2020-01-01'"
               " WHERE incident_id = 'INC-b'"],
    "bodies": ["UPDATE deliveries SET body = 'other' ORDER BY delivery_id LIMIT 1"],
}  # fmt: skip
"""What is broken, and only a person can say what is right."""


def spoil(database: Database, statements: list[str]) -> None:
    """Break the record as no transaction of the program does; `INC-b` is the id of the incident of service b."""
    ids = {row["service"]: row["incident_id"] for row in ask(database, "SELECT service, incident_id FROM incidents")}

    def work(tx: Transaction) -> None:
        for statement in ["SET FOREIGN_KEY_CHECKS = 0", *statements, "SET FOREIGN_KEY_CHECKS = 1"]:
            tx.execute(sql(re.sub(r"INC-([abc])\b", lambda found: ids[found[1]], statement)))

    database.transact(work)


@pytest.mark.parametrize("name", REPAIRED)
def test_what_has_one_right_answer_is_found_and_repaired_when_asked(record: Database, check: Ask, name: str) -> None:
    events = len(ask(record, "SELECT 1 FROM incident_timeline"))
    spoil(record, REPAIRED[name])
    for _ in range(2):  # looking changes nothing
        code, found = check()
        assert (code, set(found)) == (1, {name}), found
    code, found = check("--repair")
    assert (code, set(found)) == (0, {name})
    assert found[name]["wrong"] == found[name]["repaired"] == 1
    assert check() == (0, {})
    check_record(record)
    lines = ask(record, "SELECT kind, actor FROM incident_timeline")[events:]
    visible = name in ("alert_count", "instance_counts")
    assert lines == ([{"kind": "repaired", "actor": "observer:check"}] if visible else [])
    if visible:
        assert ask(record, "SELECT 1 FROM slack_messages WHERE behind = 1"), "people will see it"


def test_a_card_that_a_running_digest_holds_may_wait(record: Database, check: Ask) -> None:
    spoil(record, [DIGEST.format(ended="NULL"), MEMBERS, HELD.format(held_by=7), CREATED])
    spoil(record, ["UPDATE incidents SET last_change_at = '2020-01-01', last_seen_at = '2020-01-01'"])
    assert check() == (0, {})


def test_a_digest_that_ended_a_moment_ago_may_still_hold_cards(record: Database, check: Ask) -> None:
    spoil(record, [DIGEST.format(ended="UTC_TIMESTAMP(6)"), MEMBERS, HELD.format(held_by=7)])
    assert check() == (0, {})


@pytest.mark.parametrize("reason", FOR_EVER)
def test_a_card_that_waits_for_ever_is_found_and_posted_when_asked(record: Database, check: Ask, reason: str) -> None:
    spoil(record, FOR_EVER[reason])
    cards = len(ask(record, "SELECT 1 FROM slack_messages"))
    code, found = check()
    assert (code, found["card_held"]["wrong"]) == (1, cards), found
    assert check("--repair")[1]["card_held"]["repaired"] == cards
    assert "card_held" not in check()[1]
    due = "SELECT held_by FROM slack_messages WHERE due_at <= UTC_TIMESTAMP(6) AND held_by IS NULL"
    assert len(ask(record, due)) == cards


@pytest.mark.parametrize("name", NOT_REPAIRED)
def test_what_has_no_right_answer_is_found_and_left_alone(record: Database, check: Ask, name: str) -> None:
    spoil(record, NOT_REPAIRED[name])
    code, found = check("--repair", "--bodies")
    assert code == 1
    assert name in found, found
    assert found[name]["repaired"] == 0
    assert name in check("--bodies")[1], "it is still there"


REWRITTEN = {
    "owner = 'slack:UINNOCENT'": "owner",
    "owner = LOWER(owner)": "owner",
    "owner = NULL": "owner",
    "acknowledged_time = acknowledged_time - INTERVAL 1 SECOND": "owner",
    "resolved_by = 'slack:UINNOCENT'": "resolved_by",
    "resolved_by = NULL": "resolved_by",
    "resolved_time = resolved_time + INTERVAL 1 HOUR": "resolved_by",
    "severity = 'info', severity_rank = 3": "severity",
    "root_cause = 'nothing happened'": "notes",
    "root_cause = CONCAT(root_cause, ' '), action_taken = action_taken": "notes",
    "root_cause = CONCAT(root_cause, LEFT(action_taken, 1)), action_taken = SUBSTRING(action_taken, 2)": "notes",
    "root_cause = NULL, action_taken = NULL": "notes",
}


@pytest.mark.parametrize("what", REWRITTEN)
def test_what_people_did_and_wrote_is_what_the_timeline_says(database: Database, check: Ask, what: str) -> None:
    """Notes come when it is resolved, and once more afterwards; then it is opened again and resolved without any."""
    deliver(database, an_alert("f1"), now=0)

    def act(action: Action, seconds: float, *notes: str) -> None:
        given = Notes(*notes) if notes else None
        respond.change_status(database, 1, action, person("U1"), at(seconds), policy=POLICY, notes=given)

    act(Action.ACKNOWLEDGE, 1)
    act(Action.RESOLVE, 2, "원인 \\ 'x'", "rolled back")
    act(Action.RESOLVE, 3, "a second cause 😀", "")
    act(Action.REOPEN, 4)
    act(Action.ACKNOWLEDGE, 5)
    act(Action.RESOLVE, 6)
    hang_cards(database)
    assert check() == (0, {})
    spoil(database, [f"UPDATE incidents SET {what}"])  # noqa: S608 - ours
    code, found = check("--repair")
    assert (code, set(found)) == (1, {REWRITTEN[what]})


def test_notes_of_incidents_that_are_older_than_their_digests_are_no_finding(database: Database, check: Ask) -> None:
    deliver(database, an_alert("f1", service="a"), now=0)
    deliver(database, an_alert("f1", service="a", ends=5), now=5)
    hang_cards(database)
    spoil(database, ["UPDATE incidents SET root_cause = 'from before'"])
    assert set(check()[1]) == {"notes"}
    spoil(
        database,
        [
            "INSERT INTO audit_origin (one, at, last_event_id, last_unlinked_id, unlinked, removals)"
            " SELECT 1, UTC_TIMESTAMP(6), MAX(event_id), 0, 0, 0 FROM incident_timeline"
        ],
    )
    assert check() == (0, {})


def test_missing_guards_are_found(record: Database, empty_url: DbUrl, capsys: pytest.CaptureFixture[str]) -> None:
    """A dump that was restored without triggers, and a unique key that somebody dropped, with what came of that."""
    other = open_database(empty_url)
    run = partial(cli.run, env=empty_url.env(), clock=lambda: at(9), read=read_stored)
    try:
        assert run(["migrate"]) == 0
        deliver(other, an_alert("f1"), now=0)
        spoil(
            other, ["DROP TRIGGER trg_prevent_duplicate_open_incident", "ALTER TABLE incidents DROP INDEX uq_open_key"]
        )
        columns = ask(
            other,
            "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND table_name = 'incidents' AND column_name NOT IN ('incident_id', 'number', 'open_key')",
        )
        names = ", ".join(row["name"] for row in columns)
        spoil(other, [f"INSERT INTO incidents (incident_id, {names}) SELECT 'INC-2', {names} FROM incidents"])  # noqa: S608
        capsys.readouterr()
        assert run(["check"]) == 1
        shown = capsys.readouterr().out
    finally:
        other.close()
    assert "trigger trg_prevent_duplicate_open_incident is missing" in shown
    assert "unique key uq_open_key is missing" in shown
    assert any(line.split()[0] == "one_open" and line.split()[2] == "1" for line in shown.splitlines() if line)


def test_what_retention_removed_is_no_finding(record: Database, check: Ask) -> None:
    spoil(
        record,
        [
            "UPDATE incidents SET alerts_removed = alert_count WHERE service = 'a'",
            "INSERT INTO audit_removals (removal_number, at, incident_number, first_number, last_number, unlinked)"
            " SELECT 1, UTC_TIMESTAMP(6), number, 1, chain_length, 0 FROM incidents WHERE service = 'a'",
            "DELETE FROM grafana_alerts WHERE incident_id = 'INC-a'",
            "DELETE FROM incident_timeline WHERE incident_id = 'INC-a'",
            "UPDATE deliveries SET body = '', body_encoding = 'removed' ORDER BY delivery_id LIMIT 2",
        ],
    )
    assert check("--bodies") == (0, {})


def test_a_person_reads_a_table(record: Database, db_url: DbUrl, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(record, REPAIRED["alert_count"])
    assert cli.run(["check"], env=db_url.env(), clock=lambda: at(9), read=read_stored) == 1
    shown = capsys.readouterr().out
    assert ": 8, not 1" in shown
    assert shown.endswith("1 rows break a promise.\n")
