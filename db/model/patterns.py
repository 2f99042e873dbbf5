"""Regular expressions that people write and that strangers' texts meet: by RE2, whose time grows with the text only.

With Python's own `re`, a pattern such as `(a+)+b` and a label of thirty letters would stop the program for minutes. RE2
has no backreferences and no look-around; a pattern that needs them is refused when it is read.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any

import re2

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/ @,:;=%")


class PatternError(ValueError):
    """Not a regular expression of RE2; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One regular expression; raises `PatternError` when RE2 does not take it.

    Letters with accents and Hangul fit however they are composed.
    """

    text: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _composed(self.text))
        object.__setattr__(self, "_compiled", None if _is_plain(self.text) else _compiled(self.text))

    def fits(self, value: str) -> bool:
        """Whether it matches the whole of a text."""
        if self._compiled is None:  # nothing in it means anything but itself: the commonest case, and a fast one
            return value == self.text
        return self._compiled.fullmatch(_composed(value).encode("utf-8", "replace")) is not None


def spans(compiled: Any, text: bytes, most: int) -> list[tuple[int, int]] | None:
    """Where a compiled pattern matches something in UTF-8 bytes; None when that is in more than `most` places.

    Finding one match takes a time that grows with the text, so finding all takes at most `most` times that.
    """
    found: list[tuple[int, int]] = []
    for match in compiled.finditer(text):
        start, end = match.span()
        if end > start:
            if len(found) == most:
                return None
            found.append((start, end))
    return found


def compiled(text: str) -> Any:
    """A compiled pattern for `spans`. Raises `PatternError`, also for one that matches the empty text."""
    found = _compiled(text)
    if found.search(b"") is not None:
        raise PatternError("it matches the empty text, and so everywhere")
    return found


def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error
    except UnicodeEncodeError as error:
        raise PatternError("it is not text") from error


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _is_plain(text: str) -> bool:
    return all(char in _PLAIN for char in text)
