"""Masking rules: what they find, where they apply, and that nothing makes them hang."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.masks import MOST_MATCHES, Mask, Masks, Where
from db.model.patterns import Pattern, PatternError
from db.model.policy import Policy
from db.model.sections import PolicyError
from tests.strategies import json_values, unhurried

PASSWORD = Mask(r"password=\S+", "password=***")


def problems(toml: str) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(tomllib.loads(toml))
    return caught.value.problems


def test_every_match_is_replaced_by_what_the_rule_says_literally() -> None:
    assert PASSWORD.text("url password=a b password=비밀 c") == "url password=*** b password=*** c"
    assert Mask(r"(\w+)@example", r"\1").text("me@example") == r"\1", "the replacement is a text, no template"
    text = "nothing to hide \ud800"
    assert PASSWORD.text(text) is text


def test_texts_are_masked_wherever_they_are_and_what_a_delivery_is_read_by_stays() -> None:
    masks = Masks(storage=(Mask(r"secret\d"), Mask("firing|v1")))
    document = {
        "status": "firing", "fingerprint": "secret1", "version": "v1", "message": "secret2 is firing",
        "alerts": [{"status": "firing", "labels": {"status": "secret3", "n": "x"}, "values": {"A": 1.5}, "x": None}],
    }  # fmt: skip
    assert masks.document(document) == (
        {
            "status": "firing", "fingerprint": "secret1", "version": "v1", "message": "*** is ***",
            "alerts": [{"status": "firing", "labels": {"status": "***", "n": "x"}, "values": {"A": 1.5}, "x": None}],
        },
        True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "masked"),
    [
        (("labels.*",), {"labels.a", "labels.b", "commonLabels.a"}),
        (("labels.a",), {"labels.a", "commonLabels.a"}),
        (("annotations.*",), {"annotations.a"}),
        (("message",), {"message"}),
        (("a", "title"), {"labels.a", "commonLabels.a", "annotations.a", "title"}),
    ],
)
def test_a_rule_may_be_for_some_fields_only(fields: tuple[str, ...], masked: set[str]) -> None:
    document = {
        "message": "s", "title": "s", "commonLabels": {"a": "s"},
        "alerts": [{"labels": {"a": "s", "b": "s"}, "annotations": {"a": "s"}}],
    }  # fmt: skip
    found, _ = Masks(storage=(Mask("s", "*", fields),)).document(document)

    def paths(value: object, container: str, name: str) -> set[str]:
        if isinstance(value, dict):
            return {path for key, member in value.items() for path in paths(member, name, key)}
        if isinstance(value, list):
            return {path for element in value for path in paths(element, container, name)}
        return {f"{container}.{name}".lstrip(".")} if value == "*" else set()

    assert paths(found, "", "") == masked


@given(json_values)
@unhurried
def test_any_document_keeps_its_shape(value: object) -> None:
    masks = Masks(storage=(Mask("[0-9a-f]"), Mask("(?s)x.*")))
    found, changed = masks.document(value)
    assert changed == (found != value)

    def shape(one: object) -> object:
        if isinstance(one, dict):
            return {key: shape(member) for key, member in one.items()}
        if isinstance(one, list):
            return [shape(element) for element in one]
        return "text" if isinstance(one, str) else one

    assert shape(found) == shape(value)


@given(st.binary(max_size=300))
@unhurried
def test_any_bytes_can_be_masked(body: bytes) -> None:
    masks = Masks(storage=(Mask("[a-z]+"), Mask(r"\W")))
    shown = masks.unread(body)
    assert (shown != body) == masks.occur(body), "what is found is masked, and nothing else"
    assert not any(97 <= byte <= 122 for byte in shown)


EVIL = [r"(a+)+b", r"(a|a)*b", r"(?s)a(.*b)?", r"(.*)*x", r"(a?){30}a{30}b", r"(?i)(\w+\s?)*$|z", r"(a{1,30}){1,30}b"]


@pytest.mark.parametrize("pattern", EVIL)
def test_no_pattern_and_no_text_makes_it_hang(pattern: str) -> None:
    """A megabyte that stops other engines until the end of days; the test itself would not come to an end."""
    text = "a" * 1_000_000 + "!"
    Pattern(pattern).fits(text)
    with suppress(PatternError):  # it matches the empty text, or is larger than RE2 takes
        Mask(pattern).text(text)


def test_a_text_with_very_many_matches_is_masked_as_a_whole() -> None:
    assert Mask("a", "*").text("ab" * MOST_MATCHES) == "*b" * MOST_MATCHES
    assert Mask("a", "*").text("ab" * (MOST_MATCHES + 1)) == "*"


def test_the_policy_file_names_what_is_wrong_with_a_rule() -> None:
    policy = Policy.parse(
        tomllib.loads(
            """
            [[masks]]
            pattern = 'Bearer \\S+'
            [[masks]]
            pattern = '\\d{16}'
            replace = '(card)'
            where = "slack"
            [[masks]]
            pattern = 'x+'
            fields = ["labels.*"]
            """
        )
    )
    assert policy.masks.storage == (Mask(r"Bearer \S+"), Mask("x+", "***", ("labels.*",)))
    assert policy.masks.slack == (Mask(r"\d{16}", "(card)", (), Where.SLACK),)
    assert policy.masks.shown("1234567890123456 Bearer x") == "(card) Bearer x"
    assert problems("[[masks]]\npattern = '(?=x)y'") == (
        "masks[0].pattern is not a regular expression: invalid perl operator: (?=",
    )
    assert problems("[[masks]]\npattern = '(a)\\1'")[0].startswith("masks[0].pattern is not a regular expression")
    assert problems("[[masks]]\npattern = 'x*'") == (
        "masks[0].pattern is not a regular expression: it matches the empty text, and so everywhere",
    )
    assert problems("[[masks]]") == ("masks[0].pattern must be a text",)
    assert problems("[[masks]]\npattern = 'x'\nwhere = 'both'")[0].startswith("masks[0].where must be one of storage")
    assert problems("[[masks]]\npattern = 'x'\nfields = ['a b']")[0].startswith("masks[0].fields must be names such as")
    assert "storage" in problems("[[masks]]\npattern = 'x'\nfields = ['a']\nwhere = 'slack'")[0]


def test_a_matcher_that_needs_to_look_around_is_named() -> None:
    assert problems("[[routes]]\nmatch = {a = '(?!x).*'}\nchannel = '#x'")[0].startswith(
        "routes[0].match.a is not a regular expression: invalid perl operator"
    )


@given(st.text(max_size=20), st.text(alphabet="ab.-x", max_size=5))
@unhurried
def test_a_plain_pattern_means_itself(value: str, plain: str) -> None:
    text = plain.replace(".", "")
    assert Pattern(text).fits(value) == (value == text)
    assert Pattern(text + ".*").fits(text + "abc")
