"""Fitting values into columns: texts cut to a column's size, JSON as text."""

from __future__ import annotations

from typing import Any

import orjson

TEXT_BYTES = 65_535
"""What a TEXT column of MySQL holds."""


def cut(text: str, characters: int) -> str:
    """The text, at most this many characters; a cut one ends with an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def cut_bytes(text: str, most: int = TEXT_BYTES) -> str:
    """The text, at most this many bytes of UTF-8; a cut one ends with an ellipsis."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: most - 3].decode("utf-8", "ignore") + "…"


class JsonText(str):
    """JSON as orjson writes it: no raw control characters, so that only backslashes and quotes need escaping in SQL.

    The driver's own escaping of a text of 1.5 KB costs four times as much as everything else that is done for an alert.
    """

    __slots__ = ()


def escape_json(text: JsonText) -> str:
    """The SQL literal of a JSON text; our sessions never have NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def to_json(value: object) -> JsonText:
    """JSON text for a JSON column."""
    return JsonText(orjson.dumps(value).decode())


def from_json(text: Any) -> Any:
    """The value of a JSON column; NULL is None."""
    return None if text is None else orjson.loads(text)
