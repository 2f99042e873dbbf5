"""What Prometheus reads: names, figures, and an answer also while the database is away."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from receiver.severities import MOST_NAMED
from tests.bodies import alert, grafana
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town, send
from tests.servers.proxy import Proxy
from tests.servers.slack import SandboxSlack, wait_until


def read(base: str) -> dict[str, float]:
    """All samples by name and labels."""
    answer = httpx.get(f"{base}/metrics", timeout=15)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def sample(found: dict[str, float], name: str, **labels: str) -> float:
    return found[name + json.dumps(labels, sort_keys=True)]


def test_deliveries_alerts_and_incidents_are_counted(town: Town) -> None:
    url = town.observer.url
    town.post(grafana(alert(), alert(instance="b")))
    town.post(grafana(alert()))
    town.post(grafana(alert(ends=60), alert(instance="b", ends=60)))
    town.post(grafana(alert(starts=-60)))
    town.post(grafana(alert("DatasourceNoData", rule="other")))
    town.post(grafana(alert(), truncatedAlerts=4))
    town.post(b"nonsense")
    town.post(grafana(alert()), token="wrong")
    found = read(url)

    def deliveries(outcome: str) -> float:
        return sample(found, "observer_deliveries_total", source="grafana", outcome=outcome)

    def alerts(meaning: str) -> float:
        return sample(found, "observer_alerts_total", source="grafana", meaning=meaning)

    assert (deliveries("recorded"), deliveries("unreadable"), deliveries("denied")) == (6, 1, 1)
    assert (alerts("new_occurrence"), alerts("repeat"), alerts("resolved")) == (2, 1, 2)
    assert (alerts("late"), alerts("blind"), alerts("truncated")) == (2, 1, 4)
    assert sample(found, "observer_incidents_total", source="grafana", event="opened") == 2
    assert sample(found, "observer_incidents_total", source="grafana", event="resolved") == 1
    assert sample(found, "observer_webhook_seconds_count", source="grafana") == 8
    assert sample(found, "observer_batch_requests_count") >= 4
    assert sample(found, "observer_queue_requests") == 0
    assert sample(found, "process_start_time_seconds") > 0


def test_the_record_is_shown_as_it_is_and_slack_calls_are_counted(db_url: DbUrl, slack: SandboxSlack) -> None:
    slack.fault("chat.postMessage", "ratelimit", retry_after=1, times=1)
    with Observer(db_url, slack) as observer:
        send(observer.url, grafana(alert()))
        wait_until(lambda: len(slack.messages()) == 1, "the card")
        found = read(observer.url)
    assert sample(found, "observer_database_up") == 1
    assert sample(found, "observer_open_incidents", status="active", severity="critical") == 1
    assert sample(found, "observer_open_incidents", status="acknowledged", severity="info") == 0
    assert sample(found, "observer_slack_calls_total", method="chat.postMessage", outcome="sent") == 1
    assert sample(found, "observer_slack_calls_total", method="chat.postMessage", outcome="ratelimited") == 1
    assert "observer_messages_behind{}" in found
    assert "observer_messages_oldest_behind_seconds{}" in found
    assert 0 <= sample(found, "observer_audit_checkpoint_age_seconds") < 3600, "the first one is written at the start"


def test_a_database_that_is_away_leaves_the_record_out(db_url: DbUrl, slack: SandboxSlack) -> None:
    with Proxy(db_url.host, db_url.port) as proxy:
        through = DbUrl(proxy.host, proxy.port, db_url.user, db_url.password, db_url.name)
        with Observer(through, slack) as observer:
            wait_until(lambda: "observer_open" in str(read(observer.url)), "figures of the record")
            proxy.cut()
            wait_until(lambda: sample(read(observer.url), "observer_database_up") == 0, "it to be noticed")
            found = read(observer.url)
            assert not any(name.startswith(("observer_open", "observer_messages")) for name in found)
            assert sample(found, "process_start_time_seconds") > 0
            proxy.mend()


def test_names_follow_the_conventions_and_labels_are_closed_lists(town: Town) -> None:
    """What a sender writes never becomes a label value: a storm of inventive senders would fill Prometheus."""
    town.post(grafana(alert("Inventive name", rule="inventive_rule", labels={"severity": "inventive", "x": "y"})))
    text = httpx.get(f"{town.observer.url}/metrics", timeout=15).text
    assert "nventive" not in text
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"(observer|process)_[a-z_]+", family.name), family.name
        assert family.documentation
        if family.name.startswith("observer_") and family.type == "histogram":
            assert family.name.endswith(("_seconds", "_requests"))


def test_a_severity_in_no_list_is_named_once_and_counted(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    for instance in ("a", "b"):
        town.post(grafana(alert(instance=instance, labels={"severity": "Purple\n"}), alert(instance=instance + "2")))
    for number in range(2 * MOST_NAMED):
        town.post(grafana(alert(labels={"severity": f"purple {number}"})))
    found = read(town.observer.url)
    assert sample(found, "observer_unknown_severities_total", source="grafana") == 2 + 2 * MOST_NAMED
    named = [vars(record)["severity"] for record in caplog.records if "in no list" in record.message]
    assert named == ["Purple", *(f"purple {number}" for number in range(MOST_NAMED - 1))]


def test_scrapes_in_a_row_ask_the_database_once(town: Town) -> None:
    read(town.observer.url)
    town.post(grafana(alert()))
    found = read(town.observer.url)
    assert sample(found, "observer_open_incidents", status="active", severity="critical") == 0, "as of the last scrape"
