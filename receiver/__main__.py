"""Runs Observer: `python -m receiver`, or `observer` once installed."""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from db.env import SettingsError
from receiver import logs
from receiver.app import Settings, create_app
from receiver.server import server_config

_M_ARENA_MAX = -8
"""From glibc's malloc.h."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status, 2 when the settings are wrong."""
    argparse.ArgumentParser(
        prog="observer",
        description="Turn alerts of Grafana and Alertmanager into incidents that people handle in Slack. Runs until "
        "SIGTERM or Ctrl-C. All settings are environment variables (DB_HOST, SLACK_BOT_TOKEN, WEBHOOK_TOKEN, ...); "
        "those that are missing or wrong are named at the start, and .env.example lists them all.",
        epilog="The record is looked after by `python -m db`: migrate, status, check, tidy, replay, verify-audit.",
    ).parse_args(arguments)
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
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
