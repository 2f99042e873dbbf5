"""What `make run` decides before it starts anything: addresses, secrets and the settings of each program."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db import env as env_files
from db.env import SettingsError

SANDBOX_TOKEN = "xoxb-sandbox"  # noqa: S105 -- opens nothing but the sandbox
WEBHOOK_TOKEN = "sandbox-webhook-token"  # noqa: S105 -- for the sandbox run on loopback only, and printed

_WEBHOOK_SECRETS = tuple(
    name + in_file
    for name in (
        "WEBHOOK_TOKEN", "WEBHOOK_TOKENS", "WEBHOOK_HMAC_SECRET", "WEBHOOK_HMAC_SECRETS", "WEBHOOK_BASIC_PASSWORD",
        "WEBHOOK_BASIC_USERS",
    )
    for in_file in ("", "_FILE")
)  # fmt: skip
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LaptopError(Exception):
    """`make run` cannot go on; the message is one clear sentence for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Laptop:
    """Where this run keeps its files, and where its programs listen."""

    run_dir: Path
    host: str
    port: int
    sandbox_port: int
    env: Mapping[str, str]

    @classmethod
    def from_env(cls, env: Mapping[str, str], checkout: Path) -> Laptop:
        """Read `RUN_DIR HOST PORT SANDBOX_PORT`; raises `LaptopError` for a port that is none."""
        return cls(
            run_dir=checkout / (env.get("RUN_DIR") or ".run"),
            host=env.get("HOST") or "127.0.0.1",
            port=_port(env, "PORT", 8000),
            sandbox_port=_port(env, "SANDBOX_PORT", 8010),
            env=env,
        )

    @property
    def own_database(self) -> bool:
        """Whether a private database server is ours to run."""
        return not self.env.get("DB_HOST")

    @property
    def own_slack(self) -> bool:
        """Whether the sandbox stands in for Slack."""
        return not self.env.get("SLACK_BOT_TOKEN") and not self.env.get("SLACK_BOT_TOKEN_FILE")

    @property
    def address(self) -> str:
        """Where the app is reached from this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def sandbox_address(self) -> str:
        """Where the sandbox's page is."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def state_file(self) -> Path:
        """Tells `make demo` and a second `make run` about this run."""
        return self.run_dir / "laptop.json"

    def app_env(self, signing_secret: str, database: Mapping[str, object] | None) -> dict[str, str]:
        """The app's environment: the given one, completed by our database's account and the sandbox's addresses."""
        env = {**self.env, "HOST": self.host, "PORT": str(self.port)}
        env["LOG_FORMAT"] = self.env.get("LOG_FORMAT") or "text"
        # desktops set LANGUAGE to a list such as "ko_KR:en" for other programs; its first language is what is meant
        language = self.env.get("LANGUAGE", "").lower()[:2]
        env["LANGUAGE"] = language if language in ("en", "ko") else ""
        if database is not None:
            env.pop("DB_PASSWORD_FILE", None)
            env |= {
                "DB_HOST": str(database["host"]),
                "DB_PORT": str(database["port"]),
                "DB_USER": str(database["user"]),
                "DB_PASSWORD": str(database["password"]),
                "DB_NAME": str(database["database"]),
            }
        if self.own_slack:
            env |= {
                "SLACK_BOT_TOKEN": SANDBOX_TOKEN,
                "SLACK_SIGNING_SECRET": signing_secret,
                "SLACK_CHANNEL": self.env.get("SLACK_CHANNEL") or "#incidents",
                "SLACK_API_URL": f"{self.sandbox_address}/api/",
            }
            for name in ("SLACK_APP_TOKEN", "SLACK_APP_TOKEN_FILE"):  # Socket Mode would reach for the real Slack
                env.pop(name, None)
            env.pop("SLACK_SIGNING_SECRET_FILE", None)
            if not any(self.env.get(name) for name in _WEBHOOK_SECRETS):
                if self.host not in _LOOPBACK:
                    raise LaptopError(
                        f"WEBHOOK_TOKEN is not set, and with HOST={self.host} others could reach the default one: "
                        "set WEBHOOK_TOKEN to a secret of yours."
                    )
                env["WEBHOOK_TOKEN"] = WEBHOOK_TOKEN
        return env


def read_env_file(file: Path) -> dict[str, str]:
    """The settings in a `.env` file; empty when there is none. Raises `LaptopError`."""
    try:
        return env_files.read_env_file(file)
    except SettingsError as error:
        raise LaptopError(" ".join(error.problems)) from None


def own_secrets(run_dir: Path) -> dict[str, str]:
    """The database's password and the sandbox's signing secret: random, made once, for their owner's eyes only."""
    file = run_dir / "secrets.json"
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    wanted = ("database_password", "signing_secret")
    kept = {name: str(known.get(name) or secrets.token_urlsafe(24)) for name in wanted}
    if kept != known:
        write_private(file, kept)
    return kept


def write_private(file: Path, content: object) -> None:
    """Write JSON that only its owner may read, completely or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(json.dumps(content, indent=2), "utf-8")
    new.rename(file)


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise LaptopError(f"{name} must be a port number from 1 to 65535, not {text!r}.")
    return int(text)
