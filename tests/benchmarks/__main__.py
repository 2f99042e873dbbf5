"""Measures this machine: `python -m tests.benchmarks [--quick] [--kind mariadb|mysql97] [--only S2,S3] [--profile]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from db.server.errors import ServerError
from db.server.find import KINDS
from tests.benchmarks import page, profiling, scenarios, table
from tests.benchmarks.servers import Machinery


def main() -> int:
    """Run and print; the exit status says only whether it could run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="short rounds, no record with a long past; under 4 minutes"
    )
    parser.add_argument("--kind", choices=KINDS, default="any", help="which database server (default any)")
    parser.add_argument("--only", default="", help=f"some of {','.join(scenarios.ALL)}")
    parser.add_argument("--profile", action="store_true", help="where the time of one alert goes, instead of the table")
    parser.add_argument("--keep", action="store_true", help="write the result into tests/benchmarks/README.md")
    parser.add_argument("--rounds", type=int, help="rounds of each scenario")
    parser.add_argument("--seconds", type=float, help="length of a round")
    arguments = parser.parse_args()
    wanted = tuple(filter(None, arguments.only.split(","))) or scenarios.ALL
    if unknown := set(wanted) - set(scenarios.ALL):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    size = scenarios.QUICK if arguments.quick else scenarios.FULL
    size = scenarios.resized(size, arguments.rounds, arguments.seconds)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that everything it started ends
    began = time.monotonic()

    def report(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    try:
        with Machinery(arguments.kind, report) as machinery:
            server = machinery.server
            print(f"{server.kind} {server.version}, durable; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            if arguments.profile:
                profiling.run(machinery)
                return 0
            found = scenarios.run(machinery, size, wanted, report)
            report("layers ...")
            found.layers.extend(profiling.layers(machinery))
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    print()
    lines = [*table.scenarios(found), "", *table.goal_lines(found), "", *table.layer_lines(found)]
    print(*lines, sep="\n")
    if arguments.keep:
        about = f"{server.kind} {server.version}, durable; {os.cpu_count()} cores; `{' '.join(sys.argv[1:])}`"
        page.keep(about, lines)
    print(f"\n{time.monotonic() - began:.0f} seconds; load average now {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
