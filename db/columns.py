"""Fitting values into columns: texts cut to a column's size, JSON as text."""

from __future__ import annotations

from datetime import datetime
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


def to_json(value: object) -> str:
    """JSON text for a JSON column."""
    return orjson.dumps(value).decode()


def from_json(text: Any) -> Any:
    """The value of a JSON column, of a row or inside of a document; NULL is None."""
    return orjson.loads(text) if isinstance(text, str | bytes) else text


def from_time(value: Any) -> Any:
    """The value of a DATETIME column, of a row or inside of a document, where it is a text without its zone, UTC."""
    return datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def from_bytes(value: Any) -> bytes | None:
    """The value of a BINARY column, of a row or inside of a document, where it is written in hex."""
    return bytes.fromhex(value) if isinstance(value, str) else value
