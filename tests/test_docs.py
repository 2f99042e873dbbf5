"""What the documents say is there: links, commands, settings, policy keys, HTTP paths."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bot.app import COMMAND
from bot.grammar import Misunderstood, understand
from db.env import SettingsError
from db.model.policy import Policy
from db.model.sections import PolicyError
from receiver.__main__ import main
from receiver.app import Settings
from receiver.asgi import app as asgi_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("manifests/*/*.md"), *ROOT.glob("tests/*/*.md")])
LAPTOP = {"SANDBOX_PORT", "RUN_DIR"}  # read by `make run` alone

OPTION = re.compile(r"--[a-z-]+")
COMMAND_LINE = re.compile(r"(?:(?:^|[$&;] )(?:\S*/)?observer|python -m db) ([a-z-]+)((?: +[^#]*)?)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def code_in(page: Path) -> Iterator[str]:
    """Each line of the code blocks, and each piece of code inside a sentence."""
    text = text_of(page)
    for block in FENCE.findall(text):
        yield from block.splitlines()[1:-1]
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_to_a_heading_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", text_of(page))):
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), target
        assert not anchor or anchor in anchors_of(aim), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_row_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    cells = 0
    for line in FENCE.sub("", text_of(page)).splitlines():
        row = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not row or not cells or row == cells, line
        cells = row


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    readme = text_of(ROOT / "README.md")
    assert len(readme.splitlines()) <= 130
    for page in DOCS.glob("*.md"):
        assert f"](docs/{page.name})" in readme, page.name


def test_every_decision_is_in_the_list_and_says_what_was_decided_and_why() -> None:
    decisions = DOCS / "decisions"
    listed = re.findall(r"\]\((\d{3}-[a-z0-9-]+\.md)\)", text_of(decisions / "README.md"))
    assert listed == sorted(page.name for page in decisions.glob("[0-9]*.md"))
    for page in map(decisions.joinpath, listed):
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text_of(page), re.MULTILINE)
        assert parts in (["Decided", "Because"], ["Decided", "Because", "Rejected"]), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_that_is_shown_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in code_in(page):
        for word in make_words(code):
            name, is_variable, _ = word.partition("=")
            assert name in (make_variables() if is_variable else make_targets()), code
        for name, options in COMMAND_LINE.findall(code):
            help_text = observer_help(name, capsys)
            assert set(OPTION.findall(options)) <= set(OPTION.findall(help_text)), code
        for module in re.findall(r"python -m ((?:db|bot|receiver|tests|manifests)(?:\.\w+)*)", code):
            assert find_spec(module), code


def make_words(code: str) -> Iterator[str]:
    """What is given to `make` on a line of a shell."""
    if "make" not in code:
        return
    for command in re.split(r"&&|;", code.removeprefix("$ ")):
        words = shlex.split(command, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words[:1] == ["make"]:
            yield from words[1:]


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))


@cache
def make_variables() -> frozenset[str]:
    return settings_read() | LAPTOP | set(re.findall(r"^([A-Z_]+) \?=", text_of(ROOT / "Makefile"), re.MULTILINE))


def observer_help(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `observer NAME --help` prints; an unknown command fails."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    output = capsys.readouterr()
    assert ended.value.code == 0, output.err
    return output.out


def test_every_command_of_the_program_is_in_the_operations_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-command"])
    choices = capsys.readouterr().err.rpartition("choose from")[2]
    there = set(re.findall(r"[a-z][a-z-]+", choices))
    shown = re.findall(r"^\| .*?`observer ([a-z-]+)` \|", text_of(DOCS / "operations.md"), re.MULTILINE)
    assert set(shown) == there


def test_every_form_of_the_slash_command_that_is_shown_is_understood() -> None:
    shown = [code for page in PAGES for code in code_in(page) if code.split()[:1] == [COMMAND] and "..." not in code]
    assert f"{COMMAND} resolve 42 rolled back" in shown
    for code in shown:
        assert not isinstance(understand(code.removeprefix(COMMAND), COMMAND), Misunderstood), code


class Asked(dict[str, str]):
    """Settings that remember which names they were asked for."""

    def __init__(self, *values: dict[str, str]) -> None:
        super().__init__(pair for part in values for pair in part.items())
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


@cache
def settings_read() -> frozenset[str]:
    """The names of all settings that the program asks for, whatever the way of authentication."""
    given = {
        "GRAFANA_URL": "https://grafana.example.com",
        "ALERTMANAGER_URL": "https://alertmanager.example.com",
        "DB_TLS": "verify",
    }
    names: set[str] = set()
    for method in ("bearer", "basic", "hmac"):
        asked = Asked(given, {"WEBHOOK_AUTH": method})
        with pytest.raises(SettingsError):
            Settings.from_env(asked)
        names |= asked.names
    return frozenset(names)


def test_the_settings_in_the_code_in_the_example_and_in_the_docs_are_the_same() -> None:
    example = set(re.findall(r"^#? ?([A-Z_]+)=", text_of(ROOT / ".env.example"), re.MULTILINE))
    assert example - LAPTOP == settings_read()
    table = re.findall(r"^\| (`[A-Z].*?) \|", text_of(DOCS / "configuration.md"), re.MULTILINE)
    secrets = {name for name in settings_read() if name.endswith("_FILE") and name.removesuffix("_FILE") in example}
    assert set(re.findall(r"`([A-Z_]+)`", " ".join(table))) == settings_read() - secrets


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    own = settings_read() | LAPTOP
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for name in re.findall(
            r"`((?:DB|SLACK|WEBHOOK|GRAFANA|ALERTMANAGER|OBSERVER|RECONCILE)_[A-Z_]+)`", text_of(page)
        ):
            assert name in own, f"{page.name}: {name}"


def known_keys(document: dict[str, Any]) -> set[str]:
    """The keys that the policy reader names as known when it is given one that is not."""
    with pytest.raises(PolicyError) as wrong:
        Policy.parse(document)
    return {key for problem in wrong.value.problems for part in re.findall(r"known: ([^)]*)", problem)
            for key in part.split(", ")}  # fmt: skip


def policy_keys_in_code() -> set[str]:
    """Every `table.key` and `[[list]].key` that the policy file may have."""
    found = set()
    for table in known_keys({"no such table": {}}):
        single = known_keys({table: {"no such key": 1}})
        several = set() if single else known_keys({table: [{"no such key": 1}]})
        found |= {f"[{table}] {key}" for key in single} | {f"[[{table}]] {key}" for key in several}
    return found


def policy_keys_in_the_example() -> set[str]:
    text = text_of(ROOT / "observer.example.toml")
    document = tomllib.loads(re.sub(r"^# (?=\w+ = .*# example$)", "", text, flags=re.MULTILINE))
    found = set()
    for table, values in document.items():
        name = f"[[{table}]]" if isinstance(values, list) else f"[{table}]"
        for entry in values if isinstance(values, list) else [values]:
            found |= {f"{name} {key}" for key in entry}
    return found


def policy_keys_in_the_docs() -> set[str]:
    text = text_of(DOCS / "configuration.md")
    found = set()
    for section in re.split(r"^### ", text[text.index("## The policy file") :], flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        for keys in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
            found |= {f"{title} {key}" for key in re.findall(r"`(\w+)`", keys)}
    return found


def test_the_keys_of_the_policy_file_in_the_code_in_the_example_and_in_the_docs_are_the_same() -> None:
    optional = {"[[masks]] fields"}  # has no default that could be shown
    assert policy_keys_in_code() - policy_keys_in_the_example() <= optional
    assert policy_keys_in_the_example() <= policy_keys_in_code()
    assert policy_keys_in_the_docs() == policy_keys_in_code()


def test_every_http_path_of_the_program_is_in_the_operations_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_read():
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "DB_HOST": "127.0.0.1", "DB_PASSWORD": "x", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "x",
        "SLACK_CHANNEL": "#x", "WEBHOOK_TOKEN": "x",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    paths = {route.path.rstrip("/") for route in asgi_app().routes}  # type: ignore[attr-defined]
    assert paths == {"", "/health", "/ready", "/metrics", "/webhook/grafana", "/webhook/alertmanager", "/slack/events"}
    page = text_of(DOCS / "operations.md")
    assert all(f"{path}`" in page for path in paths if path), paths


def test_each_file_and_folder_that_a_page_names_exists() -> None:
    top = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")):
        for code in code_in(page):
            for path in re.findall(rf"^(?:{top})/[\w./-]*", code):
                made = path.startswith(("secrets/", "dist/"))
                assert made or (ROOT / path).exists(), f"{page.name}: {path}"
