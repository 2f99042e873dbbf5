"""Log lines: one event, one line, a constant text with ids beside it; never bodies, headers or secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import orjson

from db.printable import printable, printable_json

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


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


def configure(log_format: str) -> None:
    """Send all log lines to standard output, in `json` or `text`."""
    handler = logging.StreamHandler(sys.stdout)
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
