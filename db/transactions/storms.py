"""Digests: begin, keep up to date and end the messages that stand for many incidents.

`look` is called again and again by every replica. It decides from the record alone, by the clock of the database; what
one replica left half done, the next look of any replica completes. The order of locks: rows of `digests` first, and
rows of `slack_messages` only where nobody else has them (SKIP LOCKED), so that webhooks and workers never wait for each
other in a circle with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.database import Database, Transaction
from db.errors import Duplicate
from db.model.identity import IncidentId
from db.model.incident import Incident
from db.model.policy import Policy
from db.model.storm import (
    AFTER_CARDS,
    AFTER_SEVERITIES,
    EVERYTHING,
    Digest,
    DigestKind,
    Gathering,
    Group,
    Overview,
    Page,
    Weather,
    gather,
    grouped,
    open_key,
    takes_members,
    weather,
    whole,
)
from db.store import digests, incidents, instances

REFRESH_SECONDS = 2.0
"""A digest is compared with its members this often at most: counting thousands of them is not for every second."""

LASTING_SECONDS = 5.0
"""The same for a digest that is over and still shows open incidents."""

_MOST_LASTING = 20

_LATE_SECONDS = 60
"""How long after its card was asked for an incident may become visible: longer than any transaction takes."""

_MOST_AT_ONCE = 500
"""Cards held, or members joined, in one transaction."""

_MOST_CANDIDATES = 2_000


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found and did."""

    running: int  # digests that are on
    began: tuple[Digest, ...] = ()
    ended: tuple[Digest, ...] = ()
    to_tell: bool = False  # a message is wanted that was not before
    more: bool = False  # there was more to do than one transaction should


def look(database: Database, policy: Policy) -> Look:
    """Begin, continue and end digests as the policy says. Safe to repeat, and safe with any number of replicas."""

    def work(tx: Transaction) -> Look:
        known = digests.running(tx)
        storm = policy.storm
        arrived = digests.arrived(tx, storm.window.total_seconds(), storm.incidents) if storm.enabled else {}
        lasting = digests.lasting(tx, LASTING_SECONDS, _MOST_LASTING)
        if not known and not arrived and not lasting and not policy.groups:
            return Look(0)
        now = digests.clock(tx)
        # A digest that another replica works on at this moment is left to it.
        mine = digests.lock(tx, [one.digest_id for one in known])
        turn = _Turn(tx, policy, now)
        turn.storms(known, mine, arrived)
        turn.groups(known, mine)
        turn.refresh(mine)
        holding = [one.digest_id for one in (*known, *lasting)]
        released = digests.release_grown_worse(tx, holding, storm.own_card)
        turn.keep_true(lasting)
        return Look(
            running=len(known) + len(turn.began) - len(turn.ended),
            began=tuple(turn.began),
            ended=tuple(turn.ended),
            to_tell=turn.told or bool(turn.began) or released > 0,
            more=turn.more,
        )

    return database.transact(work, idempotent=True)


def overview(database: Database, digest_id: int, *, members: int = 0) -> Overview | None:
    """A digest with all that its message shows, and its most urgent `members`; None when there is no such digest."""

    def work(tx: Transaction) -> Overview | None:
        digest = digests.by_id(tx, digest_id)
        if digest is None:
            return None
        tallies, version = digests.tallies(tx, digest_id)
        wanted = members if digest.kind is DigestKind.RELATED else 0
        return Overview(
            digest=digest,
            version=version + digest.is_over,
            whole=whole(tallies),
            groups=grouped(tallies),
            members=_read(tx, digests.members(tx, digest_id, None, limit=wanted)) if wanted else (),
            own_cards=digests.own_cards(tx, digest_id),
            as_of=digests.clock(tx),
            running=digests.how_many_run(tx),
        )

    return database.transact(work, idempotent=True)


def page(database: Database, digest_id: int, group_key: str, *, limit: int, offset: int) -> Page | None:
    """The members of a group from `offset` on; None when there is no such digest or group."""

    def work(tx: Transaction) -> Page | None:
        digest = digests.by_id(tx, digest_id)
        found = _group(tx, digest_id, group_key)
        if digest is None or found is None:
            return None
        ids = digests.members(tx, digest_id, _place(found), limit=limit, offset=offset)
        return Page(digest, found, _read(tx, ids), offset)

    return database.transact(work, idempotent=True)


def read_card(database: Database, incident: IncidentId, policy: Policy) -> tuple[Incident, Digest | None] | None:
    """What a card shows: the incident as it is now with what fires in it, and the group of related ones it is in."""

    def work(tx: Transaction) -> tuple[Incident, Digest | None] | None:
        group = digests.group_of(tx, incident)
        found = incidents.by_id(tx, incident)
        return None if found is None else (instances.looked_up(tx, found, policy), group)

    return database.transact(work, idempotent=True)


def _group(tx: Transaction, digest_id: int, group_key: str) -> Group | None:
    tallies, _ = digests.tallies(tx, digest_id)
    if group_key == EVERYTHING:
        return whole(tallies)
    return next((group for group in grouped(tallies) if group.key == group_key), None)


def _place(group: Group) -> tuple[str, str] | None:
    return None if group.key == EVERYTHING else (group.service, group.cluster)


def _read(tx: Transaction, ids: Sequence[IncidentId]) -> tuple[Incident, ...]:
    found = incidents.by_ids(tx, ids)
    return tuple(found[one] for one in ids if one in found)


class _Turn:
    """One look, in its transaction."""

    def __init__(self, tx: Transaction, policy: Policy, now: datetime) -> None:
        self._tx = tx
        self._policy = policy
        self._now = now
        self.began: list[Digest] = []
        self.ended: list[Digest] = []
        self.told = False
        self.more = False

    # -- storms ------------------------------------------------------------------------------------------------------

    def storms(self, known: Sequence[Digest], mine: Sequence[Digest], arrived: dict[str, int]) -> None:
        """Judge every channel that has a storm or a rate that is too high."""
        on = {one.channel: one for one in known if one.kind is DigestKind.STORM}
        locked = {one.digest_id: one for one in mine}
        for channel in sorted(on.keys() | arrived.keys()):
            if channel in on and on[channel].digest_id not in locked:
                continue
            storm = locked[on[channel].digest_id] if channel in on else None
            judged = weather(arrived.get(channel, 0), storm, self._policy.storm, self._now)
            if storm is None:
                if judged is Weather.BEGINS:
                    self._begin_storm(channel)
                continue
            if judged is Weather.RAGES:
                digests.busy(self._tx, storm.digest_id, self._now)
            everything = self._take_in(storm)
            if judged is Weather.ENDS and everything:
                # The digest stays the face of the others, so that the storm has no sequel.
                digests.release_worst(self._tx, storm.digest_id, AFTER_SEVERITIES, AFTER_CARDS)
                self._end(storm)

    def _begin_storm(self, channel: str) -> None:
        policy = self._policy.storm
        try:
            storm = digests.begin(
                self._tx, kind=DigestKind.STORM, channel=channel, rule="storm", shared={}, at_least=policy.incidents,
                window_seconds=int(policy.window.total_seconds()), open_key=open_key("storm", channel, {}),
                since=self._now - policy.window, now=self._now,
            )  # fmt: skip
        except Duplicate:  # another replica was first
            return
        self.began.append(storm)
        self._take_in(storm)
        self._compare(storm)

    def _take_in(self, storm: Digest) -> bool:
        """Everything that arrived in the channel becomes a member, and cards that are not posted yet wait; whether that
        was all."""
        since = max(storm.since, storm.scanned_at - timedelta(seconds=_LATE_SECONDS))
        new = digests.newcomers(self._tx, storm, since, _MOST_AT_ONCE)
        digests.join(self._tx, storm.digest_id, new, self._now)
        if len(new) < _MOST_AT_ONCE:
            digests.scanned(self._tx, storm.digest_id, self._now)
        held = digests.hold_channel(self._tx, storm, self._policy.storm.own_card, _MOST_AT_ONCE)
        everything = max(len(new), held) < _MOST_AT_ONCE
        self.more = self.more or not everything
        return everything

    # -- related incidents -------------------------------------------------------------------------------------------

    def groups(self, known: Sequence[Digest], mine: Sequence[Digest]) -> None:
        """Tell the cards of members, end groups that are over, find new members and new groups."""
        running = [one for one in mine if one.kind is DigestKind.RELATED]
        for group in running:
            # Before anybody joins in this transaction: a card that is rendered from now on sees who is a member.
            self.told = digests.tell_cards(self._tx, group.digest_id) > 0 or self.told
        if not self._policy.groups or any(
            one.kind is DigestKind.RELATED for one in known if one.digest_id not in {held.digest_id for held in mine}
        ):
            return  # another replica works on groups: they are found one replica at a time
        storms = {one.channel for one in (*known, *self.began) if one.kind is DigestKind.STORM}
        longest = max(rule.window for rule in self._policy.groups)
        found = digests.candidates(self._tx, longest.total_seconds(), _MOST_CANDIDATES)
        found = [one for one in found if one.channel not in storms]  # a storm shows them
        taking = [one for one in running if takes_members(one, self._now)]
        for group in running:
            if group not in taking:
                digests.full(self._tx, group.digest_id)
        for gathering in gather(found, self._policy.groups, taking, self._now):
            joined = gathering.digest or self._begin_group(gathering)
            if joined is None:
                continue
            digests.join(self._tx, joined.digest_id, gathering.members, self._now)
            digests.busy(self._tx, joined.digest_id, self._now)
            digests.hold_members(self._tx, joined.digest_id, gathering.members, self._policy.storm.own_card)
            self._compare(joined)

    def _begin_group(self, found: Gathering) -> Digest | None:
        rule, channel, shared = found.rule, found.channel, found.shared
        try:
            group = digests.begin(
                self._tx, kind=DigestKind.RELATED, channel=channel, rule=rule.name, shared=shared,
                at_least=rule.at_least, window_seconds=int(rule.window.total_seconds()),
                open_key=open_key(rule.name, channel, shared), since=self._now - rule.window, now=self._now,
            )  # fmt: skip
        except Duplicate:
            return None
        self.began.append(group)
        return group

    # -- both --------------------------------------------------------------------------------------------------------

    def refresh(self, running: Sequence[Digest]) -> None:
        """Compare the messages with their members; a group without an open member is over."""
        over = {one.digest_id for one in self.ended}
        for digest in running:
            if digest.digest_id in over:
                continue
            if (self._now - digest.refreshed_at).total_seconds() >= REFRESH_SECONDS:
                still_open = self._compare(digest)
                if digest.kind is DigestKind.RELATED and not still_open:
                    self._end(digest)

    def keep_true(self, lasting: Sequence[Digest]) -> None:
        """Digests that are over are compared with their members as long as one of them is open."""
        for digest in lasting:
            dropped = self._keep_quiet(digest)
            still_open = self._compare(digest)
            if dropped >= _MOST_AT_ONCE:
                self.more = True
            elif not still_open:
                digests.settled(self._tx, digest.digest_id)

    def _keep_quiet(self, digest: Digest) -> int:
        """No card is wanted of what a digest that is over shows; how many of them need none any more."""
        dropped = digests.drop_closed(self._tx, digest.digest_id, _MOST_AT_ONCE)
        digests.shown_here(self._tx, digest.digest_id, _MOST_AT_ONCE)
        return dropped

    def _compare(self, digest: Digest) -> int:
        """Let the message show its members as they are; how many of them are open."""
        _, version, still_open = digests.versions(self._tx, digest.digest_id)
        digests.refresh(self._tx, digest, version + digest.is_over, self._now)
        self.told = True
        return still_open

    def _end(self, digest: Digest) -> None:
        digests.finish(self._tx, digest.digest_id, self._now)
        self._keep_quiet(digest)
        _, version, _ = digests.versions(self._tx, digest.digest_id)
        digests.refresh(self._tx, digest, version + 1, self._now)
        self.ended.append(digest)
