"""Plays the whole fault matrix on each kind of database server and writes `tests/faults/README.md`.

python -m tests.faults [--kind mariadb --kind mysql97] [--only part-of-a-name] [--print]
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.case import Case, NotHere, played
from tests.faults.matrix import CASES
from tests.faults.stage import Counts
from tests.faults.world import World
from tests.servers.database import TestServer

README = Path(__file__).with_name("README.md")
KINDS = ("mariadb", "mysql97")


@dataclass(frozen=True, slots=True)
class Line:
    """What came of a case."""

    case: Case
    counts: Counts | None
    verdict: str  # "kept", "not played: ..." or what went wrong

    @property
    def failed(self) -> bool:
        """Whether a promise was broken."""
        return self.verdict != "kept" and not self.verdict.startswith("not played")


def play(kind: str, cases: Sequence[Case]) -> tuple[str, list[Line]]:
    """Play the cases on a server of this kind; the server's name and what came of them."""
    lines = []
    with TestServer({**os.environ, "TEST_DB_URL": "", "TEST_DB_KIND": kind}) as server, World(server) as world:
        assert server.private is not None, "it starts one without TEST_DB_URL"
        name = f"{'MariaDB' if server.private.kind == 'mariadb' else 'MySQL'} {plain_version(server.private.version)}"
        for one in cases:
            began = time.monotonic()
            line = _played(one, world)
            lines.append(line)
            print(f"{name}: {one.name} ({time.monotonic() - began:.0f} s): {line.verdict}", flush=True)
    return name, lines


def _played(one: Case, world: World) -> Line:
    try:
        with world.stage(one) as stage:
            return Line(one, played(one, stage), "kept")
    except NotHere as reason:
        return Line(one, None, f"not played: {reason}")
    except Exception as error:  # one broken case must not hide the others
        return Line(one, None, f"BROKEN: {' '.join(str(error).split())[:300]}")


def plain_version(version: str) -> str:
    """`10.11.19-MariaDB-0+deb12u1` as `10.11.19`."""
    found = re.match(r"[\d.]+", version)
    return found[0] if found else version


def table(name: str, lines: Sequence[Line]) -> str:
    """The matrix of one server, as Markdown."""
    rows = [
        f"## On {name}",
        "",
        "| fault | moment | what people see | alerts sent | webhooks refused | answered 2xx | found in the record "
        "| cards right | posts doubled | clicks answered 200 / kept | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in lines:
        sees = " ".join(line.case.sees.split())
        made = line.counts
        numbers = ["-"] * 7
        if made is not None:
            numbers = [
                str(made.sent), str(made.refused), str(made.answered), str(made.found), f"{made.right} of {made.cards}",
                str(made.doubled), f"{made.clicks} / {made.kept}",
            ]  # fmt: skip
        rows.append(" | ".join(["", line.case.fault, line.case.moment, sees, *numbers, line.verdict, ""]).strip())
    return "\n".join(rows)


def _written() -> dict[str, str]:
    """The tables of the last runs, by product: a run on one kind of server leaves the others' as they are."""
    if not README.exists():
        return {}
    parts = README.read_text("utf-8").split("\n## On ")[1:]
    return {part.split()[0]: f"## On {part.strip()}" for part in parts}


def _with_lines(old: str, new: str) -> str:
    """The old table with the lines of the cases that were played again; the new one where there is no old one."""
    again = {tuple(line.split(" | ")[:2]): line for line in new.splitlines()[4:]}
    lines = old.splitlines()
    return "\n".join(again.get(tuple(line.split(" | ")[:2]), line) for line in lines) if lines else new


def document(tables: Sequence[str]) -> str:
    """The whole page."""
    return "\n\n".join([INTRODUCTION, *tables]) + "\n"


INTRODUCTION = """# The fault matrix

Written by `make faults`, which plays every case for real: processes are killed, sockets cut by a proxy, servers
stopped, disks filled in a small mount, and Slack is the sandbox that also serves `make run`. Hours pass by moving the
clock that the pace goes by, and the times in the record. Nothing is counted from what the program says of itself:

* **alerts sent**: each with a fingerprint of its own;
* **webhooks refused**: how often one got no 2xx or no answer; it is sent again later, as Grafana does;
* **answered 2xx** and **found in the record**: must be equal; more may be recorded than was answered, never less;
* **cards right**: incidents whose one message in Slack is, block for block, what the record says at the end;
* **posts doubled**: messages with the same key or of the same incident beyond the first, in any channel, at the end;
* **clicks**: acknowledgements that Slack was told worked, and those of them that the record has.

After each case `python -m db check --bodies` and `verify-audit` find nothing either.

The short cases are also part of `make test` (`tests/faults/test_matrix.py`)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and write; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Play the fault matrix.")
    parser.add_argument("--kind", action="append", choices=KINDS, help="which database server; default: both")
    parser.add_argument("--only", default="", help="cases whose name contains this; the others' lines stay")
    parser.add_argument("--print", action="store_true", help="print the page instead of writing it")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)  # what the program complains of is what was ordered
    cases = [one for one in CASES if given.only in one.name]
    results = [play(kind, cases) for kind in given.kind or KINDS]
    tables = {name.split()[0]: table(name, lines) for name, lines in results}
    if given.print:
        print(document(list(tables.values())))
    else:
        written = _written()
        if given.only:
            tables = {product: _with_lines(written.get(product, ""), new) for product, new in tables.items()}
        README.write_text(document(list((written | tables).values())), "utf-8")
        print(f"written: {README}")
    return int(any(line.failed for _, lines in results for line in lines))


if __name__ == "__main__":
    sys.exit(main())
