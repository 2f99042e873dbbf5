"""Reads the servers' lists of alerts over HTTP: bounded in time and size, and every failure has a name."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

import anyio
import httpx

from db.model.alert import Unreadable
from db.model.masks import Masks
from receiver.masking import mask_body
from receiver.sources import WEBHOOKS
from receiver.sources.live import ListApi, Page, read_list, read_organisation, read_uptime

SERVER_SECONDS = 15.0
"""For all that is asked of one server in one look."""

CONNECT_SECONDS = 5.0

MOST_BYTES = 32 * 1024 * 1024
"""The largest list that is read: some 30,000 alerts."""


class Trouble(StrEnum):
    """Why a server's list could not be read."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    SLOW = "slow"
    DENIED = "denied"  # 401, 403: a token that is wrong or may not read alerts
    STATUS = "status"  # any other answer that is not 200, redirects among them: a token goes nowhere else
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"


class Failed(Exception):
    """A server's list could not be read; `detail` says more, and holds no secret."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{trouble.value}: {detail}")
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How to ask one source: the servers' addresses and what goes with each request."""

    source: str
    addresses: tuple[str, ...]  # without a slash at the end; several for replicas of one Alertmanager
    authorization: str = field(default="", repr=False)  # the header; empty for none
    ca_file: str = ""  # certificates to trust instead of the system's

    @property
    def lists(self) -> ListApi:
        """How this source lists its alerts. Raises `ValueError` for one that does not."""
        lists = WEBHOOKS[self.source].lists
        if lists is None:
            raise ValueError(f"{self.source} has no list of alerts")
        return lists


@dataclass(frozen=True, slots=True)
class Answer:
    """One server's list."""

    address: str
    page: Page
    settled: bool  # it has been up long enough for all that fires to have come in
    organisation: str = ""
    masked: bool = False  # whether masking rules changed the list
    doubt: str = ""  # why what it does not list may fire all the same; empty for no doubt


@dataclass(frozen=True, slots=True)
class _Response:
    body: bytes
    at: datetime  # by the server's clock


class Client:
    """Asks the servers of one source, one after the other."""

    def __init__(self, settings: SourceSettings, masks: Masks | None = None) -> None:
        self._settings = settings
        self._lists = settings.lists
        self._masks = masks or Masks()
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None)

    def read(self, settle: timedelta) -> list[Answer | tuple[str, Failed]]:
        """The list of each server, or why there is none; a server that started less than `settle` ago is not settled.

        Takes `SERVER_SECONDS` per server at most. Call it from a thread without an event loop.
        """
        return anyio.run(self._read_all, settle)

    async def _read_all(self, settle: timedelta) -> list[Answer | tuple[str, Failed]]:
        found: list[Answer | tuple[str, Failed]] = []
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "observer"}
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization
        async with httpx.AsyncClient(
            headers=headers,
            verify=self._tls,
            trust_env=False,  # neither proxies nor ~/.netrc: settings come from one place
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1),
            timeout=httpx.Timeout(SERVER_SECONDS, connect=CONNECT_SECONDS),
        ) as client:
            for address in self._settings.addresses:
                try:
                    with anyio.fail_after(SERVER_SECONDS):
                        found.append(await self._read(client, address, settle))
                except TimeoutError:
                    found.append((address, Failed(Trouble.SLOW, f"no whole answer in {SERVER_SECONDS:g} seconds")))
                except Failed as failed:
                    found.append((address, failed))
        return found

    async def _read(self, client: httpx.AsyncClient, address: str, settle: timedelta) -> Answer:
        organisation, settled, doubt = "", True, ""
        try:
            if path := self._lists.organisation_path:
                organisation = read_organisation((await _get(client, address + path)).body)
            if path := self._lists.status_path:
                status = await _get(client, address + path)
                settled = status.at - read_uptime(status.body) > settle
            listed = await _get(client, address + self._lists.path)
            # Masked as the webhooks' bodies are, so that both say the same of an alert.
            body, masked = mask_body(listed.body, self._masks)
            page = read_list(body, self._lists, address)
        except Unreadable as error:
            raise Failed(Trouble.UNREADABLE, f"{error.path}: {error.reason}") from error
        if page.rejected:
            doubt = f"{page.rejected} elements of its list could not be read"
        return Answer(address, page, settled, organisation, masked, doubt)


async def _get(client: httpx.AsyncClient, address: str) -> _Response:
    """One answer with status 200. Raises `Failed`."""
    try:
        async with client.stream("GET", address) as response:
            if response.status_code in (401, 403):
                raise Failed(Trouble.DENIED, f"status {response.status_code}")
            if response.status_code != 200:
                raise Failed(Trouble.STATUS, f"status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise Failed(Trouble.UNREADABLE, "an encoding that was not asked for")
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise Failed(Trouble.TOO_LARGE, f"larger than {MOST_BYTES} bytes")
                chunks.append(chunk)
            return _Response(b"".join(chunks), _date(response.headers))
    except httpx.TimeoutException as error:
        raise Failed(Trouble.SLOW, type(error).__name__) from error
    except httpx.HTTPError as error:
        trouble = Trouble.TLS if _is_tls(error) else Trouble.UNREACHABLE
        raise Failed(trouble, type(error).__name__) from error


def _is_tls(error: BaseException | None) -> bool:
    """Whether the certificate or the handshake was the reason; httpx keeps that some causes below."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _date(headers: Mapping[str, str]) -> datetime:
    """The server's own time, to compare with its own start; the Unix epoch, before any start, when it says none."""
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
