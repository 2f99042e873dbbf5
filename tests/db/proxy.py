"""A wire between the program and its database that can be cut where a test wants it: the packets are looked at."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import TracebackType
from typing import Self

from tests.servers.database import DbUrl

_QUERY = 3  # COM_QUERY, the first byte of the packets in which statements travel


class Proxy:
    """Listens on loopback and passes packets on to a server; `cut_before` and `cut_after` break one connection.

    A rule is given the text of a statement; when it says yes, the connection is broken before the server gets the
    statement, or once the server has answered it, which answer is lost. Each rule breaks one connection only.
    """

    def __init__(self, url: DbUrl) -> None:
        self._target = (url.host, url.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._before: Callable[[str], bool] | None = None
        self._after: Callable[[str], bool] | None = None
        self._watch: Callable[[int, str], str] | None = None
        self._numbers = count(1)
        self.cuts = 0
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        with self._lock:
            for end in self._open:
                _close(end)

    def cut_before(self, rule: Callable[[str], bool]) -> None:
        """The server never gets the next statement for which `rule` holds."""
        self._before = rule

    def cut_after(self, rule: Callable[[str], bool]) -> None:
        """The server answers the next statement for which `rule` holds, and nobody hears it."""
        self._after = rule

    def watch(self, rule: Callable[[int, str], str] | None) -> None:
        """Ask `rule` about every statement, with the number of its connection: it says "before", "after" or nothing."""
        self._watch = rule

    @contextmanager
    def silence(self) -> Iterator[None]:
        """The wire is there, and carries nothing."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            with self._lock:
                self._open += [client, server]
            lost = threading.Event()
            number = next(self._numbers)
            threading.Thread(target=self._statements, args=(client, server, lost, number), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, lost), daemon=True).start()

    def _statements(self, client: socket.socket, server: socket.socket, lost: threading.Event, number: int) -> None:
        with suppress(OSError):
            while packet := _packet(client):
                text = packet[5:].decode("utf-8", "replace") if len(packet) > 4 and packet[4] == _QUERY else ""
                said = self._watch(number, text) if self._watch is not None else ""
                self.cuts += said != ""
                if said == "before":
                    break
                if said == "after":
                    lost.set()
                if self._before is not None and self._before(text):
                    self._before = None
                    self.cuts += 1
                    break
                if self._after is not None and self._after(text):
                    self._after = None
                    self.cuts += 1
                    lost.set()
                self._flows.wait()
                server.sendall(packet)
        if not lost.is_set():
            _close(client)
            _close(server)

    def _answers(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not lost.is_set():
                self._flows.wait()
                client.sendall(data)
        _close(client)
        _close(server)


def _packet(sender: socket.socket) -> bytes:
    """One packet with its header (length in three bytes, number in one); empty at the end."""
    header = _exactly(sender, 4)
    return header + _exactly(sender, int.from_bytes(header[:3], "little")) if header else b""


def _exactly(sender: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sender.recv(size - len(data))
        if not part:
            return b""
        data += part
    return data


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
