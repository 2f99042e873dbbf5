"""Wraps untrusted JSON together with its path: the only way out is through a check, and an error says where.

    body = parse_json(b'{"alerts": [{"labels": {"service": {}}}]}')
    body.get("alerts").array()[0].get("labels").texts()
    # Unreadable: alerts[0].labels.service: expected a text, found an object

A `Wild` holds its parent and its own key; the text of the path is made only when something is wrong. For the members
that every alert has there are checks which take their names, such as `alert.text_of("fingerprint")`: they say the same
as `alert.get("fingerprint").text_or("")`, and no `Wild` is made for what turns out well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TypeGuard

import orjson

from db.model.alert import Unreadable

MAX_BODY_DEPTH = 200
"""Levels of nesting of a whole body; more is nobody's alert, and walking it would end at Python's recursion limit."""

MAX_STORED_DEPTH = 31
"""Levels of nesting of a part that is kept as JSON: MariaDB 10.11 refuses 32 (MySQL would take 100)."""

MAX_STORED_KEY = 65_535
"""Bytes of one key of a part that is kept as JSON: MySQL counts them in 16 bits."""

MAX_STORED_BYTES = 1024 * 1024
"""Bytes of JSON text of one alert. A real one has 1 to 3 KB; this leaves room for very long annotations."""

FIRST_YEAR, LAST_YEAR = 1970, 2100

_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_MAX_SHOWN_KEY = 100
# RFC 3339, and what templates and scripts write instead: slashes, no seconds, no zone (UTC is meant), offsets without a
# colon, Go's own text with the zone's name and a monotonic reading behind it, Java's with the place of the zone. The
# names of months stand in the texts of mails, of `date`, and of browsers.
_CLOCK = r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,18}))?)?"
_ZONE = (
    r"\s*(?:(?:GMT|UTC)?(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?(?:\s+(?:[A-Z]{2,5}|[+-]\d{2,4}|\([^()]*\)))?"
    r"|(?P<zone>[A-Z]{1,4}))?(?:\[[\w/+-]+\])?(?:\s+m=[+-][\d.]+)?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?,?\s+)?"
_TIMES = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?P<year>\d{{4}})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)(?:(?:\s*T\s*|,?\s+){_CLOCK})?{_ZONE}",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)"
        rf"(?:[.,](?P<fraction>\d{{1,18}}))?{_ZONE}",
        rf"{_WEEKDAY}(?P<day>\d\d?)[-\s]+{_MONTH}[-\s]+(?P<year>\d{{4}}|\d\d),?\s+{_CLOCK}{_ZONE}",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d\d?),?\s+(?P<year>\d{{4}}),?\s+{_CLOCK}{_ZONE}",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d\d?),?\s+{_CLOCK}{_ZONE}\s+(?P<year>\d{{4}})",
    )
)
_DIGITS = re.compile(r"\d{1,20}(?:\.\d{1,18})?(?:e\+?\d{1,2})?", re.ASCII | re.IGNORECASE)
# Hours from UTC of zones that only have a name; CST and IST are not here, because they are of three places each.
_ZONES = {
    "": 0, "Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "MSK": 3, "KST": 9, "JST": 9, "EDT": -4, "EST": -5, "CDT": -5, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8,
}  # fmt: skip
# Go's zero time is 0001-01-01T00:00:00Z; written in another zone it may fall on the day before or after.
_ZERO_DAYS = frozenset({"0000-12-31", "0001-01-01", "0001-01-02"})


class _Missing:
    """The type of `_MISSING`, which stands for a key that is not there."""


_MISSING = _Missing()


def parse_json(body: bytes) -> Wild:
    """The JSON document in `body`, cleaned and wrapped, or `Unreadable` that says why there is none."""
    value, levels = _parsed(body)
    return Wild(value, shallow=levels <= MAX_STORED_DEPTH)


def parse_value(body: bytes) -> object:
    """The JSON document in `body`, cleaned, or `Unreadable` that says why there is none.

    What orjson refuses gets a second chance with the standard library, so that more is kept rather than lost: NaN and
    Infinity (they become null), lone surrogates, numbers that no float holds (null too), raw line breaks inside texts,
    a byte order mark, commas behind the last of several members.

    No text and no key that comes out holds a lone surrogate (it is no UTF-8 and nothing could store it) or U+0000
    (MySQL stores it, but client libraries, terminals and Slack cut or refuse such texts): both are replaced by U+FFFD.
    The exact bytes of the request are kept elsewhere.
    """
    return _parsed(body)[0]


def _parsed(body: bytes) -> tuple[object, int]:
    """The document in `body`, cleaned, and the levels of nesting that it has at most; `Unreadable` as above."""
    try:
        value: object = orjson.loads(body)
        dirty = b"\\u0000" in body
    except orjson.JSONDecodeError:
        value = _parse_tolerantly(body)
        dirty = True
    levels = _levels(value, body, MAX_STORED_DEPTH, MAX_BODY_DEPTH)
    if levels > MAX_BODY_DEPTH:
        raise Unreadable("$", f"nested deeper than {MAX_BODY_DEPTH} levels")
    return _cleaned(value) if dirty else value, levels


class Wild:
    """One value of an untrusted JSON document, or the place where one is missing.

    `shallow` is for those who know that nothing in the document is nested deeper than what can be stored.
    """

    __slots__ = ("_key", "_parent", "_shallow", "_value")

    def __init__(self, value: object, parent: Wild | None = None, key: str | int = "", shallow: bool = False) -> None:
        self._value = value
        self._parent = parent
        self._key = key
        self._shallow = shallow

    def __repr__(self) -> str:
        """Without the value: it may be large, and bodies do not belong in logs."""
        return f"<Wild {self.path}: {self.kind}>"

    # Where it is

    @property
    def path(self) -> str:
        """Where this value is in the document: `alerts[3].labels.service`, and `$` for the document itself."""
        steps: list[str | int] = []
        node = self
        while node._parent is not None:
            steps.append(node._key)
            node = node._parent
        text = ""
        for step in reversed(steps):
            if isinstance(step, int):
                text += f"[{step}]"
            elif _PLAIN_KEY.fullmatch(step):
                text += f".{step}" if text else step
            else:
                text += f"[{quoted(step, _MAX_SHOWN_KEY)}]"
        return text or "$"

    def error(self, reason: str) -> Unreadable:
        """The error that names this place, to be raised by the caller."""
        return Unreadable(self.path, reason)

    def _expected(self, what: str) -> Unreadable:
        return self.error(f"expected {what}, found {self.kind}")

    # What it looks like, without taking it out

    @property
    def kind(self) -> str:
        """What it is, in words: "a text", "null", "an array"."""
        return _kind(self._value)

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing: no such key, or null."""
        return self._value is None or self._value is _MISSING

    @property
    def is_object(self) -> bool:
        """Whether it is an object."""
        return type(self._value) is dict

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return type(self._value) is list

    @property
    def size(self) -> int:
        """How many elements an array or members an object has; 0 for everything else."""
        value = self._value
        return len(value) if type(value) is list or type(value) is dict else 0

    def has(self, *names: str) -> bool:
        """Whether it is an object with all of these keys, whatever their values."""
        value = self._value
        return type(value) is dict and all(name in value for name in names)

    # Going inside

    def get(self, name: str) -> Wild:
        """The member of this name; a missing one is found too, and fails when something is required of it."""
        value = self._value
        if type(value) is not dict:
            raise self._expected("an object")
        return Wild(value.get(name, _MISSING), self, name, self._shallow)

    def object(self) -> dict[str, Wild]:
        """All members of an object."""
        value = self._value
        if type(value) is not dict:
            raise self._expected("an object")
        return {name: Wild(member, self, name, self._shallow) for name, member in value.items()}

    def array(self) -> list[Wild]:
        """All elements of an array."""
        value = self._value
        if type(value) is not list:
            raise self._expected("an array")
        return [Wild(element, self, index, self._shallow) for index, element in enumerate(value)]

    # Taking it out

    def text(self) -> str:
        """A text."""
        value = self._value
        if type(value) is not str:
            raise self._expected("a text")
        return value

    def text_or(self, default: str) -> str:
        """A text, or the default for anything else; for what decorates and must not cost an alert."""
        value = self._value
        return value if type(value) is str else default

    def text_of(self, name: str) -> str:
        """The text of the member of this name, or an empty one for anything else; for what decorates."""
        value = self._value
        if type(value) is not dict:
            raise self._expected("an object")
        member = value.get(name)
        return member if type(member) is str else ""

    def scalar_or(self, default: str) -> str:
        """A text, or the JSON text of a number or boolean, or the default for anything else."""
        value = self._value
        if type(value) is str:
            return value
        if type(value) in (int, float, bool):
            return orjson.dumps(value).decode()
        return default

    def texts(self) -> Mapping[str, str]:
        """An object of texts. Numbers and booleans count as their JSON text, null members as absent, null as empty."""
        value = self._value
        if type(value) is not dict:
            if value is None:  # how Go writes a map that was never made
                return {}
            raise self._expected("an object")
        if _holds_only_texts(value):
            return value
        found: dict[str, str] = {}
        for name, member in value.items():
            if type(member) is str:
                found[name] = member
            elif type(member) in (int, float, bool):
                found[name] = orjson.dumps(member).decode()
            elif member is not None:
                raise Wild(member, self, name)._expected("a text")
        return found

    def texts_of(self, name: str) -> Mapping[str, str]:
        """The member of this name as an object of texts."""
        value = self._value
        member = value.get(name) if type(value) is dict else None
        return member if type(member) is dict and _holds_only_texts(member) else self.get(name).texts()

    def readable(self) -> Mapping[str, str]:
        """The members of an object as texts to read: nested ones as their JSON text, null and what is missing as empty
        ones."""
        value = self._value
        if type(value) is not dict:
            raise self._expected("an object")
        if _holds_only_texts(value):
            return value
        found: dict[str, str] = {}
        for name, member in value.items():
            if type(member) is str:
                found[name] = member
            else:
                inner = Wild(member, self, name, self._shallow)
                found[name] = inner.stored() if inner.is_object or inner.is_array else inner.scalar_or("")
        return found

    def number_or_none(self) -> float | None:
        """A finite number, or None for anything else, null included (which NaN and Infinity have become)."""
        value = self._value
        return float(value) if type(value) is int or type(value) is float else None

    def numbers(self) -> dict[str, float]:
        """The members of an object that are finite numbers; everything else is passed over."""
        value = self._value
        if type(value) is not dict:
            return {}
        return {name: float(member) for name, member in value.items() if type(member) in (int, float)}

    def with_members(self, **members: Wild) -> Wild:
        """The same object at the same place with these members, as far as they are there, instead of its own."""
        value = self._value
        if type(value) is not dict:
            raise self._expected("an object")
        more = {name: member._value for name, member in members.items() if not member.is_absent}
        return Wild({**value, **more}, self._parent, self._key, self._shallow)

    def in_list(self) -> Wild:
        """An array of this alone, at the same place."""
        return Wild([self._value], self._parent, self._key, self._shallow)

    def as_member(self, name: str) -> Wild:
        """An object that has this as its only member, at the same place."""
        return Wild({name: self._value}, self._parent, self._key, self._shallow)

    def unpacked(self) -> Wild:
        """An array or object that is written as JSON text inside of a text; anything else as it is."""
        value = self._value
        if type(value) is not str or value.lstrip()[:1] not in ("{", "["):
            return self
        try:
            inner, levels = _parsed(value.encode())
        except Unreadable:
            return self
        return Wild(inner, self._parent, self._key, self._shallow and levels <= MAX_STORED_DEPTH)

    def numbers_of(self, name: str) -> dict[str, float]:
        """The same of the member of this name."""
        value = self._value
        member = value.get(name) if type(value) is dict else None
        return self.get(name).numbers() if member else {}

    def count(self) -> int:
        """A whole number from 0 up; whatever is not one counts as 0."""
        value = self._value
        if type(value) is float and value.is_integer():
            value = int(value)
        return min(value, 2**31 - 1) if type(value) is int and value > 0 else 0

    def count_of(self, name: str) -> int:
        """The same of the member of this name."""
        value = self._value
        return self.get(name).count() if type(value) is not dict or value.get(name) else 0

    def time(self) -> datetime | None:
        """The time that this is, as UTC; None for nothing, for a zero time, and for what cannot be read as one.

        A time decorates an alert and must not cost it; `time_problem` says what could not be read.
        """
        try:
            return self._time()
        except ValueError:
            return None

    def time_problem(self) -> Unreadable | None:
        """Why this cannot be read as a time; None when it can, or when none is said."""
        try:
            self._time()
        except ValueError as error:
            return self.error(str(error))
        return None

    def time_of(self, name: str) -> datetime | None:
        """The time in the member of this name."""
        return self.get(name).time()

    def _time(self) -> datetime | None:
        value = self._value
        if type(value) is str:
            return _moment(value)
        if type(value) is int or type(value) is float:
            return _since_1970(float(value), str(value))
        if self.is_absent:
            return None
        raise ValueError(f"expected a time, found {self.kind}")

    def stored(self) -> str:
        """This part of the document as compact JSON text which the JSON types of MySQL and MariaDB both accept."""
        text = orjson.dumps(self._value)
        if not self._shallow and _levels(self._value, text, MAX_STORED_DEPTH, MAX_STORED_DEPTH) > MAX_STORED_DEPTH:
            raise self.error(f"nested deeper than {MAX_STORED_DEPTH} levels")
        if len(text) > MAX_STORED_BYTES:
            raise self.error(f"larger than 1 MiB ({len(text):,} bytes of JSON text)")
        if len(text) > MAX_STORED_KEY:  # a shorter text cannot hold a key that is too long
            self._check_keys()
        return text.decode()

    def _check_keys(self) -> None:
        """Raise where a key is too long for MySQL; at most `MAX_STORED_DEPTH` levels are left to walk here."""
        if self.is_object:
            for name, member in self.object().items():
                if len(name.encode()) > MAX_STORED_KEY:
                    raise member.error(f"its key is longer than {MAX_STORED_KEY:,} bytes")
                member._check_keys()
        elif self.is_array:
            for element in self.array():
                element._check_keys()


def quoted(text: str, most: int = 40) -> str:
    """The text in quotation marks on one line, cut when it is long: for errors, never for data."""
    return json.dumps(text if len(text) <= most else text[:most] + "…", ensure_ascii=False)


def _kind(value: object) -> str:
    """What a value is, in words."""
    if value is _MISSING:
        return "nothing"
    if value is None:
        return "null"
    return {str: "a text", int: "a number", float: "a number", bool: "a boolean", dict: "an object", list: "an array"}[
        type(value)
    ]


def _moment(text: str) -> datetime | None:
    """What `Wild.time` makes of a text; `ValueError` says what else was expected."""
    return (_usual_moment if len(text) <= _USUAL_TIME else _any_moment)(text)


def _any_moment(text: str) -> datetime | None:
    text = text.strip()
    if not text or text[:10] in _ZERO_DAYS:
        return None
    if _DIGITS.fullmatch(text):
        return _since_1970(float(text), text)
    forms = _TIMES if len(text) <= _LONGEST_TIME else ()
    for found in filter(None, (form.fullmatch(text) for form in forms)):
        try:
            moment = _moment_of(found.groupdict(default=""))
        except (ValueError, KeyError, OverflowError):  # no such day, an unknown zone
            break
        return _within_reach(moment, text) if moment else None
    raise ValueError(f"expected a time as in RFC 3339, found {quoted(text)}")


def _moment_of(parts: Mapping[str, str]) -> datetime | None:
    """What one of `_TIMES` found, as UTC; what is finer than a microsecond is cut off, a zero time is None."""
    name = parts["month"].title()[:3]
    year, month, day = int(parts["year"]), int(name) if name.isdigit() else _MONTHS.index(name) + 1, int(parts["day"])
    if f"{year:04}-{month:02}-{day:02}" in _ZERO_DAYS:
        return None
    if len(parts["year"]) == 2:  # as POSIX has it
        year += 2000 if year < 69 else 1900
    offset = timedelta(hours=int(parts["hours"] or 0), minutes=int(parts["minutes"] or 0))
    if not parts["sign"]:
        offset = timedelta(hours=_ZONES[parts["zone"].upper()])
    return datetime(
        year, month, day, int(parts["hour"] or 0), int(parts["minute"] or 0), int(parts["second"] or 0),
        int(parts["fraction"].ljust(6, "0")[:6]), timezone(-offset if parts["sign"] == "-" else offset),
    ).astimezone(UTC)  # fmt: skip


def _since_1970(count: float, text: str) -> datetime | None:
    """A number as seconds since 1970, or as milli-, micro- or nanoseconds when it is too large for the one before."""
    while count >= _MOST_SECONDS and count < _MOST_SECONDS * 1e9:
        count /= 1000
    if not 0 <= count < _MOST_SECONDS:
        raise ValueError(f"expected a time between {FIRST_YEAR} and {LAST_YEAR}, found {quoted(text)}")
    return _within_reach(datetime.fromtimestamp(count, UTC), text)


def _within_reach(moment: datetime, text: str) -> datetime | None:
    """The moment, if the record can hold it; a sender without a time writes the first day of 1970."""
    if moment.year < FIRST_YEAR or moment.year > LAST_YEAR:
        raise ValueError(f"expected a time between {FIRST_YEAR} and {LAST_YEAR}, found {quoted(text)}")
    return moment if moment >= _SAID_SINCE else None


_SAID_SINCE = datetime(1970, 1, 3, tzinfo=UTC)
_MOST_SECONDS = 4_133_980_800.0  # the year 2101

_LONGEST_TIME = 100  # longer texts are no times, and would take long to be told so
_USUAL_TIME = 40
_usual_moment = lru_cache(maxsize=1024)(_any_moment)  # what repeats itself says the same time again


def _parse_tolerantly(body: bytes) -> object:
    """What the standard library makes of a body that orjson refused."""
    if not body.strip():
        raise Unreadable("body", "empty")
    try:
        text = body.decode("utf-8-sig").strip("\ufeff\0")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = error.start - body.rfind(b"\n", 0, error.start)
        raise Unreadable("body", f"not UTF-8 at line {line}, byte {column} of that line") from None
    try:
        try:
            return _loads(text)
        except json.JSONDecodeError:
            without = _LAST_COMMA.sub(lambda found: found[1] or "", text)
            if without == text:
                raise
            with suppress(json.JSONDecodeError):
                return _loads(without)
            raise
    except json.JSONDecodeError as error:
        raise Unreadable("$", f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Unreadable("$", f"nested deeper than {MAX_BODY_DEPTH} levels") from None


def _loads(text: str) -> object:
    return json.loads(
        text, strict=False, parse_float=_finite, parse_int=_whole_number, parse_constant=lambda _name: None
    )


_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*(?:"|\Z))|,(?=\s*[\]}])', re.DOTALL)
"""A comma that a template's loop leaves behind its last element; texts are matched so that nothing inside them is."""


def _finite(digits: str) -> float | None:
    """A number, or None when no float is that large."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _whole_number(digits: str) -> int | float | None:
    """A whole number of 64 bits, else a float as orjson does; Python refuses to read thousands of digits as int."""
    if len(digits) <= 20:
        number = int(digits)
        if -(2**63) <= number < 2**64:
            return number
    return _finite(digits)


def _holds_only_texts(members: dict[str, object]) -> TypeGuard[dict[str, str]]:
    """Whether all members of an object are texts, as those of nearly all labels and annotations are."""
    for member in members.values():  # noqa: SIM110 - asked twice of every alert, and a generator takes twice as long
        if type(member) is not str:
            return False
    return True


def _levels(value: object, text: bytes, few: int, most: int) -> int:
    """No fewer levels than the arrays and objects of a value are nested, counted up to `most` + 1.

    Where its JSON text has `few` opening brackets at most, their number is the answer: a look at the text is cheaper
    than walking the values. The walk goes level by level, so no stack can overflow.
    """
    # Copies without them tell how many brackets there are in a third of the time that `count` takes.
    brackets = 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))
    if brackets <= few:
        return brackets
    found = 0
    level: list[object] = [[value]]
    while found <= most:
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)  # type: ignore[attr-defined]
            if type(member) is not str and (type(member) is dict or type(member) is list)
        ]
        if not level:
            break
        found += 1
    return found


def _cleaned(value: object) -> object:
    """The same document without U+0000 and lone surrogates; not deeper than `MAX_BODY_DEPTH`, so recursion is safe."""
    if type(value) is str:
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if type(value) is dict:
        result: dict[object, object] = {}
        for name, member in value.items():
            result[_cleaned(name)] = _cleaned(member)
        return result
    if type(value) is list:
        elements: list[object] = []
        for element in value:
            elements.append(_cleaned(element))  # noqa: PERF401 - a comprehension would double the depth of the stack
        return elements
    return value
