"""The only door to Slack's Web API; every call ends in one of a few named outcomes.

Sent          Slack has it
RateLimited   certainly not; not before so many seconds
Unreachable   certainly not: no connection was made, or Slack said so
Rejected      certainly not, and trying the same again does not help: `trouble` says whose turn it is
Unclear       Slack may have it: the answer was lost, late, or an internal error
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.secret import Secret
from bot.slack_words import remedy

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5
"""For a call of a worker. The SDK's own retries are off: its defaults can post a message twice."""

CALL_SECONDS = 7.0
"""For such a call in all: an answer that comes byte by byte stays below every time-out of the socket."""

HISTORY_MARGIN_SECONDS = 900
"""How far the clocks of the database and of Slack may differ when a message is looked for."""

CLICK_TIMEOUT_SECONDS = 2
"""For a call between a click and its answer: a trigger is good for three seconds."""

EVENT_TYPE = "observer_message"
"""The type of the metadata that finds a message again."""


class Trouble(StrEnum):
    """Whose turn it is after Slack refused."""

    CONFIGURATION = "configuration"  # a person must invite the bot, renew a token, unarchive a channel
    CONTENT = "content"  # our mistake: what we sent is not valid
    GONE = "gone"  # the message is not there any more
    FIXED = "fixed"  # the message is there, and must stay as it is
    OTHER = "other"  # Slack has many codes, and new ones: not known here


@dataclass(frozen=True, slots=True)
class Sent:
    """Slack has it."""

    channel: str
    ts: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Not before `retry_after` seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No connection was made, or Slack certainly did nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Slack refused: `error` is its own code."""

    error: str
    trouble: Trouble
    hint: str = ""  # what Slack said beside the code, such as the scope it wants

    @property
    def concerns_channel(self) -> bool:
        """Whether only this channel is refused; other configuration errors are those of the token, and of them all."""
        return self.error in _CHANNEL or self.error.startswith("restricted_action")

    @property
    def locks_out(self) -> bool:
        """Whether Slack refuses everything, not only this message or this method."""
        return self.trouble is Trouble.CONFIGURATION and not (self.concerns_channel or self.error == "missing_scope")


@dataclass(frozen=True, slots=True)
class Unclear:
    """Slack may have it."""

    reason: str


Outcome = Sent | RateLimited | Unreachable | Rejected | Unclear

Called = Callable[[str, Outcome], None]
"""Told of every call: the method and what came of it."""

_READS = frozenset(
    {"auth.test", "conversations.history", "conversations.info", "conversations.list", "conversations.replies"}
)
"""Methods that take their arguments from the query; only methods that write take JSON."""

_RATE = frozenset({"ratelimited", "rate_limited"})
_UNCLEAR = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "duplicate_message_not_found"}
)
_CONTENT = frozenset({
    "invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "metadata_too_large",
    "too_many_attachments", "markdown_text_conflict", "invalid_arguments", "view_too_large",
})  # fmt: skip
_GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
_FIXED = frozenset({"cant_update_message", "edit_window_closed"})
_CONFIGURATION = frozenset({
    "channel_not_found", "not_in_channel", "is_archived", "is_inactive", "missing_scope", "invalid_auth", "not_authed",
    "account_inactive", "token_revoked", "token_expired", "ekm_access_denied", "accesslimited",
    "message_limit_exceeded", "no_permission", "org_login_required", "team_access_not_granted",
})  # fmt: skip
_CHANNEL = frozenset({
    "channel_not_found", "not_in_channel", "is_archived", "is_inactive", "no_permission", "message_limit_exceeded",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a reply goes: below the message with this `ts`, and if `broadcast` to its channel as well."""

    ts: str
    broadcast: bool = False


class Slack:
    """Slack's Web API as Observer uses it. One client per thread is not needed: WebClient keeps no connection."""

    def __init__(self, token: Secret, api_url: str, called: Called = lambda method, outcome: None) -> None:
        self.token = token
        self._called = called
        self._me: tuple[int, Mapping[str, str]] | None = None  # the token's number, and who it is
        self._client = WebClient(token=token(), base_url=api_url, timeout=TIMEOUT_SECONDS, retry_handlers=[])
        self._quick = WebClient(token=token(), base_url=api_url, timeout=CLICK_TIMEOUT_SECONDS, retry_handlers=[])

    @property
    def for_bolt(self) -> WebClient:
        """The client Bolt copies its settings from."""
        return self._quick

    def post(
        self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], key: str, *, thread: Thread | None = None
    ) -> Outcome:
        """Post a message that `key` finds again."""
        outcome = self._call(
            "chat.postMessage",
            {
                "channel": channel,
                "text": text,
                "blocks": list(blocks),
                "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}},
                "client_msg_id": key,
                "unfurl_links": False,
                "unfurl_media": False,
            }
            | ({"thread_ts": thread.ts, "reply_broadcast": thread.broadcast} if thread else {}),
        )
        if isinstance(outcome, Sent) and not (outcome.channel and outcome.ts):
            return Unclear("answer_not_understood")  # whose message it is could never be told again
        return outcome

    def edit(self, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]], key: str) -> Outcome:
        """Show something else in a message of ours; what is not sent along Slack would remove."""
        return self._call(
            "chat.update",
            {
                "channel": channel,
                "ts": ts,
                "text": text,
                "blocks": list(blocks),
                "attachments": [],
                "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}},
            },
        )

    def delete(self, channel: str, ts: str) -> Outcome:
        """Remove a message of ours."""
        return self._call("chat.delete", {"channel": channel, "ts": ts})

    def find(
        self, channel: str, key: str, since: float, until: float | None = None, *, thread: Thread | None = None
    ) -> Sequence[str] | Outcome:
        """The `ts` of our messages with this key posted about `since`, or until `until` (Unix seconds), oldest first;
        those of a channel, or of a thread of it.

        Whoever can post can write our metadata: only what the bot of the present token wrote is ours.
        An outcome other than `Sent` says why they could not be looked for; `Rejected` also when there are too many
        messages to look through.
        """
        window = {
            "oldest": f"{since - HISTORY_MARGIN_SECONDS:.6f}",
            "latest": f"{max(since, until or since) + HISTORY_MARGIN_SECONDS:.6f}",
        }
        me = self._myself()
        if not isinstance(me, Mapping):
            return me
        found: list[str] = []
        cursor = ""
        for _ in range(20):  # 4,000 messages
            outcome = self._call(
                "conversations.replies" if thread else "conversations.history",
                {
                    "channel": channel,
                    **window,
                    **({"ts": thread.ts} if thread else {}),
                    "limit": 200,
                    "include_all_metadata": True,
                }
                | ({"cursor": cursor} if cursor else {}),
            )
            if not isinstance(outcome, Sent):
                return outcome
            for message in outcome.data.get("messages", []):
                metadata = message.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                ours = any(value and message.get(name) == value for name, value in me.items())
                if ours and metadata.get("event_type") == EVENT_TYPE and payload.get("key") == key:
                    found.append(str(message["ts"]))
            cursor = str((outcome.data.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return sorted(found, key=float)
        return sorted(found, key=float) or Rejected("history_too_long", Trouble.OTHER)

    def channel_id(self, name: str) -> str | Outcome:
        """The id of the channel with this name (`#` or not); empty when there is none in sight."""
        found = self.channel_ids([name])
        return found.get(name, "") if isinstance(found, dict) else found

    def channel_ids(self, names: Sequence[str]) -> dict[str, str] | Outcome:
        """The ids of the channels with these names (`#` or not), of those in sight."""
        wanted = {name.lstrip("#"): name for name in names}
        found: dict[str, str] = {}
        cursor = ""
        for _ in range(50):
            arguments = {"types": "public_channel,private_channel", "limit": 200, "exclude_archived": True}
            outcome = self._call("conversations.list", arguments | ({"cursor": cursor} if cursor else {}))
            if not isinstance(outcome, Sent):
                return outcome
            for channel in outcome.data.get("channels", []):
                if name := wanted.get(str(channel.get("name"))):
                    found[name] = str(channel["id"])
            cursor = str((outcome.data.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor or len(found) == len(wanted):
                break
        return found

    def channel_name(self, channel_id: str) -> str:
        """What a channel is called now, without `#`; empty when Slack does not say."""
        outcome = self._call("conversations.info", {"channel": channel_id})
        channel = outcome.data.get("channel") if isinstance(outcome, Sent) else None
        return str(channel.get("name") or "") if isinstance(channel, Mapping) else ""

    def who_am_i(self) -> Outcome:
        """The ids of the bot and its team."""
        exchanged = self.token.exchanged()
        outcome = self._call("auth.test", {})
        if isinstance(outcome, Sent):
            ids = {"bot_id": "bot_id", "user": "user_id"}
            self._me = exchanged, {name: str(outcome.data.get(known) or "") for name, known in ids.items()}
        return outcome

    def _myself(self) -> Mapping[str, str] | Outcome:
        """What a message of ours says of who wrote it."""
        if self._me is None or self._me[0] != self.token.exchanged():
            outcome = self.who_am_i()
            if not isinstance(outcome, Sent):
                return outcome
        assert self._me is not None  # noqa: S101 - it has answered
        return self._me[1]

    def open_view(self, trigger_id: str, view: Mapping[str, Any]) -> Outcome:
        """Open a modal; a trigger is good once, for three seconds."""
        return self._call("views.open", {"trigger_id": trigger_id, "view": dict(view)}, quick=True)

    def respond(self, response_url: str, content: Mapping[str, Any]) -> Outcome:
        """Answer to a click through the address that came with it; good five times within half an hour.

        An address that is not Slack's is not called, and no redirect is followed: the answer shows the record.
        """
        if not self._is_slacks(response_url):
            return Rejected("not_an_address_of_slack", Trouble.OTHER)
        request = urllib.request.Request(  # noqa: S310 - the address was looked at just now
            response_url, json.dumps(dict(content)).encode(), {"Content-Type": "application/json; charset=utf-8"}
        )
        try:
            with _WITHOUT_REDIRECTS.open(request, timeout=CLICK_TIMEOUT_SECONDS):
                return Sent("", "", {})
        except urllib.error.HTTPError as error:
            error.close()
            return Rejected(f"http_{error.code}", Trouble.OTHER)
        except Exception as error:
            return _broken(error)

    def _is_slacks(self, address: str) -> bool:
        try:
            found = urlsplit(address)
            own = urlsplit(self._client.base_url)
            return (found.scheme, found.netloc) in (("https", "hooks.slack.com"), (own.scheme, own.netloc))
        except ValueError:
            return False

    def _call(self, method: str, arguments: Mapping[str, Any], *, quick: bool = False) -> Outcome:
        outcome = self._ask(method, arguments, quick=quick)
        self._called(method, outcome)
        return outcome

    def _ask(self, method: str, arguments: Mapping[str, Any], *, quick: bool) -> Outcome:
        client = self._quick if quick else self._client
        client.token = self.token()

        def call() -> Any:
            if method in _READS:
                return client.api_call(method, http_verb="GET", params=dict(arguments))
            return client.api_call(method, json=dict(arguments))

        try:
            response = _in_time(call, CALL_SECONDS)
        except SlackApiError as error:
            return _refusal(error)
        except Exception as error:
            outcome = _broken(error)
            _log.warning("slack call failed", extra={"method": method, "outcome": repr(outcome)})
            return outcome
        data: Any = response.data
        if not isinstance(data, Mapping):
            return Unclear("answer_not_understood")
        return Sent(str(data.get("channel") or ""), str(data.get("ts") or ""), data)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that is not 200."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        """Never."""


_WITHOUT_REDIRECTS = urllib.request.build_opener(_NoRedirect)


def _in_time(call: Callable[[], Any], seconds: float) -> Any:
    """What `call` returns or raises; `TimeoutError` after so long, when it may still be at it in its own thread."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # handed on to who waits
            future.set_exception(error)

    threading.Thread(target=run, name="slack-call", daemon=True).start()
    return future.result(seconds)


def _refusal(error: SlackApiError) -> Outcome:
    """What an answer of Slack that is not `ok` means."""
    response: Any = error.response
    status = getattr(response, "status_code", 0)
    data = response.data if isinstance(getattr(response, "data", None), Mapping) else {}
    code = str(data.get("error") or f"http_{status}")
    if status == 429 or code in _RATE:
        headers = {str(name).lower(): value for name, value in (getattr(response, "headers", None) or {}).items()}
        return RateLimited(_seconds(headers.get("retry-after")))
    if status >= 500 or code in _UNCLEAR or not data:
        return Unclear(code)
    hint = str(data.get("needed") or "") or "; ".join(_messages(data))
    return Rejected(code, _trouble(code), remedy(code, hint[:300]))


def _trouble(code: str) -> Trouble:
    if code in _CONFIGURATION or code.startswith("restricted_action"):
        return Trouble.CONFIGURATION
    if code in _CONTENT or code.startswith("invalid_metadata"):
        return Trouble.CONTENT
    if code in _GONE:
        return Trouble.GONE
    return Trouble.FIXED if code in _FIXED else Trouble.OTHER


def _messages(data: Mapping[str, Any]) -> list[str]:
    metadata = data.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, Mapping) else None
    return [str(message) for message in messages] if isinstance(messages, list) else []


def _seconds(header: object) -> float:
    """Retry-After in seconds; a list comes from the SDK's own way of keeping headers."""
    text = header[0] if isinstance(header, list) and header else header
    try:
        return min(600.0, max(1.0, float(str(text))))
    except ValueError:
        return 30.0


def _broken(error: BaseException) -> Outcome:
    """Whether a broken call certainly did not reach Slack."""
    cause = (
        error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException) else error
    )
    if isinstance(cause, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
        return Unreachable(type(cause).__name__)
    if isinstance(cause, TimeoutError | ConnectionError | http.client.HTTPException | OSError):
        return Unclear(type(cause).__name__)
    return Unclear(type(error).__name__)


class Reports:
    """What Slack complains about at the moment, for `/ready`, `/` and the log; shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._identity: dict[str, str] = {}

    def trouble(self, where: str, error: str, hint: str = "") -> None:
        """Something a person must put right; said once in the log as long as it stays the same."""
        text = f"{error} ({hint})" if hint else error
        with self._lock:
            known = self._problems.get(where) == text
            self._problems[where] = text
        if not known:
            _log.error("slack configuration problem", extra={"where": where, "error": error, "hint": hint})

    def fine(self, where: str) -> bool:
        """It works; whether it did not before."""
        with self._lock:
            was = self._problems.pop(where, None)
        if was is not None:
            _log.info("slack configuration problem solved", extra={"where": where, "error": was})
        return was is not None

    def has(self, where: str) -> bool:
        """Whether something is wrong there."""
        with self._lock:
            return where in self._problems

    def identified(self, identity: Mapping[str, str]) -> None:
        """Who the bot is."""
        with self._lock:
            self._identity = dict(identity)

    def identity(self) -> dict[str, str]:
        """Who the bot is; empty before Slack said so."""
        with self._lock:
            return dict(self._identity)

    def as_json(self) -> dict[str, Any]:
        """For the health endpoints."""
        with self._lock:
            return {"team": self._identity.get("team", ""), "problems": dict(self._problems)}
