"""The promises of the record that can be checked on its rows: their names, what they say, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Space(StrEnum):
    """What a check walks along."""

    INCIDENTS = "incidents"
    KEYS = "keys"
    ALERTS = "alerts"
    INSTANCES = "instances"
    EVENTS = "events"
    MESSAGES = "messages"
    DELIVERIES = "deliveries"
    DIGESTS = "digests"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class Check:
    """One promise; `name` is also that of the query that finds what breaks it."""

    name: str
    space: Space
    says: str
    repair: bool = False  # there is one right answer, and it is in the record
    is_visible: bool = False  # the repair changes what people see of the incident


CHECKS = (
    Check("alert_count", Space.INCIDENTS, "an incident counts its alerts", repair=True, is_visible=True),
    Check("without_alert", Space.INCIDENTS, "no incident without an alert"),
    Check("instance_counts", Space.INCIDENTS, "an incident counts its instances", repair=True, is_visible=True),
    Check("resolved_time", Space.INCIDENTS, "what is resolved has a time, what is open has none"),
    Check("last_transition", Space.INCIDENTS, "the status is where the timeline led"),
    Check("owner", Space.INCIDENTS, "who has it since when is what the timeline says"),
    Check("resolved_by", Space.INCIDENTS, "who resolved it and when is what the timeline says"),
    Check("severity", Space.INCIDENTS, "the severity is the one that the timeline says"),
    Check("notes", Space.INCIDENTS, "root cause and action taken are what was written"),
    Check("key_rows", Space.INCIDENTS, "every key has its row to lock", repair=True),
    Check("severity_rank", Space.INCIDENTS, "the rank is that of the severity", repair=True),
    Check("numbers", Space.INCIDENTS, "a number is given once"),
    Check("card_wanted", Space.INCIDENTS, "an open incident with a channel has a card or one that waits", repair=True),
    Check("card_version", Space.INCIDENTS, "a card is to show its incident as it is", repair=True),
    Check("one_open", Space.KEYS, "one open incident of a key"),
    Check("is_current", Space.KEYS, "one newest instance of a fingerprint under a key", repair=True),
    Check("alert_incident", Space.ALERTS, "no alert without its incident"),
    Check("alert_delivery", Space.ALERTS, "no alert without its delivery"),
    Check("instance_incident", Space.INSTANCES, "no instance without its incident"),
    Check("event_incident", Space.EVENTS, "no timeline without its incident"),
    Check("message_incident", Space.MESSAGES, "no card without its incident"),
    Check("shown_version", Space.MESSAGES, "nothing shows a version that does not exist yet", repair=True),
    Check("card_held", Space.MESSAGES, "a card waits for nothing but a digest that runs", repair=True),
    Check("behind", Space.MESSAGES, "no card is behind for long"),
    Check("delivery_alerts", Space.DELIVERIES, "what was answered is in the record"),
    Check("delivery_outcome", Space.DELIVERIES, "a delivery has an outcome or a problem"),
    Check("digest_message", Space.DIGESTS, "no digest without its message"),
    Check("member_digest", Space.MEMBERS, "no member without its digest"),
    Check("member_incident", Space.MEMBERS, "no member without its incident"),
)

TRIGGERS = (
    "trg_prevent_duplicate_open_incident",
    "trg_update_alert_count_on_insert",
    "trg_update_alert_count_on_delete",
    "trg_turn_on_incident_insert",
    "trg_turn_on_incident_update",
    "trg_turn_on_incident_delete",
    "trg_turn_on_instance_insert",
    "trg_turn_on_instance_update",
    "trg_turn_on_instance_delete",
)

UNIQUE_KEYS = (
    "uq_request_id",
    "uq_signature",
    "uq_number",
    "uq_open_key",
    "uq_chain",
    "uq_post_key",
    "uq_message_incident",
    "uq_digest_open",
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row that breaks a promise: its place in the walk, what people call it, what is there and what should be."""

    id: int | str
    name: str
    key: str  # of its incident; empty where there is none
    found: str
    expected: str

    def __str__(self) -> str:
        """`INC-...: 4, not 5`."""
        return f"{self.name}: {self.found}, not {self.expected}"


@dataclass(slots=True)
class Verdict:
    """What came of one check."""

    name: str
    says: str
    looked: int = 0
    wrong: int = 0
    repaired: int = 0
    examples: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        names = ("name", "says", "looked", "wrong", "repaired", "examples")
        return {name: getattr(self, name) for name in names}

    def add(self, text: str, *, repaired: bool) -> None:
        """One more row that is wrong."""
        self.wrong += 1
        self.repaired += repaired
        if len(self.examples) < 5:
            self.examples.append(text + (" (repaired)" if repaired else ""))
