"""The container files agree with each other, and every setting of the code is documented in `.env.example`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

from receiver.sources import WEBHOOKS
from tests.servers.database import CHECKOUT

COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "manifests" / "compose.yaml").read_text("utf-8"))
SETTINGS = re.findall(r"^([A-Z_]+)=(.*)$", (CHECKOUT / ".env.example").read_text("utf-8"), re.MULTILINE)


def settings_in_code() -> set[str]:
    pattern = re.compile(r"""\benv\.(?:text|required|integer|choice|url)\(\s*"([A-Z_]+)\"""")
    files = [file for package in ("bot", "db", "receiver") for file in (CHECKOUT / package).rglob("*.py")]
    named = {name for file in files for name in pattern.findall(file.read_text("utf-8"))}
    return named | {row.auth_setting for row in WEBHOOKS.values() if row.auth_setting}


def test_every_setting_of_the_code_is_in_the_example() -> None:
    assert settings_in_code() <= {name for name, _ in SETTINGS}


def test_the_example_sets_nothing() -> None:
    assert [name for name, value in SETTINGS if value] == []
    assert len({name for name, _ in SETTINGS}) == len(SETTINGS)


def test_each_setting_of_the_example_is_explained() -> None:
    lines = (CHECKOUT / ".env.example").read_text("utf-8").splitlines()
    unexplained = [line for before, line in itertools.pairwise(lines) if "=" in line[:40] and before[:1] != "#"]
    assert [line for line in unexplained if not line.startswith("#")] == []


def test_compose_waits_for_the_database_and_listens_on_loopback_only() -> None:
    services = COMPOSE["services"]

    assert services["mysql"]["healthcheck"]["test"]
    first = {
        name: {other: how["condition"] for other, how in services[name]["depends_on"].items()}
        for name in ("accounts", "migrate", "grants", "observer")
    }
    assert first == {
        "accounts": {"mysql": "service_healthy"},
        "migrate": {"accounts": "service_completed_successfully"},
        "grants": {"migrate": "service_completed_successfully"},
        "observer": {"mysql": "service_healthy", "grants": "service_completed_successfully"},
    }
    assert services["mysql"]["image"].startswith("mysql:8.4.")
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


def test_the_image_does_not_run_as_root_and_checks_its_health() -> None:
    lines = (CHECKOUT / "Dockerfile").read_text("utf-8").splitlines()
    last_stage = lines[max(index for index, line in enumerate(lines) if line.startswith("FROM")) :]

    assert "USER 10001" in last_stage
    assert 'CMD ["observer"]' in last_stage
    assert any("/health" in line for line in last_stage)


def test_the_image_is_built_from_what_the_ignore_file_lets_through() -> None:
    let_through = {
        line[1:] for line in (CHECKOUT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (CHECKOUT / "Dockerfile").read_text("utf-8"), re.MULTILINE)

    assert {Path(name).parts[0] for line in copied for name in line.split()} == let_through
