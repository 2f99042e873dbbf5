"""The private database server as a command.

    python -m db.server run --dir .run --kind any --port 0     start it; one line of JSON tells how to reach it
    python -m db.server install --dir .run --kind mysql97      only find or install it

`run` ends when its standard input is closed, or by SIGTERM or SIGINT. The password is `DB_PASSWORD` from the
environment, or a new random one; it is part of the JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from db.server.errors import ServerError
from db.server.find import KINDS, programs
from db.server.machine import Machine
from db.server.private import PrivateServer

_PATIENCE_SECONDS = 20.0  # a run that was killed just now needs a moment to shut its server down


def main(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Exit code 0 after an orderly end, 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m db.server", description="A private MySQL or MariaDB server.")
    parser.add_argument("verb", choices=("run", "install"))
    parser.add_argument("--dir", type=Path, required=True, help="where its data and packages are kept")
    parser.add_argument("--kind", choices=KINDS, default="any", help="which server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0: the last one again if it is free, else any")
    parser.add_argument(
        "--name", default="database", help="which of several servers below --dir (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    machine = Machine.from_env(env)
    try:
        if options.verb == "install":
            program = next(programs(options.kind, options.dir / "packages", machine, _report))
            print(f"{program.product} {program.version}: {' '.join(program.command)}")
            return 0
        server = PrivateServer(
            options.dir / "data" / options.name,
            options.dir / "packages",
            machine=machine,
            password=env.get("DB_PASSWORD") or secrets.token_urlsafe(24),
            kind=options.kind,
            port=options.port,
            patience=_PATIENCE_SECONDS,
            report=_report,
        )
        return _run(server)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


def _run(server: PrivateServer) -> int:
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    threading.Thread(target=_wait_for_end_of_input, args=(over,), daemon=True).start()
    with server:
        told = {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "password": server.password,
            "database": server.database,
            "socket": str(server.socket),
            "kind": server.kind,
            "version": server.version,
        }
        print(json.dumps(told), flush=True)
        while not over.wait(0.5):
            if not server.running:
                print(f"the database server ended by itself; its log is {server.log}", file=sys.stderr)
                return 1
    return 0


def _wait_for_end_of_input(over: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    over.set()


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
