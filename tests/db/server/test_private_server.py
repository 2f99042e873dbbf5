"""A private server starts, keeps its data through a kill, and is never left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from db.server.errors import NoServerFound, ServerError, StartFailed
from db.server.find import programs
from db.server.machine import Machine
from db.server.private import PrivateServer, reserved_port
from db.server.watch import watched
from tests.servers.database import CHECKOUT, private_kind, run_dir


def new_server(home: Path) -> PrivateServer:
    return PrivateServer(
        home,
        home.parent.parent / "packages",
        machine=Machine.from_env(os.environ),
        password="only for 'this' \\ test",
        kind=private_kind(os.environ),
        durable=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """One server for this module; every test gets it running by `start()`, which does nothing when it runs."""
    run = tmp_path_factory.mktemp("run")
    packages = run_dir(os.environ) / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (run / "packages").symlink_to(packages)
    private = new_server(run / "data" / "database")
    try:
        private.start()
    except NoServerFound as error:
        if os.environ.get("TEST_DB_URL"):
            pytest.skip(str(error))
        raise
    yield private
    private.stop()


def ask(server: PrivateServer, statement: str, user: str = "observer") -> tuple[tuple[object, ...], ...]:
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=user,
        password=server.password,
        database=server.database if user == "observer" else None,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchall())


def pid_of(home: Path) -> int:
    return int((home / "server.pid").read_text())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie still has a number, but is no server any more
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def eventually(condition: Callable[[], bool], seconds: float = 40.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_the_application_gets_its_database_and_nothing_else(server: PrivateServer) -> None:
    server.start()

    ((account, database),) = ask(server, "SELECT CURRENT_USER(), DATABASE()")

    assert (account, database) == ("observer@127.0.0.1", "observer")
    with pytest.raises(pymysql.MySQLError):
        ask(server, "SELECT * FROM mysql.user")
    assert ask(server, "CREATE DATABASE observer_another") == ()
    ask(server, "DROP DATABASE observer_another")


def test_the_user_may_make_triggers_as_the_migrations_do(server: PrivateServer) -> None:
    server.start()

    ask(server, "CREATE TABLE watched (number INT)")
    ask(server, "CREATE TRIGGER trg_watched BEFORE INSERT ON watched FOR EACH ROW SET NEW.number = 7")
    ask(server, "INSERT INTO watched VALUES (1)")

    assert ask(server, "SELECT number FROM watched") == ((7,),)


def test_nobody_gets_in_without_the_password(server: PrivateServer) -> None:
    server.start()

    for user in ("root", "observer"):
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(host=server.host, port=server.port, user=user, password="")


def test_root_gets_in_by_its_url(server: PrivateServer) -> None:
    server.start()

    assert ask(server, "SELECT CURRENT_USER()", user="root") == (("root@127.0.0.1",),)
    assert server.root_url.startswith("mysql://root:")


def test_what_was_committed_survives_a_kill_and_comes_back_at_the_same_port(server: PrivateServer) -> None:
    server.start()
    port = server.port
    ask(server, "CREATE TABLE kept (number INT)")
    ask(server, "INSERT INTO kept VALUES (42)")

    server.kill()

    assert not server.running
    server.start()
    assert server.port == port
    assert ask(server, "SELECT number FROM kept") == ((42,),)


def test_a_restart_keeps_port_and_data(server: PrivateServer) -> None:
    server.start()
    port = server.port
    ask(server, "CREATE TABLE through_restart (number INT)")

    server.restart()

    assert server.port == port
    assert ask(server, "SELECT COUNT(*) FROM through_restart") == ((0,),)


def test_the_next_start_takes_the_last_port_again(server: PrivateServer) -> None:
    server.start()
    server.stop()

    with new_server(server.home) as again:
        assert again.port == server.port


def test_a_stopped_server_is_gone(server: PrivateServer) -> None:
    server.start()
    pid = pid_of(server.home)

    server.stop()

    assert not is_alive(pid)
    assert not (server.home / "server.pid").exists()
    server.stop()  # once more is harmless


def test_a_second_run_on_the_same_data_is_told_so(server: PrivateServer) -> None:
    server.start()

    with pytest.raises(StartFailed, match="in use by another run"):
        new_server(server.home).start()

    assert server.running


def test_a_port_that_is_taken_is_named(server: PrivateServer) -> None:
    server.stop()
    with reserved_port() as port:
        stubborn = PrivateServer(
            server.home,
            server.home.parent.parent / "packages",
            machine=Machine.from_env(os.environ),
            password=server.password,
            port=port,
        )
        with pytest.raises(StartFailed, match=f"port {port} on 127.0.0.1 is in use"):
            stubborn.start()


def test_a_server_that_cannot_start_shows_its_log(server: PrivateServer) -> None:
    server.stop()
    moved = server.home / "aside"
    victim = server.data / "ibdata1"
    victim.rename(moved)
    victim.mkdir()
    try:
        with pytest.raises(StartFailed, match=r"(?s)ended while it started.*ERROR"):
            server.start()
    finally:
        victim.rmdir()
        moved.rename(victim)
    server.start()


def test_a_server_left_behind_on_our_data_is_stopped_first(server: PrivateServer) -> None:
    server.start()
    pid = pid_of(server.home)
    if not Path(f"/proc/{pid}/cmdline").exists():
        pytest.skip("the command line of a server can be copied from /proc only")
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    server.stop()
    (server.home / "init.sql").touch()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as left:
        try:
            (server.home / "server.pid").write_text(f"{left.pid}\n")
            ready = server.home / "ready.pid"
            assert eventually(lambda: ready.exists() and ready.read_text().strip() == str(left.pid))

            server.start()

            assert left.wait(10) is not None
        finally:
            left.kill()  # whatever failed, no server stays behind
    assert ask(server, "SELECT 1") == ((1,),)


def test_a_port_that_its_last_user_is_about_to_leave_is_waited_for(server: PrivateServer) -> None:
    server.start()
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)) as last:
        leaves = threading.Timer(0.3, last.close)
        leaves.start()

        server.start()

        leaves.join()
    assert ask(server, "SELECT 1") == ((1,),)


def test_a_process_that_only_got_the_old_number_is_left_alone(server: PrivateServer) -> None:
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (server.home / "server.pid").write_text(f"{stranger.pid}\n")

        server.start()

        assert stranger.poll() is None


def test_a_killed_parent_leaves_no_server_behind(server: PrivateServer) -> None:
    server.stop()
    parent = run_command(server)
    assert parent.stdout is not None
    told = json.loads(parent.stdout.readline())
    pid = pid_of(server.home)
    assert is_alive(pid)
    assert told["port"] == server.port

    parent.kill()
    parent.communicate()

    assert eventually(lambda: not is_alive(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_even_a_killed_watch_leaves_no_server_behind(server: PrivateServer) -> None:
    server.start()
    pid = pid_of(server.home)
    watch = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(watch, signal.SIGKILL)

    assert eventually(lambda: not is_alive(pid))


@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGINT"])
def test_the_command_tells_where_it_is_and_ends_when_told(server: PrivateServer, how: str) -> None:
    server.stop()
    command = run_command(server)
    assert command.stdout is not None
    told = json.loads(command.stdout.readline())
    pid = pid_of(server.home)

    assert (told["host"], told["user"], told["database"]) == ("127.0.0.1", "observer", "observer")
    assert told["password"] == server.password
    if how == "end of input":
        command.communicate(timeout=60)
    else:
        command.send_signal(getattr(signal, how))
        command.wait(60)
        command.communicate()
    assert command.returncode == 0
    assert not is_alive(pid)


def run_command(server: PrivateServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "db.server", "run", "--dir", str(server.home.parent.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env={**os.environ, "DB_PASSWORD": server.password},
    )


def test_the_watch_passes_on_how_its_program_ended() -> None:
    codes = []
    for script in ("raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"):
        with subprocess.Popen(watched([sys.executable, "-c", script]), stdin=subprocess.PIPE) as watch:
            codes.append(watch.wait(20))
    assert codes == [3, 128 + 9]


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    stubborn = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    command = watched([sys.executable, "-c", stubborn], grace=0.2)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert watch.stdin is not None
        assert watch.stdout.readline() == b"ready\n"
        watch.stdin.close()

        assert watch.wait(20) == 128 + 9


def test_a_program_that_does_not_exist_is_named() -> None:
    with subprocess.Popen(watched(["/no/such/server"]), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stderr is not None
        assert b"/no/such/server could not be started" in watch.stderr.read()
        assert watch.wait(20) == 127


def test_a_machine_with_nothing_gets_one_clear_sentence(tmp_path: Path) -> None:
    nothing = Machine(path=str(tmp_path), more_folders=(), etc=tmp_path, platform="linux")

    with pytest.raises(NoServerFound) as caught:
        next(programs("any", tmp_path / "packages", nothing))

    sentence = str(caught.value)
    assert "No MySQL or MariaDB server" in sentence
    assert "DB_HOST" in sentence
    assert "TEST_DB_URL=mysql://" in sentence
    assert "\n" not in sentence


def test_on_macos_the_sentence_names_homebrew(tmp_path: Path) -> None:
    mac = Machine(path=str(tmp_path), more_folders=(), etc=tmp_path, platform="darwin")

    with pytest.raises(NoServerFound, match="brew install mysql"):
        next(programs("mysql", tmp_path / "packages", mac))


def test_a_server_that_is_too_old_is_passed_over_and_named(tmp_path: Path) -> None:
    old = tmp_path / "mysqld"
    old.write_text("#!/bin/sh\necho 'mysqld  Ver 5.7.44 for Linux on x86_64'\n")
    old.chmod(0o755)
    machine = Machine(path=str(tmp_path), more_folders=(), etc=tmp_path)

    with pytest.raises(NoServerFound, match=r"version 5\.7\.44 is too old"):
        next(programs("any", tmp_path / "packages", machine))


def test_mariadb_that_calls_itself_mysqld_is_not_taken_for_mysql(tmp_path: Path) -> None:
    alias = tmp_path / "mysqld"
    alias.write_text("#!/bin/sh\necho 'mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64'\n")
    alias.chmod(0o755)
    machine = Machine(path=str(tmp_path), more_folders=(), etc=tmp_path)

    with pytest.raises(NoServerFound):
        next(programs("mysql", tmp_path / "packages", machine))
    assert next(programs("any", tmp_path / "packages", machine)).product == "mariadb"


def test_an_unknown_kind_of_server_is_named() -> None:
    with pytest.raises(ServerError, match="TEST_DB_KIND must be one of any, mariadb, mysql, mysql97, not 'oracle'"):
        private_kind({"TEST_DB_KIND": "oracle"})
