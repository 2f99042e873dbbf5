"""Whose request it is: the person and the workspaces that Slack names in it, and whether they may speak to us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from db.model.policy import Policy

_USER = re.compile(r"[UW][A-Z0-9]{1,30}", re.ASCII)


class Foreign(Enum):
    """Why a request counts for nothing."""

    NO_PERSON = auto()  # a bot's, or nobody's
    OTHER_WORKSPACE = auto()
    NO_READER = auto()  # the policy names those who may look incidents up


@dataclass(frozen=True, slots=True)
class Origin:
    """What Slack says of who sent a click, a command or a dialog; empty where it says nothing."""

    user: str
    teams: frozenset[str]  # where it happened, and where the person belongs
    enterprise: str

    @property
    def shown(self) -> str:
        """For the log: the workspaces, bounded."""
        return ", ".join(sorted(self.teams | ({self.enterprise} if self.enterprise else set())))[:100]


def origin_of(body: Mapping[str, object]) -> Origin:
    """Read a body of any kind that people cause."""
    user = body.get("user")
    named = _members(user)
    teams = {_id(body.get("team")), _text(body.get("team_id")), _text(named.get("team_id"))} - {""}
    enterprise = _id(body.get("enterprise")) or _text(body.get("enterprise_id"))
    return Origin(_text(named.get("id")) or _text(body.get("user_id")), frozenset(teams), enterprise)


def foreign(origin: Origin, identity: Mapping[str, str], policy: Policy) -> Foreign | None:
    """Why the request counts for nothing; None when it counts. `identity` is what `auth.test` said of our workspace,
    empty before it did. People of other workspaces, in channels shared with them, count where the policy says so."""
    if not _USER.fullmatch(origin.user):
        return Foreign.NO_PERSON
    if origin.user in policy.may_act:
        return None
    if not policy.external and _is_of_another(origin, identity):
        return Foreign.OTHER_WORKSPACE
    return None if policy.reads(origin.user) else Foreign.NO_READER


def _is_of_another(origin: Origin, identity: Mapping[str, str]) -> bool:
    """Whether Slack names another workspace, and no enterprise that both belong to."""
    team, enterprise = identity.get("team_id", ""), identity.get("enterprise_id", "")
    if team and origin.teams - {team} and (not enterprise or origin.enterprise != enterprise):
        return True
    return bool(origin.enterprise) and origin.enterprise != identity.get("enterprise_id", origin.enterprise)


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    return _text(_members(value).get("id"))
