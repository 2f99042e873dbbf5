"""What the policy masks for Slack is masked wherever a card shows it, in every text field that there is."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

import pytest

from bot.blocks.card import incident_card
from bot.text import ENGLISH
from bot.veil import Veil
from db.model.alert import Links
from db.model.incident import Details, Event, Incident, Listing
from db.model.lifecycle import Already, Changed, Refused
from db.model.policy import Policy
from db.model.storm import Digest, Group, Overview
from tests.bot.blocks.incidents import ACTIVE, FIRES
from tests.db.builders import at

SECRET = "tok-4711"
MASKS = Policy.parse({"masks": [{"pattern": "tok-[0-9]+", "where": "slack"}]}).masks
VEIL = Veil(MASKS)

OURS = {
    "Actor": {"id"},
    "Digest": {"channel", "rule"},
    "Event": {"incident_id", "reason"},
    "Filter": {"cluster", "namespace", "service"},  # what the person who reads it typed
    "Group": {"key"},
    "Incident": {"incident_id", "key", "source", "channel", "blind_incident", "last_change"},
    "Instance": {"incident_id", "key", "fingerprint", "origin"},
    "RecordedAlert": {"fingerprint"},
}
"""Texts that no source and no person wrote: they are shown as they are."""

KEYS_OF_OURS = (".details", ".shared")
"""Mappings of which only the values come from elsewhere."""


def full(kind: Any) -> Any:
    """A value of this type in which every text holds the secret."""
    if isinstance(kind, NewType):
        return full(kind.__supertype__)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return full(str if str in inner else inner[0])
    if origin is tuple:
        return (full(inner[0]),)
    if origin is not None and issubclass(origin, Mapping):
        return {full(inner[0]): full(inner[1])}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{field.name: full(hints[field.name]) for field in fields(kind) if field.init})
    if issubclass(kind, Enum):
        return next(iter(kind))
    return {str: SECRET, int: 7, bool: True, bytes: b"x", datetime: at(0)}[kind]


def leaks(value: Any, where: str = "") -> Iterator[str]:
    """The paths of the texts that hold the secret, without those that are ours."""
    if is_dataclass(value):
        for field in fields(value):
            if field.name not in OURS.get(type(value).__name__, ()):
                yield from leaks(getattr(value, field.name), f"{where}.{field.name}")
    elif isinstance(value, str):
        if SECRET in value and not isinstance(value, Enum):
            yield where
    elif isinstance(value, Mapping):
        keys = () if where.endswith(KEYS_OF_OURS) else tuple(value)
        yield from leaks((*keys, *value.values()), where)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from leaks(one, where)


INCIDENT: Incident = full(Incident)

SHOWN: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "incident": (VEIL.incident, INCIDENT),
    "details": (VEIL.details, full(Details)),
    "listing": (VEIL.listing, full(Listing)),
    "event": (VEIL.event, full(Event)),
    "digest": (VEIL.digest, full(Digest)),
    "group": (VEIL.group, full(Group)),
    "overview": (VEIL.overview, full(Overview)),
    "already": (VEIL.outcome, Already(INCIDENT, None, None)),
    "refused": (VEIL.outcome, Refused(next(iter(get_type_hints(Refused)["reason"])), INCIDENT, INCIDENT)),
    "changed": (VEIL.outcome, Changed(INCIDENT, replace(full(Event), details={}))),
}


@pytest.mark.parametrize("name", SHOWN)
def test_every_text_that_a_source_or_a_person_wrote_is_masked(name: str) -> None:
    mask, value = SHOWN[name]
    assert list(leaks(value)), "it is about something"
    assert list(leaks(mask(value))) == []


@pytest.mark.parametrize("name", SHOWN)
def test_without_rules_nothing_is_changed(name: str) -> None:
    mask, value = SHOWN[name]
    assert getattr(Veil(Policy().masks), mask.__name__)(value) == value


def test_what_fires_is_masked_too() -> None:
    instances = tuple(
        replace(one, labels={"token": f"{SECRET}{number}"}, first_values=SECRET, last_values=f"{SECRET}1")
        for number, one in enumerate(FIRES.instances)
    )
    fires = replace(
        FIRES, instances=instances, summary=f"a {SECRET}", links=Links(source=f"https://g.example/{SECRET}")
    )
    for shown in (fires, replace(fires, instances=instances[:1])):
        card = incident_card(replace(ACTIVE, fires=shown), ENGLISH)
        assert SECRET in str(card)
        masked = incident_card(Veil(MASKS).incident(replace(ACTIVE, fires=shown)), ENGLISH)
        assert SECRET not in str(masked)
