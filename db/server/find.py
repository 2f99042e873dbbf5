"""Which MySQL or MariaDB server to run: one that is on this machine, or the distribution's packages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from db.server.errors import InstallFailed, NoServerFound
from db.server.machine import Machine
from db.server.packages import Report, Unpacked, can_unpack, silent, unpacked
from db.server.sources import Source, debian_suite, distribution_sources

Kind = Literal["any", "mariadb", "mysql", "mysql97"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Product = Literal["mariadb", "mysql"]

OLDEST: dict[Product, tuple[int, int]] = {"mariadb": (10, 11), "mysql": (8, 0)}


@dataclass(frozen=True, slots=True)
class Program:
    """A database server that can be run: `command` starts it, `root` is the folder of its packages, if unpacked."""

    product: Product
    version: str
    command: tuple[str, ...]
    installer: Path | None = None
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Packages that hold a server: under which name they are unpacked, what they are called, from which suite."""

    name: str
    wanted: tuple[str, ...]
    suite: str = ""


_MARIADB = _Recipe("mariadb", (r"mariadb-server-core",))
_OWN_MYSQL = _Recipe("mysql", (r"mysql-server-core(-[0-9.]+)?",))
_NEW_MYSQL = _Recipe("mysql97", (r"mysql-server-core",), "sid")

_RECIPES: dict[Kind, tuple[_Recipe, ...]] = {
    "any": (_MARIADB, _OWN_MYSQL),
    "mariadb": (_MARIADB,),
    "mysql": (_NEW_MYSQL, _OWN_MYSQL),
    "mysql97": (_NEW_MYSQL,),
}


def programs(kind: Kind, packages: Path, machine: Machine, report: Report = silent) -> Iterator[Program]:
    """Every server of this kind that can be had, best first; `packages` is where packages are unpacked, if need be.

    Ends by raising `NoServerFound`, so that the caller either uses one or shows why there is none.
    """
    reasons: list[str] = []
    if kind != "mysql97":
        for path in machine.programs("mariadbd", "mysqld"):
            found = identify((str(path),))
            if isinstance(found, str):
                reasons.append(f"{path}: {found}")
            elif kind in ("any", found.product):
                installer = machine.program("mariadb-install-db") if found.product == "mariadb" else None
                yield Program(found.product, found.version, found.command, installer)
    if can_unpack(machine):
        for recipe in _RECIPES[kind]:
            try:
                yield _from_packages(recipe, packages, machine, report)
            except InstallFailed as error:
                reasons.append(f"packages ({recipe.name}): {error}")
    raise NoServerFound(_advice(kind, machine, reasons))


def identify(command: tuple[str, ...]) -> Program | str:
    """What a server program is, by its own word; a reason in a few words when it cannot be used."""
    try:
        done = subprocess.run(  # noqa: S603 -- a database server found on this machine, asked for its version
            [*command, "--no-defaults", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run ({error})"
    match = re.search(r"Ver (?:5\.5\.5-)?((\d+)\.(\d+)\.\d+\S*)", done.stdout)
    if match is None:
        return f"did not tell its version (it ended with {done.returncode})"
    product: Product = "mariadb" if "MariaDB" in done.stdout else "mysql"
    if (int(match[2]), int(match[3])) < OLDEST[product]:
        return f"version {match[1]} is too old"
    return Program(product, match[1], command)


def _from_packages(recipe: _Recipe, packages: Path, machine: Machine, report: Report) -> Program:
    sources: list[Source] = debian_suite(machine, recipe.suite) if recipe.suite else distribution_sources(machine)
    if not sources:
        raise InstallFailed(f"this machine's apt configuration has no source for {recipe.suite or 'its distribution'}")
    folder: Unpacked = unpacked(packages, recipe.name, recipe.wanted, sources, machine, report)
    program = folder.program("usr/sbin/mariadbd", "usr/sbin/mysqld", "usr/bin/mysqld")
    if program is None:
        raise InstallFailed(f"the packages in {folder.root} hold no server")
    found = identify(tuple(folder.command(program)))
    if isinstance(found, str):
        raise InstallFailed(f"the server in {folder.root}: {found}")
    return Program(found.product, found.version, found.command, root=folder.root)


def _advice(kind: Kind, machine: Machine, reasons: list[str]) -> str:
    wanted = {"any": "MySQL or MariaDB", "mariadb": "MariaDB"}.get(kind, "MySQL")
    if machine.platform == "darwin":
        remedy = f"install one with `brew install {'mariadb' if kind == 'mariadb' else 'mysql'}`"
    elif kind == "mariadb":
        remedy = "install mariadb-server with this system's package manager"
    else:
        remedy = "install mysql-server (or mariadb-server) with this system's package manager"
    sentence = (
        f"No {wanted} server is on this machine: {remedy} (it need not be started), or name a server of yours with "
        "DB_HOST, DB_USER and DB_PASSWORD (for the tests: TEST_DB_URL=mysql://user:password@host:port/name)."
    )
    return "\n  - ".join([sentence, *reasons])
