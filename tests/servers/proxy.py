"""A TCP proxy on loopback whose line can be slow, silent or cut: a network that misbehaves on command.

`Wire` is one before a database server, that can be cut at a statement.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import TracebackType
from typing import Self

from tests.servers.database import DbUrl

_QUERY = 3  # COM_QUERY, the first byte of the packets in which statements travel


class Proxy:
    """Forwards to one address. `delay` holds every answer back (seconds), `stall` forwards nothing, `cut` ends all
    connections and refuses new ones until `mend`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.delay = 0.0
        self._flowing = threading.Event()
        self._flowing.set()
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host, self.port = self._listener.getsockname()
        self._stopped = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._flowing.set()
        self._listener.close()
        self._close_all()

    def stall(self) -> None:
        """Forward nothing more; connections stay open."""
        self._flowing.clear()

    def cut(self) -> None:
        """End all connections, and end new ones at once."""
        with self._lock:
            self._is_cut = True
        self._close_all()

    def mend(self) -> None:
        """Behave again."""
        self._is_cut = False
        self.delay = 0.0
        self._flowing.set()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            was_cut = self._is_cut  # while it was being made
            self._open |= {client, server}
        if was_cut:
            self._close(client)
            self._close(server)
            return
        lost = threading.Event()
        threading.Thread(target=self._ask, args=(client, server, lost), daemon=True).start()
        self._answer(client, server, lost)

    def _ask(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Pass on what the client says."""
        with suppress(OSError):
            while data := client.recv(65536):
                self._flowing.wait()
                server.sendall(data)
        for side in (client, server):
            self._close(side)

    def _answer(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Pass on what the server says, until its answers are `lost`."""
        with suppress(OSError):
            while (data := server.recv(65536)) and not lost.is_set():
                self._flowing.wait()
                if self.delay:
                    time.sleep(self.delay)
                client.sendall(data)
        for side in (client, server):
            self._close(side)

    def _close(self, side: socket.socket) -> None:
        with self._lock:
            self._open.discard(side)
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
        side.close()

    def _close_all(self) -> None:
        with self._lock:
            sides = list(self._open)
        for side in sides:
            self._close(side)


class Wire(Proxy):
    """The way to a database server; `cut_before` and `cut_after` break one connection at a statement.

    A rule is given the text of a statement; when it says yes, the connection is broken before the server gets the
    statement, or once the server has answered it, which answer is lost. Each rule breaks one connection only.
    """

    def __init__(self, url: DbUrl) -> None:
        super().__init__(url.host, url.port)
        self._rules: dict[str, Callable[[str], bool]] = {}  # "before", "after"
        self._watch: Callable[[int, str], str] | None = None
        self._numbers = count(1)
        self.cuts = 0

    def cut_before(self, rule: Callable[[str], bool]) -> None:
        """The server never gets the next statement for which `rule` holds."""
        self._rules["before"] = rule

    def cut_after(self, rule: Callable[[str], bool]) -> None:
        """The server answers the next statement for which `rule` holds, and nobody hears it."""
        self._rules["after"] = rule

    def watch(self, rule: Callable[[int, str], str] | None) -> None:
        """Ask `rule` about every statement, with the number of its connection: it says "before", "after" or nothing."""
        self._watch = rule

    @contextmanager
    def silence(self) -> Iterator[None]:
        """The wire is there, and carries nothing."""
        self.stall()
        try:
            yield
        finally:
            self.mend()

    def _ask(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        number = next(self._numbers)
        with suppress(OSError):
            while packet := _packet(client):
                said = self._said(number, packet)
                self.cuts += said != ""
                if said == "before":
                    break
                if said == "after":
                    lost.set()
                self._flowing.wait()
                server.sendall(packet)
        if not lost.is_set():
            for side in (client, server):
                self._close(side)

    def _said(self, number: int, packet: bytes) -> str:
        """Where this packet breaks the connection; empty: nowhere."""
        text = packet[5:].decode("utf-8", "replace") if len(packet) > 4 and packet[4] == _QUERY else ""
        if self._watch is not None and (said := self._watch(number, text)):
            return said
        for where, rule in list(self._rules.items()):
            if rule(text):
                del self._rules[where]
                return where
        return ""


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
