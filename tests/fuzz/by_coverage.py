"""The coverage-guided engine: atheris instruments our packages and mutates what reaches new branches."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

# Everything that is to be measured must be imported inside.
with atheris.instrument_imports(include=["bot", "db", "receiver"]):
    from tests.fuzz import parsers, surface

from tests.fuzz import seeds
from tests.servers.database import TestServer
from tests.servers.slack import SandboxSlack


def main() -> None:
    """Fuzz one target; the arguments after its name and the folder of the corpus are libFuzzer's."""
    target, corpus, *options = sys.argv[1:]
    if target == "parsers":
        _sow(Path(corpus), seeds.for_parsers())
        _fuzz(parsers.check, [sys.argv[0], corpus, *options])
        return
    _sow(Path(corpus), seeds.for_surface())
    with TestServer(os.environ) as server, SandboxSlack() as slack:
        slack.reset()
        with surface.Surface(server, slack) as running:
            tried = 0

            def check(data: bytes) -> None:
                nonlocal tried
                running.check(data)
                tried += 1
                if tried % 1000 == 0:
                    running.check_record()
                    print(f"{tried} requests, answers {dict(sorted(running.answers.items()))}", flush=True)

            _fuzz(check, [sys.argv[0], corpus, *options])


def _sow(corpus: Path, inputs: Iterable[bytes]) -> None:
    for data in inputs:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _fuzz(check: Callable[[bytes], None], arguments: list[str]) -> None:
    """Run until the time is over; libFuzzer then ends the process."""
    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
