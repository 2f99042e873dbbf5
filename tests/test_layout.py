"""What is written down agrees with what is there: contracts, manifest, compose file, example policy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from bot.app import COMMAND
from bot.endpoint import PATH
from db.model.incident import Severity
from db.model.policy import Policy
from receiver.sources import WEBHOOKS

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = yaml.safe_load((ROOT / "slack_app_manifest.yaml").read_text("utf-8"))


SOURCES = [ROOT / part for part in ("bot/settings.py", "db/settings.py", "db/tls.py", "receiver/settings.py")]


def settings_in_code() -> set[str]:
    """The names of all settings that the program reads, without the files that secrets may be in."""
    pattern = re.compile(r'env\.(?:text|required|integer|choice|url|secret)\(\s*"([A-Z_]+)"')
    named = {name for source in SOURCES for name in pattern.findall(source.read_text("utf-8"))}
    return named | {row.auth_setting for row in WEBHOOKS.values() if row.auth_setting}


def secret_files_in_code() -> set[str]:
    """The names of the settings that say in which file a secret is."""
    pattern = re.compile(r'env\.secret\(\s*"([A-Z_]+)"')
    return {f"{name}_FILE" for source in SOURCES for name in pattern.findall(source.read_text("utf-8"))}


def test_the_import_contracts_hold() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_module_says_what_it_is_for() -> None:
    for part in ("bot", "db", "receiver", "manifests", "tests"):
        for source in (ROOT / part).rglob("*.py"):
            first = source.read_text("utf-8").lstrip()
            assert first.startswith('"""'), source


def test_compose_passes_every_setting_on_and_secrets_as_files_only() -> None:
    compose = yaml.safe_load((ROOT / "manifests" / "compose.yaml").read_text("utf-8"))
    passed = set(compose["services"]["observer"]["environment"])
    secrets = {name.removesuffix("_FILE") for name in secret_files_in_code()}
    assert settings_in_code() - secrets - passed == {"HOST", "PORT"}  # of the image
    assert secret_files_in_code() <= passed
    for name, service in compose["services"].items():
        for setting in service.get("environment", {}):
            assert setting not in secrets, f"{name}: whoever may ask Docker sees the environment"
            assert not re.search(r"(PASSWORD|TOKEN|SECRET)S?$", setting), f"{name} {setting}"
        assert "env_file" not in service


def test_the_manifest_has_the_command_and_the_address_of_the_code() -> None:
    (command,) = MANIFEST["features"]["slash_commands"]
    assert command["command"] == COMMAND
    assert command["should_escape"] is True
    assert command["url"].endswith(PATH)
    assert MANIFEST["settings"]["interactivity"]["request_url"].endswith(PATH)


def test_the_manifest_asks_for_the_scopes_of_the_methods_that_are_called() -> None:
    needed = {
        "auth.test": set(),
        "chat.postMessage": {"chat:write"},
        "chat.update": {"chat:write"},
        "chat.delete": {"chat:write"},
        "conversations.history": {"channels:history", "groups:history"},
        "conversations.info": {"channels:read", "groups:read"},
        "conversations.list": {"channels:read", "groups:read"},
        "conversations.replies": {"channels:history", "groups:history"},
        "views.open": set(),
    }
    called = set(re.findall(r'"([a-z]+\.[a-zA-Z]+)"', (ROOT / "bot" / "slack.py").read_text("utf-8")))
    assert called == set(needed)
    scopes = {scope for method in called for scope in needed[method]} | {"commands"}
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == scopes


def test_the_manifest_keeps_slacks_limits() -> None:
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140
    assert len(MANIFEST["features"]["bot_user"]["display_name"]) <= 80
    assert len(MANIFEST["features"]["slash_commands"][0]["usage_hint"]) <= 1000


def test_the_example_policy_is_read_and_its_values_are_the_defaults() -> None:
    text = (ROOT / "observer.example.toml").read_text("utf-8")
    policy, default = Policy.parse(tomllib.loads(text)), Policy()
    assert policy.reopen_window == default.reopen_window
    assert policy.refire_after == default.refire_after
    assert dict(policy.severity_words) == dict(default.severity_words)
    assert policy.default_severity is default.default_severity is Severity.WARNING
    people = ("may_act", "may_read", "share_anywhere", "external")
    for name in ("cluster_labels", "namespace_labels", "service_labels", "phase_labels", "severity_labels", *people):
        assert getattr(policy, name) == getattr(default, name)
    assert policy.heartbeats == default.heartbeats
    assert policy.pulling == default.pulling
    assert (policy.blind, policy.stale_after) == (default.blind, default.stale_after)
    assert policy.storm == default.storm
    assert [rule.name for rule in policy.groups] == ["groups[0]"]
    assert policy.retention == default.retention
    assert (policy.rates, policy.audit) == (default.rates, default.audit)
    assert [len(policy.masks.storage), len(policy.masks.slack)] == [1, 1]
    assert policy.refuge == default.refuge
    assert len(policy.routes) == 2
