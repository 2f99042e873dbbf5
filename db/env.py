"""Reading settings from a mapping such as the environment, with every problem collected before anything fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class SettingsError(Exception):
    """Some settings are missing or wrong; `problems` names each one in a sentence, never with a secret's value."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("Observer cannot start:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


@dataclass(slots=True)
class Env:
    """A mapping of texts, read with defaults and checks; `problems` grows instead of an exception being raised.

    A setting that is empty counts as absent: `.env` files and compose files pass empty values for unset ones.
    """

    values: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def text(self, name: str, default: str = "") -> str:
        """The text of `name`, without the blanks around it."""
        return self.values.get(name, "").strip() or default

    def required(self, name: str, why: str) -> str:
        """The text of `name`; a problem that says `why` it is needed when it is absent."""
        text = self.text(name)
        if not text:
            self.problems.append(f"{name} is not set: {why}.")
        return text

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number within bounds, both allowed."""
        text = self.text(name)
        if not text:
            return default
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            self.problems.append(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}.")
            return default
        return number

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """One of the allowed words, in any case."""
        text = self.text(name, default).lower()
        if text not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}, not {text!r}.")
            return default
        return text

    def url(self, name: str, default: str = "") -> str:
        """An http or https address, or empty."""
        text = self.text(name, default)
        if text and not text.startswith(("http://", "https://")):
            self.problems.append(f"{name} must start with http:// or https://, not {text!r}.")
            return default
        return text

    def finish(self) -> None:
        """Raise `SettingsError` when there was any problem."""
        if self.problems:
            raise SettingsError(self.problems)
