"""What is installed is known file by file: lock files fit pyproject.toml and are complete, and the image uses them."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ASKED = {
    "run": PROJECT["project"]["dependencies"],
    "dev": [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]],
    "wheel": [*PROJECT["dependency-groups"]["wheel"], *PROJECT["build-system"]["requires"]],
}
PRIVATE_PARTS = ("uvicorn", "httptools", "pymysql")
"""Packages whose private parts our guards rest on."""


def locked(name: str) -> dict[str, Requirement]:
    """The lines of a lock file by the packages' names."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    lines = re.sub(r"#.*", "", text.replace("\\\n", " ")).splitlines()
    found = [Requirement(line.partition("--hash")[0]) for line in lines if line.strip()]
    return {canonicalize_name(one.name): one for one in found}


def of(pin: Requirement) -> Version:
    """The version that a line names."""
    (only,) = pin.specifier
    assert only.operator == "==", pin
    return Version(only.version)


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_file_fits_what_pyproject_asks_for(name: str) -> None:
    pins = locked(name)
    for asked in map(Requirement, ASKED[name]):
        pin = pins.get(canonicalize_name(asked.name))
        assert pin is not None, f"`make lock`: {asked.name} is missing"
        assert of(pin) in asked.specifier, f"`make lock`: {asked} and {pin}"


@pytest.mark.parametrize("name", ASKED)
def test_every_file_of_a_lock_file_is_known_by_its_hash_and_no_address_is_named(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert "://" not in text
    entries = [entry for entry in re.split(r"(?m)^(?=\S)", text) if entry and not entry.startswith("#")]
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n", entry), entry
    assert len(entries) == len(locked(name))


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_file_is_complete(name: str) -> None:
    """It is installed without looking for what its packages need."""
    pins = locked(name)
    looked_at = 0
    for package, pin in pins.items():
        try:
            here = version(package)
        except PackageNotFoundError:
            assert pin.marker is not None, f"{pin} is not for this machine"
            continue
        if Version(here) != of(pin):
            continue  # of an environment that was made without the lock
        for needed in map(Requirement, requires(package) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                looked_at += 1
                found = pins.get(canonicalize_name(needed.name))
                assert found is not None, f"{package} needs {needed}"
                assert of(found) in needed.specifier, f"{package} needs {needed}, not {found}"
    assert looked_at > 0 or name == "wheel"


def test_what_runs_is_what_was_tested() -> None:
    run, dev, wheel = locked("run"), locked("dev"), locked("wheel")
    for pins in (run, wheel):
        assert {name: str(pin.specifier) for name, pin in pins.items()} == {
            name: str(dev[name].specifier) for name in pins
        }


def test_a_release_that_may_move_private_parts_is_looked_at_before_it_is_taken() -> None:
    asked = {one.name: one.specifier for one in map(Requirement, ASKED["run"])}
    for name in PRIVATE_PARTS:
        release = of(locked("run")[name])
        assert f"{release.major}.{release.minor + 1}" not in asked[name], name
        assert f"{release.major + 1}.0" not in asked[name], name
        assert SpecifierSet(f">={release.major}.{release.minor}").contains(version(name)), name


def test_the_image_takes_nothing_that_is_not_locked() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    base = re.findall(r"^ARG PYTHON=(\S+)$", text, re.MULTILINE)
    assert [re.fullmatch(r"python:3\.\d+\.\d+-slim@sha256:[0-9a-f]{64}", one) is not None for one in base] == [True]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON}"}
    installs = re.findall(r"pip install ([^&\n]+)", text)
    assert len(installs) == 3
    for one in installs:
        assert "--no-deps" in one
        assert "--require-hashes" in one or ("--no-index" in one and one.rstrip().endswith("/wheels/*.whl"))
    assert "python -m build" not in text, "it installs the build backend by itself"
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for part in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for source in part.split():
            assert f"!{source.split('/')[0]}" in ignored, f"{source} is not in the context"


def test_images_of_others_are_named_by_their_digest() -> None:
    services = yaml.safe_load((ROOT / "manifests" / "compose.yaml").read_text("utf-8"))["services"]
    for name, service in services.items():
        if "build" not in service:
            assert re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", service["image"]), name
