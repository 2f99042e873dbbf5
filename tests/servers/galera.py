"""What a Galera node needs beside its server: the cluster's library, and the programs that copy one node to another.

They are this machine's when MariaDB is installed on it with all of them, else the distribution's packages unpacked
below RUN_DIR. From there they run with the libraries of their packages, whatever is installed beside them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.server.errors import InstallFailed
from db.server.machine import Machine
from db.server.packages import Report, can_unpack, silent, unpacked
from db.server.sources import distribution_sources
from tests.servers.database import run_dir
from tests.servers.tools import tools

_LIBRARIES = (
    "usr/lib/galera/libgalera_smm.so",
    "usr/lib64/galera-4/libgalera_smm.so",
    "usr/lib64/galera/libgalera_smm.so",
)
_SCRIPTS = ("wsrep_sst_rsync", "wsrep_sst_common")
_TOOLS = ("rsync", "my_print_defaults", "ss", "ps")
"""What those scripts call beside a shell's own tools."""


@dataclass(frozen=True, slots=True)
class Galera:
    """Where its parts are: `provider` is the library, `tools` the folder of programs if they are not on the PATH."""

    provider: Path
    tools: Path | None = None

    def path(self, path: str) -> str:
        """The PATH of a node's server, whose own is `path`."""
        return path if self.tools is None else os.pathsep.join((str(self.tools), path))


def find_galera(env: Mapping[str, str], machine: Machine, report: Report = silent) -> Galera:
    """Raises `InstallFailed` with what to do when the parts are not here and cannot be fetched."""
    provider = next((place for place in (Path("/", name) for name in _LIBRARIES) if place.is_file()), None)
    needed = ("mariadbd", *_SCRIPTS, *_TOOLS)
    if provider is not None and all(machine.program(name) for name in needed):
        return Galera(provider)
    if not can_unpack(machine):
        raise InstallFailed(
            "Galera's nodes need its library, rsync and mariadb-server's scripts (Debian: apt install mariadb-server)"
        )
    # mariadb-server brings all of it: it depends on the library and on what its scripts call
    folder = unpacked(
        run_dir(env) / "packages", "mariadb-server", ["mariadb-server"], distribution_sources(machine), machine, report
    )
    found = folder.program(*_LIBRARIES)
    if found is None:
        raise InstallFailed(f"the packages in {folder.root} hold no library of Galera")
    return Galera(found, tools(folder, _TOOLS, _SCRIPTS))
