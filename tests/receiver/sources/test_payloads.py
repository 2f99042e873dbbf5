"""Every recorded body says what it should: the expected alerts are written out here by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.model.alert import Alert, AlertKind, AlertState, Reading, Unreadable
from receiver.sources.fields import RULE_UID_LABEL, fingerprint_of
from receiver.sources.reading import read_alertmanager, read_grafana

PAYLOADS = Path(__file__).parents[2] / "payloads"

GRAFANA = "https://grafana.ops.example.internal/"
SHOP = "https://monitor.shop.example/grafana/"
ALERTMANAGER = "http://alertmanager.example.internal:9093"

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
NORMAL, BLIND, TEST = AlertKind.NORMAL, AlertKind.BLIND, AlertKind.TEST


def utc(text: str) -> datetime:
    """A time of the recorded days, `20 08:41:10`, in November 2026."""
    return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


@dataclass(frozen=True)
class Expected:
    """What one alert should say; `place` is cluster, namespace, service, phase, severity as the labels have them."""

    rule_uid: str
    alertname: str
    fingerprint: str
    place: tuple[str, str, str, str, str]
    starts_at: datetime | None
    state: AlertState = FIRING
    kind: AlertKind = NORMAL
    ends_at: datetime | None = None
    values: dict[str, float] = field(default_factory=dict)
    summary: str = ""
    reason: str = ""
    runbook: str = ""
    source_link: str = ""
    dashboard: str = ""
    panel: str = ""


PAYMENTS = ("prod-eu-1", "payments", "checkout-api", "prod", "critical")
RESTARTS = ("prod-eu-1", "payments", "checkout-api", "prod", "warning")
CHECKOUT_LINK = GRAFANA + "alerting/grafana/ddz1q7w8k3xvse/view?orgId=1"
RESTARTS_LINK = GRAFANA + "alerting/grafana/fex0restart01/view?orgId=1"
GRAPH = "http://kps-prometheus.monitoring:9090/graph?g0.expr=x&g0.tab=1"
CRASH_GRAPH = (
    "http://kps-prometheus.monitoring:9090/graph?g0.expr=max_over_time%28kube_pod_container_status_waiting_reason"
    "%7Breason%3D%22CrashLoopBackOff%22%7D%5B5m%5D%29+%3E%3D+1&g0.tab=1"
)


def checkout(**changes: object) -> Expected:
    """The alert that most bodies are about."""
    known: dict[str, object] = {
        "rule_uid": "ddz1q7w8k3xvse",
        "alertname": "Checkout 5xx ratio high",
        "fingerprint": "a65fb7813570679a",
        "place": PAYMENTS,
        "starts_at": utc("20 08:41:10"),
        "values": {"A": 0.0742, "B": 0.0742, "C": 1.0},
        "summary": "5xx ratio above 5% for checkout-api",
        "runbook": "https://runbooks.example.internal/checkout-5xx",
        "source_link": CHECKOUT_LINK,
    }
    return Expected(**{**known, **changes})  # type: ignore[arg-type]  # a table reads better than a long call


def restarts(pod: str, fingerprint: str, starts: str, state: AlertState = FIRING, ends: str = "") -> Expected:
    """One of the pods that restart."""
    return Expected(
        rule_uid="fex0restart01",
        alertname="Pod restarts high",
        fingerprint=fingerprint,
        place=RESTARTS,
        starts_at=utc(starts),
        state=state,
        ends_at=utc(ends) if ends else None,
        values={"B": 3.0, "C": 1.0},
        summary=f"{pod} restarted",
        source_link=RESTARTS_LINK,
    )


def datasource_error(uid: str, name: str, fingerprint: str, severity: str) -> Expected:
    """One of the three rules whose data source is away."""
    return Expected(
        rule_uid=uid,
        alertname=name,
        fingerprint=fingerprint,
        place=("", "", "", "", severity),
        starts_at=utc("20 08:41:10"),
        kind=BLIND,
        summary=name,
        reason='Error: [sse.dataQueryError] failed to execute query [A]: Post "http://prometheus:9090/api/v1/query_range"'
        ": dial tcp: connect: connection refused",
        source_link=f"{GRAFANA}alerting/grafana/{uid}/view?orgId=1",
    )


def crash_loop(fingerprint: str, starts_at: datetime, **changes: object) -> Expected:
    """A pod that crashes, as kube-state-metrics tells it: `service` is its own."""
    known: dict[str, object] = {
        "rule_uid": "am:KubePodCrashLooping",
        "alertname": "KubePodCrashLooping",
        "fingerprint": fingerprint,
        "place": ("prod-eu-1", "payments", "kps-kube-state-metrics", "", "warning"),
        "starts_at": starts_at,
        "summary": "Pod is crash looping.",
        "runbook": "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping",
        "source_link": CRASH_GRAPH,
    }
    return Expected(**{**known, **changes})  # type: ignore[arg-type]


FIRST_POD = crash_loop("95464079f3fdc369", utc("20 09:13:36").replace(microsecond=23_000))
SECOND_POD = crash_loop("99474071edf624c2", utc("20 09:14:08").replace(microsecond=31_000))

GRAFANA_BODIES: dict[str, tuple[Expected, ...]] = {
    "grafana-8-unified-firing.json": (checkout(values={}, source_link=GRAFANA + "alerting/ddz1q7w8k3xvse/edit"),),
    "grafana-11-firing-image.json": (
        Expected(
            rule_uid="6b8f6a1e-52a1-4c1c-9a34-0c1f2d7e9b55",
            alertname="Disk nearly full (data)",
            fingerprint="1545d9a48b3c8a07",
            place=("shop-1", "", "", "", ""),
            starts_at=datetime(2024, 5, 14, 3, 20, tzinfo=UTC),
            values={"A": 93.4, "C": 1.0, "hour": 3.0},
            summary="93% of /data is used",
            source_link=SHOP + "alerting/grafana/6b8f6a1e-52a1-4c1c-9a34-0c1f2d7e9b55/view?orgId=1",
            dashboard=SHOP + "d/nodes01?orgId=1",
            panel=SHOP + "d/nodes01?orgId=1&viewPanel=7",
        ),
    ),
    "grafana-12-cloud-test-button.json": (
        Expected(
            rule_uid="name:TestAlert",
            alertname="TestAlert",
            fingerprint="57c6d9296de2ad39",
            place=("", "", "", "", ""),
            starts_at=datetime(2025, 9, 18, 11, 31, 19, 283_071, tzinfo=UTC),
            kind=TEST,
            summary="Notification test",
        ),
    ),
    "grafana-12-custom-payload-default-template.json": (checkout(),),
    "grafana-12-firing-autogenerated-route.json": (
        Expected(
            rule_uid="cfq2shop0queue",
            alertname="Queue grows",
            fingerprint="5df97d5cfc23c78a",
            place=("", "", "", "", "warning"),
            starts_at=datetime(2025, 9, 18, 8, 1, 40, tzinfo=UTC),
            values={"C": 1.0, "reducer": 12_000.0},
            summary="orders.incoming grows",
            source_link=SHOP + "alerting/grafana/cfq2shop0queue/view?orgId=1",
        ),
    ),
    "grafana-12-nodata.json": (
        Expected(
            rule_uid="cfq2shop0queue",
            alertname="Queue grows",
            fingerprint="7e7599395dd04bef",
            place=("", "", "", "", "warning"),  # the label service says [no value]
            starts_at=datetime(2025, 9, 18, 11, 30, tzinfo=UTC),
            kind=BLIND,
            summary="orders.incoming grows",
            reason="NoData",
            runbook="https://wiki.shop.example/queue",
            source_link=SHOP + "alerting/grafana/cfq2shop0queue/view?orgId=1",
            dashboard=SHOP + "d/queues?from=1758191400000&orgId=1&to=1758195100000",
        ),
    ),
    "grafana-12.1-firing-no-ruleuid.json": (checkout(),),
    "grafana-13-firing-single.json": (
        checkout(
            dashboard=GRAFANA + "d/be7x2payments?from=1795160470000&orgId=1&to=1795164100311",
            panel=GRAFANA + "d/be7x2payments?from=1795160470000&orgId=1&to=1795164100311&viewPanel=4",
        ),
    ),
    "grafana-13-resolved-single.json": (checkout(state=RESOLVED, ends_at=utc("20 08:56:10"), values={}),),
    "grafana-13-multi-mixed-firing-resolved.json": (
        restarts("checkout-api-7c9d8f6b54-qm7rt", "3be66830e45d515a", "20 08:42:10"),
        restarts("checkout-api-7c9d8f6b54-x2k4q", "6789b347eff76a25", "20 08:40:10"),
        restarts("checkout-api-7c9d8f6b54-zz9pl", "e1688010a95b3f60", "20 08:41:10", RESOLVED, "20 08:49:10"),
    ),
    "grafana-13-truncated.json": (
        restarts("checkout-api-7c9d8f6b54-qm7rt", "3be66830e45d515a", "20 08:42:10"),
        restarts("checkout-api-7c9d8f6b54-x2k4q", "6789b347eff76a25", "20 08:40:10"),
    ),
    "grafana-13-nodata.json": (
        checkout(
            fingerprint="ed7161f074d83eb5",
            place=("", "", "", "", "critical"),
            kind=BLIND,
            values={},
            summary="5xx ratio above 5% for [no value]",
            reason="NoData",
        ),
    ),
    "grafana-13-datasource-error-three-rules.json": (
        datasource_error("aab3lag000007", "Kafka consumer lag", "1e6b87e5eec71d13", "warning"),
        datasource_error("ddz1q7w8k3xvse", "Checkout 5xx ratio high", "7038153ff3873acc", "critical"),
        datasource_error("eez9latency01", "Checkout latency p99", "b772ba133f0fcf1b", "warning"),
    ),
    "grafana-13-missing-labels.json": (
        Expected(
            rule_uid="cc0bare000001",
            alertname="Bare rule",
            fingerprint="3c5fefcff9919f96",
            place=("", "", "", "", ""),
            starts_at=utc("20 08:41:10"),
            values={"C": 1.0},
            source_link=GRAFANA + "alerting/grafana/cc0bare000001/view?orgId=1",
        ),
    ),
    "grafana-13-unicode.json": (
        Expected(
            rule_uid="uu1unicode001",
            alertname="Zahlungsdienst gestört 🔥",
            fingerprint="d0938aa7eaf950b7",
            place=("prod-eu-1", "платежи", "zahlungen|büro", "prod", "critical"),
            starts_at=utc("20 08:41:10"),
            values={"B": 2.5, "C": 1.0},
            summary='<b>5xx</b> & "Latenz" > 2s — 支付失败',
            source_link=GRAFANA + "alerting/grafana/uu1unicode001/view?orgId=1",
        ),
    ),
    "grafana-13-test-button.json": (
        Expected(
            rule_uid="name:TestAlert",
            alertname="TestAlert",
            fingerprint="57c6d9296de2ad39",
            place=("", "", "", "", ""),
            starts_at=utc("20 08:41:40").replace(microsecond=277_530),
            kind=TEST,
            summary="Notification test",
        ),
    ),
    "grafana-13-mimir-dialect.json": (
        Expected(
            rule_uid="cfq2shop0queue",
            alertname="Queue grows",
            fingerprint="5f75f347e0687807",
            place=("shop-1", "", "orders", "", ""),
            starts_at=datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
            summary="orders.incoming grows",
            source_link=SHOP + "alerting/grafana/cfq2shop0queue/view?orgId=1",
        ),
    ),
}

ALERTMANAGER_BODIES: dict[str, tuple[Expected, ...]] = {
    "am-v4-firing-kubepodcrashlooping.json": (FIRST_POD,),
    "am-v4-multi-firing-grouped.json": (FIRST_POD, SECOND_POD),
    "am-v4-repeat-interval-resend.json": (SECOND_POD,),
    "am-v4-resolved.json": (
        crash_loop(
            "99474071edf624c2",
            utc("20 09:14:08").replace(microsecond=31_000),
            state=RESOLVED,
            ends_at=utc("20 09:14:42").replace(microsecond=36_000),
        ),
    ),
    "am-v4-targetdown.json": (
        Expected(
            rule_uid="am:TargetDown",
            alertname="TargetDown",
            fingerprint="74539d33c340352e",
            place=("prod-eu-1", "payments", "checkout-api", "", "warning"),
            starts_at=utc("20 09:16:38").replace(microsecond=509_000),
            summary="One or more targets are unreachable.",
            source_link=GRAPH,
        ),
    ),
    "am-v4-watchdog.json": (
        Expected(
            rule_uid="am:Watchdog",
            alertname="Watchdog",
            fingerprint="d68248beabce3f14",
            place=("", "", "", "", "none"),
            starts_at=utc("20 09:16:38").replace(microsecond=503_000),
            summary="An alert that should always be firing to certify that Alertmanager is working properly.",
            source_link=GRAPH,
        ),
    ),
    "am-v4-pv-phase-label.json": (
        Expected(
            rule_uid="am:KubePersistentVolumeErrors",
            alertname="KubePersistentVolumeErrors",
            fingerprint="36d1c226462d109d",
            place=("", "monitoring", "kps-kube-state-metrics", "Failed", "critical"),
            starts_at=utc("20 09:16:38").replace(microsecond=552_000),
            summary="PersistentVolume is having issues with provisioning.",
            source_link=GRAPH,
        ),
    ),
    "am-v4-empty-label-dropped.json": (
        Expected(
            rule_uid="am:EmptyLabel",
            alertname="EmptyLabel",
            fingerprint="92b5e8ad8f06487e",
            place=("", "", "x", "", ""),
            starts_at=utc("20 09:16:38").replace(microsecond=581_000),
            source_link=GRAPH,
        ),
    ),
}

ORDERS_LINK = "https://old.shop.example/d/oRd3rs/orders?tab=alert&viewPanel=2&orgId=1"
LEGACY_BODIES: dict[str, tuple[Expected, ...]] = {
    "grafana-7-legacy-alerting.json": (
        Expected(
            rule_uid="legacy:17",
            alertname="Order delay",
            fingerprint="c1575b27b56033ef",
            place=("shop-1", "", "orders", "", ""),
            starts_at=None,
            values={"delay": 412.5, "delay 2": 388.0},
            summary="Orders wait longer than 5 minutes.",
            source_link=ORDERS_LINK,
        ),
    ),
    "grafana-7-legacy-ok.json": (
        Expected(
            rule_uid="legacy:17",
            alertname="Order delay",
            fingerprint="c1575b27b56033ef",
            place=("shop-1", "", "orders", "", ""),
            starts_at=None,
            state=RESOLVED,
            summary="Orders wait longer than 5 minutes.",
            source_link=ORDERS_LINK,
        ),
    ),
    "grafana-7-legacy-nodata.json": (
        Expected(
            rule_uid="legacy:17",
            alertname="Order delay",
            fingerprint="c1575b27b56033ef",
            place=("", "", "", "", ""),
            starts_at=None,
            kind=BLIND,
            summary="The panel has no data.",
            reason="NoData",
            source_link=ORDERS_LINK,
        ),
    ),
    "grafana-7-legacy-test.json": (
        Expected(
            rule_uid="legacy:0",
            alertname="Test rule",
            fingerprint="e519aad066e4396e",
            place=("", "", "", "", ""),
            starts_at=None,
            kind=TEST,
            values={"High value": 100.0, "Higher Value": 200.0},
            summary="Someone is testing the alert notification within grafana.",
            source_link="http://localhost:3000/",
        ),
    ),
}


def said(alert: Alert) -> Expected:
    """An alert in the form of the tables."""
    return Expected(
        rule_uid=alert.rule_uid,
        alertname=alert.alertname,
        fingerprint=alert.fingerprint,
        place=(
            alert.labels.get("cluster", ""),
            alert.labels.get("namespace", ""),
            alert.labels.get("service", ""),
            alert.labels.get("phase", ""),
            alert.labels.get("severity", ""),
        ),
        starts_at=alert.starts_at,
        state=alert.state,
        kind=alert.kind,
        ends_at=alert.ends_at,
        values=dict(alert.values),
        summary=alert.summary,
        reason=alert.reason,
        runbook=alert.links.runbook,
        source_link=alert.links.source,
        dashboard=alert.links.dashboard,
        panel=alert.links.panel,
    )


def body_of(name: str) -> bytes:
    """A recorded body."""
    return (PAYLOADS / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "expected", "source"),
    [
        *[(name, expected, "grafana") for name, expected in GRAFANA_BODIES.items()],
        *[(name, expected, "grafana-legacy") for name, expected in LEGACY_BODIES.items()],
    ],
)
def test_a_recorded_body_of_grafana_says(name: str, expected: tuple[Expected, ...], source: str) -> None:
    reading = read_grafana(body_of(name))
    assert tuple(said(alert) for alert in reading.alerts) == expected
    assert reading.source == source
    assert {alert.source for alert in reading.alerts} == {source}
    assert reading.rejected == ()
    assert reading.truncated == (2 if "truncated" in name else 0)


@pytest.mark.parametrize(("name", "expected"), ALERTMANAGER_BODIES.items())
def test_a_recorded_body_of_alertmanager_says(name: str, expected: tuple[Expected, ...]) -> None:
    reading = read_alertmanager(body_of(name))
    assert tuple(said(alert) for alert in reading.alerts) == expected
    assert reading.source == "alertmanager"
    assert {alert.source for alert in reading.alerts} == {"alertmanager"}
    assert reading.rejected == ()
    assert reading.receiver == "incident.hub (prod)"
    assert reading.external_url == ALERTMANAGER


@pytest.mark.parametrize("name", [*GRAFANA_BODIES, *LEGACY_BODIES])
def test_a_grafana_body_posted_to_alertmanagers_path_is_read_as_one_of_grafana(name: str) -> None:
    if name != "grafana-13-mimir-dialect.json":  # that one is of Alertmanager's shape: there the path decides
        assert read_alertmanager(body_of(name)) == read_grafana(body_of(name))


def test_a_body_of_alertmanagers_shape_on_grafanas_path_says_the_same_in_the_name_of_grafana() -> None:
    reading = read_grafana(body_of("am-v4-firing-kubepodcrashlooping.json"))
    assert reading.source == "grafana"
    assert [said(alert) for alert in reading.alerts] == [FIRST_POD]


@pytest.mark.parametrize(
    ("name", "receiver", "external_url"),
    [
        ("grafana-13-firing-single.json", "incident-hub", GRAFANA),
        ("grafana-13-unicode.json", "Incident Hub (прод)", GRAFANA),
        ("grafana-12-firing-autogenerated-route.json", "[shop] on-call (day)", SHOP),
        ("grafana-12-cloud-test-button.json", "test", "https://alertmanager.hosted.example/alertmanager"),
        ("grafana-7-legacy-alerting.json", "", ""),
    ],
)
def test_the_receiver_comes_without_its_escapes(name: str, receiver: str, external_url: str) -> None:
    reading = read_grafana(body_of(name))
    assert (reading.receiver, reading.external_url) == (receiver, external_url)


def test_the_links_to_silence() -> None:
    def silence(read: Callable[[bytes], Reading], name: str) -> str:
        return read(body_of(name)).alerts[0].links.silence

    assert silence(read_grafana, "grafana-13-missing-labels.json") == (
        GRAFANA + "alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3Dcc0bare000001&orgId=1"
    )
    assert silence(read_alertmanager, "am-v4-targetdown.json") == (
        ALERTMANAGER + "/#/silences/new?filter=%7Balertname%3D%22TargetDown%22%2C%20cluster%3D%22prod-eu-1%22%2C%20"
        "job%3D%22checkout-api%22%2C%20namespace%3D%22payments%22%2C%20prometheus%3D%22monitoring%2Fkps-prometheus"
        "%22%2C%20service%3D%22checkout-api%22%2C%20severity%3D%22warning%22%7D"
    )
    # A Grafana that speaks Alertmanager's dialect has no such form at that address.
    assert silence(read_grafana, "grafana-13-mimir-dialect.json") == ""


def test_every_recorded_body_has_its_expectation() -> None:
    strangers = {name for name, _ in STRANGERS}
    known = {*GRAFANA_BODIES, *ALERTMANAGER_BODIES, *LEGACY_BODIES, *strangers, "hmac-test-vector.json"}
    assert {path.name for path in PAYLOADS.glob("*.json")} == known


HIDDEN = [
    {},
    {"__grafana_autogenerated__": "true", "__grafana_receiver__": "[shop] on-call (day)"},
]


@pytest.mark.parametrize("name", [*GRAFANA_BODIES, *ALERTMANAGER_BODIES])
def test_the_fingerprint_can_be_computed_again_from_the_labels(name: str) -> None:
    """Grafana computes it before it strips the private labels, so those are put back first."""
    for element, alert in zip(json.loads(body_of(name))["alerts"], read_grafana(body_of(name)).alerts, strict=True):
        uid = {} if ":" in alert.rule_uid else {RULE_UID_LABEL: alert.rule_uid}
        assert alert.fingerprint in [fingerprint_of({**element["labels"], **uid, **hidden}) for hidden in HIDDEN]


@pytest.mark.parametrize("name", [*GRAFANA_BODIES, *ALERTMANAGER_BODIES])
def test_each_alert_keeps_its_own_element(name: str) -> None:
    elements = json.loads(body_of(name))["alerts"]
    assert [json.loads(alert.raw) for alert in read_grafana(body_of(name)).alerts] == elements


STRANGERS = [
    ("datadog-default.json", "a Datadog event"),
    ("datadog-recommended.json", "a Datadog event"),
    ("newrelic-workflow-default.json", "a New Relic issue"),
    ("newrelic-legacy-1.0.json", "a New Relic incident"),
    ("elastalert2-http_post-default.json", "a document of ElastAlert"),
    ("elastalert2-http_post-recommended.json", "a document of ElastAlert"),
    ("kibana-webhook-recommended.json", "a Kibana action"),
    ("watcher-webhook-recommended.json", "an Elasticsearch watch"),
]


@pytest.mark.parametrize(("name", "looks_like"), STRANGERS)
def test_bodies_of_other_senders_are_refused_by_name(name: str, looks_like: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_grafana(body_of(name))
    assert caught.value.path == "$"
    assert caught.value.reason == (
        "expected a Grafana webhook body (an object with `alerts`, or with `ruleId` and `state` of legacy alerting); "
        f"this looks like {looks_like}"
    )
    with pytest.raises(Unreadable) as caught:
        read_alertmanager(body_of(name))
    assert caught.value.reason == (
        'expected an Alertmanager webhook body (an object with `version` "4" and `alerts`); '
        f"this looks like {looks_like}"
    )
