"""Secrets of Slack's in files are exchanged while the program runs, and never for something that cannot be one."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import httpx
import pytest

from bot.secret import Secret
from db.env import SETTLE_SECONDS
from tests.bot.test_endpoint import command, signed
from tests.servers.database import DbUrl
from tests.servers.observer import Observer
from tests.servers.slack import SIGNING_SECRET, SandboxSlack


def settle() -> None:
    """Leave a file that was rewritten in place alone for as long as it takes to count."""
    time.sleep(SETTLE_SECONDS + 0.02)


def test_a_secret_without_a_file_stays() -> None:
    secret = Secret("X", "given")
    assert (secret(), secret.exchanged()) == ("given", 0)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("xoxb-one\n", "utf-8")
    secret = Secret("X", "xoxb-one", str(file), prefix="xoxb-")
    assert (secret(), secret.exchanged()) == ("xoxb-one", 0)
    file.write_text("xoxb-second\n", "utf-8")
    settle()
    assert (secret(), secret.exchanged()) == ("xoxb-second", 1)
    os.utime(file, (1, 1))
    settle()
    assert secret.exchanged() == 1, "touched, and the same as before"
    other = tmp_path / "other"
    other.write_text("xoxb-thirds\n", "utf-8")
    other.replace(file)
    assert (secret.exchanged(), secret()) == (2, "xoxb-thirds")


def test_a_secret_that_is_being_written_leaves_the_last_good_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("xoxb-one-two", "utf-8")
    secret = Secret("X", "xoxb-one-two", str(file), prefix="xoxb-")
    assert secret() == "xoxb-one-two"
    for part in ("xoxb-", "xoxb-thr", "xoxb-three-"):
        file.write_text(part, "utf-8")
        assert secret() == "xoxb-one-two"
    file.write_text("xoxb-three-four", "utf-8")
    settle()
    assert (secret(), secret.exchanged()) == ("xoxb-three-four", 1)


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"hidden-xoxb", b"x" * 100_000, None, b"xoxb-a\nxoxb-hidden", b"xoxb-hid\x1bden",
     "xoxb-hidden".encode("utf-16")],
)  # fmt: skip
def test_what_cannot_be_one_leaves_the_last_good_one(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text("xoxb-one", "utf-8")
    secret = Secret("SLACK_BOT_TOKEN", "xoxb-one", str(file), prefix="xoxb-")
    assert secret() == "xoxb-one"
    with caplog.at_level(logging.INFO):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        settle()
        assert (secret(), secret.exchanged()) == ("xoxb-one", 0)
        assert secret() == "xoxb-one"
    assert [record.message for record in caplog.records] == ["secret not read again, the earlier one stays"]
    assert "hidden" not in caplog.text
    file.write_text("xoxb-renewed", "utf-8")
    settle()
    assert (secret(), secret.exchanged()) == ("xoxb-renewed", 1)


def test_requests_are_checked_with_the_signing_secret_that_the_file_has_now(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    file = tmp_path / "signing"
    file.write_text(SIGNING_SECRET, "utf-8")
    more = {"SLACK_SIGNING_SECRET": "", "SLACK_SIGNING_SECRET_FILE": str(file)}
    body = command("help")

    def post(observer: Observer, secret: str) -> int:
        headers = {**signed(body, secret=secret), "Content-Type": "application/x-www-form-urlencoded"}
        return httpx.post(f"{observer.url}/slack/events", content=body, headers=headers, timeout=10).status_code

    with Observer(db_url, slack, more) as observer:
        assert [post(observer, SIGNING_SECRET), post(observer, "renewed-secret")] == [200, 401]
        file.write_text("renewed-secret", "utf-8")
        settle()
        assert [post(observer, SIGNING_SECRET), post(observer, "renewed-secret")] == [401, 200]
