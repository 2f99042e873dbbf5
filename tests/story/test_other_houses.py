"""Alerts as templates and tools of other houses write them: other label names, other spellings, other times."""

from __future__ import annotations

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


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_hangul_service_is_one_however_it_is_composed(town: Town, form: str) -> None:
    for number, spelling in enumerate(("NFC", "NFD")):
        labels = of(service=f" {unicodedata.normalize(spelling, '결제')}")  # type: ignore[arg-type]
        town.post(grafana({**alert(), "labels": labels, "fingerprint": str(number)}))
    found = town.rows("SELECT service, instances_firing FROM incidents")
    assert found == [{"service": "결제", "instances_firing": 2}]
    asked = unicodedata.normalize(form, "/incident list service:결제")  # type: ignore[arg-type]
    assert "1 open incident" in str(town.slack.command(asked))
