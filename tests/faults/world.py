"""The servers that all cases share, and a fresh stage for each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from db.server.private import PrivateServer
from tests.faults.case import Case
from tests.faults.stage import Stage, prepare
from tests.servers.database import DbUrl, TestServer
from tests.servers.slack import SandboxSlack


class World:
    """One database server, one sandbox Slack; a second database server that may be harmed starts when it is needed."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._stack = ExitStack()
        self._mortal: PrivateServer | None = None

    def __enter__(self) -> Self:
        self._slack = self._stack.enter_context(SandboxSlack())
        self._url = self._server.new_database()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="observer-faults-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mortal is not None:
            self._mortal.stop()
        self._stack.close()
        self._server.drop(self._url)

    @contextmanager
    def stage(self, one: Case) -> Iterator[Stage]:
        """An empty record and an empty Slack without faults."""
        self._slack.reset(everything=True)
        self._slack.channel("fallback")
        url = self._url
        if one.mortal:
            mortal = self._running()
            url = DbUrl(mortal.host, mortal.port, mortal.user, mortal.password, mortal.database)
        prepare(url)
        folder = self._folder / one.name
        folder.mkdir(exist_ok=True)
        stage = Stage(url, self._slack, folder, self._new_server, self._mortal if one.mortal else None)
        with stage.later:
            yield stage

    def _running(self) -> PrivateServer:
        if self._mortal is None:
            self._mortal = self._server.new_private("mortal", durable=True)
        self._mortal.start()
        return self._mortal

    def _new_server(self, home: Path) -> PrivateServer:
        return self._server.new_private("in-a-folder-of-its-own", durable=True, home=home)
