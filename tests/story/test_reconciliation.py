"""What the real Alertmanager lists and no webhook brought: the record ends right all the same, and says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.alertmanager import Alertmanager, alertmanager
from tests.servers.database import DbUrl
from tests.servers.grafana import TOKEN as GRAFANA_TOKEN
from tests.servers.grafana import Grafana
from tests.servers.observer import Observer, ObserverProcess, rows, send
from tests.servers.proxy import Proxy
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import both, is_active, is_resolved, of

POLICY = """
[reconcile]
every = "{every}"
grace = "{grace}"
receivers = {receivers}
"""


def settings(
    folder: Path, sender: Alertmanager, *, every: str = "1s", grace: str = "2s", learns: bool = False
) -> dict[str, str]:
    """The settings that make the program look at an Alertmanager; which receiver leads here it may have to learn."""
    policy = folder / "observer.toml"
    receivers = "[]" if learns else '["hub (prod)"]'
    policy.write_text(POLICY.format(every=every, grace=grace, receivers=receivers), "utf-8")
    return {"OBSERVER_CONFIG": str(policy), "ALERTMANAGER_URL": f"{sender.url}/"}


def incidents(url: DbUrl) -> list[tuple[str, int, int]]:
    """Status, firing and all instances of each incident."""
    found = rows(url, "SELECT * FROM incidents ORDER BY number")
    return [(row["status"], row["instances_firing"], row["instances_total"]) for row in found]


def timeline(url: DbUrl) -> list[tuple[str, str, str]]:
    """Kind, actor and reason of every event."""
    found = rows(url, "SELECT kind, actor, reason FROM incident_timeline ORDER BY event_id")
    return [(row["kind"], row["actor"], row["reason"]) for row in found]


def findings(url: DbUrl) -> int:
    """How many deliveries Observer made itself."""
    return int(rows(url, "SELECT COUNT(*) AS n FROM deliveries WHERE content_type LIKE '%finding%'")[0]["n"])


def look(url: DbUrl) -> dict[str, Any]:
    """How the looks at Alertmanager stand."""
    found = rows(url, "SELECT * FROM source_looks")
    return found[0] if found else {"looked_at": None, "problem": "", "failures": 0}


def looks_go_by(url: DbUrl, number: int) -> None:
    """Wait until the list was looked at so many times more."""
    for _ in range(number):
        last = look(url)["looked_at"]
        wait_until(lambda last=last: look(url)["looked_at"] != last, "a look")  # type: ignore[misc]


def metric(base: str, name: str) -> float:
    """The value of one metric, labels included in its name."""
    for line in httpx.get(f"{base}/metrics", timeout=10).text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no metric {name}")


BY_RECONCILIATION = ("observer:reconciliation", "found_by_reconciliation")
FIRINGS = 'observer_found_by_reconciliation_total{kind="missed_firing",source="alertmanager"}'
RESOLVES = 'observer_found_by_reconciliation_total{kind="missed_resolve",source="alertmanager"}'


@pytest.fixture
def line() -> Iterator[ExitStack]:
    """Closes what a test opened, in order."""
    with ExitStack() as stack:
        yield stack


def test_what_webhooks_do_not_bring_the_list_does(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """Fires and resolves while no webhook comes through; what comes late in the end changes nothing."""
    with ExitStack() as stack:
        proxy = Proxy("127.0.0.1", 1)
        sender = line.enter_context(alertmanager(tmp_path, f"http://127.0.0.1:{proxy.port}", repeat="2s"))
        observer = line.enter_context(Observer(db_url, slack, settings(tmp_path, sender)))
        proxy._target = ("127.0.0.1", observer.port)
        stack.enter_context(proxy)
        proxy.cut()

        sender.fire("pod-a")
        wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "the missed alert to be found")
        card = slack.wait_for_message(both(of(1), is_active), "its card")
        assert timeline(db_url) == [("opened", *BY_RECONCILIATION)]
        assert findings(db_url) == 1
        assert metric(observer.url, FIRINGS) == 1
        assert metric(observer.url, RESOLVES) == 0

        proxy.mend()
        wait_until(lambda: len(rows(db_url, "SELECT 1 FROM deliveries")) >= 3, "the webhook and its repetition")
        assert incidents(db_url) == [("active", 1, 1)]
        assert timeline(db_url) == [("opened", *BY_RECONCILIATION)], "the same occurrence, whatever its fractions"

        proxy.cut()
        sender.end("pod-a")
        wait_until(lambda: incidents(db_url) == [("resolved", 0, 1)], "the missed end to be found")
        over = slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
        assert over["ts"] == card["ts"]
        assert timeline(db_url)[1:] == [("resolved", *BY_RECONCILIATION)]
        assert metric(observer.url, RESOLVES) == 1
        [row] = rows(db_url, "SELECT * FROM incidents")
        assert row["resolved_by"] == "observer:reconciliation"
        assert len(slack.messages()) == 1

        proxy.mend()
        looks_go_by(db_url, 3)
        assert incidents(db_url) == [("resolved", 0, 1)]
        assert findings(db_url) == 2


def test_what_a_webhook_brought_ends_by_the_list_of_the_server_that_sent_it(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """It calls itself by the name of this machine, not by the address that is configured; the list proves who it is."""
    proxy = Proxy("127.0.0.1", 1)
    sender = line.enter_context(alertmanager(tmp_path, f"http://127.0.0.1:{proxy.port}", repeat="1h"))
    observer = line.enter_context(Observer(db_url, slack, settings(tmp_path, sender, learns=True)))
    proxy._target = ("127.0.0.1", observer.port)
    line.enter_context(proxy)
    # One alert only: of two the first webhook may bring one, and the list the other before the second webhook does.
    sender.fire("pod-a")
    wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "the webhook")
    (origin,) = (row["origin"] for row in rows(db_url, "SELECT origin FROM incident_instances"))
    assert origin != f"alertmanager|{sender.url}|"
    looks_go_by(db_url, 2)
    proxy.cut()
    sender.end("pod-a")
    wait_until(lambda: incidents(db_url) == [("resolved", 0, 1)], "the end whose webhook was lost")
    assert findings(db_url) == 1
    assert timeline(db_url)[-1] == ("resolved", *BY_RECONCILIATION)


def test_the_program_was_down_while_an_alert_began_and_while_it_ended(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """Nobody listens where Alertmanager posts, so only the list can tell."""
    sender = line.enter_context(alertmanager(tmp_path, "http://127.0.0.1:1"))
    more = settings(tmp_path, sender)
    sender.fire("pod-a")
    with ObserverProcess(db_url, slack, tmp_path / "observer.log", more=more) as observer:
        wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "what began while it was down")
        looks_go_by(db_url, 1)
        observer.kill()
    sender.end("pod-a")
    sender.fire("pod-b")  # begins and ends while it is down
    sender.end("pod-b")
    sender.fire("pod-c")  # begins while it is down, and still fires
    with ObserverProcess(db_url, slack, tmp_path / "observer.log", more=more) as observer:
        wait_until(lambda: incidents(db_url) == [("active", 1, 2)], "what ended and what began while it was down")
        firing = rows(db_url, "SELECT labels FROM incident_instances WHERE state = 'firing'")
        assert [json.loads(row["labels"])["pod"] for row in firing] == ["pod-c"]
        sender.end("pod-c")
        wait_until(lambda: incidents(db_url) == [("resolved", 0, 2)], "the end")
        slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    assert len(slack.messages()) == 1
    kinds = [kind for kind, *by in timeline(db_url)]
    assert kinds[0] == "opened"
    assert kinds[-1] == "resolved"
    assert sorted(kinds[1:-1]) == ["joined", "partly_resolved"]
    assert {tuple(by) for _, *by in timeline(db_url)} == {BY_RECONCILIATION}


def test_a_silence_is_neither_a_missed_alert_nor_an_end(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    with Observer(db_url, slack) as first:
        pass  # its port is free again, and nobody listens there
    sender = line.enter_context(alertmanager(tmp_path, first.url))
    silence = sender.silence()
    sender.fire("pod-a")
    wait_until(lambda: sender.states() == ["suppressed"], "the silence to hold")
    line.enter_context(Observer(db_url, slack, settings(tmp_path, sender)))
    looks_go_by(db_url, 5)
    assert incidents(db_url) == []
    sender.unsilence(silence)
    wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "the alert once the silence is lifted")
    sender.silence()
    wait_until(lambda: sender.states() == ["suppressed"], "the second silence to hold")
    looks_go_by(db_url, 6)
    assert incidents(db_url) == [("active", 1, 1)]


def test_an_alertmanager_that_has_just_started_resolves_nothing(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        sender = stack.enter_context(alertmanager(tmp_path, "http://127.0.0.1:1"))
        port = int(sender.url.rpartition(":")[2])
        more = settings(tmp_path, sender, grace="6s")
        line = ExitStack()
        observer = line.enter_context(Observer(db_url, slack, more))
        with line:
            sender.fire("pod-a")
            wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "the incident to open")
            stack.close()  # it ends, and with it what it knew
            wait_until(lambda: "unreachable" in look(db_url)["problem"], "a look that finds nobody")
            told = httpx.get(f"{observer.url}/ready", timeout=10)
            assert told.status_code == 200
            assert "unreachable" in told.json()["reconciliation"]["alertmanager"]["problem"]
            assert metric(
                observer.url, 'observer_reconciliation_errors_total{reason="unreachable",source="alertmanager"}'
            )
            with alertmanager(tmp_path, "http://127.0.0.1:1", port=port) as again:
                wait_until(lambda: look(db_url)["problem"] == "", "a look at the empty list")
                looks_go_by(db_url, 2)
                assert again.states() == []
                assert incidents(db_url) == [("active", 1, 1)], "an empty list of a server that just started is no end"
                again._began = sender._began
                again.fire("pod-a")  # Prometheus says it again within a minute
                looks_go_by(db_url, 9)
                assert incidents(db_url) == [("active", 1, 1)]
                assert [kind for kind, *_ in timeline(db_url)] == ["opened"]
                again.end("pod-a")
                wait_until(lambda: incidents(db_url) == [("resolved", 0, 1)], "the real end", seconds=40)


def test_of_two_replicas_one_looks_and_nothing_is_doubled(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    sender = line.enter_context(alertmanager(tmp_path, "http://127.0.0.1:1"))
    more = settings(tmp_path, sender)
    pods = [f"pod-{number}" for number in range(20)]
    with (
        ObserverProcess(db_url, slack, tmp_path / "one.log", more=more) as one,
        ObserverProcess(db_url, slack, tmp_path / "two.log", more=more) as two,
    ):
        sender.fire(*pods)
        wait_until(lambda: incidents(db_url) == [("active", 20, 20)], "all alerts")
        wait_until(lambda: look(db_url)["leased_by"] != "", "a lease")
        looks_go_by(db_url, 3)
        one.kill()
        sender.end(*pods)
        wait_until(lambda: incidents(db_url) == [("resolved", 0, 20)], "the other to find the end", seconds=200)
        slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
        assert two.ready()
    assert len(slack.messages()) == 1
    assert findings(db_url) == 40
    assert [kind for kind, *_ in timeline(db_url)].count("opened") == 1
    assert [kind for kind, *_ in timeline(db_url)].count("resolved") == 1


def test_a_webhook_that_was_cut_off_is_completed_at_once(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """Without waiting for the next look or for the grace, which are both far away."""
    proxy = Proxy("127.0.0.1", 1)
    sender = line.enter_context(alertmanager(tmp_path, f"http://127.0.0.1:{proxy.port}", most=2, repeat="1h"))
    observer = line.enter_context(
        Observer(db_url, slack, settings(tmp_path, sender, every="1h", grace="1h", learns=True))
    )
    proxy._target = ("127.0.0.1", observer.port)
    line.enter_context(proxy)
    wait_until(lambda: look(db_url)["looked_at"] is not None, "the first look")
    sender.fire("pod-a", "pod-b", "pod-c", "pod-d", "pod-e")
    wait_until(lambda: incidents(db_url) == [("active", 5, 5)], "the alerts that were cut off")
    assert metric(observer.url, FIRINGS) == findings(db_url) >= 2  # by how Alertmanager cuts the alerts into bodies
    assert metric(observer.url, 'observer_alerts_total{meaning="truncated",source="alertmanager"}') >= 1


def test_several_alertmanagers_count_as_one_and_all_must_agree_on_an_end(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    one = ExitStack()
    first = one.enter_context(alertmanager(tmp_path / "one", "http://127.0.0.1:1"))
    second = line.enter_context(alertmanager(tmp_path / "two", "http://127.0.0.1:1"))
    more = {**settings(tmp_path, first), "ALERTMANAGER_URL": f"{first.url}, {second.url}"}
    line.enter_context(Observer(db_url, slack, more))
    with one:
        second.fire("pod-a")
        wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "what only the second one lists")
        looks_go_by(db_url, 5)
        assert incidents(db_url) == [("active", 1, 1)]
    second.end("pod-a")
    wait_until(lambda: f"{first.url}: unreachable" in look(db_url)["problem"], "the first to be missed")
    looks_go_by(db_url, 5)
    assert incidents(db_url) == [("active", 1, 1)], "the first may know that it fires"
    port = int(first.url.rpartition(":")[2])
    line.enter_context(alertmanager(tmp_path / "one", "http://127.0.0.1:1", port=port))
    wait_until(lambda: incidents(db_url) == [("resolved", 0, 1)], "the end that both agree on", seconds=40)


def test_what_the_list_still_has_does_not_become_stale_and_what_it_never_had_does(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """Nobody sent either for thirty hours: one Alertmanager repeats rarely, the other one cannot be asked."""
    proxy = Proxy("127.0.0.1", 1)
    sender = line.enter_context(alertmanager(tmp_path, f"http://127.0.0.1:{proxy.port}", repeat="72h"))
    observer = line.enter_context(Observer(db_url, slack, settings(tmp_path, sender)))
    proxy._target = ("127.0.0.1", observer.port)
    line.enter_context(proxy)
    sender.fire("pod-a")
    wait_until(lambda: incidents(db_url) == [("active", 1, 1)], "the alert")
    looks_go_by(db_url, 2)
    body = {
        "receiver": "elsewhere", "externalURL": "http://other.example.internal:9093", "version": "4",
        "status": "firing",
        "alerts": [{"status": "firing", "labels": {"alertname": "Other"}, "startsAt": "2026-01-01T00:00:00Z"}],
    }  # fmt: skip
    assert send(observer.url, json.dumps(body).encode(), path="/webhook/alertmanager").status_code == 200
    rows(db_url, "UPDATE incidents SET last_seen_at = last_seen_at - INTERVAL 30 HOUR")

    def heard() -> list[tuple[bool, bool]]:
        found = rows(
            db_url,
            "SELECT last_seen_at > UTC_TIMESTAMP(6) - INTERVAL 1 HOUR AS heard, stale_since IS NOT NULL AS is_stale"
            " FROM incidents ORDER BY number",
        )
        return [(bool(row["heard"]), bool(row["is_stale"])) for row in found]

    wait_until(lambda: heard() == [(True, False), (False, True)], "the first to be heard of, the second to be stale")
    looks_go_by(db_url, 2)
    assert heard() == [(True, False), (False, True)]
    assert findings(db_url) == 0


# Grafana, by a stand-in for its side


GRAFANA_POLICY = """
[reconcile]
every = "1s"
grace = "2s"
"""


def watching(folder: Path, grafana: Grafana) -> dict[str, str]:
    """The settings that make the program look at a Grafana."""
    policy = folder / "observer.toml"
    policy.write_text(GRAFANA_POLICY, "utf-8")
    return {"OBSERVER_CONFIG": str(policy), "GRAFANA_URL": grafana.url, "GRAFANA_TOKEN": GRAFANA_TOKEN}


def test_a_grafana_that_lost_its_webhooks_is_followed_by_its_list(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    grafana = line.enter_context(Grafana())
    observer = line.enter_context(Observer(db_url, slack, watching(tmp_path, grafana)))
    grafana.fire("pod-a", keeps=60)
    first = send(observer.url, grafana.webhook("pod-a"))
    assert first.json()["incidents"]["opened"]
    looks_go_by(db_url, 2)
    assert findings(db_url) == 0, "the list says what the webhook said"

    grafana.fire("pod-b", keeps=8)
    wait_until(lambda: incidents(db_url) == [("active", 2, 2)], "the second pod, whose webhook was lost")
    again = send(observer.url, grafana.webhook("pod-a", "pod-b")).json()
    assert again["alerts"]["repeats"] == 2, "the webhook has the same keys, fingerprints and starts"
    assert again["incidents"] == {"opened": [], "reopened": [], "joined": [], "resolved": []}

    del grafana.live["pod-b"]
    wait_until(lambda: incidents(db_url) == [("active", 1, 2)], "the end of the second pod")
    assert timeline(db_url) == [
        ("opened", "source:grafana", ""),
        ("joined", *BY_RECONCILIATION),
        ("partly_resolved", *BY_RECONCILIATION),
    ]
    labels = [json.loads(row["labels"]) for row in rows(db_url, "SELECT labels FROM grafana_alerts")]
    assert not any(name.startswith("__") for found in labels for name in found)


def test_masks_for_storage_hold_for_what_the_list_says(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    grafana = line.enter_context(Grafana())
    more = watching(tmp_path, grafana)
    policy = Path(more["OBSERVER_CONFIG"])
    policy.write_text(f"{GRAFANA_POLICY}\n[[masks]]\npattern = 'hunter[0-9]'\n", "utf-8")
    observer = line.enter_context(Observer(db_url, slack, more))
    grafana.fire("pod-a", keeps=3600)
    assert send(observer.url, grafana.webhook("pod-a")).status_code == 200
    grafana.fire("pod-b", keeps=6, labels={"token": "hunter2"})
    wait_until(lambda: incidents(db_url) == [("active", 2, 2)], "the pod whose webhook was lost")
    del grafana.live["pod-b"]
    wait_until(lambda: incidents(db_url) == [("active", 1, 2)], "its end")
    found = rows(db_url, "SELECT content_type LIKE '%finding%' AS found, masked FROM deliveries ORDER BY delivery_id")
    assert [(row["found"], row["masked"]) for row in found] == [(0, 0), (1, 1), (1, 0)], "the record had it masked"
    kept = "SELECT labels, raw_payload FROM grafana_alerts UNION ALL SELECT labels, '' FROM incident_instances"
    assert "hunter2" not in str(rows(db_url, kept))
    assert "***" in str(rows(db_url, kept))


def test_a_grafana_that_restarts_or_cannot_see_resolves_nothing(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    """Its list is empty until its rules ran again, and without the alerts of a rule that has no data."""
    grafana = line.enter_context(Grafana())
    observer = line.enter_context(Observer(db_url, slack, watching(tmp_path, grafana)))
    grafana.fire("pod-a", keeps=3600)
    send(observer.url, grafana.webhook("pod-a"))
    looks_go_by(db_url, 2)
    remembered = dict(grafana.live)
    grafana.live.clear()
    looks_go_by(db_url, 7)
    assert incidents(db_url) == [("active", 1, 1)], "what would have stayed for an hour is not over"
    grafana.live.update(remembered)
    grafana.fire("pod-a", keeps=0.5)  # from now on it would end by itself
    looks_go_by(db_url, 1)
    grafana.fire("no data", name="DatasourceNoData", keeps=3600, state="suppressed")
    del grafana.live["pod-a"]
    looks_go_by(db_url, 7)
    assert incidents(db_url) == [("active", 1, 1)], "its rule cannot see"


def test_only_what_this_organisation_of_this_grafana_sent_is_resolved(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    grafana, organisation = line.enter_context(Grafana()), Grafana(org=2)
    observer = line.enter_context(Observer(db_url, slack, watching(tmp_path, grafana)))
    grafana.fire("pod-a", keeps=3600)  # so that the list says under which address this Grafana sends
    organisation.fire("pod-b")
    elsewhere = Grafana()
    elsewhere.fire("pod-c")
    body = elsewhere.webhook("pod-c").replace(b"grafana.example.internal/sub", b"other.example.internal")
    for sent in (grafana.webhook("pod-a"), organisation.webhook("pod-b"), body):
        assert send(observer.url, sent).status_code == 200
    assert incidents(db_url) == [("active", 3, 3)]
    looks_go_by(db_url, 8)
    assert incidents(db_url) == [("active", 3, 3)]
    assert {row["origin"] for row in rows(db_url, "SELECT origin FROM incident_instances")} == {
        "grafana|https://grafana.example.internal/sub|1",
        "grafana|https://grafana.example.internal/sub|2",
        "grafana|https://other.example.internal|1",
    }


def test_a_token_that_may_not_read_is_named_and_nothing_is_resolved(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, line: ExitStack
) -> None:
    grafana = line.enter_context(Grafana())
    more = {**watching(tmp_path, grafana), "GRAFANA_TOKEN": "another"}
    observer = line.enter_context(Observer(db_url, slack, more))
    grafana.fire("pod-a")
    send(observer.url, grafana.webhook("pod-a"))
    wait_until(lambda: int(look(db_url)["failures"]) >= 2, "two looks that fail")
    told = httpx.get(f"{observer.url}/ready", timeout=10)
    assert told.status_code == 200
    assert told.json()["reconciliation"]["grafana"] == {
        "problem": f"{grafana.url}: denied: status 401", "read_at": None,
    }  # fmt: skip
    assert metric(observer.url, 'observer_reconciliation_errors_total{reason="denied",source="grafana"}') >= 2
    assert incidents(db_url) == [("active", 1, 1)]
