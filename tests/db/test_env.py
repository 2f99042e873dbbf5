"""Settings: every problem is collected before anything fails, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.env import Env, SettingsError
from db.settings import DatabaseSettings


def test_a_setting_that_is_empty_counts_as_absent() -> None:
    env = Env({"A": "  ", "B": " text "})
    assert (env.text("A", "default"), env.text("B"), env.text("C")) == ("default", "text", "")
    assert env.problems == []


def test_what_is_required_says_why() -> None:
    env = Env({})
    assert env.required("A", "it is needed") == ""
    assert env.problems == ["A is not set: it is needed."]


@pytest.mark.parametrize(("text", "number"), [("", 5), ("1", 1), (" 10 ", 10), ("7", 7)])
def test_numbers_within_their_bounds_are_taken(text: str, number: int) -> None:
    env = Env({"A": text})
    assert (env.integer("A", 5, 1, 10), env.problems) == (number, [])


@pytest.mark.parametrize("text", ["0", "11", "-3", "1.5", "ten", "1e1"])
def test_other_numbers_are_named(text: str) -> None:
    env = Env({"A": text})
    assert env.integer("A", 5, 1, 10) == 5
    assert env.problems == [f"A must be a whole number from 1 to 10, not {text!r}."]


def test_choices_are_taken_in_any_case() -> None:
    env = Env({"A": "KO"})
    assert env.choice("A", "en", ("en", "ko")) == "ko"
    assert env.choice("B", "en", ("en", "ko")) == "en"
    assert env.problems == []
    assert Env({"A": "fr"}).choice("A", "en", ("en", "ko")) == "en"


def test_addresses_begin_as_addresses_do() -> None:
    env = Env({"A": "https://example.internal", "B": "example.internal", "C": "javascript:alert(1)"})
    assert env.url("A") == "https://example.internal"
    assert (env.url("B"), env.url("C")) == ("", "")
    assert len(env.problems) == 2


def test_all_problems_come_in_one_message() -> None:
    env = Env({"B": "x"})
    env.required("A", "it is needed")
    env.integer("B", 1, 1, 2)
    with pytest.raises(SettingsError) as caught:
        env.finish()
    assert str(caught.value) == (
        "Observer cannot start:\n  - A is not set: it is needed.\n  - B must be a whole number from 1 to 2, not 'x'."
    )


def test_without_problems_nothing_is_raised() -> None:
    Env({}).finish()


def test_the_names_and_defaults_of_the_database_settings() -> None:
    env = Env({"DB_HOST": "db.example.internal", "DB_PASSWORD": "very secret"})
    settings = DatabaseSettings.from_env(env)
    assert (settings.host, settings.port, settings.user, settings.name) == (
        "db.example.internal", 3306, "observer", "observer",
    )  # fmt: skip
    assert settings.password == "very secret"
    assert "very secret" not in repr(settings)
    assert env.problems == []


def test_there_is_no_default_password_and_no_default_host() -> None:
    env = Env({"DB_PORT": "70000"})
    DatabaseSettings.from_env(env)
    assert [problem.split()[0] for problem in env.problems] == ["DB_HOST", "DB_PORT", "DB_PASSWORD"]


# Secrets


def test_a_secret_is_read_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes("  pass word비밀 \r\n\n".encode())
    env = Env({"A": " text ", "B_FILE": str(file)})
    assert (env.secret("A"), env.secret("B"), env.secret("C")) == ("text", "  pass word비밀 ", "")
    assert env.secret_file("B") == str(file)
    assert env.problems == []


def test_a_secret_that_is_needed_says_why() -> None:
    env = Env({})
    env.secret("A", "it is needed")
    assert env.problems == ["A is not set: it is needed."]


def test_both_ways_at_once_and_files_that_cannot_be_read_are_named_without_their_path(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    env = Env(
        {
            "A": "hidden",
            "A_FILE": str(tmp_path / "empty"),
            "B_FILE": "hidden-secret-where-a-path-belongs",
            "C_FILE": str(tmp_path / "empty"),
            "D_FILE": str(tmp_path / "large"),
            "E_FILE": str(tmp_path),
        }
    )
    for name in "ABCDE":
        env.secret(name, "it is needed")
    assert env.problems == [
        "A and A_FILE are both set: set one of them.",
        "B_FILE names a file that cannot be read: No such file or directory.",
        "C_FILE names a file that is empty.",
        "D_FILE names a file that cannot be read: larger than a secret is.",
        "E_FILE names a file that cannot be read: Is a directory.",
    ]
    assert "hidden" not in repr(env.problems)
