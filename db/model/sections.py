"""Reads the tables of the policy file: every problem is collected and named by its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.model.patterns import Pattern, PatternError

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class PolicyError(Exception):
    """The policy file is wrong; `problems` names each key and what is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Matcher:
    """Labels an alert must have: each value is a regular expression that must match the whole label value."""

    labels: tuple[tuple[str, Pattern], ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every label fits; an absent label counts as empty."""
        for name, pattern in self.labels:  # noqa: SIM110 - asked of every alert, and a generator takes twice as long
            if not pattern.fits(labels.get(name, "")):
                return False
        return True


class Sections:
    """One parsed TOML document; what is wrong with it gathers in `problems`."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.problems: list[str] = []

    def known(self, path: str, table: Mapping[str, Any], keys: set[str]) -> None:
        """Every key of a table must be one of `keys`."""
        for key in table:
            if key not in keys:
                where = f"{path}.{key}" if path else key
                self.problems.append(f"{where} is not a known key (known: {', '.join(sorted(keys))})")

    def table(self, name: str, keys: set[str]) -> Section:
        """The table of this name, empty when it is absent."""
        table = self.data.get(name, {})
        if not isinstance(table, Mapping):
            self.problems.append(f"{name} must be a table, written [{name}]")
            table = {}
        self.known(name, table, keys)
        return Section(self, name, table)

    def entries(self, name: str, keys: set[str]) -> list[Section]:
        """The tables of a list, written `[[name]]`."""
        entries = self.data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            self.problems.append(f"{name} must be a list of tables, written [[{name}]]")
            return []
        found = [Section(self, f"{name}[{index}]", entry) for index, entry in enumerate(entries)]
        for section in found:
            self.known(section.path, section.values, keys)
        return found


class Section:
    """One table: its values are read by key, with a default for an absent one; a wrong value leaves a problem."""

    def __init__(self, sections: Sections, path: str, values: Mapping[str, Any]) -> None:
        self.path = path
        self.values = values
        self._sections = sections

    def problem(self, key: str, must: str) -> None:
        """Say what is wrong with a key."""
        self._sections.problems.append(f"{self.path}.{key} {must}")

    def duration(self, key: str, default: timedelta) -> timedelta:
        """A duration such as "30s", "10m", "2h", "7d"."""
        if key not in self.values:
            return default
        found = _DURATION.fullmatch(str(self.values[key]).strip())
        if not found:
            self.problem(key, f'must be a duration such as "30s", "10m", "2h", not {self.values[key]!r}')
            return default
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])

    def integer(self, key: str, default: int, lowest: int, highest: int) -> int:
        """A whole number within bounds, both allowed."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            self.problem(key, f"must be a whole number from {lowest} to {highest}, not {value!r}")
            return default
        return value

    def truth(self, key: str, *, default: bool) -> bool:
        """`true` or `false`."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, f"must be true or false, not {value!r}")
            return default
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self.problem(key, f"must be a text, not {value!r}")
            return default
        return value

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A text or a list of texts."""
        value = self.values.get(key, default)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(text, str) and text for text in values):
            self.problem(key, f"must be a text or a list of texts, not {value!r}")
            return default
        return tuple(values)

    def matcher(self, key: str = "match") -> Matcher:
        """Labels with a regular expression each."""
        match = self.values.get(key, {})
        if not isinstance(match, Mapping):
            self.problem(key, 'must be a table such as {service = "checkout-.*"}')
            return Matcher(())
        labels = []
        for label, pattern in _flat(match):
            try:
                labels.append((label, Pattern(str(pattern))))
            except PatternError as error:
                self.problem(f"{key}.{label}", f"is not a regular expression: {error}")
        return Matcher(tuple(labels))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The members of a table; TOML makes tables inside it of names with dots, as in `{service.name = "checkout"}`."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
