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
    serve: Callable[[Mapping[str, str]], int] | None = None,
) -> int:
    """Run one command; the exit status: 0 done, 1 not possible or something found, 2 wrong settings.

    Settings in the `env_file` count where `env` has none of that name. With `serve` this is the command `observer`,
    which serves with these settings unless another command is given.
    """
    parser = _for_the_database() if serve is None else _for_everything()
    commands = parser.add_subparsers(dest="command", required=serve is None, metavar="COMMAND")
    if serve is not None:
        commands.add_parser("serve", help="run the program; the default")
    for module in (schema, check, tidy, replay, verify_audit):
        module.add(commands)
    parsed = parser.parse_args(arguments)
    try:
        settings = {**read_env_file(env_file), **env} if env_file else env
        if serve is not None and parsed.command in (None, "serve"):
            return serve(settings)
        command: Callable[[argparse.Namespace, Context], int] = parsed.run
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


def _for_the_database() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="python -m db",
        description="Look after Observer's database: DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME name it, in "
        "the environment or in the file .env of this folder. `python -m db COMMAND --help` says more of each.",
    )


def _for_everything() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="observer",
        description="Turn alerts of Grafana and Alertmanager into incidents that people handle in Slack. All settings "
        "are environment variables (DB_HOST, SLACK_BOT_TOKEN, WEBHOOK_TOKEN, ...) or lines of the file .env of this "
        "folder. Those that are missing or wrong are named at the start; .env.example lists them all.",
        epilog="For example: `observer` serves, `observer status` looks at the tables, `observer check --help` says "
        "more of a command.",
    )
