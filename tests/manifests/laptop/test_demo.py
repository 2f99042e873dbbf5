"""`make demo` and the banner's curl line send alerts that are valid, of today, and let in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from manifests.laptop.demo import SAMPLES, STORY, Clock, credentials, main
from manifests.laptop.run import curl
from manifests.laptop.settings import write_private
from tests.servers.programs import curl_path


class Receiver(HTTPServer):
    """Keeps every request's headers and body; answers `status`."""

    status = 200

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the overridden argument
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def play(folder: Path, receiver: Receiver) -> int:
    state = {"address": receiver.address, "sandbox": None, "webhook": {"WEBHOOK_TOKEN": "token"}}
    (folder / ".run").mkdir(exist_ok=True)
    write_private(folder / ".run" / "laptop.json", state)
    return main(["--pause", "0"], {}, folder)


def test_the_story_is_told_as_of_now(tmp_path: Path, receiver: Receiver) -> None:
    assert play(tmp_path, receiver) == 0

    bodies = [json.loads(body) for _, body in receiver.requests]
    assert len(bodies) == len(STORY)
    alerts = [alert for body in bodies for alert in body["alerts"]]
    for alert in alerts:
        began = datetime.fromisoformat(alert["startsAt"])
        assert datetime.now(UTC) - began < timedelta(minutes=1)
        assert (alert["status"] == "resolved") == (not alert["endsAt"].startswith("0001"))
    assert all(headers["authorization"] == "Bearer token" for headers, _ in receiver.requests)


def test_what_recovers_is_what_fired_before(tmp_path: Path, receiver: Receiver) -> None:
    play(tmp_path, receiver)

    alerts = [alert for _, body in receiver.requests for alert in json.loads(body)["alerts"]]
    fired = {(alert["fingerprint"], alert["startsAt"]) for alert in alerts if alert["status"] == "firing"}
    recovered = {(alert["fingerprint"], alert["startsAt"]) for alert in alerts if alert["status"] == "resolved"}
    assert recovered
    assert recovered <= fired


def test_every_sample_is_part_of_the_story() -> None:
    assert sorted(file.stem for file in SAMPLES.glob("*.json")) == [name for name, _ in STORY]


def test_the_samples_name_no_real_host() -> None:
    for file in SAMPLES.glob("*.json"):
        hosts = [part.split("/")[0] for part in file.read_text("utf-8").split("https://")[1:]]
        assert all(host.endswith(".example.internal") for host in hosts)


def test_an_instance_keeps_its_beginning_until_it_is_resolved() -> None:
    clock = Clock()
    first = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)

    def sent(status: str, minutes: int) -> dict[str, object]:
        alert = {"fingerprint": "f", "status": status, "startsAt": "", "endsAt": "0001-01-01T00:00:00Z"}
        clock.present({"alerts": [alert]}, first + timedelta(minutes=minutes))
        return {"startsAt": alert["startsAt"], "endsAt": alert["endsAt"]}

    assert sent("firing", 0) == {"startsAt": "2026-11-21T09:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    assert sent("resolved", 5) == {"startsAt": "2026-11-21T09:00:00Z", "endsAt": "2026-11-21T09:05:00Z"}


def test_nothing_running_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}, tmp_path) == 1

    assert "start Observer with `make run` first" in capsys.readouterr().err


def test_a_run_that_is_gone_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Receiver() as gone:
        pass

    assert play(tmp_path, gone) == 1
    assert "does not answer" in capsys.readouterr().err


def test_a_refusal_is_shown(tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    receiver.status = 401

    assert play(tmp_path, receiver) == 1
    assert "answered 401" in capsys.readouterr().err


def test_the_credentials_fit_the_way_the_webhook_checks() -> None:
    body = b'{"alerts": []}'
    basic = {"WEBHOOK_AUTH": "basic", "WEBHOOK_BASIC_USER": "grafana", "WEBHOOK_BASIC_PASSWORD": "pass"}
    signed = {"WEBHOOK_AUTH": "hmac", "WEBHOOK_HMAC_SECRET": "secret", "WEBHOOK_HMAC_TIMESTAMP_HEADER": "X-Time"}

    assert credentials({"WEBHOOK_TOKEN": "t"}, body, 0) == {"Authorization": "Bearer t"}
    assert credentials(basic, body, 0) == {"Authorization": f"Basic {base64.b64encode(b'grafana:pass').decode()}"}
    assert credentials(signed, body, 1700000000.5) == {
        "X-Time": "1700000000",
        "X-Grafana-Alerting-Signature": hmac.new(b"secret", b"1700000000:" + body, hashlib.sha256).hexdigest(),
    }


def test_the_curl_line_of_the_banner_works_in_a_shell(receiver: Receiver) -> None:
    path = os.pathsep.join((str(curl_path().parent), os.environ["PATH"]))

    subprocess.run(["sh", "-c", curl(receiver.address, "token")], check=True, capture_output=True, env={"PATH": path})

    ((headers, body),) = receiver.requests
    (alert,) = json.loads(body)["alerts"]
    assert headers["authorization"] == "Bearer token"
    assert headers["content-type"] == "application/json"
    assert datetime.now(UTC) - datetime.fromisoformat(alert["startsAt"]) < timedelta(minutes=1)
