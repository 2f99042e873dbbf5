"""Incidents for the tests: one ordinary story, and any incident at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from db.model.alert import AlertKind, AlertState, Links
from db.model.identity import Actor, ActorKind, IncidentId, KeyParts, incident_id, incident_key, person, source
from db.model.incident import (
    Details,
    Event,
    EventKind,
    Filter,
    Firing,
    Incident,
    Instance,
    Listing,
    RecordedAlert,
    Severity,
    Status,
)
from db.model.reason import Reason

STARTED = datetime(2026, 11, 21, 0, 16, tzinfo=UTC)
PARTS = KeyParts("ddx1", "prod-eu", "payments", "checkout", "prod")
KEY = incident_key(PARTS)


def an_instance(pod: str, first: str, last: str) -> Instance:
    return Instance(
        incident_id=incident_id(KEY, STARTED, None), key=KEY, fingerprint=pod, kind=AlertKind.NORMAL,
        state=AlertState.FIRING, starts_at=STARTED, ends_at=None, heard_at=STARTED,
        labels={"alertname": "CheckoutErrors", "pod": pod}, first_values=first, last_values=last,
    )  # fmt: skip


LINKS = Links(
    source="https://grafana.example/alerting/ddx1/view?orgId=1&tab=a",
    dashboard="https://grafana.example/d/9",
    runbook="https://wiki.example/checkout",
    silence="https://grafana.example/alerting/silence/new?matcher=alertname%3DCheckoutErrors",
)
FIRES = Firing(
    instances=(
        an_instance("c-1", "A=0.07", "A=0.12"),
        an_instance("c-2", "A=0.06", "A=0.06"),
        an_instance("c-3", "", ""),
    ),
    summary="7 % of checkouts fail",
    links=LINKS,
)
ALONE = replace(FIRES, instances=FIRES.instances[:1])

ACTIVE = Incident(
    incident_id=incident_id(KEY, STARTED, None),
    number=42,
    key=KEY,
    parts=PARTS,
    status=Status.ACTIVE,
    severity=Severity.CRITICAL,
    title="CheckoutErrors",
    summary="7 % of checkouts fail",
    service_category="commerce",
    source="grafana",
    start_time=STARTED,
    first_seen_at=STARTED + timedelta(minutes=1),
    last_seen_at=STARTED + timedelta(minutes=5),
    alert_count=9,
    instances_total=5,
    instances_firing=3,
    first_values="A=0.07",
    last_values="A=0.12",
    links=LINKS,
    fires=FIRES,
    last_change="opened",
    last_change_at=STARTED + timedelta(minutes=1),
    last_change_by=source("grafana"),
)
ACKNOWLEDGED = replace(
    ACTIVE,
    status=Status.ACKNOWLEDGED,
    owner=person("U0ANN"),
    acknowledged_time=STARTED + timedelta(minutes=3),
    last_change="acknowledged",
    last_change_at=STARTED + timedelta(minutes=3),
    last_change_by=person("U0ANN"),
    version=2,
)
RESOLVED = replace(
    ACKNOWLEDGED,
    status=Status.RESOLVED,
    instances_firing=0,
    fires=Firing(),
    resolved_time=STARTED + timedelta(minutes=65),
    resolved_by=person("U0BOB"),
    root_cause="A deploy without its migration",
    action_taken="Rolled back\nto 1.4",
    last_change="resolved",
    last_change_at=STARTED + timedelta(minutes=65),
    last_change_by=person("U0BOB"),
    version=3,
)
BLIND = replace(
    ACTIVE,
    parts=KeyParts("blind:PBFA97CFB590B2093"),
    title="No data from prometheus-main",
    summary="",
    service_category="",
    links=Links(),
    instances_firing=3, instances_total=3, blind_firing=3, first_values="", last_values="", fires=Firing(),
    rules=("Checkout 5xx ratio high", "Kafka consumer lag", "주문 지연"),
)  # fmt: skip
UNOBSERVED = replace(
    ACTIVE,
    unobserved_since=STARTED + timedelta(minutes=5),
    blind_on="prometheus-main",
    blind_number=7,
    blind_incident=IncidentId("INC-20261120084110-4dd1f81a2dbaa603"),
    held=1,
    last_change="blind",
)
WAITING = replace(ACTIVE, held=1, sight_at=STARTED + timedelta(minutes=9), last_change="sight_restored")
STALE = replace(ACKNOWLEDGED, stale_since=STARTED + timedelta(hours=25), last_change="stale")

HOSTILE = (
    "",
    " ",
    "\u200b\u2060\u3164",
    "\x00\x01\x7f",
    "<!channel>",
    "<!channel|x> <!here> <!everyone> @channel @here",
    "<@U0ANN> <@U0ANN|ann> <#C012345> <!subteam^S0123>",
    "<https://evil.example|https://grafana.example>",
    "<!date^1^{date}^https://evil.example|now>",
    "*bold* _italic_ ~gone~ `code` ```block```",
    ":red_circle: :white_check_mark: :smile:",
    "> quoted\n>>> all of it",
    "line\r\nline\u2028line\x85line",
    "&amp; &lt;!channel&gt; &",
    "&" * 100_000,
    "<" * 100_000,
    "a" * 100_000,
    "👩‍👩‍👧‍👦" * 2_000,
    "🇰🇷" * 3_000,
    "👍🏽" * 3_000,
    "e\u0301" * 5_000,
    "a" + "\u0301" * 50_000,
    "결제 서비스가 응답하지 않습니다. " * 5_000,
    "\u1112\u1161\u11ab" * 3_000,
    "\u202eevil\u202c \u2066x\u2069",
    "\ud83d lone \udc00\ud800",
    "\ufffe\uffff",
    "\n" * 50_000,
    "*" * 10_000,
    "_" * 10_000,
    ":a" * 10_000,
    "x|y>z",
    '"\\' * 5_000,
)

texts = st.sampled_from(HOSTILE) | st.text(st.characters(), max_size=40)
joined_texts = st.lists(texts, max_size=3).map(" ".join)

urls = st.sampled_from(
    (
        "",
        "https://grafana.example/d/1?a=1&b=2",
        "http://x.example/" + "p" * 2_300,
        "https://x.example/" + "q" * 100_000,
        "javascript:alert(1)",
        "https://x.example/a|b>c<d e\"f'g{h}^i`j\\k",
        "https://ann:secret@x.example/",
        "https://",
        "https://[::1",
        "https://예시.example/경로?이름=값",
        "HTTPS://X.EXAMPLE/*b*_i_",
        "https://x.example/\ud83d\x00\u202e",
    )
) | texts.map("https://x.example/".__add__)
times = st.integers(0, 250_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
actors = st.builds(
    Actor,
    st.sampled_from(ActorKind),
    st.sampled_from(("U0ANN", "W1", "grafana", "alertmanager", "U0ANN> <!here")) | texts,
)
links = st.builds(Links, urls, urls, urls, urls, urls)
keys = st.builds(
    KeyParts, st.sampled_from(("u", "blind:prometheus")), joined_texts, joined_texts, joined_texts, joined_texts
)


firing = st.builds(
    Firing,
    instances=st.lists(
        st.builds(
            replace,
            st.just(FIRES.instances[0]),
            labels=st.dictionaries(texts, joined_texts, max_size=3),
            first_values=texts,
            last_values=texts,
        ),
        max_size=3,
    ).map(tuple),
    summary=joined_texts,
    links=links,
    elsewhere=st.integers(0, 10**6),
)


@st.composite
def any_incident(draw: st.DrawFn) -> Incident:
    """An incident of any contents, also of ones that cannot come about."""
    return replace(
        ACTIVE,
        number=draw(st.sampled_from((0, 1, 42, 10**18))),
        parts=draw(keys),
        status=draw(st.sampled_from(Status)),
        severity=draw(st.sampled_from(Severity)),
        title=draw(joined_texts),
        summary=draw(joined_texts),
        service_category=draw(texts),
        source=draw(st.sampled_from(("grafana", "alertmanager", "")) | texts),
        start_time=draw(times),
        last_seen_at=draw(times),
        instances_total=draw(st.integers(0, 10**6)),
        instances_firing=draw(st.integers(0, 10**6)),
        blind_firing=draw(st.integers(0, 2)),
        held=draw(st.integers(0, 3)),
        unobserved_since=draw(st.none() | times),
        blind_on=draw(joined_texts),
        blind_incident=draw(st.none() | texts.map(IncidentId)),
        sight_at=draw(st.none() | times),
        stale_since=draw(st.none() | times),
        rules=tuple(draw(st.lists(texts, max_size=20))),
        first_values=draw(texts),
        last_values=draw(texts),
        links=draw(links),
        fires=draw(firing),
        owner=draw(st.none() | actors),
        resolved_time=draw(st.none() | times),
        resolved_by=draw(st.none() | actors),
        action_taken=draw(joined_texts),
        root_cause=draw(joined_texts),
        last_change=draw(st.sampled_from(("", "nonsense", *EventKind))),
        last_change_at=draw(st.none() | times),
        last_change_by=draw(st.none() | actors),
        last_change_why=draw(st.sampled_from(Reason)),
        version=draw(st.integers(1, 10**17)),
    )


events = st.builds(
    Event,
    incident_id=st.just(ACTIVE.incident_id),
    at=times,
    kind=st.sampled_from(EventKind),
    actor=actors,
    reason=st.sampled_from(("", "all_instances_resolved", "resolved_unseen", "new_occurrence_in_window")) | texts,
    details=st.dictionaries(
        st.sampled_from(("instances", "alerts", "severity", "other")), st.integers() | texts, max_size=3
    ),
)
alerts = st.builds(
    RecordedAlert,
    alert_id=st.integers(1, 10**9),
    received_at=times,
    state=st.sampled_from(AlertState),
    alertname=texts,
    message=joined_texts,
    fingerprint=texts,
)
any_details = st.builds(
    Details,
    incident=any_incident(),
    alerts=st.lists(alerts, max_size=7).map(tuple),
    events=st.lists(events, max_size=14).map(tuple),
)


@st.composite
def any_listing(draw: st.DrawFn) -> Listing:
    """A list of up to twelve incidents."""
    few = draw(st.lists(any_incident(), max_size=4))
    shown = tuple(
        replace(incident, version=place) for place, incident in enumerate(few * draw(st.integers(1, 3)), start=1)
    )
    return Listing(incidents=shown, total=draw(st.integers(0, 10**6)), filter=Filter())
