"""The webhooks of the running program, over real HTTP: who may post, what is kept, and what is answered."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import logging
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest

from db.commands.cli import run
from db.model.finding import CONTENT_TYPE
from db.server.private import PrivateServer, reserved_port
from receiver.app import Settings, create_app
from receiver.bodies import Budget
from receiver.settings import MAX_BODY_BYTES
from receiver.sources.stored import read_stored
from tests.bodies import alert, grafana
from tests.servers.database import DbUrl, TestServer
from tests.servers.observer import WEBHOOK_TOKEN, Observer, Town, environment, rows, send
from tests.servers.proxy import Proxy
from tests.servers.slack import SandboxSlack, ThreadedServer, wait_until

PAYLOADS = Path(__file__).parents[1] / "payloads"
VECTOR = json.loads((PAYLOADS / "hmac-test-vector.json").read_bytes())
SIGNED_BODY = (PAYLOADS / VECTOR["file"]).read_bytes()
STAMP_HEADER = "X-Grafana-Alerting-Timestamp"
SIGNATURE_HEADER = "X-Grafana-Alerting-Signature"
BEARER = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
SIGNING = {"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer"}


def kept(url: DbUrl) -> list[dict[str, Any]]:
    """All deliveries of the record, with the bytes as they were received."""
    found = rows(url, "SELECT * FROM deliveries ORDER BY delivery_id")
    for row in found:
        row["received"] = zlib.decompress(row["body"]) if row["body_encoding"] == "zlib" else row["body"]
    return found


def talk(port: int, *pieces: bytes, hang_up: bool = False) -> bytes:
    """Send bytes as they are and read what comes until the other side closes; or hang up without reading."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for piece in pieces:
            try:
                wire.sendall(piece)
            except OSError:
                break  # answered and closed while this side was still talking
        if hang_up:
            return b""
        answer = b""
        try:
            while data := wire.recv(65_536):
                answer += data
        except ConnectionResetError:
            pass
        return answer


def head(path: str, **headers: str) -> bytes:
    """The first lines of a POST request with our credentials."""
    lines = [f"POST {path} HTTP/1.1", "Host: observer", f"Authorization: Bearer {WEBHOOK_TOKEN}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


# The addresses


def test_both_sources_take_post_and_put_with_and_without_a_trailing_slash(town: Town) -> None:
    body = grafana(alert())
    for source in ("grafana", "alertmanager"):
        for method in ("POST", "PUT"):
            for slash in ("", "/"):
                answer = httpx.request(
                    method, f"{town.observer.url}/webhook/{source}{slash}", content=body, headers=BEARER
                )
                assert (answer.status_code, answer.json()["status"]) == (200, "recorded")
    assert len(kept(town.db_url)) == 8


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(town: Town, method: str) -> None:
    for path in ("/webhook/grafana", "/webhook/alertmanager/"):
        answer = httpx.request(method, town.observer.url + path, headers=BEARER)
        assert answer.status_code == 405
        assert {"POST", "PUT"} <= {name.strip() for name in answer.headers["allow"].split(",")}
    assert kept(town.db_url) == []


def test_an_unknown_address_is_not_found_and_nothing_redirects(town: Town) -> None:
    for path in ("/webhook", "/webhook/", "/webhook/datadog", "/webhook/grafana/x", "/health/"):
        assert httpx.post(town.observer.url + path, content=b"{}", headers=BEARER).status_code == 404


def test_slashes_in_a_row_are_one(town: Town) -> None:
    paths = ("//webhook/grafana", "/webhook//alertmanager", "/webhook/grafana//", "///webhook///grafana///")
    for path in paths:
        answer = httpx.post(town.observer.url + path, content=grafana(alert()), headers=BEARER)
        assert (answer.status_code, answer.json()["status"]) == (200, "recorded")
        assert httpx.post(town.observer.url + path, content=b"{}").status_code == 401
    assert len(kept(town.db_url)) == len(paths)
    assert httpx.get(town.observer.url + "//health").json() == {"status": "alive"}
    assert httpx.get(town.observer.url + "//").json()["service"] == "Observer"
    assert httpx.post(town.observer.url + "//slack//events", content=b"x").status_code == 401
    assert httpx.post(town.observer.url + "//webhook//datadog", content=b"{}", headers=BEARER).status_code == 404


def test_the_first_page_says_what_this_is_and_where_its_parts_are(town: Town) -> None:
    said = httpx.get(town.observer.url + "/").json()
    assert said["service"] == "Observer"
    assert said["version"]
    assert said["slack"]["problems"] == {}
    for entry in said["endpoints"]:
        method, path = entry.split(" ")
        assert httpx.request(method, town.observer.url + path).status_code not in (404, 405)


def test_nobody_can_claim_that_a_body_is_a_finding_of_the_program_itself(town: Town) -> None:
    for said in (CONTENT_TYPE, CONTENT_TYPE.upper(), f"{CONTENT_TYPE}; charset=utf-8", "application/json"):
        headers = {**BEARER, "Content-Type": said}
        answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=grafana(alert()), headers=headers)
        assert answer.status_code == 200
    assert [row["content_type"] for row in kept(town.db_url)] == ["", "", "", "application/json"]


# Who may post


def basic(user: str, password: str) -> dict[str, str]:
    """The header of basic auth."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def signed(body: bytes, secret: str = VECTOR["secret"], at: float | None = None) -> dict[str, str]:
    """The headers of Grafana's signature, with a timestamp if one is given."""
    if at is None:
        return {SIGNATURE_HEADER: hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
    stamp = str(int(at))
    message = stamp.encode() + b":" + body
    return {SIGNATURE_HEADER: hmac.new(secret.encode(), message, hashlib.sha256).hexdigest(), STAMP_HEADER: stamp}


BODY = grafana(alert())
GOOD: dict[str, Callable[[], Mapping[str, str]]] = {
    "bearer": lambda: BEARER,
    "basic": lambda: basic("grafana", "s3cret-basic"),
    "hmac": lambda: signed(BODY),
    "stamped": lambda: signed(BODY, at=time.time()),
}
"""Requests that a program of the same name must take, and every other one must refuse."""

BAD: dict[str, Callable[[], Mapping[str, str]]] = {
    "nothing": dict,
    "another token": lambda: {"Authorization": "Bearer other"},
    "an empty token": lambda: {"Authorization": "Bearer"},
    "another password": lambda: basic("grafana", "other"),
    "another secret": lambda: signed(BODY, "other"),
    "another body": lambda: signed(BODY + b" "),
    "a timestamp of yesterday": lambda: signed(BODY, at=time.time() - 86_400),
    "a timestamp of tomorrow": lambda: signed(BODY, at=time.time() + 86_400),
    "a timestamp alone": lambda: {STAMP_HEADER: str(int(time.time()))},
    "everything a bit": lambda: {"Authorization": "Bearer", SIGNATURE_HEADER: "0" * 64},
}

WAYS = {
    "bearer": {},
    "basic": {
        "WEBHOOK_AUTH": "basic", "WEBHOOK_BASIC_USER": "grafana", "WEBHOOK_BASIC_PASSWORD": "s3cret-basic",
    },
    "hmac": {
        "WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer", "WEBHOOK_HMAC_SECRET": "s3cret-hmac",
    },
    "stamped": {
        "WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer", "WEBHOOK_HMAC_SECRET": "s3cret-hmac",
        "WEBHOOK_HMAC_TIMESTAMP_HEADER": STAMP_HEADER,
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_configured_way_lets_in_and_no_other_does(way: str, db_url: DbUrl, slack: SandboxSlack) -> None:
    with Observer(db_url, slack, {**WAYS[way], "WEBHOOK_TOKEN": WEBHOOK_TOKEN}) as observer:
        for name, headers in (GOOD | BAD).items():
            answer = httpx.post(f"{observer.url}/webhook/grafana", content=BODY, headers=dict(headers()))
            assert answer.status_code == (200 if name == way else 401), name
            if name != way:
                assert answer.json() == {
                    "status": "error", "path": "Authorization", "reason": "missing or wrong credentials",
                }  # fmt: skip
                assert answer.headers["www-authenticate"].split(" ")[0] == ("Basic" if way == "basic" else "Bearer")
    assert [row["received"] for row in kept(db_url)] == [BODY]


@pytest.mark.parametrize("twice", ["Bearer Bearer {}", "bearer  BEARER {}", "Bearer Bearer: {}", "Bearer Basic {}"])
def test_a_scheme_that_stands_twice_is_named(town: Town, twice: str, caplog: pytest.LogCaptureFixture) -> None:
    """The commonest of all mistakes: the whole line is pasted into a field that adds the scheme itself."""
    headers = {"Authorization": twice.format(WEBHOOK_TOKEN)}
    answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=grafana(alert()), headers=headers)
    assert answer.status_code == 401
    assert "the scheme stands twice" in answer.json()["reason"]
    [line] = [record for record in caplog.records if record.message == "webhook denied"]
    assert vars(line)["reason"] == "credentials_scheme_twice"


def test_a_credential_that_only_begins_like_a_scheme_is_wrong_and_no_more(town: Town) -> None:
    for token in ("bearer-token", "basics", "Bearerx y"):
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=grafana(alert()), headers=headers)
        assert answer.json()["reason"] == "missing or wrong credentials"


def test_alertmanager_can_have_a_way_of_its_own(db_url: DbUrl, slack: SandboxSlack) -> None:
    with Observer(db_url, slack, {**WAYS["hmac"], "WEBHOOK_AUTH_ALERTMANAGER": "bearer"}) as observer:
        table = [("grafana", "hmac", 200), ("grafana", "bearer", 401), ("alertmanager", "bearer", 200)]
        for path, way, status in [*table, ("alertmanager", "hmac", 401)]:
            body = BODY if path == "grafana" else OF_ALERTMANAGER
            answer = httpx.post(f"{observer.url}/webhook/{path}", content=body, headers=dict(GOOD[way]()))
            assert answer.status_code == status, (path, way)
    assert len(kept(db_url)) == 2


OF_ALERTMANAGER = (PAYLOADS / "am-v4-firing-kubepodcrashlooping.json").read_bytes()
OF_LEGACY_GRAFANA = (PAYLOADS / "grafana-7-legacy-alerting.json").read_bytes()


def test_nobody_chooses_the_easier_way_by_the_path(db_url: DbUrl, slack: SandboxSlack) -> None:
    def post(observer: Observer, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return httpx.post(f"{observer.url}/webhook/{path}", content=body, headers=dict(headers))

    with Observer(db_url, slack, {**WAYS["hmac"], "WEBHOOK_TOKEN": WEBHOOK_TOKEN}) as observer:
        for body in (BODY, grafana(alert(ends=5)), OF_LEGACY_GRAFANA):
            answer = post(observer, "alertmanager", body, BEARER)
            assert answer.status_code == 422
            assert "send it to /webhook/grafana" in answer.json()["reason"]
            assert post(observer, "alertmanager", gzip.compress(body), {**BEARER, "Content-Encoding": "gzip"}
                        ).status_code == 422  # fmt: skip
        answer = post(observer, "grafana", OF_ALERTMANAGER, signed(OF_ALERTMANAGER))
        assert answer.status_code == 422
        assert "send it to /webhook/alertmanager" in answer.json()["reason"]
        assert kept(db_url) == [], "what is kept could be told anew by a replay"
        assert post(observer, "grafana", BODY, signed(BODY)).status_code == 200
        assert post(observer, "alertmanager", OF_ALERTMANAGER, BEARER).status_code == 200
    assert len(kept(db_url)) == 2


def test_with_one_way_for_both_a_body_on_the_other_path_is_read(town: Town) -> None:
    assert send(town.observer.url, BODY, "/webhook/alertmanager").status_code == 200
    assert send(town.observer.url, OF_ALERTMANAGER).status_code == 200


@pytest.mark.parametrize("with_timestamp", [False, True])
def test_the_recorded_signature_of_a_real_body_is_good(
    with_timestamp: bool, db_url: DbUrl, slack: SandboxSlack
) -> None:
    vector = VECTOR["with_timestamp" if with_timestamp else "without_timestamp"]
    headers = {vector["header"]: vector["value"]}
    if with_timestamp:
        headers[vector["timestamp_header"]] = vector["timestamp"]
    with reserved_port() as port:
        settings = Settings.from_env(environment(db_url, slack, port, WAYS["stamped" if with_timestamp else "hmac"]))
    then = datetime.fromtimestamp(int(VECTOR["with_timestamp"]["timestamp"]), UTC)
    server = ThreadedServer(create_app(settings, clock=lambda: then), port)
    server.start()
    try:
        answers = [
            httpx.post(f"{server.url}/webhook/grafana", content=body, headers=headers)
            for body in (SIGNED_BODY, SIGNED_BODY + b"\n")
        ]
    finally:
        server.stop()
    assert [answer.status_code for answer in answers] == [200, 401]
    assert [row["received"] for row in kept(db_url)] == [SIGNED_BODY]


def test_a_recorded_request_cannot_be_sent_again_as_one_without_timestamp(db_url: DbUrl, slack: SandboxSlack) -> None:
    headers = signed(BODY, at=time.time())
    forged = headers[STAMP_HEADER].encode() + b":" + BODY
    with Observer(db_url, slack, WAYS["stamped"]) as observer:
        answer = httpx.post(
            f"{observer.url}/webhook/grafana",
            content=forged,
            headers={SIGNATURE_HEADER: headers[SIGNATURE_HEADER]},
        )
    assert answer.status_code == 401
    assert kept(db_url) == []


def test_who_may_not_post_is_refused_before_the_body_is_read(town: Town) -> None:
    """A stranger cannot make the program hold megabytes: it is answered although the body never comes."""
    request = b"POST /webhook/grafana HTTP/1.1\r\nHost: observer\r\nContent-Length: 5000000\r\n\r\n"
    began = time.monotonic()
    assert talk(town.observer.port, request).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began < 5


def test_who_has_signed_nothing_is_refused_before_the_body_is_read(db_url: DbUrl, slack: SandboxSlack) -> None:
    ways = {**SIGNING, "WEBHOOK_HMAC_SECRET": "secret", "WEBHOOK_HMAC_TIMESTAMP_HEADER": STAMP_HEADER}
    signature, now = f"{SIGNATURE_HEADER}: {'0' * 64}\r\n", f"{STAMP_HEADER}: {int(time.time())}\r\n"
    with Observer(db_url, slack, ways) as observer:
        for headers in ("", signature, now, f"{signature}{STAMP_HEADER}: soon\r\n"):
            request = f"POST /webhook/grafana HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n{headers}\r\n"
            assert talk(observer.port, request.encode()).startswith(b"HTTP/1.1 401 ")
    assert kept(db_url) == []


def test_bodies_of_unknown_senders_share_one_budget(
    db_url: DbUrl, slack: SandboxSlack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever could have signed is not known until the body is complete: what all of them hold together has a bound,
    for the webhooks and for Slack's requests, and is free again as soon as they are gone."""
    monkeypatch.setattr("receiver.app.Budget", partial(Budget, 600_000))
    unfinished = f"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES}\r\n%s\r\n"
    webhook = (unfinished % ("/webhook/grafana", f"{SIGNATURE_HEADER}: {'0' * 64}\r\n")).encode()
    event = unfinished.replace(str(MAX_BODY_BYTES), "1000000")
    event = event % ("/slack/events", "X-Slack-Signature: v0=0\r\nX-Slack-Request-Timestamp: 1\r\n")
    signature = hmac.new(b"secret", BODY, hashlib.sha256).hexdigest()
    ways = {**SIGNING, "WEBHOOK_HMAC_SECRET": "secret"}
    with Observer(db_url, slack, ways) as observer:

        def post() -> httpx.Response:
            return httpx.post(f"{observer.url}/webhook/grafana", content=BODY, headers={SIGNATURE_HEADER: signature})

        def is_taken() -> bool:
            return post().status_code == 200

        assert is_taken()
        with ExitStack() as stack:
            for request in (webhook, event.encode()):
                wire = stack.enter_context(socket.create_connection(("127.0.0.1", observer.port), timeout=20))
                wire.sendall(request + bytes(299_900))
            wait_until(lambda: not is_taken(), "the budget to be used up")
            answer = post()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["reason"] == "too many bodies at once, send again"
            answers = [talk(observer.port, request + bytes(1_000)) for request in (webhook, event.encode())]
            assert [answer.split(b"\r\n")[0][:12] for answer in answers] == [b"HTTP/1.1 503"] * 2
            assert all(b"retry-after: 5" in answer.lower() for answer in answers)
            assert httpx.get(f"{observer.url}/health").status_code == 200
        wait_until(is_taken, "a signed request to be taken again")
    assert {"grafana", "slack"} <= {
        vars(record)["source"] for record in caplog.records if record.message == "too many bodies of unknown senders"
    }


# What is too large, or in a form that is not read


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(town: Town) -> None:
    answer = talk(town.observer.port, head("/webhook/grafana", Content_Length=str(MAX_BODY_BYTES + 1)))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert f"larger than {MAX_BODY_BYTES} bytes".encode() in answer
    assert kept(town.db_url) == []


def test_a_body_that_grows_too_large_is_refused_on_the_way(town: Town) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    # One byte more than is taken, and no end: the answer does not wait for it.
    pieces = [*([chunk] * (MAX_BODY_BYTES // 65_536)), b"1\r\n \r\n"]
    answer = talk(town.observer.port, head("/webhook/grafana", Transfer_Encoding="chunked"), *pieces)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert kept(town.db_url) == []
    assert town.post(BODY).status_code == 200


def test_a_body_of_exactly_the_limit_is_taken(town: Town) -> None:
    body = BODY + b" " * (MAX_BODY_BYTES - len(BODY))
    answer = town.post(body)
    assert (answer.status_code, answer.json()["alerts"]["recorded"]) == (200, 1)
    assert kept(town.db_url)[0]["received"] == body


def test_ten_mebibytes_of_text_that_can_hardly_be_compressed_are_kept(town: Town) -> None:
    body = base64.b64encode(random.Random(7).randbytes(MAX_BODY_BYTES * 3 // 4))
    assert len(body) == MAX_BODY_BYTES
    assert town.post(body).status_code == 422
    assert kept(town.db_url)[0]["received"] == body


def test_a_body_in_chunks_is_a_body(town: Town) -> None:
    answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=iter([BODY[:100], BODY[100:]]), headers=BEARER)
    assert answer.status_code == 200
    assert kept(town.db_url)[0]["received"] == BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "identity, gzip"])
def test_a_body_of_another_encoding_is_refused_by_name(town: Town, encoding: str) -> None:
    answer = httpx.post(
        f"{town.observer.url}/webhook/grafana", content=b"\x1f\x8b", headers={**BEARER, "Content-Encoding": encoding}
    )
    assert answer.status_code == 415
    assert answer.json()["path"] == "Content-Encoding"
    assert encoding.lower() in answer.json()["reason"]
    [delivery] = kept(town.db_url)
    assert (delivery["received"], delivery["delivery_id"]) == (b"\x1f\x8b", answer.json()["delivery"])


def test_an_encoding_that_changes_nothing_is_fine(town: Town) -> None:
    headers = {**BEARER, "Content-Encoding": "identity"}
    assert httpx.post(f"{town.observer.url}/webhook/grafana", content=BODY, headers=headers).status_code == 200


# What cannot be read


EXPECTED = "expected a Grafana webhook body"
UNREADABLE = [
    (b"", "body", "empty"),
    (b" \n", "body", "empty"),
    (b"text=fired", "$", "not JSON: Expecting value at line 1, column 1"),
    (b'{"alerts": [', "$", "not JSON: Expecting value at line 1, column 13"),
    (b'{"alerts": "\xff"}', "body", "not UTF-8 at line 1"),
    (b"null", "$", EXPECTED),
    (b"[]", "$", EXPECTED),
    (b"{}", "$", "this looks like an empty object"),
    (b'{"hello": "world"}', "$", 'this looks like an object with "hello"'),
    (b'{"version": "4", "alerts": [{"status": "firing"}]}', "alerts[0].labels", "expected an object, found nothing"),
    (b'{"version": "1", "alerts": [{"status": "on", "labels": {}}]}', "alerts[0].status", 'expected "firing" or'),
    (
        b'{"version": "1", "alerts": [{"status": "firing", "labels": 5}, 7]}',
        "alerts[0].labels",
        "(none of the 2 alerts can be read)",
    ),
]


def test_what_cannot_be_read_is_refused_with_path_and_reason_and_kept_byte_for_byte(town: Town) -> None:
    for number, (body, path, reason) in enumerate(UNREADABLE, start=1):
        answer = town.post(body)
        said = answer.json()
        assert (answer.status_code, said["status"], said["path"]) == (422, "error", path), body
        assert reason in said["reason"]
        assert said["delivery"] == number
        row = kept(town.db_url)[-1]
        assert (row["delivery_id"], row["received"], row["body_bytes"]) == (number, body, len(body))
        assert row["body_sha256"] == hashlib.sha256(body).digest()
        assert row["problem"] == f"{path}: {said['reason']}"
        assert (row["source"], row["content_type"]) == ("grafana", "application/json")
    assert town.rows("SELECT * FROM incidents") == town.rows("SELECT * FROM grafana_alerts") == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"version": "1", "alerts": []}', "expected at least one alert, found none"),
        (b'{"alerts": null, "status": "resolved"}', "expected an array, found null"),
    ],
)
def test_a_body_with_no_alert_in_it_is_kept_and_not_sent_again(town: Town, body: bytes, reason: str) -> None:
    answer = town.post(body)
    wanted = {"status": "recorded", "delivery": 1, "path": "alerts", "reason": reason}
    assert (answer.status_code, answer.json()) == (200, wanted)
    [row] = kept(town.db_url)
    assert (row["received"], row["problem"]) == (body, f"alerts: {reason}")


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-16", "application/json"),
        ("utf-16-le", "application/json"),
        ("utf-16-be", "application/json"),
        ("utf-32", "application/json"),
        ("utf-8-sig", "application/json; charset=utf-8"),
        ("cp949", "application/json; charset=euc-kr"),
        ("cp949", 'application/json;charset="KS_C_5601-1987"'),
        ("utf-8", "application/json; charset=iso-8859-1"),
    ],
)
def test_a_body_in_another_encoding_is_read_and_kept_as_sent(town: Town, encoding: str, content_type: str) -> None:
    one = alert(labels={"service": "결제"})
    body = json.dumps(json.loads(grafana(one)), ensure_ascii=False).encode(encoding)
    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": content_type}
    answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert town.rows("SELECT service FROM incidents") == [{"service": "결제"}]
    [row] = kept(town.db_url)
    assert row["received"] == body
    again = read_stored("grafana", row["content_type"], body)
    assert again.alerts[0].labels["service"] == "결제"


@pytest.mark.parametrize("charset", ["punycode", "zlib", "nonsense", "utf-8", "idna"])
def test_a_charset_that_is_none_is_not_tried(town: Town, charset: str) -> None:
    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": f"application/json; charset={charset}"}
    answer = httpx.post(f"{town.observer.url}/webhook/grafana", content=b'{"alerts": "\xff"}', headers=headers)
    assert (answer.status_code, answer.json()["path"]) == (422, "body")


def test_a_large_body_that_cannot_be_read_is_kept_compressed(town: Town) -> None:
    body = b'{"not": "known", "padding": "' + b"x" * 100_000 + b'"}'
    assert town.post(body).status_code == 422
    row = kept(town.db_url)[0]
    assert (row["body_encoding"], row["body_bytes"], row["received"]) == ("zlib", len(body), body)
    assert len(row["body"]) < 1_000


def test_the_answer_to_a_body_that_cannot_be_read_fits_what_grafana_shows(town: Town) -> None:
    """Grafana shows the first 1024 bytes of the answer to who presses the Test button."""
    odd = json.dumps({"k" * 3_000: 1, "version": "1", "alerts": "x" * 3_000})
    deep = json.dumps({"version": "1", "alerts": [{"status": "s" * 3_000, "labels": {}}]})
    for body in (odd, deep, b"\x00" * 3_000, b'{"' + b"\xed\x95\x9c" * 3_000 + b'": 1}'):
        answer = town.post(body)
        assert answer.status_code == 422
        assert len(answer.content) < 1_024


def test_one_unreadable_alert_does_not_cost_the_others(town: Town) -> None:
    bad_time = {**alert(instance="b"), "startsAt": "yesterday"}
    body = grafana(alert(instance="a"), bad_time, alert(instance="c"), {"status": "firing"})
    answer = town.post(body)
    said = answer.json()
    assert answer.status_code == 200
    assert said["alerts"]["recorded"] == 3
    assert said["rejected"] == [
        {"path": "alerts[1].startsAt", "reason": 'expected a time as in RFC 3339, found "yesterday"'},
        {"path": "alerts[3].labels", "reason": "expected an object, found nothing"},
    ]
    [row] = kept(town.db_url)
    assert row["received"] == body
    assert row["problem"].splitlines() == [f"{part['path']}: {part['reason']}" for part in said["rejected"]]
    pods = [json.loads(found["labels"])["pod"] for found in town.rows("SELECT labels FROM grafana_alerts")]
    assert sorted(pods) == ["a", "b", "c"]


# What is answered


def test_the_answer_says_what_happened(town: Town) -> None:
    def figures(answer: httpx.Response) -> tuple[dict[str, int], dict[str, int]]:
        said = answer.json()
        return {name: len(ids) for name, ids in said["incidents"].items() if ids}, {
            name: number for name, number in said["alerts"].items() if number
        }

    first, second = alert(instance="a"), alert(instance="b")
    other = alert("Disk nearly full", rule="disk_full", labels={"service": "orders"})
    assert figures(town.post(grafana(first, second, other))) == ({"opened": 2}, {"recorded": 3})
    assert figures(town.post(grafana(first, second, other))) == ({}, {"recorded": 3, "repeats": 3})
    third = alert(instance="c")
    assert figures(town.post(grafana(first, third, truncatedAlerts=7))) == (
        {"joined": 1},
        {"recorded": 2, "repeats": 1, "truncated": 7},
    )
    over = [alert(instance=name, ends=60) for name in "abc"]
    assert figures(town.post(grafana(*over[:2]))) == ({}, {"recorded": 2})
    assert figures(town.post(grafana(over[2]))) == ({"resolved": 1}, {"recorded": 1})
    watchdog = alert("Watchdog", rule="watchdog", labels={"severity": "none"})
    test = alert("TestAlert", rule="", generatorURL="", fingerprint="57c6d9296de2ad39")
    assert figures(town.post(grafana(watchdog, test))) == ({}, {"tests": 1, "heartbeats": 1})
    assert [row["truncated_alerts"] for row in kept(town.db_url)] == [0, 0, 7, 0, 0, 0]


def test_the_answer_is_kept_with_the_delivery_and_names_the_incident(town: Town) -> None:
    said = town.post(BODY).json()
    [row] = kept(town.db_url)
    assert json.loads(row["outcome"]) == {name: said[name] for name in said if name not in ("status", "delivery")}
    assert said["delivery"] == row["delivery_id"]
    assert said["incidents"]["opened"] == [town.rows("SELECT incident_id FROM incidents")[0]["incident_id"]]
    assert said["rejected"] == []


# Senders and databases that go away


def test_a_sender_that_goes_away_in_the_middle_leaves_no_error(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for request in (
            head("/webhook/grafana", Content_Length="1000") + b'{"alerts": [',
            head("/webhook/grafana", Transfer_Encoding="chunked") + b"10\r\n" + b" " * 7,
        ):
            talk(town.observer.port, request, hang_up=True)
        wait_until(
            lambda: sum(record.message == "webhook sender went away" for record in caplog.records) == 2,
            "both to be noticed",
        )
        assert town.post(BODY).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []
    assert len(kept(town.db_url)) == 1


def test_without_the_database_the_sender_is_told_to_come_again_and_then_it_is_recorded(
    db_url: DbUrl, slack: SandboxSlack
) -> None:
    with (
        Proxy(db_url.host, db_url.port) as proxy,
        Observer(replace(db_url, host=proxy.host, port=proxy.port), slack) as observer,
        ThreadPoolExecutor() as threads,
    ):
        assert send(observer.url, BODY).status_code == 200
        proxy.cut()
        later = grafana(alert("Disk nearly full", rule="disk_full"))
        # As long as Grafana waits for an answer.
        webhooks = [threads.submit(lambda: send(observer.url, later, timeout=30)) for _ in range(3)]
        unreadable = threads.submit(lambda: send(observer.url, b"not json", timeout=30))
        ready = threads.submit(lambda: httpx.get(f"{observer.url}/ready", timeout=60))
        while not all(webhook.done() for webhook in webhooks):
            alive = httpx.get(f"{observer.url}/health")
            assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
            time.sleep(0.2)
        for result in [*(webhook.result() for webhook in webhooks), unreadable.result()]:
            assert result.status_code == 503
            assert int(result.headers["retry-after"]) > 0
            assert result.json()["path"] == "database"
        assert ready.result().status_code == 503
        assert ready.result().json()["status"] == "not ready"
        assert ready.result().json()["database"]["problem"].startswith("DatabaseAway: ")
        assert len(kept(db_url)) == 1

        proxy.mend()
        assert len(send(observer.url, later).json()["incidents"]["opened"]) == 1
        assert send(observer.url, b"not json").status_code == 422
        wait_until(lambda: httpx.get(f"{observer.url}/ready", timeout=60).json()["status"] == "ready", "it to be ready")
    assert [row["received"] for row in kept(db_url)] == [BODY, later, b"not json"]


def test_a_short_absence_of_the_database_is_not_even_noticed(db_url: DbUrl, slack: SandboxSlack) -> None:
    """Grafana comes again only after its group interval, so a webhook waits for a server that restarts."""
    with (
        Proxy(db_url.host, db_url.port) as proxy,
        Observer(replace(db_url, host=proxy.host, port=proxy.port), slack) as observer,
        ThreadPoolExecutor() as threads,
    ):
        assert send(observer.url, BODY).status_code == 200
        proxy.cut()
        waiting = threads.submit(lambda: send(observer.url, grafana(alert(instance="b"))))
        time.sleep(1)
        assert not waiting.done()
        proxy.mend()
        assert waiting.result().status_code == 200
    assert len(kept(db_url)) == 2


def test_started_before_its_database_the_program_makes_the_tables_when_that_comes(
    empty_url: DbUrl, slack: SandboxSlack
) -> None:
    with Proxy(empty_url.host, empty_url.port) as proxy:
        proxy.cut()
        with Observer(replace(empty_url, host=proxy.host, port=proxy.port), slack) as observer:
            assert httpx.get(f"{observer.url}/health").status_code == 200
            assert httpx.get(f"{observer.url}/").status_code == 200
            with ThreadPoolExecutor() as threads:
                early = threads.submit(lambda: send(observer.url, BODY))
                ready = httpx.get(f"{observer.url}/ready", timeout=60)
                assert (ready.status_code, early.result().status_code) == (503, 503)
            proxy.mend()
            wait_until(
                lambda: httpx.get(f"{observer.url}/ready", timeout=60).status_code == 200, "the program to be ready"
            )
            assert send(observer.url, BODY).status_code == 200
            assert len(kept(empty_url)) == 1
            slack.wait_for_message(lambda message: "Checkout" in message["text"], "the card")


def test_a_database_that_is_silent_does_not_hold_up_the_start(db_url: DbUrl, slack: SandboxSlack) -> None:
    with Proxy(db_url.host, db_url.port) as proxy:
        proxy.stall()
        with Observer(replace(db_url, host=proxy.host, port=proxy.port), slack) as observer:
            assert httpx.get(f"{observer.url}/health", timeout=10).status_code == 200
            proxy.mend()
            wait_until(lambda: httpx.get(f"{observer.url}/ready", timeout=15).status_code == 200, "it to be ready")


def test_what_the_database_takes_too_little_at_once_for_is_refused_with_the_reason_and_the_rest_is_recorded(
    server: TestServer, slack: SandboxSlack
) -> None:
    running = server.new_private("small-packets")
    running.options = ("--max-allowed-packet=1M",)
    with running:
        url = DbUrl(running.host, running.port, running.user, running.password, running.database)
        with Observer(url, slack) as observer:
            hard = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1_000_000))
            for body in (grafana(alert(hard)), hard.encode()):
                answer = send(observer.url, body)
                assert (answer.status_code, "max_allowed_packet" in answer.json()["reason"]) == (413, True)
            many = [alert("디스크가 거의 찼습니다" * 20, instance=f"글-{number}" * 50) for number in range(700)]
            answer = send(observer.url, grafana(*many), timeout=60)
            assert (answer.status_code, answer.json()["alerts"]["recorded"]) == (200, 700)
            assert send(observer.url, BODY).status_code == 200
            assert httpx.get(f"{observer.url}/ready", timeout=60).status_code == 200


@pytest.fixture(scope="module")
def refusing(server: TestServer) -> Iterator[PrivateServer]:
    """A server that keeps a binary log."""
    running = server.new_private("refusing")
    running.options = ("--log-bin=binlog", "--server-id=9", "--log-bin-trust-function-creators=ON")
    with running:
        yield running


@pytest.mark.parametrize("made", [False, True], ids=["without tables", "with tables"])
@pytest.mark.parametrize(
    ("on", "off", "words"),
    [
        ("SET GLOBAL binlog_format = STATEMENT", "SET GLOBAL binlog_format = ROW", ("binlog_format", "ROW or MIXED")),
        ("SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF", ("takes no writes", "read")),
    ],
)
def test_a_server_that_is_read_but_takes_no_writes_is_named_at_the_start_when_ready_and_by_the_commands(
    refusing: PrivateServer,
    slack: SandboxSlack,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    made: bool,
    on: str,
    off: str,
    words: tuple[str, ...],
) -> None:
    url = DbUrl(refusing.host, refusing.port, refusing.user, refusing.password, refusing.database)
    execute(refusing, f"DROP DATABASE {url.name}", f"CREATE DATABASE {url.name} CHARACTER SET utf8mb4")
    command = partial(run, env=url.env(), clock=lambda: datetime.now(UTC), read=read_stored)
    if made:
        assert command(["migrate"]) == 0
    execute(refusing, on)
    try:
        with Observer(url, slack) as observer:
            answer = httpx.get(f"{observer.url}/ready", timeout=60)
            assert answer.status_code == 503
            problem = answer.json()["database"]["problem"]
            assert [word for word in words if word not in problem] == []
            execute(refusing, off)
            wait_until(lambda: httpx.get(f"{observer.url}/ready", timeout=60).status_code == 200, "it to be ready")
            execute(refusing, on)
        said = [str(getattr(record, "error", "")) for record in caplog.records]
        assert any(all(word in one for word in words) for one in said), said
        capsys.readouterr()
        assert command(["status"]) == 1
        out = capsys.readouterr().out
        assert [word for word in words if word not in out] == []
    finally:
        execute(refusing, off)


def execute(server: PrivateServer, *statements: str) -> None:
    """As root."""
    with pymysql.connect(
        unix_socket=str(server.socket), user="root", password=server.password, autocommit=True, ssl_disabled=True
    ) as connection:
        for statement in statements:
            connection.cursor().execute(statement)
