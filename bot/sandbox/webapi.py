"""The Web API under /api/: faults first, then token, scopes and pace, then the method; every call is written down."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bot.sandbox import arguments
from bot.sandbox.answers import Answer
from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError, TooFast
from bot.sandbox.faults import Fault, Faults, How
from bot.sandbox.limits import Pace
from bot.sandbox.methods import chat, conversations, people, views
from bot.sandbox.methods.conversations import missing_scope
from bot.sandbox.workspace import Call, Json, Workspace

NEVER = 600.0
"""Seconds after which even a lost answer's connection is closed."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method and the scopes it always needs; some look for more themselves."""

    run: Callable[[Workspace, Arguments], Json]
    scopes: tuple[str, ...] = ()
    open: bool = False
    """Whether it works without a token."""


METHODS: dict[str, Method] = {
    "api.test": Method(people.api_test, open=True),
    "auth.test": Method(people.auth_test),
    "chat.postMessage": Method(chat.post_message, ("chat:write",)),
    "chat.update": Method(chat.update, ("chat:write",)),
    "chat.delete": Method(chat.delete, ("chat:write",)),
    "chat.postEphemeral": Method(chat.post_ephemeral, ("chat:write",)),
    "chat.getPermalink": Method(chat.get_permalink),
    "views.open": Method(views.open_),
    "views.update": Method(views.update),
    "views.push": Method(views.push),
    "views.publish": Method(views.publish),
    "conversations.list": Method(conversations.list_),
    "conversations.info": Method(conversations.info),
    "conversations.history": Method(conversations.history),
    "conversations.replies": Method(conversations.replies),
    "conversations.join": Method(conversations.join, ("channels:join",)),
    "conversations.members": Method(conversations.members),
    "users.info": Method(people.info, ("users:read",)),
    "users.list": Method(people.list_, ("users:read",)),
    "users.conversations": Method(conversations.of_user),
    "usergroups.list": Method(people.groups, ("usergroups:read",)),
    "usergroups.users.list": Method(people.group_users, ("usergroups:read",)),
}


class WebApi:
    """Answers calls of the Web API."""

    def __init__(self, workspace: Workspace, pace: Pace, faults: Faults) -> None:
        self._workspace = workspace
        self._pace = pace
        self._faults = faults

    async def __call__(self, request: Request) -> Response:
        """One call."""
        name = request.path_params["method"]
        at = self._workspace.now()
        try:
            args = await arguments.read(request)
        except SlackError as refusal:
            return self._log(name, None, Arguments({}), at, refusal.code, _refused(refusal))
        channel = self._workspace.find_channel(args.text("channel"))
        channels = channel.names() if channel else frozenset(filter(None, (args.text("channel"),)))
        shown = channel.id if channel else args.text("channel")
        fault = self._faults.take(name, channels) if name in METHODS else None
        if fault is None:
            outcome, response = self._run(name, request, args)
            return self._log(name, shown, args, at, outcome, response)
        return await self._suffer(fault, name, request, args, at, shown)

    async def _suffer(
        self, fault: Fault, name: str, request: Request, args: Arguments, at: float, channel: str | None
    ) -> Response:
        outcome, result = f"fault:{fault.kind}", "not done"
        response: Response
        match fault.kind:
            case "error":
                response = _refused(SlackError(fault.error))
            case "http":
                response = _trouble_page(fault.status)
            case "ratelimit":
                response = _refused(TooFast(fault.retry_after))
            case "stall":
                await anyio.sleep(fault.seconds)
                result, response = self._run(name, request, args, paced=False)
            case "lose":
                result, _ = self._run(name, request, args, paced=False)
                response = _trouble_page(fault.status) if fault.how == "http" else Vanish(fault.how)
            case "drip":
                result, whole = self._run(name, request, args, paced=False)
                response = Drip(bytes(whole.body), fault.seconds)
            case "garbage":
                response = Answer([])
            case "refuse":
                response = Vanish("reset")
        return self._log(name, channel, args, at, outcome, response, result)

    def _run(self, name: str, request: Request, args: Arguments, paced: bool = True) -> tuple[str, Response]:
        """The call itself; one that meets ordered trouble is not paced: the trouble is exactly what was ordered."""
        try:
            method = _method(name)
            if not method.open:
                self._check_token(request, args)
            if missing := [scope for scope in method.scopes if scope not in self._workspace.scopes]:
                raise missing_scope(self._workspace, *missing)
            channel = self._workspace.find_channel(args.text("channel"))
            self._check_pace(paced, name, channel.id if channel else None)
            answer = method.run(self._workspace, args)
        except SlackError as refusal:
            return refusal.code, _refused(refusal)
        return "ok", Answer({"ok": True} | answer, headers=self._headers())

    def _check_pace(self, paced: bool, name: str, channel: str | None) -> None:
        wait = self._pace.take(name, channel, self._workspace.now()) if paced else None
        if wait is not None:
            raise TooFast(wait)

    def _check_token(self, request: Request, args: Arguments) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip() if kind.lower() == "bearer" else args.text("token")
        if not given:
            raise SlackError("not_authed")
        if given != self._workspace.token:
            raise SlackError("invalid_auth")

    def _headers(self) -> dict[str, str]:
        return {"x-oauth-scopes": ",".join(self._workspace.scopes)}

    def _log(
        self,
        method: str,
        channel: str | None,
        args: Arguments,
        at: float,
        outcome: str,
        response: Response,
        result: str | None = None,
    ) -> Response:
        summary = {name: _short(value) for name, value in args.values.items() if name != "token"}
        self._workspace.calls.append(Call(method, channel, at, outcome, result or outcome, summary))
        return response


class Vanish(Response):
    """No answer: the connection is closed, reset, or stays silent until the caller gives up."""

    def __init__(self, how: How) -> None:
        super().__init__()
        self._how = how

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take uvicorn's connection from below its `receive`; no ASGI message can say this."""
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None and self._how != "timeout":
            connection = transport.get_extra_info("socket")
            if self._how == "reset" and connection is not None:
                with socket.socket(fileno=socket.dup(connection.fileno())) as same:
                    same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            transport.abort()
        with anyio.move_on_after(NEVER):
            while (await receive())["type"] != "http.disconnect":
                pass


class Drip(StreamingResponse):
    """An answer that comes byte by byte: the connection is alive, and nobody gets anything from it."""

    def __init__(self, body: bytes, seconds: float) -> None:
        super().__init__(self._drops(body, seconds), media_type="application/json")

    @staticmethod
    async def _drops(body: bytes, seconds: float) -> AsyncIterator[bytes]:
        for index in range(len(body)):
            yield body[index : index + 1]
            await anyio.sleep(seconds / len(body))


def _trouble_page(status: int) -> Response:
    return HTMLResponse("<html><body>Slack is having trouble</body></html>", status)


def _method(name: str) -> Method:
    if (method := METHODS.get(name)) is None:
        raise SlackError("unknown_method", req_method=name)
    return method


def _refused(refusal: SlackError) -> Response:
    body = {"ok": False, "error": refusal.code} | refusal.beside
    if isinstance(refusal, TooFast):
        return Answer(body, 429, headers={"retry-after": str(refusal.retry_after)})
    return Answer(body)


def _short(value: Any) -> Any:
    """A value as the list of calls shows it: long ones as what they are."""
    match value:
        case str() if len(value) > 200:
            return value[:200] + "…"
        case list():
            return f"{len(value)} items"
        case dict() if "callback_id" in value:
            return {"type": value.get("type"), "callback_id": value["callback_id"]}
        case dict() if "event_type" in value:
            return value
        case dict():
            return sorted(value)
        case _:
            return value
