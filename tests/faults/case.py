"""A case of the matrix: a fault, the moment it strikes, what people are meant to see, and how it is played."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.stage import Counts, Stage


class NotHere(Exception):
    """This machine cannot play the case; the message says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the matrix."""

    name: str
    fault: str
    moment: str
    sees: str  # what people see, as decided
    play: Callable[[Stage], None]
    slow: bool = False  # only played by `make faults`
    mortal: bool = False  # needs a database server of its own


CASES: list[Case] = []


def case(
    fault: str, moment: str, sees: str, *, slow: bool = False, mortal: bool = False
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Put a function into the matrix; it raises `AssertionError` when something is not as decided."""

    def add(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        CASES.append(Case(play.__name__, fault, moment, inspect.cleandoc(sees), play, slow, mortal))
        return play

    return add


def played(one: Case, stage: Stage) -> Counts:
    """Play a case and count; raises `AssertionError` when a promise is broken, `NotHere` when it cannot be played."""
    one.play(stage)
    counts = stage.counts()
    assert counts.sent > 0, "nothing was sent"
    assert not counts.promise_broken, f"{counts.promise_broken}: {counts}"
    return counts
