"""Builds a long past, tells it anew in an empty database and compares every incident: `python -m tests.replay_many`.

    python -m tests.replay_many --deliveries 100000

It starts a private database server as the tests do (TEST_DB_KIND, TEST_DB_URL, RUN_DIR), lets the given number of
requests and the clicks between them happen, runs `python -m db replay --into` and `python -m db check` as a person
would, and tries a policy file with another key as a dry run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from db.migrate import migrate
from db.model.policy import Policy
from tests.conftest import open_database
from tests.db.builders import count
from tests.db.history import Live, hang_cards, past
from tests.servers.database import CHECKOUT, DbUrl, TestServer

POLICY = """
[incidents]
reopen_window = "5m"
"""

OTHER_KEY = (
    POLICY
    + """
[labels]
phase = ["environment"]
"""
)


def main() -> int:
    """0 when the replay gave the same incidents."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay_many", description="A long past, told anew.")
    parser.add_argument("--deliveries", type=int, default=100_000, metavar="N")
    parser.add_argument("--services", type=int, default=400, metavar="N", help="services that fire")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    with TestServer(os.environ) as server, tempfile.TemporaryDirectory() as folder:
        old, new = server.new_database(), server.new_database()
        rules, other = Path(folder) / "observer.toml", Path(folder) / "other.toml"
        rules.write_text(POLICY, "utf-8")
        other.write_text(OTHER_KEY, "utf-8")
        _build(old, arguments.deliveries, arguments.services, arguments.seed)
        worst = 0
        for title, command in (
            ("All checks passed", ["check"]),
            ("Told anew in an empty database", ["replay", "--into", "--policy", str(rules)]),
            ("The new record keeps them too", ["check"]),
            ("A dry run with the same rules", ["replay", "--dry-run", "--policy", str(rules)]),
            (
                "A dry run with a key that has another phase",
                ["replay", "--dry-run", "--policy", str(other), "--examples", "3"],
            ),
        ):
            print(f"\n== {title}: python -m db {' '.join(command)}", flush=True)
            place = new if title.startswith("The new") else old
            worst = max(worst, _run(command, place, new))
        server.drop(old)
        server.drop(new)
    return worst


def _build(url: DbUrl, deliveries: int, services: int, seed: int) -> None:
    database = open_database(url)
    migrate(database)
    policy = Policy(default_channel="#incidents", reopen_window=timedelta(minutes=5))
    began = time.monotonic()
    story = past(deliveries, seed, services=services, seconds=6.0)
    clicks = Live(database, policy).play(story, lambda number: print(f"  {number:,} steps ...", flush=True))
    hang_cards(database)
    tables = ("deliveries", "grafana_alerts", "incidents", "incident_timeline")
    rows = ", ".join(f"{count(database, table):,} {table}" for table in tables)
    print(f"Built in {time.monotonic() - began:,.0f} s: {rows}, {clicks:,} clicks that changed something", flush=True)
    database.close()


def _run(command: list[str], old: DbUrl, new: DbUrl) -> int:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    target = {f"REPLAY_{name}": value for name, value in new.env().items()}
    env = {**kept, **old.env(), **target, "SLACK_CHANNEL": "#incidents"}
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "db", *command], cwd=CHECKOUT, env=env, check=False).returncode
    print(f"   exit {code}, {time.monotonic() - began:,.1f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
