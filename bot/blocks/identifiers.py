"""The names and values behind our buttons: a public, versioned format, for messages stay in channels for years.

A button's `value` (or that of a menu's option) says all there is to say:

    v1:<action>:<incident id>:<version of the incident that was shown>

and that of a button on a digest, which stands for many incidents:

    d1:<action>:<digest>:<group, 12 hex digits, `all` or `groups`>:<offset>

The `action_id` beside it only leads the click to the handler; every one of ours begins with `incident_`. Neither is
ever renamed: a new form gets a new version here, and `decode` keeps reading the old ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from db.model.identity import IncidentId
from db.model.lifecycle import Action

PREFIX = "incident_"
"""Every `action_id` and `callback_id` of ours begins with this."""

DIGEST_PREFIX = "incident_digest_"
"""Every `action_id` of a button on a digest begins with this."""

GROUPS = "groups"
"""The list of a digest's groups, where a group is named."""

MORE = "incident_more"
"""The `action_id` of the menu behind the three dots; its options say which action is meant."""

RESOLVE_CALLBACK = "incident_resolve_submit"
NOTICE_CALLBACK = "incident_notice"
ROOT_CAUSE_BLOCK = "root_cause"
ACTION_TAKEN_BLOCK = "action_taken"
NOTE_INPUT = "text"


class ClickAction(StrEnum):
    """What a button asks for."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"  # opens the dialog
    REOPEN = "reopen"
    SHOW = "show"
    SHARE = "share"

    @property
    def action_id(self) -> str:
        """The `action_id` of a button for this."""
        return PREFIX + self.value

    @property
    def change(self) -> Action | None:
        """The change to the incident that it asks for; None when it only shows something."""
        match self:
            case ClickAction.ACKNOWLEDGE:
                return Action.ACKNOWLEDGE
            case ClickAction.UNACKNOWLEDGE:
                return Action.UNACKNOWLEDGE
            case ClickAction.RESOLVE:
                return Action.RESOLVE
            case ClickAction.REOPEN:
                return Action.REOPEN
            case ClickAction.SHOW | ClickAction.SHARE:
                return None


@dataclass(frozen=True, slots=True)
class ButtonValue:
    """What a button's value says: the action, the incident, and which version of it the person was looking at."""

    action: ClickAction
    incident_id: IncidentId
    version: int


class UnreadableValue(Exception):
    """A button's value is in no form we ever wrote."""


_V1 = re.compile(r"v1:(?P<action>[a-z_]{1,30}):(?P<incident>[A-Za-z0-9_.-]{1,64}):(?P<version>[0-9]{1,18})")


def encode(action: ClickAction, incident_id: IncidentId, version: int) -> str:
    """The value of a button, at most 122 characters: it also fits an option of a menu (150)."""
    return f"v1:{action.value}:{incident_id}:{version}"


def decode(value: str) -> ButtonValue:
    """Read a value in any form ever written. Raises `UnreadableValue`, and nothing else."""
    found = _V1.fullmatch(value)
    if found is None:
        raise UnreadableValue(f"not a value of ours: {value[:60]!r}")
    try:
        action = ClickAction(found["action"])
    except ValueError as error:
        raise UnreadableValue(f"no button asks for {found['action']!r}") from error
    return ButtonValue(action, IncidentId(found["incident"]), int(found["version"]))


class DigestAction(StrEnum):
    """What a button on a digest asks for."""

    ACKNOWLEDGE = "acknowledge"  # all open members of the group, as they are when it is pressed
    RESOLVE = "resolve"
    SHOW = "show"

    @property
    def action_id(self) -> str:
        """The `action_id` of a button for this; a block with several of one kind appends a word."""
        return DIGEST_PREFIX + self.value

    @property
    def change(self) -> Action | None:
        """The change to each incident that it asks for; None when it only shows something."""
        match self:
            case DigestAction.ACKNOWLEDGE:
                return Action.ACKNOWLEDGE
            case DigestAction.RESOLVE:
                return Action.RESOLVE
            case DigestAction.SHOW:
                return None


@dataclass(frozen=True, slots=True)
class DigestValue:
    """What the value of a digest's button says."""

    action: DigestAction
    digest_id: int
    group: str  # the key of a group, `EVERYTHING` or `GROUPS`
    offset: int = 0  # of the first row to show


_D1 = re.compile(
    r"d1:(?P<action>[a-z_]{1,30}):(?P<digest>[0-9]{1,18}):(?P<group>[a-z0-9]{1,32}):(?P<offset>[0-9]{1,9})"
)


def encode_digest(value: DigestValue) -> str:
    """The value of a button on a digest, at most 97 characters."""
    return f"d1:{value.action.value}:{value.digest_id}:{value.group}:{value.offset}"


def decode_digest(value: str) -> DigestValue:
    """Read a digest's value in any form ever written. Raises `UnreadableValue`, and nothing else."""
    found = _D1.fullmatch(value)
    if found is None:
        raise UnreadableValue(f"not a value of ours: {value[:60]!r}")
    try:
        action = DigestAction(found["action"])
    except ValueError as error:
        raise UnreadableValue(f"no button of a digest asks for {found['action']!r}") from error
    return DigestValue(action, int(found["digest"]), found["group"], int(found["offset"]))
