"""Names severities that stand in none of the policy's lists, each once: their alerts get the default one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from db.model.alert import Reading

_log = logging.getLogger(__name__)

MOST_NAMED = 100
"""Words that are named in the log; a sender that makes them up must not fill it."""

_MOST_SHOWN = 40


class UnknownSeverities:
    """Looks at the alerts that were recorded; `unknown` gives what an alert says if no list has it, else an empty text.

    For one event loop. `count` is told the source of each such alert.
    """

    def __init__(self, unknown: Callable[[Mapping[str, str]], str], count: Callable[[str], None]) -> None:
        self._unknown = unknown
        self._count = count
        self._named: set[str] = set()

    def look(self, reading: Reading) -> None:
        """Count the alerts with a severity in no list, and name the words that are new."""
        for alert in reading.alerts:
            word = self._unknown(alert.labels)[:_MOST_SHOWN]
            if not word:
                continue
            self._count(reading.source)
            if word in self._named or len(self._named) >= MOST_NAMED:
                continue
            self._named.add(word)
            _log.warning(
                "a severity stands in no list of [severity]",
                extra={"source": reading.source, "severity": word, "last_to_be_named": len(self._named) == MOST_NAMED},
            )
