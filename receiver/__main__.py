"""The command `observer`, also `python -m receiver`: it serves, or runs one of the database's commands."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from db.commands import cli
from receiver import logs
from receiver.app import Settings, create_app
from receiver.server import server_config
from receiver.sources.stored import read_stored

_M_ARENA_MAX = -8
"""From glibc's malloc.h."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, or run the command that is named; the exit status, 2 when the settings are wrong."""
    return cli.run(
        arguments,
        env=os.environ,
        clock=lambda: datetime.now(UTC),
        read=read_stored,
        env_file=Path(".env"),
        serve=_serve,
    )


def _serve(env: Mapping[str, str]) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `SettingsError`."""
    settings = Settings.from_env(env)
    logs.configure(settings.receiver.log_format)
    _share_one_heap()
    app = create_app(settings)
    # What is there by now stays; alerts make many objects and no cycles, so looking for those can wait for longer.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    server = uvicorn.Server(server_config(app, settings.receiver.host, settings.receiver.port))
    # After an orderly stop uvicorn raises the signal once more for whoever handled it before: that is us, and an
    # orderly stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    server.run()
    return 0 if server.started else 1


def _share_one_heap() -> None:
    """Let all threads allocate from one heap: glibc gives each its own, and what storms left in dozens of them took 30
    MiB. The interpreter runs one thread at a time, so nobody waits for another. Elsewhere nothing happens."""
    with suppress(AttributeError, OSError, TypeError):  # another C library has no such function, or no such name
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


if __name__ == "__main__":
    sys.exit(main())
