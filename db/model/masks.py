"""Masking rules: which parts of texts nobody shall read, in the record or in Slack.

A rule for storage changes a delivery before anything is made of it, so keys, fingerprints that we compute, titles and
links all come from the masked texts. A rule for Slack leaves the record as it is and changes what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from db.model.patterns import PatternError, compiled, spans
from db.model.sections import Sections

MOST_MATCHES = 200
"""Matches in one text; a text with more is masked as a whole, so that none takes more than so many passes over it."""

_SELECTOR = re.compile(r"(?:(labels|annotations)\.)?([A-Za-z0-9_.-]+|\*)", re.ASCII)
_CONTAINERS = {
    "labels": frozenset({"labels", "commonLabels", "groupLabels", "tags"}),
    "annotations": frozenset({"annotations", "commonAnnotations"}),
}
_ALL_CONTAINERS = frozenset().union(*_CONTAINERS.values())
_STRUCTURE = frozenset({"fingerprint", "status", "state", "version", "startsAt", "endsAt", "updatedAt"})
"""Members that a delivery cannot be read without; they are not masked, except as names of labels, ..."""

_USUAL = re.compile(r"[A-Za-z_]{1,20}|[0-9TZtz:.,+ -]{1,40}", re.ASCII)
"""... and where a state or a time is none by its look: a secret may stand there."""

_FOUND = re.compile(r', found ".*…"', re.DOTALL)


_NAMES = frozenset({"fingerprint", "version"})


class Where(StrEnum):
    """Where a rule applies."""

    STORAGE = "storage"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Mask:
    """One rule. Raises `PatternError` for a pattern that RE2 refuses or that matches the empty text.

    `fields` restricts a rule for storage: `labels.*`, `labels.password`, `annotations.*`, or the name of any member.
    """

    pattern: str
    replace: str = "***"
    fields: tuple[str, ...] = ()
    where: Where = Where.STORAGE
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", compiled(self.pattern))

    def text(self, value: str) -> str:
        """The text with every match replaced."""
        data = value.encode("utf-8", "surrogatepass")
        masked = self.data(data)
        return value if masked is data else masked.decode("utf-8", "surrogatepass")

    def data(self, value: bytes) -> bytes:
        """The same for the bytes of a text; these very bytes when there is nothing to mask."""
        found = spans(self._compiled, value, MOST_MATCHES)
        if found == []:
            return value
        replace = self.replace.encode()
        if found is None:
            return replace
        pieces, end = [], 0
        for start, stop in found:
            pieces += [value[end:start], replace]
            end = stop
        return b"".join([*pieces, value[end:]])

    def occurs(self, value: bytes) -> bool:
        """Whether there is anything to mask in these bytes."""
        return spans(self._compiled, value, 0) is None

    def is_for(self, container: str, name: str) -> bool:
        """Whether it applies to the member `name` of the object that is the member `container` of another one."""
        return not self.fields or any(_selects(selector, container, name) for selector in self.fields)


@dataclass(frozen=True, slots=True)
class Masks:
    """All masking rules of the policy file, in their order."""

    storage: tuple[Mask, ...] = ()
    slack: tuple[Mask, ...] = ()

    def document(self, value: object) -> tuple[object, bool]:
        """A JSON document with its texts masked for storage, and whether that changed anything.

        Texts are masked wherever they are; keys and numbers stay. The document is nested at most a few hundred levels.
        """
        return _walked(value, self.storage, "", "")

    def unread(self, body: bytes) -> bytes:
        """A body that is no JSON, masked as the text it is by all rules for storage."""
        for mask in self.storage:
            body = mask.data(body)
        return body

    def told(self, text: str) -> str:
        """What is said of a request, by all rules for storage: it may quote any part of it.

        A quotation that is cut short goes as a whole, because no rule need know the half of a secret.
        """
        if not self.storage:
            return text
        text = _FOUND.sub("", text)
        for mask in self.storage:
            text = mask.text(text)
        return text

    def occur(self, body: bytes) -> bool:
        """Whether a rule for all texts finds anything anywhere in these bytes."""
        return any(mask.occurs(body) for mask in self.storage if not mask.fields)

    def shown(self, text: str) -> str:
        """A text as Slack may show it."""
        for mask in self.slack:
            text = mask.text(text)
        return text


def read_masks(file: Sections) -> Masks:
    """The tables `[[masks]]` of the policy file; what is wrong is left in `file.problems`."""
    masks: list[Mask] = []
    for section in file.entries("masks", {"pattern", "replace", "fields", "where"}):
        fields = section.texts("fields", ())
        where = section.text("where", Where.STORAGE.value)
        if where not in tuple(Where):
            section.problem("where", f"must be one of {', '.join(Where)}, not {where!r}")
            continue
        for selector in fields:
            if not _SELECTOR.fullmatch(selector):
                section.problem("fields", f'must be names such as "labels.*" or "message", not {selector!r}')
        if fields and where == Where.SLACK:
            section.problem("fields", 'applies to where = "storage" only; in Slack a rule is for everything')
        pattern = section.text("pattern")
        if not pattern:
            section.problem("pattern", "must be a text")
            continue
        try:
            masks.append(Mask(pattern, section.text("replace", "***"), fields, Where(where)))
        except PatternError as error:
            section.problem("pattern", f"is not a regular expression: {error}")
    return Masks(
        storage=tuple(mask for mask in masks if mask.where is Where.STORAGE),
        slack=tuple(mask for mask in masks if mask.where is Where.SLACK),
    )


def _walked(value: object, masks: Sequence[Mask], container: str, name: str) -> tuple[object, bool]:
    if type(value) is str:
        if name in _STRUCTURE and container not in _ALL_CONTAINERS and (name in _NAMES or _USUAL.fullmatch(value)):
            return value, False
        text = value
        for mask in masks:
            if mask.is_for(container, name):
                text = mask.text(text)
        return text, text != value
    changed = False
    if type(value) is dict:
        members: dict[object, object] = {}
        for key, member in value.items():
            members[key], one = _walked(member, masks, name, key)
            changed |= one
        return (members, True) if changed else (value, False)
    if type(value) is list:
        elements: list[object] = []
        for element in value:
            kept, one = _walked(element, masks, container, name)
            elements.append(kept)
            changed |= one
        return (elements, True) if changed else (value, False)
    return value, False


def _selects(selector: str, container: str, name: str) -> bool:
    found = _SELECTOR.fullmatch(selector)
    if found is None:
        return False
    group, member = found.groups()
    if group is not None:
        return container in _CONTAINERS[group] and member in ("*", name)
    return member in ("*", name)
