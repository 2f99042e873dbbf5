"""The command line of the record: finds the command, runs it, and names what is wrong in one message."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from db.commands import check, replay, schema, tidy, verify_audit
from db.commands.context import CommandError, Context
from db.env import SettingsError, read_env_file
from db.errors import RecordError
from db.printable import printable
from db.replay.reading import ReadStored


def run(
    arguments: Sequence[str] | None,
    *,
    env: Mapping[str, str],
    clock: Callable[[], datetime],
    read: ReadStored,
    env_file: Path | None = None,
) -> int:
    """Run one command; the exit status: 0 done, 1 not possible or something found, 2 wrong settings.

    Settings in the `env_file` count where `env` has none of that name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m db",
        description="Look after Observer's record: the database that DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and "
        "DB_NAME name, in the environment or in the file .env of this folder. `python -m db COMMAND --help` says more "
        "of each.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (schema, check, tidy, replay, verify_audit):
        module.add(commands)
    parsed = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace, Context], int] = parsed.run
    try:
        settings = {**read_env_file(env_file), **env} if env_file else env
        return command(parsed, Context(settings, clock, read, sys.stdout))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except RecordError as error:
        print(printable(f"{type(error).__name__}: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; what was committed stays, and the command can be run again.", file=sys.stderr)
        return 130
