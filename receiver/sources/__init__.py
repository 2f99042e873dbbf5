"""The table of the sources that post here; beside it pure readers, one module per source: JSON in, a `Reading` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from db.model.alert import Reading
from db.model.source import ALERTMANAGER, GRAFANA, Source
from receiver.sources.live import ALERTMANAGER_LIST, GRAFANA_LIST, ListApi
from receiver.sources.reading import read_alertmanager, read_grafana


class Read(Protocol):
    """Reads a body; with `own_only` another source's is `OtherShape`. Raises `Unreadable`."""

    def __call__(self, body: bytes, *, own_only: bool = False) -> Reading: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSource:
    """A source that posts to `/webhook/<its name>`."""

    source: Source
    read: Read
    posts_with: str = "webhook"  # what sends the requests, by the source's own name for it
    can_sign: bool = False  # whether it can prove itself by an HMAC signature
    lists: ListApi | None = None  # how to ask it for its own list of alerts

    @property
    def auth_setting(self) -> str:
        """The setting that says how a source proves itself that cannot sign; empty when `WEBHOOK_AUTH` is for it."""
        return "" if self.can_sign else f"WEBHOOK_AUTH_{self.source.name.upper().replace('-', '_')}"


WEBHOOKS = {
    row.source.name: row
    for row in (
        WebhookSource(
            source=GRAFANA,
            read=read_grafana,
            posts_with="webhook contact point",
            can_sign=True,
            lists=GRAFANA_LIST,
        ),
        WebhookSource(
            source=ALERTMANAGER, read=read_alertmanager, posts_with="webhook receiver", lists=ALERTMANAGER_LIST
        ),
    )
}
"""By name. A new source is one row here, one in `db.model.source`, and a module that reads its bodies."""
