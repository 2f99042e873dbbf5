"""A stand-in for one program of a laptop run: writes its number and its end to a file, and answers HTTP if it should.

python standin.py ROLE FOLDER [the real program's arguments]
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType


class Answer(BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the overridden argument
        """Say nothing."""


def main(role: str, folder: Path, arguments: list[str]) -> None:
    (folder / f"{role}.pid").write_text(str(os.getpid()))

    def end(number: int = 0, frame: FrameType | None = None) -> None:
        with (folder / "ends").open("a") as ends:
            ends.write(f"{role}\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f"{role} begins", file=sys.stderr, flush=True)
    if role == "database":
        print(
            json.dumps({"host": "127.0.0.1", "port": 3306, "user": "u", "password": "p", "database": "d"}), flush=True
        )
        sys.stdin.read()
        end()
    port = int(os.environ["PORT"]) if role == "app" else int(arguments[arguments.index("--port") + 1])
    (folder / f"{role}.json").write_text(json.dumps({"env": dict(os.environ), "arguments": arguments}))
    HTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
