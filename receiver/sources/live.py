"""Reads a source's own list of alerts, as Alertmanager's API v2 and Grafana's copy of it give it.

An element has the shape of a webhook's alert but for its `status`, which is an object here, and for what Grafana's
webhook makes of private annotations: values, organisation and links. It is brought into that shape and read by the same
readers, so that keys and fingerprints are those of the webhook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from db.model.alert import Alert, Unreadable
from db.model.reconcile import Live, Standing
from db.model.source import ALERTMANAGER
from receiver.sources import alertmanager, fields, grafana
from receiver.sources.wild import Wild, parse_json

_RULE_ADDRESS = re.compile(r"(https?://[^?#]*?)/alerting/(?:grafana/)?[A-Za-z0-9_-]{1,40}/(?:view|edit)/?(?:[?#].*)?")
_EVERYTHING = "?active=true&silenced=true&inhibited=true&unprocessed=true"
_STANDINGS = {standing.value: standing for standing in Standing}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListApi:
    """How the servers of a source list their alerts. Paths begin after a server's address."""

    path: str
    read_alert: Callable[[dict[str, Any], str], Alert]  # given a firing element and the server's address
    organisation_path: str = ""  # tells the organisation whose alerts are listed
    status_path: str = ""  # tells since when the server runs
    rule_address: re.Pattern[str] | None = None  # in an alert's rule: its first group is how the server calls itself

    @property
    def says_start(self) -> bool:
        """Whether it is known for how long a server has run."""
        return bool(self.status_path)


@dataclass(frozen=True, slots=True)
class Page:
    """What one server lists."""

    alerts: tuple[Live, ...]
    rejected: int = 0  # elements that could not be read: what is not listed may fire all the same
    roots: frozenset[str] = frozenset()  # addresses by which a Grafana calls itself


def read_list(body: bytes, lists: ListApi, address: str) -> Page:
    """The alerts in the answer of `GET .../api/v2/alerts` of the server at `address`; `Unreadable` if it is no list."""
    alerts: list[Live] = []
    roots: set[str] = set()
    rejected = 0
    for element in parse_json(body).array():
        try:
            alerts.append(_live(element, lists, address))
        except Unreadable:
            rejected += 1
            continue
        if lists.rule_address and (found := lists.rule_address.fullmatch(element.text_of("generatorURL"))):
            roots.add(found[1])
    return Page(tuple(alerts), rejected, frozenset(roots))


def read_organisation(body: bytes) -> str:
    """The number of the organisation in the answer of Grafana's `GET /api/org`. Raises `Unreadable`."""
    number = parse_json(body).get("id")
    if not number.count():
        raise number.error("expected the number of an organisation")
    return str(number.count())


def read_uptime(body: bytes) -> datetime:
    """Since when an Alertmanager runs, UTC, in the answer of `GET /api/v2/status`. Raises `Unreadable`."""
    began = parse_json(body).get("uptime")
    moment = began.time()
    if moment is None:
        raise began.error("expected the time when it started")
    return moment


def _live(element: Wild, lists: ListApi, address: str) -> Live:
    if not element.is_object:
        raise element.error("expected an alert")
    for name in ("startsAt", "endsAt"):  # a list is compared by its times: one that cannot be read proves nothing
        if problem := element.get(name).time_problem():
            raise problem
    raw = element.stored()
    shaped: dict[str, Any] = orjson.loads(raw)
    shaped["status"] = "firing"  # what does not fire any more is not listed
    status = element.get("status")
    return Live(
        alert=replace(lists.read_alert(shaped, address), raw=raw),
        standing=_standing(status),
        receivers=frozenset(receiver.get("name").text() for receiver in element.get("receivers").array()),
        expires=element.get("endsAt").time(),
    )


def _standing(status: Wild) -> Standing:
    for reason in ("silencedBy", "inhibitedBy", "mutedBy"):
        if status.get(reason).size:
            return Standing.SUPPRESSED
    state = status.get("state")
    found = _STANDINGS.get(state.text())
    if found is None:
        raise state.error("expected active, suppressed or unprocessed")
    return found


def _as_in_the_webhook(element: Mapping[str, Any]) -> dict[str, Any]:
    """What Grafana's webhook says beside the element itself, made of its private annotations."""
    annotations, labels = element.get("annotations"), element.get("labels")
    if not isinstance(annotations, dict) or not isinstance(labels, dict):
        return {}
    found = _RULE_ADDRESS.fullmatch(str(element.get("generatorURL", "")))
    if found is None:
        return {"values": _values(annotations)}
    root, org = found[1], quote(str(annotations.get("__orgId__", "")), safe="")
    dashboard, panel = (quote(str(annotations.get(name, "")), safe="") for name in ("__dashboardUid__", "__panelId__"))
    links = {}
    if dashboard:
        links["dashboardURL"] = f"{root}/d/{dashboard}?orgId={org}"
        if panel:
            links["panelURL"] = f"{root}/d/{dashboard}?orgId={org}&viewPanel={panel}"
    wanted = [f"{name}={value}" for name, value in labels.items() if not name.startswith("__") and value]
    wanted.insert(0, f"{fields.RULE_UID_LABEL}={labels.get(fields.RULE_UID_LABEL, '')}")
    matchers = "".join(f"&matcher={quote(matcher, safe='')}" for matcher in wanted)
    links["silenceURL"] = f"{root}/alerting/silence/new?alertmanager=grafana{matchers}&orgId={org}"
    return {"values": _values(annotations), **links}


def _values(annotations: Mapping[str, Any]) -> object:
    try:
        return orjson.loads(str(annotations.get("__values__", "")))
    except orjson.JSONDecodeError:
        return None


GRAFANA_LIST = ListApi(
    path=f"/api/alertmanager/grafana/api/v2/alerts{_EVERYTHING}",
    read_alert=lambda shaped, _: grafana.read_alert(Wild(shaped | _as_in_the_webhook(shaped)), ""),
    organisation_path="/api/org",
    rule_address=_RULE_ADDRESS,
)
ALERTMANAGER_LIST = ListApi(
    path=f"/api/v2/alerts{_EVERYTHING}",
    read_alert=lambda shaped, address: alertmanager.read_alert(Wild(shaped), ALERTMANAGER, "", address),
    status_path="/api/v2/status",
)
