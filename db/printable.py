"""Texts of others as a terminal and a log may have them: nothing in them ends a line, commands, or turns the order."""

from __future__ import annotations

import re

_CONTROLS = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_UNPRINTABLE = re.compile(f"[\x00-\x1f{_CONTROLS}]")
_LEFT_BY_JSON = re.compile(f"[{_CONTROLS}]")
"""What ends a line, commands a terminal, turns the order of what is read, or is no text at all."""

_SHORT = {"\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    """The text in one line, with escapes for what does more than be read."""
    return _UNPRINTABLE.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def printable_json(text: str) -> str:
    """The same JSON, with escapes for those of its characters that JSON does not ask to escape."""
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
