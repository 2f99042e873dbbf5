"""A library of hypothesis strategies: JSON bodies, Grafana bodies, and texts that have broken programs before."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

unhurried = settings(deadline=None)
"""For every property test: a slow machine is not a wrong program."""

NASTY = (
    "",
    " ",
    "[no value]",
    "<no value>",
    "<!channel>",
    "<@U012AB3CD>",
    "*bold* _italic_ ~gone~ `code`",
    "<https://evil.example|https://good.example>",
    "a|b",
    "a\\|b",
    "nul\x00byte",
    "lone \ud83d surrogate",
    "\udc00\ud800",
    "결제 서비스 장애",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "e\u0301\u202eright to left",
    "'; DROP TABLE incidents; -- \"",
    "{{ .Labels }} ${HOME} %s %(x)s",
    "line one\nline two\r\n\ttab",
    "\ufeff\ufffe\uffff",
    "x" * 5_000,
)

nasty_texts = st.sampled_from(NASTY) | st.text(st.characters(), max_size=30)
"""Texts of any characters at all, U+0000 and lone surrogates included."""

label_names = st.sampled_from(
    ["alertname", "cluster", "namespace", "service", "phase", "severity", "rulename", "__alert_rule_uid__", "a.b"]
) | st.text(st.characters(), max_size=8)

labels = st.dictionaries(label_names, nasty_texts, max_size=6)
"""Labels as a rule can make them: label names may be any Unicode inside Grafana, values may hold anything."""

json_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**400)
    | st.floats()
    | st.floats(1e300)
    | nasty_texts
)

json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(label_names, inner, max_size=4),
    max_leaves=15,
)
"""Any JSON value, and beyond: NaN, infinities and whole numbers of hundreds of digits."""

urls = st.sampled_from(
    [
        "",
        "https://grafana.example/alerting/grafana/abc123/view?orgId=1",
        "http://grafana.example:3000/sub/alerting/abc123/edit",
        "javascript:alert(1)",
        "https://",
        "//evil.example/",
        "https://user:secret@grafana.example/",
    ]
)

times = st.sampled_from(["", "0001-01-01T00:00:00Z", "2026-11-20T08:41:10Z", "2026-11-20T08:41:10.123456789+02:00"])


@st.composite
def grafana_alerts(draw: st.DrawFn) -> dict[str, Any]:
    """One readable element of `alerts` as Grafana writes it."""
    return {
        "status": draw(st.sampled_from(["firing", "resolved", "FIRING"])),
        "labels": draw(labels),
        "annotations": draw(labels),
        "startsAt": draw(times),
        "endsAt": draw(times),
        "generatorURL": draw(urls),
        "fingerprint": draw(st.sampled_from(["", "a65fb7813570679a", "0000000000000001"])),
        "silenceURL": draw(urls),
        "dashboardURL": draw(urls),
        "panelURL": draw(urls),
        "values": draw(st.none() | st.dictionaries(st.text(max_size=3), st.floats() | st.none(), max_size=3)),
        "extra": draw(json_values),
    }


@st.composite
def grafana_bodies(draw: st.DrawFn, least: int = 1) -> dict[str, Any]:
    """A readable body as Grafana writes it."""
    return {
        "receiver": draw(nasty_texts),
        "status": "firing",
        "alerts": draw(st.lists(grafana_alerts(), min_size=least, max_size=4)),
        "externalURL": draw(urls),
        "version": "1",
        "groupKey": draw(nasty_texts),
        "truncatedAlerts": draw(st.integers(-1, 3)),
        "orgId": 1,
    }


def as_body(value: object) -> bytes:
    """The bytes of a JSON document, with everything outside of ASCII escaped, so that lone surrogates survive."""
    return json.dumps(value).encode()


json_bodies = json_values.map(as_body)
"""Bodies that are JSON, or nearly."""

byte_bodies = st.binary(max_size=200) | st.tuples(json_bodies, st.integers(0, 50)).map(lambda cut: cut[0][: cut[1]])
"""Bodies that are anything: random bytes, and JSON that was cut off."""
