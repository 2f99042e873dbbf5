"""Reading settings from a mapping such as the environment, with every problem collected before anything fails."""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.printable import printable

MOST_SECRET_BYTES = 64 * 1024
"""A file with a secret is small; a path that leads somewhere else should not fill the memory."""


SHORT_SECRET = 16
"""Characters; what is shorter can be guessed by trying."""

SETTLE_SECONDS = 0.1
"""A file that is rewritten in place counts once it has been the same for so long."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


class SettingsError(Exception):
    """Some settings are missing or wrong; `problems` names each one in a sentence, never with a secret's value."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "Observer cannot start:\n" + "\n".join(f"  - {printable(problem)}" for problem in self.problems)
        )


@dataclass(slots=True)
class Env:
    """A mapping of texts, read with defaults and checks; `problems` grows instead of an exception being raised.

    A setting that is empty counts as absent: `.env` files and compose files pass empty values for unset ones.
    """

    values: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what should be another way, and prevents nothing

    def text(self, name: str, default: str = "") -> str:
        """The text of `name`, without the blanks around it."""
        return self.values.get(name, "").strip() or default

    def required(self, name: str, why: str) -> str:
        """The text of `name`; a problem that says `why` it is needed when it is absent."""
        text = self.text(name)
        if not text:
            self.problems.append(f"{name} is not set: {why}.")
        return text

    def secret(self, name: str, why: str = "", *, lines: bool = False) -> str:
        """The text of a secret: of `name`, or of the file that `name`_FILE names, without the end of its last line.

        Without `why` it may be absent; with `lines` it is a list of several. Both set, a file that cannot be read, and
        characters that no secret has, are problems, which name the variable and nothing else: somebody may have put
        the secret itself where its path belongs.
        """
        given, path = self.text(name), self.secret_file(name)
        if given and path:
            self.problems.append(f"{name} and {name}_FILE are both set: set one of them.")
            return ""
        if path:
            return self._contents(name, path, lines=lines)
        if why and not given:
            self.problems.append(f"{name} is not set: {why}.")
        if problem := _secret_problem(given, lines=lines):
            self.problems.append(f"{name} {problem}.")
        return given

    def secret_file(self, name: str) -> str:
        """The path that `name`_FILE gives, empty when the secret is not in a file."""
        return self.text(f"{name}_FILE")

    def _contents(self, name: str, path: str, *, lines: bool) -> str:
        try:
            text = read_secret(path, lines=lines)
        except SecretError as error:
            self.problems.append(f"{name}_FILE names a file that {error}.")
            return ""
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


class SecretError(ValueError):
    """A file holds what no secret is; the message says what, as "has ...", and nothing of its contents."""


Marks = tuple[tuple[int, ...] | None, ...]


class Files:
    """Tells when files have become others; may be asked by several threads.

    Another file in the place of one (a rename, a link that leads elsewhere) counts at once. One that is rewritten in
    place may be half written: it counts once it is older than `SETTLE_SECONDS`, or two looks that far apart see the
    same.
    """

    def __init__(self, paths: Sequence[str], taken: Marks = ()) -> None:
        self._paths = tuple(paths)
        self._taken = taken
        self._waiting: Marks = ()
        self._since = 0.0

    def marks(self) -> Marks:
        """What tells that the files are others."""
        return tuple(file_mark(path) for path in self._paths)

    def news(self) -> Marks | None:
        """The marks of files that are others than those that were taken; None while there are none to be read."""
        marks = self.marks()
        if marks == self._taken:
            return None
        if all(_is_whole(mark, old) for mark, old in zip(marks, self._taken or (None,) * len(marks), strict=True)):
            return marks
        if marks != self._waiting:
            self._waiting, self._since = marks, time.monotonic()
            return None
        return marks if time.monotonic() - self._since >= SETTLE_SECONDS else None

    def take(self, marks: Marks) -> bool:
        """Count files as taken that were read after they had these marks; whether they are the same still."""
        if self.marks() != marks:
            return False
        self._taken = marks
        return True


def file_mark(path: str) -> tuple[int, ...] | None:
    """What tells that a file is another one, also when a link leads elsewhere, as Kubernetes does it; None without
    such a file. The time of the last change is among it, which nobody can set: `cp -p` keeps the others."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_whole(mark: tuple[int, ...] | None, old: tuple[int, ...] | None) -> bool:
    """Whether a file is not being written: it is the old one, or another one in its place, or has been left alone."""
    if mark is None or old is None or mark == old or mark[:2] != old[:2]:
        return True
    return time.time() - mark[-1] / 1e9 >= SETTLE_SECONDS


def read_secret(path: str, *, lines: bool = False) -> str:
    """The text of a file with a secret, or with a list of them in `lines`, without line ends at its end and without a
    byte order mark. Raises `OSError`, also when it is too large, and `SecretError`."""
    with Path(path).open("rb") as file:
        content = file.read(MOST_SECRET_BYTES + 1)
    if len(content) > MOST_SECRET_BYTES:
        raise OSError("larger than a secret is")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SecretError("is UTF-16; save it as UTF-8")
    # Bytes that are not UTF-8 become what an environment variable with these bytes would be.
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff").rstrip("\r\n")
    if problem := _secret_problem(text, lines=lines):
        raise SecretError(problem)
    return text


def _secret_problem(text: str, *, lines: bool) -> str:
    """What a text has that no secret has, as "has ..."; empty when it has nothing of that kind."""
    if "\0" in text:
        return "has zero bytes in it, as UTF-16 has; save it as UTF-8"
    if not lines and ("\n" in text or "\r" in text):
        return "has several lines; a secret is one"
    if has_controls("".join(text.split()) if lines else text):
        return "has control characters in it"
    return ""


def has_controls(text: str) -> bool:
    """Whether there are characters that nobody types: such a text cannot be a secret."""
    return _CONTROLS.search(text) is not None


def read_toml(path: str) -> dict[str, Any]:
    """A TOML file, with or without a byte order mark. Raises `OSError`, `UnicodeDecodeError`, `TOMLDecodeError`."""
    return tomllib.loads(Path(path).read_bytes().decode("utf-8-sig"))


_QUOTED = re.compile(r"""(["'])(.*?)\1(?:\s+#.*)?""", re.DOTALL)


def read_env_file(file: Path) -> dict[str, str]:
    """The settings in a `.env` file: lines of KEY=VALUE, comments, quotes around a value; empty when there is none.

    Raises `SettingsError`.
    """
    if not file.is_file():
        return {}
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError([f"{file.name} cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError:
        raise SettingsError([f"{file.name} is not UTF-8; save it as UTF-8."]) from None
    settings = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        entry = line.strip().removeprefix("export ").strip()
        if not entry or entry.startswith("#"):
            continue
        name, separator, value = entry.partition("=")
        if not separator or not name.strip().isidentifier():
            raise SettingsError([f"{file.name}, line {number}: expected KEY=VALUE."])
        quoted = _QUOTED.fullmatch(value.strip())
        settings[name.strip()] = quoted[2] if quoted else re.split(r"\s#", value, maxsplit=1)[0].strip()
    return settings
