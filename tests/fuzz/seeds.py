"""Where fuzzing begins: the recorded bodies, and one good input for each other parser."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

_CHECKOUT = Path(__file__).resolve().parents[2]
_PAYLOADS = _CHECKOUT / "tests" / "payloads"

_CLICK = {
    "type": "block_actions", "user": {"id": "U001"}, "team": {"id": "T1"}, "api_app_id": "A1", "trigger_id": "1.2",
    "channel": {"id": "C1"}, "container": {"message_ts": "1.2", "channel_id": "C1", "is_ephemeral": False},
    "actions": [{
        "type": "button", "action_id": "incident_acknowledge", "block_id": "b",
        "value": "v1:acknowledge:INC-20261120084110-0123456789abcdef:1",
    }],
}  # fmt: skip
_SUBMISSION = {
    "type": "view_submission", "user": {"id": "U001"},
    "view": {"id": "V1", "callback_id": "incident_resolve_submit", "private_metadata": '{"v":1,"incident":"INC-1"}',
             "state": {"values": {}}},
}  # fmt: skip


def bodies() -> list[bytes]:
    """The recorded bodies of webhooks."""
    return [path.read_bytes() for path in sorted(_PAYLOADS.glob("*.json"))]


def for_parsers() -> Iterator[bytes]:
    """Inputs of `parsers.check`."""
    for body in bodies():
        yield b"\x00" + body
        yield b"\x01" + body
    for payload in (_CLICK, _SUBMISSION):
        yield b"\x02" + json.dumps(payload).encode()
    yield b"\x03v1:acknowledge:INC-20261120084110-0123456789abcdef:1"
    for text in ("", "list", "list critical service:api", "ack 42", "resolve INC-42 it was DNS", "show 7", "help"):
        yield b"\x04" + text.encode()
    yield b"\x05" + (_CHECKOUT / "observer.example.toml").read_bytes()
    yield b"\x06" + b'{"observer":1,"reading":{"source":"a","receiver":"b","external_url":""},"alerts":[]}'
    yield b"\x07" + "<!channel> *bold* 결제 <@U001> https://a.example".encode()

    listed = {
        "labels": {"alertname": "A"}, "annotations": {}, "fingerprint": "00aa",
        "startsAt": "2026-11-20T08:41:10Z", "endsAt": "2026-11-20T08:45:10Z",
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}, "receivers": [{"name": "observer"}],
        "generatorURL": "https://grafana.example/alerting/grafana/a/view",
    }  # fmt: skip
    yield b"\x08" + json.dumps([listed]).encode()
    yield b"\x08" + b'{"id": 1, "uptime": "2026-11-20T08:41:10Z"}'
    yield b"\x09" + gzip.compress(b'{"alerts": []}', mtime=0)
    yield b"\x09" + zlib.compress(b'{"alerts": []}')
    yield b"\x0a" + b'{"alerts": [{"labels": {"a": "PASSWORD=secret b"}, "password=x": "password=y"}]}'


def for_surface() -> Iterator[bytes]:
    """Inputs of `Surface.check`."""
    for body in bodies():
        yield b"\x00\x00\x00\x01\x00\x03" + body
        yield b"\x01\x00\x00\x01\x00\x00" + body
    for payload in (_CLICK, _SUBMISSION):
        yield b"\x02\x00\x00\x01\x01\x03" + urlencode({"payload": json.dumps(payload)}).encode()
    for text in ("list", "ack 1", "show 1", "help"):
        command = {"command": "/incident", "text": text, "user_id": "U001", "channel_id": "C1", "trigger_id": "1.2"}
        yield b"\x02\x00\x00\x01\x01\x03" + urlencode(command).encode()
    for number in range(32):
        yield b"\x00\x00\x00\x01\x00\x08%c" % number + bodies()[0]
        yield b"\x02\x00\x00\x80\x01\x03%c" % number
    yield b"\x07GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"\x03\x02\x05\x00\x03\x03"
