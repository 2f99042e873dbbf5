"""Reading a server's list over real HTTP: what is sent, what is bounded, and how each failure is called."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.responses import RedirectResponse, Response

from db.model.masks import Mask, Masks
from receiver.pull import client
from receiver.pull.client import Answer, Client, Failed, SourceSettings, Trouble
from tests.servers.grafana import TOKEN, Grafana


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    """A Grafana with one alert."""
    with Grafana(org=3) as running:
        running.fire("pod-a", keeps=60)
        yield running


def settings(*addresses: str, source: str = "grafana", ca_file: str = "") -> SourceSettings:
    return SourceSettings(source=source, addresses=addresses, authorization=f"Bearer {TOKEN}", ca_file=ca_file)


def trouble(*addresses: str, source: str = "grafana", ca_file: str = "") -> Trouble:
    """Why the one server could not be read."""
    (found,) = Client(settings(*addresses, source=source, ca_file=ca_file)).read(timedelta(0))
    assert isinstance(found, tuple)
    address, failed = found
    assert address == addresses[0]
    assert isinstance(failed, Failed)
    assert TOKEN not in str(failed)
    return failed.trouble


def test_a_list_is_read_with_the_organisation_of_its_token(grafana: Grafana) -> None:
    (answer,) = Client(settings(grafana.url)).read(timedelta(0))
    assert isinstance(answer, Answer)
    assert answer.organisation == "3"
    assert (len(answer.page.alerts), answer.doubt, answer.settled) == (1, "", True)


def test_a_list_is_masked_as_the_webhooks_bodies_are(grafana: Grafana) -> None:
    masks = Masks(storage=(Mask("payments", "***"),))
    (answer,) = Client(settings(grafana.url), masks).read(timedelta(0))
    assert isinstance(answer, Answer)
    (live,) = answer.page.alerts
    assert answer.masked
    assert live.alert.labels["namespace"] == "***"
    assert "payments" not in repr(live)


def test_a_server_that_is_away_does_not_hide_the_others(grafana: Grafana) -> None:
    found = Client(settings("http://127.0.0.1:1", grafana.url)).read(timedelta(0))
    assert isinstance(found[0], tuple)
    assert isinstance(found[1], Answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(status_code=403), Trouble.DENIED),
        (Response(status_code=500), Trouble.STATUS),
        (RedirectResponse("http://127.0.0.1:1/login"), Trouble.STATUS),
        (Response(b"<html>a login page</html>"), Trouble.UNREADABLE),
        (Response(b'{"message": "not a list"}'), Trouble.UNREADABLE),
        (Response(b"[]", headers={"Content-Encoding": "gzip"}), Trouble.UNREADABLE),
    ],
)
def test_every_answer_that_is_no_list_has_a_name(grafana: Grafana, answer: Response, expected: Trouble) -> None:
    grafana.answer = answer
    assert trouble(grafana.url) is expected


def test_a_wrong_token_is_denied(grafana: Grafana) -> None:
    (found,) = Client(SourceSettings(source="grafana", addresses=(grafana.url,), authorization="Bearer x")).read(
        timedelta(0)
    )
    assert isinstance(found, tuple)
    assert found[1].trouble is Trouble.DENIED


def test_a_list_without_an_end_is_cut_off(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 10_000)
    grafana.answer = Response(b"[" + b" " * 20_000 + b"]")
    assert trouble(grafana.url) is Trouble.TOO_LARGE


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_server_that_never_comes_to_an_end_is_slow(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that keeps sending a little, which a limit for each single read would wait for forever."""
    monkeypatch.setattr(client, "SERVER_SECONDS", 1.0)
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        wire, _ = listener.accept()
        with wire:
            wire.sendall(said)
            while not over.wait(0.05):
                try:
                    if said:
                        wire.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        try:
            assert trouble(f"http://127.0.0.1:{listener.getsockname()[1]}") is Trouble.SLOW
        finally:
            over.set()
            thread.join(5)


def test_nobody_there_is_unreachable() -> None:
    assert trouble("http://127.0.0.1:1") is Trouble.UNREACHABLE
    assert trouble("http://nowhere.invalid") is Trouble.UNREACHABLE


def test_a_certificate_nobody_vouches_for_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(wire, server_side=True) as secure:
                    secure.recv(65_536)
                    secure.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                wire.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        address = f"https://localhost:{listener.getsockname()[1]}"
        assert trouble(address) is Trouble.TLS
        assert trouble(address, ca_file=str(certificate)) is Trouble.STATUS


def test_only_the_named_server_sees_the_token(grafana: Grafana) -> None:
    """A redirect would carry it elsewhere, so none is followed."""
    with Grafana() as other:
        grafana.answer = RedirectResponse(f"{other.url}/api/alertmanager/grafana/api/v2/alerts")
        assert trouble(grafana.url) is Trouble.STATUS
        assert other.asked == 0
