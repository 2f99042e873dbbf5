"""What Slack should show and what it shows: a message of ours in a channel, and what to do with it next."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from db.model.identity import IncidentId

_NAMESPACE = uuid.UUID("6f1d4a0e-5b1c-5e0f-9f0e-2c7b8f6b9a11")


class MessageKind(StrEnum):
    """What a message is about."""

    CARD = "card"  # the face of an incident
    TEST = "test"  # "your Test button works"
    DIGEST = "digest"  # one message for many incidents
    REPLY = "reply"  # what got worse, in the thread of a card


class Step(StrEnum):
    """What a worker has to do with a message that is behind."""

    POST = "post"
    EDIT = "edit"
    LOOK = "look"  # a post was begun and its outcome is not known: look before posting again


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is behind, claimed by a worker."""

    message_id: int
    post_key: str  # in the metadata of the post, and its client_msg_id; another record never has the same
    kind: MessageKind
    incident_id: IncidentId | None
    content: Mapping[str, Any]
    channel: str  # name or id, as configured
    channel_id: str  # as Slack answered; empty before the first post
    ts: str  # empty before the first post
    priority: int
    wanted_version: int
    shown_version: int
    posting_since: datetime | None  # UTC, by the clock of the database
    attempts: int

    @property
    def step(self) -> Step:
        """What is to be done."""
        if self.ts:
            return Step.EDIT
        return Step.LOOK if self.posting_since is not None else Step.POST


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A second look: what may hang in a channel beside the message of the record."""

    message_id: int
    post_key: str  # in the metadata of what may be there
    channel: str  # name or id, as configured
    ts: str  # set: this very message is to go, whatever else is there
    since: datetime  # UTC, when the post was first begun, by the clock of the database
    looks: int  # that Slack answered
    failures: int  # in a row, that Slack refused


def reply_key(incident: IncidentId, card_since: datetime, what: str) -> str:
    """The key of a reply in the thread of an incident's card, wanted since `card_since` (UTC): of two with the same key
    one is posted. Another record may have an incident of this id, but no card wanted in the same microsecond."""
    return str(uuid.uuid5(_NAMESPACE, f"reply:{incident}:{card_since.isoformat()}:{what}"))
