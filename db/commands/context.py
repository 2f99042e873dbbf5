"""What commands share: settings, databases, the policy file, and how they say that something is wrong."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any

import orjson

from db.database import Database
from db.env import Env, SettingsError, read_toml
from db.migrate import schema_state
from db.model.policy import Policy
from db.model.sections import PolicyError
from db.printable import printable, printable_json
from db.replay.reading import ReadStored
from db.settings import DatabaseSettings


class CommandError(Exception):
    """The command cannot be done; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a command is given: the environment, the clock (UTC), and the readers of bodies."""

    env: Mapping[str, str]
    clock: Callable[[], datetime]
    read: ReadStored
    out: IO[str]

    def settings(self, prefix: str = "") -> DatabaseSettings:
        """Where the database is: `DB_HOST` ... , or with a prefix `REPLAY_DB_HOST` ... Raises `SettingsError`."""
        names = ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "DB_PASSWORD_FILE")
        values = {name: self.env.get(f"{prefix}{name}", "") for name in names} if prefix else self.env
        env = Env(values)
        settings = DatabaseSettings.from_env(env)
        if prefix:
            _raise_with(prefix, env)
        env.finish()
        return settings

    def open(self, settings: DatabaseSettings) -> AbstractContextManager[Database]:
        """A connection with the patience of a person who started a command."""
        return _opened(settings)

    def record(self) -> AbstractContextManager[Database]:
        """The record, with the tables of this program. Raises `CommandError` for other tables."""
        return _checked(self.settings())

    def policy(self, path: str | None) -> Policy:
        """The policy of this file, else of `OBSERVER_CONFIG`, else the defaults; with `SLACK_CHANNEL`."""
        name = path or self.env.get("OBSERVER_CONFIG", "").strip()
        policy = _read_policy(name) if name else Policy()
        return replace(policy, default_channel=self.env.get("SLACK_CHANNEL", "").strip())

    def say(self, text: str = "") -> None:
        """A line of the result; it stays one, and commands no terminal, whatever the record has in it."""
        print(printable(text), file=self.out)

    def say_json(self, value: Any) -> None:
        """The result as JSON."""
        print(printable_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()), file=self.out)

    def progress(self, text: str) -> None:
        """A line about work under way, apart from the result."""
        print(printable(text), file=sys.stderr, flush=True)


def _raise_with(prefix: str, env: Env) -> None:
    """Raise `SettingsError` whose sentences name the settings with their prefix."""
    if env.problems:
        raise SettingsError([prefix + problem.replace("of DB_", f"of {prefix}DB_") for problem in env.problems])


@contextmanager
def _opened(settings: DatabaseSettings) -> Iterator[Database]:
    database = Database(settings, pool_size=1, statement_seconds=120, lock_seconds=30, patience_seconds=120)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _checked(settings: DatabaseSettings) -> Iterator[Database]:
    with _opened(settings) as database:
        problem = schema_state(database).problem
        if problem:
            raise CommandError(f"The database cannot be used: {problem}.")
        yield database


def _read_policy(path: str) -> Policy:
    try:
        return Policy.parse(read_toml(path))
    except OSError as error:
        raise CommandError(f"The policy file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"The policy file {path} is not TOML: {error}.") from error
    except PolicyError as error:
        raise CommandError(f"The policy file {path}: " + "; ".join(error.problems) + ".") from error
