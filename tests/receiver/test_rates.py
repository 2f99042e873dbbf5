"""What each source sends is counted per credential and minute, shown, and never refused."""

from __future__ import annotations

import logging
import threading

import httpx
import pytest

from receiver.rates import Amounts, Rate, Rates
from tests.bodies import alert, grafana
from tests.servers.observer import Town


class Clock:
    """Seconds that are moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_amounts_move_from_this_minute_to_the_last_and_out_of_sight() -> None:
    clock = Clock()
    rates = Rates(clock, 0)
    one = Amounts(1, 5, 100, 0)
    rates.count("grafana", "eu", one)
    rates.count("grafana", "eu", one)
    two = one.plus(one)
    assert rates.snapshot() == (Rate("grafana", "eu", two, two, Amounts()),)
    clock.now += 60
    assert rates.snapshot() == (Rate("grafana", "eu", two, Amounts(), two),)
    rates.count("grafana", "", Amounts(requests=1, denied=1))
    clock.now += 60
    nobody = Amounts(1, 0, 0, 1)
    assert rates.snapshot() == (
        Rate("grafana", "", nobody, Amounts(), nobody),
        Rate("grafana", "eu", two, Amounts(), Amounts()),
    )
    clock.now += 600
    assert [rate.last_minute for rate in rates.snapshot()] == [Amounts()] * 2


def test_many_alerts_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    rates = Rates(clock, 10)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            rates.count("grafana", "eu", Amounts(1, 4))
        assert len(caplog.records) == 1
        clock.now += 60
        rates.count("grafana", "eu", Amounts(1, 25))
        rates.count("grafana", "us", Amounts(1, 9))
    assert [record.__dict__["credential"] for record in caplog.records] == ["eu", "eu"]


def test_threads_that_count_at_once_lose_nothing() -> None:
    rates = Rates(Clock(), 0)

    def work() -> None:
        for _ in range(1_000):
            rates.count("grafana", "eu", Amounts(1, 2, 3, 0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rates.snapshot()[0].total == Amounts(8_000, 16_000, 24_000, 0)


def test_what_sources_send_is_shown_and_nobody_is_refused(town: Town) -> None:
    body = grafana(alert(), alert(instance="another"))
    assert {town.post(body).status_code for _ in range(30)} == {200}
    assert town.post(body, token="wrong").status_code == 401
    assert town.post(b"rubbish", "/webhook/alertmanager").status_code == 422
    shown = {
        (one["source"], one["credential"]): one["total"]
        for one in httpx.get(f"{town.observer.url}/ready").json()["webhooks"]
    }
    assert shown == {
        ("grafana", "default"): {"requests": 30, "alerts": 60, "bytes": 30 * len(body), "denied": 0},
        ("grafana", ""): {"requests": 1, "alerts": 0, "bytes": 0, "denied": 1},
        ("alertmanager", "default"): {"requests": 1, "alerts": 0, "bytes": 7, "denied": 0},
    }
    metrics = httpx.get(f"{town.observer.url}/metrics").text.splitlines()
    assert 'observer_credential_alerts_total{credential="default",source="grafana"} 60.0' in metrics
    assert 'observer_denied_requests_total{source="grafana"} 1.0' in metrics
