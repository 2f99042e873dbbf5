"""Settings: one message names everything that is missing or wrong, and no secret ever shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from db.env import SettingsError
from receiver.app import Settings
from receiver.auth import Basic, Bearer, Hmac
from tests.servers.observer import CHECKOUT

GOOD = {
    "DB_HOST": "127.0.0.1",
    "DB_PASSWORD": "hidden-database",
    "SLACK_BOT_TOKEN": "xoxb-hidden-bot",
    "SLACK_SIGNING_SECRET": "hidden-signing",
    "SLACK_CHANNEL": "#incidents",
    "WEBHOOK_TOKEN": "hidden-token",
}


def read(changes: Mapping[str, str | None] | None = None) -> Settings:
    """The settings of a good environment with changes; None takes a setting away."""
    values = {**GOOD, **(changes or {})}
    return Settings.from_env({name: value for name, value in values.items() if value is not None})


def problems(changes: Mapping[str, str | None]) -> tuple[str, ...]:
    """What is wrong with a good environment after changes."""
    with pytest.raises(SettingsError) as caught:
        read(changes)
    return caught.value.problems


# One message for everything


def test_little_is_needed_and_the_rest_has_defaults() -> None:
    settings = read()
    assert (settings.database.port, settings.database.user, settings.database.name) == (3306, "observer", "observer")
    assert (settings.receiver.host, settings.receiver.port, settings.receiver.log_format) == ("127.0.0.1", 8000, "json")
    assert settings.bot.language == "en"
    assert settings.receiver.auth["grafana"] == settings.receiver.auth["alertmanager"] == Bearer(("hidden-token",))


def test_the_program_refuses_to_start_and_names_all_that_is_missing_at_once() -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "receiver"], cwd=CHECKOUT, env=kept, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    first, *lines = done.stderr.splitlines()
    assert first == "Observer cannot start:"
    assert [line.split(" is not set:")[0] for line in lines] == [
        "  - DB_HOST",
        "  - DB_PASSWORD",
        "  - WEBHOOK_TOKEN",
        "  - SLACK_BOT_TOKEN",
        "  - SLACK_SIGNING_SECRET",
        "  - SLACK_CHANNEL",
    ]


def test_what_is_missing_and_what_is_wrong_stand_in_one_message(tmp_path: Path) -> None:
    policy = tmp_path / "observer.toml"
    policy.write_text('[incidents]\nreopen_window = "soon"\n', encoding="utf-8")
    found = problems(
        {
            "DB_HOST": None,
            "DB_PORT": "mysql",
            "WEBHOOK_TOKEN": " ",
            "PORT": "70000",
            "LOG_FORMAT": "xml",
            "OBSERVER_CONFIG": str(policy),
            "SLACK_BOT_TOKEN": "xoxp-hidden",
            "LANGUAGE": "de",
        }
    )
    assert len(found) == 8
    for name in (
        "DB_HOST", "DB_PORT", "WEBHOOK_TOKEN", "PORT", "LOG_FORMAT", "OBSERVER_CONFIG", "SLACK_BOT_TOKEN", "LANGUAGE",
    ):  # fmt: skip
        assert sum(problem.startswith(f"{name} ") for problem in found) == 1, name


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DB_PASSWORD": ""}, "DB_PASSWORD is not set: the password of DB_USER; there is no default."),
        ({"DB_PORT": "0"}, "DB_PORT must be a whole number from 1 to 65535, not '0'."),
        ({"DB_PORT": "33o6"}, "DB_PORT must be a whole number from 1 to 65535, not '33o6'."),
        ({"PORT": "-1"}, "PORT must be a whole number from 1 to 65535, not '-1'."),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be one of json, text, not 'xml'."),
        ({"WEBHOOK_AUTH": "none"}, "WEBHOOK_AUTH must be one of bearer, basic, hmac, not 'none'."),
        (
            {"WEBHOOK_AUTH_ALERTMANAGER": "off"},
            "WEBHOOK_AUTH_ALERTMANAGER must be one of bearer, basic, hmac, not 'off'.",
        ),
        ({"SLACK_API_URL": "slack.com/api"}, "SLACK_API_URL must start with http:// or https://, not 'slack.com/api'."),
        ({"SLACK_BOT_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN must be a bot token, which starts with xoxb-."),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN must be an app-level token, which starts with xapp-."),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(changes: dict[str, str | None], expected: str) -> None:
    assert problems(changes) == (expected,)


def test_words_count_in_any_case_and_blanks_around_them_do_not() -> None:
    settings = read({"LOG_FORMAT": " Text ", "LANGUAGE": "KO", "PORT": " 8080 ", "WEBHOOK_AUTH": "Bearer"})
    assert (settings.receiver.log_format, settings.bot.language, settings.receiver.port) == ("text", "ko", 8080)


def test_an_empty_setting_counts_as_absent() -> None:
    """Compose files pass empty values for unset ones."""
    settings = read({"PORT": "", "WEBHOOK_AUTH": "", "WEBHOOK_AUTH_ALERTMANAGER": "", "OBSERVER_CONFIG": ""})
    assert settings == read()


# Who may post

BASIC: dict[str, str | None] = {"WEBHOOK_BASIC_USER": "grafana", "WEBHOOK_BASIC_PASSWORD": "hidden-basic"}
BEARER = Bearer(("hidden-token",))


@pytest.mark.parametrize(
    ("changes", "grafana", "alertmanager"),
    [
        ({"WEBHOOK_AUTH": "bearer"}, BEARER, BEARER),
        (
            {"WEBHOOK_AUTH": "basic", "WEBHOOK_TOKEN": None, **BASIC},
            Basic("grafana", "hidden-basic"),
            Basic("grafana", "hidden-basic"),
        ),
        (
            {"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer", "WEBHOOK_HMAC_SECRET": "hidden-hmac"},
            Hmac("hidden-hmac"),
            BEARER,
        ),
        (
            {
                "WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "basic", "WEBHOOK_HMAC_SECRET": "hidden-hmac",
                "WEBHOOK_HMAC_HEADER": "X-Signature", "WEBHOOK_HMAC_TIMESTAMP_HEADER": "X-Stamp",
                "WEBHOOK_TOKEN": None, **BASIC,
            },
            Hmac("hidden-hmac", "X-Signature", "X-Stamp"),
            Basic("grafana", "hidden-basic"),
        ),
        ({"WEBHOOK_AUTH_ALERTMANAGER": "basic", **BASIC}, BEARER, Basic("grafana", "hidden-basic")),
    ],
)  # fmt: skip
def test_each_source_proves_itself_in_the_way_that_is_set(
    changes: dict[str, str | None], grafana: object, alertmanager: object
) -> None:
    receiver = read(changes).receiver
    assert receiver.auth == {"grafana": grafana, "alertmanager": alertmanager}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"WEBHOOK_TOKEN": None}, ["WEBHOOK_TOKEN"]),
        ({"WEBHOOK_AUTH": "basic"}, ["WEBHOOK_BASIC_USER", "WEBHOOK_BASIC_PASSWORD"]),
        ({"WEBHOOK_AUTH": "basic", **BASIC, "WEBHOOK_BASIC_USER": "a:b"}, ["WEBHOOK_BASIC_USER"]),
        ({"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer"}, ["WEBHOOK_HMAC_SECRET"]),
        # Alertmanager cannot sign, so with signatures for Grafana it needs a way of its own.
        ({"WEBHOOK_AUTH": "hmac", "WEBHOOK_HMAC_SECRET": "s"}, ["WEBHOOK_AUTH_ALERTMANAGER"]),
        (
            {"WEBHOOK_AUTH_ALERTMANAGER": "hmac", "WEBHOOK_HMAC_SECRET": "s"},
            ["WEBHOOK_AUTH_ALERTMANAGER"],
        ),
        (
            {
                "WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "basic", "WEBHOOK_TOKEN": None,
            },
            ["WEBHOOK_HMAC_SECRET", "WEBHOOK_BASIC_USER", "WEBHOOK_BASIC_PASSWORD"],
        ),
    ],
)  # fmt: skip
def test_the_credentials_of_the_chosen_ways_are_needed(changes: dict[str, str | None], names: list[str]) -> None:
    assert [problem.split(" ")[0] for problem in problems(changes)] == names


def test_a_token_that_is_not_ascii_is_good() -> None:
    assert read({"WEBHOOK_TOKEN": "비밀-café"}).receiver.auth["grafana"] == Bearer(("비밀-café",))
    read({"WEBHOOK_TOKEN": b"caf\xe9".decode("utf-8", "surrogateescape")})


# Secrets

SECRETS: dict[str, str | None] = {
    "DB_PASSWORD": "hidden-1",
    "SLACK_BOT_TOKEN": "xoxb-hidden-2",
    "SLACK_SIGNING_SECRET": "hidden-3",
    "SLACK_APP_TOKEN": "xapp-hidden-4",
    "WEBHOOK_TOKEN": "hidden-5",
    "WEBHOOK_BASIC_USER": "grafana",
    "WEBHOOK_BASIC_PASSWORD": "hidden-6",
    "WEBHOOK_HMAC_SECRET": "hidden-7",
}


@pytest.mark.parametrize(
    "ways",
    [
        {"WEBHOOK_AUTH": "bearer"},
        {"WEBHOOK_AUTH": "basic"},
        {"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer"},
    ],
)
def test_no_secret_shows_in_the_settings(ways: dict[str, str]) -> None:
    settings = read({**SECRETS, **ways})
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "hidden" not in shown
        assert "#incidents" in shown


def test_no_secret_shows_in_the_message_of_wrong_settings() -> None:
    wrong = {
        **{name: f"hidden {value}" for name, value in SECRETS.items()},
        "WEBHOOK_BASIC_USER": "hidden:user",
        "WEBHOOK_AUTH": "basic",
        "DB_PORT": "x",
    }
    with pytest.raises(SettingsError) as caught:
        read(wrong)
    assert len(caught.value.problems) == 4
    assert "hidden" not in str(caught.value) + repr(caught.value)


# The sources whose lists are read


def test_without_addresses_no_list_is_read() -> None:
    assert read({"GRAFANA_TOKEN": "hidden", "ALERTMANAGER_TOKEN": "hidden"}).receiver.sources == ()


def test_each_source_has_its_addresses_and_credentials() -> None:
    grafana, alertmanager = read(
        {
            "GRAFANA_URL": "https://grafana.example/sub/",
            "GRAFANA_TOKEN": "hidden-grafana",
            "ALERTMANAGER_URL": "http://am-0.example:9093/, http://am-1.example:9093",
            "ALERTMANAGER_USER": "observer",
            "ALERTMANAGER_PASSWORD": "hidden-password",
        }
    ).receiver.sources
    assert (grafana.source, grafana.addresses) == ("grafana", ("https://grafana.example/sub",))
    assert grafana.authorization == "Bearer hidden-grafana"
    assert alertmanager.addresses == ("http://am-0.example:9093", "http://am-1.example:9093")
    assert alertmanager.authorization == "Basic b2JzZXJ2ZXI6aGlkZGVuLXBhc3N3b3Jk"
    assert "hidden" not in repr((grafana, alertmanager))
    assert "aGlkZGVu" not in repr(alertmanager)
    (open_to_all,) = read({"ALERTMANAGER_URL": "http://am.example:9093"}).receiver.sources
    assert open_to_all.authorization == ""


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"GRAFANA_URL": "https://grafana.example"}, "GRAFANA_TOKEN"),
        ({"GRAFANA_URL": "grafana.example", "GRAFANA_TOKEN": "x"}, "GRAFANA_URL"),
        ({"GRAFANA_URL": "https://admin:hidden@grafana.example", "GRAFANA_TOKEN": "x"}, "GRAFANA_URL"),
        ({"ALERTMANAGER_URL": "http://am.example/?x=hidden"}, "ALERTMANAGER_URL"),
        ({"ALERTMANAGER_URL": "http://a.example," * 5}, "ALERTMANAGER_URL"),
        ({"ALERTMANAGER_URL": "http://am.example", "ALERTMANAGER_USER": "x"}, "ALERTMANAGER_PASSWORD"),
        (
            {"ALERTMANAGER_TOKEN": "hidden", "ALERTMANAGER_USER": "x", "ALERTMANAGER_PASSWORD": "hidden"},
            "ALERTMANAGER_TOKEN",
        ),
        ({"RECONCILE_CA_FILE": "/nowhere.pem"}, "RECONCILE_CA_FILE"),
        ({"RECONCILE_CA_FILE": __file__}, "RECONCILE_CA_FILE"),
    ],
)
def test_what_is_wrong_with_a_source_is_named_without_its_value(changes: dict[str, str], name: str) -> None:
    (problem,) = problems(changes)
    assert name in problem
    assert "hidden" not in problem


# The policy file


def policy_problems(tmp_path: Path, text: str | bytes) -> tuple[str, ...]:
    """What is wrong with a policy file, without the part that names the file."""
    path = tmp_path / "observer.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = problems({"OBSERVER_CONFIG": str(path)})
    start = f"OBSERVER_CONFIG ({path})"
    assert all(problem.startswith(start) for problem in found)
    return tuple(problem[len(start) :].lstrip(": ") for problem in found)


def test_every_wrong_key_of_the_policy_file_is_named(tmp_path: Path) -> None:
    text = """
        colour = "red"
        people = 7
        [incidents]
        reopen_window = 5
        refire_later = "1h"
        [labels]
        cluster = ["cluster", 1]
        [severity]
        default = "worst"
        fatal = ["boom"]
        [[routes]]
        match = { service = "checkout-(" }
        channel = "#payments"
        [[routes]]
        match = { service = "orders" }
        [[categories]]
        match = "orders"
        category = "shop"
    """
    found = policy_problems(tmp_path, text)
    expected = [
        "colour is not a known key",
        "refire_later is not a known key",
        'incidents.reopen_window must be a duration such as "30s"',
        "labels.cluster must be a text or a list of texts",
        "severity.default must be one of critical, high, warning, info, not 'worst'",
        "severity.fatal is not a known key",
        "routes[0].match.service is not a regular expression",
        "routes[1].channel must be a text",
        "categories[0].match must be a table",
        "people must be a table",
    ]
    assert len(found) == len(expected)
    for part in expected:
        assert sum(part in problem for problem in found) == 1, part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[incidents\n", "is not TOML"),
        ('[incidents]\nreopen_window = "1m"\nreopen_window = "2m"\n', "is not TOML"),
        (b'title = "\xff"\n', "is not TOML"),
    ],
)
def test_a_policy_file_that_is_no_toml_is_said_to_be_none(tmp_path: Path, text: str | bytes, expected: str) -> None:
    [problem] = policy_problems(tmp_path, text)
    assert expected in problem


def test_a_policy_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        [problem] = problems({"OBSERVER_CONFIG": str(path)})
        assert problem.startswith(f"OBSERVER_CONFIG names {path}, which cannot be read: ")


def test_the_policy_file_applies(tmp_path: Path) -> None:
    path = tmp_path / "observer.toml"
    path.write_text('[[routes]]\nmatch = { service = "orders-.*" }\nchannel = "#orders"\n', encoding="utf-8")
    policy = read({"OBSERVER_CONFIG": str(path)}).receiver.policy
    assert policy.channel({"service": "orders-api"}) == "#orders"
    assert policy.channel({"service": "checkout"}) == ""


def test_the_example_policy_file_is_good() -> None:
    read({"OBSERVER_CONFIG": str(CHECKOUT / "observer.example.toml")})
