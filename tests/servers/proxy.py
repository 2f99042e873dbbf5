"""A TCP proxy on loopback whose line can be slow, silent or cut: a network that misbehaves on command."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self


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
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if answers and self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
        for side in (source, target):
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
