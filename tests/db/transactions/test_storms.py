"""Storms and groups in a real database: when a digest begins, whom it takes in, which cards wait, and how it ends."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from db.database import Database
from db.model.identity import IncidentId, person
from db.model.incident import Severity, Status
from db.model.lifecycle import Action
from db.model.message import Message, MessageKind, Step
from db.model.policy import Policy
from db.model.sections import Matcher
from db.model.storm import EVERYTHING, DigestKind, GroupRule, StormPolicy, group_key
from db.transactions import bulk, respond, storms, telling
from tests.db.builders import an_alert, ask, at, check_record, deliver, sql

STORM = StormPolicy(incidents=3, window=timedelta(minutes=1), calm=timedelta(minutes=2))
POLICY = Policy(default_channel="#incidents", storm=STORM)
SAME_CLUSTER = GroupRule(name="groups[0]", match=Matcher(()), by=("cluster",), at_least=3)
GROUPS = Policy(default_channel="#incidents", storm=StormPolicy(incidents=1000), groups=(SAME_CLUSTER,))


def fire(database: Database, *services: str, severity: str = "warning", policy: Policy = POLICY) -> None:
    """A new incident of each of these services."""
    for service in services:
        deliver(
            database, an_alert(f"f-{service}", service=service, labels={"severity": severity}), policy=policy
        )  # fmt: skip


def recover(database: Database, *services: str, policy: Policy = POLICY) -> None:
    """Each of them is resolved by its source."""
    for service in services:
        labels = {"severity": "warning"}
        deliver(database, an_alert(f"f-{service}", service=service, labels=labels, ends=60), now=61, policy=policy)


def services(count: int, first: int = 0) -> list[str]:
    return [f"s{number:04d}" for number in range(first, first + count)]


def change(database: Database, text: str) -> None:
    database.transact(lambda tx: tx.execute(sql(text)))


def pass_time(database: Database, seconds: int) -> None:
    """Let everything have happened earlier, by the clock of the database."""
    change(database, f"UPDATE slack_messages SET queued_at = queued_at - INTERVAL {seconds:d} SECOND")  # noqa: S608
    columns = ("since", "began_at", "busy_at", "scanned_at", "refreshed_at")
    moved = ", ".join(f"{name} = {name} - INTERVAL {seconds} SECOND" for name in columns)
    change(database, f"UPDATE digests SET {moved}")  # noqa: S608 - columns of ours


def post(database: Database, message: Message, ts: str = "") -> None:
    telling.shown(database, message, message.wanted_version, "C1", ts or f"1.{message.message_id}", pause=0)


def claim_all(database: Database) -> list[Message]:
    """Everything that may go out now, as a worker with no pace to keep would send it."""
    sent = []
    while (message := telling.claim(database, "w1")) is not None:
        post(database, message)
        sent.append(message)
    return sent


def held(database: Database) -> int:
    return int(ask(database, "SELECT COUNT(*) AS n FROM slack_messages WHERE held_by IS NOT NULL")[0]["n"])


def digests(database: Database) -> int:
    return int(ask(database, "SELECT COUNT(*) AS n FROM digests")[0]["n"])


# -- a storm begins


def test_as_many_as_the_policy_allows_are_no_storm(database: Database) -> None:
    fire(database, *services(3))
    assert storms.look(database, POLICY) == storms.Look(0)
    assert [message.kind for message in claim_all(database)] == [MessageKind.CARD] * 3


def test_one_more_is_a_storm_and_a_digest_takes_the_place_of_the_cards(database: Database) -> None:
    fire(database, *services(4))
    found = storms.look(database, POLICY)
    assert (found.running, len(found.began), found.to_tell) == (1, 1, True)
    assert [message.kind for message in claim_all(database)] == [MessageKind.DIGEST]
    assert held(database) == 4
    assert telling.backlog(database) == (0, None), "nobody has to worry about what is shown elsewhere"
    check_record(database)


def test_critical_incidents_have_their_own_card_at_once_and_are_counted_all_the_same(database: Database) -> None:
    fire(database, *services(4))
    fire(database, "db", severity="critical")
    storms.look(database, POLICY)
    sent = claim_all(database)
    assert sorted(message.kind for message in sent) == [MessageKind.CARD, MessageKind.DIGEST]
    assert all(message.priority == 0 for message in sent)
    shown = storms.overview(database, 1)
    assert shown is not None
    assert (shown.whole.total, shown.own_cards, shown.whole.severities[Severity.CRITICAL]) == (5, 1, 1)


def test_what_arrives_during_the_storm_is_taken_in(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    claim_all(database)
    fire(database, *services(30, first=100))
    pass_time(database, 3)
    storms.look(database, POLICY)
    (edit,) = claim_all(database)
    assert (edit.kind, edit.step) == (MessageKind.DIGEST, Step.EDIT)
    assert held(database) == 34
    assert digests(database) == 1


def test_a_card_that_was_asked_for_after_the_last_look_does_not_slip_through(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    fire(database, *services(4, first=20))
    fire(database, "db", severity="critical")
    assert sorted((message.kind, message.priority) for message in claim_all(database)) == [
        (MessageKind.CARD, 0),
        (MessageKind.DIGEST, 0),
    ]


def test_cards_that_hang_there_already_stay_and_are_edited(database: Database) -> None:
    fire(database, *services(3))
    claim_all(database)
    fire(database, *services(3, first=10))
    storms.look(database, POLICY)
    claim_all(database)
    assert held(database) == 3
    first = IncidentId(ask(database, "SELECT incident_id FROM incidents ORDER BY number LIMIT 1")[0]["incident_id"])
    respond.change_status(database, first, Action.ACKNOWLEDGE, person("U1"), at(10), policy=POLICY)
    (edit,) = claim_all(database)
    assert (edit.incident_id, edit.step) == (first, Step.EDIT)


def test_other_channels_are_not_touched(database: Database) -> None:
    fire(database, *services(4))
    elsewhere = Policy(default_channel="#other", storm=STORM)
    fire(database, "quiet", policy=elsewhere)
    storms.look(database, POLICY)
    assert sorted((message.kind, message.channel) for message in claim_all(database)) == [
        (MessageKind.CARD, "#other"),
        (MessageKind.DIGEST, "#incidents"),
    ]


def test_a_storm_that_is_switched_off_is_none(database: Database) -> None:
    fire(database, *services(20))
    storms.look(database, Policy(default_channel="#incidents", storm=StormPolicy(enabled=False)))
    assert digests(database) == 0


def test_a_post_that_may_have_happened_is_looked_for_also_in_a_storm(database: Database) -> None:
    fire(database, "first")
    begun = telling.claim(database, "w1", lease_seconds=0.01)
    assert begun is not None
    fire(database, *services(5))
    storms.look(database, POLICY)
    assert held(database) == 5, "the one that was begun is not held"
    telling.unclear(database, begun, "w1", "timeout", 0)
    message = telling.claim(database, "w2", settle_seconds=0)
    while message is not None and message.message_id != begun.message_id:
        post(database, message)
        message = telling.claim(database, "w2", settle_seconds=0)
    assert message is not None
    assert message.step is Step.LOOK
    telling.not_sent(database, message, "w2", "not found in history", 0)
    storms.look(database, POLICY)
    assert held(database) == 6, "it was not posted after all: now it waits too"


def test_an_incident_that_becomes_critical_gets_its_card(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    claim_all(database)
    deliver(database, an_alert("worse", service="s0001", labels={"severity": "critical"}), now=5)
    storms.look(database, POLICY)
    assert MessageKind.CARD in {message.kind for message in claim_all(database)}
    assert held(database) == 3


# -- a storm ends


def test_it_ends_when_the_rate_was_kept_for_long_enough_and_the_worst_open_ones_get_cards(database: Database) -> None:
    fire(database, *services(4))
    fire(database, "bad", severity="high")
    fire(database, "fine")
    storms.look(database, POLICY)
    claim_all(database)
    recover(database, "fine")
    pass_time(database, 70)
    assert storms.look(database, POLICY).ended == ()
    pass_time(database, 60)
    (ended,) = storms.look(database, POLICY).ended
    assert ended.digest_id == 1
    sent = claim_all(database)
    cards = [message for message in sent if message.kind is MessageKind.CARD]
    assert [message.priority for message in cards] == [1], "the digest stays the face of the others"
    assert [message.kind for message in sent].count(MessageKind.DIGEST) == 1
    assert held(database) == 4, "what was resolved meanwhile waits for nothing"
    shown = storms.overview(database, 1)
    assert shown is not None
    assert shown.digest.is_over
    storms.look(database, POLICY)
    assert claim_all(database) == []
    check_record(database)


def end(database: Database, policy: Policy = POLICY) -> None:
    """Let the storm be over."""
    pass_time(database, 130)
    assert len(storms.look(database, policy).ended) == 1


def test_ten_cards_at_most_follow_a_storm_and_none_for_what_somebody_works_on(database: Database) -> None:
    policy = replace(POLICY, storm=replace(STORM, own_card=frozenset()))
    fire(database, *services(9), severity="high", policy=policy)
    fire(database, *services(9, first=20), severity="critical", policy=policy)
    fire(database, *services(30, first=40), policy=policy)
    storms.look(database, policy)
    claim_all(database)
    numbered = ask(database, "SELECT incident_id FROM incidents ORDER BY number")
    for number in (1, 10):
        name = IncidentId(numbered[number - 1]["incident_id"])
        respond.change_status(database, name, Action.ACKNOWLEDGE, person("U1"), at(50), policy=policy)
    end(database, policy)
    cards = [message for message in claim_all(database) if message.kind is MessageKind.CARD]
    assert [message.priority for message in cards] == [0] * 8 + [1] * 2
    for _ in range(3):
        pass_time(database, 60)
        storms.look(database, policy)
        assert claim_all(database) == [], "there is no second ten"
    assert held(database) == 38


def test_after_the_storm_the_digest_follows_those_that_have_no_card_until_none_is_open(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    claim_all(database)
    end(database)
    claim_all(database)
    for left in (2, 0):
        recover(database, *services(2, first=left))
        pass_time(database, 10)
        storms.look(database, POLICY)
        (edited,) = claim_all(database)
        assert (edited.kind, edited.step) == (MessageKind.DIGEST, Step.EDIT)
        shown = storms.overview(database, 1)
        assert shown is not None
        assert (shown.whole.open, shown.version) == (left, edited.wanted_version)
    assert held(database) == 0
    pass_time(database, 1000)
    assert not storms.look(database, POLICY).to_tell


def test_after_the_storm_one_that_becomes_critical_gets_its_card(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    end(database)
    claim_all(database)
    deliver(database, an_alert("worse", service="s0001", labels={"severity": "critical"}), now=5)
    pass_time(database, 10)
    storms.look(database, POLICY)
    assert MessageKind.CARD in {message.kind for message in claim_all(database)}


def test_one_that_got_no_card_and_is_reopened_gets_one(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    claim_all(database)
    recover(database, *services(4))
    pass_time(database, 130)
    storms.look(database, POLICY)
    claim_all(database)
    first = ask(database, "SELECT incident_id FROM incidents ORDER BY number LIMIT 1")[0]["incident_id"]
    respond.change_status(database, IncidentId(first), Action.REOPEN, person("U1"), at(100), policy=POLICY)
    (card,) = claim_all(database)
    assert (card.kind, card.step, card.incident_id) == (MessageKind.CARD, Step.POST, first)


def test_a_storm_goes_on_while_the_rate_is_exceeded_again_and_again(database: Database) -> None:
    for wave in range(5):
        fire(database, *services(5, first=wave * 10))
        found = storms.look(database, POLICY)
        assert found.running == 1
        pass_time(database, 100)
    assert digests(database) == 1
    assert held(database) == 25


def test_a_second_storm_is_another_digest(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    pass_time(database, 130)
    storms.look(database, POLICY)
    fire(database, *services(4, first=50))
    storms.look(database, POLICY)
    assert digests(database) == 2
    assert ask(database, "SELECT held_by, COUNT(*) AS n FROM slack_messages WHERE held_by > 0 GROUP BY held_by") == [
        {"held_by": 1, "n": 4},
        {"held_by": 2, "n": 4},
    ]


def test_what_a_replica_left_held_when_it_died_is_released_by_the_next_look(database: Database) -> None:
    fire(database, *services(4))
    storms.look(database, POLICY)
    change(database, "UPDATE digests SET ended_at = UTC_TIMESTAMP(6), open_key = NULL")
    recover(database, *services(4))
    pass_time(database, 10)
    storms.look(database, POLICY)
    assert held(database) == 0


def test_many_replicas_make_one_digest(database: Database) -> None:
    fire(database, *services(40))
    start = threading.Barrier(6)
    failures: list[BaseException] = []

    def replica() -> None:
        start.wait()
        try:
            for _ in range(5):
                storms.look(database, POLICY)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=replica) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert digests(database) == 1
    assert held(database) == 40
    assert ask(database, "SELECT COUNT(*) AS n FROM digest_members") == [{"n": 40}]
    assert ask(database, "SELECT COUNT(*) AS n FROM slack_messages WHERE kind = 'digest'") == [{"n": 1}]


def test_storms_and_deliveries_at_the_same_time_lose_nothing(database: Database) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def watch() -> None:
        try:
            while not stop.is_set():
                storms.look(database, POLICY)
        except BaseException as error:
            failures.append(error)

    def send(first: int) -> None:
        try:
            for number in range(first, first + 25):
                pairs = [an_alert(f"{number}-{k}", service=f"s{number % 40}-{k}") for k in range(3)]
                deliver(database, *pairs, now=number, policy=POLICY)
        except BaseException as error:
            failures.append(error)

    watcher = threading.Thread(target=watch)
    senders = [threading.Thread(target=send, args=(first,)) for first in (0, 25, 50)]
    for thread in (watcher, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    stop.set()
    watcher.join()
    assert failures == []
    while storms.look(database, POLICY).more:
        pass
    assert ask(database, "SELECT COUNT(*) AS n FROM digest_members") == [{"n": 120}]
    check_record(database)


# -- groups of related incidents


def test_open_incidents_that_share_a_value_become_one_group(database: Database) -> None:
    fire(database, "a", "b", policy=GROUPS)
    assert storms.look(database, GROUPS).began == ()
    fire(database, "c", policy=GROUPS)
    (group,) = storms.look(database, GROUPS).began
    assert (group.kind, group.shared, group.rule) == (DigestKind.RELATED, {"cluster": "prod-eu-1"}, "groups[0]")
    assert [message.kind for message in claim_all(database)] == [MessageKind.DIGEST]
    fire(database, "d", policy=GROUPS)
    storms.look(database, GROUPS)
    assert held(database) == 4
    check_record(database)


def test_members_that_have_a_card_keep_it_and_it_names_the_group(database: Database) -> None:
    fire(database, "a", "b", policy=GROUPS)
    claim_all(database)
    fire(database, "c", policy=GROUPS)
    storms.look(database, GROUPS)
    claim_all(database)
    storms.look(database, GROUPS)
    edits = claim_all(database)
    assert [(message.kind, message.step) for message in edits] == [(MessageKind.CARD, Step.EDIT)] * 2
    for message in edits:
        assert message.incident_id is not None
        card = storms.read_card(database, message.incident_id, POLICY)
        assert card is not None
        assert card[1] is not None
    pass_time(database, 3)
    storms.look(database, GROUPS)
    assert claim_all(database) == [], "they were told once"


def test_a_group_is_over_when_all_its_members_are_resolved(database: Database) -> None:
    fire(database, "a", "b", "c", policy=GROUPS)
    storms.look(database, GROUPS)
    recover(database, "a", "b", policy=GROUPS)
    pass_time(database, 3)
    assert storms.look(database, GROUPS).ended == ()
    recover(database, "c", policy=GROUPS)
    pass_time(database, 3)
    assert len(storms.look(database, GROUPS).ended) == 1
    assert [message.kind for message in claim_all(database)] == [MessageKind.DIGEST]
    assert held(database) == 0


def test_a_group_takes_nobody_in_after_a_quiet_window_and_another_may_begin(database: Database) -> None:
    fire(database, "a", "b", "c", policy=GROUPS)
    storms.look(database, GROUPS)
    pass_time(database, 601)
    fire(database, "d", policy=GROUPS)
    storms.look(database, GROUPS)
    assert held(database) == 3, "the late one has its own card"
    fire(database, "e", "f", policy=GROUPS)
    storms.look(database, GROUPS)
    assert digests(database) == 2


def test_critical_members_have_their_own_card(database: Database) -> None:
    fire(database, "a", "b", policy=GROUPS)
    fire(database, "c", severity="critical", policy=GROUPS)
    storms.look(database, GROUPS)
    assert {message.kind for message in claim_all(database)} == {MessageKind.CARD, MessageKind.DIGEST}


def test_a_storm_shows_them_instead_of_a_group(database: Database) -> None:
    both = Policy(default_channel="#incidents", storm=STORM, groups=(SAME_CLUSTER,))
    fire(database, *services(6), policy=both)
    found = storms.look(database, both)
    assert [digest.kind for digest in found.began] == [DigestKind.STORM]
    pass_time(database, 130)
    assert storms.look(database, both).began == ()


# -- one click for many


def act(
    database: Database, group: str = EVERYTHING, action: Action = Action.ACKNOWLEDGE, who: str = "U1", now: float = 100
) -> bulk.Result:
    chosen = bulk.select(database, 1, group)
    assert chosen is not None
    return bulk.change(database, chosen.members, action, person(who), at(now), policy=POLICY, digest_id=1)


def test_one_click_acknowledges_a_whole_group_and_nothing_else(database: Database) -> None:
    for number in range(4):
        deliver(database, an_alert(f"f{number}", rule=f"rule-{number}", service="search"), policy=POLICY)
    fire(database, "other")
    storms.look(database, POLICY)
    result = act(database, group_key("search", "prod-eu-1"))
    assert result == bulk.Result(changed=4)
    rows = ask(database, "SELECT service, status, owner, version FROM incidents ORDER BY number")
    assert rows == [
        *({"service": "search", "status": "acknowledged", "owner": "slack:U1", "version": 2} for _ in range(4)),
        {"service": "other", "status": "active", "owner": None, "version": 1},
    ]
    events = ask(
        database, "SELECT kind, actor, reason, from_status, to_status FROM incident_timeline WHERE reason <> ''"
    )
    assert events == [
        {
            "kind": "acknowledged", "actor": "slack:U1", "reason": "bulk",
            "from_status": "active", "to_status": "acknowledged",
        }
    ] * 4  # fmt: skip
    check_record(database)


def test_a_second_click_changes_nothing_and_says_who_was_first(database: Database) -> None:
    fire(database, *services(5))
    storms.look(database, POLICY)
    respond.change_status(database, 2, Action.ACKNOWLEDGE, person("U2"), at(90), policy=POLICY)
    respond.change_status(database, 3, Action.RESOLVE, person("U2"), at(90), policy=POLICY)
    first = act(database)
    assert (first.changed, dict(first.already), first.resolved) == (3, {person("U2"): 1}, 1)
    before = ask(database, "SELECT * FROM incidents"), ask(database, "SELECT * FROM incident_timeline")
    second = act(database, who="U3", now=101)
    assert (second.changed, dict(second.already), second.resolved) == (0, {person("U2"): 1, person("U1"): 3}, 1)
    assert (ask(database, "SELECT * FROM incidents"), ask(database, "SELECT * FROM incident_timeline")) == before


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_it_leaves_each_incident_as_a_click_on_its_own_card_would(database: Database, action: Action) -> None:
    fire(database, *services(6))
    storms.look(database, POLICY)
    respond.change_status(database, 1, Action.ACKNOWLEDGE, person("U2"), at(50), policy=POLICY)
    respond.change_status(database, 2, Action.ACKNOWLEDGE, person("U2"), at(50), policy=POLICY)
    respond.change_status(database, 2, action, person("U1"), at(100), policy=POLICY)
    respond.change_status(database, 3, action, person("U1"), at(100), policy=POLICY)
    act(database, action=action)
    rows = ask(
        database,
        "SELECT status, owner, acknowledged_time, resolved_time, resolved_by, last_change, last_change_at, "
        "last_change_by, version FROM incidents ORDER BY number",
    )
    assert rows[0] == rows[1], "acknowledged before"
    assert rows[2] == rows[3] == rows[4] == rows[5]
    check_record(database)


def test_a_click_that_is_repeated_because_its_commit_got_no_answer_counts_what_it_did(database: Database) -> None:
    fire(database, *services(5))
    storms.look(database, POLICY)
    assert act(database).changed == 5
    assert act(database).changed == 5, "the same person at the same microsecond: the same click"


def test_who_may_not_act_changes_nothing(database: Database) -> None:
    fire(database, *services(5))
    storms.look(database, POLICY)
    closed = Policy(default_channel="#incidents", storm=STORM, may_act=frozenset({"U9"}))
    chosen = bulk.select(database, 1, EVERYTHING)
    assert chosen is not None
    result = bulk.change(
        database, chosen.members, Action.RESOLVE, person("U1"), at(1), policy=closed, digest_id=1
    )  # fmt: skip
    assert result.refused
    assert ask(database, "SELECT DISTINCT status FROM incidents") == [{"status": "active"}]


def test_two_clicks_at_once_change_each_incident_once(database: Database) -> None:
    fire(database, *services(60))
    storms.look(database, POLICY)
    results: list[bulk.Result] = []
    start = threading.Barrier(4)

    def click(number: int) -> None:
        start.wait()
        results.append(act(database, who=f"U{number}", now=100 + number))

    threads = [threading.Thread(target=click, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.changed for result in results) == 60
    assert ask(database, "SELECT DISTINCT version FROM incidents") == [{"version": 2}]


def test_the_message_is_behind_after_a_change_of_a_member(database: Database) -> None:
    fire(database, *services(5))
    storms.look(database, POLICY)
    (digest,) = claim_all(database)
    pass_time(database, 3)
    storms.look(database, POLICY)
    assert claim_all(database) == [], "nothing changed"
    act(database)
    pass_time(database, 3)
    storms.look(database, POLICY)
    (again,) = claim_all(database)
    assert again.message_id == digest.message_id
    shown = storms.overview(database, 1)
    assert shown is not None
    assert (shown.version, shown.whole.statuses[Status.ACKNOWLEDGED]) == (again.wanted_version, 5)


def test_a_page_has_the_open_ones_first(database: Database) -> None:
    fire(database, *services(5))
    fire(database, "bad", severity="high")
    storms.look(database, POLICY)
    respond.change_status(database, 1, Action.RESOLVE, person("U2"), at(90), policy=POLICY)
    page = storms.page(database, 1, EVERYTHING, limit=10, offset=0)
    assert page is not None
    assert [incident.number for incident in page.incidents] == [6, 2, 3, 4, 5, 1]
    second = storms.page(database, 1, EVERYTHING, limit=4, offset=4)
    assert second is not None
    assert [incident.number for incident in second.incidents] == [5, 1]
    assert storms.page(database, 1, "0123456789ab", limit=4, offset=0) is None
    assert storms.page(database, 99, EVERYTHING, limit=4, offset=0) is None


def test_cards_that_were_there_before_storms_were_known_do_not_count(database: Database) -> None:
    """What the migration does to the rows of an older release."""
    (column,) = ask(
        database,
        "SELECT column_default FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = 'slack_messages' AND column_name = 'queued_at'",
    )
    assert re.match("current_timestamp", str(next(iter(column.values()))), re.IGNORECASE)
