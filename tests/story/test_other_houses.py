"""Alerts as templates and tools of other houses write them: other label names, other spellings, other times."""

from __future__ import annotations

import json
import unicodedata

import pytest

from tests.bodies import alert, grafana
from tests.servers.observer import Town


def of(**labels: str) -> dict[str, str]:
    """The labels of an alert that has nothing else."""
    return {"alertname": "Errors", "severity": "warning", **labels}


def test_two_services_by_their_opentelemetry_names_are_two_incidents(town: Town) -> None:
    for service, cluster in (("rails", "eu"), ("billing", "us")):
        labels = of(**{"service.name": service, "k8s.cluster.name": cluster, "k8s_namespace_name": "web"})
        town.post(grafana({**alert(), "labels": labels, "fingerprint": service}))
    found = town.rows("SELECT cluster, namespace, service FROM incidents ORDER BY number")
    assert [tuple(row.values()) for row in found] == [("eu", "web", "rails"), ("us", "web", "billing")]
    answer = str(town.slack.command("/incident list service:billing"))
    assert "1 open incident" in answer


def test_a_resolve_whose_status_stands_on_top_only_resolves(town: Town) -> None:
    town.post(grafana(alert()))
    bare = {name: value for name, value in alert(ends=60).items() if name != "status"}
    answer = town.post(json.dumps({"status": "resolved", "alerts": [bare], "version": "1"}))
    assert answer.status_code == 200
    assert town.rows("SELECT status FROM incidents") == [{"status": "resolved"}]


@pytest.mark.parametrize(
    ("end", "problems"),
    [
        ("0000-00-00T00:00:00", 1),
        ("2026-11-20 08:41:10.5 +0000 UTC", 0),
        ("yesterday", 1),
        ({"seconds": 1}, 1),
        ("9999-12-31T23:59:59Z", 1),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_an_end_that_cannot_be_read_resolves_when_it_arrives_and_is_named(
    town: Town, end: object, problems: int
) -> None:
    town.post(grafana(alert()))
    answer = town.post(grafana({**alert(ends=60), "endsAt": end}))
    assert answer.status_code == 200
    assert [place["path"] for place in answer.json()["rejected"]] == ["alerts[0].endsAt"] * problems
    found = town.rows("SELECT status, resolved_time > start_time AS after FROM incidents")
    assert found == [{"status": "resolved", "after": 1}]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_hangul_service_is_one_however_it_is_composed(town: Town, form: str) -> None:
    for number, spelling in enumerate(("NFC", "NFD")):
        labels = of(service=f" {unicodedata.normalize(spelling, '결제')}")  # type: ignore[arg-type]
        town.post(grafana({**alert(), "labels": labels, "fingerprint": str(number)}))
    found = town.rows("SELECT service, instances_firing FROM incidents")
    assert found == [{"service": "결제", "instances_firing": 2}]
    asked = unicodedata.normalize(form, "/incident list service:결제")  # type: ignore[arg-type]
    assert "1 open incident" in str(town.slack.command(asked))
