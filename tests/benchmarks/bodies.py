"""The webhook requests of the scenarios, built before a round begins so that sending them costs next to nothing."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from tests import bodies

ALERT_BYTES = 1_500
"""Length of one alert's JSON text."""

COUNTER = b"00000000"
"""Stands in a body where a scenario wants every alert to be a new series; replaced by a number of the same length."""

_TEXT = 'The ratio of failed requests has been above its threshold; look at "errors by route" and the newest release. '


@dataclass(frozen=True, slots=True)
class Shape:
    """What the bodies of one scenario look like: `family` keeps the keys of scenarios apart."""

    family: str
    keys: int
    series: int
    alerts: int = 1  # in one request
    unique: bool = False  # every alert is a series never seen before


def body(alerts: list[dict[str, Any]]) -> bytes:
    """One webhook body."""
    return json.dumps(json.loads(bodies.grafana(*alerts)), separators=(",", ":")).encode()


def alert(family: str, key: int, series: str, *, starts: float = 0, ends: float | None = None) -> dict[str, Any]:
    """One alert of 1.5 KB with the labels that scenarios name, and one that tells series apart."""
    one = bodies.alert(
        f"{family} ratio high {key}",
        rule=f"{family}_{key:05d}",
        starts=starts,
        ends=ends,
        labels={"service": f"service-{key % 97}", "namespace": f"namespace-{key % 13}", "pod": f"pod-{series}"},
    )
    one["fingerprint"] = f"{series:0>8}{one['fingerprint'][:8]}"
    one["annotations"]["description"] = ""
    missing = ALERT_BYTES - len(json.dumps(one, separators=(",", ":")).encode())
    text = _TEXT * (missing // len(_TEXT) + 1)
    while missing > 0 and len(json.dumps(text)) - 2 > missing:
        text = text[:-1]
    one["annotations"]["description"] = text
    return one


def requests(shape: Shape, count: int, seed: int) -> list[bytes]:
    """Up to `count` different bodies, each with alerts drawn at random from all keys and series."""
    draw = random.Random(seed)
    if shape.unique:
        # the fingerprints of all keys but one would be new as well; a hot key has one
        return [body([alert(shape.family, 0, COUNTER.decode())])]
    known: dict[tuple[int, int], dict[str, Any]] = {}

    def one(key: int, series: int) -> dict[str, Any]:
        if (key, series) not in known:
            known[key, series] = alert(shape.family, key, f"{series:08d}")
        return known[key, series]

    everything = shape.keys * shape.series
    if shape.alerts == 1:
        chosen = draw.sample(range(everything), min(everything, count))
        return [body([one(*divmod(number, shape.series))]) for number in chosen]
    return [
        body([one(*divmod(number, shape.series)) for number in draw.sample(range(everything), shape.alerts)])
        for _ in range(count)
    ]


def members(family: str, first: int, count: int) -> bytes:
    """One body that adds `count` new series to the one incident of a family."""
    return body([alert(family, 0, f"{number:08d}") for number in range(first, first + count)])


def http(payload: bytes, path: str, port: int, token: str) -> bytes:
    """The bytes of a whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Grafana\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload
