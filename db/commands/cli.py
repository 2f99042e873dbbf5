"""The command line of the record: finds the command, runs it, and names what is wrong in one message."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from db.commands import check, replay, schema, tidy, verify_audit
from db.commands.context import CommandError, Context
from db.env import SettingsError
from db.errors import RecordError
from db.replay.reading import ReadStored


def run(
    arguments: Sequence[str] | None, *, env: Mapping[str, str], clock: Callable[[], datetime], read: ReadStored
) -> int:
    """Run one command; the exit status: 0 done, 1 not possible or something found, 2 wrong settings."""
    parser = argparse.ArgumentParser(
        prog="python -m db",
        description="Look after Observer's record: the database that DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and "
        "DB_NAME name. `python -m db COMMAND --help` says more of each.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (schema, check, tidy, replay, verify_audit):
        module.add(commands)
    parsed = parser.parse_args(arguments)
    context = Context(env, clock, read, sys.stdout)
    command: Callable[[argparse.Namespace, Context], int] = parsed.run
    try:
        return command(parsed, context)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    except RecordError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; what was committed stays, and the command can be run again.", file=sys.stderr)
        return 130
