"""The record's commands: `python -m db migrate`, `status` and `verify-audit`."""

from __future__ import annotations

import argparse
import os
import sys

from db.commands import verify_audit
from db.database import Database
from db.env import Env, SettingsError
from db.errors import RecordError
from db.migrate import SchemaState, migrate, schema_state
from db.settings import DatabaseSettings


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 not possible, 2 wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m db", description="Look after Observer's record.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the tables to the version of this program")
    commands.add_parser("status", help="compare the tables with this program, changing nothing")
    verify_audit.arguments(commands.add_parser(verify_audit.NAME, help=verify_audit.ABOUT))
    given = parser.parse_args(arguments)
    command = given.command
    try:
        env = Env(os.environ)
        settings = DatabaseSettings.from_env(env)
        env.finish()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    database = Database(settings, pool_size=1, statement_seconds=120, lock_seconds=30, patience_seconds=120)
    try:
        if command == verify_audit.NAME:
            return verify_audit.run(database, given)
        state = migrate(database) if command == "migrate" else schema_state(database)
    except RecordError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return _tell(state)


def _tell(state: SchemaState) -> int:
    print(state.problem or f"The schema has version {state.found}, which is the one of this program.")
    return 1 if state.problem else 0


if __name__ == "__main__":
    sys.exit(main())
