"""Named SQL from files: one file per store, one name and one sentence per query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^-- name: (\w+)\n((?:-- .*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement; `about` is its sentence, `sql` its text with `%(name)s` parameters."""

    name: str
    about: str
    sql: str


@cache
def query(store: str, name: str) -> Query:
    """The query `name` of `db/store/sql/<store>.sql`. Raises `KeyError` when there is none."""
    return _load(store)[name]


@cache
def _load(store: str) -> dict[str, Query]:
    text = files("db.store").joinpath("sql", f"{store}.sql").read_text("utf-8")
    return parse(text)


def parse(text: str) -> dict[str, Query]:
    """The queries of one file. Raises `ValueError` for a name that stands twice or a query without a sentence."""
    queries: dict[str, Query] = {}
    headers = list(_HEADER.finditer(text))
    if len(headers) != len(re.findall(r"^-- name:", text, re.MULTILINE)):
        raise ValueError("every query starts with `-- name: word` and a line that says what it is for")
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        name = header.group(1)
        if name in queries:
            raise ValueError(f"the query {name!r} stands twice")
        body = text[header.end() : following.start() if following else len(text)]
        about = " ".join(line.removeprefix("-- ") for line in header.group(2).splitlines())
        queries[name] = Query(f"{name}", about, body.strip().rstrip(";"))
    return queries
