"""The record's commands as a person uses them: what they print, how they end, and what they say is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from db.database import Database, Transaction
from db.transactions.audit import write_checkpoint
from tests import bodies
from tests.db.builders import an_alert, ask, count, deliver, sql
from tests.db.history import hang_cards
from tests.db.replay.test_into import webhook
from tests.servers.database import CHECKOUT, DbUrl

DAY = 86_400


def environment(url: DbUrl, **more: str) -> dict[str, str]:
    """The settings of a person's shell."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **url.env(), **more}


def run(url: DbUrl, *arguments: str, **more: str) -> tuple[int, str, str]:
    """`python -m db ...`; exit status, output and errors."""
    process = subprocess.run(
        [sys.executable, "-m", "db", *arguments],
        cwd=CHECKOUT, env=environment(url, **more), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in process.stderr, process.stderr
    return process.returncode, process.stdout, process.stderr


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file with short ages."""
    path = tmp_path / "observer.toml"
    path.write_text('[retention]\nbodies = "2d"\nalerts = "2d"\n', "utf-8")
    return path


def a_past(database: Database, incidents: int) -> None:
    """Incidents that were over weeks ago, by the clock of this machine."""
    for number in range(incidents):
        deliver(database, an_alert("f1", service=f"s{number}"), now=number)
        deliver(database, an_alert("f1", service=f"s{number}", ends=number + 1), now=number + 1)
    when = datetime.now(UTC) - timedelta(days=30)
    for table, column in (("incidents", "resolved_time"), ("incidents", "first_seen_at"), ("incident_timeline", "at"),
                          ("grafana_alerts", "received_at"), ("deliveries", "received_at")):  # fmt: skip
        change = sql(f"UPDATE {table} SET {column} = %(when)s")  # noqa: S608 - ours
        database.transact(partial(Transaction.execute, query=change, params={"when": when}))
    assert write_checkpoint(database, timedelta(0), at=when + timedelta(days=1))
    hang_cards(database)


def test_help_names_every_command(db_url: DbUrl) -> None:
    code, shown, _ = run(db_url, "--help")
    assert code == 0
    for command in ("migrate", "status", "check", "tidy", "replay"):
        assert f"\n    {command} " in shown
        assert run(db_url, command, "--help")[0] == 0


def test_settings_are_read_from_the_env_file_of_the_folder(db_url: DbUrl, tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def status(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "db", "status"], cwd=tmp_path, env={**kept, "PYTHONPATH": str(CHECKOUT), **more},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    lines = [f'{name}="{value}" # ours' for name, value in db_url.env().items()]
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    done = status()
    assert done.returncode == 0, done.stderr
    assert "is up to date" in done.stdout
    assert status(DB_PASSWORD="another").returncode == 1, "the environment wins"
    (tmp_path / ".env").write_text("DB_HOST\n", "utf-8")
    wrong = status()
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    assert ".env, line 1: expected KEY=VALUE." in wrong.stderr


def test_one_command_does_everything_with_the_settings_of_its_folder(db_url: DbUrl, tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def observer(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "receiver", *arguments], cwd=tmp_path, env={**kept, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in db_url.env().items()), "utf-8")
    assert "is up to date" in observer("status").stdout
    assert "All checks passed." in observer("check").stdout
    for arguments in ((), ("serve",)):
        serving = observer(*arguments)
        assert serving.returncode == 2
        assert "SLACK_SIGNING_SECRET" in serving.stderr
        assert "DB_HOST" not in serving.stderr, "that is in the file"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_program_says_what_it_is(option: str) -> None:
    def observer(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "receiver", *arguments], cwd=CHECKOUT, env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = observer(option)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: observer" in done.stdout
    assert all(name in done.stdout for name in ("serve", "migrate", "status", "check", "replay", "verify-audit"))
    assert len(done.stdout.splitlines()) <= 24, "it fits a screen"
    assert ".env.example" in done.stdout
    assert observer("--nothing").returncode == 2


HOSTILE = "p\x1b]0;PWNED\x07\x1b[31m\x9b31m\r\nFAKE LINE\u202e\u2066\x7f\u2028end"


def test_nothing_in_the_record_commands_the_terminal(database: Database, db_url: DbUrl, tmp_path: Path) -> None:
    for phase in (HOSTILE, "other"):
        webhook(database, len(phase), bodies.alert(labels={"phase": phase}))
    other = tmp_path / "other.toml"
    other.write_text('[labels]\nphase = ["environment"]\n', "utf-8")
    for more in ((), ("--json",)):
        code, shown, said = run(db_url, "replay", "--dry-run", "--policy", str(other), *more)
        assert code == 0
        assert "\\u001b]0;PWNED" in shown.replace("\\\\", "\\")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown + said)
        assert not any(line.startswith("FAKE") for line in shown.splitlines())
    assert HOSTILE in json.loads(shown)["merged"]["examples"][0]["why"]
    for arguments in (("verify-audit", "--anchor", HOSTILE), ("tidy", "--policy", str(tmp_path / "\x1b\u202e\nno"))):
        code, shown, said = run(db_url, *arguments)
        assert code == 1
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown + said)
        assert not any(line.startswith(("FAKE", "no")) for line in (shown + said).splitlines())


def test_tidy_without_ages_removes_nothing(database: Database, db_url: DbUrl) -> None:
    a_past(database, 2)
    code, shown, _ = run(db_url, "tidy")
    assert (code, shown) == (0, "Nothing is ever removed: the policy file has no ages in [retention].\n")
    assert count(database, "grafana_alerts") == 4


def test_tidy_tells_first_and_removes_then(database: Database, db_url: DbUrl, policy: Path) -> None:
    a_past(database, 3)
    code, shown, _ = run(db_url, "tidy", "--dry-run", OBSERVER_CONFIG=str(policy))
    assert code == 0
    assert "would remove 6 alerts of resolved incidents" in shown
    assert count(database, "grafana_alerts") == 6
    code, shown, _ = run(db_url, "tidy", "--policy", str(policy), "--rows", "4")
    assert code == 0
    assert "removed 6 alerts of resolved incidents" in shown
    assert "removed 6 deliveries that no alert names" in shown
    assert (count(database, "grafana_alerts"), count(database, "deliveries")) == (0, 0)
    assert run(db_url, "check")[0] == 0


def test_a_tidy_that_is_killed_anywhere_leaves_a_sound_record(database: Database, db_url: DbUrl, policy: Path) -> None:
    a_past(database, 40)
    command = [sys.executable, "-m", "db", "tidy", "--policy", str(policy), "--rows", "1"]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment(db_url), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and count(database, "grafana_alerts") > 60:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = count(database, "grafana_alerts")
    assert 0 < left <= 60
    removed = ask(database, "SELECT SUM(alerts_removed) AS n FROM incidents")[0]["n"]
    assert removed + left == 80
    code, shown, errors = run(db_url, "check")
    assert code == 0, shown + errors
    code, _, errors = run(db_url, "tidy", "--policy", str(policy))
    assert (code, errors) == (1, "Another process is tidying this database at the moment; it does the same work.\n")
    database.transact(lambda tx: tx.execute(sql("UPDATE chores SET until_at = '2020-01-01'")))
    assert run(db_url, "tidy", "--policy", str(policy))[0] == 0
    assert (count(database, "grafana_alerts"), count(database, "deliveries")) == (0, 0)
    assert run(db_url, "check")[0] == 0


def test_what_is_wrong_is_named(db_url: DbUrl, empty_url: DbUrl, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[retention]\nbodies = "90m"\n', "utf-8")
    none = str(tmp_path / "none.toml")
    for arguments, code, text in (
        (("tidy", "--policy", str(wrong)), 1, 'retention.bodies must be "0s" (keep for ever) or at least "1d"'),
        (("tidy", "--policy", none), 1, f"The policy file {none} cannot be read: No such file or directory."),
        (("tidy", "--rows", "0"), 1, "--rows must be"),
        (("check", "--minutes", "0"), 1, "--minutes must be"),
        (("replay",), 2, "one of the arguments --into --dry-run is required"),
        (("replay", "--into"), 2, "REPLAY_DB_HOST is not set"),
    ):
        found, _, errors = run(db_url, *arguments)
        assert found == code, errors
        assert text in errors
    target = {f"REPLAY_{name}": value for name, value in empty_url.env().items()}
    code, _, errors = run(db_url, "replay", "--into", **target)
    assert (code, errors[:26]) == (1, "SLACK_CHANNEL is not set: ")
    same = {f"REPLAY_{name}": value for name, value in db_url.env().items()}
    code, _, errors = run(db_url, "replay", "--into", **same)
    assert (code, errors) == (1, "REPLAY_DB_* names the database that is to be read; it needs an empty one.\n")
    code, _, errors = run(empty_url, "check")
    assert code == 1
    assert "The database cannot be used: the schema has version 0" in errors
