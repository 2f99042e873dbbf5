"""A secret that may be exchanged while the program runs: read again as soon as its file changes."""

from __future__ import annotations

import logging
import threading

from db.env import Files, Marks, SecretError, read_secret

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
        self._files = Files((path,) if path else ())
        self._exchanged = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The text as it is now."""
        if self._path and self._files.news() is not None:
            with self._lock:
                if (marks := self._files.news()) is not None:
                    self._read(marks)
        return self._text

    def exchanged(self) -> int:
        """How often it has become another one since the start, by now."""
        self()
        return self._exchanged

    def _read(self, marks: Marks) -> None:
        text, said = "", "not a valid one"
        try:
            text = read_secret(self._path)
        except SecretError as error:
            said = str(error)
        except OSError as error:
            said = type(error).__name__
        if not self._files.take(marks):
            return  # written while it was read: the next look is worth it
        if not text.strip() or not text.startswith(self._prefix):
            # It counts as taken: the next look is worth it when the file changes again.
            _log.error("secret not read again, the earlier one stays", extra={"secret": self._name, "error": said})
        elif text != self._text:
            self._text = text
            self._exchanged += 1
            _log.info("secret read again", extra={"secret": self._name})
