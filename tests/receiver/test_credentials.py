"""Several credentials at once, each with a name, exchanged while the program runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from db.env import SETTLE_SECONDS, SettingsError
from receiver.app import Settings
from receiver.auth import Allowed, AnyOf, Basic, Bearer, Denial, Denied, Hmac, WebhookAuth
from receiver.credentials import CredentialError, Watched, parse_list
from tests.bodies import alert, grafana
from tests.receiver.test_auth import BODY, NOW, SIGNATURE, VECTOR
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, rows
from tests.servers.slack import SandboxSlack

GOOD = {
    "DB_HOST": "127.0.0.1",
    "DB_PASSWORD": "hidden-database",
    "SLACK_BOT_TOKEN": "xoxb-hidden-bot",
    "SLACK_SIGNING_SECRET": "hidden-signing",
    "SLACK_CHANNEL": "#incidents",
}


def auth_of(changes: Mapping[str, str]) -> WebhookAuth:
    return Settings.from_env({**GOOD, **changes}).receiver.auth["grafana"]


def problems(changes: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**GOOD, **changes})
    assert "hidden" not in str(caught.value)
    return list(caught.value.problems)


def with_token(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# The lists


def test_a_list_in_a_variable_has_commas_and_one_in_a_file_has_lines() -> None:
    assert parse_list("eu=a=b==, us = c ,", lines=False) == (("eu", "a=b=="), ("us", "c"))
    text = "# ours\n\neu = a,b\n  us=c\r\nus = d\n"
    assert parse_list(text, lines=True) == (("eu", "a,b"), ("us", "c"), ("us", "d"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hidden", "entry 1 must be name=secret"),
        ("eu=a,hidden hidden=b", "entry 2 must be name=secret"),
        ("=hidden", "entry 1 must be name=secret"),
        ("eu=", "entry 1 (eu) has no secret"),
        (" , ", "it names no credential"),
        ("eu=hidden,us=hidden", "a secret stands twice"),
        ("x" * 65 + "=hidden", "entry 1 must be name=secret"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_without_its_secrets(text: str, expected: str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_list(text, lines=False)
    assert expected in str(caught.value)
    assert "hidden" not in str(caught.value)


# Several at once


def test_the_credential_that_fits_is_named() -> None:
    auth = auth_of({"WEBHOOK_TOKEN": "one", "WEBHOOK_TOKENS": "eu=two,us=three,us=four"})
    for token, name in (("one", "default"), ("two", "eu"), ("three", "us"), ("four", "us")):
        assert auth.check(with_token(token), b"", NOW) == Allowed(name)
    assert auth.check(with_token("five"), b"", NOW) == Denied(Denial.WRONG)
    assert auth.check({}, b"", NOW) == Denied(Denial.MISSING)


def test_users_of_basic_auth_are_their_own_names() -> None:
    both = auth_of({"WEBHOOK_AUTH": "basic", "WEBHOOK_BASIC_USERS": "eu=a,eu=b,us=c"})
    assert isinstance(both, AnyOf)
    assert [name for name, _ in both.members] == ["eu", "eu", "us"]
    assert both.members[2][1] == Basic("us", "c")
    assert both.challenge.startswith("Basic")
    one = auth_of({"WEBHOOK_AUTH": "basic", "WEBHOOK_BASIC_USER": "grafana", "WEBHOOK_BASIC_PASSWORD": "x"})
    assert one == Basic("grafana", "x")


def test_several_secrets_of_signatures_apply_at_once_and_an_old_timestamp_is_told_as_that() -> None:
    changes = {"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer", "WEBHOOK_TOKEN": "x"}
    auth = auth_of({**changes, "WEBHOOK_HMAC_SECRETS": f"old=other,new={VECTOR['secret']}"})
    headers = {"x-grafana-alerting-signature": SIGNATURE}
    assert auth.signed
    assert auth.check(headers, BODY, NOW) == Allowed("new")
    assert auth.check(headers, BODY + b" ", NOW) == Denied(Denial.SIGNATURE_WRONG)
    stamped = AnyOf(
        (("old", Hmac("other", timestamp_header="X-T")), ("new", Hmac(VECTOR["secret"], timestamp_header="X-T")))
    )
    late = {"x-grafana-alerting-signature": VECTOR["with_timestamp"]["value"], "x-t": str(int(NOW))}
    assert stamped.check(late, BODY, NOW + 1_000) == Denied(Denial.TIMESTAMP_OUTSIDE_WINDOW)
    assert isinstance(stamped.check(late, BODY, NOW), Allowed)


def test_a_signature_with_a_timestamp_is_good_once_and_others_have_nothing_to_be_told_by() -> None:
    stamped = Hmac(VECTOR["secret"], timestamp_header="X-T")
    headers = {"x-grafana-alerting-signature": VECTOR["with_timestamp"]["value"], "x-t": str(int(NOW))}
    allowed = stamped.check(headers, BODY, NOW)
    assert isinstance(allowed, Allowed)
    assert allowed.signature is not None
    assert len(allowed.signature) == 32
    spelled = {**headers, "x-grafana-alerting-signature": f" {headers['x-grafana-alerting-signature'].upper()} "}
    assert stamped.check(spelled, BODY, NOW) == allowed, "another spelling is the same signature"
    plain = Hmac(VECTOR["secret"]).check({"x-grafana-alerting-signature": SIGNATURE}, BODY, NOW)
    assert plain == Allowed()


def test_credentials_of_several_kinds_do_not_mix() -> None:
    with pytest.raises(ValueError, match="one kind"):
        AnyOf((("a", Bearer("x")), ("b", Basic("u", "p"))))
    with pytest.raises(ValueError, match="one kind"):
        AnyOf(())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"WEBHOOK_TOKENS": "hidden"}, "WEBHOOK_TOKENS: entry 1 must be name=secret"),
        ({"WEBHOOK_TOKEN": "a", "WEBHOOK_TOKENS": "=hidden"}, "WEBHOOK_TOKEN and WEBHOOK_TOKENS: entry 1"),
        ({"WEBHOOK_TOKENS_FILE": "/nowhere/hidden"}, "WEBHOOK_TOKENS_FILE names a file that cannot be read"),
        ({"WEBHOOK_TOKEN": "a", "WEBHOOK_TOKEN_FILE": "/nowhere"}, "WEBHOOK_TOKEN and WEBHOOK_TOKEN_FILE are both set"),
    ],
)
def test_wrong_credentials_are_named_once(changes: dict[str, str], expected: str) -> None:
    [problem] = problems(changes)
    assert problem.startswith(expected)


def test_no_secret_shows_in_credentials(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("eu = hidden-1\n")
    shown = repr(auth_of({"WEBHOOK_TOKENS_FILE": str(file), "WEBHOOK_TOKEN": "hidden-2"}))
    shown += repr(auth_of({"WEBHOOK_TOKENS": "eu=hidden-3"}))
    assert "hidden" not in shown


# Files


def replace_file(file: Path, text: str) -> None:
    """As Kubernetes does it: another file in the place of the old one."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)


def test_a_file_is_read_again_when_it_changes_and_the_last_good_one_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text("eu = hidden-1\n", encoding="utf-8")
    auth = auth_of({"WEBHOOK_TOKENS_FILE": str(file)})
    assert isinstance(auth, Watched)
    assert auth.check(with_token("hidden-1"), b"", NOW) == Allowed("eu")
    replace_file(file, "eu = hidden-1\neu = hidden-2\n")
    for token in ("hidden-1", "hidden-2"):
        assert auth.check(with_token(token), b"", NOW) == Allowed("eu")
    for broken in ("hidden-3", "", "eu = hidden-\udcff"):
        replace_file(file, broken.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        if broken != "eu = hidden-\udcff":
            assert auth.check(with_token("hidden-2"), b"", NOW) == Allowed("eu")
    file.unlink()
    auth.check(with_token("x"), b"", NOW)
    replace_file(file, "eu = hidden-2\n")
    assert auth.check(with_token("hidden-2"), b"", NOW) == Allowed("eu")
    assert auth.check(with_token("hidden-1"), b"", NOW) == Denied(Denial.WRONG)
    assert "credentials not read again" in caplog.text
    assert "hidden" not in caplog.text + repr([vars(record) for record in caplog.records])


def test_a_token_is_exchanged_in_the_running_program_without_losing_a_request(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_text("grafana-eu = first\ngrafana-us = other\n", encoding="utf-8")
    with Observer(db_url, slack, {"WEBHOOK_TOKEN": "", "WEBHOOK_TOKENS_FILE": str(file)}) as observer:

        def send(token: str) -> int:
            url = f"{observer.url}/webhook/grafana"
            return httpx.post(url, content=grafana(alert()), headers=with_token(token)).status_code

        assert [send("first"), send("second"), send("other")] == [200, 401, 200]
        replace_file(file, "grafana-eu = first\ngrafana-eu = second\ngrafana-us = other\n")
        assert [send("first"), send("second"), send("other")] == [200, 200, 200]
        replace_file(file, "grafana-eu = second\ngrafana-us = other\n")
        assert [send("first"), send("second"), send("other")] == [401, 200, 200]
    kept = rows(db_url, "SELECT credential, COUNT(*) AS n FROM deliveries GROUP BY credential ORDER BY credential")
    assert kept == [{"credential": "grafana-eu", "n": 4}, {"credential": "grafana-us", "n": 3}]


def test_a_file_that_is_rewritten_in_place_refuses_nobody_who_never_left_it(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_text("a = first-1\nb = stays\n", encoding="utf-8")
    ended = threading.Event()

    def rewrite() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with file.open("w", encoding="utf-8") as out:
                out.write(f"a = first-{number}\n")
                out.flush()
                time.sleep(0.002)
                out.write("b = stays\n")
            time.sleep(0.002)

    with Observer(db_url, slack, {"WEBHOOK_TOKEN": "", "WEBHOOK_TOKENS_FILE": str(file)}) as observer:
        url = f"{observer.url}/webhook/grafana"
        writer = threading.Thread(target=rewrite)
        writer.start()
        try:
            found = [
                httpx.post(url, content=grafana(alert()), headers=with_token("stays")).status_code for _ in range(60)
            ]
        finally:
            ended.set()
            writer.join()
        assert found == [200] * 60
        file.write_text("a = last\n", encoding="utf-8")
        time.sleep(SETTLE_SECONDS + 0.02)
        for token, status in (("last", 200), ("stays", 401)):
            assert httpx.post(url, content=grafana(alert()), headers=with_token(token)).status_code == status


def test_a_new_secret_of_the_same_length_and_time_is_read(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("eu = old\n", encoding="utf-8")
    auth = auth_of({"WEBHOOK_TOKENS_FILE": str(file)})
    before = file.stat()
    time.sleep(0.02)
    file.write_text("eu = new\n", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(SETTLE_SECONDS + 0.02)
    assert auth.check(with_token("new"), b"", NOW) == Allowed("eu")
    assert auth.check(with_token("old"), b"", NOW) == Denied(Denial.WRONG)


# How files are saved


@pytest.mark.parametrize("variable", ["WEBHOOK_TOKEN_FILE", "WEBHOOK_TOKENS_FILE"])
def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path, variable: str) -> None:
    file = tmp_path / "secret"
    name = "" if variable == "WEBHOOK_TOKEN_FILE" else "eu = "
    file.write_bytes(b"\xef\xbb\xbf" + f"{name}lab-token-of-some-length\r\n".encode())
    assert isinstance(auth_of({variable: str(file)}).check(with_token("lab-token-of-some-length"), b"", NOW), Allowed)


@pytest.mark.parametrize("variable", ["WEBHOOK_TOKEN_FILE", "DB_PASSWORD_FILE", "SLACK_SIGNING_SECRET_FILE"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("hidden-secret-1".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("hidden-secret-1".encode("utf-16-le"), "has zero bytes in it"),
        (b"hidden-secret-1\nhidden-secret-2\n", "has several lines"),
        (b"hidden\x1b-secret-1\n", "has control characters in it"),
        ("hidden\u0085secret".encode(), "has control characters in it"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_once_at_start(
    tmp_path: Path, variable: str, content: bytes, expected: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    given = {variable.removesuffix("_FILE"): "", "WEBHOOK_TOKEN": "", variable: str(file)}
    others = {} if variable.startswith("WEBHOOK") else {"WEBHOOK_TOKEN": "a-token-of-some-length"}
    found = problems({**given, **others})
    assert [problem for problem in found if expected in problem] == [problem for problem in found if "names" in problem]
    assert sum(problem.startswith(f"{variable} names a file that ") for problem in found) == 1


def test_a_list_of_secrets_may_have_lines_and_no_other_control_characters(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(b"eu\t= one-of-some-length\r\nus = hidden\x07\n")
    assert problems({"WEBHOOK_TOKENS_FILE": str(file)}) == [
        "WEBHOOK_TOKENS_FILE names a file that has control characters in it."
    ]
    file.write_bytes("eu = one\n".encode("utf-16"))
    assert problems({"WEBHOOK_TOKENS_FILE": str(file)}) == [
        "WEBHOOK_TOKENS_FILE names a file that is UTF-16; save it as UTF-8."
    ]


def test_short_secrets_are_warned_of_by_name() -> None:
    settings = Settings.from_env({**GOOD, "WEBHOOK_TOKENS": f"eu=hidden-short,us={'x' * 16}"})
    assert settings.warnings == ("WEBHOOK_TOKENS (eu) has fewer than 16 characters, which can be guessed.",)
    assert Settings.from_env({**GOOD, "WEBHOOK_TOKEN": "x" * 16}).warnings == ()


def test_a_policy_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(b"\xef\xbb\xbf[labels]\r\nphase = ['environment']\r\n")
    settings = Settings.from_env({**GOOD, "WEBHOOK_TOKEN": "x" * 16, "OBSERVER_CONFIG": str(file)})
    assert settings.receiver.policy.phase_labels == ("environment",)
