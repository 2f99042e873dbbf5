"""A replay into an empty database gives the same incidents, whatever happened, and also after an interruption."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from db.database import Database, Transaction
from db.migrate import migrate
from db.model import stale
from db.model.identity import IncidentId, person
from db.model.lifecycle import Action, Notes
from db.model.policy import Policy
from db.replay.compare import compare
from db.replay.into import Replay
from db.transactions import ingest, reconcile, replaying, respond, telling, vigil
from db.transactions.replaying import Busy, NotEmpty, Progress
from receiver.sources.stored import read_stored
from tests import bodies
from tests.conftest import open_database
from tests.db.builders import a_delivery, an_alert, ask, at, check_record, count, deliver, settings_of, sql
from tests.db.history import Live, hang_cards, past
from tests.servers.database import CHECKOUT, DbUrl

T = TypeVar("T")

POLICY = Policy(default_channel="#incidents", reopen_window=timedelta(minutes=5))


@pytest.fixture
def new(empty_url: DbUrl) -> Iterator[Database]:
    """Another database, empty."""
    opened = open_database(empty_url)
    migrate(opened)
    yield opened
    opened.close()


def silent(progress: Progress, total: int) -> None:
    """Nobody listens."""


def replay(old: Database, new: Database, policy: Policy = POLICY) -> Progress:
    """Tell it anew."""
    return Replay(old, new, policy, read_stored, silent).run()


def same(old: Database, new: Database) -> int:
    """How many incidents there are, which are all the same."""
    compared = compare(old, new)
    assert compared.is_same, (compared.as_json(), compared.examples)
    assert compared.same == count(old, "incidents") == count(new, "incidents")
    for table in ("deliveries", "grafana_alerts", "incident_instances", "incident_timeline"):
        assert count(new, table) == count(old, table), table
    check_record(new)
    return compared.same


def webhook(
    database: Database,
    now: float,
    *alerts: dict[str, object],
    request: bytes | None = None,
    url: str = "https://grafana.example.internal/",
) -> None:
    """A request of Grafana, as it is kept."""
    delivery = a_delivery(bodies.grafana(*alerts, externalURL=url), request, now)
    reading = read_stored("grafana", "application/json", delivery.body)
    ingest.record_delivery(database, delivery, reading, POLICY, at(now))


def two_servers(database: Database) -> None:
    """Two Grafanas with the same rule; the second one recovers before the first, and fires again."""
    eu, us = (f"https://{place}.grafana.example/" for place in ("eu", "us"))
    webhook(database, 0, bodies.alert(starts=-60), url=eu)
    webhook(database, 10, bodies.alert(starts=-30), url=us)
    webhook(database, 20, bodies.alert(starts=-30, ends=15), url=us)
    webhook(database, 30, bodies.alert(starts=-60), url=eu)
    webhook(database, 40, bodies.alert(starts=35), url=us)
    webhook(database, 50, bodies.alert(starts=-60, ends=45), url=eu)


def test_a_replay_tells_servers_apart(database: Database, new: Database) -> None:
    two_servers(database)
    replay(database, new)
    assert same(database, new) == 1
    names = "SELECT fingerprint, state, origin FROM incident_instances ORDER BY origin"
    assert ask(new, names) == ask(database, names)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_replay_gives_the_same_incidents(database: Database, new: Database, seed: int) -> None:
    clicks = Live(database, POLICY, together=seed * 7).play(past(400, seed))
    assert clicks > 5
    progress = replay(database, new)
    assert same(database, new) > 30
    assert progress.told["actions"] == clicks
    assert progress.told["unreadable"] == len(ask(database, "SELECT 1 FROM deliveries WHERE outcome IS NULL"))


def test_what_a_list_kept_from_becoming_stale_is_not_stale_in_a_replay(database: Database, new: Database) -> None:
    """Both are silent for days; a list had the first, before it was stale and after."""
    hour = 3_600.0
    webhook(database, 0, bodies.alert(rule="rule_1"), bodies.alert(rule="rule_2"))
    names = [
        IncidentId(row["incident_id"]) for row in ask(database, "SELECT incident_id FROM incidents ORDER BY number")
    ]
    vigil.heard_of(database, names[:1], stale.OBSERVER, at(20 * hour))
    assert vigil.mark_stale(database, POLICY, at(26 * hour)) == 1
    assert vigil.mark_stale(database, POLICY, at(50 * hour)) == 1
    vigil.heard_of(database, names[:1], stale.OBSERVER, at(51 * hour))
    webhook(database, 52 * hour, bodies.alert(rule="rule_3"))
    replay(database, new)
    assert same(database, new) == 3
    found = ask(new, "SELECT stale_since IS NULL AS heard FROM incidents ORDER BY number")
    assert [row["heard"] for row in found] == [1, 0, 1]


def test_what_people_did_stands_where_the_timeline_has_it_not_where_clocks_say(
    database: Database, new: Database
) -> None:
    """A click that was committed before a request which had come in earlier by the clock."""
    webhook(database, 0, bodies.alert())
    respond.change_status(database, 1, Action.ACKNOWLEDGE, person("U1"), at(20), policy=POLICY)
    webhook(database, 10, bodies.alert(ends=9))
    webhook(database, 11, bodies.alert(starts=500, rule="other"))
    respond.change_status(database, 2, Action.RESOLVE, person("U2"), at(5), policy=POLICY, notes=Notes("cause", "did"))
    replay(database, new)
    assert same(database, new) == 2
    row = ask(new, "SELECT owner, status FROM incidents WHERE number = 1")[0]
    assert tuple(row.values()) == ("slack:U1", "resolved")


def test_notes_come_back_word_for_word(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    for second, (root, action) in enumerate([("a\nb", "c"), ("", "later"), ("more", "")]):
        notes = Notes(root, action)
        respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(10 + second), policy=POLICY, notes=notes)
    replay(database, new)
    assert same(database, new) == 1


def test_a_person_who_may_click_no_more_did_click(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    respond.change_status(database, 1, Action.ACKNOWLEDGE, person("U1"), at(1), policy=POLICY)
    replay(database, new, Policy(reopen_window=timedelta(minutes=5), may_act=frozenset({"U9"})))
    assert ask(new, "SELECT status FROM incidents") == [{"status": "acknowledged"}]


def test_no_card_is_posted_twice(database: Database, new: Database) -> None:
    """Cards of what is over are not told; an open incident keeps the message that hangs in Slack, and shows it anew."""
    for number in range(3):
        webhook(database, number, bodies.alert(rule=f"rule_{number}"))
    webhook(database, 10, bodies.alert(rule="rule_0", ends=9))
    hang_cards(database)
    webhook(database, 20, bodies.alert(rule="rule_3"))  # not posted yet
    replay(database, new)
    rows = ask(
        new,
        "SELECT status, ts, channel_id, behind, post_key FROM slack_messages JOIN incidents USING (incident_id)"
        " ORDER BY number",
    )
    shown = [(row["status"], row["ts"], row["channel_id"], row["behind"]) for row in rows]
    assert shown == [
        ("resolved", "1700000000.000001", "C1", 0),
        ("active", "1700000000.000002", "C1", 1),
        ("active", "1700000000.000003", "C1", 1),
        ("active", None, None, 1),
    ]
    old = ask(database, "SELECT post_key FROM slack_messages ORDER BY message_id")
    same = [row["post_key"] == before["post_key"] for row, before in zip(rows, old, strict=True)]
    assert same == [True, True, True, False], "only what the old record may have posted is taken over"


def test_a_card_that_had_to_move_still_says_where_it_belongs(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    message = telling.claim(database, "w1")
    assert message is not None
    telling.move(database, message, "w1", "#refuge", {"meant_for": "#incidents", "because": "is_archived"}, "")
    moved = telling.claim(database, "w1")
    assert moved is not None
    telling.shown(database, moved, 1, "C2", "1.2")
    assert replay(database, new).told["cards taken over"] == 1
    [card] = ask(new, "SELECT channel, channel_id, ts, content FROM slack_messages")
    assert (card["channel"], card["channel_id"], card["ts"]) == ("#refuge", "C2", "1.2")
    assert json.loads(card["content"]) == {"meant_for": "#incidents", "because": "is_archived"}


def test_reconciliation_knows_afterwards_who_sends(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    senders = [("grafana", "grafana https://a.example 1", "observer"), ("alertmanager", "alertmanager b", "team")]
    reconcile.hear(database, senders)
    replay(database, new)
    assert sorted(reconcile.heard(new)) == sorted(senders)


def test_a_post_whose_outcome_is_unknown_is_looked_for_first(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    database.transact(
        lambda tx: tx.execute(sql("UPDATE slack_messages SET posting_since = '2026-01-01', attempts = 1"))
    )
    replay(database, new)
    assert ask(new, "SELECT posting_since IS NOT NULL AS looks FROM slack_messages") == [{"looks": 1}]


def test_incidents_keep_the_numbers_that_people_know(database: Database, new: Database) -> None:
    for number in range(4):
        webhook(database, number, bodies.alert(rule=f"rule_{number}"))
    for statement in ("UPDATE incidents SET number = number + 40 WHERE number = 4",
                      "UPDATE incidents SET number = number + 20 WHERE number IN (2, 3)"):  # fmt: skip
        database.transact(partial(Transaction.execute, query=sql(statement)))
    progress = replay(database, new)
    numbers = "SELECT number, rule_uid FROM incidents ORDER BY number"
    assert ask(new, numbers) == ask(database, numbers)
    assert progress.told["incidents with their old numbers"] == 4
    webhook(new, 10, bodies.alert(rule="rule_9"))
    assert ask(new, "SELECT number FROM incidents WHERE rule_uid = 'rule_9'") == [{"number": 45}]


def test_a_past_of_many_at_once_is_told_as_it_was_decided(database: Database, new: Database) -> None:
    """Webhooks and clicks of eight threads, whose clocks differ: the order of the locks is the one that counts."""

    def busy(thread: int) -> None:
        dice = random.Random(thread)
        for turn in range(25):
            service = f"s{dice.randrange(3)}"
            shift = dice.random() * 20 + turn
            labels = {"service": service}
            ends = None if dice.random() < 0.5 else shift
            instance = f"pod-{dice.randrange(2)}"
            webhook(database, shift, bodies.alert(starts=turn, ends=ends, labels=labels, instance=instance))
            if dice.random() < 0.4:
                number = dice.randrange(1, 6)
                action = dice.choice(list(Action))
                respond.change_status(database, number, action, person(f"U{thread}"), at(shift), policy=POLICY)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(busy, range(8)))
    replay(database, new)
    assert same(database, new) >= 3


def test_a_removed_body_is_counted_and_named(database: Database, new: Database) -> None:
    for number in range(3):
        webhook(database, number, bodies.alert(rule=f"rule_{number}"))
    database.transact(
        lambda tx: tx.execute(sql("UPDATE deliveries SET body = '', body_encoding = 'removed' WHERE delivery_id = 2"))
    )
    progress = replay(database, new)
    assert progress.told["bodies removed"] == 1
    assert progress.names["bodies removed"] == ["2"]
    assert compare(database, new).missing == 1


def test_a_database_that_holds_something_is_left_alone(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    deliver(new, an_alert())
    with pytest.raises(NotEmpty):
        replay(database, new)
    assert count(new, "deliveries") == 1


def test_a_database_with_another_records_replay_is_left_alone(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    replay(database, new)
    change = sql("UPDATE deliveries SET request_id = REPEAT('x', 16)")
    database.transact(lambda tx: tx.execute(change))
    with pytest.raises(NotEmpty):
        replay(database, new)


def test_two_at_once_do_not_meet(database: Database, new: Database) -> None:
    webhook(database, 0, bodies.alert())
    replaying.begin(new, "somebody else", b"x" * 16)
    with pytest.raises(Busy):
        replay(database, new)


def test_a_replay_that_breaks_off_anywhere_goes_on(database: Database, new: Database, empty_url: DbUrl) -> None:
    """Every write of the new record fails once, after it was committed: nothing is lost, nothing is doubled."""
    Live(database, POLICY, together=5).play(past(60, 5, services=4))
    database.transact(
        lambda tx: tx.execute(sql("UPDATE incidents SET number = number + 1 WHERE number > 2 ORDER BY number DESC"))
    )

    class Broken(Exception):
        pass

    calls = 0
    fail_at = 1

    class Breaking(Database):
        def transact(self, work: Callable[[Transaction], T], **options: Any) -> T:
            nonlocal calls
            calls += 1
            result = super().transact(work, **options)
            if calls == fail_at:
                raise Broken
            return result

    breaking = Breaking(settings_of(empty_url), pool_size=2, statement_seconds=30, lock_seconds=10, patience_seconds=30)
    interruptions = 0
    try:
        while True:
            calls = 0
            fail_at += 1
            new.transact(lambda tx: tx.execute(sql("UPDATE chores SET until_at = '2020-01-01'")))
            try:
                replay(database, breaking)
            except Broken:
                interruptions += 1
                continue
            break
    finally:
        breaking.close()
    assert interruptions > 10
    assert same(database, new) > 5


def test_a_killed_command_goes_on_when_it_is_started_again(database: Database, db_url: DbUrl, empty_url: DbUrl) -> None:
    Live(database, POLICY).play(past(2500, 6))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    target = {f"REPLAY_{name}": value for name, value in empty_url.env().items()}
    policy = CHECKOUT / ".run" / "replay-test.toml"
    policy.parent.mkdir(exist_ok=True)
    policy.write_text('[incidents]\nreopen_window = "5m"\n', "utf-8")
    command = [sys.executable, "-m", "db", "replay", "--into", "--json", "--policy", str(policy)]
    env = {**kept, **db_url.env(), **target, "SLACK_CHANNEL": "#incidents"}
    new = open_database(empty_url)
    migrate(new)
    try:
        first = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and count(new, "deliveries") < 300:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        told = count(new, "deliveries")
        assert 300 <= told < 2500
        new.transact(lambda tx: tx.execute(sql("UPDATE chores SET until_at = '2020-01-01'")))
        second = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False)
        assert second.returncode == 0, second.stdout + second.stderr
        assert same(database, new) > 50
    finally:
        policy.unlink()
        new.close()


def test_other_rules_give_other_incidents_and_people_are_still_with_their_alerts(
    database: Database, new: Database
) -> None:
    """Dev and prod of a service become one incident: what was done to either is done to it."""
    webhook(database, 0, bodies.alert(labels={"phase": "dev"}), bodies.alert(labels={"phase": "prod"}))
    respond.change_status(database, 2, Action.ACKNOWLEDGE, person("U1"), at(1), policy=POLICY)
    progress = replay(database, new, Policy(phase_labels=("environment",)))
    assert ask(new, "SELECT status, alert_count FROM incidents") == [{"status": "acknowledged", "alert_count": 2}]
    assert progress.told["actions"] == 1
    compared = compare(database, new)
    assert (compared.missing, compared.extra) == (2, 1)


def test_an_empty_record_is_told_at_once(database: Database, new: Database) -> None:
    assert replay(database, new).finished
