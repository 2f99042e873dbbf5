"""Starting, stopping, and who may use it."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

from bot.sandbox import SandboxSettings
from bot.sandbox.__main__ import main
from bot.sandbox.settings import WrongSettings
from tests.bot.sandbox.support import Slack, request


def test_another_host_than_loopback_is_refused_unless_told_in_so_many_words() -> None:
    for host in ("0.0.0.0", "10.0.0.1", "::", "example.com"):
        with pytest.raises(WrongSettings, match="loopback only"):
            SandboxSettings(host=host)
        assert SandboxSettings(host=host, allow_remote=True).host == host
    for host in ("127.0.0.1", "::1", "localhost"):
        assert SandboxSettings(host=host).host == host


def test_settings_that_cannot_work_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongSettings, match="http"):
        SandboxSettings(app_url="ftp://127.0.0.1/")
    with pytest.raises(WrongSettings, match="empty"):
        SandboxSettings(token="")
    assert main(["--host", "0.0.0.0"]) == 2
    assert "loopback only" in capsys.readouterr().err


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"host": "127.0.0.1", "origin": "https://evil.example"}, {"origin": "null"}],
)
def test_another_web_site_cannot_use_it_through_a_browser(slack: Slack, headers: dict[str, str]) -> None:
    status, reason = request(f"{slack.url}/control/state", headers=headers)
    assert status == 403
    assert "not meant for" in reason


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_serves_and_stops_at_a_signal_with_a_page_still_watching(stop: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "bot.sandbox", "--port", "0", "--channel", "#payments", "--no-pace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"sandbox Slack: (http://127\.0\.0\.1:\d+)/ \(for laptops and tests only\)\n", line)
            assert found, line
            url = found[1]
            state = request(f"{url}/control/state")[1]
            assert [channel["name"] for channel in state["channels"]] == ["incidents", "random", "payments"]
            assert state["options"]["pace"] is False
            with urllib.request.urlopen(f"{url}/control/stream", timeout=10) as watching:
                watching.readline()
                process.send_signal(stop)
                output, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode in (0, -stop)
    assert (output, errors) == ("", "")


def test_two_on_one_port_is_one_too_many(slack: Slack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", slack.url.rpartition(":")[2]]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_the_stream_says_when_something_changed(slack: Slack) -> None:
    with urllib.request.urlopen(f"{slack.url}/control/stream", timeout=10) as stream:

        def next_number() -> int:
            while not (line := stream.readline().decode()).startswith("data: "):
                pass
            return int(line.removeprefix("data: "))

        before = next_number()
        threading.Timer(0.05, slack.say).start()
        assert next_number() > before


def test_the_page_allows_nothing_from_elsewhere(slack: Slack) -> None:
    host = slack.url.removeprefix("http://")
    for path in ("/", "/static/page.css", "/static/page.js", "/static/render.js", "/favicon.ico"):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        assert response.status == 200
        assert "default-src 'none'" in str(response.headers["content-security-policy"])
        assert "innerHTML" not in body
        assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?https?://""", body)
    assert request(f"{slack.url}/static/nothing.js")[0] == 404
