"""The real Alertmanager drives the running program: what it sends, and when, is its own business."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from db.server.private import reserved_port
from tests.servers.database import DbUrl
from tests.servers.observer import WEBHOOK_TOKEN, ObserverProcess, Town, rows
from tests.servers.programs import alertmanager_path
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import both, is_active, is_resolved, of

CONFIGURATION = """
route:
  receiver: hub (prod)
  group_by: [alertname, cluster, namespace]
  group_wait: 1s
  group_interval: {interval}
  repeat_interval: {repeat}
receivers:
  - name: hub (prod)
    webhook_configs:
      - url: {url}/webhook/alertmanager
        send_resolved: true
        http_config:
          authorization: {{type: Bearer, credentials: {token}}}
"""

KEY = "cca400090f80f79c"  # am:KubePodCrashLooping|prod-eu-1|payments|checkout-api|
POD = {
    "alertname": "KubePodCrashLooping",
    "cluster": "prod-eu-1",
    "namespace": "payments",
    "service": "kps-kube-state-metrics",
    "instance": "10.42.1.17:8080",
    "container": "checkout-api",
    "severity": "warning",
}


class Alertmanager:
    """A running Alertmanager, fed as Prometheus feeds it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._began: dict[str, str] = {}

    def is_ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def fire(self, *pods: str) -> None:
        """These pods crash; said again, they still do."""
        self._tell({pod: timedelta(minutes=5) for pod in pods})

    def end(self, *pods: str) -> None:
        """These pods have come back."""
        self._tell({pod: timedelta(seconds=-1) for pod in pods})

    def _tell(self, pods: Mapping[str, timedelta]) -> None:
        now = datetime.now(UTC)
        alerts = [
            {
                "labels": {**POD, "pod": pod},
                "annotations": {"summary": "Pod is crash looping."},
                "startsAt": self._began.setdefault(pod, (now - timedelta(seconds=5)).isoformat()),
                "endsAt": (now + left).isoformat(),
                "generatorURL": "http://prometheus.example.internal:9090/graph?g0.expr=x",
            }
            for pod, left in pods.items()
        ]
        httpx.post(f"{self.url}/api/v2/alerts", json=alerts, timeout=10).raise_for_status()


@contextmanager
def alertmanager(folder: Path, url: str, *, interval: str = "2s", repeat: str = "4s") -> Iterator[Alertmanager]:
    """Alertmanager with the program at `url` as its only receiver."""
    program = alertmanager_path()
    config = folder / "alertmanager.yml"
    config.write_text(CONFIGURATION.format(url=url, token=WEBHOOK_TOKEN, interval=interval, repeat=repeat), "utf-8")
    with reserved_port() as port:
        pass
    command = [
        str(program), f"--config.file={config}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=debug",
    ]  # fmt: skip
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            running = Alertmanager(port)
            wait_until(running.is_ready, "Alertmanager to start")
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: DbUrl) -> list[dict[str, int]]:
    """What the deliveries did, in order: the figures that are not 0."""
    told = [json.loads(row["outcome"]) for row in rows(url, "SELECT outcome FROM deliveries ORDER BY delivery_id")]
    return [{name: count for name, count in all_of(answer).items() if count} for answer in told]


def all_of(answer: dict[str, Any]) -> dict[str, int]:
    """All figures of one answer."""
    alerts: dict[str, int] = answer["alerts"]
    return {name: len(ids) for name, ids in answer["incidents"].items()} | alerts


def standing(town: Town) -> tuple[str, int, int] | None:
    """How the one incident stands: status, firing, of how many; None before there is one."""
    found = town.rows("SELECT * FROM incidents")
    assert len(found) <= 1
    if not found:
        return None
    assert found[0]["incident_key"] == KEY
    return found[0]["status"], found[0]["instances_firing"], found[0]["instances_total"]


def test_the_real_alertmanager_tells_a_story_from_the_first_alert_to_the_end(town: Town, tmp_path: Path) -> None:
    with alertmanager(tmp_path, town.observer.url) as sender:
        sender.fire("pod-a")
        wait_until(lambda: standing(town) == ("active", 1, 1), "the incident to open")
        card = town.slack.wait_for_message(both(of(1), is_active), "its card")
        wait_until(lambda: {"recorded": 1, "repeats": 1} in answers(town.db_url), "the repetition")
        assert standing(town) == ("active", 1, 1)

        sender.fire("pod-a", "pod-b")
        wait_until(lambda: standing(town) == ("active", 2, 2), "the second pod to join")
        sender.end("pod-a")
        wait_until(lambda: standing(town) == ("active", 1, 2), "the first pod to come back")
        sender.end("pod-b")
        wait_until(lambda: standing(town) == ("resolved", 0, 2), "the incident to resolve")
        over = town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
        assert over["ts"] == card["ts"]
    told = answers(town.db_url)
    assert sum(answer.get("opened", 0) for answer in told) == 1
    assert sum(answer.get("joined", 0) for answer in told) == 1
    assert sum(answer.get("resolved", 0) for answer in told) == 1
    assert len(town.slack.messages()) == 1
    [row] = town.rows("SELECT * FROM incidents")
    assert (row["source"], row["severity"], row["resolved_by"]) == ("alertmanager", "warning", "source:alertmanager")
    assert row["alert_count"] == town.rows("SELECT COUNT(*) AS n FROM grafana_alerts")[0]["n"]
    assert [found["kind"] for found in town.rows("SELECT kind FROM incident_timeline ORDER BY event_id")] == [
        "opened", "joined", "partly_resolved", "resolved",
    ]  # fmt: skip


def test_an_alert_of_a_time_when_the_program_was_down_arrives_when_it_is_up(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    observer = ObserverProcess(db_url, slack, tmp_path / "observer.log")  # not started: nobody listens
    with alertmanager(tmp_path, observer.url, repeat="1h") as sender:
        sender.fire("pod-a")
        log = tmp_path / "alertmanager.log"
        wait_until(lambda: b"connection refused" in log.read_bytes(), "Alertmanager to find nobody")
        with observer:
            wait_until(lambda: len(rows(db_url, "SELECT * FROM incidents")) == 1, "the alert to come after all")
            slack.wait_for_message(both(of(1), is_active), "its card")
            assert answers(db_url) == [{"opened": 1, "recorded": 1}]
            assert observer.stop() in (0, -15)
