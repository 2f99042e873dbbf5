"""Log lines: one event, one line, a constant text with ids beside it; never bodies, headers or secrets."""

from __future__ import annotations

import copy
import json
import logging
import sys
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import orjson

from db.printable import printable, printable_json

_Key = tuple[str, object, object]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

OF_STRANGERS = frozenset({
    "connection closed", "no more connections", "slack body too large", "slack body too slow", "slack request denied",
    "too many bodies of unknown senders",
    "webhook body too large", "webhook body too slow", "webhook denied", "webhook sender went away",
})  # fmt: skip
"""What anybody can have logged, as often as they like."""

QUIET_SECONDS = 1.0


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, event, and what the call gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return printable_json(orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
        except TypeError:  # a lone surrogate, or a number of more than 64 bits: an odd value must not cost the line
            return json.dumps(line, default=str, skipkeys=True)


class TextFormatter(logging.Formatter):
    """The same for people: `12:03:04 INFO receiver.webhooks delivery recorded delivery=7 opened=1`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; line breaks inside values are escaped."""
        extra = " ".join(f"{name}={_plain(value)}" for name, value in _extra(record).items())
        text = f"{_time(record)[11:19]} {record.levelname} {record.name} {_plain(record.getMessage())} {extra}".rstrip()
        if not record.exc_info:
            return text
        return "\n".join([text, *map(printable, self.formatException(record.exc_info).split("\n"))])


@dataclass(slots=True)
class _Held:
    """Lines that were not written."""

    last: logging.LogRecord | None = None
    times: int = 0


class Output(logging.StreamHandler[TextIO]):
    """Writes lines; of what strangers cause, one a second for each source and reason: the first one at once, then the
    last one of those that followed, which says how many they were (`times`)."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: dict[_Key, _Held] = {}  # touched under the handler's lock only

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or count it."""
        event = record.getMessage()
        if event not in OF_STRANGERS:
            super().emit(record)
            return
        key = (event, getattr(record, "source", ""), getattr(record, "reason", ""))
        held = self._held.get(key)
        if held is None:
            super().emit(record)
            self._be_quiet(key)
        else:
            held.last, held.times = record, held.times + 1

    def close(self) -> None:
        """Write what was counted and not told yet."""
        with self.lock or nullcontext():
            for held in self._held.values():
                self._tell(held)
            self._held.clear()
        super().close()

    def _be_quiet(self, key: _Key) -> None:
        self._held[key] = _Held()
        timer = threading.Timer(QUIET_SECONDS, self._go_on, [key])
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread to be had: better a line too many than an error of who logs
            del self._held[key]

    def _go_on(self, key: _Key) -> None:
        with self.lock or nullcontext():
            held = self._held.pop(key, None)
            if held is not None and self._tell(held):
                self._be_quiet(key)

    def _tell(self, held: _Held) -> bool:
        if held.last is None:
            return False
        line = copy.copy(held.last)
        vars(line)["times"] = held.times
        super().emit(line)
        return True


def configure(log_format: str) -> None:
    """Send all log lines to standard output, in `json` or `text`."""
    handler = Output(sys.stdout)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # What the SDK logs, bodies among it, our own door to Slack logs in one line with ids.
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below that it logs every request
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # our own lines say what a request did


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _plain(value: object) -> str:
    return printable(str(value).replace("\\", "\\\\"))
