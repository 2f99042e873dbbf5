"""The real Alertmanager as a sender, fed as Prometheus feeds it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from db.server.private import reserved_port
from tests.servers.observer import WEBHOOK_TOKEN
from tests.servers.programs import alertmanager_path
from tests.servers.slack import wait_until

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
        max_alerts: {most}
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

    def silence(self) -> str:
        """Silence everything; the id of the silence."""
        now = datetime.now(UTC)
        silence = {
            "matchers": [{"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "oncall",
            "comment": "a test",
        }
        answer = httpx.post(f"{self.url}/api/v2/silences", json=silence, timeout=10).raise_for_status()
        return str(answer.json()["silenceID"])

    def unsilence(self, silence: str) -> None:
        """Lift a silence."""
        httpx.delete(f"{self.url}/api/v2/silence/{silence}", timeout=10).raise_for_status()

    def states(self) -> list[str]:
        """What it does with each live alert."""
        alerts = httpx.get(f"{self.url}/api/v2/alerts", timeout=10).raise_for_status().json()
        return [alert["status"]["state"] for alert in alerts]


@contextmanager
def alertmanager(
    folder: Path,
    url: str,
    *,
    interval: str = "2s",
    repeat: str = "4s",
    most: int = 0,
    port: int = 0,
    config: str = CONFIGURATION,
) -> Iterator[Alertmanager]:
    """Alertmanager with the program at `url` as its only receiver; what it knew of alerts ends with it."""
    program = alertmanager_path()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "alertmanager.yml"
    file.write_text(config.format(url=url, token=WEBHOOK_TOKEN, interval=interval, repeat=repeat, most=most), "utf-8")
    if not port:
        with reserved_port() as port:
            pass
    command = [
        str(program), f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=debug",
    ]  # fmt: skip
    with (folder / "alertmanager.log").open("ab") as log:
        # in the folder that has its usr/share: see `find_alertmanager`
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=program.parents[2])
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
