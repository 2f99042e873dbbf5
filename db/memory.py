"""What this process remembers of the record, so that a repeat need not ask for what it repeats.

Nothing is believed: each key has a `turn` in the record that changes with every transaction that changes an incident of
it, and what is decided from memory is committed only if all turns are still those that are remembered. A transaction
that is under way is remembered as if it had succeeded, so that the next can be sent behind it; if it fails, its turn
never comes to be, because no two transactions give a key the same one.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from db.model.identity import IncidentKey
from db.model.memory import Remembered

Findings = Mapping[IncidentKey, Remembered]

MOST_REMEMBERED = 20_000
"""Keys and instances that are remembered, those that were heard of last; each takes some 400 bytes."""

PLANNING_SECONDS = 0.1
"""How long somebody waits to plan: who plans for longer waits for locks that others may not need."""

CHANGING_SECONDS = 0.5
"""How long somebody waits for a transaction of this process that changes the same keys: a transaction of its own would
wait for the same locks."""

_LONGEST_REST = 64


class Memory:
    """Remembers keys; for any thread."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._lock = threading.Condition()  # holds for the next three:
        self._keys: OrderedDict[IncidentKey, Remembered] = OrderedDict()
        self._size = 0
        self._busy: Counter[IncidentKey] = Counter()
        self._planning = threading.Lock()
        self._rest = 0  # how often not to try, after what was remembered was outdated
        self._next_rest = 1

    def recall(self, key: IncidentKey) -> Remembered | None:
        """What is remembered of a key."""
        return self._keys.get(key)

    @contextmanager
    def planning(self) -> Iterator[Callable[[], None] | None]:
        """Plan what is to be committed: one at a time, and in the order in which the record carries it out. Gives what
        is to be called as soon as the keys are locked, at the latest at the end; None when somebody else takes long."""
        if not self._planning.acquire(timeout=PLANNING_SECONDS):
            yield None
            return
        held = True

        def done() -> None:
            nonlocal held
            if held:
                held = False
                self._planning.release()

        try:
            yield done
        finally:
            done()

    def put(self, some: Mapping[IncidentKey, Remembered]) -> None:
        """Remember this of these keys, instead of what was remembered before."""
        with self._lock:
            for key, one in some.items():
                self._put(key, one)
            self._forget_oldest()

    def forget(self, keys: Iterable[IncidentKey]) -> None:
        """Remember nothing of these keys."""
        with self._lock:
            for key in keys:
                self._pop(key)

    @contextmanager
    def changing(self, keys: Collection[IncidentKey]) -> Iterator[Callable[[Findings], None]]:
        """While a transaction may change these keys; gives what is to be called with what it found and left as it was.
        Of all others nothing is remembered any more."""
        with self._lock:
            self._busy.update(keys)
        left: list[IncidentKey] = list(keys)

        def learn(found: Findings) -> None:
            with self._lock:
                for key, one in found.items():
                    self._put(key, one.joined(self._pop(key)))
                self._forget_oldest()
            left[:] = [key for key in keys if key not in found]

        try:
            yield learn
        finally:
            with self._lock:
                self._busy.subtract(keys)
                for key in keys:
                    if not self._busy[key]:
                        del self._busy[key]
                for key in left:
                    self._pop(key)
                self._lock.notify_all()

    def wait_for(self, keys: Collection[IncidentKey]) -> bool:
        """Wait until no transaction of this process changes these keys; False when that takes too long."""
        with self._lock:
            return self._lock.wait_for(lambda: self._busy.keys().isdisjoint(keys), CHANGING_SECONDS)

    def is_changing(self, keys: Collection[IncidentKey]) -> bool:
        """Whether a transaction of this process changes one of these keys."""
        with self._lock:
            return not self._busy.keys().isdisjoint(keys)

    def may_try(self) -> bool:
        """Whether it is worth trying to decide from memory: not while others change the same keys all the time."""
        with self._lock:
            if self._rest <= 0:
                return True
            self._rest -= 1
            return False

    def held(self) -> None:
        """What was remembered was so."""
        self._next_rest = 1

    def was_outdated(self) -> None:
        """It was not, because somebody else changed a key: another replica that hears of the same, or a person."""
        self._rest = self._next_rest
        self._next_rest = min(2 * self._next_rest, _LONGEST_REST)

    def _put(self, key: IncidentKey, one: Remembered) -> None:
        self._pop(key)
        self._keys[key] = one
        self._size += 1 + len(one.instances)

    def _pop(self, key: IncidentKey) -> Remembered | None:
        known = self._keys.pop(key, None)
        if known is not None:
            self._size -= 1 + len(known.instances)
        return known

    def _forget_oldest(self) -> None:
        while self._size > self._most and self._keys:
            self._pop(next(iter(self._keys)))
