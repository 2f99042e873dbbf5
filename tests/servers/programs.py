"""What some tests drive, a browser, Alertmanager, Galera, curl: found on this machine, or fetched from its packages.

`make test` runs this module first, so that a download is seen and not taken for a test that hangs. A program that
cannot be had skips its tests with a sentence; with CI=true it fails them, so that nothing is lost in silence.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from db.server.errors import InstallFailed
from db.server.machine import Machine
from db.server.packages import Report, can_unpack, file_lock, silent, unpacked
from db.server.sources import distribution_sources
from tests.servers.database import run_dir
from tests.servers.galera import find_galera
from tests.servers.tools import tools

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC_BROWSERS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
_BROWSER_PACKAGES = ("chromium", "fonts-noto-cjk", "fonts-noto-color-emoji")  # Korean and emoji are looked at
_ALERTMANAGERS = ("prometheus-alertmanager", "alertmanager")
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_TEMPLATES_BELOW = b"usr//share/prometheus/alertmanager"  # as long, and seen from the folder of the package
_INSTALL_SECONDS = 900.0

Find = Callable[[Mapping[str, str], Machine], Path]


class ProgramMissing(Exception):
    """A program that tests need is not here and cannot be fetched; the message says what to do."""


def chromium_path() -> Path:
    """The browser for a test; skips the test when there is none, or fails it with CI=true."""
    return _for_a_test(find_chromium)


def alertmanager_path() -> Path:
    """The Alertmanager for a test; skips the test when there is none, or fails it with CI=true."""
    return _for_a_test(find_alertmanager)


def curl_path() -> Path:
    """curl for a test; skips the test when there is none, or fails it with CI=true."""
    return _for_a_test(find_curl)


def find_chromium(env: Mapping[str, str], machine: Machine, report: Report = silent) -> Path:
    """Chromium or Chrome on the PATH, else Debian's package installed, if that needs no password."""
    found = _browser(machine)
    if found is not None:
        return found
    advice = "install Chromium (Debian: apt install chromium; macOS: brew install --cask chromium)"
    if machine.release().get("ID") != "debian":  # Ubuntu's package of that name is a snap, which needs its daemon
        raise ProgramMissing(f"No browser is on this machine for the browser tests: {advice}.")
    apt_get, sudo = machine.program("apt-get"), machine.program("sudo")
    right = [] if os.geteuid() == 0 else [str(sudo), "-n"] if sudo and _works([str(sudo), "-n", "true"]) else None
    if apt_get is None or right is None:
        raise ProgramMissing(f"No browser is on this machine, and installing one needs root: {advice}.")
    folder = run_dir(env)
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "chromium.lock"):
        found = _browser(machine)  # another run may have been first
        if found is None:
            report(f"Installing {', '.join(_BROWSER_PACKAGES)} with apt-get for the browser tests ...")
            quiet = ["env", "DEBIAN_FRONTEND=noninteractive", str(apt_get), "-qq", "-o", "DPkg::Lock::Timeout=300"]
            for command in (["update"], ["install", "-y", "--no-install-recommends", *_BROWSER_PACKAGES]):
                problem = _problem([*right, *quiet, *command])
                if problem and command[0] == "install":
                    raise ProgramMissing(f"Chromium could not be installed; {advice}.{problem}")
            found = _browser(machine)
    if found is None:
        raise ProgramMissing(f"No browser is on this machine for the browser tests: {advice}.")
    return found


def find_alertmanager(env: Mapping[str, str], machine: Machine, report: Report = silent) -> Path:
    """Alertmanager on the PATH, else its package unpacked below RUN_DIR: no root, and no service is started."""
    found = machine.program(*_ALERTMANAGERS)
    if found is not None:
        return found
    advice = "install Alertmanager and put it on the PATH (Debian: apt install prometheus-alertmanager)"
    if not can_unpack(machine):
        raise ProgramMissing(f"No Alertmanager is on this machine: {advice}.")
    try:
        folder = unpacked(
            run_dir(env) / "packages",
            "alertmanager",
            ["prometheus-alertmanager"],
            distribution_sources(machine),
            machine,
            report,
        )
    except InstallFailed as error:
        raise ProgramMissing(f"No Alertmanager could be fetched: {advice}. {error}") from error
    # of this machine's own release, so it runs with this machine's own libraries
    program = folder.program("usr/bin/prometheus-alertmanager")
    if program is None or not _works([str(program), "--version"]):
        raise ProgramMissing(f"The Alertmanager below {folder.root} does not run: {advice}.")
    return _at_home(program)


def find_curl(env: Mapping[str, str], machine: Machine, report: Report = silent) -> Path:
    """curl on the PATH, else its package unpacked below RUN_DIR."""
    found = machine.program("curl")
    if found is not None:
        return found
    if not can_unpack(machine):
        raise ProgramMissing("No curl is on this machine: install it.")
    try:
        sources = distribution_sources(machine)
        return tools(unpacked(run_dir(env) / "packages", "curl", ["curl"], sources, machine, report), ["curl"]) / "curl"
    except InstallFailed as error:
        raise ProgramMissing(f"No curl could be fetched: install it. {error}") from error


def _at_home(program: Path) -> Path:
    """A copy of an unpacked Alertmanager that finds its templates when it is started in the folder of the package.

    Debian's reads them from a place where they are only when the package is installed, and does not start without.
    """
    copy = program.with_name("alertmanager-unpacked")
    if not copy.exists():
        half = copy.with_name(f"{copy.name}.{os.getpid()}")
        half.write_bytes(program.read_bytes().replace(_TEMPLATES, _TEMPLATES_BELOW))
        half.chmod(0o755)
        half.rename(copy)
    return copy


def main(env: Mapping[str, str]) -> int:
    """Fetch them and tell where they are; 1 when one is missing and CI=true."""
    machine, missing = Machine.from_env(env), 0
    for find in (find_chromium, find_alertmanager, find_curl, _galera_library):
        try:
            print(find(env, machine, lambda text: print(text, flush=True)), flush=True)
        except (ProgramMissing, InstallFailed) as error:
            print(f"{error} Its tests are skipped.", file=sys.stderr, flush=True)
            missing += 1
    return 1 if missing and _is_ci(env) else 0


def missing(reason: str) -> NoReturn:
    """Skip the test that needs something which is not here, or fail it with CI=true."""
    if _is_ci(os.environ):
        pytest.fail(reason)
    pytest.skip(reason)


def _galera_library(env: Mapping[str, str], machine: Machine, report: Report) -> Path:
    return find_galera(env, machine, report).provider


def _for_a_test(find: Find) -> Path:
    found = _searched_once(find)
    if isinstance(found, Path):
        return found
    missing(found)


@cache
def _searched_once(find: Find) -> Path | str:
    """Where the program is, or why there is none: a failed download is not tried again for every test."""
    try:
        return find(os.environ, Machine.from_env(os.environ))
    except ProgramMissing as error:
        return str(error)


def _is_ci(env: Mapping[str, str]) -> bool:
    return env.get("CI", "").lower() in ("1", "true")


def _browser(machine: Machine) -> Path | None:
    found = machine.program(*_BROWSERS)
    if found is None and machine.platform == "darwin":
        found = next((path for path in _MAC_BROWSERS if path.exists()), None)
    return found


def _works(command: list[str]) -> bool:
    return not _problem(command)


def _problem(command: list[str]) -> str:
    """Empty when the command succeeds, else its last lines."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"\n    {error}"
    if done.returncode == 0:
        return ""
    return (
        "".join(f"\n    {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-8:])
        or "\n    (no output)"
    )


if __name__ == "__main__":
    sys.exit(main(os.environ))
