"""One private database server: its data, its start, and its certain end.

Everything it keeps is in one folder (`home`): `files/` the data, `server.log`, `server.pid`, `server.json`. It listens
on 127.0.0.1 and a unix socket only; root and the application's user have the caller's password, set before the server
listens. It runs under `db.server.watch`, so it ends with this process even if this process is killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from db.server.errors import NoServerFound, StartFailed
from db.server.find import Kind, Product, Program, programs
from db.server.machine import Machine
from db.server.packages import Report, silent
from db.server.watch import watched

HOST = "127.0.0.1"

_INITIALISE_SECONDS = 180.0
_START_SECONDS = 120.0  # recovery after a kill can take a while on a slow disk
_STOP_SECONDS = 30.0  # an orderly shutdown; after that the server is killed, which InnoDB survives
_PORT_SECONDS = 5.0  # the kernel closes the sockets of a big process within this
_SOCKET_BYTES = 100  # a unix socket's path may have 107 bytes on Linux and 103 on macOS
_LOG_BYTES = 5_000_000
_SHOWN_LINES = 12


class PrivateServer:
    """A MySQL or MariaDB server of our own, with `database` and `user` made.

    `packages` is where packages are unpacked when no server is on the machine; it may be shared by many servers. With
    `port=0` the port of the last start is taken again if it is free, else any free one. `durable=False` is for tests:
    commits survive a killed server but not a power failure. `user` may do anything in databases whose names begin
    with that of `database`. `patience` is how many seconds to wait for an earlier run on the same data to end.
    `options` are further options of the server, which win over ours; they may be changed between a stop and a start.
    `env` is the server's environment (default: ours), in which it looks for programs that it starts itself.
    """

    def __init__(
        self,
        home: Path,
        packages: Path,
        *,
        machine: Machine,
        password: str,
        kind: Kind = "any",
        port: int = 0,
        durable: bool = True,
        user: str = "observer",
        database: str = "observer",
        patience: float = 0.0,
        report: Report = silent,
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.options = tuple(options)
        self._env = env
        self.data = self.home / "files"
        self.log = self.home / "server.log"
        self.host = HOST
        self.port = port
        self.user = user
        self.password = password
        self.database = database
        self.version = ""
        self._packages = packages
        self._machine = machine
        self._kind: Kind = kind
        self._durable = durable
        self._patience = patience
        self._report = report
        self._program: Program | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._lock: TextIOWrapper | None = None
        self.socket = _socket_path(self.home)

    @property
    def kind(self) -> Product:
        """`mariadb` or `mysql`, known after the first start."""
        return self.program.product

    @property
    def root_url(self) -> str:
        """root over TCP, as `mysql://root:password@host:port/`."""
        return f"mysql://root:{quote(self.password, safe='')}@{self.host}:{self.port}/"

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._watch is not None and self._watch.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers; the first start also makes the data.

        Raises `NoServerFound` when there is no server to run, `StartFailed` when it does not come up.
        """
        if self.running:
            return
        self._end_watch()
        self._take_lock()
        try:
            self._stop_stale()
            if self._program is None:
                self._program = self._choose()
            self._launch(self._program)
        except BaseException:
            self.stop()
            raise

    @property
    def program(self) -> Program:
        """The server that runs, known after the first start."""
        if self._program is None:
            raise StartFailed("the server was never started")
        return self._program

    def stop(self) -> None:
        """Orderly shutdown; nothing happens when it is not running."""
        self._end_watch()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self.socket.parent != self.home:
            shutil.rmtree(self.socket.parent, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, as if the machine had taken it away; `start()` brings it back with the same port and data."""
        pid = self._pid()
        if self._watch is None or pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._watch.wait(_STOP_SECONDS)
        self._end_watch()

    def restart(self) -> None:
        """Orderly shutdown and start on the same port with the same data."""
        self._end_watch()
        self.start()

    # -- choosing and making

    def _choose(self) -> Program:
        """The first server that can make its data here, or that fits the data which are there."""
        made = self._made()
        for program in programs(self._kind_for(made), self._packages, self._machine, self._report):
            if made:
                return program
            try:
                self._initialise(program)
            except StartFailed as error:
                # for example a MySQL that the system's AppArmor profile keeps to its own folders
                self._report(f"{program.command[0]} cannot be used: {error}")
                continue
            self._write_state(product=program.product)
            return program
        raise NoServerFound("unreachable: the search ends with an error of its own")  # pragma: no cover

    def _made(self) -> Product | None:
        """Which product made the data that are here; None when there are none, or only half."""
        made = self._state().get("product")
        if self.data.is_dir() and made == "mariadb":
            return "mariadb"
        return "mysql" if self.data.is_dir() and made == "mysql" else None

    def _kind_for(self, made: Product | None) -> Kind:
        if made is None or self._kind == made or (self._kind == "mysql97" and made == "mysql"):
            return self._kind
        if self._kind == "any":
            return made
        raise StartFailed(f"the data in {self.home} were made by {made}: remove that folder to start afresh")

    def _initialise(self, program: Program) -> None:
        self._report(f"Making a new {program.product} {program.version} database in {self.home} ...")
        shutil.rmtree(self.data, ignore_errors=True)
        half = self.home / "files.half"
        shutil.rmtree(half, ignore_errors=True)
        temporary = f"--tmpdir={self._own_tmp()}"  # in a shared one another server that starts would clear it away
        if program.product == "mysql":
            self._run(
                [*program.command, "--no-defaults", *self._basics(program, half), temporary, "--initialize-insecure"]
            )
        elif program.installer is not None:
            half.mkdir()
            options = ["--skip-test-db", "--skip-name-resolve", "--auth-root-authentication-method=normal"]
            self._run([str(program.installer), "--no-defaults", *self._basics(program, half), *options])
        else:
            half.mkdir()
            options = [temporary, "--bootstrap", "--enforce-storage-engine=", "--max-allowed-packet=64M"]
            self._run([*program.command, "--no-defaults", *self._basics(program, half), *options], _bootstrap(program))
        half.rename(self.data)

    def _run(self, command: list[str], text: str | None = None) -> None:
        try:
            done = subprocess.run(  # noqa: S603 -- the server that was found, with arguments of ours
                command,
                input=text or "",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_INITIALISE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StartFailed(f"making the data failed: {error}") from error
        if done.returncode != 0:
            raise StartFailed(f"making the data ended with {done.returncode}:{_last(done.stdout.splitlines())}")

    # -- running

    def _basics(self, program: Program, data: Path) -> list[str]:
        """What both making the data and running need."""
        options = [f"--datadir={data}"]
        if os.geteuid() == 0:
            options.append("--user=root")
        if program.product == "mysql":
            options.append("--secure-file-priv=NULL")  # its default folder exists only where it is installed
        if program.root is not None:
            options += [f"--basedir={program.root}/usr", f"--plugin-dir={program.root}/usr/lib/mysql/plugin"]
            if program.product == "mariadb":
                options.append(f"--lc-messages-dir={_share(program.root)}")
        return options

    def _own_tmp(self) -> Path:
        folder = self.home / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _options(self, program: Program) -> list[str]:
        options = [
            *self._basics(program, self.data),
            f"--bind-address={HOST}",
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={self.home / 'ready.pid'}",
            f"--init-file={self.home / 'init.sql'}",
            f"--tmpdir={self._own_tmp()}",  # in a shared one the next server's start would clear our tables away
            "--skip-name-resolve",
            "--skip-log-bin",
            "--max-connections=300",
            "--character-set-server=utf8mb4",
            "--performance-schema=OFF",
        ]
        if program.product == "mysql":
            options.append("--mysqlx=OFF")
        if self._durable:
            return [*options, "--innodb-flush-log-at-trx-commit=1"]
        # 2, not 0: a commit reaches the operating system, so that it survives the server being killed
        return [
            *options,
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=64M",
            "--innodb-doublewrite=OFF",
        ]

    def _launch(self, program: Program) -> None:
        if self.port:
            if not _becomes_free(self.port):
                raise StartFailed(f"port {self.port} on {HOST} is in use by another program")
        else:
            last = self._state().get("port")
            self.port = last if isinstance(last, int) and _is_free(last) else _free_port()
        init = self.home / "init.sql"
        init.unlink(missing_ok=True)
        init.touch(mode=0o600)
        init.write_text(_accounts(self.user, self.password, self.database), "utf-8")
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # whoever wrote these is gone, as our lock shows; MySQL would take the zombie of a killed server for a live one
        for leftover in (self.socket, f"{self.socket}.lock", self.home / "ready.pid", self.home / "server.pid"):
            Path(leftover).unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.unlink()
        with self.log.open("ab") as log:
            start = log.tell()
            self._watch = subprocess.Popen(  # noqa: S603 -- the server that was found, with arguments of ours
                watched(
                    [*program.command, "--no-defaults", *self._options(program), *self.options],
                    grace=_STOP_SECONDS,
                    pid_file=self.home / "server.pid",
                ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
            )
        self.version = self._wait_until_it_answers(start)
        init.unlink()
        self._write_state(port=self.port, version=self.version)

    def _wait_until_it_answers(self, log_start: int) -> str:
        """The version in the server's greeting, once it says itself that it is ready."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                raise StartFailed(f"the database server ended while it started:{self._log_lines(log_start)}")
            # its own pid file first: a greeting alone could come from a server left behind on the same socket
            pid = self._pid()
            version = _greeting(self.socket) if pid and pid == _number_in(self.home / "ready.pid") else ""
            if version:
                return version
            time.sleep(0.03)
        raise StartFailed(f"the database server did not answer in {_START_SECONDS:.0f} s:{self._log_lines(log_start)}")

    def _log_lines(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        return _last([line for line in lines if "ERROR" in line] or lines)

    def _end_watch(self) -> None:
        """Close the watch's pipe, which ends the server, and wait for both."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        assert watch.stdin is not None  # noqa: S101 -- it was started with a pipe
        watch.stdin.close()
        try:
            watch.wait(_STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            watch.kill()
            watch.wait()

    # -- the folder

    def _take_lock(self) -> None:
        """Only one process at a time uses a data folder; the system drops the lock when that process dies."""
        if self._lock is not None:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        lock = (self.home / "lock").open("a", encoding="utf-8")
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                lock.close()
                raise StartFailed(f"the database in {self.home} is in use by another run") from None
            self._lock = lock
            return

    def _stop_stale(self) -> None:
        """End a server that a killed run left on our data: it names this very folder on its command line."""
        pid = self._pid()
        if pid is None or f"--datadir={self.data}" not in _command_line(pid):
            return
        self._report(f"Stopping the database server {pid} that an earlier run left behind ...")
        for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if f"--datadir={self.data}" not in _command_line(pid):
                    return
                time.sleep(0.05)
        raise StartFailed(f"the database server {pid} on {self.data} does not end")

    def _pid(self) -> int | None:
        return _number_in(self.home / "server.pid")

    def _state(self) -> dict[str, object]:
        try:
            state = json.loads((self.home / "server.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _write_state(self, **values: object) -> None:
        new = self.home / "server.json.new"
        new.write_text(json.dumps({**self._state(), **values}), "utf-8")
        new.rename(self.home / "server.json")


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that is free on 127.0.0.1 and kept so inside the block."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        yield int(listener.getsockname()[1])


def _free_port() -> int:
    with reserved_port() as port:
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, so that a restart succeeds
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def _becomes_free(port: int) -> bool:
    """Whether it is free within moments: a server that ends loses its command line before its sockets."""
    deadline = time.monotonic() + _PORT_SECONDS
    while not _is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _number_in(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _socket_path(home: Path) -> Path:
    """Beside the data, or in a short folder of its own when that path would be too long for a socket."""
    path = home / "s.sock"
    if len(os.fsencode(path)) <= _SOCKET_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"observer-{os.geteuid()}-{name}" / "s.sock"


def _greeting(path: Path) -> str:
    """The version a server greets with on its socket; empty when nobody answers properly yet."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            packet = connection.recv(512)
        except OSError:
            return ""
    # 3 bytes length, 1 byte sequence number, protocol version 10, then the version up to a NUL byte
    if len(packet) < 6 or packet[4] != 10:
        return ""
    return packet[5 : packet.index(0, 5)].decode("ascii", "replace").removeprefix("5.5.5-")


def _command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            return []
    done = subprocess.run(  # noqa: S603 -- macOS has no /proc
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def _share(root: Path) -> Path:
    """Where MariaDB's messages and system tables are."""
    found = next(iter(sorted((root / "usr" / "share").glob("*/fill_help_tables.sql"))), None)
    return found.parent if found else root / "usr" / "share" / "mysql"


def _bootstrap(program: Program) -> str:
    """The statements that make MariaDB's system tables, from the files its packages bring (its help texts left out)."""
    assert program.root is not None  # noqa: S101 -- a MariaDB without an installer comes from packages
    share = _share(program.root)
    parts = ["CREATE DATABASE IF NOT EXISTS mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"]
    for name in ("system_tables", "performance_tables", "system_tables_data"):
        parts += [file.read_text("utf-8") for file in sorted(share.glob(f"m*_{name}.sql"))]
    parts += [
        file.read_text("utf-8") for file in (share / "maria_add_gis_sp_bootstrap.sql", *share.glob("*_sys_schema.sql"))
    ]
    # rows for this machine's own name: the server is reached by address only
    return "\n".join(line for line in "\n".join(parts).splitlines() if "@current_hostname" not in line) + "\n"


def _accounts(user: str, password: str, database: str) -> str:
    """What the server runs before it listens: passwords, the database and its user; the same at every start."""
    secret = _quoted(password)
    lines = [f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4;"]
    for name in ("root", user):
        for host in ("localhost", HOST):
            account = f"{_quoted(name)}@{_quoted(host)}"
            lines.append(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {secret};")
            lines.append(f"ALTER USER {account} IDENTIFIED BY {secret};")
            if name == "root":
                lines.append(f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;")
            else:
                pattern = database.replace("_", r"\_") + "%"
                lines.append(f"GRANT ALL PRIVILEGES ON `{pattern}`.* TO {account};")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _last(lines: list[str]) -> str:
    return "".join(f"\n    {line}" for line in lines[-_SHOWN_LINES:])
