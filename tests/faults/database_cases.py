"""The database misbehaves, refuses, or is away."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path

import pymysql

from tests.faults.case import NotHere, case
from tests.faults.program_cases import Commits, of_delivery, through
from tests.faults.stage import Stage, is_root
from tests.servers.database import DbUrl
from tests.servers.observer import rows
from tests.servers.proxy import Proxy, Wire

AWAY = """Webhooks wait up to 8 seconds, then get 503, and the source sends again; clicks fail plainly and change
nothing; /health stays 200, /ready is 503 and says why. Afterwards everything goes on by itself."""

UNNOTICED = "Nothing: the work is done again on another connection, and recorded once."

DISK_MEGABYTES = 420
FEW = 12
"""Connections of a server that allows few; MariaDB's least is 10."""


class Cut:
    """Cuts the connection of a transaction at its `place`-th packet after the first lock, once."""

    def __init__(self, place: int, how: str) -> None:
        self._place = place
        self._how = how
        self._at: dict[int, int] = {}
        self.done = False

    def __call__(self, number: int, text: str) -> str:
        if "INTO incident_keys" in text:
            self._at[number] = 0
        elif number in self._at:
            self._at[number] += 1
        if self.done or self._at.get(number) != self._place:
            return ""
        self.done = True
        return self._how


@case("Connection cut", "before and after every packet of a webhook's transaction, with news or a repeat", UNNOTICED)
def cut_everywhere(stage: Stage) -> None:
    with Wire(stage.url) as wire, stage.observer(url=through(wire, stage.url)):
        places: Counter[bool] = Counter()
        for how, repeats in product(("before", "after"), (False, True)):
            for place in range(40):
                if repeats:
                    assert (stage.alert(f"rule-{how}-{place}", number=2), stage.again()) == (200, 200)
                cut = Cut(place, how)
                wire.watch(cut)
                assert (stage.again() if repeats else stage.alert(f"rule-{place % 4}", number=2)) == 200
                wire.watch(None)
                if not cut.done:  # the transaction has no such packet any more
                    break
                places[repeats] += 1
        assert (places[False] >= 6, places[True]) == (True, 2), places
        stage.settle()


@case("COMMIT's answer lost", "of a webhook and of a click", UNNOTICED)
def commit_answer_lost(stage: Stage) -> None:
    with Wire(stage.url) as wire, stage.observer(url=through(wire, stage.url)):
        for how in ("before", "after"):
            commits = Commits(of_delivery)
            cuts = wire.cuts
            wire.watch(lambda n, text, c=commits, h=how, k=cuts: h if c.is_it(n, text) and wire.cuts == k else "")  # type: ignore[misc]
            assert stage.alert(f"rule-{how}") == 200
            assert wire.cuts == cuts + 1
        wire.watch(None)
        stage.settle()
        for how in ("before", "after"):
            commits = Commits(lambda text: "INTO incident_keys" in text)
            cuts = wire.cuts
            wire.watch(lambda n, text, c=commits, h=how, k=cuts: h if c.is_it(n, text) and wire.cuts == k else "")  # type: ignore[misc]
            assert stage.acknowledge() == 200
            assert wire.cuts == cuts + 1
            wire.watch(None)
            stage.settle()


@case(
    "Slow line",
    "60 ms for every answer",
    "Everything works, more slowly; a click that would be too late fails plainly.",
    slow=True,
)
def slow_line(stage: Stage) -> None:
    with behind(stage) as (proxy, url), stage.observer(url=url):
        assert stage.alert() == 200
        stage.settle()
        proxy.delay = 0.06
        for number in range(3):
            assert stage.alert(f"rule-{number}") == 200
        assert stage.acknowledge() in (200, 503)
        stage.alive()
        proxy.mend()
        stage.settle()


@case("Silent line", "for 20 seconds: connections stay open and carry nothing", AWAY, slow=True)
def silent_line(stage: Stage) -> None:
    with behind(stage) as (proxy, url), stage.observer(url=url):
        assert stage.alert() == 200
        stage.settle()
        proxy.stall()
        with several(stage):
            assert stage.acknowledge() == 503
            stage.alive()
            time.sleep(20)
        assert stage.refused[0] == 0, "every sender was answered within its 30 seconds"
        proxy.mend()
        recovered(stage)


@case("Deadlock", "with another program, which is older and has written more", UNNOTICED)
def deadlock(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert("one") == 200
        assert stage.alert("two") == 200
        stage.settle()
        keys = [row["incident_key"] for row in rows(stage.url, "SELECT incident_key FROM incident_keys ORDER BY 1")]
        with by_hand(stage.url) as connection, connection.cursor() as cursor:
            for name in range(300):  # the server sacrifices the transaction that has written less
                cursor.execute("INSERT INTO slack_facts VALUES (%s, '{}', UTC_TIMESTAMP(6))", (f"heavy {name}",))
            cursor.execute("SELECT 1 FROM incident_keys WHERE incident_key = %s FOR UPDATE", (keys[1],))
            sender = threading.Thread(target=both_rules, args=(stage,), daemon=True)
            sender.start()
            time.sleep(0.5)  # it holds the first key and waits for the second
            with suppress(pymysql.err.OperationalError):
                cursor.execute("SELECT 1 FROM incident_keys WHERE incident_key = %s FOR UPDATE", (keys[0],))
            connection.rollback()
            sender.join(30)
        assert stage.refused == {}
        stage.settle()


def both_rules(stage: Stage) -> None:
    """One webhook with alerts of two incidents."""
    stage.together(["one", "two"])


@case(
    "Lock held by somebody",
    "for 7 seconds, on the incident's row",
    "The webhook waits and is answered 200; a click fails plainly.",
    slow=True,
)
def lock_held(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        with by_hand(stage.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM incident_keys FOR UPDATE")
            sender = threading.Thread(target=stage.alert, daemon=True)
            sender.start()
            assert stage.acknowledge() == 503
            stage.alive()
            time.sleep(7)
            connection.rollback()
            sender.join(30)
        recovered(stage)


@case("Lock held by somebody", "for 25 seconds", AWAY, slow=True)
def lock_held_for_long(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        with by_hand(stage.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM incident_keys FOR UPDATE")
            with several(stage, rule="one"):
                assert stage.acknowledge() == 503
                stage.alive()
                time.sleep(25)
            connection.rollback()
        assert stage.refused[0] == 0
        assert stage.refused[503] > 0
        recovered(stage)


@case("Database killed (-9)", "under load, then started again", AWAY, slow=True, mortal=True)
def killed_under_load(stage: Stage) -> None:
    with stage.observer():
        with stage.load():
            for _ in range(2):
                time.sleep(1.5)
                stage.server.kill()
                time.sleep(1)
                stage.alive()
                stage.server.start()
            time.sleep(1.5)
        recovered(stage)


@case("Database stopped", "in order, for 12 seconds, under load", AWAY, slow=True, mortal=True)
def stopped_for_a_while(stage: Stage) -> None:
    with stage.observer():
        with stage.load():
            time.sleep(1.5)
            stage.server.stop()
            time.sleep(10)
            assert stage.ready()["code"] == 503
            stage.alive()
            time.sleep(2)
            stage.server.start()
            time.sleep(1.5)
        assert stage.refused[503] > 0
        recovered(stage)


@case("Database read-only", "for 12 seconds (SET GLOBAL read_only)", AWAY, slow=True, mortal=True)
def read_only(stage: Stage) -> None:
    strict = "super_read_only" if stage.server.kind == "mysql" else "read_only"
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        stage.as_root(f"SET GLOBAL {strict} = ON")
        try:
            with several(stage):
                assert stage.acknowledge() == 503
                stage.alive()
                time.sleep(12)
        finally:
            stage.as_root(f"SET GLOBAL {strict} = OFF", "SET GLOBAL read_only = OFF")
        assert stage.refused[0] == 0
        assert stage.refused[503] > 0
        recovered(stage)


@case("Too many connections", "somebody else has them all, for 12 seconds", AWAY, slow=True, mortal=True)
def too_many_connections(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        # root's own connection is made before they are few, and kept
        root = stage.later.enter_context(stage.root())
        with root.cursor() as said, ExitStack() as stack:
            said.execute(f"SET GLOBAL max_connections = {FEW}")
            stack.callback(said.execute, "SET GLOBAL max_connections = 300")
            hogs: list[int] = []
            while len(hogs) < FEW - 1:
                try:
                    hogs.append(number_of(stack.enter_context(by_hand(stage.url))))
                except pymysql.err.OperationalError:  # 1040
                    end_others(said, stage.url.user, hogs)
            end_others(said, stage.url.user, hogs)
            with several(stage):
                stage.acknowledge()
                stage.alive()
                time.sleep(12)
        assert stage.refused[503] > 0
        recovered(stage)


@case(
    "Disk full",
    "on the database, until somebody makes room",
    """Webhooks get 503 in time and the source sends again; clicks fail plainly; /health stays 200. Once there is
    room, and the server runs again should it have ended itself, everything goes on without a restart of Observer.""",
    slow=True,
)
def disk_full(stage: Stage) -> None:
    disk = stage.later.enter_context(small_disk(stage))
    server = stage.later.enter_context(stage.new_server(disk / "server"))
    stage.use(server)
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        ballast = disk / "ballast"
        fill(ballast, leave=300_000)
        deadline = time.monotonic() + 100
        while not stage.refused[503]:
            assert time.monotonic() < deadline, f"the disk never was full: {stage.refused}"
            stage.alert("one", number=40, noise=secrets.token_hex(20_000))
        assert stage.refused[0] == 0, "every sender was answered within its 30 seconds"
        stage.acknowledge()
        stage.alive()
        ballast.unlink()
        server.start()  # does nothing while it runs; MariaDB may end itself, and systemd starts it again
        recovered(stage)


@case(
    "Tables changed by a newer Observer",
    "while this one runs",
    """Within 15 seconds this one records nothing more: webhooks get 503 and /ready is 503, both with the reason; the
    source sends again, to the newer one.""",
    slow=True,
)
def newer_schema(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        rows(
            stage.url,
            "INSERT INTO schema_migrations (version, name, checksum, started_at, finished) "
            "VALUES (9999, 'of_the_future', REPEAT('0', 64), UTC_TIMESTAMP(6), 1)",
        )
        try:
            stage.wait(lambda: stage.alert("two") == 503, "the webhook to be refused", seconds=40)
            assert "newer" in stage.reason
            assert stage.acknowledge() == 503
            ready = stage.ready()
            assert (ready["code"], "newer" in ready["database"]["problem"]) == (503, True)
            stage.alive()
        finally:
            rows(stage.url, "DELETE FROM schema_migrations WHERE version = 9999")
        stage.wait(lambda: stage.ready()["code"] == 200, "the program to go on", seconds=40)
        recovered(stage)


# -- helpers ----------------------------------------------------------------------------------------------------------


@contextmanager
def behind(stage: Stage) -> Iterator[tuple[Proxy, DbUrl]]:
    """A line to the database that can be slow or silent."""
    with Proxy(stage.url.host, stage.url.port) as proxy:
        yield proxy, DbUrl(proxy.host, proxy.port, stage.url.user, stage.url.password, stage.url.name)


@contextmanager
def several(stage: Stage, rule: str = "") -> Iterator[None]:
    """Four webhooks on their way during the block, waited for at its end."""
    senders = [threading.Thread(target=stage.alert, args=(rule or f"rule-{n}",), daemon=True) for n in range(4)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.join(40)


def recovered(stage: Stage) -> None:
    """The source sends again what was refused, and all is as if nothing had been."""
    stage.wait(lambda: set(stage.resend()) <= {200}, "the program to record again", seconds=60)
    assert stage.alert("afterwards") == 200
    stage.travel(30, leases=True)
    stage.settle(90)
    assert stage.acknowledge() == 200
    stage.settle()


@contextmanager
def by_hand(url: DbUrl) -> Iterator[pymysql.Connection[pymysql.cursors.Cursor]]:
    """Somebody else's connection, in a transaction."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, ssl_disabled=True,
        connect_timeout=10, init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    )  # fmt: skip
    try:
        connection.begin()
        yield connection
    finally:
        with suppress(pymysql.err.MySQLError):
            connection.close()


def number_of(connection: pymysql.Connection[pymysql.cursors.Cursor]) -> int:
    """The server's number of a connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        (row,) = cursor.fetchall()
    return int(row[0])


def end_others(root: pymysql.cursors.Cursor, user: str, but: list[int]) -> None:
    """End the program's connections, so that it has to make new ones."""
    root.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
    for (number,) in root.fetchall():
        if number not in but:
            with suppress(pymysql.err.MySQLError):  # it may be gone already
                root.execute(f"KILL {number}")


def fill(ballast: Path, leave: int) -> None:
    """Take all but `leave` bytes of a disk."""
    room = os.statvfs(ballast.parent)
    size = room.f_bavail * room.f_frsize - leave
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


@contextmanager
def small_disk(stage: Stage) -> Iterator[Path]:
    """A disk of its own that is soon full."""
    if not is_root():
        raise NotHere("mounting a small disk needs root")
    disk = stage.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)
