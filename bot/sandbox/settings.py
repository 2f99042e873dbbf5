"""What can be chosen when the sandbox starts."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

DEFAULT_PORT = 8010
DEFAULT_TOKEN = "xoxb-sandbox"  # noqa: S105  # opens nothing but this sandbox
DEFAULT_SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105
DEFAULT_APP_URL = "http://127.0.0.1:8000/slack/events"
DEFAULT_CHANNELS = ("incidents", "random")
DEFAULT_COMMANDS = ("/incident",)
COMMAND_FORMS = {
    "/incident": ("list", "NUMBER", "ack NUMBER", "resolve NUMBER", "help"),
}
"""What can follow a command, as `usage_hint` in the app's manifest says; words in capitals stand for something."""

DEFAULT_SCOPES = (
    "chat:write",
    "commands",
    "users:read",
    "usergroups:read",
    "channels:history",
    "groups:history",
    "chat:write.public",
    "pins:write",
    "reactions:write",
    "links:read",
    "links:write",
    "channels:read",
    "groups:read",
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works in this workspace: a role, not a person."""

    id: str
    name: str
    real_name: str
    locale: str
    tz: str = "UTC"


DEFAULT_PEOPLE = (
    Person("U001", "oncall", "On-call engineer", "en-US", "Asia/Seoul"),
    Person("U002", "backup", "Backup engineer", "en-US", "Asia/Seoul"),
    Person("U003", "lead", "Team lead", "en-US", "America/New_York"),
)


class WrongSettings(ValueError):
    """The sandbox cannot start like this; the message says why."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """All choices, with the defaults that fit a laptop; times are in seconds."""

    app_url: str = DEFAULT_APP_URL
    signing_secret: str = DEFAULT_SIGNING_SECRET
    token: str = DEFAULT_TOKEN
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    allow_remote: bool = False
    """Listen on, and answer, more than loopback: only for containers whose network is closed."""
    channels: tuple[str, ...] = DEFAULT_CHANNELS
    people: tuple[Person, ...] = DEFAULT_PEOPLE
    commands: tuple[str, ...] = DEFAULT_COMMANDS
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    app_name: str = "Observer"
    pace: bool = True
    deduplicate_client_msg_id: bool = False
    answer_within: float = 3.0
    trigger_lifetime: float = 3.0
    event_retry_delays: tuple[float, ...] = (1.0, 60.0, 300.0)
    response_url_lifetime: float = 1800.0
    response_url_uses: int = 5
    messages_per_channel: int = 2000
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        if not self.allow_remote and not is_loopback(self.host):
            raise WrongSettings(
                f"the sandbox has no log-in and listens on loopback only; {self.host!r} is not loopback"
                " (--allow-remote if the network around it is closed)"
            )
        check_app_url(self.app_url)
        if not self.signing_secret or not self.token:
            raise WrongSettings("the signing secret and the token must not be empty")

    def with_locale(self, locale: str) -> SandboxSettings:
        """The same, with everybody speaking this."""
        return replace(self, people=tuple(replace(person, locale=locale) for person in self.people))

    def with_channels(self, names: tuple[str, ...]) -> SandboxSettings:
        """The same, with these channels too."""
        return replace(self, channels=tuple(dict.fromkeys((*self.channels, *(name.lstrip("#") for name in names)))))


def check_app_url(url: str) -> str:
    """The address if deliveries can go there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongSettings(f"the app's address must begin with http:// or https://, not {url!r}")
    return url


def is_loopback(host: str) -> bool:
    """Whether this name or address never leaves the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
