"""Makes Slack show what the record says: claims a message that is behind, posts or edits it, keeps what came of it.

Only this worker posts and edits. What a message shows is rendered from the record at that moment, so a storm on one
incident is a handful of edits, and after any outage every card is right in the end. A first post whose outcome is not
known is looked for in the channel's history before it is posted again.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.blocks.message import SlackMessage
from bot.slack import (
    CALL_SECONDS,
    Outcome,
    RateLimited,
    Rejected,
    Reports,
    Sent,
    Slack,
    Thread,
    Trouble,
    Unclear,
    Unreachable,
)
from db.database import Database
from db.model.incident import Severity
from db.model.message import Message, MessageKind, Step
from db.model.pacing import Breaker, Pace, back_off
from db.model.refuge import where_to
from db.transactions import lookup, telling

_log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""Between two looks when nobody woke the worker: another replica may have recorded something."""

MOST_WAIT_SECONDS = 60.0
"""The longest pause after failures in a row; configuration errors wait up to `MOST_CONFIGURATION_SECONDS`."""

MOST_CONFIGURATION_SECONDS = 300.0

QUIETER = 4.0
"""So many times longer is the pause between two changes of a message where each of them must be posted."""

REFUSALS = 3
"""After so many refusals in a row that are not known here, a message is one that cannot be edited."""

MOST_OVER_SECONDS = 3600.0
"""The same when what the message is about is over: hundreds of such cards must not use up the edits of the others."""


@dataclass(frozen=True, slots=True)
class Face:
    """What a message is to show now, and which version of the record that is."""

    version: int
    content: SlackMessage
    over: bool = False  # what it is about is over: not worth posting anew when somebody deleted it
    pause: float = telling.EDIT_PAUSE_SECONDS  # until its next edit
    thread: Thread | None = None  # of a reply


Render = Callable[[Message], Face | None]
"""What a message shows, read from the record at that moment; None when there is nothing to show."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Where cards go now; the record keeps where they were meant to go when they were wanted."""

    channel: Callable[[Mapping[str, str]], str]  # by an alert's labels
    refuges: Sequence[str] = ()  # for cards whose channel cannot be used, in order
    after: timedelta = timedelta(minutes=5)  # a channel counts as lost when it refused for so long


class Delivery:
    """The delivery worker; `turn` handles one message and may be called by several threads at once."""

    def __init__(
        self,
        *,
        database: Database,
        slack: Slack,
        reports: Reports,
        render: Render,
        clock: Callable[[], datetime],
        routes: Routes,
        own_card: Collection[Severity] = (Severity.CRITICAL,),
        monotonic: Callable[[], float] = time.monotonic,
        lease_seconds: float = telling.LEASE_SECONDS,
        settle_seconds: float = telling.SETTLE_SECONDS,
    ) -> None:
        self._database = database
        self._slack = slack
        self._reports = reports
        self._render = render
        self._clock = clock
        self._own_card = own_card
        self._routes = routes
        self._monotonic = monotonic
        self._lease = lease_seconds
        self._settle = settle_seconds
        self._worker = secrets.token_hex(8)
        self._lock = threading.Lock()  # holds for all of these:
        self._pace = Pace()
        self._breaker = Breaker()
        self._due: list[float] = []  # when messages of ours that pause are due again
        self._awaited: dict[int, float] = {}  # thread -> the moment it waits for
        self._exchanged = 0  # tokens that this worker knows of

    def turn(self) -> float:
        """Handle one message that is behind; how long to wait before the next look, in seconds."""
        claimed_at = self._monotonic()
        self._welcome_token()
        with self._lock:
            self._awaited.pop(threading.get_ident(), None)
            wait = self._breaker.wait(claimed_at)
        if wait:
            return min(wait, IDLE_SECONDS)
        message = self._claim()
        if message is None:
            return self._until_next()
        face = self._render(message)
        if face is None:
            telling.abandon(self._database, message, message.wanted_version, "nothing to show")
            return 0.0
        if self._monotonic() > claimed_at + self._lease - 2 * CALL_SECONDS:
            # The database was slow, or this machine was asleep: somebody else may have the message by now, and a call
            # with its plain fallback takes up to two time-outs.
            _log.warning("lease too short, left to the next turn", extra=_ids(message))
            return 0.0
        match message.step:
            case Step.LOOK:
                self._look(message, face)
            case Step.POST:
                self._post(message, face)
            case Step.EDIT:
                self._edit(message, face)
        return 0.0

    def _welcome_token(self) -> None:
        """With another token than before whatever was refused may work: at once, and all of it."""
        exchanged = self._slack.token.exchanged()
        with self._lock:
            if exchanged == self._exchanged:
                return
            self._exchanged, self._breaker = exchanged, Breaker()
        telling.hurry(self._database)

    # -- which message ------------------------------------------------------------------------------------------

    def _claim(self) -> Message | None:
        """Claim under the lock of the pace, so that two threads do not take the same token."""
        with self._lock:
            now = self._monotonic()
            message = telling.claim(
                self._database,
                self._worker,
                busy=self._pace.busy_channels(now),
                may_edit=self._pace.may_edit(now),
                may_look=self._pace.may_look(now),
                lease_seconds=self._lease,
                settle_seconds=self._settle,
                own_card=self._own_card,
            )
            if message is not None and message.step is Step.POST:
                self._pace = self._pace.posted(message.channel, now)
            elif message is not None and message.step is Step.EDIT:
                self._pace = self._pace.edited(now)
            return message

    def _until_next(self) -> float:
        """Seconds until the next moment at which something that waits may go, and that no other thread waits for.

        With many messages waiting a look is dear, and it finds nothing before then: so each moment is for one thread.
        """
        with self._lock:
            now = self._monotonic()
            self._due = [at for at in self._due if at > now]
            moments = sorted([*self._pace.moments(now), *self._due])
            for taken in self._awaited.values():
                if taken in moments:
                    moments.remove(taken)
            if not moments or moments[0] > now + IDLE_SECONDS:
                return IDLE_SECONDS
            self._awaited[threading.get_ident()] = moments[0]
            return moments[0] - now

    def _look_again_in(self, seconds: float) -> None:
        """A message pauses for so long, by the record: it is due then."""
        with self._lock:
            self._due.append(self._monotonic() + seconds)

    # -- the three steps ----------------------------------------------------------------------------------------

    def _post(self, message: Message, face: Face) -> None:
        outcome = self._send(message, face, message.channel)
        if isinstance(outcome, Rejected) and outcome.error == "channel_not_found":
            outcome = self._send_by_id(message, face) or outcome
        elif isinstance(outcome, Sent):
            self._reports.fine(_name_of(message))
        match outcome:
            case Sent(channel=channel, ts=ts):
                self._worked(message)
                # where edits are refused each change is a post of its own, and everybody hears it
                pause = face.pause * (QUIETER if self._reports.has(_edits_in(message)) else 1.0)
                telling.shown(self._database, message, face.version, channel, ts, pause=pause)
                self._look_again_in(pause)
                telling.works(self._database, message.channel, channel, self._clock())
                _log.info("message posted", extra=_ids(message) | {"version": face.version, "ts": ts})
            case _:
                self._not_posted(message, face, outcome)

    def _send(self, message: Message, face: Face, channel: str) -> Outcome:
        outcome = self._slack.post(
            channel, face.content.text, face.content.blocks, message.post_key, thread=face.thread
        )
        if isinstance(outcome, Rejected) and outcome.trouble is Trouble.CONTENT:
            self._blame_ourselves(message, outcome)
            plain = _plain(face.content)
            outcome = self._slack.post(channel, plain.text, plain.blocks, message.post_key, thread=face.thread)
        return outcome

    def _send_by_id(self, message: Message, face: Face) -> Outcome | None:
        """No channel has this name, or none any more: the one that had it is reached by its id, if that is known."""
        channel_id = telling.channel_id(self._database, message.channel)
        if channel_id in ("", message.channel):
            return None
        outcome = self._send(message, face, channel_id)
        if isinstance(outcome, Sent) and not self._reports.has(_name_of(message)):
            name = self._slack.channel_name(channel_id) or channel_id
            self._reports.trouble(
                _name_of(message), "renamed", f"the channel is called {name} now: change the settings"
            )
        return outcome

    def _edit(self, message: Message, face: Face) -> None:
        outcome = self._slack.edit(
            message.channel_id, message.ts, face.content.text, face.content.blocks, message.post_key
        )
        if isinstance(outcome, Rejected) and outcome.trouble is Trouble.CONTENT:
            self._blame_ourselves(message, outcome)
            plain = _plain(face.content)
            outcome = self._slack.edit(message.channel_id, message.ts, plain.text, plain.blocks, message.post_key)
        match outcome:
            case Sent():
                if self._worked(message):
                    telling.works(self._database, message.channel, message.channel_id, self._clock())
                if self._reports.fine(_edits_in(message)):
                    telling.removable(self._database, message.channel_id)
                telling.shown(self._database, message, face.version, message.channel_id, message.ts, pause=face.pause)
                self._look_again_in(face.pause)
                _log.info("message edited", extra=_ids(message) | {"version": face.version})
            case Rejected(trouble=Trouble.GONE, error=error):
                self._answered()
                self._post_anew_or_forget(message, face, error)
            case Rejected() if self._stays_as_it_is(message, outcome):
                self._answered()
                self._replace(message, face, outcome)
            case RateLimited(retry_after=seconds):
                with self._lock:
                    self._pace = self._pace.edit_refused(self._monotonic(), seconds)
                telling.not_sent(self._database, message, self._worker, "ratelimited", seconds, counts=False)
                self._look_again_in(seconds)
                _log.warning("slack limits edits", extra=_ids(message) | {"retry_after": seconds})
            case _:
                # an edit is rendered anew each time: sending it twice does no harm
                self._later(message, face, outcome)

    def _look(self, message: Message, face: Face) -> None:
        """A post was begun and its outcome is not recorded: find it in the channel, or post it."""
        channel = self._known_channel(message)
        if isinstance(channel, str) and channel:
            since = message.posting_since.timestamp() if message.posting_since else 0.0
            found = self._slack.find(channel, message.post_key, since, thread=face.thread)
        else:
            found = Rejected("channel_not_found", Trouble.CONFIGURATION) if channel == "" else channel
        if isinstance(found, Sequence):
            self._answered()
            self._reports.fine(f"history of {message.channel}")
            self._settle_found(message, str(channel), found)
        elif isinstance(found, Rejected) and found.locks_out:
            self._later(message, face, found)  # nothing can be posted now either
        elif isinstance(found, Rejected):
            # The bot may not read the history: it cannot be verified, and a card that is missing is worse.
            _log.error("cannot look for a message, posting it", extra=_ids(message) | {"error": found.error})
            self._reports.trouble(f"history of {message.channel}", found.error, found.hint)
            telling.post_again(self._database, message, self._worker, f"unverified: {found.error}")
        else:
            self._later(message, face, found)

    def _settle_found(self, message: Message, channel: str, found: Sequence[str]) -> None:
        if not found:
            telling.post_again(self._database, message, self._worker, "not found in history")
            _log.info("message was not posted after all", extra=_ids(message))
            return
        first, *doubles = found
        for ts in doubles:
            self._slack.delete(channel, ts)
            _log.warning("deleted a double", extra=_ids(message) | {"ts": ts})
        telling.shown(self._database, message, 0, channel, first, pause=0.0)  # the next turn edits it up to date
        _log.info("message found again", extra=_ids(message) | {"ts": first})

    # -- what else may come of it -------------------------------------------------------------------------------

    def _not_posted(self, message: Message, face: Face, outcome: Outcome) -> None:
        if isinstance(outcome, RateLimited):
            with self._lock:
                self._pace = self._pace.post_refused(message.channel, self._monotonic(), outcome.retry_after)
            telling.not_sent(self._database, message, self._worker, "ratelimited", outcome.retry_after, counts=False)
            self._look_again_in(outcome.retry_after)
            _log.warning("slack limits posts", extra=_ids(message) | {"retry_after": outcome.retry_after})
        elif isinstance(outcome, Unclear):
            self._failed()
            pause = max(self._settle, back_off(message.attempts + 1, first=1.0, most=MOST_WAIT_SECONDS))
            telling.unclear(self._database, message, self._worker, outcome.reason, pause)
            self._look_again_in(pause)
            _log.warning("outcome of a post is unclear", extra=_ids(message) | {"reason": outcome.reason})
        elif face.thread is not None and isinstance(outcome, Rejected) and outcome.trouble is Trouble.GONE:
            self._answered()  # the card it belongs below is gone; another one was posted, and told by itself
            self._post_anew_or_forget(message, face, outcome.error)
        else:
            self._later(message, face, outcome)

    def _later(self, message: Message, face: Face, outcome: Outcome) -> None:
        """Try again after a pause that grows with the failures in a row, or elsewhere."""
        attempts = message.attempts + 1
        match outcome:
            case RateLimited(retry_after=seconds):
                pause, error = seconds, "ratelimited"
                with self._lock:
                    self._pace = self._pace.look_refused(self._monotonic(), seconds)
            case Rejected(error=code, trouble=Trouble.CONFIGURATION) if outcome.locks_out:
                error, pause = code, back_off(attempts, first=5.0, most=MOST_WAIT_SECONDS)
                self._reports.trouble("token", code, outcome.hint)
                with self._lock:
                    self._breaker = self._breaker.locked_out(self._monotonic())
            case Rejected(error=code, trouble=trouble, hint=hint):
                self._answered()
                error = code
                most = MOST_WAIT_SECONDS
                if trouble is Trouble.CONFIGURATION:
                    most = MOST_OVER_SECONDS if face.over else MOST_CONFIGURATION_SECONDS
                pause = back_off(attempts, first=5.0, most=most)
                self._reports.trouble(message.channel, code, hint)
                unknown = trouble is Trouble.OTHER and message.step is Step.POST
                if (outcome.concerns_channel or unknown) and self._elsewhere(message, face, code):
                    return
            case Unclear(reason=reason) | Unreachable(reason=reason):
                self._failed()
                error, pause = reason, back_off(attempts, first=1.0, most=MOST_WAIT_SECONDS)
            case Sent():
                raise AssertionError("a message that was sent needs no second try")
        self._wait(message, error, pause)

    def _wait(self, message: Message, error: str, pause: float) -> None:
        if message.step is Step.LOOK:
            telling.unclear(self._database, message, self._worker, error, pause)
        else:
            telling.not_sent(self._database, message, self._worker, error, pause)
        self._look_again_in(pause)
        attempts = message.attempts + 1
        _log.warning("message waits", extra=_ids(message) | {"error": error, "seconds": pause, "attempts": attempts})

    def _elsewhere(self, message: Message, face: Face, error: str) -> bool:
        """Show the card of an open incident in another channel when its own refuses it; whether it was moved."""
        if message.kind is not MessageKind.CARD or message.incident_id is None:
            return False
        now = self._clock()
        broken_for = now - telling.refused(self._database, message.channel, error, now)
        incident = lookup.read_incident(self._database, message.incident_id)
        if incident is None or face.over:
            return False
        routed = self._routes.channel(lookup.labels_of(self._database, incident))
        channel = where_to(
            message.channel,
            routed=routed,
            refuges=self._routes.refuges,
            broken=telling.broken_channels(self._database, now).keys(),
            broken_for=broken_for,
            after=self._routes.after,
        )
        if channel == message.channel:
            return False
        meant_for = message.content.get("meant_for") or message.channel
        content = {} if channel == routed else {"meant_for": meant_for, "because": error}
        telling.move(self._database, message, self._worker, channel, content, error)
        _log.error("card goes to another channel", extra=_ids(message) | {"error": error, "channel": channel})
        return True

    def _worked(self, message: Message) -> bool:
        """Slack took it; whether its channel was in trouble before."""
        self._answered()
        if self._reports.fine("token"):
            telling.hurry(self._database)
        return self._reports.fine(message.channel)

    def _answered(self) -> None:
        with self._lock:
            self._breaker = self._breaker.worked()

    def _failed(self) -> None:
        with self._lock:
            self._breaker = self._breaker.failed(self._monotonic())

    def _stays_as_it_is(self, message: Message, outcome: Rejected) -> bool:
        """Whether Slack will never edit this message: it says so, or says something unknown again and again."""
        if outcome.trouble is Trouble.OTHER:
            return message.attempts + 1 >= REFUSALS
        return outcome.trouble is Trouble.FIXED

    def _replace(self, message: Message, face: Face, outcome: Rejected) -> None:
        """Post what the message should show anew; the old one is removed once the new one hangs. Where old ones could
        not be removed the message stays as it is: one that is behind is better than one more with each change."""
        kept = telling.irremovable(self._database, message.channel_id, self._clock())
        hint = f"and the old message cannot be removed: {kept}" if kept else outcome.hint
        self._reports.trouble(_edits_in(message), outcome.error, hint)
        if kept or not telling.replace(self._database, message, outcome.error):
            most = MOST_OVER_SECONDS if face.over else MOST_CONFIGURATION_SECONDS
            self._wait(message, outcome.error, back_off(message.attempts + 1, first=5.0, most=most))
            return
        _log.warning("message cannot be edited, posting it anew", extra=_ids(message) | {"error": outcome.error})

    def _post_anew_or_forget(self, message: Message, face: Face, error: str) -> None:
        """Somebody deleted the message: an open incident gets a new one, a closed one stays without."""
        if face.over:
            telling.abandon(self._database, message, face.version, error)
        else:
            telling.lost(self._database, message, error)
        _log.warning("message is gone", extra=_ids(message) | {"error": error, "posted_anew": not face.over})

    def _known_channel(self, message: Message) -> str | Outcome:
        """The id of the message's channel: as Slack answered, as configured, or as its list says; empty if none."""
        return message.channel_id or known_channel(self._database, self._slack, message.channel)

    def _blame_ourselves(self, message: Message, outcome: Rejected) -> None:
        _log.error(
            "slack refused our blocks, sending plain text",
            extra=_ids(message) | {"error": outcome.error, "hint": outcome.hint},
        )


def _plain(content: SlackMessage) -> SlackMessage:
    """The sentence of a message alone, for when Slack does not take its blocks."""
    return SlackMessage(
        content.text, [{"type": "section", "text": {"type": "plain_text", "text": content.text[:3000]}}]
    )


def known_channel(database: Database, slack: Slack, channel: str) -> str | Outcome:
    """The id of a channel: as Slack answered, as configured, or as its list says; empty if there is none in sight."""
    if learned := telling.channel_id(database, channel):
        return learned
    return channel if is_channel_id(channel) else slack.channel_id(channel)


def _name_of(message: Message) -> str:
    """A channel whose name is not the configured one any more, as `/ready` names it."""
    return f"name of {message.channel}"


def _edits_in(message: Message) -> str:
    """Where edits are refused, as `/ready` names it."""
    return f"edits in {message.channel}"


def is_channel_id(channel: str) -> bool:
    """Whether a channel is configured by its id, which stays when its name changes."""
    return len(channel) >= 9 and channel[0] in "CGD" and channel.isalnum() and channel.isupper()


def _ids(message: Message) -> dict[str, Any]:
    return {"slack_message": message.message_id, "kind": message.kind.value, "incident": message.incident_id or ""}
