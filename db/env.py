"""Reading settings from a mapping such as the environment, with every problem collected before anything fails."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MOST_SECRET_BYTES = 64 * 1024
"""A file with a secret is small; a path that leads somewhere else should not fill the memory."""


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

    def secret(self, name: str, why: str = "") -> str:
        """The text of a secret: of `name`, or of the file that `name`_FILE names, without the end of its last line.

        Without `why` it may be absent. Both set, and a file that cannot be read, are problems, which name the
        variable and nothing else: somebody may have put the secret itself where its path belongs.
        """
        given, path = self.text(name), self.secret_file(name)
        if given and path:
            self.problems.append(f"{name} and {name}_FILE are both set: set one of them.")
            return ""
        if path:
            return self._contents(name, path)
        if why and not given:
            self.problems.append(f"{name} is not set: {why}.")
        return given

    def secret_file(self, name: str) -> str:
        """The path that `name`_FILE gives, empty when the secret is not in a file."""
        return self.text(f"{name}_FILE")

    def _contents(self, name: str, path: str) -> str:
        try:
            text = read_secret(path)
        except OSError as error:
            self.problems.append(
                f"{name}_FILE names a file that cannot be read: {error.strerror or 'larger than a secret is'}."
            )
            return ""
        if not text.strip():
            self.problems.append(f"{name}_FILE names a file that is empty.")
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


def file_mark(path: str) -> object:
    """What tells that a file is another one, also when a link leads elsewhere, as Kubernetes does it; None without
    such a file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def read_secret(path: str) -> str:
    """The text of a file with a secret, without line ends at its end. Raises `OSError`, also when it is too large."""
    with Path(path).open("rb") as file:
        content = file.read(MOST_SECRET_BYTES + 1)
    if len(content) > MOST_SECRET_BYTES:
        raise OSError("larger than a secret is")
    # Bytes that are not UTF-8 become what an environment variable with these bytes would be.
    return content.decode("utf-8", "surrogateescape").rstrip("\r\n")
