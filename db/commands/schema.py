"""`migrate` and `status`: the tables and the version of this program."""

from __future__ import annotations

import argparse

from db.commands.context import Context
from db.migrate import SchemaState, cannot_write, migrate, schema_state


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe them."""
    one = commands.add_parser("migrate", help="bring the tables to the version of this program")
    one.set_defaults(run=_migrate)
    one = commands.add_parser("status", help="compare the tables with this program, changing nothing")
    one.set_defaults(run=_status)


def _migrate(arguments: argparse.Namespace, context: Context) -> int:
    with context.open(context.settings()) as database:
        return _tell(migrate(database), context)


def _status(arguments: argparse.Namespace, context: Context) -> int:
    with context.open(context.settings()) as database:
        if reason := cannot_write(database):
            context.say(f"The database cannot be used: {reason}.")
            return 1
        return _tell(schema_state(database), context)


def _tell(state: SchemaState, context: Context) -> int:
    context.say(state.problem or f"Schema {state.found} is up to date.")
    return 1 if state.problem else 0
