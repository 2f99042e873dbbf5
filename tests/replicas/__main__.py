"""Replicas under fire: `python -m tests.replicas [--replicas 4] [--seconds 180] [--cluster none|galera|group]`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from db.server.errors import ServerError
from tests.replicas.trial import Plan, Trial, prepared, table
from tests.servers.cluster import TOPOLOGIES, Cluster
from tests.servers.database import TestServer, run_dir
from tests.servers.slack import SandboxSlack


def main() -> int:
    """Run and print; the exit status: 0 every promise held, 1 not, 2 it could not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.replicas", description=__doc__)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the load lasts (default %(default)s)")
    parser.add_argument("--cluster", choices=("none", *TOPOLOGIES), default="none", help="three nodes in place of one")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that everything it started ends
    plan = Plan(replicas=options.replicas, seconds=options.seconds, seed=options.seed)
    began = time.monotonic()

    def report(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    parent = run_dir(os.environ)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="replicas-", dir=parent))
    print(f"seed {plan.seed}, logs in {folder}", flush=True)
    try:
        with SandboxSlack() as slack:
            slack.reset()
            if options.cluster == "none":
                with TestServer(os.environ, report) as server:
                    where = server.new_database()
                    prepared(where)
                    found = Trial(plan, where, slack, folder, report).run()
            else:
                with Cluster(options.cluster, folder / "nodes", os.environ, report) as cluster:
                    prepared(cluster)
                    found = Trial(plan, cluster, slack, folder, report).run()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        pass
    print(table(found))
    if found.violations:
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
