"""What manifests/compose.yaml does before Observer starts, on a real server: its program can rewrite no timeline."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
import yaml

from db.server.private import PrivateServer
from tests.bodies import alert, grafana
from tests.manifests.test_grants import denied
from tests.servers.database import CHECKOUT, DbUrl, TestServer
from tests.servers.observer import Observer, rows, send
from tests.servers.slack import SandboxSlack, wait_until

COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "manifests" / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
NAME = "other_record"  # DB_NAME

MYSQL = f"""#!{sys.executable}
import os, sys, pymysql
given = dict(one.split("=") for one in sys.argv[1:] if "=" in one)
line = pymysql.connect(
    host=given["--host"], port=int(given["--port"]), user=given["--user"], password=os.environ["MYSQL_PWD"],
    client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, autocommit=True,
)
with line.cursor() as cursor:
    cursor.execute(sys.stdin.read())
    while True:
        for row in cursor.fetchall():
            print(*row, sep="\\t")
        if not cursor.nextset():
            break
"""
"""As much of MySQL's command-line client as the set-up needs; the server is a real one."""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make secrets` makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    done = make_secrets(folder, SLACK_BOT_TOKEN="xoxb-of-the-environment", SLACK_SIGNING_SECRET="signing-secret-1")
    assert done.stdout == ""
    return folder


def make_secrets(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(CHECKOUT / "manifests" / "secrets.sh"), str(folder)],
        env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def machine(server: TestServer, secrets: Path) -> Iterator[PrivateServer]:
    """The server of compose's `mysql`: empty but for root, whose password is in its file."""
    with server.new_private("compose") as running:
        as_root(
            running, running.password,
            f"ALTER USER root@'127.0.0.1' IDENTIFIED BY '{contents(secrets / 'db_root_password')}'",
            # the private server's own accounts of that name would be taken for the ones with '%'
            "DROP USER observer@localhost", "DROP USER observer@'127.0.0.1'",
        )  # fmt: skip
        yield running


def as_root(server: PrivateServer, password: str, *statements: str) -> None:
    with (
        pymysql.connect(host=server.host, port=server.port, user="root", password=password, autocommit=True) as line,
        line.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)


def contents(file: Path) -> str:
    return file.read_text("utf-8").strip()


def secret_files(service: str, secrets: Path) -> dict[str, Path]:
    """What stands in the container's /run/secrets, and where it is on the machine."""
    found = {
        name: secrets / Path(COMPOSE["secrets"][name]["file"]).relative_to("../secrets")
        for name in SERVICES[service].get("secrets", ())
    }
    for volume in SERVICES[service].get("volumes", ()):
        source, _, target = volume.partition(":")
        if target == "/run/secrets:ro":
            found |= {file.name: file for file in (secrets / Path(source).relative_to("../secrets")).iterdir()}
    return found


def played(service: str, server: PrivateServer, secrets: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run what a service of the compose file runs, with its environment and its secrets only."""
    there = tmp_path / service
    there.mkdir(exist_ok=True)
    for name, file in secret_files(service, secrets).items():
        (there / name).write_bytes(file.read_bytes())
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "mysql").write_text(MYSQL, "utf-8")
    (tools / "mysql").chmod(0o755)
    env = {
        name: re.sub(r"\$\{DB_NAME:-observer\}", NAME, value).replace("/run/secrets", str(there))
        for name, value in SERVICES[service]["environment"].items()
        if not value.startswith("${") or "DB_NAME" in value
    }
    more = {"DB_HOST": server.host, "DB_PORT": str(server.port), "SECRETS": str(there)}
    path = os.pathsep.join((str(tools), os.environ["PATH"]))
    command = SERVICES[service].get("entrypoint") or SERVICES[service]["command"]
    command = [sys.executable if part == "python" else part for part in command]
    command = [part.replace("/manifests/", f"{CHECKOUT}/manifests/") for part in command]
    return subprocess.run(
        command, env={**env, **more, "PATH": path}, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def application(machine: PrivateServer, secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> DbUrl:
    """The database as Observer's container reaches it, after all that goes before it, twice: as at a second start."""
    folder = tmp_path_factory.mktemp("services")
    for service in ("accounts", "migrate", "grants") * 2:
        done = played(service, machine, secrets, folder)
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"
    password = contents(secret_files("observer", secrets)["db_password"])
    return DbUrl(machine.host, machine.port, SERVICES["observer"]["environment"]["DB_USER"], password, NAME)


def test_the_program_of_the_compose_file_works_and_can_rewrite_no_timeline(
    application: DbUrl, slack: SandboxSlack
) -> None:
    with Observer(application, slack) as observer:
        assert send(observer.url, grafana(alert())).status_code == 200
        card = slack.wait_for_message(lambda message: "#1" in str(message), "the card")
        (ack,) = {
            element["action_id"]
            for block in card["blocks"]
            for element in block.get("elements", [])
            if "acknowledge" in str(element.get("action_id"))
        }
        slack.click(card, ack)
        wait_until(
            lambda: rows(application, "SELECT status FROM incidents")[0]["status"] == "acknowledged", "the click"
        )
    assert len(rows(application, "SELECT event_id FROM incident_timeline")) >= 2
    for text in (
        "UPDATE incident_timeline SET actor = 'slack:U003'",
        "DELETE FROM incident_timeline",
        "TRUNCATE TABLE incident_timeline",
        "DROP TABLE incident_timeline",
        "DELETE FROM audit_checkpoints",
        "DELETE FROM grafana_alerts",
        "DELETE FROM incidents",
        "ALTER TABLE incidents ADD COLUMN another INT",
    ):
        assert denied(application, text), text


@pytest.mark.parametrize(
    ("service", "command"), [("reader", "verify-audit"), ("reader", "check"), ("keeper", "tidy"), ("reader", "status")]
)
def test_the_other_commands_have_their_accounts(
    application: DbUrl, machine: PrivateServer, secrets: Path, tmp_path: Path, service: str, command: str
) -> None:
    SERVICES["of the test"] = {**SERVICES[service], "entrypoint": [*SERVICES[service]["entrypoint"], command]}
    try:
        done = played("of the test", machine, secrets, tmp_path)
    finally:
        del SERVICES["of the test"]
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_record_whose_program_may_do_everything_is_not_taken_for_a_safe_one(
    application: DbUrl, machine: PrivateServer, secrets: Path, tmp_path: Path
) -> None:
    """As the account of an earlier set-up, in a volume that is still there."""
    root = contents(secrets / "db_root_password")
    as_root(machine, root, f"GRANT ALL PRIVILEGES ON `{NAME}`.* TO 'observer'@'%'")
    try:
        done = played("grants", machine, secrets, tmp_path)
        assert done.returncode == 1
        assert "could rewrite a timeline" in done.stderr
    finally:
        as_root(
            machine, root, f"REVOKE ALL PRIVILEGES ON `{NAME}`.* FROM 'observer'@'%'",
            f"GRANT SELECT ON `{NAME}`.* TO 'observer'@'%'",
        )  # fmt: skip
    assert played("grants", machine, secrets, tmp_path).returncode == 0


def test_a_new_password_counts_from_the_next_start_on(
    application: DbUrl, machine: PrivateServer, secrets: Path, tmp_path: Path
) -> None:
    new = tmp_path / "secrets"
    make_secrets(new)
    (new / "db_root_password").write_bytes((secrets / "db_root_password").read_bytes())
    assert played("accounts", machine, new, tmp_path).returncode == 0
    changed = replace(application, password=contents(new / "observer" / "db_password"))
    assert rows(changed, "SELECT 1 AS n") == [{"n": 1}]
    assert played("accounts", machine, secrets, tmp_path).returncode == 0
    assert rows(application, "SELECT 1 AS n") == [{"n": 1}]


@pytest.mark.parametrize("text", ["", "it's", "a b", "x;DROP DATABASE y", "back\\slash"])
def test_a_password_that_would_need_quoting_is_refused_by_its_file(
    machine: PrivateServer, secrets: Path, tmp_path: Path, text: str
) -> None:
    odd = tmp_path / "secrets"
    make_secrets(odd)
    (odd / "db_root_password").write_bytes((secrets / "db_root_password").read_bytes())
    (odd / "db_keeper_password").write_text(text, "utf-8")
    done = played("accounts", machine, odd, tmp_path)
    assert done.returncode == 2
    assert "db_keeper_password" in done.stderr
    assert not text or text not in done.stderr


def test_the_secrets_that_compose_reads_are_made_once_and_nobody_else_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    said = make_secrets(folder).stdout.splitlines()
    assert [Path(line).name for line in said] == ["slack_bot_token", "slack_signing_secret"]
    (folder / "observer" / "slack_bot_token").write_text("xoxb-by-hand\n")
    first = {file: file.read_text() for file in folder.rglob("*") if file.is_file()}
    make_secrets(folder, SLACK_BOT_TOKEN="xoxb-other", SLACK_SIGNING_SECRET="signing-secret-1")
    assert {file: file.read_text() for file in first} == first
    drawn = [text for file, text in first.items() if "slack" not in file.name]
    assert len(set(drawn)) == len(drawn) == 6
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "closed on the machine"
    for file in (folder / "observer").iterdir():
        assert file.stat().st_mode & stat.S_IROTH, "the container's user is another one"
    needed = [Path(one["file"]).relative_to("../secrets") for one in COMPOSE["secrets"].values()]
    assert [name for name in needed if not (folder / name).is_file()] == []
    for value in SERVICES["observer"]["environment"].values():
        for name in re.findall(r"/run/secrets/(\w+)", value):
            assert (folder / "observer" / name).is_file(), name


def test_each_container_gets_the_secrets_of_its_account_only(secrets: Path) -> None:
    def of(env: Mapping[str, str]) -> set[str]:
        return {Path(value).name for value in env.values() if value.startswith("/run/secrets/db_")}

    for service in ("mysql", "migrate", "keeper", "reader"):
        assert set(secret_files(service, secrets)) == of(SERVICES[service]["environment"])
    assert "db_root_password" not in secret_files("observer", secrets)
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            known = source in ("mysql", "../config", "../secrets/observer")
            assert known or (CHECKOUT / "manifests" / source).exists(), volume
    for name in ("migrate", "observer", "keeper", "reader"):  # certificates and the policy file
        assert "../config:/etc/observer:ro" in SERVICES[name]["volumes"], name
