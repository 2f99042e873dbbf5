"""Runs the sandbox: in the foreground for a person, or in a thread for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from bot.sandbox.app import create_sandbox
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.workspace import Workspace

START_WITHIN = 15.0
STOP_WITHIN = 15.0


class SandboxServer(uvicorn.Server):
    """uvicorn, which lets the pages' streams end before it waits for connections to close."""

    def __init__(self, app: Starlette, settings: SandboxSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                lifespan="on",
                ws="none",
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._workspace: Workspace = app.state.workspace

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send the watching pages home first."""
        self._workspace.changes.close()
        await super().shutdown(sockets)


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that runs; `url` ends without a slash."""

    url: str
    workspace: Workspace

    @property
    def api_url(self) -> str:
        """For slack_sdk's `base_url` and SLACK_API_URL."""
        return f"{self.url}/api/"


@contextmanager
def running(settings: SandboxSettings | None = None) -> Iterator[Running]:
    """A sandbox in a thread on a free port when the settings say port 0."""
    settings = settings or SandboxSettings(port=0)
    app = create_sandbox(settings)
    server = SandboxServer(app, settings)
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(256)
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox-slack", daemon=True)
        thread.start()
        deadline = time.monotonic() + START_WITHIN
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.01)
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield Running(f"http://{host}:{port}", app.state.workspace)
        finally:
            server.should_exit = True
            thread.join(STOP_WITHIN)
