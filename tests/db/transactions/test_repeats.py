"""What is recorded from memory is what would have been recorded without it, whoever changes the record meanwhile."""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

import pymysql
import pytest

from db.arrival import Arrival
from db.database import Database, Transaction
from db.errors import Duplicate, Outdated
from db.memory import Memory
from db.model.alert import Rejected
from db.model.grouping import Known, plan
from db.model.identity import IncidentKey, person
from db.model.lifecycle import Action
from db.model.memory import worth_remembering
from db.store import incidents, instances
from db.transactions import ingest, repeats, respond
from tests.conftest import empty_tables, open_database
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, ask, at, check_record, count, key_of, sql
from tests.db.test_concurrency import at_once, check_timeline
from tests.db.transactions.test_together import Clicked, Webhook, play, snapshot, story
from tests.servers.database import DbUrl
from tests.servers.observer import rows
from tests.servers.proxy import Wire

Answer = dict[str, object]


@pytest.fixture
def memory() -> Memory:
    """That of one program."""
    return Memory()


def an_arrival(*names: str, now: float = 0, service: str = "checkout-api", starts: float = 0) -> Arrival:
    """A request with alerts of these instances."""
    alerts = [an_alert(name, service=service, starts=starts) for name in names]
    return Arrival(a_delivery(json.dumps(names).encode(), now=now), a_reading(*alerts))


def record(database: Database, memory: Memory, arrivals: Sequence[Arrival]) -> list[tuple[Answer, bool]]:
    """As a writer of the program does it: from memory what can be, then the others; each answer, and whether it was."""
    known = repeats.record(database, arrivals, POLICY, memory)
    left = [arrival for arrival, answer in zip(arrivals, known, strict=True) if answer is None]
    others = iter(ingest.record_together(database, left, POLICY, memory=memory) if left else [])
    return [(answer, True) if answer is not None else (next(others), False) for answer in known]


def from_memory(database: Database, memory: Memory, *arrivals: Arrival) -> list[bool]:
    """Which of these requests were recorded from memory."""
    return [remembered for _, remembered in record(database, memory, arrivals)]


def learnt(database: Database, memory: Memory, *names: str) -> None:
    """An incident with these instances, of which everything is remembered."""
    assert from_memory(database, memory, an_arrival(*names)) == [False], "they are new"
    assert from_memory(database, memory, an_arrival(*names, now=1)) == [False], "what changed has to be read once"
    assert from_memory(database, memory, an_arrival(*names, now=2)) == [True]


def test_a_repeat_is_recorded_as_it_would_be_without_memory(db_url: DbUrl, database: Database, memory: Memory) -> None:
    arrivals = [an_arrival("a", "b", now=number) for number in range(5)]
    without = [ingest.record_together(database, [arrival], POLICY)[0] for arrival in arrivals]
    expected = without, snapshot(db_url)
    empty_tables(db_url)
    found = [record(database, memory, [arrival])[0] for arrival in arrivals]
    assert [remembered for _, remembered in found] == [False, False, True, True, True]
    assert ([answer for answer, _ in found], snapshot(db_url)) == expected


def test_nothing_is_read_for_it(db_url: DbUrl, memory: Memory) -> None:
    said: list[str] = []

    def hear(connection: int, text: str) -> str:
        said.append(text)
        return ""

    with Wire(db_url) as wire, closing(open_database(db_url, port=wire.port)) as database:
        learnt(database, memory, "a")
        wire.watch(hear)
        assert from_memory(database, memory, an_arrival("a", now=3)) == [True]
        wire.watch(None)
    assert set(re.findall(r"(?:FROM|JOIN)\s+(\w+)", "\n".join(said))) == {"deliveries"}, "where its own row went"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("together", [1, 5])
def test_no_story_ends_otherwise_because_of_memory(
    db_url: DbUrl, database: Database, memory: Memory, seed: int, together: int
) -> None:
    dice = random.Random(f"memory {seed}")
    steps = with_repeats(dice, story(dice))
    expected = play(database, steps, POLICY, 1), told(snapshot(db_url), together)
    check_record(database)
    empty_tables(db_url)
    answers: dict[int, Answer] = {}
    waiting: list[tuple[int, Arrival]] = []
    remembered = 0

    def flush() -> None:
        nonlocal remembered
        found = record(database, memory, [arrival for _, arrival in waiting]) if waiting else []
        for (place, _), (answer, was_known) in zip(waiting, found, strict=True):
            answers[place] = answer
            remembered += was_known
        waiting.clear()
        memory.held()  # how often it is tried is another matter
        check_memory(database, memory)

    for place, step in enumerate(steps):
        if isinstance(step, Webhook):
            waiting.append((place, step.arrival))
            if len(waiting) == together:
                flush()
        else:
            flush()
            number = int(ask(database, "SELECT MAX(number) AS number FROM incidents")[0]["number"])
            respond.change_status(database, number, step.action, person("U1"), at(step.at), policy=POLICY)
            check_memory(database, memory)
    flush()
    given = [without_number(answer) for _, answer in sorted(answers.items())]
    assert (given, told(snapshot(db_url), together)) == ([without_number(one) for one in expected[0]], expected[1])
    assert remembered >= 5, "it is about something"


def with_repeats(dice: random.Random, steps: list[Webhook | Clicked]) -> list[Webhook | Clicked]:
    """The same story, in which what was sent last is sent again, and at the end something else very often."""
    mixed: list[Webhook | Clicked] = []
    now = 0.0
    for step in steps:
        mixed.append(step)
        last = [one.arrival for one in mixed if isinstance(one, Webhook)][-1]
        now = (last.delivery.received_at - at(0)).total_seconds() if isinstance(step, Webhook) else step.at
        for _ in range(dice.choice([0, 2, 6])):
            now += 0.01
            mixed.append(Webhook(Arrival(a_delivery(now=now), last.reading)))
    mixed += [Webhook(an_arrival("z", service="tail", now=now + number, starts=now)) for number in range(1, 21)]
    return mixed


def without_number(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if name != "delivery"}


def told(taken: dict[str, list[dict[str, object]]], together: int) -> dict[str, list[str]]:
    """A record without what goes by the order of requests that came at the same time, when several share one turn."""
    if together > 1:
        for rows_of in (taken["alerts"], taken["deliveries"]):
            for row in rows_of:
                del row["delivery_id"]
    return {name: sorted(map(repr, those)) for name, those in taken.items()}


def check_memory(database: Database, memory: Memory) -> None:
    """What is remembered as of the present turn of a key is what the record says."""

    def work(tx: Transaction) -> None:
        every = [IncidentKey(row["incident_key"]) for row in tx.rows(sql("SELECT incident_key FROM incident_keys"))]
        remembered = {key: one for key in every if (one := memory.recall(key)) is not None}
        keys = list(remembered)
        turns = incidents.ask_turns(tx, keys)()
        names = [(key, name) for key in keys for name in remembered[key].instances]
        opened, last = incidents.open_and_last_of_keys(tx, keys)
        known = Known(open=opened, last=last, instances=instances.ask_names(tx, names)())
        nothing = plan([], known, POLICY, at(0), source_name="grafana")
        read = worth_remembering(known, nothing, turns, 0)
        for key, turn in turns.items():
            mine = remembered[key]
            if mine.turn == turn:
                assert (read[key].instances, read[key].incident_id) == (mine.instances, mine.incident_id)
                assert (read[key].number, read[key].last_seen_at) == (mine.number, mine.last_seen_at)

    database.transact(work)


# -- somebody else changes the record


def outdated_by(change: Callable[[Database, DbUrl], object], database: Database, url: DbUrl, memory: Memory) -> Answer:
    """What a repeat is answered after such a change, which the program did not see."""
    learnt(database, memory, "a", "b")
    change(database, url)
    before = count(database, "deliveries")
    arrival = an_arrival("a", now=60)
    assert repeats.record(database, [arrival], POLICY, memory) == [None]
    assert count(database, "deliveries") == before, "nothing was recorded"
    ((answer, remembered),) = record(database, memory, [arrival])
    assert not remembered
    check_memory(database, memory)
    return answer


def by_hand(statement: str) -> Callable[[Database, DbUrl], object]:
    """Somebody with a client of the database."""

    def change(database: Database, url: DbUrl) -> None:
        connection = pymysql.connect(
            host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, autocommit=True,
            ssl_disabled=True,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            assert cursor.execute(statement) == 1

    return change


def click(action: Action) -> Callable[[Database, DbUrl], object]:
    """A person, perhaps through another replica."""
    return lambda database, url: respond.change_status(database, 1, action, person("U1"), at(30), policy=POLICY)


@pytest.mark.parametrize(
    "change",
    [
        click(Action.ACKNOWLEDGE),
        lambda database, url: ingest.record_delivery(
            database, a_delivery(now=9), a_reading(an_alert("b")), POLICY, at(9)
        ),
        by_hand("UPDATE incidents SET title = 'By hand'"),
        by_hand("UPDATE incident_instances SET last_values = 'A=7' WHERE fingerprint = 'b'"),
        by_hand("UPDATE incident_instances SET is_current = 1 - is_current WHERE fingerprint = 'b'"),
        by_hand("DELETE FROM incident_instances WHERE fingerprint = 'b'"),
    ],
    ids=["click", "another replica", "incident", "instance", "not current", "instance gone"],
)
def test_whatever_changed_meanwhile_a_repeat_is_decided_on_the_record(
    change: Callable[[Database, DbUrl], object], database: Database, db_url: DbUrl, memory: Memory
) -> None:
    answer = outdated_by(change, database, db_url, memory)
    assert answer["meanings"] == {"repeat": 1}


def test_an_instance_that_somebody_removed_by_hand_fires_anew(
    database: Database, db_url: DbUrl, memory: Memory
) -> None:
    gone = by_hand("DELETE FROM incident_instances WHERE fingerprint = 'a'")
    assert outdated_by(gone, database, db_url, memory)["meanings"] == {"new_occurrence": 1}


def test_a_repeat_after_a_person_resolved_opens_nothing_and_a_later_one_does(
    database: Database, db_url: DbUrl, memory: Memory
) -> None:
    assert outdated_by(click(Action.RESOLVE), database, db_url, memory)["meanings"] == {"repeat": 1}
    ((answer, _),) = record(database, memory, [an_arrival("a", now=4000, starts=3990)])
    opened = answer["incidents"]
    assert isinstance(opened, dict)
    assert len(opened["opened"]) == 1
    check_record(database)


def test_an_incident_that_somebody_added_by_hand_is_seen(database: Database, db_url: DbUrl, memory: Memory) -> None:
    """Nothing is remembered of a key whose open incident is not its newest."""
    columns = [
        row["name"]
        for row in ask(
            database,
            "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() "
            "AND table_name = 'incidents' AND column_name NOT IN ('incident_id', 'number', 'open_key', 'status', "
            "'resolved_time')",
        )
    ]
    names = ", ".join(columns)
    newer = f"INSERT INTO incidents (incident_id, status, resolved_time, {names}) SELECT 'INC-2', 'resolved', NOW(), {names} FROM incidents"  # noqa: E501, S608
    outdated_by(by_hand(newer), database, db_url, memory)
    assert memory.recall(key_of()) is None


# -- what fails


def test_what_was_planned_behind_a_transaction_that_failed_is_not_recorded(
    database: Database, memory: Memory, db_url: DbUrl
) -> None:
    """Also when another one takes the failed one's place: no two transactions leave the same turn behind."""
    learnt(database, memory, "a")
    known = memory.recall(key_of())
    assert known is not None
    again = an_arrival("a", now=4)
    ingest.record_together(database, [again], POLICY, memory=memory)  # so that its request id is there already
    with pytest.raises(Duplicate):
        repeats.record(database, [again], POLICY, memory)
    assert memory.recall(key_of()) is None
    # as it would have been planned behind that, before it failed
    memory.put({key_of(): known.later(incidents.next_step(), at(5))})
    assert repeats.record(database, [an_arrival("a", now=6)], POLICY, memory) == [None]
    check_record(database)


def test_no_two_transactions_give_a_key_the_same_turn(database: Database, db_url: DbUrl) -> None:
    steps = [incidents.next_step() for _ in range(2000)]
    assert len(set(steps)) > 1950
    turns = set()
    for _ in range(5):
        database.transact(lambda tx: incidents.lock_keys(tx, [key_of()]))
        turns |= {row["turn"] for row in rows(db_url, "SELECT turn FROM incident_keys")}
    assert len(turns) == 5
    assert max(turns) < 5 * 2**24, "it lasts for 10**12 of them"


def test_a_failed_repeat_leaves_no_trace(database: Database, memory: Memory) -> None:
    learnt(database, memory, "a")
    turn = ask(database, "SELECT turn FROM incident_keys")
    first = an_arrival("a", now=3)
    twice = [first, first]
    with pytest.raises(Duplicate):
        repeats.record(database, twice, POLICY, memory)
    assert ask(database, "SELECT turn FROM incident_keys") == turn
    assert (count(database, "deliveries"), count(database, "grafana_alerts")) == (3, 3)


def test_an_outdated_turn_is_an_error_of_its_own(database: Database, memory: Memory) -> None:
    learnt(database, memory, "a")
    with pytest.raises(Outdated):
        database.transact(lambda tx: incidents.take_turns(tx, {key_of(): 1}, 5, then=lambda: None))


def test_the_others_of_a_turn_are_recorded_although_one_is_new(database: Database, memory: Memory) -> None:
    learnt(database, memory, "a")
    for number in range(3):
        from_memory(database, memory, an_arrival("s", service="search", now=number))
    arrivals = [
        an_arrival("a", now=5),
        an_arrival("new", now=6),
        an_arrival("s", service="search", now=7),
        an_arrival("a", now=8),
    ]
    assert from_memory(database, memory, *arrivals) == [False, False, True, False], "what is of one key keeps its order"
    check_record(database)


# -- what is recorded with it


def test_each_alert_is_linked_to_its_own_request(database: Database, memory: Memory, db_url: DbUrl) -> None:
    learnt(database, memory, *"abcdef")
    arrivals = [an_arrival(*names, now=9) for names in ("ab", "c", "def", "a")]
    found = record(database, memory, arrivals)
    assert all(remembered for _, remembered in found)
    check_links(db_url, [(answer["delivery"], a.delivery.body) for a, (answer, _) in zip(arrivals, found, strict=True)])


def check_links(url: DbUrl, answers: Sequence[tuple[object, bytes]]) -> None:
    """The numbers that were answered, and those of the alerts, are those of the requests."""
    for number, body in answers:
        assert rows(url, f"SELECT body FROM deliveries WHERE delivery_id = {number}") == [{"body": body}]  # noqa: S608
    for row in rows(url, "SELECT body, fingerprint FROM grafana_alerts JOIN deliveries USING (delivery_id)"):
        assert row["fingerprint"] in json.loads(row["body"])


def test_links_are_right_where_numbers_have_steps(memory: Memory, db_url: DbUrl) -> None:
    """A node of a cluster gives numbers in steps of its own."""
    node = open_database(db_url, pool_size=1)
    steps = "SET SESSION auto_increment_increment = 7, auto_increment_offset = 3"
    node.transact(lambda tx: tx.execute(sql(steps)))  # of the only connection
    learnt(node, memory, *"abc")
    arrivals = [an_arrival(name, now=9) for name in "abcab"]
    answers = [answer["delivery"] for answer, remembered in record(node, memory, arrivals) if remembered]
    node.close()
    assert [int(str(after)) - int(str(one)) for one, after in itertools.pairwise(answers)] == [7] * 4
    check_links(db_url, [(number, a.delivery.body) for number, a in zip(answers, arrivals, strict=True)])


def test_links_are_right_when_all_that_is_told_of_requests_is_longer_than_a_statement(
    database: Database, memory: Memory, db_url: DbUrl
) -> None:
    learnt(database, memory, *"abcdef")
    unread = tuple(Rejected(f"alerts[{number}]", "x" * 600) for number in range(1, 100))
    arrivals = []
    for number, name in enumerate("abcdefabcdefabc"):
        body = json.dumps([name, number]).encode()
        arrivals.append(Arrival(a_delivery(body, now=9), a_reading(an_alert(name), rejected=unread)))
    found = record(database, memory, arrivals)
    assert all(remembered for _, remembered in found)
    check_links(db_url, [(answer["delivery"], a.delivery.body) for a, (answer, _) in zip(arrivals, found, strict=True)])


def test_what_could_not_be_read_of_a_repeat_is_kept_and_told(database: Database, memory: Memory, db_url: DbUrl) -> None:
    learnt(database, memory, "a")
    reading = a_reading(an_alert("a"), rejected=(Rejected("alerts[1].status", "expected a text"),))
    ((answer, remembered),) = record(database, memory, [Arrival(a_delivery(now=5), reading)])
    assert remembered
    assert answer["rejected"] == [{"path": "alerts[1].status", "reason": "expected a text"}]
    problem = rows(db_url, f"SELECT problem FROM deliveries WHERE delivery_id = {answer['delivery']}")  # noqa: S608
    assert problem == [{"problem": "alerts[1].status: expected a text"}]


def test_many_alerts_go_in_several_statements_of_one_packet(database: Database, memory: Memory) -> None:
    names = [f"f{number:04d}" for number in range(400)]
    learnt(database, memory, *names)
    big = [an_alert(name, labels={"text": "x" * 9_000}) for name in names]
    ((answer, remembered),) = record(database, memory, [Arrival(a_delivery(now=7), a_reading(*big))])
    assert remembered
    assert answer["meanings"] == {"repeat": 400}
    check_record(database)


# -- many at once


def test_two_replicas_and_people_leave_every_promise_kept(db_url: DbUrl) -> None:
    """Each replica remembers what it knows; both hear of the same incidents, and people click on them."""
    pool = open_database(db_url, pool_size=16)
    replicas = [Memory(), Memory()]
    clock = itertools.count(10)
    sent = itertools.count()
    remembered = itertools.count()
    services = [f"service-{number}" for number in range(3)]

    def source(memory: Memory, number: int) -> None:
        dice = random.Random(number)
        for _ in range(40):
            batch = []
            for _ in range(dice.randrange(1, 4)):
                names = dice.sample("abcdef", dice.randrange(1, 3))
                batch.append(an_arrival(*names, service=dice.choice(services), now=next(clock)))
            for arrival, (_, was_known) in zip(batch, record(pool, memory, batch), strict=True):
                for _ in arrival.reading.alerts:
                    next(sent)
                if was_known:
                    next(remembered)

    def people() -> None:
        dice = random.Random(7)
        for _ in range(15):
            action = dice.choice([Action.ACKNOWLEDGE, Action.UNACKNOWLEDGE, Action.RESOLVE, Action.REOPEN])
            number = dice.randint(1, max(1, count(pool, "incidents")))
            respond.change_status(pool, number, action, person("U1"), at(next(clock)), policy=POLICY)

    sources = [partial(source, replicas[number % 2], number) for number in range(6)]
    at_once([*sources, people])
    check_record(pool)
    check_timeline(pool)
    assert count(pool, "grafana_alerts") == next(sent)
    at_once([partial(source, replicas[0], 100 + number) for number in range(2)])  # now without the others
    assert next(remembered) > 20
    for memory in replicas:
        check_memory(pool, memory)
    check_record(pool)
    pool.close()


def can_plan(memory: Memory) -> bool:
    """Whether nobody else is planning."""
    with memory.planning() as mine:
        return mine is not None


def test_others_are_not_held_up_by_one_who_waits_for_a_lock(database: Database, memory: Memory) -> None:
    learnt(database, memory, "a")
    for number in range(3):
        from_memory(database, memory, an_arrival("s", service="search", now=number))
    locked, free = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        incidents.lock_keys(tx, [key_of()])
        locked.set()
        free.wait(10)

    holder = threading.Thread(target=database.transact, args=(hold,))
    holder.start()
    locked.wait(10)
    waiting = threading.Thread(target=repeats.record, args=(database, [an_arrival("a", now=5)], POLICY, memory))
    waiting.start()
    try:
        while can_plan(memory):  # it has not begun yet
            pass
        ((answer, remembered),) = record(database, memory, [an_arrival("s", service="search", now=6)])
        assert not remembered, "who plans is waiting, so this one does not"
        assert answer["meanings"] == {"repeat": 1}
    finally:
        free.set()
        holder.join(20)
        waiting.join(20)
    check_record(database)
