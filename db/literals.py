"""Turns values into SQL literals, cheaply: what the driver does for each `str` costs more than the rest of an alert."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

STATEMENT_BYTES = 1_000_000
"""About how long one INSERT of many rows becomes; servers take 16 MiB unless told otherwise."""


def literal(value: object) -> str | None:
    """The SQL literal of a value, or None for a type that is left to the driver.

    Our sessions never have NO_BACKSLASH_ESCAPES and always talk utf8mb4. In a literal of such a session only the quote
    and the backslash mean anything; the other characters that the driver escapes are for terminals.
    """
    try:
        function = _LITERALS[type(value)]
    except TypeError:
        return None
    return function(value)


def one(value: object) -> str:
    """The same; raises `TypeError` for such a type."""
    return _LITERALS[type(value)](value)


class Written(str):
    """What is SQL already: literals with commas between them, or the name of a variable. Never made of what somebody
    sent, except by `written`."""

    __slots__ = ()


def written(values: Sequence[object]) -> Written:
    """Write values before their statement is known, which may be while no lock is held; they stand in a row of an
    INSERT like one value."""
    return Written(
        ",".join(
            [
                # texts, which most of them are, as `text_literal` has them
                "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
                if type(value) is str
                else _LITERALS[type(value)](value)
                for value in values
            ]
        )
    )


def text_literal(text: str) -> str:
    """The SQL literal of a text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def time_literal(value: datetime) -> str:
    """A time as the record keeps it, UTC; a naive one is a mistake and raises `ValueError`."""
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be recorded; use UTC")
        value = value.astimezone(UTC)
    return f"'{value.isoformat(' ', 'microseconds')[:26]}'"


def _sequence(values: Sequence[object]) -> str:
    """`(a, b, c)` for IN."""
    return "(" + ",".join([_LITERALS[type(value)](value) for value in values]) + ")"


def _float_literal(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be recorded")
    text = repr(value)
    return text if "e" in text else f"{text}e0"


class _Literals(dict[type, Callable[[Any], str]]):
    """How each type is written; what derives from one (an enumeration of texts) is written like it."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for base in kind.__mro__[1:]:
            if base in self:
                self[kind] = self[base]
                return self[kind]
        raise TypeError(f"a {kind.__name__} cannot be part of a statement")


_LITERALS = _Literals(
    {
        str: text_literal,
        int: str,
        bool: lambda value: "1" if value else "0",
        float: _float_literal,
        type(None): lambda value: "NULL",
        datetime: time_literal,
        bytes: lambda value: f"x'{value.hex()}'",  # twice as long, and far cheaper than looking at every byte
        list: _sequence,
        tuple: _sequence,
        Written: str,
    }
)


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT taken apart: what stands before its rows, the names in a row, what follows."""

    head: str
    names: tuple[str, ...]
    tail: str

    def statements(self, rows: Iterable[Mapping[str, object]], most: int = STATEMENT_BYTES) -> Iterator[str]:
        """As few statements as the length of the rows allows."""
        return self.of_written((written(tuple(map(row.__getitem__, self.names))) for row in rows), most)

    def at_once(self, rows: Sequence[Written]) -> str:
        """One statement for all these rows, however long it becomes."""
        return self.head + ",".join([f"({row})" for row in rows]) + self.tail

    def of_written(self, rows: Iterable[Written], most: int = STATEMENT_BYTES, **numbers: int) -> Iterator[str]:
        """The same with rows whose values are written already, in the order of `names`; `numbers` stand for `{name}` in
        what follows the rows. Where the server takes little, statements are not longer than `most`."""
        most = min(most, STATEMENT_BYTES)
        tail = self.tail.format(**numbers) if numbers else self.tail
        part: list[str] = []
        size = 0
        for row in rows:
            values = f"({row})"
            if size and size + len(values) > most:
                yield self.head + ",".join(part) + tail
                part, size = [], 0
            part.append(values)
            size += len(values) + 1
        if part:
            yield self.head + ",".join(part) + tail


_INSERT = re.compile(r"(?P<head>INSERT\s.*?\bVALUES\s*)\((?P<row>[^()]*(?:%\(\w+\)s[^()]*)+)\)(?P<tail>.*)", re.DOTALL)
_NAME = re.compile(r"%\((\w+)\)s")


@cache
def insert(sql: str) -> Insert:
    """Take an INSERT apart. Raises `ValueError` when its VALUES hold anything but placeholders."""
    match = _INSERT.fullmatch(sql)
    names = _NAME.findall(match["row"]) if match else []
    if match is None or _NAME.sub("", match["row"]).replace(",", "").strip() or "%" in match["tail"]:
        raise ValueError("an INSERT of many rows has placeholders only between the brackets of VALUES")
    return Insert(match["head"], tuple(names), match["tail"])


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE whose parameters became the columns of a derived table: what stands around its rows, their names."""

    head: str
    names: tuple[str, ...]
    tail: str

    def statement(self, rows: Sequence[Mapping[str, object]]) -> str:
        """One statement for all rows."""
        first, *more = [[_LITERALS[type(row[name])](row[name]) for name in self.names] for row in rows]
        named = ", ".join(f"{value} AS given_{name}" for value, name in zip(first, self.names, strict=True))
        others = "".join(" UNION ALL SELECT " + ", ".join(values) for values in more)
        return f"{self.head} JOIN (SELECT {named}{others}) AS given {self.tail}"


_UPDATE = re.compile(r"(?P<head>UPDATE\s+\w+)\s+(?P<tail>SET\s.*)", re.DOTALL)


@cache
def update(sql: str) -> Update:
    """Take an UPDATE of one table apart. Raises `ValueError` when it is something else."""
    match = _UPDATE.fullmatch(sql)
    if match is None:
        raise ValueError("an UPDATE of many rows is one of one table")
    names = tuple(dict.fromkeys(_NAME.findall(match["tail"])))
    return Update(match["head"], names, _NAME.sub(r"given.given_\1", match["tail"]))
