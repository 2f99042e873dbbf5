"""Where the database is, read from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from db.env import Env
from db.tls import TlsSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How to reach the MySQL or MariaDB server; the password is kept out of `repr`."""

    host: str
    port: int = 3306
    user: str = "observer"
    password: str = field(repr=False)
    name: str = "observer"
    tls: TlsSettings = field(default_factory=TlsSettings)

    @classmethod
    def from_env(cls, env: Env) -> DatabaseSettings:
        """Read `DB_HOST DB_PORT DB_USER DB_PASSWORD DB_NAME` and `DB_TLS...`; problems are left in `env.problems`."""
        return cls(
            host=env.required("DB_HOST", "the address of the MySQL or MariaDB server, for example 127.0.0.1"),
            port=env.integer("DB_PORT", 3306, 1, 65535),
            user=env.text("DB_USER", "observer"),
            password=env.secret("DB_PASSWORD", "the password of DB_USER; there is no default"),
            name=env.text("DB_NAME", "observer"),
            tls=TlsSettings.from_env(env),
        )
