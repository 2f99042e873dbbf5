"""Button values: what was ever written can be read, and nothing else can."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blocks.identifiers import (
    PREFIX,
    ButtonValue,
    ClickAction,
    DigestAction,
    DigestValue,
    UnreadableValue,
    decode,
    decode_digest,
    encode,
    encode_digest,
)
from db.model.identity import IncidentId
from db.model.lifecycle import Action

LONGEST_ID = IncidentId("INC-20261121001600-0123456789abcdef-" + "9" * 28)


def test_the_first_form_is_readable_for_ever() -> None:
    value = decode("v1:acknowledge:INC-20261121001600-0123456789abcdef:7")
    assert value == ButtonValue(ClickAction.ACKNOWLEDGE, IncidentId("INC-20261121001600-0123456789abcdef"), 7)


def test_action_ids_are_never_renamed() -> None:
    assert [action.action_id for action in ClickAction] == [
        "incident_acknowledge",
        "incident_unacknowledge",
        "incident_resolve",
        "incident_reopen",
        "incident_show",
        "incident_share",
    ]
    assert all(action.action_id.startswith(PREFIX) for action in ClickAction)


@given(action=st.sampled_from(ClickAction), version=st.integers(0, 10**18 - 1))
def test_what_is_written_is_read(action: ClickAction, version: int) -> None:
    value = encode(action, LONGEST_ID, version)
    assert len(value) <= 150, "it must fit an option of a menu"
    assert decode(value) == ButtonValue(action, LONGEST_ID, version)


@pytest.mark.parametrize(
    "value",
    [
        "", "v1", "v1:acknowledge:INC-1", "v1:acknowledge:INC-1:", "v1:acknowledge:INC-1:-1", "v1:explode:INC-1:1",
        "v2:acknowledge:INC-1:1", "v1:acknowledge::1", "v1:acknowledge:INC-1:1\n", "v1:acknowledge:IN C:1",
        "v1:acknowledge:INC-1:" + "9" * 19, "v1:acknowledge:" + "a" * 65 + ":1", "v1:acknowledge:INC-1:１",
        '{"incident": 1}', "\x00", "\ud800",
    ],
)  # fmt: skip
def test_garbage_is_refused(value: str) -> None:
    with pytest.raises(UnreadableValue):
        decode(value)


@given(st.text(st.characters()) | st.from_regex(r"v\d:[a-z]*:[\w-]*:\d*", fullmatch=True))
def test_no_value_at_all_is_anything_but_read_or_refused(value: str) -> None:
    with suppress(UnreadableValue):
        assert encode(*_parts(decode(value))).split(":")[:3] == value.split(":")[:3]


def _parts(value: ButtonValue) -> tuple[ClickAction, IncidentId, int]:
    return value.action, value.incident_id, value.version


def test_every_change_a_person_can_make_has_a_button() -> None:
    assert {action.change for action in ClickAction} == {*Action, None}


def test_the_first_form_of_a_digests_value_is_readable_for_ever() -> None:
    assert decode_digest("d1:acknowledge:17:0123456789ab:0") == DigestValue(
        DigestAction.ACKNOWLEDGE, 17, "0123456789ab", 0
    )
    assert decode_digest("d1:show:17:groups:30") == DigestValue(DigestAction.SHOW, 17, "groups", 30)
    assert [action.action_id for action in DigestAction] == [
        "incident_digest_acknowledge",
        "incident_digest_resolve",
        "incident_digest_show",
    ]


@given(
    action=st.sampled_from(DigestAction),
    digest=st.integers(0, 10**18 - 1),
    group=st.from_regex(r"\A[a-z0-9]{1,32}\Z"),
    offset=st.integers(0, 10**9 - 1),
)
def test_what_a_digests_button_says_is_read_back(action: DigestAction, digest: int, group: str, offset: int) -> None:
    value = DigestValue(action, digest, group, offset)
    assert decode_digest(encode_digest(value)) == value
    assert len(encode_digest(value)) <= 150


@given(text=st.one_of(st.text(), st.from_regex(r"d1:[a-z]*:[0-9]*:[a-z0-9]*:[0-9]*")))
def test_a_digests_value_of_another_form_is_refused_and_nothing_else(text: str) -> None:
    with suppress(UnreadableValue):
        assert isinstance(decode_digest(text), DigestValue)
