"""`python -m bot.sandbox`: a Slack workspace on this machine, for laptops and tests only."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from bot.sandbox import settings as defaults
from bot.sandbox.app import create_sandbox
from bot.sandbox.server import SandboxServer
from bot.sandbox.settings import SandboxSettings, WrongSettings

SIGNING_SECRET = "SANDBOX_SIGNING_SECRET"  # noqa: S105
"""The variable with the secret of its signatures: everybody on the machine may read the arguments of a process."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m bot.sandbox",
        description=__doc__,
        epilog=f"Requests are signed with the secret in {SIGNING_SECRET} (default: {defaults.DEFAULT_SIGNING_SECRET}).",
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=defaults.DEFAULT_PORT, help="(%(default)s)")
    parser.add_argument(
        "--app-url", default=defaults.DEFAULT_APP_URL, help="where clicks, commands and events go (%(default)s)"
    )
    parser.add_argument("--token", default=defaults.DEFAULT_TOKEN, help="the only token that works (%(default)s)")
    parser.add_argument("--channel", action="append", default=[], help="one more channel; may be given often")
    parser.add_argument("--locale", default="en-US", help="what the people speak, such as ko-KR (%(default)s)")
    parser.add_argument("--command", action="append", default=[], help="one more slash command; may be given often")
    parser.add_argument(
        "--pace", action=argparse.BooleanOptionalAction, default=True, help="refuse calls that come too fast (yes)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="serve other machines too: closed networks only")
    given = parser.parse_args(arguments)
    try:
        settings = (
            SandboxSettings(
                app_url=given.app_url,
                signing_secret=os.environ.get(SIGNING_SECRET) or defaults.DEFAULT_SIGNING_SECRET,
                token=given.token,
                host=given.host,
                port=given.port,
                allow_remote=given.allow_remote,
                commands=tuple(dict.fromkeys((*defaults.DEFAULT_COMMANDS, *given.command))),
                pace=given.pace,
            )
            .with_channels(tuple(given.channel))
            .with_locale(given.locale)
        )
    except WrongSettings as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 2
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as problem:
            print(f"sandbox: cannot listen on {settings.host}:{settings.port}: {problem.strerror}", file=sys.stderr)
            return 1
        listener.listen(256)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"sandbox Slack: http://{host}:{listener.getsockname()[1]}/ (for laptops and tests only)", flush=True)
        SandboxServer(create_sandbox(settings), settings).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
