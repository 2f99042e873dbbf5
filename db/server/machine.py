"""What this machine offers: its programs and its package configuration, as a value that tests can replace."""

from __future__ import annotations

import glob
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SERVER_FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/opt/homebrew/opt/mysql/bin",
    "/opt/homebrew/opt/mysql@*/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/opt/homebrew/opt/mariadb@*/bin",
    "/usr/local/opt/mysql/bin",
    "/usr/local/opt/mysql@*/bin",
    "/usr/local/opt/mariadb/bin",
    "/usr/local/opt/mariadb@*/bin",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look for programs (`path`, then `more_folders`, which may be patterns) and for configuration (`etc`)."""

    path: str
    more_folders: tuple[str, ...] = SERVER_FOLDERS
    etc: Path = Path("/etc")
    platform: str = sys.platform

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Machine:
        """The machine as `env` (the process's environment) shows it."""
        return cls(path=env.get("PATH", os.defpath))

    def folders(self) -> Iterator[Path]:
        """Every folder that may hold a program, the PATH first."""
        for folder in self.path.split(os.pathsep):
            if folder:
                yield Path(folder)
        for pattern in self.more_folders:
            yield from (Path(found) for found in sorted(glob.glob(pattern), reverse=True))

    def programs(self, *names: str) -> Iterator[Path]:
        """Every executable file of one of these names, in the order in which a shell would find them."""
        for folder in self.folders():
            for name in names:
                candidate = folder / name
                if candidate.is_file() and os.access(candidate, os.X_OK):
                    yield candidate

    def program(self, *names: str) -> Path | None:
        """The first executable of one of these names, if there is one."""
        return next(self.programs(*names), None)

    def release(self) -> dict[str, str]:
        """The fields of `os-release` (ID, VERSION_CODENAME, ...); empty where there is none, as on macOS."""
        try:
            text = (self.etc / "os-release").read_text("utf-8", "replace")
        except OSError:
            return {}
        fields = {}
        for line in text.splitlines():
            name, separator, value = line.partition("=")
            if separator and not name.startswith("#"):
                fields[name.strip()] = " ".join(shlex.split(value))
        return fields
