"""Both languages say everything, and Korean says it in Korean."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from typing import Any

import pytest

from bot.text import ENGLISH, KOREAN, LANGUAGES, Words, words_for
from bot.text.markup import Mrkdwn
from bot.text.words import Who, largest_units
from db.model.incident import EventKind, Severity, Status
from db.model.lifecycle import Action
from db.model.reason import Reason

HANGUL = re.compile("[가-힣]")
NOT_WORDS = {"language"}
LANGUAGE_FREE = {"firing_of", "resolved_by"}  # `3/5`; a time alone
MAY_BE_EMPTY = {"number", "severity", "about"}
FIXED = [field.name for field in fields(Words) if field.name not in NOT_WORDS]
SENTENCES = sorted(Words.__abstractmethods__)


def all_texts(words: Words) -> Iterator[tuple[str, str]]:
    """Every text of a language, sentences with every combination of the things that are counted or named."""
    for name in FIXED:
        yield name, getattr(words, name)
    for name in SENTENCES:
        method = getattr(words, name)
        for arguments in combinations(method):
            yield name, method(**arguments)


VALUES: dict[str, list[Any]] = {
    "Mrkdwn": [Mrkdwn("#42 X")],
    "str": ["#42 X"],
    "int": [0, 1, 3_900],
    "bool": [False, True],
    "Status": list(Status),
    "Severity": list(Severity),
    "Action": list(Action),
    "EventKind": list(EventKind),
    "Reason": list(Reason),
    "Who": [Who(Mrkdwn("<@U1>"), is_person=True), Who(Mrkdwn("Grafana"), is_person=False)],
    "Who | None": [None, Who(Mrkdwn("<@U1>"), is_person=True)],
    "Sequence[Mrkdwn]": [(Mrkdwn("a"), Mrkdwn("b"))],
}


def combinations(method: Callable[..., str]) -> list[dict[str, Any]]:
    """Arguments for a sentence: each value of each parameter at least once, with all of the others."""
    result: list[dict[str, Any]] = [{}]
    for name, parameter in inspect.signature(method).parameters.items():
        values = VALUES[parameter.annotation] + [Mrkdwn("")] * (
            parameter.annotation in ("str", "Mrkdwn") and name in MAY_BE_EMPTY
        )
        result = [{**some, name: value} for some in result for value in values]
    return result


@pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_no_text_is_empty_or_sloppy(words: Words) -> None:
    for name, text in all_texts(words):
        assert text.strip(), name
        assert text == text.strip(), name
        assert "  " not in text, (name, text)
        assert "None" not in text, (name, text)
        assert ".." not in text, (name, text)


def test_korean_is_korean() -> None:
    for name, text in all_texts(KOREAN):
        assert HANGUL.search(text) or name in LANGUAGE_FREE, (name, text)


def test_english_is_english() -> None:
    for name, text in all_texts(ENGLISH):
        assert not HANGUL.search(text), (name, text)


def test_inserted_values_are_followed_by_no_particle_that_depends_on_their_sound() -> None:
    for name, text in all_texts(KOREAN):
        assert not re.search(r"(?:#42 X|<@U1>|Grafana|`|\d)(?:을|를|은|는|이|가|와|과|으로|로)(?:\s|$)", text), (
            name,
            text,
        )


@pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_what_is_cut_by_slack_is_short_enough(words: Words) -> None:
    assert len(words.resolve_title("#1234567890")) <= 24
    for short in (words.resolve_submit, words.cancel, words.close, words.resolved_too_late, words.not_saved):
        assert len(short) <= 24
    for label in (words.acknowledge, words.resolve, words.reopen, words.unacknowledge, words.details, words.share):
        assert len(label) <= 24
    assert len(words.reopen_question) <= 100
    assert len(words.reopen_of("#1234567890")) <= 300
    for name in FIXED:
        assert len(getattr(words, name)) <= 300, "longer than what is escaped by default"


def test_a_filter_without_a_value_is_named() -> None:
    assert ENGLISH.unknown_value(Mrkdwn("x:"), Mrkdwn(""), ()) == "The filter x: needs a value."
    assert KOREAN.unknown_value(Mrkdwn("x:"), Mrkdwn(""), ()) == "필터에 값이 필요합니다: x:"


def test_a_language_that_lacks_a_text_cannot_be_made() -> None:
    assert all(field.default is MISSING and field.default_factory is MISSING for field in fields(Words))

    class Silent(Words):
        """Lacks every sentence."""

    with pytest.raises(TypeError, match="abstract"):
        Silent(**{field.name: "x" for field in fields(Words)})  # type: ignore[abstract]
    with pytest.raises(TypeError, match="missing"):
        type(ENGLISH)(language="xx")  # type: ignore[call-arg]


def test_no_language_says_more_than_the_type_knows() -> None:
    for words in LANGUAGES.values():
        public = {name for name in dir(type(words)) if not name.startswith("_")}
        assert public == {*SENTENCES}


def test_languages_by_name() -> None:
    assert words_for("en") is ENGLISH
    assert words_for(" KO ") is KOREAN
    with pytest.raises(ValueError, match="one of en, ko"):
        words_for("fr")


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (-5, "0 s", "0초"),
        (0, "0 s", "0초"),
        (59, "59 s", "59초"),
        (60, "1 min", "1분"),
        (3_599, "59 min", "59분"),
        (3_600, "1 h", "1시간"),
        (3_900, "1 h 5 min", "1시간 5분"),
        (86_400, "1 d", "1일"),
        (86_400 + 61, "1 d", "1일"),
        (90_000, "1 d 1 h", "1일 1시간"),
    ],
)
def test_durations(seconds: int, english: str, korean: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert KOREAN.duration(seconds) == korean
    assert 1 <= len(largest_units(seconds)) <= 2


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=lambda words: str(words.language))
def test_what_reconciliation_found_is_told_as_such(words: Words) -> None:
    observer = Who(Mrkdwn("Observer"), is_person=False)
    kinds = [EventKind.OPENED, EventKind.JOINED, EventKind.PARTLY_RESOLVED, EventKind.RESOLVED, EventKind.REOPENED]
    for kind in kinds:
        for count in (0, 1, 2):
            plain = words.event(kind, observer, count=count, severity="", reason=Reason.NONE, about=Mrkdwn(""))
            reason = Reason.FOUND_BY_RECONCILIATION
            found = words.event(kind, observer, count=count, severity="", reason=reason, about=Mrkdwn(""))
            assert found != plain
            assert "Observer" in found
            assert reason not in found


SAID = {
    EventKind.OPENED: {Reason.RESOLVED_UNSEEN, Reason.FOUND_BY_RECONCILIATION},
    EventKind.JOINED: {Reason.FOUND_BY_RECONCILIATION},
    EventKind.PARTLY_RESOLVED: {Reason.FOUND_BY_RECONCILIATION, Reason.RECOVERED_WITHOUT_DATA},
    EventKind.HELD: {Reason.NO_DATA, Reason.NO_DATA_SAID},
    EventKind.ACKNOWLEDGED: {Reason.BULK},
    EventKind.RESOLVED: {
        Reason.ALL_RECOVERED, Reason.FOUND_BY_RECONCILIATION, Reason.RECOVERED_WITHOUT_DATA, Reason.BULK,
    },
    EventKind.REOPENED: {
        Reason.FIRED_AGAIN, Reason.FOUND_BY_RECONCILIATION, Reason.STILL_FIRING, Reason.RESOLVED_WITHOUT_DATA,
    },
}  # fmt: skip


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=lambda words: str(words.language))
def test_every_reason_is_told_in_words(words: Words) -> None:
    assert set().union(*SAID.values()) == set(Reason) - {Reason.NONE}
    for kind, reasons in SAID.items():
        person = Who(Mrkdwn("<@U1>"), is_person=True)
        told = {
            reason: words.event(kind, person, count=1, severity="", reason=reason, about=Mrkdwn(""))
            for reason in reasons
        }
        plain = words.event(kind, person, count=1, severity="", reason=Reason.NONE, about=Mrkdwn(""))
        for reason, line in told.items():
            assert reason not in line
            assert line != plain or kind is EventKind.HELD, (kind, reason)
