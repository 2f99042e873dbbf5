"""Runs Observer on a laptop: a private database, a sandbox Slack and the app, started in order and stopped together.

`make run` is this program. It starts only what is missing: with `DB_HOST` it uses that server, with `SLACK_BOT_TOKEN`
the real Slack. Whatever it started ends with it, also when it is killed: every child watches a pipe from here.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from db.server.watch import watched
from manifests.laptop.settings import WEBHOOK_TOKEN, Laptop, LaptopError, own_secrets, read_env_file, write_private

CHECKOUT = Path(__file__).resolve().parents[2]

_READY_SECONDS = 60.0
_DATABASE_SECONDS = 1800.0  # the first run may download packages over a slow line
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Commands:
    """The programs to run; tests put stand-ins here."""

    database: Sequence[str] = (sys.executable, "-m", "db.server", "run")
    migrate: Sequence[str] = (sys.executable, "-m", "db", "migrate")
    sandbox: Sequence[str] = (sys.executable, "-m", "bot.sandbox")
    app: Sequence[str] = (sys.executable, "-m", "receiver")


class Stopped(Exception):
    """Ctrl-C or SIGTERM arrived."""


Event = queue.SimpleQueue["Child | None"]
"""Who ended; None means that a signal asked for the end. SimpleQueue may be used from a signal handler."""


class Child:
    """A program of this run; its lines appear under its name, and it ends when its standard input closes."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], events: Event, *, tells: bool
    ) -> None:
        self.name = name
        self.told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if tells else subprocess.STDOUT,
            cwd=CHECKOUT,
            env={**env, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches this program, which stops the others in order
        )
        self._threads: list[threading.Thread] = []
        shown, self._answers = self._process.stdout, None
        if tells:
            shown, self._answers = self._process.stderr, self._process.stdout
            self._read(self._listen)
        assert shown is not None  # noqa: S101 -- piped above
        self._shown: IO[bytes] = shown
        self._read(self._show)
        threading.Thread(target=self._report_end, args=(events,), daemon=True).start()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for its end and its last line."""
        code = self._process.wait()
        for thread in self._threads:
            thread.join(5)
        return code

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        assert self._process.stdin is not None  # noqa: S101 -- piped above
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE_SECONDS + 35)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.wait()

    def _read(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _show(self) -> None:
        for line in self._shown:
            say(f"{self.name:<8} | {line.decode('utf-8', 'replace').rstrip()}")

    def _listen(self) -> None:
        assert self._answers is not None  # noqa: S101 -- only started when there are answers
        for line in self._answers:
            self.told.put(line.decode("utf-8", "replace"))

    def _report_end(self, events: Event) -> None:
        self._process.wait()
        events.put(self)


class Run:
    """One run: what was started so far, and what has happened since."""

    def __init__(self, laptop: Laptop, commands: Commands) -> None:
        self.laptop = laptop
        self._commands = commands
        self._events: Event = queue.SimpleQueue()
        self._children: list[Child] = []

    def go(self) -> None:
        """Start everything, tell where to look, and stay until the end. Raises `Stopped` or `LaptopError`."""
        laptop = self.laptop
        # the programs of a run that was killed just now need a moment to notice and to end
        patience = _GRACE_SECONDS + 5 if laptop.state_file.exists() else 0.0
        check_port(laptop.host, laptop.port, "PORT", patience)
        if laptop.own_slack:
            if laptop.port == laptop.sandbox_port:
                raise LaptopError(f"PORT and SANDBOX_PORT are both {laptop.port}: choose two.")
            check_port("127.0.0.1", laptop.sandbox_port, "SANDBOX_PORT", patience)
        kept = own_secrets(laptop.run_dir)
        laptop.app_env(kept["signing_secret"], None)  # a wrong setting is told before anything is started
        database = self._start_database(kept["database_password"]) if laptop.own_database else None
        env = laptop.app_env(kept["signing_secret"], database)
        self._migrate(env)
        if laptop.own_slack:
            options = ["--port", str(laptop.sandbox_port), "--app-url", f"{laptop.address}/slack/events"]
            options += ["--locale", "ko-KR" if env["LANGUAGE"] == "ko" else "en-US"]
            secret = {"SANDBOX_SIGNING_SECRET": kept["signing_secret"]}  # arguments are everybody's to read
            self._start("sandbox", [*self._commands.sandbox, *options], {**laptop.env, **secret})
            self._wait_for(laptop.sandbox_address, "/", "the sandbox Slack", (200, 302, 307))
        self._start("app", self._commands.app, env)
        self._wait_for(laptop.address, "/ready", "the app")
        write_private(laptop.state_file, state_of(laptop, env))
        say(banner(laptop, env))
        self._check_events(None)

    def stop(self) -> None:
        """Stop what was started, last first: the app, the sandbox, the database."""
        self.laptop.state_file.unlink(missing_ok=True)
        for child in reversed(self._children):
            child.stop()

    def ask_to_stop(self) -> None:
        """May be called from a signal handler."""
        self._events.put(None)

    def _start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Child:
        child = Child(name, watched(command, grace=_GRACE_SECONDS), env, self._events, tells=False)
        self._children.append(child)
        return child

    def _start_database(self, password: str) -> Mapping[str, object]:
        say("Starting the database ...")
        command = [*self._commands.database, "--dir", str(self.laptop.run_dir)]
        child = Child("database", command, {**self.laptop.env, "DB_PASSWORD": password}, self._events, tells=True)
        self._children.append(child)  # it watches its own standard input, so it needs no other watch
        deadline = time.monotonic() + _DATABASE_SECONDS
        while time.monotonic() < deadline:
            with suppress(queue.Empty):
                answer: dict[str, object] = json.loads(child.told.get(timeout=0.05))
                say(f"The database is {answer.get('kind')} {answer.get('version')} on port {answer['port']}.")
                return answer
            self._check_events(0.0)
        raise LaptopError("The database did not start in time.")

    def _migrate(self, env: Mapping[str, str]) -> None:
        child = self._start("migrate", self._commands.migrate, env)
        while child.code is None:
            self._check_events(0.1, but=child)
        self._children.remove(child)
        if child.wait() != 0:
            raise LaptopError(f"The migrations failed (exit code {child.code}); the lines above say why.")

    def _wait_for(self, address: str, path: str, what: str, good: tuple[int, ...] = (200,)) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        answer = ""
        while time.monotonic() < deadline:
            status, answer = get(address, path)
            if status in good:
                return
            self._check_events(0.2)
        raise LaptopError(f"{what[0].upper()}{what[1:]} was not ready within {_READY_SECONDS:.0f} s. {answer}".rstrip())

    def _check_events(self, seconds: float | None, but: Child | None = None) -> None:
        """Wait so long (None: for ever) for something to happen; what happens while we wait ends the run."""
        while True:
            try:
                ended = self._events.get(timeout=seconds)
            except queue.Empty:
                return
            if ended is None:
                raise Stopped
            if ended is not but and ended in self._children:
                code = ended.wait()
                raise LaptopError(f"The {ended.name} ended by itself (exit code {code}); the lines above say why.")


def main(env: Mapping[str, str], commands: Commands | None = None, checkout: Path = CHECKOUT) -> int:
    """The exit code: 0 when somebody stopped it, 1 when something failed."""
    try:
        laptop = Laptop.from_env({**read_env_file(checkout / ".env"), **env}, checkout)
        run = Run(laptop, commands or Commands())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: run.ask_to_stop())
        with only_run(laptop):
            try:
                run.go()
            finally:
                say("Stopping ...")
                run.stop()
    except Stopped:
        say("Stopped.")
        return 0
    except LaptopError as error:
        say(f"\n{error}", sys.stderr)
        return 1
    return 0


@contextmanager
def only_run(laptop: Laptop) -> Iterator[None]:
    """Only one run at a time in a RUN_DIR; the system drops the lock when its holder dies."""
    laptop.run_dir.mkdir(parents=True, exist_ok=True)
    with (laptop.run_dir / "laptop.lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            where = read_state(laptop.state_file).get("address", "it is still starting or stopping")
            raise LaptopError(
                f"Observer runs from {laptop.run_dir} already ({where}): stop that one first, or choose another "
                "RUN_DIR, PORT and SANDBOX_PORT."
            ) from None
        yield


def check_port(host: str, port: int, name: str, patience: float = 0.0) -> None:
    """Raise `LaptopError` when somebody listens there, and still does after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not is_free(host, port):
        time.sleep(0.1)
    try:
        _listen(host, port)
    except PermissionError:
        raise LaptopError(f"Port {port} needs more rights than you have: choose another with {name}=...") from None
    except socket.gaierror:
        raise LaptopError(f"HOST={host} is no address of this machine.") from None
    except OSError as error:
        raise LaptopError(
            f"Port {port} on {host} cannot be used ({error.strerror}): stop the program that uses it, or choose "
            f"another with {name}=... make run."
        ) from None


def is_free(host: str, port: int) -> bool:
    """Whether a program could listen there."""
    try:
        _listen(host, port)
    except OSError:
        return False
    return True


def _listen(host: str, port: int) -> None:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)


def get(address: str, path: str) -> tuple[int, str]:
    """A GET request: status and the beginning of the answer; status 0 when nobody answers."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(1000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def state_of(laptop: Laptop, env: Mapping[str, str]) -> dict[str, object]:
    """What `make demo` needs to know of this run, credentials of its webhook among it."""
    wanted = [name for name in env if name.startswith("WEBHOOK_")]
    return {
        "address": laptop.address,
        "sandbox": laptop.sandbox_address if laptop.own_slack else None,
        "process": os.getpid(),
        "webhook": {name: env[name] for name in wanted},
    }


def read_state(file: Path) -> dict[str, object]:
    """The state of the run that keeps this file; empty when there is none."""
    try:
        state = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def banner(laptop: Laptop, env: Mapping[str, str]) -> str:
    """Where to look, and what to try first."""
    lines = ["", "Observer is ready.", ""]
    if laptop.own_slack:
        lines.append(f"  Slack (a sandbox)  {laptop.sandbox_address}/   open it: #incidents, buttons, /incident")
    lines.append(f"  Observer           {laptop.address}/")
    if (env.get("WEBHOOK_AUTH") or "bearer").lower() == "bearer" and env.get("WEBHOOK_TOKEN") == WEBHOOK_TOKEN:
        # Only with the sandbox's default, which is no secret: a token of the user's own is not shown, and one of `.env`
        # is not in their shell. `make demo` knows it.
        lines += ["", "Fire a sample alert:", "", f"  {curl(laptop.address, WEBHOOK_TOKEN)}"]
    lines += ["", "A story of several alerts, in another terminal:  make demo", "Stop everything:  Ctrl-C", ""]
    return "\n".join(lines)


def curl(address: str, token: str) -> str:
    """One line for a shell that fires an alert as of now."""
    alert = (
        '{"version":"1","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Checkout is slow",'
        '"severity":"critical","service":"checkout","namespace":"shop","cluster":"prod-a","phase":"prod"},'
        '"annotations":{"summary":"Half of the checkouts take longer than 3 s"},'
        '"startsAt":"\'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"\'","endsAt":"0001-01-01T00:00:00Z",'
        '"ruleUID":"sample-checkout-slow","fingerprint":"5a3f1c20be7d9e64"}]}'
    )
    headers = f'-H "Authorization: Bearer {token}" -H "Content-Type: application/json"'
    return f"curl -sS {headers} -d '{alert}' {address}/webhook/grafana"


def say(text: str, stream: IO[str] | None = None) -> None:
    """Print at once; a terminal that is gone is no reason to fail while stopping."""
    with suppress(OSError, ValueError):
        print(text, file=stream or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main(os.environ))
