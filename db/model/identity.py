"""Names of things: incident keys, incident ids and who did something."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NewType

IncidentKey = NewType("IncidentKey", str)
"""16 lower-case hex digits that say which incidents are the same kind."""

IncidentId = NewType("IncidentId", str)
"""`INC-{YYYYMMDDHHMMSS}-{incident_key}`, with `-2`, `-3` ... if that second already has one; 64 characters at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """A message in Slack, by its channel's id and its time stamp there."""

    channel_id: str
    ts: str
    link: str = field(default="", compare=False)  # as somebody copied it


Reference = int | IncidentId | Place
"""How a person names an incident: its number, its id, or its card."""


@dataclass(frozen=True, slots=True)
class KeyParts:
    """The five texts whose hash is the incident key; a missing one is the empty text."""

    rule_uid: str
    cluster: str = ""
    namespace: str = ""
    service: str = ""
    phase: str = ""


def spelt(text: str) -> str:
    """A part of a key as it counts: composed (Unicode NFC), without blanks and invisible characters around it.

    macOS writes Hangul and accents decomposed, and nobody sees the difference.
    """
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", text).strip(_BLANKS)


_BLANKS = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\xad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u205f\u2060\u3000\u3164\ufeff"
)


def incident_key(parts: KeyParts) -> IncidentKey:
    """The first 16 hex digits of `sha256("rule_uid|cluster|namespace|service|phase")`.

    A `|` or `\\` inside a part is escaped with a backslash, so that two different quintuples never give the same text;
    parts without these two characters give exactly the documented key.
    """
    texts = (parts.rule_uid, parts.cluster, parts.namespace, parts.service, parts.phase)
    return _remembered(texts) if sum(map(len, texts)) <= _SHORT else _hashed(texts)


def _hashed(texts: tuple[str, ...]) -> IncidentKey:
    joined = "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)
    return IncidentKey(hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:16])


_SHORT = 500
"""Characters of parts whose key is remembered: alerts come in their hundreds for a few keys."""

_remembered = lru_cache(maxsize=4096)(_hashed)


def incident_id(key: IncidentKey, opened_at: datetime, last_of_key: IncidentId | None) -> IncidentId:
    """The id of an incident opened at `opened_at` (UTC).

    `last_of_key` is the id of the newest incident of this key, if there is one: an id has a resolution of one second,
    so a second incident within it gets the suffix `-2`, a third `-3`. Ids of a key never go back: on a replica whose
    clock is behind, the second of the newest incident counts.
    """
    second = f"{opened_at:%Y%m%d%H%M%S}"
    if last_of_key is None:
        return IncidentId(f"INC-{second}-{key}")
    _, last_second, _, *suffix = last_of_key.split("-")
    if second > last_second:
        return IncidentId(f"INC-{second}-{key}")
    return IncidentId(f"INC-{last_second}-{key}-{int(suffix[0]) + 1 if suffix else 2}")


def of_origin(fingerprint: str, origin: str) -> str:
    """The name of what another server than the first calls `fingerprint`, `<fingerprint>@<12 hex digits>`; 64
    characters at most, and the same on every replica."""
    digest = hashlib.sha256(f"{fingerprint}\0{origin}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{fingerprint[:51]}@{digest[:12]}"


def plain_fingerprint(name: str, origin: str) -> str:
    """What the server `origin` itself calls an instance of this name; a fingerprint of more than 51 characters is not
    found again, and gives the name."""
    fingerprint = name[:-13]
    return fingerprint if of_origin(fingerprint, origin) == name else name


class ActorKind(StrEnum):
    """What sort of somebody did a thing."""

    PERSON = "slack"  # a Slack user
    SOURCE = "source"  # Grafana or Alertmanager
    OBSERVER = "observer"  # a rule of ours


_KINDS = {kind.value: kind for kind in ActorKind}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a Slack user (`id` U…), a source (`id` grafana, alertmanager) or Observer itself."""

    kind: ActorKind
    id: str

    def __str__(self) -> str:
        """The form kept in the record, `slack:U0123` or `source:grafana`."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Actor:
        """Read the form of the record; a text of no known kind is a person's id (`ValueError` is never raised)."""
        kind, _, rest = text.partition(":")
        if rest and kind in _KINDS:
            return cls(_KINDS[kind], rest)
        return cls(ActorKind.PERSON, text)


def person(slack_user_id: str) -> Actor:
    """The Slack user with this id."""
    return Actor(ActorKind.PERSON, slack_user_id)


def observer(part: str) -> Actor:
    """A part of Observer that acts by itself, such as `reconciliation`."""
    return Actor(ActorKind.OBSERVER, part)


def source(name: str) -> Actor:
    """The alert source of this name."""
    return Actor(ActorKind.SOURCE, name)
