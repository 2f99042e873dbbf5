"""What a source said: one alert of one delivery, and the reading of a whole delivery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from db.model.reason import Reason


class AlertState(StrEnum):
    """What an alert says of its instance."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertKind(StrEnum):
    """What sort of statement an alert is."""

    NORMAL = "normal"
    BLIND = "blind"  # DatasourceNoData, DatasourceError: the source cannot see, which is neither firing nor recovery
    TEST = "test"  # a contact point's Test button


# Neither user names nor passwords in front of the host: they are secrets, or they disguise the host.
_WEB_ADDRESS = re.compile(
    r"(?i:https?)://(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@:\\\[\]<>\"|\x7f]+)(?::[0-9]{1,5})?(?:[/?#][^\s\x7f]*)?"
)


def is_web_address(text: str) -> bool:
    """Whether a text is an http or https address with a host, without credentials and spaces."""
    return _WEB_ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that a person may want to open (http or https); empty where the source gave none.

    The dashboard, panel and runbook may be other texts, which are shown and never linked.
    """

    source: str = ""  # the rule in Grafana, or the expression in Prometheus
    dashboard: str = ""
    panel: str = ""
    runbook: str = ""
    silence: str = ""  # a silence form with the matchers already filled in


@dataclass(frozen=True, slots=True)
class Alert:
    """One event inside a delivery, read and checked.

    Texts hold no lone surrogates. Label and annotation values that mean "nothing" (`[no value]`, empty) are absent
    from `labels` and `annotations`; `raw` still has them.
    """

    source: str  # its name in the table of sources
    state: AlertState
    kind: AlertKind
    rule_uid: str  # Grafana's rule UID; without one `name:<alertname>`, `legacy:<rule id>`, or `am:<alertname>`
    alertname: str  # for blind alerts the title of the rule, if known
    fingerprint: str  # one instance; the source's own, or one computed from the labels
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime | None  # UTC; None when the source did not say (a zero time counts as that)
    ends_at: datetime | None  # UTC; None while firing
    values: Mapping[str, float] = field(default_factory=dict)  # finite numbers only
    summary: str = ""  # what a person should read first
    reason: str = ""  # grafana_state_reason or the error of a blind alert
    links: Links = field(default_factory=Links)
    raw: str = "{}"  # this alert's own element, as JSON text without raw control characters


@dataclass(frozen=True, slots=True)
class Rejected:
    """A part of a delivery that could not be read: where (`alerts[3].labels`) and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one body says: the alerts in it, and the parts that could not be read."""

    source: str
    alerts: tuple[Alert, ...]
    rejected: tuple[Rejected, ...] = ()
    truncated: int = 0  # alerts that the source cut off and will never send
    receiver: str = ""  # the contact point, unescaped
    external_url: str = ""
    org: str = ""  # the number of the organisation inside of a Grafana
    found_by: Reason = Reason.NONE  # for what Observer found out by itself

    @property
    def origin(self) -> str:
        """Which server says so, see `origin_of`."""
        return origin_of(self.source, self.external_url, self.org)


def origin_of(source: str, external_url: str, org: str = "") -> str:
    """The name of one server of a source, `grafana|https://grafana.example|1`; empty when its address is not known.

    Two organisations of one Grafana are two origins, because each has alerts of its own.
    """
    address = external_url.strip().rstrip("/").lower()
    return f"{source}|{address}|{org}"[:255] if address else ""


def address_of(origin: str) -> str:
    """The address in an origin; empty when it is not known."""
    return origin.partition("|")[2].rpartition("|")[0]


def is_same_server(one: str, other: str) -> bool:
    """Whether two origins are one server, in whatever dialect it spoke: that of Alertmanager tells no organisation."""
    (_, _, first), (_, _, second) = one.partition("|"), other.partition("|")
    return first == second or (address_of(one) == address_of(other) and "" in (org_of(one), org_of(other)))


def org_of(origin: str) -> str:
    """The organisation in an origin; empty when it is not known."""
    return origin.rpartition("|")[2]


_ASKED = "~"


def asked_at(address: str) -> str:
    """The address of a server that was asked for its list and whose own name for itself is not known: it may be any of
    those that send."""
    return _ASKED + address


def is_named(origin: str) -> bool:
    """Whether an origin is a server's own name, and not only where it was asked."""
    return bool(origin) and not address_of(origin).startswith(_ASKED)


def place_of(origin: str) -> str:
    """The origin by its address, whether that is the server's own name or where it was asked."""
    return origin if is_named(origin) else origin.replace(_ASKED, "", 1)


class Unreadable(Exception):
    """The body as a whole could not be read; `path` says where, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
