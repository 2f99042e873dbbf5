"""A message says what is to be done with it; a reply that was told is known by its key."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from db.model.identity import IncidentId
from db.model.message import Message, MessageKind, Step, reply_key
from tests.db.builders import START

CARD = IncidentId("INC-20261120080000-00112233445566ff")


def a_message(*, ts: str = "", posting: bool = False) -> Message:
    return Message(
        message_id=1,
        post_key="76915618-b1e0-5a6f-8d04-afa730fe48a4",
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


def test_of_two_replies_about_the_same_one_is_posted_and_another_record_has_other_keys() -> None:
    told = reply_key(CARD, START, "version:2")
    assert told == reply_key(CARD, START, "version:2")
    others = [
        reply_key(CARD, START, "version:3"),
        reply_key(IncidentId(f"{CARD}-2"), START, "version:2"),
        reply_key(CARD, START + timedelta(microseconds=1), "version:2"),
    ]
    assert len({uuid.UUID(key) for key in (told, *others)}) == 4


@pytest.mark.parametrize(
    ("ts", "posting", "step"),
    [("", False, Step.POST), ("", True, Step.LOOK), ("171.001", False, Step.EDIT), ("171.001", True, Step.EDIT)],
)
def test_what_is_to_be_done(ts: str, posting: bool, step: Step) -> None:
    assert a_message(ts=ts, posting=posting).step is step
