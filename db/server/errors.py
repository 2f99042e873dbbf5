"""What can go wrong with a private database server; every message is meant to be shown as it is."""

from __future__ import annotations


class ServerError(Exception):
    """A private server could not be had; the message says what to do."""


class NoServerFound(ServerError):
    """No database server is on this machine and none could be installed."""


class InstallFailed(ServerError):
    """Packages could not be downloaded or unpacked."""


class StartFailed(ServerError):
    """The server's data could not be made, or the server ended before it answered."""
