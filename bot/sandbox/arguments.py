"""The arguments of a Web API call, out of a form or JSON body."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from bot.sandbox.errors import SlackError

BODY_LIMIT = 5_000_000
"""Bytes; nothing Slack accepts is larger."""

_TRUE = ("1", "true", "True")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a caller sent, asked for by name; a form's texts and JSON's values give the same answers."""

    values: dict[str, Any]

    def has(self, name: str) -> bool:
        """Whether it was sent, be it empty."""
        return name in self.values and self.values[name] is not None

    def text(self, name: str) -> str | None:
        """A text; None when absent or empty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def needed(self, name: str, code: str = "invalid_arguments") -> str:
        """A text that must be there."""
        if (value := self.text(name)) is None:
            raise SlackError(
                code, response_metadata={"messages": [f"[ERROR] missing required field: {name} [json-pointer:/{name}]"]}
            )
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Yes or no."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, bool) else str(value) in _TRUE

    def number(self, name: str, default: int, most: int, code: str = "invalid_arguments") -> int:
        """A whole number from 1 to `most`; larger ones are cut to it, as Slack does."""
        value = self.text(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            raise SlackError(code) from None
        if number < 1:
            raise SlackError(code)
        return min(number, most)

    def structured(self, name: str, code: str) -> Any:
        """JSON: as it is in a JSON body, written out as text in a form."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if value == "":
            return None
        try:
            return parse_json(value)
        except (ValueError, RecursionError):
            raise SlackError(code) from None


def parse_json(text: str | bytes) -> Any:
    """JSON as its standard has it: without NaN, Infinity and numbers so large that they become it."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


async def read(request: Request) -> Arguments:
    """Understand a request's query and body."""
    values: dict[str, Any] = dict(request.query_params)
    body = await read_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        if not body:
            return Arguments(values)
        try:
            parsed = parse_json(body)
        except (ValueError, RecursionError):
            raise SlackError("invalid_json") from None
        if not isinstance(parsed, dict):
            raise SlackError("json_not_object")
        values.update(parsed)
    elif kind in ("application/x-www-form-urlencoded", "") or not body:
        try:
            values.update(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError:
            raise SlackError("invalid_form_data") from None
    else:
        raise SlackError("invalid_post_type")
    return Arguments(values)


async def read_body(request: Request) -> bytes:
    """The body, if it is not larger than anything Slack takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise SlackError("invalid_arguments")
    return bytes(body)
