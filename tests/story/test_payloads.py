"""Every recorded body of Grafana and Alertmanager, posted to the running program, becomes the right incidents.

The incident keys are written out as they must be, for ever: other programs keep them. Each is the beginning of
`sha256("rule_uid|cluster|namespace|service|phase")`, computed apart from the program.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.servers.observer import Town

PAYLOADS = Path(__file__).parents[1] / "payloads"

Figures = dict[str, int]


@dataclass(frozen=True)
class Step:
    """One delivery, and what the answer must say happened (what is not said must be 0)."""

    file: str
    figures: Figures
    source: str = ""  # the path it is posted to; by default that of its sender

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/webhook/{self.source or ('alertmanager' if self.file.startswith('am-') else 'grafana')}"


@dataclass(frozen=True)
class Incident:
    """One incident as the record must have it in the end."""

    key: str
    parts: tuple[str, str, str, str, str]  # rule_uid, cluster, namespace, service, phase
    title: str
    severity: str = "critical"
    status: str = "active"
    alerts: int = 1
    firing: str = "1 of 1"  # instances
    blind: int = 0
    source: str = "grafana"
    last_change: str = "opened"

    def now(self, **changes: object) -> Incident:
        """The same incident at another point of its story."""
        return replace(self, **changes)  # type: ignore[arg-type]  # a table reads better than a long call


PLACE = ("prod-eu-1", "payments", "checkout-api", "prod")
NOWHERE = ("", "", "", "")

CHECKOUT = Incident("6a0c927f67058e60", ("ddz1q7w8k3xvse", *PLACE), "Checkout 5xx ratio high")
BLIND_PROMETHEUS = Incident("7fd48bd382990182", ("blind:prometheus", *NOWHERE), "No data from prometheus", blind=1)
BLIND_SHOP = Incident("c880421f819d17ee", ("blind:shop-prom", *NOWHERE), "No data from shop-prom", "warning", blind=1)
RESTARTS = Incident("d176ac92db401f01", ("fex0restart01", *PLACE), "Pod restarts high", "warning")
DISK = Incident(
    "5031b775e8d33e44", ("6b8f6a1e-52a1-4c1c-9a34-0c1f2d7e9b55", "shop-1", "", "", ""), "Disk nearly full (data)",
    "warning",
)  # fmt: skip
QUEUE = Incident("fd2b7dca45c64731", ("cfq2shop0queue", *NOWHERE), "Queue grows", "warning")
ORDERS_QUEUE = Incident("b2b4515a046a8bac", ("cfq2shop0queue", "shop-1", "", "orders", ""), "Queue grows", "warning")
BARE = Incident("e63a578a1004371f", ("cc0bare000001", *NOWHERE), "Bare rule", "warning")
UNICODE = Incident(
    "eaa4c7ecd906c5fb", ("uu1unicode001", "prod-eu-1", "платежи", "zahlungen|büro", "prod"), "Zahlungsdienst gestört 🔥"
)
LEGACY = Incident(
    "8092dfb2fc79c909", ("legacy:17", "shop-1", "", "orders", ""), "Order delay", "warning", source="grafana-legacy"
)
BLIND_LEGACY = Incident(
    "6a3b9d55c41091d7", ("blind:rule:legacy:17", *NOWHERE), "No data from Order delay", "warning", blind=1,
    source="grafana-legacy",
)  # fmt: skip
CRASHES = Incident(
    "cca400090f80f79c", ("am:KubePodCrashLooping", "prod-eu-1", "payments", "checkout-api", ""), "KubePodCrashLooping",
    "warning", source="alertmanager",
)  # fmt: skip
TARGET = Incident(
    "d0b2402e46771fa6", ("am:TargetDown", "prod-eu-1", "payments", "checkout-api", ""), "TargetDown", "warning",
    source="alertmanager",
)  # fmt: skip
VOLUME = Incident(
    "3264bc2a24dba924", ("am:KubePersistentVolumeErrors", "", "monitoring", "", ""), "KubePersistentVolumeErrors",
    source="alertmanager",
)  # fmt: skip
EMPTY = Incident("cd0543a137c8da6a", ("am:EmptyLabel", "", "", "x", ""), "EmptyLabel", "warning", source="alertmanager")

OPENED: Figures = {"opened": 1, "recorded": 1}
JOINED: Figures = {"joined": 1, "recorded": 1}
REPEATED: Figures = {"recorded": 1, "repeats": 1}
RESOLVED: Figures = {"resolved": 1, "recorded": 1}
TESTED: Figures = {"tests": 1}

STORIES: dict[str, tuple[list[Step], list[Incident]]] = {
    # Grafana, one rule
    "a current Grafana fires": ([Step("grafana-13-firing-single.json", OPENED)], [CHECKOUT]),
    "it fires, fires again and resolves": (
        [
            Step("grafana-13-firing-single.json", OPENED),
            Step("grafana-13-firing-single.json", REPEATED),
            Step("grafana-13-resolved-single.json", RESOLVED),
            Step("grafana-13-resolved-single.json", REPEATED),
        ],
        [CHECKOUT.now(status="resolved", alerts=4, firing="0 of 1", last_change="resolved")],
    ),
    "the end arrives before the beginning": (
        [Step("grafana-13-resolved-single.json", OPENED | REPEATED), Step("grafana-13-firing-single.json", REPEATED)],
        [CHECKOUT.now(status="resolved", alerts=2, firing="0 of 1")],
    ),
    "the same occurrence told by every version is one incident": (
        [
            Step("grafana-8-unified-firing.json", OPENED),
            Step("grafana-12.1-firing-no-ruleuid.json", REPEATED),
            Step("grafana-12-custom-payload-default-template.json", REPEATED),
            Step("grafana-13-firing-single.json", REPEATED),
        ],
        [CHECKOUT.now(alerts=4)],
    ),
    "a rule under a sub-path with a picture": ([Step("grafana-11-firing-image.json", OPENED)], [DISK]),
    "a contact point that the rule names": ([Step("grafana-12-firing-autogenerated-route.json", OPENED)], [QUEUE]),
    "nothing but a name": ([Step("grafana-13-missing-labels.json", OPENED)], [BARE]),
    "a pipe inside a label is no border of the key": ([Step("grafana-13-unicode.json", OPENED)], [UNICODE]),
    "Alertmanager's shape from a Grafana keeps the rule": (
        [Step("grafana-13-mimir-dialect.json", OPENED)],
        [ORDERS_QUEUE],
    ),
    # Grafana, several alerts
    "the status of each alert counts": (
        [Step("grafana-13-multi-mixed-firing-resolved.json", {"opened": 1, "recorded": 3, "repeats": 1})],
        [RESTARTS.now(alerts=3, firing="2 of 3")],
    ),
    "alerts that were cut off are noted": (
        [
            Step("grafana-13-truncated.json", {"opened": 1, "recorded": 2, "truncated": 2}),
            Step("grafana-13-multi-mixed-firing-resolved.json", {"recorded": 3, "repeats": 3}),
        ],
        [RESTARTS.now(alerts=5, firing="2 of 3")],
    ),
    # Blind
    "three rules that cannot see one data source are one incident": (
        [Step("grafana-13-datasource-error-three-rules.json", {"opened": 1, "recorded": 3})],
        [BLIND_PROMETHEUS.now(alerts=3, firing="3 of 3", blind=3)],
    ),
    "blind without an incident": ([Step("grafana-13-nodata.json", OPENED)], [BLIND_PROMETHEUS]),
    "no data and errors of one data source are one incident": (
        [
            Step("grafana-13-nodata.json", OPENED),
            Step("grafana-13-datasource-error-three-rules.json", {"joined": 1, "recorded": 3}),
        ],
        [BLIND_PROMETHEUS.now(alerts=4, firing="4 of 4", blind=4, last_change="joined")],
    ),
    "an incident of a blind rule cannot resolve unseen": (
        [
            Step("grafana-13-firing-single.json", OPENED),
            Step("grafana-13-nodata.json", OPENED),
            Step("grafana-13-nodata.json", REPEATED),
            Step("grafana-13-resolved-single.json", {"recorded": 1}),
            Step("grafana-13-resolved-single.json", REPEATED),
        ],
        [CHECKOUT.now(alerts=3, last_change="held"), BLIND_PROMETHEUS.now(alerts=2)],
    ),
    "an incident that resolved just before its rule went blind opens again": (
        [
            Step("grafana-13-firing-single.json", OPENED),
            Step("grafana-13-resolved-single.json", RESOLVED),
            Step("grafana-13-nodata.json", OPENED | {"reopened": 1}),
        ],
        [CHECKOUT.now(alerts=2, last_change="reopened"), BLIND_PROMETHEUS],
    ),
    "of three blind rules one has an open incident": (
        [
            Step("grafana-13-firing-single.json", OPENED),
            Step("grafana-13-datasource-error-three-rules.json", {"opened": 1, "recorded": 3}),
        ],
        [CHECKOUT.now(last_change="blind"), BLIND_PROMETHEUS.now(alerts=3, firing="3 of 3", blind=3)],
    ),
    "a blind rule's incidents are all unobserved": (
        [
            Step("grafana-12-firing-autogenerated-route.json", OPENED),
            Step("grafana-13-mimir-dialect.json", OPENED),
            Step("grafana-12-nodata.json", OPENED),
        ],
        [QUEUE.now(last_change="blind"), ORDERS_QUEUE.now(last_change="blind"), BLIND_SHOP],
    ),
    # Legacy
    "legacy alerting fires and recovers": (
        [
            Step("grafana-7-legacy-alerting.json", OPENED),
            Step("grafana-7-legacy-alerting.json", REPEATED),
            Step("grafana-7-legacy-ok.json", RESOLVED),
        ],
        [LEGACY.now(status="resolved", alerts=3, firing="0 of 1", last_change="resolved")],
    ),
    "legacy alerting goes blind while it fires, and recovers": (
        [
            Step("grafana-7-legacy-alerting.json", OPENED),
            Step("grafana-7-legacy-nodata.json", OPENED),
            Step("grafana-7-legacy-ok.json", {"resolved": 2, "recorded": 1}),
        ],
        [
            LEGACY.now(status="resolved", alerts=2, firing="0 of 1", last_change="resolved"),
            BLIND_LEGACY.now(status="resolved", firing="0 of 1", blind=0, last_change="resolved"),
        ],
    ),
    "legacy alerting is blind": (
        [Step("grafana-7-legacy-nodata.json", OPENED)],
        [BLIND_LEGACY],
    ),
    "legacy alerting recovers unseen": (
        [Step("grafana-7-legacy-ok.json", OPENED | REPEATED)],
        [LEGACY.now(status="resolved", firing="0 of 1")],
    ),
    # Test buttons
    "the test button opens nothing": ([Step("grafana-13-test-button.json", TESTED)], []),
    "the test button of a hosted Grafana opens nothing": ([Step("grafana-12-cloud-test-button.json", TESTED)], []),
    "the test button of legacy alerting opens nothing": ([Step("grafana-7-legacy-test.json", TESTED)], []),
    # Alertmanager
    "a second pod crashes too, and one of both comes back": (
        [
            Step("am-v4-firing-kubepodcrashlooping.json", OPENED),
            Step("am-v4-multi-firing-grouped.json", {"joined": 1, "recorded": 2, "repeats": 1}),
            Step("am-v4-repeat-interval-resend.json", REPEATED),
            Step("am-v4-resolved.json", {"recorded": 1}),
        ],
        [CRASHES.now(alerts=5, firing="1 of 2", last_change="partly_resolved")],
    ),
    "one pod crashes and comes back": (
        [Step("am-v4-repeat-interval-resend.json", OPENED), Step("am-v4-resolved.json", RESOLVED)],
        [CRASHES.now(status="resolved", alerts=2, firing="0 of 1", last_change="resolved")],
    ),
    "two pods at once": (
        [Step("am-v4-multi-firing-grouped.json", {"opened": 1, "recorded": 2})],
        [CRASHES.now(alerts=2, firing="2 of 2")],
    ),
    "an end without a beginning": (
        [Step("am-v4-resolved.json", OPENED | REPEATED)],
        [CRASHES.now(status="resolved", firing="0 of 1")],
    ),
    "the target itself is the service": ([Step("am-v4-targetdown.json", OPENED)], [TARGET]),
    "the phase of a volume is no environment": ([Step("am-v4-pv-phase-label.json", OPENED)], [VOLUME]),
    "an empty label was dropped": ([Step("am-v4-empty-label-dropped.json", OPENED)], [EMPTY]),
    "the heartbeat opens nothing": ([Step("am-v4-watchdog.json", {"heartbeats": 1})], []),
    "Alertmanager's body on Grafana's path means the same incident": (
        [
            Step("am-v4-firing-kubepodcrashlooping.json", OPENED),
            Step("am-v4-firing-kubepodcrashlooping.json", REPEATED, "grafana"),
        ],
        [CRASHES.now(alerts=2)],
    ),
    "Grafana's body on Alertmanager's path means the same incident": (
        [
            Step("grafana-13-firing-single.json", OPENED, "alertmanager"),
            Step("grafana-13-resolved-single.json", RESOLVED),
        ],
        [CHECKOUT.now(status="resolved", alerts=2, firing="0 of 1", last_change="resolved")],
    ),
}

STRANGERS = (
    "datadog-default.json",
    "datadog-recommended.json",
    "elastalert2-http_post-default.json",
    "elastalert2-http_post-recommended.json",
    "kibana-webhook-recommended.json",
    "newrelic-legacy-1.0.json",
    "newrelic-workflow-default.json",
    "watcher-webhook-recommended.json",
)


def test_every_recorded_body_has_a_story() -> None:
    told = {step.file for steps, _ in STORIES.values() for step in steps}
    assert told | set(STRANGERS) | {"hmac-test-vector.json"} == {path.name for path in PAYLOADS.glob("*.json")}


@pytest.mark.parametrize("name", STORIES)
def test_the_recorded_bodies_tell(name: str, town: Town) -> None:
    steps, expected = STORIES[name]
    for number, step in enumerate(steps, start=1):
        answer = town.post((PAYLOADS / step.file).read_bytes(), step.path)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        counts = {kind: len(ids) for kind, ids in said["incidents"].items()} | said["alerts"]
        assert {kind: count for kind, count in counts.items() if count} == step.figures, f"step {number}: {step.file}"
        assert said["rejected"] == []
    found = town.rows("SELECT * FROM incidents ORDER BY incident_key")
    assert [
        Incident(
            key=row["incident_key"],
            parts=(row["rule_uid"], row["cluster"], row["namespace"], row["service"], row["phase"]),
            title=row["title"],
            severity=row["severity"],
            status=row["status"],
            alerts=row["alert_count"],
            firing=f"{row['instances_firing']} of {row['instances_total']}",
            blind=row["blind_firing"],
            source=row["source"],
            last_change=row["last_change"],
        )
        for row in found
    ] == sorted(expected, key=lambda incident: incident.key)
    for row in found:
        stem, second, key = row["incident_id"].split("-")
        assert (stem, len(second), key) == ("INC", 14, row["incident_key"])
    check_the_fact_log(town, steps)
    check_the_messages(town, steps)


def check_the_fact_log(town: Town, steps: list[Step]) -> None:
    """Every alert of every step is there, with its delivery and its incident."""
    recorded = sum(step.figures.get("recorded", 0) for step in steps)
    alerts = town.rows(
        "SELECT a.incident_key, i.incident_key AS of_incident FROM grafana_alerts a"
        " JOIN incidents i ON i.incident_id = a.incident_id JOIN deliveries d ON d.delivery_id = a.delivery_id"
    )
    assert len(alerts) == recorded
    assert all(row["incident_key"] == row["of_incident"] for row in alerts)
    kept = town.rows("SELECT body, body_encoding, problem FROM deliveries ORDER BY delivery_id")
    assert [original(row) for row in kept] == [(PAYLOADS / step.file).read_bytes() for step in steps]
    assert {row["problem"] for row in kept} == {None}


def check_the_messages(town: Town, steps: list[Step]) -> None:
    """Each incident that somebody had to handle has one card; a Test button is answered; nothing else is said."""
    wanted = town.rows("SELECT kind, incident_id FROM slack_messages ORDER BY message_id")
    over_at_once = town.rows("SELECT incident_id FROM incident_timeline WHERE reason = 'resolved_unseen'")
    shown = {row["incident_id"] for row in wanted if row["kind"] == "card"}
    assert shown | {row["incident_id"] for row in over_at_once} == {
        row["incident_id"] for row in town.rows("SELECT incident_id FROM incidents")
    }
    assert not shown & {row["incident_id"] for row in over_at_once}
    tests = sum(step.figures.get("tests", 0) for step in steps)
    assert [row["kind"] for row in wanted].count("test") == tests
    if tests:
        town.slack.wait_for_message(lambda message: "test" in message["text"].lower(), "the answer to the Test button")


def original(row: dict[str, object]) -> bytes:
    """The bytes of a delivery as they were received."""
    body = row["body"]
    assert isinstance(body, bytes)
    return zlib.decompress(body) if row["body_encoding"] == "zlib" else body


@pytest.mark.parametrize("name", STRANGERS)
def test_bodies_of_other_senders_are_refused_and_kept(name: str, town: Town) -> None:
    body = (PAYLOADS / name).read_bytes()
    for number, source in enumerate(("grafana", "alertmanager"), start=1):
        answer = town.post(body, f"/webhook/{source}")
        assert (answer.status_code, answer.json()["path"]) == (422, "$")
        assert "this looks like a" in answer.json()["reason"]
        assert answer.json()["delivery"] == number
    kept = town.rows("SELECT body, body_encoding, problem, source FROM deliveries ORDER BY delivery_id")
    assert [original(row) for row in kept] == [body, body]
    assert [row["source"] for row in kept] == ["grafana", "alertmanager"]
    assert all(row["problem"].startswith("$: expected ") for row in kept)
    for query in ("SELECT * FROM incidents", "SELECT * FROM grafana_alerts", "SELECT * FROM slack_messages"):
        assert town.rows(query) == []
