"""The HTTP surface: a running program on a real database, and requests of all sorts over real sockets.

What must hold for any request: an answer with one of the known statuses, or a closed connection; nothing goes wrong
inside (no error in the log); and the record keeps its promises.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from db.model.identity import IncidentId
from tests.bodies import alert, grafana
from tests.fuzz import framing, people
from tests.servers.database import TestServer
from tests.servers.observer import WEBHOOK_TOKEN, Observer, rows, send
from tests.servers.slack import SIGNING_SECRET, SandboxSlack, wait_until

ALLOWED = frozenset({200, 400, 401, 404, 405, 408, 413, 414, 415, 422, 431, 501, 505})
"""Every status a request may be answered with. 503 is not among them: the database is there all the time."""

PATHS = (b"/webhook/grafana", b"/webhook/alertmanager", b"/slack/events", b"/health", b"/", b"/ready", b"/nothing")
METHODS = (b"POST", b"PUT", b"GET", b"DELETE", b"HEAD", b"OPTIONS")
TYPES = (b"application/json", b"application/x-www-form-urlencoded", b"text/plain", b"")
CHUNKED_ANYHOW = 8
"""The form of bodies whose chunks are as odd as can be (`framing`); see `request_of`."""

ANYBODY = 0x80
"""The signature of requests that all sorts of people send (`people`)."""

REFUSED = frozenset({0, 400, 413, 431})
"""What a request may be answered because of what stands around its body; 0: closed without an answer."""

_TITLE = "Something is on fire"
_ANSWER_SECONDS = 10.0
_IMPATIENCE_SECONDS = 0.02
_PAUSE_SECONDS = 0.001
"""Between two segments, so that the program sees two."""


class Surface:
    """The program, its database and its Slack, for as many requests as one likes."""

    def __init__(self, server: TestServer, slack: SandboxSlack) -> None:
        # imported here: the fixtures' module imports the application, which a coverage-guided run instruments first
        from tests.conftest import migrated_database

        self.url = migrated_database(server)
        self._observer = Observer(self.url, slack)
        self._errors: list[logging.LogRecord] = []
        self._watch = _Watch(self._errors)
        self.answers: dict[int, int] = {}

    def __enter__(self) -> Self:
        for name in ("receiver", "bot", "db", "uvicorn", "slack_bolt", "asyncio"):
            logging.getLogger(name).addHandler(self._watch)
        self._observer.__enter__()
        send(self._observer.url, grafana(alert(_TITLE)))
        self._incident = IncidentId(rows(self.url, "SELECT incident_id FROM incidents")[0]["incident_id"])
        wait_until(lambda: rows(self.url, "SELECT 1 FROM slack_facts WHERE name = 'bot'") != [], "our workspace")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.__exit__(kind, error, trace)

    def check(self, data: bytes) -> None:
        """Send one request made of these bytes."""
        request = request_of(data, self._incident)
        answer = self._ask(*request.pieces, complete=request.complete)
        status = _status_of(answer)
        self.answers[status] = self.answers.get(status, 0) + 1
        errors, self._errors[:] = self._errors[:], []  # of this request: the next one may be fine
        assert not errors, [(one.getMessage(), one.exc_text, vars(one)) for one in errors]
        assert status == 0 or status in ALLOWED, f"answered {status}"
        if request.plain is not None:
            assert answer.count(b"\r\nHTTP/1.1 ") == 0, "one request, one answer"
            plain = _status_of(self._ask(request.plain))
            assert status == plain or status in REFUSED, f"answered {status}, and {plain} without all that around it"
        if request.is_foreign:
            assert _TITLE.encode() not in answer, "told a stranger"

    def check_record(self) -> None:
        """The promises of the record, after all that."""
        for what, query in _PROMISES.items():
            found = rows(self.url, query)
            assert not found, f"{what}: {found[:3]}"
        assert _status_of(self._ask(b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) == 200

    def _ask(self, *pieces: bytes, complete: bool = True) -> bytes:
        """Send bytes; what came back before the connection ended.

        After a request that is not `complete` the sender hangs up: before that the program may wait for the rest.
        """
        with socket.create_connection(("127.0.0.1", self._observer.port), timeout=_ANSWER_SECONDS) as line:
            answer = b""
            with suppress(ConnectionError):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for number, piece in enumerate(pieces):
                    if number:
                        time.sleep(_PAUSE_SECONDS)
                    line.sendall(piece)
                if not complete:
                    line.settimeout(_IMPATIENCE_SECONDS)
                    with suppress(TimeoutError):
                        answer += line.recv(65536)
                    with suppress(OSError):  # closed from there
                        line.shutdown(socket.SHUT_WR)
                    line.settimeout(_ANSWER_SECONDS)
                while piece := line.recv(65536):
                    answer += piece
            if not answer:  # what was written in vain hides an answer that is there already
                with suppress(OSError):
                    answer = line.recv(65536)
            return answer


class _Watch(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self, found: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self._found = found
        self._own = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """One more; that signatures are wrong is no failure but what is to be said of them."""
        if vars(record).get("where") != "requests":
            with self._own:
                self._found.append(record)


class Request(NamedTuple):
    """A request on the wire."""

    pieces: tuple[bytes, ...]
    complete: bool = True
    plain: bytes | None = None  # the same said in the ordinary way, if it has to be answered alike
    is_foreign: bool = False


def request_of(data: bytes, incident: IncidentId) -> Request:
    """The request that these bytes mean.

    The first ones choose path, method, credentials, signature, type and form; the rest is the body, or more choices.
    One choice in eight is a request that is nothing but the given bytes.
    """
    head, body = data[:6].ljust(6, b"\0"), data[6:]
    if head[0] % 8 == 7:
        return Request((data[1:],), complete=False)
    is_foreign = False
    if head[0] % 8 == PATHS.index(b"/slack/events") and head[3] & ANYBODY:
        head = bytes((head[0], 0, head[2], 1, 1, head[5]))
        body, is_foreign = people.said(body, incident)
    path, method = PATHS[head[0] % 8 % len(PATHS)], METHODS[head[1] % len(METHODS)]
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: observer", b"Connection: close"]
    match head[2] % 6:
        case 0 | 1 | 2:
            lines.append(b"Authorization: Bearer " + WEBHOOK_TOKEN.encode())
        case 3:
            lines.append(b"Authorization: " + body[:20].replace(b"\r", b"").replace(b"\n", b""))
        case _:
            pass
    if path.startswith(b"/slack") and head[3] % 4:
        lines += _signature(body)
    if kind := TYPES[head[4] % len(TYPES)]:
        lines.append(b"Content-Type: " + kind)
    match head[5] % 16:
        case 8:  # CHUNKED_ANYHOW
            plain = [*lines, b"Content-Length: %d" % len(body), b"", body]
            lines += [b"Transfer-Encoding: chunked", b"", b""]
            pieces, is_sound = framing.framed(data, body)
            pieces = (b"\r\n".join(lines) + pieces[0], *pieces[1:])
            return Request(pieces, is_sound, b"\r\n".join(plain) if is_sound else None, is_foreign)
        case 0:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        case 1:
            lines.append(b"Content-Length: %d" % (len(body) + 1 + head[5]))  # and then the sender goes away
        case 2:
            lines += [b"Content-Encoding: gzip", b"Content-Length: %d" % len(body)]
        case _:
            lines.append(b"Content-Length: %d" % len(body))
    return Request((b"\r\n".join(lines) + b"\r\n\r\n" + body,), head[5] % 16 != 1, None, is_foreign)


def _signature(body: bytes) -> list[bytes]:
    at = str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return [b"X-Slack-Request-Timestamp: " + at.encode(), b"X-Slack-Signature: v0=" + digest.encode()]


def _status_of(answer: bytes) -> int:
    """The status of an answer; 0 for none."""
    if not answer:
        return 0
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


_PROMISES = {
    "done by somebody of another workspace, or by nobody": (
        "SELECT actor FROM incident_timeline WHERE actor LIKE 'slack:%%' AND actor <> 'slack:U001'"
    ),
    "two open incidents of one key": (
        "SELECT incident_key FROM incidents WHERE status <> 'resolved' GROUP BY incident_key HAVING COUNT(*) > 1"
    ),
    "an incident without an alert": (
        "SELECT incident_id FROM incidents i WHERE NOT EXISTS "
        "(SELECT 1 FROM grafana_alerts a WHERE a.incident_id = i.incident_id)"
    ),
    "a wrong count of alerts": (
        "SELECT i.incident_id FROM incidents i WHERE i.alert_count <> "
        "(SELECT COUNT(*) FROM grafana_alerts a WHERE a.incident_id = i.incident_id)"
    ),
}
