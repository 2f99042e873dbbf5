"""No secret and nothing that a stranger writes reaches the log, whatever goes well or wrong."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.bodies import alert, grafana
from tests.servers.database import CHECKOUT, DbUrl
from tests.servers.observer import ObserverProcess, environment, rows
from tests.servers.proxy import Proxy
from tests.servers.slack import SIGNING_SECRET, TOKEN, SandboxSlack, wait_until

STRANGER = "canary-of-a-stranger"


def secrets_of(url: DbUrl, folder: Path, way: str) -> tuple[dict[str, str], list[str]]:
    """The environment with every secret in a file (`files`) or in a variable, and the secrets."""
    values = {
        "DB_PASSWORD": url.password,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "WEBHOOK_TOKEN": "hidden-token-alone",
        "WEBHOOK_TOKENS": "eu=hidden-token-one,us=hidden-token-two",
    }
    secrets = [url.password, TOKEN, SIGNING_SECRET, "hidden-token-alone", "hidden-token-one", "hidden-token-two"]
    if way == "variables":
        return values, secrets
    files: dict[str, str] = {}
    for name, value in values.items():
        path = folder / name.lower()
        path.write_text((value.replace(",", "\n") if name == "WEBHOOK_TOKENS" else value) + "\n", encoding="utf-8")
        files |= {name: "", f"{name}_FILE": str(path)}
    return files, secrets


@pytest.mark.parametrize("way", ["variables", "files"])
def test_a_run_with_everything_that_can_fail_tells_no_secret(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, way: str
) -> None:
    values, secrets = secrets_of(db_url, tmp_path, way)
    log = tmp_path / "log.jsonl"
    heard: list[httpx.Response] = []
    with Proxy(db_url.host, db_url.port) as proxy:
        url = replace(db_url, host=proxy.host, port=proxy.port)
        with ObserverProcess(url, slack, log, more=values) as observer:

            def post(body: bytes, authorization: str, **headers: str) -> int:
                given = {"Authorization": authorization, "X-Canary": STRANGER, "Content-Type": STRANGER, **headers}
                answer = httpx.post(
                    f"{observer.url}/webhook/grafana?{STRANGER}", content=body, headers=given, timeout=60
                )
                heard.append(answer)
                return answer.status_code

            def ask(path: str) -> None:
                heard.append(httpx.get(observer.url + path, timeout=20))

            body = grafana(alert(instance=STRANGER))
            for token in ("alone", "one", "two"):
                assert post(body, f"Bearer hidden-token-{token}") == 200
            for wrong in ("Bearer hidden-token-onetwo", "Basic " + base64.b64encode(b"hidden:hidden").decode(), "x"):
                assert post(body, wrong) == 401
            assert post(b"rubbish " + STRANGER.encode(), "Bearer hidden-token-one") == 422
            assert post(body, "Bearer hidden-token-one", **{"Content-Encoding": STRANGER[:5]}) == 415
            assert post(body, "Bearer hidden-token-one", **{"Content-Encoding": "gzip"}) == 400
            heard.append(
                httpx.post(f"{observer.url}/slack/events", content=STRANGER, headers={"X-Slack-Signature": "v0=x"})
            )
            card = slack.wait_for_message(lambda message: "#1" in str(message), "the card")
            slack.command("/incident ack 1")
            slack.fault("chat.update", "error", error="invalid_auth", times=2)
            slack.command("/incident unack 1")
            slack.options(token="xoxb-revoked")
            slack.command("/incident ack 1")
            wait_until(lambda: "invalid_auth" in log.read_text("utf-8"), "the refusal of the token in the log")
            ask("/ready")
            ask("/")
            proxy.cut()
            assert post(body, "Bearer hidden-token-one") == 503
            ask("/ready")
            proxy.mend()
            slack.options(token=TOKEN)
            wait_until(observer.ready, "the database to be back")
            assert observer.stop() == 0
            assert card
    said = log.read_text("utf-8")
    lines = [json.loads(line) for line in said.splitlines()]
    assert len(lines) >= 10
    assert {line["credential"] for line in lines if line["event"] == "delivery recorded"} == {"default", "eu", "us"}
    answered = "".join(f"{answer.headers} {answer.text}" for answer in heard)
    for secret in secrets:
        assert secret not in said, "a secret in the log"
        assert secret not in answered, "a secret in an answer"
    assert STRANGER not in said, "what a stranger wrote in the log"
    assert STRANGER not in "".join(str(answer.headers) for answer in heard)
    credentials = rows(db_url, "SELECT DISTINCT credential FROM deliveries ORDER BY credential")
    assert [row["credential"] for row in credentials] == ["default", "eu", "us"]


def test_a_database_that_refuses_the_password_tells_it_to_nobody(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    observer = ObserverProcess(replace(db_url, password="hidden-wrong-password"), slack, log)
    observer.start(wait=False)
    try:
        wait_until(lambda: log.exists() and "1045" in log.read_text("utf-8"), "the refusal in the log")
    finally:
        observer.kill()
    assert "hidden" not in log.read_text("utf-8")


def test_settings_that_are_wrong_are_told_without_their_secrets(db_url: DbUrl, slack: SandboxSlack) -> None:
    wrong = {
        **environment(db_url, slack, 8000),
        "DB_PASSWORD_FILE": "hidden-where-a-path-belongs",
        "SLACK_BOT_TOKEN": "hidden-no-bot-token",
        "WEBHOOK_TOKENS": "hidden-without-a-name",
        "SLACK_APP_TOKEN_FILE": "/nowhere/hidden",
        "PATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "receiver"], cwd=CHECKOUT, env=wrong, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    for name in ("DB_PASSWORD and DB_PASSWORD_FILE", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN_FILE", "WEBHOOK_TOKENS"):
        assert name in done.stderr
    assert "hidden" not in done.stdout + done.stderr
