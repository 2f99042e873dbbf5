"""Puts the sandbox together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.sandbox import page
from bot.sandbox.acting import Acting
from bot.sandbox.answers import Answer
from bot.sandbox.control import Control
from bot.sandbox.deliveries import Deliveries
from bot.sandbox.errors import ControlError
from bot.sandbox.faults import Faults
from bot.sandbox.limits import Pace
from bot.sandbox.responses import Responses
from bot.sandbox.settings import SandboxSettings, is_loopback
from bot.sandbox.webapi import WebApi
from bot.sandbox.workspace import Workspace


def create_sandbox(settings: SandboxSettings | None = None) -> Starlette:
    """A workspace of its own; `app.state.workspace` holds it."""
    settings = settings or SandboxSettings()
    workspace = Workspace(settings)
    pace, faults = Pace(settings.pace), Faults()
    deliveries = Deliveries(workspace)
    acting = Acting(workspace, deliveries)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            deliveries.start(tasks)
            yield
            workspace.changes.close()
            tasks.cancel_scope.cancel()

    app = Starlette(
        routes=[
            Route("/api/{method}", WebApi(workspace, pace, faults).__call__, methods=["GET", "POST"]),
            Route("/response/{id}", Responses(workspace).__call__, methods=["POST"]),
            *Control(workspace, pace, faults, acting, deliveries).routes(),
            *page.routes(),
        ],
        middleware=[] if settings.allow_remote else [Middleware(LoopbackOnly)],
        exception_handlers={ControlError: _control_error},
        lifespan=lifespan,
    )
    app.state.workspace = workspace
    return app


class LoopbackOnly:
    """Turns away other machines, and other web sites that a browser on this machine happens to show."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] == "http" and (reason := _foreign(scope)) is not None:
            await PlainTextResponse(reason, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _foreign(scope: Scope) -> str | None:
    client = scope.get("client")
    if client is not None and not is_loopback(client[0]):
        return "this sandbox answers this machine only"
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    for name, value in (("host", headers.get(b"host")), ("origin", headers.get(b"origin"))):
        if value and not is_loopback(urlsplit(value if name == "origin" else f"//{value}").hostname or ""):
            return f"this sandbox is not meant for {name} {value}"
    return None


async def _control_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)  # noqa: S101  # registered for this class only
    return Answer({"error": error.message}, error.status)
