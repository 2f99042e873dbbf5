"""A thread that does one thing again and again until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from db.errors import RecordError

_log = logging.getLogger(__name__)

ERROR_PAUSE_SECONDS = 2.0
"""After an error the next turn waits this long; the work itself is in the record, so nothing is lost meanwhile."""


GATHER_SECONDS = 0.05
"""After being woken: in a storm every commit wakes the workers, and one look serves many of them."""


class Loop:
    """Calls `turn` until stopped; `turn` says how many seconds to wait before the next one (0: at once)."""

    def __init__(self, name: str, turn: Callable[[], float]) -> None:
        self._name = name
        self._turn = turn
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Raises `RuntimeError` when it runs already."""
        if self._thread is not None:
            raise RuntimeError(f"{self._name} runs already")
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do: do not wait for the end of the pause."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Stop after the present turn."""
        self._stop.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the present turn to end, for so long at most; a daemon thread does not hold up the exit."""
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            pause = self._one_turn()
            if pause > 0 and not self._stop.is_set() and self._wake.wait(pause):
                self._stop.wait(GATHER_SECONDS)

    def _one_turn(self) -> float:
        try:
            return self._turn()
        except RecordError as error:
            _log.warning("worker waits for the database", extra={"worker": self._name, "error": type(error).__name__})
        except Exception:
            _log.exception("worker failed", extra={"worker": self._name})
        self._stop.wait(ERROR_PAUSE_SECONDS)
        return 0.0
