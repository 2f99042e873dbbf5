"""Runs one program and ends it when whoever asked for it is gone, however that one ended.

    python watch.py GRACE_SECONDS PID_FILE|- PROGRAM [ARGUMENT ...]

Standard input is a pipe from the parent that nobody writes to: when the parent ends, even by SIGKILL, the system closes
it, and the program gets SIGTERM and, `GRACE_SECONDS` later, SIGKILL. SIGTERM to this process does the same. Should this
process itself be killed, Linux kills the program at once. Uses the standard library only and is started by its path,
so that it is ready in a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

_NOT_FOUND = 127
_PR_SET_PDEATHSIG = 1


def watched(command: Sequence[str], *, grace: float = 10.0, pid_file: Path | None = None) -> list[str]:
    """The command that runs `command` under this watch; start it with a pipe as its standard input.

    `grace` is in seconds. `pid_file` is written as soon as the program runs and removed when it has ended.
    """
    return [sys.executable, "-I", "-S", __file__, str(grace), str(pid_file or "-"), *command]


def main(arguments: Sequence[str]) -> int:
    """Run the program to its end; its exit code, or 128 plus the number of the signal that ended it."""
    grace, pid_file, command = float(arguments[0]), arguments[1], list(arguments[2:])
    try:
        program = subprocess.Popen(  # noqa: S603 -- running a given program is this module's purpose
            command,
            stdin=subprocess.DEVNULL,
            process_group=0,  # so that whatever it started can be swept with it
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]} could not be started: {error.strerror}\n")
        return _NOT_FOUND
    if pid_file != "-":
        written = Path(f"{pid_file}.new")
        written.write_text(f"{program.pid}\n", "ascii")
        written.rename(pid_file)

    def end(signal_number: int = 0, frame: FrameType | None = None) -> None:
        threading.Thread(target=_end, args=(program, grace), daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which decides about the order
    threading.Thread(target=_wait_for_parent, args=(end,), daemon=True).start()
    code = program.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    if pid_file != "-":
        Path(pid_file).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def _wait_for_parent(end: Callable[[], None]) -> None:
    while os.read(0, 4096):
        pass
    end()


def _end(program: subprocess.Popen[bytes], grace: float) -> None:
    program.terminate()
    try:
        program.wait(grace)
    except subprocess.TimeoutExpired:
        program.kill()


def _die_with_parent() -> None:
    import ctypes  # only in the child, and only on Linux

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
