"""Blind data sources, silence and heartbeats, from the webhook to the cards in Slack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import bodies
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town, send
from tests.servers.slack import SandboxSlack
from tests.story.cards import both, is_active, is_resolved, of

PAYLOADS = Path(__file__).parents[1] / "payloads"

POLICY = """
[blind]
settle = "1s"
names = { prometheus = "prometheus-main" }

[[heartbeats]]
match = { alertname = "Watchdog" }
missing_after = "1h"
"""


@pytest.fixture
def hasty(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> Iterator[Town]:
    """The program with a policy under which little time is enough."""
    policy = tmp_path / "observer.toml"
    policy.write_text(POLICY)
    with Observer(db_url, slack, {"OBSERVER_CONFIG": str(policy)}) as observer:
        yield Town(observer, slack, db_url)


def recorded(name: str) -> bytes:
    """A recorded body."""
    return (PAYLOADS / name).read_bytes()


def says(*texts: str) -> Any:
    """A card that says all of these."""
    return lambda message: all(text in str(message["blocks"]) for text in texts)


def says_not(text: str) -> Any:
    """A card that does not say this."""
    return lambda message: text not in str(message["blocks"])


def no_data(rule: str, title: str, *, ends: float | None = None) -> dict[str, Any]:
    """A `DatasourceNoData` alert of a rule, which has only the rule's own labels."""
    labels = dict.fromkeys(("cluster", "namespace", "service", "phase"), "")
    labels |= {"rulename": title, "datasource_uid": "prometheus", "ref_id": "A"}
    return bodies.alert("DatasourceNoData", rule=rule, starts=20, ends=ends, labels=labels)


def test_a_data_source_that_fails_is_one_card_that_lists_its_rules(hasty: Town) -> None:
    answer = hasty.post(recorded("grafana-13-datasource-error-three-rules.json")).json()
    assert len(answer["incidents"]["opened"]) == 1
    card = hasty.slack.wait_for_message(of(1), "the card of the data source")
    assert "No data from prometheus-main (3 rules affected)" in card["text"]
    for text in ("Kafka consumer lag", "Checkout 5xx ratio high", "Checkout latency p99", "connection refused"):
        assert text in str(card["blocks"]), text
    answer = hasty.post(recorded("grafana-13-nodata.json")).json()
    assert len(answer["incidents"]["joined"]) == 1, "missing data and errors are one blindness"
    assert len(hasty.slack.messages()) == 1
    shown = hasty.slack.command("/incident 1")["body"]
    assert "Kafka consumer lag" in shown
    assert "Checkout latency p99" in shown


def test_an_incident_cannot_be_observed_is_held_and_settles_when_nothing_fires(hasty: Town) -> None:
    hasty.post(bodies.grafana(bodies.alert()))
    hasty.slack.wait_for_message(of(1), "the card")
    hasty.post(bodies.grafana(no_data("checkout_5xx", "Checkout 5xx ratio high")))
    (home,) = hasty.rows("SELECT number FROM incidents WHERE rule_uid = 'blind:prometheus'")
    unobserved = says("No data <!date^", "prometheus-main", f"see #{home['number']}")
    hasty.slack.wait_for_message(both(of(1), unobserved), "the card that cannot be observed")

    answer = hasty.post(bodies.grafana(bodies.alert(ends=60))).json()
    assert answer["incidents"]["resolved"] == [], "an expiry is no recovery"
    held = says("1 instance stopped reporting; this does not count as recovered")
    hasty.slack.wait_for_message(both(of(1), is_active, held), "the card with what is held")

    hasty.post(bodies.grafana(no_data("checkout_5xx", "Checkout 5xx ratio high", ends=90)))
    hasty.slack.wait_for_message(both(of(2), is_resolved), "the data source's card, resolved")
    hasty.slack.wait_for_message(both(of(1), is_resolved), "the settled card")
    timeline = hasty.rows(
        "SELECT kind, actor, reason FROM incident_timeline JOIN incidents USING (incident_id) "
        "WHERE number = 1 ORDER BY event_id"
    )
    assert [(line["kind"], line["actor"], line["reason"]) for line in timeline] == [
        ("opened", "source:grafana", ""),
        ("blind", "source:grafana", ""),
        ("held", "source:grafana", "resolve_while_blind"),
        ("sight_restored", "source:grafana", ""),
        ("resolved", "observer:blind", "recovered_while_blind"),
    ]


def test_what_fires_again_once_it_is_seen_stays_on_its_card(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    town.post(bodies.grafana(no_data("checkout_5xx", "Checkout 5xx ratio high")))
    town.post(bodies.grafana(bodies.alert(ends=60)))
    town.post(bodies.grafana(no_data("checkout_5xx", "Checkout 5xx ratio high", ends=90)))
    town.slack.wait_for_message(both(of(1), says("Data is back <!date^")), "the card that waits")
    answer = town.post(bodies.grafana(bodies.alert(starts=100))).json()
    assert (len(answer["incidents"]["joined"]), answer["incidents"]["opened"]) == (1, [])
    town.slack.wait_for_message(both(of(1), is_active, says_not("Data is back <!date^")), "the card that fires")
    assert len(town.slack.messages()) == 2


def test_a_person_resolves_what_cannot_be_observed(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    town.post(bodies.grafana(no_data("checkout_5xx", "Checkout 5xx ratio high")))
    town.post(bodies.grafana(bodies.alert(ends=60)))
    town.slack.wait_for_message(both(of(1), says("No data <!date^")), "the card")
    town.slack.command("/incident resolve 1 looked at the pods")
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    assert town.rows("SELECT held, unobserved_since, instances_firing FROM incidents WHERE number = 1") == [
        {"held": 0, "unobserved_since": None, "instances_firing": 0}
    ]


def test_an_incident_that_is_silent_for_long_is_marked_on_its_card_until_it_is_heard_of(town: Town) -> None:
    town.post(bodies.grafana(bodies.alert()))
    town.slack.wait_for_message(of(1), "the card")
    town.rows("UPDATE incidents SET last_seen_at = last_seen_at - INTERVAL 26 HOUR")
    card = town.slack.wait_for_message(both(of(1), says("No updates <!date^")), "the marked card")
    assert is_active(card), "silence resolves nothing"
    town.post(bodies.grafana(bodies.alert()))
    town.slack.wait_for_message(both(of(1), says_not("No updates <!date^"), says("Updates are back")), "the card")


def test_a_watchdog_that_stops_opens_an_incident_until_it_is_heard_again(hasty: Town) -> None:
    body = recorded("am-v4-watchdog.json")
    answer = send(hasty.observer.url, body, "/webhook/alertmanager").json()
    assert answer["alerts"]["heartbeats"] == 1
    assert hasty.rows("SELECT COUNT(*) AS n FROM incidents") == [{"n": 0}]
    over = body.replace(b'"status":"firing"', b'"status":"resolved"').replace(
        b'"endsAt":"0001-01-01T00:00:00Z"', b'"endsAt":"2026-11-20T10:00:00Z"'
    )
    send(hasty.observer.url, over, "/webhook/alertmanager")
    card = hasty.slack.wait_for_message(both(of(1), is_active), "the card of the heartbeat")
    assert "Heartbeat Watchdog of monitoring/kps-prometheus stopped" in card["text"]
    assert card["text"].startswith("Critical")
    again = body.replace(b'"startsAt":"2026-11-20T09', b'"startsAt":"2026-11-20T11')
    send(hasty.observer.url, again, "/webhook/alertmanager")
    hasty.slack.wait_for_message(both(of(1), is_resolved), "the card of the heartbeat that is back")
    assert len(hasty.slack.messages()) == 1
