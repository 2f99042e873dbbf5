"""What fires, told by a card: its names, what it has in common, and a silence for all of it."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.alert import AlertKind, AlertState
from db.model.firing import names, shared_labels, silence_all
from db.model.identity import IncidentId, KeyParts, incident_key
from db.model.incident import Instance
from receiver.sources.alertmanager import silence_form
from tests.db.builders import at

GRAFANA = "https://g.example/alerting/silence/new"
ALERTMANAGER = "http://am.example:9093"


def an_instance(fingerprint: str, **labels: str) -> Instance:
    return Instance(
        incident_id=IncidentId("INC-1"), key=incident_key(KeyParts("r")), fingerprint=fingerprint,
        kind=AlertKind.NORMAL, state=AlertState.FIRING, starts_at=at(0), ends_at=None, heard_at=at(0), labels=labels,
    )  # fmt: skip


def test_instances_are_named_by_the_labels_in_which_they_differ() -> None:
    three = [
        an_instance("1", job="api", pod="a", zone="x"),
        an_instance("2", job="api", pod="b", zone="x"),
        an_instance("3", job="api", pod="b"),
    ]
    assert names(three) == ["pod=a, zone=x", "pod=b, zone=x", "pod=b"]


def test_instances_whose_labels_do_not_differ_are_named_by_their_fingerprints() -> None:
    assert names([an_instance("1", job="api"), an_instance("2", job="api")]) == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("alertmanager=grafana&matcher=job%3Dapi&matcher=pod%3Da", "alertmanager=grafana&matcher=job%3Dapi"),
        ("matcher=pod%3Da&matcher=job%3Dapi&orgId=1", "matcher=job%3Dapi&orgId=1"),
        ("matcher=__alert_rule_uid__%3Dddx1&matcher=pod%3Da", "matcher=__alert_rule_uid__%3Dddx1"),
        ("matcher=job%3Dother&matcher=job%3Dapi", "matcher=job%3Dapi"),
        ("matcher=path%3D%2Fa%3Db+c", "matcher=path%3D%2Fa%3Db+c"),
    ],
)  # fmt: skip
def test_grafanas_silence_keeps_the_matchers_that_all_share(query: str, left: str) -> None:
    shared = {"job": "api", "path": "/a=b c"}
    assert silence_all(f"{GRAFANA}?{query}", shared) == f"{GRAFANA}?{left}"


@pytest.mark.parametrize(
    "url",
    ["", GRAFANA, f"{GRAFANA}?matcher=pod%3Da", f"{ALERTMANAGER}/#/silences/new?filter=%7Bpod%3D%22a%22%7D",
     f"{ALERTMANAGER}/#/silences/new", f"{ALERTMANAGER}/#/silences/new?filter=nonsense",
     f"{ALERTMANAGER}/#/silences/new?filter=%7Bjob%3D%22api%22%2C%7C%7D"],
)  # fmt: skip
def test_a_form_without_anything_shared_is_no_link(url: str) -> None:
    assert silence_all(url, {"job": "api"}) == ""


LABELS = st.dictionaries(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=6), min_size=1, max_size=5)


@given(labels=LABELS, others=st.lists(LABELS, max_size=3))
def test_alertmanagers_silence_has_exactly_the_shared_matchers(
    labels: dict[str, str], others: list[dict[str, str]]
) -> None:
    form = silence_form(ALERTMANAGER, labels)
    shared = shared_labels([labels, *({**labels, **other} for other in others)])
    assert silence_all(form, shared) == silence_form(ALERTMANAGER, shared)


@given(labels=LABELS, others=st.lists(LABELS, max_size=3))
def test_grafanas_silence_has_exactly_the_shared_matchers(labels: dict[str, str], others: list[dict[str, str]]) -> None:
    named = {name.replace("=", ""): value for name, value in labels.items()}
    form = GRAFANA + "?" + "&".join(f"matcher={quote(f'{name}={value}', safe='')}" for name, value in named.items())
    shared = shared_labels([named, *({**named, **other} for other in others)])
    kept = parse_qs(urlsplit(silence_all(form, shared)).query, keep_blank_values=True).get("matcher", [])
    assert kept == [f"{name}={value}" for name, value in named.items() if name in shared]


def test_an_alertmanagers_form_is_readable_after_it_was_cut_down() -> None:
    form = silence_form(ALERTMANAGER, {"alertname": "Disk", "instance": "a:9100"})
    left = silence_all(form, {"alertname": "Disk"})
    assert unquote(left) == ALERTMANAGER + '/#/silences/new?filter={alertname="Disk"}'
