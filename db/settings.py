"""Where the database is, read from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from db.env import Env
from db.hosts import Address, addresses
from db.tls import TlsSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How to reach the MySQL or MariaDB server; the password is kept out of `repr`.

    `host` may name several servers of one cluster, `db1,db2:3307`; `port` is that of the ones that name none.
    """

    host: str
    port: int = 3306
    user: str = "observer"
    password: str = field(repr=False)
    name: str = "observer"
    tls: TlsSettings = field(default_factory=TlsSettings)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The servers, the preferred one first. Raises `ValueError` for a text that is no list of addresses."""
        return addresses(self.host, self.port)

    @classmethod
    def from_env(cls, env: Env) -> DatabaseSettings:
        """Read `DB_HOST DB_PORT DB_USER DB_PASSWORD DB_NAME` and `DB_TLS...`; problems are left in `env.problems`."""
        host = env.required("DB_HOST", "the address of the MySQL or MariaDB server, for example 127.0.0.1")
        port = env.integer("DB_PORT", 3306, 1, 65535)
        try:
            if host:
                addresses(host, port)
        except ValueError as error:
            env.problems.append(f"DB_HOST is an address or a list such as db1,db2:3307: {error}.")
        return cls(
            host=host,
            port=port,
            user=env.text("DB_USER", "observer"),
            password=env.secret("DB_PASSWORD", "the password of DB_USER; there is no default"),
            name=env.text("DB_NAME", "observer"),
            tls=TlsSettings.from_env(env),
        )
