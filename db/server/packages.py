"""Debian and Ubuntu packages unpacked into a folder of ours: no root, nothing installed, no service started.

apt-get works with its own state, lists and cache below the folder; only the machine's mirror, keys and proxy settings
are taken over. A package's programs run with the dynamic loader and libraries that were unpacked beside them, so they
need not fit the machine's own C library.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.server.errors import InstallFailed
from db.server.machine import Machine
from db.server.sources import Source, deb822_file

Report = Callable[[str], None]

COMMAND_SECONDS = 900.0
_COMPLETE = "complete.json"
_SHOWN_LINES = 8


def silent(message: str) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A folder of unpacked packages."""

    root: Path

    def program(self, *places: str) -> Path | None:
        """The first of these paths inside the folder that exists."""
        return next((self.root / place for place in places if (self.root / place).is_file()), None)

    def command(self, program: Path) -> list[str]:
        """How to run one of the folder's programs: through its own loader, if the packages brought one."""
        machine = platform.machine()
        for folder in (
            f"usr/lib/{machine}-linux-gnu",
            f"lib/{machine}-linux-gnu",
            "usr/lib64",
            "lib64",
            "usr/lib",
            "lib",
        ):
            for loader in sorted((self.root / folder).glob("ld-linux*.so.*")):
                if loader.exists():  # lib64 may be a link that points outside the folder
                    libraries = (f"{self.root}/{part}lib/{machine}-linux-gnu" for part in ("usr/", ""))
                    return [str(loader), "--library-path", ":".join(libraries), str(program)]
        return [str(program)]


def can_unpack(machine: Machine) -> bool:
    """Whether the machine has the two programs that this needs."""
    return machine.program("apt-get") is not None and machine.program("dpkg-deb") is not None


def unpacked(
    folder: Path,
    name: str,
    wanted: Sequence[str],
    sources: Sequence[Source],
    machine: Machine,
    report: Report = silent,
) -> Unpacked:
    """The packages that match `wanted`, unpacked at `folder/name`; a folder that is complete already is used as it is.

    `wanted` are regular expressions for whole package names; of each, the first package that exists is taken (the
    highest version number in its name). Safe for several processes at once: one unpacks, the others wait.
    Raises `InstallFailed` with the last lines of the command that failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder.resolve() / name
    with file_lock(folder / f"{name}.lock"):
        if (target / _COMPLETE).is_file():
            return Unpacked(target)
        if target.exists():
            report(f"{target} was left half unpacked: starting again.")
            shutil.rmtree(target)
        if not sources:
            raise InstallFailed("this machine's apt configuration names no package source of its distribution")
        half = target.with_name(f"{name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        try:
            apt = _Apt(folder.resolve() / f"{name}.apt", sources, machine)
            try:
                report(f"Reading the package lists for {name} ...")
                apt.update()
                packages = [apt.choose(pattern) for pattern in wanted]
                report(f"Downloading {', '.join(packages)} and what they need (no root, nothing is installed) ...")
                for archive in apt.download(packages):
                    apt.unpack(archive, half)
            finally:
                apt.remove()
            (half / _COMPLETE).write_text(json.dumps({"packages": packages}), "utf-8")
            half.rename(target)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    return Unpacked(target)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Wait for, and hold, the lock that `path` stands for; the system drops it when its holder dies."""
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Apt:
    """apt-get with a state of its own; every command is tried twice, because mirrors drop connections."""

    def __init__(self, folder: Path, sources: Sequence[Source], machine: Machine) -> None:
        apt_get, dpkg_deb = machine.program("apt-get"), machine.program("dpkg-deb")
        if apt_get is None or dpkg_deb is None:
            raise InstallFailed("apt-get and dpkg-deb are not on this machine")
        self._folder = folder
        self._apt_get = str(apt_get)
        self._apt_cache = str(machine.program("apt-cache") or apt_get.with_name("apt-cache"))
        self._dpkg_deb = str(dpkg_deb)
        self.remove()
        for part in ("state/lists/partial", "cache/archives/partial", "sources"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources" / "distribution.sources").write_text(deb822_file(sources), "utf-8")
        (folder / "apt.conf").write_text(self._configuration(), "utf-8")

    def _configuration(self) -> str:
        """Read by apt after the machine's own configuration, of which the proxy settings are kept."""
        folder = self._folder
        settings = {
            "Dir::State": f"{folder}/state",
            "Dir::State::lists": f"{folder}/state/lists",
            "Dir::State::status": f"{folder}/status",
            "Dir::Cache": f"{folder}/cache",
            "Dir::Cache::archives": f"{folder}/cache/archives",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": f"{folder}/sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Log": f"{folder}/cache",
            "APT::Default-Release": "",
            "APT::Install-Recommends": "false",
            "APT::Get::Assume-Yes": "true",
            "APT::Keep-Downloaded-Packages": "true",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
        }
        if os.geteuid() == 0:
            # apt's download user could not write into a folder that belongs to root
            settings["APT::Sandbox::User"] = "root"
        hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
        # the machine's hooks clean its own caches or wake its desktop: neither is our business
        cleared = [
            f"#clear {hook};" for hook in (*hooks, "DPkg::Pre-Invoke", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs")
        ]
        return "\n".join([*cleared, *(f'{name} "{value}";' for name, value in settings.items())]) + "\n"

    def update(self) -> None:
        self._twice(
            [self._apt_get, f"-c={self._folder}/apt.conf", "-qq", "-o", "APT::Update::Error-Mode=any", "update"]
        )

    def choose(self, pattern: str) -> str:
        """The package whose whole name matches; of several the one with the highest number."""
        listing = self._run([self._apt_cache, f"-c={self._folder}/apt.conf", "pkgnames", pattern.split("(")[0]])
        names = [name for name in listing.split() if re.fullmatch(pattern, name)]
        if not names:
            raise InstallFailed(f"this machine's distribution has no package {pattern.split('(')[0]}")
        return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)] or [1_000_000])

    def download(self, packages: Sequence[str]) -> list[Path]:
        self._twice([self._apt_get, f"-c={self._folder}/apt.conf", "-qq", "--download-only", "install", *packages])
        return sorted((self._folder / "cache" / "archives").glob("*.deb"))

    def unpack(self, archive: Path, target: Path) -> None:
        self._run([self._dpkg_deb, "-x", str(archive), str(target)])

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _twice(self, command: list[str]) -> None:
        try:
            self._run(command)
        except InstallFailed:
            self._run(command)

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(  # noqa: S603 -- the machine's own package tools, with arguments of ours
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_SECONDS,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise InstallFailed(f"`{command[0]}` did not end within {COMMAND_SECONDS:.0f} s") from None
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:]
            shown = "".join(f"\n    {line}" for line in lines)
            raise InstallFailed(f"`{' '.join(command)}` ended with {done.returncode}:{shown}")
        return done.stdout
