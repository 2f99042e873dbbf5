"""A secret that may be exchanged while the program runs: read again as soon as its file changes."""

from __future__ import annotations

import logging
import threading

from db.env import file_mark, read_secret

_log = logging.getLogger(__name__)


class Secret:
    """A secret of Slack's, by the name of its variable; calling it gives the text as it is now.

    Without a `path` it stays as `given`. Otherwise a call costs one `stat`; a file that cannot be read, that is empty
    or that does not begin with `prefix` leaves the last good text in force. May be called by several threads.
    """

    def __init__(self, name: str, given: str, path: str = "", *, prefix: str = "") -> None:
        self._name = name
        self._text = given
        self._path = path
        self._prefix = prefix
        self._seen: object = None
        self._exchanged = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The text as it is now."""
        if self._path and (mark := file_mark(self._path)) != self._seen:
            with self._lock:
                if mark != self._seen:
                    self._seen = mark  # also when it cannot be read: the next look is worth it when it changes again
                    self._read()
        return self._text

    def exchanged(self) -> int:
        """How often it has become another one since the start, by now."""
        self()
        return self._exchanged

    def _read(self) -> None:
        try:
            text = read_secret(self._path)
        except OSError as error:
            _log.error(
                "secret not read again, the earlier one stays",
                extra={"secret": self._name, "error": type(error).__name__},
            )
            return
        if not text.strip() or not text.startswith(self._prefix):
            _log.error(
                "secret not read again, the earlier one stays", extra={"secret": self._name, "error": "not a valid one"}
            )
        elif text != self._text:
            self._text = text
            self._exchanged += 1
            _log.info("secret read again", extra={"secret": self._name})
