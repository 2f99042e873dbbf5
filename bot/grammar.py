"""The grammar of the slash command: what was typed becomes a command, or the nearest right form.

/incident                                          list what is open
/incident list [status:… severity:… cluster:… namespace:"…" service:…]
/incident NUMBER | #NUMBER | INC-… | show NUMBER   show one; a link to its card will do as well, here and below
/incident ack|unack|reopen NUMBER [NUMBER ...]
/incident resolve NUMBER|NUMBER,NUMBER [action taken]
/incident help

Synonyms and polite words around a form do not matter: `please take 3`, `I'll fix 3`, `3번 확인`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from bot.text.markup import as_written, without_invisible
from db.model.identity import IncidentId, Place, Reference
from db.model.incident import Filter, Severity, Status
from db.model.lifecycle import Action, Notes
from db.model.policy import Policy

_Item = TypeVar("_Item")


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
    """Change one, or several."""

    action: Action
    reference: Reference
    notes: Notes = field(default_factory=Notes)
    others: tuple[Reference, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """All that were named, each once."""
        return tuple(dict.fromkeys((self.reference, *self.others)))


@dataclass(frozen=True, slots=True)
class Help:
    """Show how to ask."""


NUMBER = "NUMBER"
"""Stands in a suggestion for the number that was not typed: any real one would be somebody's incident."""


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
    nearest: str  # the nearest right form, ready to be typed but for `NUMBER`
    problem: Problem
    subject: str = ""  # the part that is wrong
    filter_name: str = ""  # for `UNKNOWN_VALUE`: of which filter
    allowed: tuple[str, ...] = ()  # what the part could be
    action: Action | None = None  # what should be done with the incident that was not named; None: show it

    @property
    def lacks_incident(self) -> bool:
        """Whether only the incident is missing: the person can choose one."""
        return self.nearest.endswith(f" {NUMBER}")


Command = ListOpen | ListFiltered | Show | Change | Help | Misunderstood


_LIST = ("list", "ls", "목록")
_SHOW = ("show", "view", "details", "보기")
_HELP = ("help", "?", "도움말")
_CHANGES: Mapping[str, Action] = {
    "ack": Action.ACKNOWLEDGE,
    "acknowledge": Action.ACKNOWLEDGE,
    "take": Action.ACKNOWLEDGE,
    "claim": Action.ACKNOWLEDGE,
    "확인": Action.ACKNOWLEDGE,
    "접수": Action.ACKNOWLEDGE,
    "승인": Action.ACKNOWLEDGE,
    "담당": Action.ACKNOWLEDGE,
    "인지": Action.ACKNOWLEDGE,
    "unack": Action.UNACKNOWLEDGE,
    "unacknowledge": Action.UNACKNOWLEDGE,
    "un-acknowledge": Action.UNACKNOWLEDGE,
    "확인취소": Action.UNACKNOWLEDGE,
    "resolve": Action.RESOLVE,
    "close": Action.RESOLVE,
    "fix": Action.RESOLVE,
    "해결": Action.RESOLVE,
    "종료": Action.RESOLVE,
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
_FILTER_WORDS: Mapping[str, str] = {
    **{name: name for name in _FILTERS},
    "상태": "status",
    "심각도": "severity",
    "클러스터": "cluster",
    "네임스페이스": "namespace",
    "서비스": "service",
}
_DEFAULT = Policy()
MOST_AT_ONCE = 10
"""Incidents that one command changes: as many as a list shows, and no more than fit into the time for an answer."""
_POLITE = frozenset(
    (
        *("please", "pls", "plz", "thanks", "thank", "you", "i", "ill", "im", "id", "will", "would", "can", "could"),
        *("let", "me", "부탁해요", "부탁합니다", "부탁드립니다", "좀", "제가", "내가", "주세요", "줘"),
    )
)
"""What people say around a command, apostrophes left out."""
_KOREAN_ENDINGS = re.compile("(?:하기|해줘|해줘요|해주세요|할게|할게요|하겠습니다|합니다|했습니다|했어요|해요|해)$")
_AND = ("and", "&", "+", ",", "그리고", "및")
_BARE = (*_STATUSES, *_SEVERITIES)
_VERBS = (*_LIST, *_SHOW, *_HELP, *_CHANGES)

# The marks that keyboards and input methods put around a value. A single one may be an apostrophe: it opens only where
# a value begins, and closes only where one ends.
_DOUBLE = '"“”„‟«»＂″〝〞〟❝❞'
_CORNER = "「」『』｢｣﹁﹂﹃﹄《》〈〉"
_SINGLE = "'‘’‚‛＇′´`❛❜"
_ANGLE = "‹›"
_QUOTES = _DOUBLE + _CORNER + _SINGLE + _ANGLE
_BETWEEN = r":：,，、|｜="
_WORD = re.compile(
    "(?:"
    + "|".join(
        (
            r"<https?:[^<>]*>",
            *(f"[{marks}][^{marks}]*(?:[{marks}]|$)" for marks in (_DOUBLE, _CORNER)),
            *(
                rf"(?<![^\s{_BETWEEN}])[{marks}].{{0,300}}?[{marks}]+(?=[\s{_BETWEEN}]|$)"
                for marks in (_SINGLE, _ANGLE)
            ),
            r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))",  # 1 042, the blank of a phone's thousands
            rf"[^\s{_DOUBLE}{_CORNER}]",
        )
    )
    + ")+",
    re.DOTALL,
)
_WIDE = {ord("！") + offset: ord("!") + offset for offset in range(94)}  # letters and signs of East Asian keyboards
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―⁃−﹘﹣－"), "-")
_KEYCAP = "\u20e3"  # behind a digit: 1️⃣
_COUNTED = r"[1-9]\d{0,2}(?P<mark>[,.'’_٬\u00a0\u2007\u2009\u202f])\d{3}(?:(?P=mark)\d{3}){0,4}"
_NUMBER = re.compile(rf"(?:#|№|n[or]\.?[#:]?|inc(?:ident)?[-#:]?#?)?(?P<number>\d{{1,18}}|{_COUNTED})(?:번|호)?")
_LINK = re.compile(
    r"https?://[^/\s]+/(?:\S*/)?archives/(?P<channel>[A-Za-z0-9]{1,32})/p(?P<at>\d{7,24})(?P<more>\?\S*)?"
)
_THREAD = re.compile(r"[?&]thread_ts=(?P<ts>\d{1,18}\.\d{6})(?:&|$)")
_ID = re.compile(r"inc-\d{14}-[0-9a-f]{16}(?:-\d{1,9})?")
_ENDS = ".,:;!?…。、"  # of a sentence, around a number in it
_BEFORE_NUMBER = ("#", "№", "no", "nr", "number", "num", "inc", "incident", "번호", "인시던트")
_BEHIND_NUMBER = ("번", "호")
_MENTION = re.compile(r"<([@#!])([^<>|]*)(?:\|([^<>]*))?>")
_ADDRESS = re.compile(r"<((?:https?|mailto):[^<>|]*)(?:\|[^<>]*)?>")


def understand(text: str, name: str = "/incident", policy: Policy | None = None) -> Command:
    """What was typed behind the command's name. Upper and lower case and extra spaces do not matter. Severities go by
    the words of the policy file, too."""
    words = _words(text)
    again = {name.casefold(), "/incident", *({name.casefold().lstrip("/"), "incident"} - set(_VERBS))}
    while words and words[0].folded in again:  # the command was pasted behind itself
        del words[0]
    return _Asked(text, name, words, policy or _DEFAULT).understood() if words else ListOpen()


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
        return _folded(self.text)


def _words(text: str) -> list[_Word]:
    return [
        _Word(found[0], found.end()) for found in _WORD.finditer(text) if without_invisible(found[0]) or not found[0]
    ]


def _folded(word: str) -> str:
    """A word as words are compared: without case, what nobody sees, and the forms of East Asian keyboards."""
    return without_invisible(word).translate(_WIDE).translate(_DASHES).casefold()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command while it is being understood."""

    text: str
    name: str
    words: Sequence[_Word]
    policy: Policy

    def understood(self) -> Command:
        polite = next((n for n, word in enumerate(self.words) if not _is_polite(word)), 0)
        if polite and (_verb(self.words[polite]) in _VERBS or _referred(self.words[polite:])[0] is not None):
            return replace(self, words=self.words[polite:]).understood()
        first, rest = self.words[0], self.words[1:]
        verb = _verb(first)
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
        reference, behind = _referred(self.words)
        if reference is not None:
            return self._verb_behind(reference, behind) if _impolite(behind) else Show(reference)
        if ":" in verb or verb.strip(_QUOTES) in _BARE or self.policy.severity_called(verb):
            if _referred(rest)[0] is not None:
                return self._unknown()
            return self._filtered(self.words)
        return self._unknown()

    def _show(self, rest: Sequence[_Word]) -> Command:
        if not rest:
            return self._wrong(Problem.MISSING_REFERENCE, f"show {NUMBER}", "show")
        reference, behind = _referred(rest)
        if reference is None:
            return self._wrong(Problem.WRONG_REFERENCE, f"show {NUMBER}", rest[0].text)
        if _impolite(behind):
            return self._wrong(Problem.TOO_MUCH, f"show {_shown(reference)}", behind[0].text)
        return Show(reference)

    def _change(self, action: Action, verb: _Word, rest: Sequence[_Word]) -> Command:
        short = _SHORT[action]
        if not rest:
            return self._wrong(Problem.MISSING_REFERENCE, f"{short} {NUMBER}", verb.text, action=action)
        named, behind = _several_referred(rest, with_notes=action is Action.RESOLVE)
        if not named:
            return self._wrong(Problem.WRONG_REFERENCE, f"{short} {NUMBER}", rest[0].text, action=action)
        said = typed(self.text[rest[len(rest) - len(behind) - 1].end :]).strip()
        if len(set(named)) > MOST_AT_ONCE:
            form = f"{short} {' '.join(map(_shown, named[:MOST_AT_ONCE]))}"
            return self._wrong(Problem.TOO_MUCH, form, _shown(named[MOST_AT_ONCE]))
        if not _impolite(behind):
            return Change(action, named[0], others=named[1:])
        if action is not Action.RESOLVE:
            return self._wrong(Problem.TOO_MUCH, f"{short} {' '.join(map(_shown, named))}", said)
        return Change(action, named[0], Notes(action_taken=said), named[1:])

    def _verb_behind(self, reference: Reference, rest: Sequence[_Word]) -> Command:
        """`42 ack` is not a form, but what it means is plain; in Korean the verb comes last."""
        rest = [word for word in rest if not _is_polite(word)]
        action = _CHANGES.get(_verb(rest[0]))
        if action and not rest[0].folded.isascii() and len(rest) == 1:
            return Change(action, reference)
        form = f"{_SHORT[action]} {_shown(reference)}" if action else _shown(reference)
        return self._wrong(Problem.TOO_MUCH, form, rest[0].text)

    def _unknown(self) -> Misunderstood:
        """No form begins like this: perhaps a word that is nearly right, perhaps a filter value that is."""
        first, rest = self.words[0], self.words[1:]
        reference, _ = _referred(rest)
        verb = _nearest(first.folded, tuple(_CHANGES) + _SHOW if reference is not None else (*_VERBS, *_BARE))
        if verb in _CHANGES:
            form = f"{_SHORT[_CHANGES[verb]]} {_shown(reference) if reference is not None else NUMBER}"
        elif verb in _SHOW:
            form = f"show {_shown(reference) if reference is not None else NUMBER}"
        elif verb in _BARE:
            form = f"list {verb}"
        elif verb in _LIST:
            form = "list"
        else:
            form = "help"
        return self._wrong(Problem.UNKNOWN_COMMAND, form, first.text, action=_CHANGES.get(verb))

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
        reference = _reference(word)
        word = _unquoted(without_invisible(word[:1]) + word[1:])
        found = re.match(r"([^:：]*)([:：]?)(.*)", word, re.DOTALL)
        name, colon, value = found.groups() if found else (word, "", "")
        name = _folded(name)
        name, value = _FILTER_WORDS.get(name, name) if colon else name, as_written(typed(_unquoted(value)))
        nothing = Filter(statuses=())
        if reference is not None:
            form = f"show {_shown(reference)}"
            return self._wrong(Problem.UNKNOWN_FILTER, form, word, allowed=_named(_FILTERS))
        if not colon:
            if name in _STATUSES:
                return replace(nothing, statuses=_STATUSES[name])
            if name in _SEVERITIES:
                return replace(nothing, severities=_SEVERITIES[name])
            if severity := self.policy.severity_called(name):
                return replace(nothing, severities=(severity,))
            near = _nearest(name, _BARE)
            form = f"list {near}" if near else "help"
            return self._wrong(Problem.UNKNOWN_FILTER, form, word, allowed=_named(_FILTERS))
        if name not in _FILTERS:
            return self._wrong(Problem.UNKNOWN_FILTER, _meant(name, value), f"{name}:", allowed=_named(_FILTERS))
        if name == "status":
            statuses = self._several(name, value, tuple(_STATUSES), _STATUSES.get)
            return statuses if isinstance(statuses, Misunderstood) else replace(nothing, statuses=statuses)
        if name == "severity":
            severities = self._several(name, value, tuple(_SEVERITIES), self._severities)
            if isinstance(severities, Misunderstood) and (phrase := self.policy.severity_called(value)):
                severities = (phrase,)  # such as `very high`
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
        self, name: str, value: str, names: Sequence[str], known: Callable[[str], tuple[_Item, ...] | None]
    ) -> tuple[_Item, ...] | Misunderstood:
        """The values of a list such as `active,acknowledged`; a `|` between them will do as well."""
        chosen: tuple[_Item, ...] = ()
        said = [one for one in re.split(rf"[{_BETWEEN}{_QUOTES}\s]+", _folded(value)) if one.strip("-")]
        for one in said or [""]:
            meant = known(one)
            if not meant:
                allowed = tuple(value for value in names if value.isascii())
                near = _nearest(one, names) if one else allowed[0]
                form = f"list {name}:{near}" if near else "help"
                return self._wrong(Problem.UNKNOWN_VALUE, form, one, filter_name=name, allowed=allowed)
            chosen += meant
        return _once(chosen)

    def _severities(self, word: str) -> tuple[Severity, ...]:
        """What a word says of severities: a name that Observer shows, else a word that labels have."""
        called = self.policy.severity_called(word)
        return _SEVERITIES.get(word) or ((called,) if called else ())

    def _wrong(
        self, problem: Problem, form: str, subject: str, *, filter_name: str = "", allowed: tuple[str, ...] = (),
        action: Action | None = None,
    ) -> Misunderstood:  # fmt: skip
        return Misunderstood(
            text=typed(self.text).strip(),
            nearest=f"{self.name} {form}",
            problem=problem,
            subject=typed(subject),
            filter_name=filter_name,
            allowed=allowed,
            action=action,
        )


def _verb(word: _Word) -> str:
    """The word of a command, without the polite end that Korean gives it: `확인해 주세요` is `확인`."""
    bare = word.folded if word.folded.isascii() else _KOREAN_ENDINGS.sub("", word.folded)
    return bare if bare in _CHANGES else word.folded


def _is_polite(word: _Word) -> bool:
    bare = "".join(letter for letter in word.folded if letter not in _SINGLE).rstrip(_ENDS)
    return bare in _POLITE


def _impolite(words: Sequence[_Word]) -> bool:
    """Whether something is said besides polite words."""
    return any(not _is_polite(word) for word in words)


def _several_referred(words: Sequence[_Word], *, with_notes: bool) -> tuple[tuple[Reference, ...], Sequence[_Word]]:
    """The incidents these words begin with, and the words behind them. Where notes follow, a bare number of its own is
    none, because the notes may begin with it: `resolve 3 2 pods were down`."""
    named: tuple[Reference, ...] = ()
    sure: tuple[tuple[Reference, ...], Sequence[_Word]] = named, words
    while words:
        joined, behind = _joined(words)
        if not joined:
            break
        is_sure = not named or not with_notes or not words[0].folded.strip(_ENDS).isdecimal()
        named, words = named + joined, behind
        if is_sure:
            sure = named, words
        while words and typed(words[0].folded) in _AND:
            words = words[1:]
    return sure if _impolite(words) else (named, words)


def _joined(words: Sequence[_Word]) -> tuple[tuple[Reference, ...], Sequence[_Word]]:
    """One incident, or those of one word such as `3,4`."""
    reference, behind = _referred(words)
    if reference is not None:
        return (reference,), behind
    parts = [part for part in re.split(r"[,，、;+&]", typed(words[0].text)) if part]
    read = [_reference(part) for part in parts]
    if len(parts) > 1 and all(isinstance(one, int) for one in read):
        return tuple(one for one in read if one is not None), words[1:]
    return (), words


def _referred(words: Sequence[_Word]) -> tuple[Reference | None, Sequence[_Word]]:
    """The incident these words begin with, in one word or as in `No. 3` and `3 번`; and the words behind it."""
    if not words:
        return None, words
    before = len(words) > 1 and words[0].folded.rstrip(_ENDS) in _BEFORE_NUMBER
    reference = _reference(words[before].text)
    behind = words[before + 1 :]
    if isinstance(reference, int) and behind and behind[0].folded.rstrip(_ENDS) in _BEHIND_NUMBER:
        behind = behind[1:]
    return reference, behind if reference is not None else words


def _reference(word: str) -> Reference | None:
    """An incident's number or id as people, phones and copied sentences write them; None when it is neither."""
    if link := _LINK.fullmatch(without_invisible(typed(word)).strip(_QUOTES + "()[]{}<>" + _ENDS)):
        root = _THREAD.search(link["more"] or "")
        ts = root["ts"] if root else f"{link['at'][:-6]}.{link['at'][-6:]}"
        return Place(link["channel"].upper(), ts, link[0])
    bare = _folded(typed(word)).replace(_KEYCAP, "")
    bare = bare.lstrip(_QUOTES + "([{<").rstrip(_QUOTES + ")]}>" + _ENDS)
    if found := _NUMBER.fullmatch(bare):
        return int("".join(letter for letter in found["number"] if letter.isdecimal()))
    if _ID.fullmatch(bare):
        return IncidentId("INC-" + bare[4:])
    return None


def _shown(reference: Reference) -> str:
    return reference.link if isinstance(reference, Place) else str(reference)


def _named(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name}:" for name in names)


def _meant(name: str, value: str) -> str:
    """The form whose filter was misspelt, with the value that was given; the help when no filter is meant."""
    near = _nearest(name, _FILTERS)
    known: Mapping[str, Sequence[str]] = {"status": tuple(_STATUSES), "severity": tuple(_SEVERITIES)}
    meant = _nearest(_folded(value), known[near]) if near in known else _quoted(value)
    return f"list {near}:{meant}" if near and meant else "help"


def _nearest(word: str, known: Sequence[str]) -> str:
    """The known word of which this is a slip of the finger; empty when none is: a guess could mean another thing."""
    return next((one for one in known if _slipped(word, one)), "")


def _slipped(word: str, meant: str) -> bool:
    """One letter too many, too few or wrong, or two that changed places; never the first (`nack` is not `ack`)."""
    if word == meant:
        return True
    if len(word) < 3 or word[0] != meant[0] or abs(len(word) - len(meant)) > 1:
        return False
    while word[:1] == meant[:1] != "":
        word, meant = word[1:], meant[1:]
    while word[-1:] == meant[-1:] != "":
        word, meant = word[:-1], meant[:-1]
    return max(len(word), len(meant)) == 1 or (len(word) == 2 and word == meant[::-1])


def _unquoted(value: str) -> str:
    """The value without the marks around it; an opening mark that nothing closes goes too."""
    value = value.strip()
    for marks in (_DOUBLE, _CORNER, _SINGLE, _ANGLE):
        first, last = value[:1] in marks, value[-1:] in marks
        if value and (first and last if marks == _ANGLE else first or last):
            return value.strip(marks)
    return value


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value


def _once(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
