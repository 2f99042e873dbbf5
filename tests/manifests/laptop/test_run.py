"""`make run` starts what is missing, tells where to look, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from db.server.private import reserved_port
from manifests.laptop.settings import WEBHOOK_TOKEN, Laptop, LaptopError, own_secrets, read_env_file
from tests.servers.database import CHECKOUT

STANDIN = Path(__file__).with_name("standin.py")
ROLES = ("app", "sandbox", "database")


class Run:
    """A laptop run with stand-ins for its programs, in a process of its own."""

    def __init__(self, folder: Path, *, env: dict[str, str], **commands: list[str]) -> None:
        self.folder = folder
        stand_ins = {role: [sys.executable, str(STANDIN), role, str(folder)] for role in ROLES}
        chosen = {**stand_ins, "migrate": [sys.executable, "-c", "print('migrated')"], **commands}
        script = (
            "import os, sys; from pathlib import Path; from manifests.laptop.run import Commands, main;"
            f"sys.exit(main(os.environ, Commands(**{chosen!r}), Path({str(folder)!r})))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def until(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        pytest.fail(f"{text!r} was never said:\n{self.said}")

    def end(self) -> int:
        rest, _ = self.process.communicate(timeout=60)
        self.said += rest
        return self.process.returncode

    def pid(self, role: str) -> int:
        return int((self.folder / f"{role}.pid").read_text())

    def app_env(self) -> dict[str, str]:
        env = json.loads((self.folder / "app.json").read_text())["env"]
        assert isinstance(env, dict)
        return env


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start runs in this test's folder; whatever is still there at the end is killed."""
    runs: list[Run] = []

    def start(env: dict[str, str] | None = None, **commands: list[str]) -> Run:
        runs.append(Run(tmp_path, env={**ports(), **(env or {})}, **commands))
        return runs[-1]

    yield start
    for started in runs:
        started.process.kill()
        started.process.communicate()


@pytest.mark.parametrize(("language", "locale"), [("ko_KR:en", "ko-KR"), ("", "en-US")])
def test_the_people_of_the_sandbox_speak_the_language_of_the_cards(
    run: Callable[..., Run], language: str, locale: str
) -> None:
    started = run({"LANGUAGE": language})
    started.until("Observer is ready")
    arguments = json.loads((started.folder / "sandbox.json").read_text())["arguments"]
    assert arguments[arguments.index("--locale") + 1] == locale


def ports() -> dict[str, str]:
    with reserved_port() as first, reserved_port() as second:
        return {"PORT": str(first), "SANDBOX_PORT": str(second)}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_app_first_and_the_database_last(run: Callable[..., Run], number: signal.Signals) -> None:
    started = run()
    started.until("Stop everything")

    started.process.send_signal(number)

    assert started.end() == 0
    assert (started.folder / "ends").read_text().split() == list(ROLES)
    assert not any(is_alive(started.pid(role)) for role in ROLES)


def test_a_killed_run_leaves_nothing_behind(run: Callable[..., Run]) -> None:
    started = run()
    started.until("Stop everything")

    started.process.kill()

    assert eventually(lambda: not any(is_alive(started.pid(role)) for role in ROLES))


def test_a_run_right_after_a_killed_one_waits_for_its_programs_to_end(run: Callable[..., Run]) -> None:
    env = ports()
    killed = run(env)
    killed.until("Stop everything")

    killed.process.kill()
    again = run(env)

    again.until("Stop everything")


def test_it_tells_where_to_look_and_what_to_try(run: Callable[..., Run]) -> None:
    env = ports()
    started = run(env)
    started.until("Stop everything")

    assert f"http://127.0.0.1:{env['SANDBOX_PORT']}/" in started.said
    assert f"http://127.0.0.1:{env['PORT']}/" in started.said
    assert "curl -sS" in started.said
    assert "make demo" in started.said
    assert "app      | app begins" in started.said


def test_the_app_gets_the_sandbox_and_the_private_database(run: Callable[..., Run]) -> None:
    env = ports()
    started = run(env)
    started.until("Stop everything")
    app, sandbox = started.app_env(), json.loads((started.folder / "sandbox.json").read_text())

    assert (app["DB_HOST"], app["DB_USER"], app["DB_PASSWORD"], app["DB_NAME"]) == ("127.0.0.1", "u", "p", "d")
    assert app["SLACK_API_URL"] == f"http://127.0.0.1:{env['SANDBOX_PORT']}/api/"
    assert (app["SLACK_BOT_TOKEN"], app["SLACK_CHANNEL"]) == ("xoxb-sandbox", "#incidents")
    assert app["WEBHOOK_TOKEN"] == WEBHOOK_TOKEN
    assert app["LOG_FORMAT"] == "text"
    assert app["SLACK_SIGNING_SECRET"] == sandbox["env"]["SANDBOX_SIGNING_SECRET"]
    assert f"http://127.0.0.1:{env['PORT']}/slack/events" in sandbox["arguments"]


def test_a_database_and_a_slack_of_ones_own_are_used(run: Callable[..., Run]) -> None:
    given = {"DB_HOST": "db.example.internal", "DB_PASSWORD": "x", "SLACK_BOT_TOKEN": "xoxb-1", "WEBHOOK_TOKEN": "mine"}
    started = run(given)
    started.until("Stop everything")

    assert {name: started.app_env()[name] for name in given} == given
    assert not (started.folder / "database.pid").exists()
    assert not (started.folder / "sandbox.pid").exists()
    assert "make demo" in started.said
    assert "curl" not in started.said, "it would need a token that is in no shell, or show it"
    assert "Bearer mine" not in started.said


def test_a_program_that_ends_by_itself_ends_the_run(run: Callable[..., Run]) -> None:
    started = run()
    started.until("Stop everything")

    os.kill(started.pid("sandbox"), signal.SIGKILL)

    assert started.end() == 1
    assert "The sandbox ended by itself (exit code 137)" in started.said
    assert not any(is_alive(started.pid(role)) for role in ROLES)


def test_an_app_that_refuses_its_settings_is_heard(run: Callable[..., Run]) -> None:
    started = run(app=[sys.executable, "-c", "import sys; sys.exit('Observer cannot start: X is not set')"])

    assert started.end() == 1
    assert "app      | Observer cannot start: X is not set" in started.said
    assert "The app ended by itself (exit code 1)" in started.said


def test_a_failed_migration_stops_before_the_app(run: Callable[..., Run]) -> None:
    started = run(migrate=[sys.executable, "-c", "import sys; sys.exit('the schema is newer')"])

    assert started.end() == 1
    assert "migrate  | the schema is newer" in started.said
    assert "The migrations failed" in started.said
    assert not (started.folder / "app.pid").exists()


def test_a_database_that_cannot_be_had_is_heard(run: Callable[..., Run]) -> None:
    started = run(database=[sys.executable, "-c", "import sys; sys.exit('No MySQL or MariaDB server')"])

    assert started.end() == 1
    assert "database | No MySQL or MariaDB server" in started.said


@pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
def test_a_port_in_use_is_named_with_the_setting_to_change(run: Callable[..., Run], name: str) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port())
        started = run({name: str(port)})

        assert started.end() == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in started.said
    assert f"choose another with {name}=" in started.said
    assert not (started.folder / "database.pid").exists()


def test_a_second_run_in_the_same_folder_is_told_where_the_first_is(run: Callable[..., Run]) -> None:
    env = ports()
    first = run(env)
    first.until("Stop everything")

    second = run()

    assert second.end() == 1
    assert f"already (http://127.0.0.1:{env['PORT']})" in second.said
    assert first.process.poll() is None


def test_settings_come_from_the_env_file_and_the_environment_wins(run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nWEBHOOK_TOKEN=from-file\nexport SLACK_CHANNEL='#ops'\n")
    started = run({"SLACK_CHANNEL": "#alarms"})
    started.until("Stop everything")

    assert started.app_env()["WEBHOOK_TOKEN"] == "from-file"
    assert started.app_env()["SLACK_CHANNEL"] == "#alarms"


def test_an_env_file_is_read_as_people_write_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n\n  B = two words # a remark\nC='#x'\nD=\"a=b\"\nE=p#q\nF=\n")

    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "#x", "D": "a=b", "E": "p#q", "F": ""}
    file.write_text("A=1\nno setting\n")
    with pytest.raises(LaptopError, match=r"\.env, line 2"):
        read_env_file(file)


def test_an_env_file_may_be_saved_by_any_editor(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b'\xef\xbb\xbfA=1\r\nB="two # words" # a remark\r\nC=\'x\' \t# it\'s mine\r\nD="a" # say "hi"\r\n'
        b'E= # nothing\r\nF=g\t# h\r\nG="a"b"\r\nH="#"\r\n'
    )
    expected = {"A": "1", "B": "two # words", "C": "x", "D": "a", "E": "", "F": "g", "G": 'a"b', "H": "#"}
    assert read_env_file(file) == expected
    file.write_bytes("A=1\n".encode("utf-16"))
    with pytest.raises(LaptopError, match="save it as UTF-8"):
        read_env_file(file)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = own_secrets(tmp_path)

    assert own_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert first["database_password"] != first["signing_secret"]


def test_no_secret_is_an_argument_of_a_program(run: Callable[..., Run], tmp_path: Path) -> None:
    started = run()
    started.until("Stop everything")

    secrets = json.loads((tmp_path / ".run" / "secrets.json").read_text())
    sandbox = json.loads((tmp_path / "sandbox.json").read_text())
    assert sandbox["env"]["SANDBOX_SIGNING_SECRET"] == secrets["signing_secret"]
    assert started.app_env()["SLACK_SIGNING_SECRET"] == secrets["signing_secret"]
    shown = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert "standin.py sandbox" in shown
    assert not [name for name, secret in secrets.items() if secret in shown]


def test_the_default_token_is_not_offered_to_the_network(tmp_path: Path) -> None:
    laptop = Laptop.from_env({"HOST": "0.0.0.0"}, tmp_path)

    with pytest.raises(LaptopError, match="WEBHOOK_TOKEN is not set"):
        laptop.app_env("secret", None)


@pytest.mark.parametrize(
    ("desktop", "language"), [("ko_KR:en", "ko"), ("en_US:en", "en"), ("de:en", ""), ("ko", "ko"), ("", "")]
)
def test_the_language_list_of_a_desktop_is_understood(tmp_path: Path, desktop: str, language: str) -> None:
    assert Laptop.from_env({"LANGUAGE": desktop}, tmp_path).app_env("secret", None)["LANGUAGE"] == language


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: str) -> None:
    with pytest.raises(LaptopError, match="PORT must be a port number"):
        Laptop.from_env({"PORT": port}, tmp_path)
