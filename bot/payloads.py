"""What Slack sends, understood: bodies as Bolt hands them over become clicks, submissions and commands.

A body in a shape we do not know raises `UnreadablePayload`, which says where; a command we do not know is no error
but a `Misunderstood`, which says what is meant most probably.

    /incident                                    list what is open
    /incident list [status:… severity:… cluster:… namespace:"…" service:…]
    /incident 42 | #42 | INC-… | show 42         show one
    /incident ack|unack|reopen 42
    /incident resolve 42 [action taken]
    /incident help
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from bot.blocks.identifiers import (
    ACTION_TAKEN_BLOCK,
    NOTE_INPUT,
    ROOT_CAUSE_BLOCK,
    ClickAction,
    UnreadableValue,
    decode,
)
from db.model.identity import IncidentId
from db.model.incident import Filter, Severity, Status
from db.model.lifecycle import Action, Notes

_Item = TypeVar("_Item")

Reference = int | IncidentId
"""How a person names an incident: its number or its id."""


class UnreadablePayload(Exception):
    """A body of Slack's in a shape we do not know: `path` says where, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


# -- clicks and submissions --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody pressed a button or chose from a menu. Texts that Slack did not send are empty."""

    action: ClickAction
    incident_id: IncidentId
    version: int  # of the incident they were looking at
    user_id: str
    channel_id: str
    message_ts: str
    trigger_id: str
    response_url: str
    ephemeral: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Somebody sent the resolve dialog."""

    incident_id: IncidentId
    notes: Notes
    user_id: str
    view_id: str
    channel_id: str  # where the button was; empty when unknown


def read_click(body: object) -> Click:
    """Read a `block_actions` body. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    if (kind := payload["type"].text()) != "block_actions":
        raise UnreadablePayload("type", f"{kind!r} is not block_actions")
    pressed = payload["actions"].first()
    chosen = pressed["selected_option"]
    value = chosen["value"] if chosen.there() else pressed["value"]
    try:
        said = decode(value.text())
    except UnreadableValue as error:
        raise UnreadablePayload(value.path, str(error)) from error
    container = payload["container"]
    return Click(
        action=said.action,
        incident_id=said.incident_id,
        version=said.version,
        user_id=payload["user"]["id"].text(),
        channel_id=payload["channel"]["id"].text_or_empty() or container["channel_id"].text_or_empty(),
        message_ts=container["message_ts"].text_or_empty() or payload["message"]["ts"].text_or_empty(),
        trigger_id=payload["trigger_id"].text_or_empty(),
        response_url=payload["response_url"].text_or_empty(),
        ephemeral=container["is_ephemeral"].value is True,
    )


def read_submission(body: object) -> Submission:
    """Read the `view_submission` body of the resolve dialog. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    if (kind := payload["type"].text()) != "view_submission":
        raise UnreadablePayload("type", f"{kind!r} is not view_submission")
    view = payload["view"]
    metadata = _metadata(view["private_metadata"])
    values = view["state"]["values"]
    return Submission(
        incident_id=_incident_id(metadata["incident"]),
        notes=Notes(
            root_cause=values[ROOT_CAUSE_BLOCK][NOTE_INPUT]["value"].text_or_empty().strip(),
            action_taken=values[ACTION_TAKEN_BLOCK][NOTE_INPUT]["value"].text_or_empty().strip(),
        ),
        user_id=payload["user"]["id"].text(),
        view_id=view["id"].text_or_empty(),
        channel_id=metadata["channel"].text_or_empty(),
    )


def _metadata(kept: _Wild) -> _Wild:
    try:
        return _Wild(json.loads(kept.text()), kept.path)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayload(kept.path, "not JSON") from error


def _incident_id(kept: _Wild) -> IncidentId:
    text = kept.text()
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise UnreadablePayload(kept.path, "not the id of an incident")
    return IncidentId(text)


class _Wild:
    """A value of a body that nobody has checked yet; it knows its path, and a missing one is an error once read."""

    def __init__(self, value: object, path: str = "") -> None:
        self.value = value
        self.path = path or "body"
        self._prefix = f"{path}." if path else ""

    def __getitem__(self, name: str) -> _Wild:
        inside = self.value.get(name) if isinstance(self.value, Mapping) else None
        return _Wild(inside, self._prefix + name)

    def there(self) -> bool:
        return self.value is not None

    def first(self) -> _Wild:
        if not isinstance(self.value, Sequence) or isinstance(self.value, str | bytes) or not self.value:
            raise UnreadablePayload(self.path, "not a list with something in it")
        return _Wild(self.value[0], f"{self.path}[0]")

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise UnreadablePayload(self.path, "missing" if self.value is None else "not a text")
        return _storable(self.value)

    def text_or_empty(self) -> str:
        if self.value is not None and not isinstance(self.value, str):
            raise UnreadablePayload(self.path, "not a text")
        return _storable(self.value or "")


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str) -> str:
    """Slack sends neither, but a signed body could: the database takes no lone surrogate, and nothing needs NUL."""
    return _NOT_STORABLE.sub("\ufffd", text)


# -- commands ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListOpen:
    """Show what is open."""


@dataclass(frozen=True, slots=True)
class ListFiltered:
    """Show what matches."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class Show:
    """Show one."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Change:
    """Change one."""

    action: Action
    reference: Reference
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True, slots=True)
class Help:
    """Show how to ask."""


class Problem(StrEnum):
    """What was not understood."""

    UNKNOWN_COMMAND = "unknown_command"
    MISSING_REFERENCE = "missing_reference"
    WRONG_REFERENCE = "wrong_reference"
    UNKNOWN_FILTER = "unknown_filter"
    UNKNOWN_VALUE = "unknown_value"
    TOO_MUCH = "too_much"  # something behind a complete command


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """What was typed fits no form."""

    text: str  # all that was typed
    nearest: str  # the nearest right form, ready to be typed: `/incident resolve 42`
    problem: Problem
    subject: str = ""  # the part that is wrong
    filter_name: str = ""  # for `UNKNOWN_VALUE`: of which filter
    allowed: tuple[str, ...] = ()  # what the part could be


Command = ListOpen | ListFiltered | Show | Change | Help | Misunderstood


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """Somebody typed a command."""

    command: Command
    name: str  # `/incident`
    user_id: str
    channel_id: str
    trigger_id: str
    response_url: str


def read_command(body: object) -> CommandCall:
    """Read the body of a slash command. Raises `UnreadablePayload`."""
    payload = _Wild(body)
    name = payload["command"].text_or_empty() or "/incident"
    return CommandCall(
        command=understand(payload["text"].text_or_empty(), name),
        name=name,
        user_id=payload["user_id"].text(),
        channel_id=payload["channel_id"].text_or_empty(),
        trigger_id=payload["trigger_id"].text_or_empty(),
        response_url=payload["response_url"].text_or_empty(),
    )


_LIST = ("list", "ls", "목록")
_SHOW = ("show", "view", "details", "보기")
_HELP = ("help", "?", "도움말")
_CHANGES: Mapping[str, Action] = {
    "ack": Action.ACKNOWLEDGE,
    "acknowledge": Action.ACKNOWLEDGE,
    "확인": Action.ACKNOWLEDGE,
    "unack": Action.UNACKNOWLEDGE,
    "unacknowledge": Action.UNACKNOWLEDGE,
    "un-acknowledge": Action.UNACKNOWLEDGE,
    "확인취소": Action.UNACKNOWLEDGE,
    "resolve": Action.RESOLVE,
    "해결": Action.RESOLVE,
    "reopen": Action.REOPEN,
    "re-open": Action.REOPEN,
    "다시열기": Action.REOPEN,
}
_TWO_WORDS: Mapping[tuple[str, str], Action] = {
    ("확인", "취소"): Action.UNACKNOWLEDGE,
    ("다시", "열기"): Action.REOPEN,
}
_SHORT: Mapping[Action, str] = {
    Action.ACKNOWLEDGE: "ack",
    Action.UNACKNOWLEDGE: "unack",
    Action.RESOLVE: "resolve",
    Action.REOPEN: "reopen",
}
_OPEN = (Status.ACTIVE, Status.ACKNOWLEDGED)
_STATUSES: Mapping[str, tuple[Status, ...]] = {
    "active": (Status.ACTIVE,),
    "acknowledged": (Status.ACKNOWLEDGED,),
    "resolved": (Status.RESOLVED,),
    "open": _OPEN,
    "all": tuple(Status),
    "미확인": (Status.ACTIVE,),
    "확인됨": (Status.ACKNOWLEDGED,),
    "해결됨": (Status.RESOLVED,),
    "진행중": _OPEN,
    "전체": tuple(Status),
}
_SEVERITIES: Mapping[str, tuple[Severity, ...]] = {
    **{severity.value: (severity,) for severity in Severity},
    "심각": (Severity.CRITICAL,),
    "높음": (Severity.HIGH,),
    "경고": (Severity.WARNING,),
    "정보": (Severity.INFO,),
}
_FILTERS = ("status", "severity", "cluster", "namespace", "service")
_BARE = (*_STATUSES, *_SEVERITIES)
_VERBS = (*_LIST, *_SHOW, *_HELP, *_CHANGES)

_QUOTES = '"“”„'  # keyboards of phones and Macs make the others out of the first
_WORD = re.compile(rf"""(?:[^\s{_QUOTES}]|[{_QUOTES}][^{_QUOTES}]*(?:[{_QUOTES}]|$))+""")
_NUMBER = re.compile(r"(?:#|inc-)?(\d{1,18})", re.IGNORECASE)
_ID = re.compile(r"INC-\d{14}-[0-9a-f]{16}(?:-\d{1,9})?", re.IGNORECASE)
_MENTION = re.compile(r"<([@#!])([^<>|]*)(?:\|([^<>]*))?>")
_ADDRESS = re.compile(r"<((?:https?|mailto):[^<>|]*)(?:\|[^<>]*)?>")


def understand(text: str, name: str = "/incident") -> Command:
    """What was typed behind the command's name. Upper and lower case and extra spaces do not matter."""
    words = _words(text)
    return _Asked(text, name, words).understood() if words else ListOpen()


def typed(text: str) -> str:
    """What the person had typed: Slack escapes `& < >` and makes sequences of people, channels and addresses."""
    text = _ADDRESS.sub(lambda found: found[1].removeprefix("mailto:"), text)
    text = _MENTION.sub(
        lambda found: ("#" if found[1] == "#" else "@") + (found[3] or found[2]).removeprefix("@"), text
    )
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@dataclass(frozen=True, slots=True)
class _Word:
    """One word with its place, so that what follows it can be taken as it was typed."""

    text: str
    end: int

    @property
    def folded(self) -> str:
        return self.text.casefold()


def _words(text: str) -> list[_Word]:
    return [_Word(found[0], found.end()) for found in _WORD.finditer(text)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command while it is being understood."""

    text: str
    name: str
    words: Sequence[_Word]

    def understood(self) -> Command:
        first, rest = self.words[0], self.words[1:]
        verb = first.folded
        if rest and (action := _TWO_WORDS.get((verb, rest[0].folded))):
            return self._change(action, first, rest[1:])
        if verb in _HELP:
            return Help()
        if verb in _LIST:
            return self._filtered(rest)
        if verb in _SHOW:
            return self._show(rest)
        if verb in _CHANGES:
            return self._change(_CHANGES[verb], first, rest)
        if (reference := _reference(first.text)) is not None:
            return Show(reference) if not rest else self._verb_behind(reference, rest)
        if ":" in verb or verb in _BARE:
            if rest and _reference(rest[0].text) is not None:
                return self._unknown()
            return self._filtered(self.words)
        return self._unknown()

    def _show(self, rest: Sequence[_Word]) -> Command:
        if not rest:
            return self._wrong(Problem.MISSING_REFERENCE, "show 42", "show")
        reference = _reference(rest[0].text)
        if reference is None:
            return self._wrong(Problem.WRONG_REFERENCE, "show 42", rest[0].text)
        if len(rest) > 1:
            return self._wrong(Problem.TOO_MUCH, f"show {_shown(reference)}", rest[1].text)
        return Show(reference)

    def _change(self, action: Action, verb: _Word, rest: Sequence[_Word]) -> Command:
        short = _SHORT[action]
        if not rest:
            return self._wrong(Problem.MISSING_REFERENCE, f"{short} 42", verb.text)
        reference = _reference(rest[0].text)
        if reference is None:
            return self._wrong(Problem.WRONG_REFERENCE, f"{short} 42", rest[0].text)
        behind = typed(self.text[rest[0].end :]).strip()
        if not behind:
            return Change(action, reference)
        if action is not Action.RESOLVE:
            return self._wrong(Problem.TOO_MUCH, f"{short} {_shown(reference)}", behind)
        return Change(action, reference, Notes(action_taken=behind))

    def _verb_behind(self, reference: Reference, rest: Sequence[_Word]) -> Command:
        """`42 ack` is not a form, but what it means is plain."""
        action = _CHANGES.get(rest[0].folded)
        form = f"{_SHORT[action]} {_shown(reference)}" if action else _shown(reference)
        return self._wrong(Problem.TOO_MUCH, form, rest[0].text)

    def _unknown(self) -> Misunderstood:
        """No form begins like this: perhaps a word that is nearly right, perhaps a filter value that is."""
        first, rest = self.words[0], self.words[1:]
        reference = _reference(rest[0].text) if rest else None
        verb = _nearest(first.folded, tuple(_CHANGES) + _SHOW if reference is not None else (*_VERBS, *_BARE))
        if verb in _CHANGES:
            form = f"{_SHORT[_CHANGES[verb]]} {_shown(reference) if reference is not None else 42}"
        elif verb in _SHOW:
            form = f"show {_shown(reference) if reference is not None else 42}"
        elif verb in _BARE:
            form = f"list {verb}"
        elif verb in _LIST:
            form = "list"
        else:
            form = "help"
        return self._wrong(Problem.UNKNOWN_COMMAND, form, first.text)

    def _filtered(self, words: Sequence[_Word]) -> Command:
        if not words:
            return ListOpen()
        found = Filter()
        statuses: tuple[Status, ...] = ()
        for word in words:
            read = self._one_filter(word.text)
            if isinstance(read, Misunderstood):
                return read
            statuses += read.statuses
            found = replace(
                found,
                severities=_once(found.severities + read.severities),
                cluster=read.cluster or found.cluster,
                namespace=read.namespace or found.namespace,
                service=read.service or found.service,
            )
        return ListFiltered(replace(found, statuses=_once(statuses) or found.statuses))

    def _one_filter(self, word: str) -> Filter | Misunderstood:
        """What one word restricts; statuses are empty where it says nothing of them."""
        name, colon, value = word.partition(":")
        name, value = name.casefold(), typed(_unquoted(value)).strip()
        nothing = Filter(statuses=())
        if not colon:
            if name in _STATUSES:
                return replace(nothing, statuses=_STATUSES[name])
            if name in _SEVERITIES:
                return replace(nothing, severities=_SEVERITIES[name])
            if (reference := _reference(word)) is not None:
                form = f"show {_shown(reference)}"
                return self._wrong(Problem.UNKNOWN_FILTER, form, word, allowed=_named(_FILTERS))
            near = _nearest(name, _BARE)
            return self._wrong(Problem.UNKNOWN_FILTER, f"list {near}".strip(), word, allowed=_named(_FILTERS))
        if name not in _FILTERS:
            form = f"list {_nearest(name, _FILTERS) or 'service'}:{_quoted(value) or 'checkout'}"
            return self._wrong(Problem.UNKNOWN_FILTER, form, f"{name}:", allowed=_named(_FILTERS))
        if name == "status":
            statuses = self._several(name, value, _STATUSES)
            return statuses if isinstance(statuses, Misunderstood) else replace(nothing, statuses=statuses)
        if name == "severity":
            severities = self._several(name, value, _SEVERITIES)
            return severities if isinstance(severities, Misunderstood) else replace(nothing, severities=severities)
        if not value:
            return self._wrong(Problem.UNKNOWN_VALUE, f"list {name}:checkout", "", filter_name=name)
        return replace(
            nothing,
            cluster=value if name == "cluster" else "",
            namespace=value if name == "namespace" else "",
            service=value if name == "service" else "",
        )

    def _several(
        self, name: str, value: str, known: Mapping[str, tuple[_Item, ...]]
    ) -> tuple[_Item, ...] | Misunderstood:
        """The values of a list such as `active,acknowledged`; a `|` between them will do as well."""
        chosen: tuple[_Item, ...] = ()
        said = [one for one in re.split(r"[,|\s]+", value.casefold()) if one]
        for one in said or [""]:
            if one not in known:
                allowed = tuple(value for value in known if value.isascii())
                near = _nearest(one, tuple(known)) or allowed[0]
                form = f"list {name}:{near}"
                return self._wrong(Problem.UNKNOWN_VALUE, form, one, filter_name=name, allowed=allowed)
            chosen += known[one]
        return _once(chosen)

    def _wrong(
        self, problem: Problem, form: str, subject: str, *, filter_name: str = "", allowed: tuple[str, ...] = ()
    ) -> Misunderstood:
        return Misunderstood(
            text=typed(self.text).strip(),
            nearest=f"{self.name} {form}",
            problem=problem,
            subject=typed(subject),
            filter_name=filter_name,
            allowed=allowed,
        )


def _reference(word: str) -> Reference | None:
    """An incident's number or id; None when it is neither."""
    if found := _NUMBER.fullmatch(word):
        return int(found[1])
    if _ID.fullmatch(word):
        return IncidentId("INC-" + word[4:].lower())
    return None


def _shown(reference: Reference) -> str:
    return str(reference)


def _named(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name}:" for name in names)


def _nearest(word: str, known: Sequence[str]) -> str:
    """The known word that looks most like this one; empty when none does."""
    return next(iter(difflib.get_close_matches(word[:40], known, n=1, cutoff=0.6)), "")


def _unquoted(value: str) -> str:
    return re.sub(f"[{_QUOTES}]", "", value)


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value


def _once(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
