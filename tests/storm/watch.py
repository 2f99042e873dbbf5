"""What is measured while a storm is on: memory, Slack's calls, cards and their times."""

from __future__ import annotations

import re
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.benchmarks.measure import memory_mib
from tests.servers.slack import SandboxSlack

EVERY_SECONDS = 5.0

_ALARM = re.compile(r"\((\d+)\)")


class Memory:
    """The resident memory of a process, read every five seconds until the block ends."""

    def __init__(self, pid: int) -> None:
        self.mib: list[float] = []
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.mib.append(memory_mib(self._pid))
            if self._end.wait(EVERY_SECONDS):
                return

    def __str__(self) -> str:
        return " ".join(f"{value:.0f}" for value in self.mib)


class Channel:
    """What hangs in the channel, and what was called to bring it there."""

    def __init__(self, slack: SandboxSlack, since: float) -> None:
        self._since = since
        self.messages = [one for one in slack.messages() if float(one["ts"]) >= since]
        self.calls = [call for call in slack.calls() if call["at"] >= since]

    def digests(self) -> list[dict[str, Any]]:
        """The messages that stand for many incidents."""
        return [one for one in self.messages if any("digest-" in b.get("block_id", "") for b in one["blocks"] or [])]

    def cards(self) -> dict[int, list[float]]:
        """When the cards of each alarm were posted (seconds of 1970)."""
        found: dict[int, list[float]] = {}
        digests = {one["ts"] for one in self.digests()}
        for one in self.messages:
            if one["ts"] not in digests and (alarm := _ALARM.search(str(one["text"]))):
                found.setdefault(int(alarm[1]), []).append(float(one["ts"]))
        return found

    def by_method(self) -> Mapping[str, int]:
        """How often each method of Slack was called."""
        return Counter(call["method"] for call in self.calls)

    def refused(self) -> int:
        """How many calls were answered 429."""
        return sum("ratelimit" in f"{call['outcome']} {call['result']}" for call in self.calls)


def spread(values: Sequence[float], unit: str = "s") -> str:
    """`0.1 / 0.4 / 1.2 s`: the least, the middle and the most."""
    if not values:
        return "none"
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f} {unit}"


Report = Callable[[str], None]
