"""A cluster of three database servers on this machine: MariaDB Galera, or MySQL Group Replication with several writers.

Their options are those of `manifests/mysql/`; only addresses differ. A node can be killed and comes back.
"""

from __future__ import annotations

import configparser
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import pymysql
import pymysql.cursors

from db.server.errors import ServerError
from db.server.find import Kind, Program
from db.server.machine import Machine
from db.server.private import HOST, PrivateServer
from tests.servers.database import CHECKOUT, DbUrl, run_dir
from tests.servers.galera import find_galera

Topology = Literal["galera", "group"]
TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)

NODES = 3
_MANIFESTS = CHECKOUT / "manifests" / "mysql"
_JOIN_SECONDS = 150.0
_JOIN_AGAIN_SECONDS = 20.0
_RECOVER_SECONDS = 30.0


class Cluster:
    """Three nodes with one record, reached like a single server; `name` is the database they share."""

    def __init__(
        self, topology: Topology, home: Path, env: Mapping[str, str], report: Callable[[str], None] = print
    ) -> None:
        self.topology = topology
        self.name = "observer"
        self._home = home
        self._packages = run_dir(env) / "packages"
        self._machine = Machine.from_env(env)
        self._report = report
        self._password = secrets.token_urlsafe(18)
        self._env = dict(env)
        self._provider: Path | None = None
        if topology == "galera":
            galera = find_galera(env, self._machine, report)
            self._provider = galera.provider
            self._env["PATH"] = galera.path(self._machine.path)
        ports = _own_ports(4 * NODES)
        self._ports, self._group = ports[:NODES], ports[NODES:]
        self.nodes = [self._node(index) for index in range(NODES)]

    def __enter__(self) -> Self:
        try:
            self._found()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every node; the data go with the folder."""
        for node in self.nodes:
            with suppress(ServerError):
                node.kill()
            node.stop()

    def url(self, first: int = 0) -> DbUrl:
        """How a program reaches the cluster: all nodes as one list, the node `first` preferred."""
        nodes = [*self.nodes[first:], *self.nodes[:first]]
        hosts = ",".join(f"{node.host}:{node.port}" for node in nodes)
        return DbUrl(hosts, nodes[0].port, nodes[0].user, self._password, self.name)

    def node_url(self, index: int) -> DbUrl:
        """How one node alone is reached."""
        node = self.nodes[index]
        return DbUrl(node.host, node.port, node.user, self._password, self.name)

    def kill(self, index: int) -> None:
        """SIGKILL one node."""
        self.nodes[index].kill()

    def bring_back(self, index: int, *, copied: bool = False) -> None:
        """Start a node that was killed, and wait until it is a member that takes writes.

        `copied` (Galera): it has forgotten where it stopped, so that it gets a copy of everything from another.
        """
        node = self.nodes[index]
        if self.topology == "galera":
            _let_rsync_write(node.data)
            if copied:
                (node.data / "grastate.dat").unlink()
            node.options = (*self._galera(index), *(() if copied else self._recovered(node)))
        else:
            node.options = self._group_replication(index)
        node.start()
        self._wait_until_member(index)

    def is_member(self, index: int) -> bool:
        """Whether a node takes part and takes writes."""
        try:
            if self.topology == "galera":
                found = self.ask(index, "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state')")
                return {str(value) for _, value in found} == {"ON", "4"}
            state = self.ask(
                index,
                "SELECT MEMBER_STATE, @@global.super_read_only FROM performance_schema.replication_group_members "
                "WHERE MEMBER_ID = @@server_uuid",
            )
            return state == (("ONLINE", 0),)
        except pymysql.MySQLError:
            return False

    def ask(self, index: int, *statements: str) -> tuple[tuple[Any, ...], ...]:
        """Run statements as root on one node; the rows of the last one."""
        node = self.nodes[index]
        connection = pymysql.connect(
            unix_socket=str(node.socket), user="root", password=self._password, autocommit=True, ssl_disabled=True,
            connect_timeout=5, read_timeout=60,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    # -- founding

    def _found(self) -> None:
        """Make one node's data and copy them, then let the first found the cluster and the others join."""
        first = self.nodes[0]
        first.start()  # alone, without a log of its own: its accounts are no history that others lack
        if self.topology == "group":
            self.ask(
                0,
                f"CREATE USER IF NOT EXISTS 'recovery'@'{HOST}' IDENTIFIED BY '{self._password}'",
                f"GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* "
                f"TO 'recovery'@'{HOST}'",
            )
        first.stop()
        if self.topology == "galera":  # the others begin with its data as of this moment, and need no copy later
            first.options = (*self._galera(0), "--wsrep-new-cluster")
            first.start()
            self._wait_until_member(0)
            first.stop()
        for other in self.nodes[1:]:
            other.home.mkdir(parents=True, exist_ok=True)
            shutil.copytree(first.data, other.data, ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))
            shutil.copy(first.home / "server.json", other.home / "server.json")
            (other.data / "auto.cnf").unlink(missing_ok=True)  # each MySQL server makes its own name
        (first.data / "auto.cnf").unlink(missing_ok=True)
        if self.topology == "galera":
            self._found_galera()
        else:
            self._found_group()
        self._report(f"A cluster of three: {self.topology}, {first.kind} {first.version}")

    def _found_galera(self) -> None:
        for index, node in enumerate(self.nodes):
            _let_rsync_write(node.data)
            node.options = (*self._galera(index), *(["--wsrep-new-cluster"] if index == 0 else []))
            node.start()
            self._wait_until_member(index)

    def _found_group(self) -> None:
        for index, node in enumerate(self.nodes):
            node.options = (*self._group_replication(index), "--loose-group-replication-start-on-boot=OFF")
            node.start()
            self.ask(
                index,
                "RESET BINARY LOGS AND GTIDS",
                f"CHANGE REPLICATION SOURCE TO SOURCE_USER = 'recovery', SOURCE_PASSWORD = '{self._password}' "
                "FOR CHANNEL 'group_replication_recovery'",
                f"SET GLOBAL group_replication_bootstrap_group = {'ON' if index == 0 else 'OFF'}",
                "START GROUP_REPLICATION",
                "SET GLOBAL group_replication_bootstrap_group = OFF",
            )
            self._wait_until_member(index)

    # -- options

    def _node(self, index: int) -> PrivateServer:
        kind: Kind = "mariadb" if self.topology == "galera" else "mysql97"
        return PrivateServer(
            self._home / f"node{index + 1}", self._packages, machine=self._machine, password=self._password, kind=kind,
            port=self._ports[index], database=self.name, durable=False, report=self._report,
            env=self._env,
        )  # fmt: skip

    def _galera(self, index: int) -> tuple[str, ...]:
        ports, transfer, missed = self._group[:NODES], self._group[NODES : 2 * NODES], self._group[2 * NODES :]
        own = {
            "wsrep_provider": str(self._provider),
            "wsrep_node_name": f"node{index + 1}",
            "wsrep_node_address": HOST,
            "wsrep_cluster_address": "gcomm://" + ",".join(f"{HOST}:{port}" for port in ports),
            "wsrep_sst_receive_address": f"{HOST}:{transfer[index]}",
            "wsrep_provider_options": ";".join(
                (
                    f"base_host={HOST}",
                    f"base_port={ports[index]}",
                    f"gmcast.listen_addr=tcp://{HOST}:{ports[index]}",
                    f"ist.recv_addr={HOST}:{missed[index]}",
                    "gcache.size=64M",
                )
            ),
            "init_file": "/dev/null",
        }
        return _options(_MANIFESTS / "galera.cnf", own)

    def _group_replication(self, index: int) -> tuple[str, ...]:
        own = {
            "server_id": str(index + 1),
            "report_host": HOST,
            "report_port": str(self.nodes[index].port),
            "loose_group_replication_local_address": f"{HOST}:{self._group[index]}",
            "loose_group_replication_group_seeds": ",".join(f"{HOST}:{port}" for port in self._group[:NODES]),
            "performance_schema": "ON",
            "init_file": "/dev/null",
        }
        return _options(_MANIFESTS / "group-replication.cnf", own)

    def _recovered(self, node: PrivateServer) -> tuple[str, ...]:
        """Where a killed node stopped, so that it is sent only what it missed; as MariaDB's service does."""
        program: Program = node.program
        command = [
            *program.command, "--no-defaults", *node.options, f"--datadir={node.data}", f"--port={node.port}",
            f"--socket={node.socket}", "--skip-log-bin", "--wsrep-recover", f"--log-error={node.home / 'recover.log'}",
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]  # fmt: skip
        (node.home / "recover.log").unlink(missing_ok=True)
        looking = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        position = ""
        deadline = time.monotonic() + _RECOVER_SECONDS
        while not position and time.monotonic() < deadline:
            ended = looking.poll() is not None
            if (node.home / "recover.log").exists():
                text = (node.home / "recover.log").read_text("utf-8", "replace")
                found = re.search(r"Recovered position: ([0-9a-f-]+:\d+)", text)
                position = found[1] if found else ""
            if ended:
                break
            time.sleep(0.1)
        # It has said what it is asked for; now and then it hangs while it shuts down.
        with suppress(subprocess.TimeoutExpired):
            looking.wait(3)
        looking.kill()
        looking.wait()
        return (f"--wsrep-start-position={position}",) if position else ()

    def _wait_until_member(self, index: int) -> None:
        now = time.monotonic()
        deadline, again = now + _JOIN_SECONDS, now + _JOIN_AGAIN_SECONDS
        while not self.is_member(index):
            now = time.monotonic()
            if now > deadline:
                raise ServerError(f"node {index + 1} did not join in time; its log is {self.nodes[index].log}")
            if self.topology == "group" and now > again:
                self._join_again(index)
                again = now + _JOIN_AGAIN_SECONDS
            time.sleep(0.1)

    def _join_again(self, index: int) -> None:
        """A node whose first attempt failed does not try again by itself: somebody has to start it once more."""
        with suppress(pymysql.MySQLError):
            state = self.ask(
                index,
                "SELECT MEMBER_STATE FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid",
            )
            if state in ((), (("OFFLINE",),), (("ERROR",),)):
                self.ask(index, "STOP GROUP_REPLICATION", "START GROUP_REPLICATION")


def _let_rsync_write(data: Path) -> None:
    """An rsync daemon that root started writes as nobody; the server itself, as root, may do anything."""
    if os.geteuid() == 0:
        data.parent.parent.chmod(0o711)  # a temporary folder is closed to others
        for path in (data, *data.rglob("*")):
            shutil.chown(path, "nobody")


def _options(file: Path, own: Mapping[str, str]) -> tuple[str, ...]:
    """The options of a configuration file, with those of this node in place of the ones that are there."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(file.read_text("utf-8"))
    return tuple(f"--{name.replace('_', '-')}={value}" for name, value in {**parser["mysqld"], **own}.items())


def _own_ports(count: int) -> list[int]:
    """Ports that are free now, below those that systems give to outgoing connections: a node needs its own again."""
    found: list[int] = []
    for port in random.sample(range(20000, 32000), 12000):
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise ServerError(f"{HOST} has not {count} free ports between 20000 and 32000")
