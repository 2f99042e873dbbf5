"""Notices storms and related incidents, and keeps their digests level with the record: one look a second."""

from __future__ import annotations

import logging
from collections.abc import Callable

from db.database import Database
from db.model.policy import Policy
from db.model.storm import Digest
from db.transactions import storms

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""A storm is noticed this soon; before that, Slack's own pace lets one card a second through."""


class Storms:
    """The worker; any number of replicas may run one each."""

    def __init__(self, *, database: Database, policy: Policy, wake: Callable[[], None]) -> None:
        self._database = database
        self._policy = policy
        self._wake = wake

    def turn(self) -> float:
        """One look; seconds until the next one."""
        found = storms.look(self._database, self._policy)
        for digest in found.began:
            _log.warning("digest begins", extra=_ids(digest))
        for digest in found.ended:
            _log.warning("digest is over", extra=_ids(digest))
        if found.to_tell:
            self._wake()
        return 0.0 if found.more else LOOK_SECONDS


def _ids(digest: Digest) -> dict[str, object]:
    return {"digest": digest.digest_id, "kind": digest.kind.value, "channel": digest.channel, "rule": digest.rule}
