"""One trial: replicas on one record under load, killed again and again; then quiet, and everything is compared."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from db.database import Database
from db.migrate import migrate
from db.settings import DatabaseSettings
from tests.replicas.check import Findings, examine, same_on_all
from tests.replicas.load import CHANNELS, Ledger, Person, Source
from tests.servers.cluster import Cluster
from tests.servers.database import DbUrl
from tests.servers.observer import ObserverProcess, rows
from tests.servers.slack import SandboxSlack

_QUIET_SECONDS = 150.0
"""Longer than a lease, what comes after it, and the edits of all cards at Slack's pace."""

_OFF_SECONDS = 60.0
"""How far the clock of one replica is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a trial is made of; times in seconds."""

    replicas: int = 2
    seconds: float = 180.0
    kill_every: float = 4.0
    rules: int = 10
    steady: int = 4
    sources: int = 6
    seed: int = 1


class Trial:
    """Replicas on a database, or on a cluster, where each replica prefers another node."""

    def __init__(
        self, plan: Plan, where: DbUrl | Cluster, slack: SandboxSlack, folder: Path,
        report: Callable[[str], None] = print,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._cluster = where if isinstance(where, Cluster) else None
        self._url = where.node_url(0) if isinstance(where, Cluster) else where
        self._slack = slack
        self._folder = folder
        self._report = report
        self._random = random.Random(plan.seed)
        self._ledger = Ledger()
        self._over = threading.Event()
        self._kills = 0
        self._node_kills = 0
        self._repeats: dict[tuple[int, int], int] = {}  # (replica, life) -> transactions it ran again
        self._lives = [0] * plan.replicas
        self._replicas = [self._replica(index) for index in range(plan.replicas)]
        self._errors: list[BaseException] = []

    def run(self) -> Findings:
        """Everything, to the comparison."""
        for channel in CHANNELS:
            self._slack.channel(channel)
        with ExitStack() as stack:
            for replica in self._replicas:
                stack.callback(_end, replica)
                replica.start(wait=False)
            self._wait(self._all_ready, "all replicas to be ready", 60)
            sources, people = self._world()
            self._report(f"{self._plan.replicas} replicas, load for {self._plan.seconds:.0f} s")
            threads = [threading.Thread(target=self._guarded, args=(self._kill_replicas,), daemon=True)]
            if self._cluster is not None:
                threads.append(threading.Thread(target=self._guarded, args=(self._kill_nodes,), daemon=True))
            for start in (*(one.start for one in sources), *(one.start for one in people), *(t.start for t in threads)):
                start()
            self._over.wait(self._plan.seconds)
            self._over.set()
            for thread in threads:
                thread.join(120)
            for person in people:
                person.join()
            if not all(source.join(90) for source in sources):
                raise AssertionError("a source did not come to its end")
            for error in (*self._errors, *self._ledger.errors):
                raise error
            self._wait(self._all_ready, "all replicas to be ready again", 60)
            self._wait(self._quiet, "all cards to be level with the record", _QUIET_SECONDS)
            self._note_repeats()
        return self._compare()

    # -- the world

    def _world(self) -> tuple[list[Source], list[Person]]:
        plan = self._plan
        rules = [f"churn-{number}" for number in range(plan.rules)]
        steady = [f"steady-{number}" for number in range(plan.steady)]
        sources = [
            Source(number, rules, self._ledger, self._pick, self._over, steady=False) for number in range(plan.sources)
        ]
        sources.append(Source(plan.sources, steady, self._ledger, self._pick, self._over, steady=True))
        people = [Person(user, self._ledger, self._slack, self._aim, self._over) for user in ("U001", "U002", "U003")]
        return sources, people

    def _pick(self) -> str:
        return random.choice(self._replicas).url

    def _aim(self) -> None:
        self._slack.options(app_url=f"{self._pick()}/slack/events")

    def _replica(self, index: int) -> ObserverProcess:
        url = self._url
        if self._cluster is not None:
            url = self._cluster.url(index % len(self._cluster.nodes))
        policy = self._folder / "policy.toml"
        policy.write_text(
            "[storm]\nenabled = false\n"  # every incident is to have its card
            + "".join(f'[[routes]]\nmatch = {{ channel = "{name}" }}\nchannel = "#{name}"\n' for name in CHANNELS)
        )
        # the first replica's clock is right, the second one's is a minute behind
        shift = -_OFF_SECONDS if index == 1 else 0.0
        return ObserverProcess(
            url, self._slack, self._folder / f"replica{index + 1}.log", more={"OBSERVER_CONFIG": str(policy)},
            command=[sys.executable, "-m", "tests.replicas.program", "--shift", str(shift)],
        )  # fmt: skip

    # -- faults

    def _kill_replicas(self) -> None:
        while not self._over.wait(self._random.uniform(0.6, 1.4) * self._plan.kill_every):
            index = self._random.randrange(len(self._replicas))
            self._note_repeats()
            self._replicas[index].kill()
            self._kills += 1
            self._lives[index] += 1
            self._over.wait(self._random.uniform(0.2, 1.5))
            self._replicas[index].start(wait=False)

    def _kill_nodes(self) -> None:
        """Every node once if the time allows it, the preferred one of the first replica first."""
        assert self._cluster is not None
        for index in range(len(self._cluster.nodes)):
            if self._over.wait(self._plan.seconds / 6):
                return
            self._report(f"killing node {index + 1}")
            self._cluster.kill(index)
            self._node_kills += 1
            self._over.wait(min(10.0, self._plan.seconds / 6))
            self._cluster.bring_back(index)
            self._report(f"node {index + 1} is back")
            if self._over.is_set():
                return

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)
            self._over.set()

    # -- the end

    def _all_ready(self) -> bool:
        return all(replica.ready() for replica in self._replicas)

    def _quiet(self) -> bool:
        waiting = rows(
            self._url, "SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1 OR posting_since IS NOT NULL"
        )
        return int(waiting[0]["n"]) == 0

    def _note_repeats(self) -> None:
        for index, replica in enumerate(self._replicas):
            with suppress(httpx.HTTPError, KeyError, ValueError):
                answer = httpx.get(f"{replica.url}/ready", timeout=2).json()
                self._repeats[index, self._lives[index]] = int(answer["database"]["repeated"])

    def _compare(self) -> Findings:
        database = Database(
            DatabaseSettings(host=self._url.host, port=self._url.port, user=self._url.user,
                             password=self._url.password, name=self._url.name),
            pool_size=1, statement_seconds=60, lock_seconds=10, patience_seconds=10,
        )  # fmt: skip
        try:
            found = examine(self._url, database, self._ledger, self._slack)
        finally:
            database.close()
        if self._cluster is not None:
            urls = [self._cluster.node_url(index) for index in range(len(self._cluster.nodes))]
            self._wait(lambda: not same_on_all(urls), "all nodes to have the same record", 30)
        found.figures |= {
            "replicas killed": self._kills,
            "nodes killed": self._node_kills,
            "transactions run again": sum(self._repeats.values()),
        }
        return found

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}; the logs are in {self._folder}")
            time.sleep(0.25)


def prepared(where: DbUrl | Cluster) -> None:
    """Make the tables, once, before several replicas start."""
    url = where.node_url(0) if isinstance(where, Cluster) else where
    settings = DatabaseSettings(host=url.host, port=url.port, user=url.user, password=url.password, name=url.name)
    database = Database(settings, pool_size=1, statement_seconds=60, lock_seconds=10, patience_seconds=30)
    migrate(database)
    database.close()


def _end(replica: ObserverProcess) -> None:
    with suppress(AssertionError):
        replica.kill()


def table(found: Findings) -> str:
    """The figures, and what was broken."""
    width = max(len(name) for name in found.figures)
    lines = [f"{name:<{width}}  {value:>8,}" for name, value in found.figures.items()]
    broken = [f"BROKEN  {sentence}" for sentence in found.violations] or ["every promise held"]
    return "\n".join([*lines, *broken])
