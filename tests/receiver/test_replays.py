"""A signature that says when it was made is good once: on every replica, after every restart, and for each alone."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from db.arrival import Arrival
from db.database import Database
from db.errors import Duplicate, Replayed
from db.transactions import ingest
from receiver.replays import MOST_KNOWN, Replays
from tests.bodies import alert, grafana
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, at, check_record, count
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, rows
from tests.servers.proxy import Proxy
from tests.servers.slack import SandboxSlack

SECRET = "s3cret-of-signatures"
STAMPED = {
    "WEBHOOK_AUTH": "hmac",
    "WEBHOOK_AUTH_ALERTMANAGER": "bearer",
    "WEBHOOK_HMAC_SECRETS": f"grafana-eu={SECRET}",
    "WEBHOOK_HMAC_TIMESTAMP_HEADER": "X-Stamp",
}


def signed(body: bytes, moment: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if moment is None else moment))
    signature = hmac.new(SECRET.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Grafana-Alerting-Signature": signature, "X-Stamp": stamp}


def post(observer: Observer, body: bytes, headers: Mapping[str, str]) -> int:
    url = f"{observer.url}/webhook/grafana"
    return httpx.post(url, content=body, headers=dict(headers), timeout=60).status_code


def test_a_replayed_request_is_refused_by_every_replica_and_after_a_restart(db_url: DbUrl, slack: SandboxSlack) -> None:
    body = grafana(alert())
    headers = signed(body)
    with Observer(db_url, slack, STAMPED) as first, Observer(db_url, slack, STAMPED) as second:
        assert [post(first, body, headers) for _ in range(3)] == [200, 401, 401]
        assert [post(second, body, headers) for _ in range(2)] == [401, 401]
        again = signed(body, time.time() + 1)
        assert post(second, body, again) == 200, "the same alert, signed anew, is a notification like any other"
        ready = httpx.get(f"{first.url}/ready").json()["webhooks"]
        assert [(one["credential"], one["total"]["requests"], one["total"]["denied"]) for one in ready] == [
            ("", 2, 2),
            ("grafana-eu", 1, 0),
        ]
    with Observer(db_url, slack, STAMPED) as restarted:
        assert post(restarted, body, headers) == 401
    kept = rows(db_url, "SELECT credential, LENGTH(signature) AS size FROM deliveries")
    assert kept == [{"credential": "grafana-eu", "size": 32}] * 2


def test_a_body_that_cannot_be_read_cannot_be_replayed_either(db_url: DbUrl, slack: SandboxSlack) -> None:
    with Observer(db_url, slack, STAMPED) as observer:
        headers = signed(b"not json")
        assert [post(observer, b"not json", headers) for _ in range(2)] == [422, 401]
    assert len(rows(db_url, "SELECT delivery_id FROM deliveries")) == 1


def test_a_request_that_was_not_recorded_may_be_sent_again(db_url: DbUrl, slack: SandboxSlack) -> None:
    body = grafana(alert())
    with (
        Proxy(db_url.host, db_url.port) as proxy,
        Observer(replace(db_url, host=proxy.host, port=proxy.port), slack, STAMPED) as observer,
    ):
        headers = signed(body)
        proxy.cut()
        assert post(observer, body, headers) == 503
        proxy.mend()
        assert post(observer, body, headers) == 200
        assert post(observer, body, headers) == 401


def test_a_replay_among_many_requests_fails_alone(db_url: DbUrl, slack: SandboxSlack) -> None:
    bodies = [grafana(alert(instance=f"pod-{number}")) for number in range(40)]
    with Observer(db_url, slack, STAMPED) as observer, ThreadPoolExecutor(40) as pool:
        first = signed(bodies[0])
        assert post(observer, bodies[0], first) == 200
        jobs = [(body, first if body is bodies[0] else signed(body)) for body in bodies]
        found = list(pool.map(lambda job: post(observer, *job), jobs * 2))
    assert found.count(200) == 39
    assert found.count(401) == 41
    assert len(rows(db_url, "SELECT delivery_id FROM deliveries")) == 40


def test_without_a_timestamp_a_repeat_and_a_replay_are_the_same_bytes(db_url: DbUrl, slack: SandboxSlack) -> None:
    body = grafana(alert())
    plain = {"X-Grafana-Alerting-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    with Observer(db_url, slack, {**STAMPED, "WEBHOOK_HMAC_TIMESTAMP_HEADER": ""}) as observer:
        assert [post(observer, body, plain) for _ in range(2)] == [200, 200]


# The record


def test_the_record_takes_a_signature_once_and_a_request_id_again(database: Database) -> None:
    delivery = replace(a_delivery(), signature=bytes(32))
    reading = a_reading(an_alert())
    answer = ingest.record_delivery(database, delivery, reading, POLICY, at(0))
    assert ingest.record_delivery(database, delivery, reading, POLICY, at(0)) == answer, "a repeated COMMIT"
    other = replace(a_delivery(), signature=bytes(32))
    with pytest.raises(Replayed):
        ingest.record_delivery(database, other, a_reading(an_alert("f2")), POLICY, at(1))
    shared = [Arrival(replace(a_delivery(), signature=bytes([1] * 32)), reading), Arrival(other, reading)]
    with pytest.raises(Duplicate) as caught:
        ingest.record_together(database, shared, POLICY)
    assert caught.value.key == "uq_signature"
    assert (count(database, "deliveries"), count(database, "grafana_alerts")) == (1, 1)
    check_record(database)


def test_the_memory_of_replays_is_bounded() -> None:
    replays = Replays()
    for number in range(MOST_KNOWN + 1):
        replays.learn(number.to_bytes(32, "big"))
    replays.learn(None)
    assert not replays.knows(None)
    assert not replays.knows(bytes(32))
    assert replays.knows((1).to_bytes(32, "big"))
