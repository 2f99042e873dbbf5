"""Programs of unpacked packages as a folder for a PATH: each runs with the libraries of its own package."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from db.server.errors import InstallFailed
from db.server.packages import Unpacked, file_lock

_FOLDERS = ("usr/bin", "bin", "usr/sbin", "sbin")


def tools(folder: Unpacked, programs: Sequence[str], scripts: Sequence[str] = ()) -> Path:
    """The folder, made once. `scripts` are linked as they are. Raises `InstallFailed` when the packages lack one."""
    made = folder.root / "tools"
    with file_lock(folder.root / "tools.lock"):
        if made.is_dir():
            return made
        half = made.with_name("tools.half")
        shutil.rmtree(half, ignore_errors=True)
        (half / "loader").mkdir(parents=True)
        for name in (*scripts, *programs):
            program = folder.program(*(f"{place}/{name}" for place in _FOLDERS))
            if program is None:
                raise InstallFailed(f"the packages in {folder.root} hold no {name}")
            if name in scripts:
                (half / name).symlink_to(program)
                continue
            first, *rest = folder.command(program)
            if rest:  # the system names a process after the file it runs, and others look for it by that name
                (half / "loader" / name).symlink_to(first)
                first = str(made / "loader" / name)
            (half / name).write_text(f'#!/bin/sh\nexec {shlex.join([first, *rest])} "$@"\n', "utf-8")
            (half / name).chmod(0o755)
        half.rename(made)
    return made
