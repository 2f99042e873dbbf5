"""The control under /control/: the tests and the page look at the workspace, act as its people, and order trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bot.sandbox.acting import Acting
from bot.sandbox.answers import Answer
from bot.sandbox.arguments import parse_json, read_body
from bot.sandbox.deliveries import Deliveries
from bot.sandbox.errors import ControlError, SlackError
from bot.sandbox.faults import Faults
from bot.sandbox.inputs import Values
from bot.sandbox.limits import Pace
from bot.sandbox.settings import COMMAND_FORMS, Person, WrongSettings, check_app_url
from bot.sandbox.unread import unread
from bot.sandbox.webapi import METHODS
from bot.sandbox.workspace import (
    APP_ID,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    TEAM_NAME,
    Channel,
    Ephemeral,
    Json,
    Message,
    OpenView,
    Workspace,
)

KEEP_ALIVE = 15.0
"""Seconds between two signs of life on a quiet stream."""

_Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """All of /control/."""

    def __init__(
        self, workspace: Workspace, pace: Pace, faults: Faults, acting: Acting, deliveries: Deliveries
    ) -> None:
        self._workspace = workspace
        self._pace = pace
        self._faults = faults
        self._acting = acting
        self._deliveries = deliveries

    def routes(self) -> list[Route]:
        """The addresses."""
        looking: dict[str, Callable[[Request], Json]] = {
            "state": self._state,
            "messages": self._messages,
            "ephemerals": self._ephemerals,
            "views": self._views,
            "home": self._home,
            "calls": self._calls,
            "deliveries": self._made,
            "faults": lambda request: {"faults": self._faults.shown()},
        }
        acting: dict[str, Callable[[Body], Awaitable[Json]]] = {
            "click": self._click,
            "click_view": self._click_view,
            "command": self._command,
            "message": self._say,
            "read": self._read,
            "submit": self._submit,
            "close": self._close,
            "event": self._event,
            "open_home": self._open_home,
            "shortcut": self._shortcut,
            "users": self._add_user,
            "channels": self._add_channel,
            "usergroups": self._add_usergroup,
            "faults": self._add_fault,
            "reset": self._reset,
            "options": self._options,
        }
        return [
            *(Route(f"/control/{name}", _looks(look), methods=["GET"]) for name, look in looking.items()),
            *(Route(f"/control/{name}", _acts(act), methods=["POST"]) for name, act in acting.items()),
            Route("/control/faults", self._clear_faults, methods=["DELETE"]),
            Route("/control/stream", self._stream, methods=["GET"]),
        ]

    # -- looking -------------------------------------------------------------------------------------------------------

    def _state(self, request: Request) -> Json:
        """With `user` each channel says what this person has not read in it."""
        reader = self._workspace.person(request.query_params.get("user", ""))
        return {
            "team": {"id": TEAM_ID, "name": TEAM_NAME, "domain": TEAM_DOMAIN},
            "app": {"id": APP_ID, "name": self._workspace.settings.app_name, "user_id": BOT_USER_ID},
            "commands": {name: list(COMMAND_FORMS.get(name, ())) for name in self._workspace.settings.commands},
            "answer_within": self._workspace.settings.answer_within,
            "options": self._shown_options(),
            "changes": self._workspace.changes.number,
            "users": [_person(person) for person in self._workspace.people.values()],
            "channels": [
                _channel(channel) | self._unread(channel, reader) for channel in self._workspace.channels.values()
            ],
            "usergroups": [{"id": name} | group for name, group in self._workspace.usergroups.items()],
        }

    def _messages(self, request: Request) -> Json:
        """All of a channel, or only the newest `last`, or only a `thread`; `history=0` leaves earlier versions out."""
        channel = self._channel(request.query_params.get("channel"))
        thread = request.query_params.get("thread")
        messages = [
            _message(message)
            for message in channel.messages.values()
            if thread in (None, message.ts, message.thread_ts)
        ]
        if (last := request.query_params.get("last", "")).isdecimal():
            messages = messages[-int(last) :] if int(last) else []
        if request.query_params.get("history") == "0":
            messages = [message | {"history": []} for message in messages]
        return {"channel": channel.id, "messages": messages}

    def _ephemerals(self, request: Request) -> Json:
        user = request.query_params.get("user")
        wanted = None if user is None else self._person(user).id
        shown = [_ephemeral(one) for one in self._workspace.ephemerals if wanted in (None, one.user)]
        return {"messages": shown}

    def _views(self, request: Request) -> Json:
        person = self._person(request.query_params.get("user"))
        return {"views": [_view(view) for view in self._workspace.views.get(person.id, [])]}

    def _home(self, request: Request) -> Json:
        person = self._person(request.query_params.get("user"))
        home = self._workspace.homes.get(person.id)
        return {"view": None if home is None else _view(home)}

    def _calls(self, request: Request) -> Json:
        method = request.query_params.get("method")
        try:
            since = float(request.query_params.get("since") or 0)
        except ValueError:
            raise ControlError("since must be seconds since 1970") from None
        return {
            "calls": [
                {
                    "method": call.method,
                    "channel": call.channel,
                    "at": call.at,
                    "outcome": call.outcome,
                    "result": call.result,
                    "args": call.args,
                }
                for call in self._workspace.calls
                if method in (None, "", call.method) and call.at >= since
            ]
        }

    def _made(self, request: Request) -> Json:
        return {"deliveries": list(self._deliveries.made)}

    async def _stream(self, request: Request) -> Response:
        return StreamingResponse(self._changes(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _changes(self) -> AsyncIterator[str]:
        changes = self._workspace.changes
        seen = changes.number
        yield f"event: changed\ndata: {seen}\n\n"
        while not changes.closing:
            number = await changes.after(seen, KEEP_ALIVE)
            yield f"event: changed\ndata: {number}\n\n" if number > seen else ": quiet\n\n"
            seen = number

    # -- acting --------------------------------------------------------------------------------------------------------

    async def _click(self, body: Body) -> Json:
        channel = self._channel(body.text("channel"))
        ts = body.needed("ts")
        ephemeral = body.text("message_kind") == "ephemeral"
        where: Message | Ephemeral | None = self._workspace.ephemeral(ts) if ephemeral else channel.messages.get(ts)
        if where is None or (isinstance(where, Message) and where.deleted):
            raise ControlError(f"there is no message {ts} in #{channel.name}", 404)
        return await self._acting.click(
            self._person(body.text("user")),
            channel,
            where,
            body.needed("action_id"),
            body.text("block_id"),
            body.values.get("value"),
            body.base_url,
        )

    async def _click_view(self, body: Body) -> Json:
        view = self._view(body.needed("view_id"))
        return await self._acting.click_view(
            self._person(body.text("user") or view.user),
            view,
            body.needed("action_id"),
            body.text("block_id"),
            body.values.get("value"),
            body.view_values(),
        )

    async def _command(self, body: Body) -> Json:
        return await self._acting.command(
            self._person(body.text("user")),
            self._channel(body.text("channel") or next(iter(self._workspace.channels))),
            body.needed("text"),
            body.base_url,
        )

    async def _say(self, body: Body) -> Json:
        message = self._acting.say(
            self._person(body.text("user")),
            self._channel(body.text("channel")),
            body.needed("text"),
            body.values.get("metadata"),
            thread=body.text("thread_ts"),
            broadcast=body.values.get("reply_broadcast") is True,
        )
        return {"ts": message.ts}

    async def _read(self, body: Body) -> Json:
        person, channel = self._person(body.text("user")), self._channel(body.text("channel"))
        self._workspace.last_read[person.id, channel.id] = body.needed("ts")
        self._workspace.changes.bump()
        return {}

    async def _submit(self, body: Body) -> Json:
        view = self._view(body.needed("view_id"))
        return await self._acting.submit(self._person(body.text("user") or view.user), view, body.view_values())

    async def _close(self, body: Body) -> Json:
        view = self._view(body.needed("view_id"))
        person = self._person(body.text("user") or view.user)
        return await self._acting.close(person, view, body.values.get("all") is True)

    async def _event(self, body: Body) -> Json:
        event = body.values.get("event")
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise ControlError("event must be an object with a type")
        return await self._acting.event(event)

    async def _open_home(self, body: Body) -> Json:
        return await self._acting.open_home(self._person(body.text("user")))

    async def _shortcut(self, body: Body) -> Json:
        channel, message = None, None
        if (ts := body.text("ts")) is not None:
            channel = self._channel(body.text("channel"))
            if (message := channel.messages.get(ts)) is None:
                raise ControlError(f"there is no message {ts} in #{channel.name}", 404)
        return await self._acting.shortcut(
            self._person(body.text("user")), body.needed("callback_id"), channel, message, body.base_url
        )

    # -- people, channels, options -------------------------------------------------------------------------------------

    async def _add_user(self, body: Body) -> Json:
        name = body.needed("name")
        person = self._workspace.person(body.text("id") or name)
        if person is None:
            number = len(self._workspace.people) + 1
            person = Person(body.text("id") or f"U{number:03d}", name, name.title(), "en-US")
        changed = {key: body.needed(key) for key in ("name", "real_name", "locale", "tz") if body.text(key) is not None}
        person = replace(person, **changed)
        self._workspace.people[person.id] = person
        self._workspace.changes.bump()
        return {"user": _person(person)}

    async def _add_channel(self, body: Body) -> Json:
        name = (body.text("id") or body.needed("name")).lstrip("#")
        channel = self._workspace.find_channel(name) or self._workspace.add_channel(name)
        if (renamed := body.text("name")) is not None:
            channel.name = renamed.lstrip("#")
        for flag in ("is_private", "is_member", "is_archived"):
            if flag in body.values:
                if not isinstance(body.values[flag], bool):
                    raise ControlError(f"{flag} must be true or false")
                setattr(channel, flag, body.values[flag])
        self._workspace.changes.bump()
        return {"channel": _channel(channel)}

    async def _add_usergroup(self, body: Body) -> Json:
        handle, users = body.needed("handle"), body.values.get("users", [])
        if not isinstance(users, list):
            raise ControlError("users must be a list of ids")
        name = body.text("id") or next(
            (known for known, group in self._workspace.usergroups.items() if group["handle"] == handle),
            f"S{len(self._workspace.usergroups) + 1:03d}",
        )
        group = {"handle": handle, "name": body.text("name") or handle, "users": [self._person(u).id for u in users]}
        self._workspace.usergroups[name] = group
        return {"usergroup": {"id": name} | group}

    async def _add_fault(self, body: Body) -> Json:
        wanted = dict(body.values)
        if wanted.get("method", "*") not in ("*", *METHODS):
            raise ControlError(f"the sandbox has no method {wanted['method']!r}")
        if wanted.get("channel") is not None:
            wanted["channel"] = self._channel(str(wanted["channel"])).id
        return {"fault_id": self._faults.add(wanted).id}

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return Answer({"faults": []})

    async def _reset(self, body: Body) -> Json:
        """With `all` people, channels and options are as at the start again."""
        everything = body.values.get("all") is True
        self._workspace.reset(everything)
        if everything:
            self._pace.on = self._workspace.settings.pace
        self._faults.clear()
        self._pace.reset()
        self._deliveries.made.clear()
        return {}

    async def _options(self, body: Body) -> Json:
        values = body.values
        for name in ("pace", "client_msg_id"):
            if name in values and not isinstance(values[name], bool):
                raise ControlError(f"{name} must be true or false")
        scopes = values.get("scopes", self._workspace.scopes)
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise ControlError("scopes must be a list of names")
        if unknown := values.keys() - {"pace", "client_msg_id", "scopes", "token", "app_url"}:
            raise ControlError(f"there is no option {', '.join(sorted(unknown))}")
        try:
            app_url = check_app_url(body.text("app_url") or self._workspace.app_url)
        except WrongSettings as problem:
            raise ControlError(str(problem)) from None
        self._pace.on = values.get("pace", self._pace.on)
        self._workspace.deduplicate = values.get("client_msg_id", self._workspace.deduplicate)
        self._workspace.scopes = scopes
        self._workspace.token = body.text("token") or self._workspace.token
        self._workspace.app_url = app_url
        return self._shown_options()

    def _shown_options(self) -> Json:
        return {
            "pace": self._pace.on,
            "client_msg_id": self._workspace.deduplicate,
            "scopes": self._workspace.scopes,
            "app_url": self._workspace.app_url,
        }

    # -- finding -------------------------------------------------------------------------------------------------------

    def _unread(self, channel: Channel, reader: Person | None) -> Json:
        if reader is None:
            return {}
        last_read = self._workspace.last_read.get((reader.id, channel.id), "")
        new, mentions = unread(channel, reader.id, last_read)
        return {"unread": new, "mentions": mentions}

    def _channel(self, name: str | None) -> Channel:
        if name is None:
            raise ControlError("channel is missing: an id or a name")
        if (channel := self._workspace.find_channel(name)) is None:
            raise ControlError(f"there is no channel {name!r}", 404)
        return channel

    def _person(self, name: str | None) -> Person:
        if name is None:
            return next(iter(self._workspace.people.values()))
        if (person := self._workspace.person(name)) is None:
            raise ControlError(f"there is no user {name!r}", 404)
        return person

    def _view(self, name: str) -> OpenView:
        if (view := self._workspace.view(name)) is None:
            raise ControlError(f"the view {name} is not open", 404)
        return view


class Body:
    """The JSON object of a POST."""

    def __init__(self, values: Json, base_url: str) -> None:
        self.values = values
        self.base_url = base_url

    def text(self, name: str) -> str | None:
        """A text; None when absent or null."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ControlError(f"{name} must be a text")
        return value or None

    def needed(self, name: str) -> str:
        """A text that must be there."""
        if (value := self.text(name)) is None:
            raise ControlError(f"{name} is missing")
        return value

    def view_values(self) -> Values:
        """What was filled into a view."""
        values = self.values.get("values") or {}
        if not isinstance(values, dict) or not all(isinstance(given, dict) for given in values.values()):
            raise ControlError("values must be {block_id: {action_id: value}}")
        return values


def _looks(look: Callable[[Request], Json]) -> _Handler:
    async def handler(request: Request) -> Response:
        return Answer(look(request), headers={"cache-control": "no-store"})

    return handler


def _acts(act: Callable[[Body], Awaitable[Json]]) -> _Handler:
    async def handler(request: Request) -> Response:
        try:
            raw = await read_body(request)
            values: Any = parse_json(raw) if raw else {}
        except (ValueError, RecursionError, SlackError):
            raise ControlError("the body must be a JSON object") from None
        if not isinstance(values, dict):
            raise ControlError("the body must be a JSON object")
        return Answer(await act(Body(values, str(request.base_url))))

    return handler


def _person(person: Person) -> Json:
    return {"id": person.id, "name": person.name, "real_name": person.real_name, "locale": person.locale}


def _channel(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_member": channel.is_member,
        "is_im": channel.im_user is not None,
        "im_user": channel.im_user,
        "is_empty": all(message.deleted for message in channel.messages.values()),
    }


def _message(message: Message) -> Json:
    return {
        "ts": message.ts,
        "user": message.user,
        "text": message.text,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "metadata": message.metadata,
        "thread_ts": message.thread_ts,
        "broadcast": message.broadcast,
        "mentions": message.mentions,
        "client_msg_id": message.client_msg_id,
        "edited": message.edited_ts is not None,
        "edits": message.edits,
        "deleted": message.deleted,
        "at": message.at,
        "changed_at": message.changed_at,
        "history": message.history,
    }


def _ephemeral(shown: Ephemeral) -> Json:
    return {
        "id": shown.id,
        "user": shown.user,
        "text": shown.text,
        "blocks": shown.blocks,
        "attachments": shown.attachments,
        "channel": shown.channel,
        "at": shown.at,
        "by_app": shown.by_app,
    }


def _view(view: OpenView) -> Json:
    return view.as_slack() | {"errors": view.errors, "failure": view.failure}
