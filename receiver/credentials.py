"""The webhooks' credentials: several at once, each with a name, read again when their files change.

A list of credentials is written `name=secret`, separated by commas in an environment variable and by line ends in a
file, where empty lines and lines that begin with `#` count for nothing. To exchange a secret, add a second line
with the same name, change the sender, remove the first: no request is lost, and nothing is restarted.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from db.env import Files, Marks, SecretError, has_controls, read_secret
from receiver.auth import AnyOf, Decision, WebhookAuth

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


class CredentialError(Exception):
    """A list of credentials is wrong; the message says where and never holds a secret."""


def parse_list(text: str, *, lines: bool) -> tuple[tuple[str, str], ...]:
    """The (name, secret) pairs of a list: of a file's `lines`, else of a text with commas. Raises `CredentialError`."""
    pairs = []
    what = "line" if lines else "entry"
    for number, entry in enumerate(text.splitlines() if lines else text.split(","), 1):
        stripped = entry.strip()
        if not stripped or (lines and stripped.startswith("#")):
            continue
        name, equals, secret = stripped.partition("=")
        name, secret = name.strip(), secret.strip()
        if not equals or not _NAME.fullmatch(name):
            raise CredentialError(
                f"{what} {number} must be name=secret, with a name of letters, digits, '.', '_', '@' and '-'"
            )
        if not secret:
            raise CredentialError(f"{what} {number} ({name}) has no secret")
        if has_controls(secret):
            raise CredentialError(f"{what} {number} ({name}) has control characters in it")
        pairs.append((name, secret))
    if not pairs:
        raise CredentialError("it names no credential")
    if len({secret for _, secret in pairs}) != len(pairs):
        raise CredentialError("a secret stands twice: the name of a request could not be told")
    return tuple(pairs)


@dataclass(slots=True)
class Watched:
    """Credentials in files, read again as soon as a file changes; what cannot be read leaves the last good ones.

    `build` makes the credentials from the texts of the files, by path; those in `lists` hold several, one per line.
    Looking costs one `stat` per file and request.
    """

    paths: tuple[str, ...]
    build: Callable[[Mapping[str, str]], WebhookAuth] = field(repr=False)
    lists: tuple[str, ...] = ()
    _files: Files = field(init=False, repr=False)
    _auth: WebhookAuth = field(init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        """Read them for the first time. Raises `OSError`, `ValueError` and `CredentialError`."""
        self._files = Files(self.paths)
        marks = self._files.marks()
        self._auth = self._read()
        self._files = Files(self.paths, marks)

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body."""
        return self._auth.signed

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""
        return self._auth.challenge

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """By the credentials as the files have them now."""
        return self._current().check(headers, body, now)

    def _current(self) -> WebhookAuth:
        if self._files.news() is not None:
            with self._lock:
                if (marks := self._files.news()) is not None:
                    self._take_over(marks)
        return self._auth

    def _take_over(self, marks: Marks) -> None:
        found: WebhookAuth | None = None
        said = ""
        try:
            found = self._read()
        except (OSError, ValueError, CredentialError) as error:
            # Never the message of a ValueError's cause: nothing of the contents reaches the log.
            said = str(error) if isinstance(error, CredentialError | SecretError) else type(error).__name__
        if not self._files.take(marks):
            return  # written while it was read: the next look is worth it
        if found is None:  # it counts as taken: the next look is worth it when the file changes again
            _log.error("credentials not read again, the earlier ones stay", extra={"files": self.paths, "error": said})
            return
        self._auth = found
        names = sorted({name for name, _ in found.members}) if isinstance(found, AnyOf) else []
        _log.info("credentials read again", extra={"files": self.paths, "names": names})

    def _read(self) -> WebhookAuth:
        return self.build({path: read_secret(path, lines=path in self.lists) for path in self.paths})
