"""Builds the bot: routes for Slack's requests, and the workers that speak by themselves."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from starlette.routing import Route

from bot.blocks import notices
from bot.blocks.card import Moved, incident_card
from bot.blocks.digest import MEMBERS, digest_message, group_note
from bot.blocks.identifiers import DIGEST_PREFIX, PREFIX, RESOLVE_CALLBACK
from bot.blocks.notices import test_received, worse
from bot.endpoint import PATH, REPLAYED, Budget, SlackEndpoint
from bot.handlers import clicks, commands, digests, submissions
from bot.handlers.clicks import ClickFailed
from bot.handlers.context import Context
from bot.origin import foreign, origin_of
from bot.payloads import only_looks
from bot.secret import Secret
from bot.settings import BOT_TOKEN, BotSettings
from bot.slack import Reports, Slack, Thread
from bot.slack_words import remedy
from bot.text.languages import words_for
from bot.text.words import Words
from bot.veil import Veil
from bot.workers.delivery import Delivery, Face, Routes
from bot.workers.identity import Identity
from bot.workers.loop import Loop
from bot.workers.notary import Notary
from bot.workers.second_look import SecondLook
from bot.workers.storms import Storms
from bot.workers.vigil import Vigil
from db.database import Database
from db.model.message import Message, MessageKind
from db.model.policy import Policy
from db.model.reply import Reply
from db.model.storm import digest_pause
from db.transactions import lookup, storms

_log = logging.getLogger(__name__)

COMMAND = "/incident"

DELIVERY_THREADS = 3
"""Messages sent at once: a channel in which Slack is slow does not hold up the others."""


STOP_SECONDS = 3.0
"""How long a stop waits for what the workers have under way; the rest is found again by its lease."""


class Bot:
    """The bot, built and not yet running: `start` it in the lifespan of the application, `stop` it at its end."""

    def __init__(
        self, *, routes: Sequence[Route], loops: Sequence[Loop], waking: Sequence[Loop], reports: Reports,
        executors: Sequence[ThreadPoolExecutor], socket: _Socket | None, stopping: threading.Event,
    ) -> None:  # fmt: skip
        self.routes = tuple(routes)
        self._loops = tuple(loops)
        self._waking = tuple(waking)
        self._reports = reports
        self._executors = tuple(executors)
        self._socket = socket
        self._stopping = stopping

    def start(self) -> None:
        """Start the workers; none of them needs Slack or the database to be there already."""
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Stop the workers; what they had begun is finished, or found again by its lease."""
        self._stopping.set()
        for loop in self._loops:
            loop.ask_to_stop()
        if self._socket is not None:
            self._socket.close()
        deadline = time.monotonic() + STOP_SECONDS
        for loop in self._loops:
            loop.join(max(0.0, deadline - time.monotonic()))
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """Something was recorded: there may be something to tell."""
        for loop in self._waking:
            loop.wake()

    def report(self) -> Mapping[str, Any]:
        """What Slack complains about, for the health endpoints."""
        return self._reports.as_json()


def build_bot(
    settings: BotSettings,
    *,
    interactive: Database,
    background: Database,
    policy: Policy,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float] = time.monotonic,
    chores: Mapping[str, Callable[[], float]] | None = None,
    slack_called: Callable[[str, str], None] = lambda method, outcome: None,
    unproven: Budget,
) -> Bot:
    """Join the bot's parts; nothing is called before `start`.

    `chores` are further things that happen by themselves, by name: each is called again and again in a thread of its
    own, and says how many seconds to wait before the next time. `slack_called` is told of every call of Slack's Web
    API: the method, and `sent`, `ratelimited`, `unreachable`, `rejected` or `unclear`. `unproven` bounds what is held
    of requests whose sender is not known yet.
    """
    slack = Slack(
        Secret("SLACK_BOT_TOKEN", settings.token, settings.token_file, prefix=BOT_TOKEN),
        settings.api_url,
        lambda method, outcome: slack_called(method, type(outcome).__name__.lower()),
    )
    reports = Reports()
    words = words_for(settings.language)
    render = _renderer(background, words, policy, Veil(policy.masks))
    routes = Routes(policy.channel, (policy.refuge.channel, policy.default_channel), policy.refuge.after)
    delivery = Delivery(
        database=background, slack=slack, reports=reports, render=render, clock=clock, own_card=policy.storm.own_card,
        routes=routes, monotonic=monotonic,
    )  # fmt: skip
    second_look = SecondLook(database=background, slack=slack, clock=clock)
    senders = [Loop(f"delivery-{index}", delivery.turn) for index in range(DELIVERY_THREADS)]
    channels = [*routes.refuges, *(rule.value for rule in policy.routes)]
    identity = Identity(database=background, slack=slack, reports=reports, clock=clock, channels=channels)
    listeners = ThreadPoolExecutor(settings.listener_threads, thread_name_prefix="slack")
    later = ThreadPoolExecutor(8, thread_name_prefix="answer")

    def wake() -> None:
        for sender in senders:
            sender.wake()

    context = Context(
        database=interactive, patient=background, policy=policy, words=words, slack=slack, clock=clock, wake=wake,
        later=later, stopping=threading.Event(),
    )  # fmt: skip
    app = _bolt(settings, slack, reports, context, listeners)
    storm = Storms(database=background, policy=policy, wake=wake)
    vigil = Vigil(background, policy, clock)
    notary = Notary(background, policy.audit.checkpoint_every)
    loops = [*senders, Loop("identity", identity.turn), Loop("second-look", second_look.turn)]
    loops += [Loop("storms", storm.turn), Loop("vigil", vigil.turn), Loop("notary", notary.turn)]
    loops += [Loop(name, turn) for name, turn in (chores or {}).items()]
    socket = None
    paths = []
    if settings.signing_secret:
        secret = Secret("SLACK_SIGNING_SECRET", settings.signing_secret, settings.signing_secret_file)
        endpoint = SlackEndpoint(app, secret, settings.listener_threads, lambda: clock().timestamp(), reports, unproven)
        paths = [Route(path, endpoint.__call__, methods=["POST"]) for path in (PATH, f"{PATH}/")]
    if settings.socket_mode:
        socket = _Socket(app, settings, reports)
        loops.append(Loop("socket", socket.turn))
    return Bot(
        routes=paths, loops=loops, waking=senders, reports=reports, executors=[listeners, later], socket=socket,
        stopping=context.stopping,
    )  # fmt: skip


def _renderer(database: Database, words: Words, policy: Policy, veil: Veil) -> Callable[[Message], Face | None]:
    """What each kind of message shows."""
    own = sorted(policy.storm.own_card)

    def render(message: Message) -> Face | None:
        match message.kind:
            case MessageKind.CARD:
                card = storms.read_card(database, message.incident_id, policy) if message.incident_id else None
                if card is None:
                    return None
                incident, group = card
                note = group_note(veil.digest(group), words) if group is not None else None
                moved = Moved.from_content(message.content)
                shown_card = incident_card(veil.incident(incident), words, note, moved)
                return Face(incident.version, shown_card, over=not incident.is_open)
            case MessageKind.DIGEST:
                shown = storms.overview(database, int(message.content["digest"]), members=MEMBERS)
                if shown is None:
                    return None
                return Face(
                    shown.version,
                    digest_message(veil.overview(shown), words, own),
                    over=shown.digest.is_over and not shown.whole.open,
                    pause=digest_pause(shown.running),
                )
            case MessageKind.REPLY:
                reply = Reply.from_content(message.content)
                about = lookup.read_incident(database, reply.event.incident_id)
                if about is None or not about.is_open:
                    return None  # what got worse is over, and the card says so
                told = worse(veil.incident(about), veil.event(reply.event), words)
                return Face(message.wanted_version, told, over=True, thread=Thread(reply.thread_ts, reply.broadcast))
            case MessageKind.TEST:
                content = message.content
                test = test_received(
                    words,
                    contact_point=veil.text(str(content.get("receiver") or "")),
                    at=datetime.fromisoformat(str(content["at"])),
                    source=str(content.get("source") or ""),
                )
                return Face(message.wanted_version, test, over=True)

    return render


def _bolt(
    settings: BotSettings, slack: Slack, reports: Reports, context: Context, listeners: ThreadPoolExecutor
) -> App:
    """Bolt with our listeners. It never calls Slack to find out who it is: that would need a network at start."""

    def authorize() -> AuthorizeResult:
        identity = reports.identity()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=identity.get("team_id") or None,
            bot_token=slack.token(),
            bot_id=identity.get("bot_id") or None,
            bot_user_id=identity.get("user_id") or None,
        )

    bolt_log = logging.getLogger("slack_bolt")
    bolt_log.setLevel(logging.ERROR)  # below that it logs bodies, and advice of several lines
    app = App(
        logger=bolt_log,
        authorize=authorize,
        signing_secret=settings.signing_secret or "socket mode has no signatures",
        request_verification_enabled=False,  # the endpoint in front did it, with better manners
        client=slack.for_bolt,
        listener_executor=listeners,
    )

    def guarded(handler: Handler, ack: Ack, body: dict[str, Any], request: BoltContext) -> None:
        if request.get(REPLAYED) and not only_looks(body):
            _log.warning("slack request replayed")
            ack()  # what it asks for was done, or was undone since
            return
        origin = origin_of(body)
        why = foreign(origin, reports.identity(), context.policy)
        if why is None:
            _guarded(handler, context, ack, body)
            return
        _log.warning("slack request of somebody else", extra={"reason": why.name.lower(), "teams": origin.shown})
        told = notices.not_for_you(why, context.words)
        if "command" in body:
            ack(text=told.text, blocks=told.blocks, response_type="ephemeral")
            return
        ack()
        url = body.get("response_url")
        context.whisper(url if isinstance(url, str) else "", told)

    # A listener must never raise after `ack`: Bolt would then take the answer back.
    @app.action(re.compile(f"^{PREFIX}link"))
    def on_link(ack: Ack) -> None:
        ack()  # the browser opens the address; Slack only wants to be told that we heard

    @app.action(re.compile(f"^{DIGEST_PREFIX}"))
    def on_digest(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        guarded(digests.handle, ack, body, context)

    @app.action(re.compile(f"^{PREFIX}(?!link)"))
    def on_click(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        guarded(clicks.handle, ack, body, context)

    @app.command(re.compile("^/"))  # whatever it is called: its name may be taken, and Slack signed it for us
    def on_command(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        guarded(commands.handle, ack, body, context)

    @app.view(RESOLVE_CALLBACK)
    def on_submission(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        guarded(submissions.handle, ack, body, context)

    @app.error
    def on_error(error: Exception) -> BoltResponse:
        reason = type(error.__cause__ or error).__name__
        if isinstance(error, _MISREAD):
            _log.warning("slack body not understood", extra={"error": reason})
            return BoltResponse(status=400, body="")
        _log.error("slack request failed", extra={"error": reason})
        return BoltResponse(status=503, body="")  # Slack shows the person that it did not work

    return app


Handler = Callable[[Context, Ack, dict[str, Any]], None]


_MISREAD = (AttributeError, IndexError, KeyError, TypeError)
"""What Bolt's own reading raises of a body that Slack would not send, such as actions that are a text."""


class _HandlerFailed(Exception):
    """A handler of ours did, before it answered."""


def _guarded(handler: Handler, context: Context, ack: Ack, body: dict[str, Any]) -> None:
    """Run a handler; an exception after `ack` is logged and goes no further."""
    try:
        handler(context, ack, body)
    except Exception as error:
        if ack.response is None:
            raise _HandlerFailed from error
        if not isinstance(error, ClickFailed):
            _log.exception("handler failed after its answer")


_SOCKET = "socket mode"


def _socket_trouble(error: Exception) -> tuple[str, str]:
    """What is wrong with Socket Mode, and what to do; without it no click arrives."""
    code = str(error.response.get("error") or "") if isinstance(error, SlackApiError) else ""
    if code in ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive"):
        return code, "SLACK_APP_TOKEN must be an app-level token (xapp-) of this app with the scope connections:write"
    if code:
        return code, remedy(code)
    return type(error).__name__, "Slack cannot be reached over HTTPS and WebSocket from here; no click arrives"


class _Socket:
    """Socket Mode: connects when Slack can be reached; the SDK's client keeps the connection from then on."""

    def __init__(self, app: App, settings: BotSettings, reports: Reports) -> None:
        self._reports = reports
        client = WebClient(token=settings.app_token, base_url=settings.api_url, timeout=10)
        self._handler = SocketModeHandler(app, settings.app_token, web_client=client)
        self._connected = False

    def turn(self) -> float:
        """Connect once, and see whether the connection is there; seconds until the next look."""
        try:
            if not self._connected:
                self._handler.connect()  # type: ignore[no-untyped-call] # Bolt has no types here
                self._connected = True
                _log.info("socket mode connected")
        except Exception as error:
            self._reports.trouble(_SOCKET, *_socket_trouble(error))
            return 10.0
        if not self._handler.client.is_connected():
            self._reports.trouble(_SOCKET, "not connected", "no click arrives until it is connected again")
            return 5.0
        self._reports.fine(_SOCKET)
        return 60.0

    def close(self) -> None:
        """Disconnect."""
        self._handler.close()  # type: ignore[no-untyped-call]
