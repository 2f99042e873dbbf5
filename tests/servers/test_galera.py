"""What a Galera node needs is complete, and works where nothing else is installed."""

from __future__ import annotations

import os
import subprocess

import pytest

from db.server.errors import InstallFailed
from db.server.machine import Machine
from tests.servers.galera import Galera, find_galera
from tests.servers.programs import missing


@pytest.fixture(scope="module")
def galera() -> Galera:
    try:
        return find_galera(os.environ, Machine.from_env(os.environ))
    except InstallFailed as error:
        missing(str(error))


def test_every_program_that_copies_a_node_runs_from_its_own_package(galera: Galera) -> None:
    path = galera.path("/nowhere" if galera.tools else os.environ["PATH"])
    for command, says in {
        ("rsync", "--version"): "rsync",
        ("my_print_defaults", "--version"): "my_print_defaults",
        ("ss", "-V"): "iproute2",
        ("ps", "-V"): "procps",
    }.items():
        done = subprocess.run(
            ["/bin/sh", "-c", f"command -v {command[0]} && {' '.join(command)}"],
            env={"PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        where, said = done.stdout.split("\n", 1)
        assert (done.returncode, says in said) == (0, True), (command, done)
        if galera.tools:
            assert where == str(galera.tools / command[0])


def test_a_process_bears_the_name_by_which_the_scripts_look_for_it(galera: Galera) -> None:
    with subprocess.Popen(
        ["rsync", "--server", "--sender", ".", "/"],
        env={"PATH": galera.path(os.environ["PATH"])}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        running.stdout.read(4)  # its greeting: it is itself by now
        named = subprocess.run(
            ["ps", "-o", "comm=", "-p", str(running.pid)],
            env={"PATH": galera.path(os.environ["PATH"])}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        running.kill()
    assert named.stdout.strip() == "rsync"


def test_where_it_cannot_be_had_the_sentence_says_what_to_install() -> None:
    with pytest.raises(InstallFailed, match="apt install mariadb-server"):
        find_galera(os.environ, Machine(path="", more_folders=()))
