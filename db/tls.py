"""Encryption of the connections to the database: whether, and how sure to be of the server."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from db.env import Env

WAYS = ("auto", "off", "on", "verify")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """`auto`: off on loopback unless the server insists, elsewhere encrypted if the server can; `on`: always, without
    checking who the server is; `verify`: always, and its certificate must come from `ca` (else from one the system
    trusts) and name the host."""

    way: str = "auto"
    ca: str = ""  # paths of PEM files
    certificate: str = ""
    key: str = ""

    @classmethod
    def from_env(cls, env: Env) -> TlsSettings:
        """Read `DB_TLS DB_TLS_CA DB_TLS_CERT DB_TLS_KEY`; problems are left in `env.problems`."""
        found = cls(
            way=env.choice("DB_TLS", "auto", WAYS),
            ca=env.text("DB_TLS_CA"),
            certificate=env.text("DB_TLS_CERT"),
            key=env.text("DB_TLS_KEY"),
        )
        if found.ca and found.way != "verify":
            env.problems.append("DB_TLS_CA is set, but only DB_TLS=verify checks the server by it.")
        if bool(found.certificate) != bool(found.key):
            env.problems.append("DB_TLS_CERT and DB_TLS_KEY belong together: set both or none.")
        if found.certificate and found.way not in ("on", "verify"):
            env.problems.append("DB_TLS_CERT is set, but only DB_TLS=on or DB_TLS=verify uses it.")
        found._try_files(env)
        return found

    def _try_files(self, env: Env) -> None:
        """Say now what is wrong with the files, and not at the first connection."""
        for name, path in (("DB_TLS_CA", self.ca), ("DB_TLS_CERT", self.certificate), ("DB_TLS_KEY", self.key)):
            if path and not Path(path).is_file():
                env.problems.append(f"{name} names {path}, which is no file.")
                return
        try:
            if self.ca:
                ssl.create_default_context(cafile=self.ca)
        except (ssl.SSLError, OSError):
            env.problems.append(f"DB_TLS_CA names {self.ca}, which has no certificate in PEM form.")
        try:
            if self.certificate and self.key:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError):
            env.problems.append("DB_TLS_CERT and DB_TLS_KEY do not hold a certificate and its key in PEM form.")

    def for_hosts(self, hosts: tuple[str, ...]) -> dict[str, object]:
        """The driver's arguments for these hosts; on loopback encryption protects nothing.

        One context serves all connections, because making one costs 40 ms.

        Raises `OSError` and `ssl.SSLError` for files that are not what they should be.
        """
        if self.way == "off" or self.is_waived_for(hosts):
            return {"ssl_disabled": True}
        if self.way == "auto":
            return {"ssl_disabled": False}  # the driver's own way: TLS if the server offers it
        return {"ssl": self.context()}  # the driver then refuses a server that does not encrypt

    def is_waived_for(self, hosts: tuple[str, ...]) -> bool:
        """Whether encryption is left out only because nobody is in between: a server that insists gets it."""
        return self.way == "auto" and all(host in LOOPBACK for host in hosts)

    def context(self) -> ssl.SSLContext:
        """How to encrypt, and how sure to be of the server."""
        context = ssl.create_default_context(cafile=self.ca or None)
        # Certificates that servers make for themselves lack what the strict reading of the standard wants.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.way != "verify":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context
