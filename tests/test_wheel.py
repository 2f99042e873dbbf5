"""The wheel holds all that the program needs, and runs far away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.database import DbUrl

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed, without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    for command in (
        ["build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)],
        ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--target",
         str(folder / "site"), "--find-links", str(folder / "dist"), "incident-observer"],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def run(installed: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with the installed wheel before everything else, in a folder that is not the checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.parent, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **(env or {})},
    )  # fmt: skip


def test_the_code_comes_from_the_wheel_and_holds_its_data(installed: Path) -> None:
    done = run(
        installed, "-c",
        "import db, bot, receiver; from db.migrate import migrations; from db.queries import query;"
        "print(db.__file__); print(len(migrations()));"
        "print(query('incidents', 'lock_keys').about)",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, count, about = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert int(count) >= 1
    assert about
    for absent in ("tests", "manifests", "bot/sandbox", "db/server"):
        assert not (installed / absent).exists(), "what only laptops and tests run is no part of the product"


def test_its_commands_work_on_a_database(installed: Path, empty_url: DbUrl) -> None:
    done = run(installed, "-m", "db", "migrate", env=empty_url.env())
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(installed, "-m", "db", "status", env=empty_url.env()).returncode == 0


def test_every_module_of_it_can_be_imported(installed: Path) -> None:
    """Nothing that it holds rests on what was left out."""
    done = run(
        installed, "-c",
        "import pkgutil, importlib, bot, db, receiver\n"
        "for part in (bot, db, receiver):\n"
        "    for found in pkgutil.walk_packages(part.__path__, part.__name__ + '.'):\n"
        "        if not found.name.endswith('__main__') and found.name != 'receiver.asgi':\n"
        "            importlib.import_module(found.name)",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_start_without_settings_names_all_that_is_missing(installed: Path) -> None:
    done = run(installed, "-m", "receiver")
    assert done.returncode == 2
    for name in ("DB_HOST", "DB_PASSWORD", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CHANNEL", "WEBHOOK_TOKEN"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
