"""What is remembered, for how long, and who waits for whom."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from db.memory import Memory
from db.model.identity import IncidentKey
from db.model.incident import Instance
from db.model.memory import Remembered
from tests.db.builders import START, an_alert, an_incident, at, key_of
from tests.db.model.record import MemoryRecord

KEYS = [key_of(service=f"service-{number}") for number in range(6)]


def one(*names: str, turn: int = 1, since: int = 1) -> Remembered:
    """What may be remembered of a key."""
    record = MemoryRecord()
    record.deliver(at(0), *map(an_alert, names))
    instances: dict[str, Instance] = {instance.fingerprint: instance for instance in record.instances.values()}
    incident = an_incident()
    return Remembered(turn, since, since, incident.incident_id, incident.number, START, instances)


def test_what_is_put_in_is_recalled_until_it_is_forgotten() -> None:
    memory = Memory()
    memory.put({KEYS[0]: one("a"), KEYS[1]: one("b")})
    memory.forget([KEYS[0], KEYS[5]])
    assert memory.recall(KEYS[0]) is None
    assert memory.recall(KEYS[1]) == one("b")


def test_the_keys_that_were_heard_of_least_lately_are_forgotten_first() -> None:
    memory = Memory(most=7)  # two keys with two instances each
    for key in KEYS[:4]:
        memory.put({key: one("a", "b")})
        memory.put({KEYS[0]: one("a", "b")})
    assert [memory.recall(key) is not None for key in KEYS[:4]] == [True, False, False, True]


def test_findings_of_one_turn_after_the_other_add_up() -> None:
    memory = Memory()
    for turn, name in ((3, "a"), (4, "b"), (5, "c")):
        with memory.changing(KEYS[:1]) as learn:
            learn({KEYS[0]: one(name, turn=turn, since=turn - 1)})
    known = memory.recall(KEYS[0])
    assert known is not None
    assert (known.turn, known.since, set(known.instances)) == (5, 2, {"a", "b", "c"})


def test_findings_add_up_also_when_they_are_told_in_another_order() -> None:
    memory = Memory()
    with memory.changing(KEYS[:1]) as first, memory.changing(KEYS[:1]) as second:
        second({KEYS[0]: one("b", turn=4, since=3)})
        first({KEYS[0]: one("a", turn=3, since=2)})
    known = memory.recall(KEYS[0])
    assert known is not None
    assert (known.turn, known.since, set(known.instances)) == (4, 2, {"a", "b"})


def test_a_key_that_was_changed_is_forgotten() -> None:
    memory = Memory()
    memory.put({key: one("a") for key in KEYS[:3]})
    with memory.changing(KEYS[:2]) as learn:
        learn({KEYS[0]: one("a", turn=2)})
    assert [memory.recall(key) is not None for key in KEYS[:3]] == [True, False, True]


def change_and_fail(memory: Memory) -> None:
    """A transaction that fails."""
    with memory.changing(KEYS[:1]):
        raise RuntimeError


def test_a_transaction_that_fails_leaves_nothing_to_remember() -> None:
    memory = Memory()
    memory.put({KEYS[0]: one("a")})
    with pytest.raises(RuntimeError):
        change_and_fail(memory)
    assert memory.recall(KEYS[0]) is None
    assert not memory.is_changing(KEYS)


def test_who_decides_from_memory_waits_for_those_who_change_the_same_keys() -> None:
    memory = Memory()
    told: list[bool] = []
    with memory.changing(KEYS[:2]) as learn:
        assert memory.is_changing(KEYS[1:])
        assert not memory.is_changing(KEYS[2:])
        waiting = threading.Thread(target=lambda: told.append(memory.wait_for(KEYS[1:3])))
        waiting.start()
        learn({})
        assert told == []
    waiting.join(10)
    assert told == [True]


def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.memory.PLANNING_SECONDS", 0.01)
    monkeypatch.setattr("db.memory.CHANGING_SECONDS", 0.01)
    memory = Memory()
    with memory.changing(KEYS[:1]):
        assert not memory.wait_for(KEYS[:1])
    with memory.planning() as mine, memory.planning() as another:
        assert mine is not None
        assert another is None
        mine()
        with memory.planning() as next_one:
            assert next_one is not None
            mine()  # once more does no harm: it is somebody else's by now
            with memory.planning() as nobody:
                assert nobody is None


def test_planning_is_over_at_the_end_also_when_nobody_said_so() -> None:
    memory = Memory()
    with pytest.raises(RuntimeError), memory.planning():
        raise RuntimeError
    with memory.planning() as mine:
        assert mine is not None


def test_who_is_outdated_again_and_again_tries_less_and_less_often() -> None:
    memory = Memory()
    rests = []
    for _ in range(9):
        memory.was_outdated()
        rests.append(0)
        while not memory.may_try():
            rests[-1] += 1
    assert rests == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    memory.held()
    memory.was_outdated()
    assert (memory.may_try(), memory.may_try()) == (False, True)


def test_many_threads_leave_it_in_order() -> None:
    memory = Memory(most=9)

    def work(number: int) -> None:
        for turn in range(300):
            keys = [KEYS[(number + turn) % 6], KEYS[(number + 2 * turn + 1) % 6]]
            memory.put({keys[0]: one_of(turn)})
            with memory.changing(sorted(set(keys))) as learn:
                learn({keys[0]: one_of(turn)} if turn % 3 else {})

    shared = one("a", "b")

    def one_of(turn: int) -> Remembered:
        seen = START + timedelta(seconds=turn)
        return Remembered(turn, turn, turn, shared.incident_id, 1, seen, dict(shared.instances))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not memory.is_changing(KEYS)
    known = [memory.recall(key) for key in KEYS]
    assert sum(1 + len(some.instances) for some in known if some is not None) <= 9
    memory.put({IncidentKey("f" * 16): one("a")})
    assert memory.recall(IncidentKey("f" * 16)) is not None
