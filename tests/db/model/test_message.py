"""Message keys stay the same for ever, and a message says what is to be done with it."""

from __future__ import annotations

import uuid

import pytest

from db.model.identity import IncidentId
from db.model.message import Message, MessageKind, Step, card_key
from db.model.message import test_key as key_of_test
from tests.db.builders import START

CARD = IncidentId("INC-20261120080000-00112233445566ff")


def a_message(*, ts: str = "", posting: bool = False) -> Message:
    return Message(
        message_id=1,
        post_key=card_key(CARD),
        kind=MessageKind.CARD,
        incident_id=CARD,
        content={},
        channel="#incidents",
        channel_id="C1" if ts else "",
        ts=ts,
        priority=0,
        wanted_version=2,
        shown_version=1 if ts else 0,
        posting_since=START if posting else None,
        attempts=0,
    )


def test_the_key_of_a_card_never_changes() -> None:
    """Cards that hang in channels are found by it: another value here is a broken promise."""
    assert card_key(CARD) == "76915618-b1e0-5a6f-8d04-afa730fe48a4"
    assert key_of_test(7, 0) == "72e6b528-3ab6-5d82-a34b-e43875941df6"


def test_keys_are_uuids_and_differ() -> None:
    keys = [card_key(CARD), card_key(IncidentId(CARD + "-2")), key_of_test(7, 0), key_of_test(7, 1), key_of_test(8, 0)]
    assert len({uuid.UUID(key) for key in keys}) == 5


@pytest.mark.parametrize(
    ("ts", "posting", "step"),
    [("", False, Step.POST), ("", True, Step.LOOK), ("171.001", False, Step.EDIT), ("171.001", True, Step.EDIT)],
)
def test_what_is_to_be_done(ts: str, posting: bool, step: Step) -> None:
    assert a_message(ts=ts, posting=posting).step is step
