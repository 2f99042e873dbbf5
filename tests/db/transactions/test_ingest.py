"""Recording deliveries in a real database: the answer, the bytes, and everything that follows from an alert."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from db.arrival import Arrival
from db.database import Database
from db.model.alert import Alert, AlertKind, Links, Rejected
from db.model.delivery import Packed, unpack
from db.model.identity import IncidentId, KeyParts, incident_key, person
from db.model.incident import Severity, Status
from db.model.lifecycle import Action, Changed
from db.model.policy import Policy
from db.transactions import ingest, lookup, respond
from tests.db.builders import (
    POLICY,
    a_delivery,
    a_pool,
    a_reading,
    an_alert,
    ask,
    at,
    cannot_see,
    check_record,
    count,
    deliver,
    key_of,
)
from tests.servers.database import DbUrl
from tests.strategies import NASTY

BLIND = AlertKind.BLIND
BASE = f"INC-20261120080000-{key_of()}"
BLIND_HOME = f"INC-20261120080030-{incident_key(KeyParts('blind:prometheus'))}"


def figures(**counted: int) -> dict[str, int]:
    """The numbers of an answer; what is not named is 0."""
    return {**dict.fromkeys(("recorded", "repeats", "tests", "heartbeats", "truncated", "rejected"), 0), **counted}


def test_a_first_alert_opens_an_incident_and_the_answer_says_so(database: Database) -> None:
    answer = deliver(database, an_alert())
    (row,) = ask(database, "SELECT delivery_id FROM deliveries")
    assert answer == {
        "delivery": row["delivery_id"],
        "incidents": {"opened": [BASE], "reopened": [], "joined": [], "resolved": []},
        "alerts": figures(recorded=1),
        "meanings": {"new_occurrence": 1},
        "rejected": [],
    }
    check_record(database)


def test_an_incident_is_read_back_as_it_was_decided(database: Database) -> None:
    links = Links(source="https://grafana.example.internal/x", runbook="https://wiki.example.internal/결제")
    deliver(database, an_alert(starts=-30.123456, values={"A": 0.0742}, labels={"severity": "page"}, links=links))
    incident = lookup.read_incident(database, IncidentId(BASE))
    assert incident is not None
    assert (incident.status, incident.severity, incident.number) == (Status.ACTIVE, Severity.CRITICAL, 1)
    assert (incident.title, incident.summary) == ("Checkout 5xx ratio high", "One in ten answers is an error")
    assert (incident.parts.cluster, incident.parts.service) == ("prod-eu-1", "checkout-api")
    assert (incident.start_time, incident.first_seen_at, incident.last_seen_at) == (at(-30.123456), at(0), at(0))
    assert (incident.first_values, incident.last_values, incident.links) == ("A=0.0742", "A=0.0742", links)
    assert (incident.alert_count, incident.instances_total, incident.instances_firing) == (1, 1, 1)
    assert (incident.channel, incident.source, incident.version) == ("#incidents", "grafana", 1)


def test_the_answer_tells_joined_resolved_repeated_and_rejected(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), an_alert("g1", service="b"))
    reading = a_reading(
        an_alert("f1", service="a"),
        an_alert("f2", service="a", starts=50),
        an_alert("g1", service="b", ends=50),
        an_alert("t", kind=AlertKind.TEST),
        an_alert("w", labels={"alertname": "Watchdog"}),
        truncated=2,
        rejected=(Rejected("alerts[5].labels", "expected an object, found a number"),),
    )
    answer = ingest.record_delivery(database, a_delivery(now=60), reading, POLICY, at(60))
    a, b = (f"INC-20261120080000-{key_of(service=name)}" for name in "ab")
    assert answer["incidents"] == {"opened": [], "reopened": [], "joined": [a], "resolved": [b]}
    assert answer["alerts"] == figures(recorded=3, repeats=1, tests=1, heartbeats=1, truncated=2, rejected=1)
    assert answer["rejected"] == [{"path": "alerts[5].labels", "reason": "expected an object, found a number"}]
    (row,) = ask(database, "SELECT problem, truncated_alerts FROM deliveries ORDER BY delivery_id DESC LIMIT 1")
    assert row == {"problem": "alerts[5].labels: expected an object, found a number", "truncated_alerts": 2}
    check_record(database)


def test_the_same_request_twice_is_recorded_once_and_answered_the_same(database: Database) -> None:
    delivery, reading = a_delivery(b"{}"), a_reading(an_alert("f1"), an_alert("f2"))
    first = ingest.record_delivery(database, delivery, reading, POLICY, at(0))
    second = ingest.record_delivery(database, delivery, reading, POLICY, at(5))
    assert first == second
    assert count(database, "deliveries") == 1
    assert count(database, "grafana_alerts") == 2
    check_record(database)


def test_the_same_delivery_in_two_requests_changes_nothing_but_the_fact_log(database: Database) -> None:
    alerts = (an_alert("f1", values={"A": 1}), an_alert("f2", ends=-5, starts=-10), an_alert("b", kind=BLIND))
    deliver(database, *alerts)
    rest = (
        "SELECT * FROM incident_instances",
        "SELECT * FROM incident_timeline",
        "SELECT * FROM slack_messages",
        "SELECT incident_id, status, version FROM incidents",
    )
    before = [ask(database, query) for query in rest]
    answer = deliver(database, *alerts, now=10)
    assert [ask(database, query) for query in rest] == before
    assert answer["alerts"] == figures(recorded=3, repeats=3)
    assert count(database, "grafana_alerts") == 6
    check_record(database)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\x00\xff\xfe", "결제".encode("euc-kr"), b'{"a": 1, "a": 2}', bytes(range(256)) * 99]
)
def test_unreadable_bytes_are_kept_as_they_came(database: Database, body: bytes) -> None:
    delivery = a_delivery(body)
    number = ingest.record_unreadable(database, delivery, Rejected("", "this is not JSON"))
    assert ingest.record_unreadable(database, delivery, Rejected("", "this is not JSON")) == number
    (row,) = ask(database, "SELECT * FROM deliveries")
    assert unpack(Packed(row["body_encoding"], row["body"])) == body
    assert (row["delivery_id"], row["body_bytes"], row["body_sha256"]) == (number, len(body), delivery.sha256)
    assert (row["request_id"], row["problem"]) == (delivery.request_id, ": this is not JSON")
    assert count(database, "incidents") == 0


def test_readable_bytes_are_kept_too_in_their_own_order(database: Database) -> None:
    body = b'{"z": 1, "a": 1.0, "z": 2}' * 1000
    ingest.record_delivery(database, a_delivery(body), a_reading(an_alert()), POLICY, at(0))
    (row,) = ask(database, "SELECT body, body_encoding, received_at FROM deliveries")
    assert row["body_encoding"] == "zlib"
    assert unpack(Packed(row["body_encoding"], row["body"])) == body
    assert row["received_at"] == at(0)


def test_a_body_larger_than_one_statement_may_be_is_kept_too(database: Database) -> None:
    """Ten MiB of noise in which every second byte has to be escaped."""
    body = random.Random(1).randbytes(10 * 1024 * 512)
    body = b"".join(bytes((byte, 0x5C if byte & 1 else 0x27)) for byte in body)
    ingest.record_unreadable(database, a_delivery(body), Rejected("", "this is not JSON"))
    (row,) = ask(database, "SELECT body, body_encoding, body_bytes FROM deliveries")
    assert unpack(Packed(row["body_encoding"], row["body"])) == body
    assert row["body_bytes"] == len(body)


def test_two_incidents_of_one_key_fit_into_one_second(database: Database) -> None:
    for tenth in range(3):
        deliver(database, an_alert(starts=tenth / 10), now=tenth / 10)
        deliver(database, an_alert(starts=tenth / 10, ends=tenth / 10 + 0.04), now=tenth / 10 + 0.05)
    rows = ask(database, "SELECT incident_id FROM incidents ORDER BY number")
    assert [row["incident_id"] for row in rows] == [BASE, f"{BASE}-2", f"{BASE}-3"]
    check_record(database)


def test_what_fires_again_is_known_in_its_newest_incident(database: Database) -> None:
    deliver(database, an_alert())
    deliver(database, an_alert(ends=50), now=60)
    deliver(database, an_alert(starts=90), now=100)
    assert deliver(database, an_alert(starts=90), now=110)["alerts"] == figures(recorded=1, repeats=1)
    assert deliver(database, an_alert(starts=90, ends=120), now=130)["incidents"] == {
        "opened": [], "reopened": [], "joined": [], "resolved": [f"INC-20261120080140-{key_of()}"],
    }  # fmt: skip
    check_record(database)


def test_repeats_after_a_persons_resolve_are_recorded_with_that_incident(database: Database) -> None:
    deliver(database, an_alert())
    respond.change_status(database, IncidentId(BASE), Action.RESOLVE, person("U1"), at(10), policy=POLICY)
    answer = deliver(database, an_alert(), now=3600)
    assert answer["incidents"] == {"opened": [], "reopened": [], "joined": [], "resolved": []}
    (row,) = ask(database, "SELECT alert_count, status, version, last_seen_at FROM incidents")
    assert row == {"alert_count": 2, "status": "resolved", "version": 2, "last_seen_at": at(3600)}
    assert len(ask(database, "SELECT 1 FROM incidents")) == 1
    check_record(database)


def hear(database: Database, url: str, now: float, alert: Alert, *, alone: bool = True) -> dict[str, object]:
    """One webhook of the server with this address."""
    reading, delivery = replace(a_reading(alert), external_url=url), a_delivery(now=now)
    if alone:
        return ingest.record_delivery(database, delivery, reading, POLICY, at(now))
    return ingest.record_together(database, [Arrival(delivery, reading)], POLICY)[0]


@pytest.mark.parametrize("alone", [True, False])
def test_what_one_server_says_ends_nothing_of_another(database: Database, alone: bool) -> None:
    eu, us = "https://eu.grafana.example/", "https://us.grafana.example/"
    hear(database, eu, 0, an_alert(starts=-60), alone=alone)
    hear(database, us, 10, an_alert(starts=-30), alone=alone)
    answer = hear(database, eu, 20, an_alert(starts=-60, ends=15), alone=alone)
    assert answer["meanings"] == {"resolved": 1}
    incident = lookup.read_incident(database, IncidentId(BASE))
    assert incident is not None
    assert (incident.status, incident.instances_total, incident.instances_firing) == (Status.ACTIVE, 2, 1)
    assert hear(database, us, 30, an_alert(starts=-30), alone=alone)["meanings"] == {"repeat": 1}
    assert hear(database, us, 40, an_alert(starts=-30, ends=35), alone=alone)["incidents"]["resolved"] == [BASE]  # type: ignore[index]
    rows = ask(database, "SELECT fingerprint, origin FROM incident_instances ORDER BY fingerprint")
    assert [row["origin"] for row in rows] == [f"grafana|{url.rstrip('/')}|" for url in (eu, us)]
    assert rows[0]["fingerprint"] == "f1", "what the first one says keeps its name"
    assert {row["fingerprint"] for row in ask(database, "SELECT fingerprint FROM grafana_alerts")} == {"f1"}
    check_record(database)


def test_two_servers_in_one_transaction_are_two(database: Database) -> None:
    arrivals = [
        Arrival(a_delivery(now=number), replace(a_reading(alert), external_url=f"http://am-{place}:9093"))
        for number, (place, alert) in enumerate(
            [("eu", an_alert()), ("us", an_alert()), ("eu", an_alert(ends=1)), ("us", an_alert())]
        )
    ]
    answers = ingest.record_together(database, arrivals, POLICY)
    assert [answer["meanings"] for answer in answers] == [
        {"new_occurrence": 1}, {"new_occurrence": 1}, {"resolved": 1}, {"repeat": 1}
    ]  # fmt: skip
    check_record(database)


def test_a_new_occurrence_in_the_reopen_window_reopens(database: Database) -> None:
    policy = replace(POLICY, reopen_window=timedelta(minutes=5))
    deliver(database, an_alert())
    respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(10), policy=POLICY)
    answer = deliver(database, an_alert(starts=50), now=60, policy=policy)
    assert answer["incidents"] == {"opened": [], "reopened": [BASE], "joined": [], "resolved": []}
    check_record(database)


def test_an_older_incident_that_a_person_reopened_takes_the_next_occurrence(database: Database) -> None:
    deliver(database, an_alert())
    respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(10), policy=POLICY)
    deliver(database, an_alert(starts=20), now=30)
    deliver(database, an_alert(starts=20, ends=40), now=50)
    assert isinstance(respond.change_status(database, 1, Action.REOPEN, person("U1"), at(60), policy=POLICY), Changed)
    deliver(database, an_alert(starts=70), now=80)
    check_record(database)
    for now in (90, 100):
        assert deliver(database, an_alert(starts=70), now=now)["alerts"] == figures(recorded=1, repeats=1)
    answer = deliver(database, an_alert(starts=70, ends=110), now=120)
    assert answer["incidents"] == {"opened": [], "reopened": [], "joined": [], "resolved": [BASE]}
    check_record(database)


def test_a_blind_alert_opens_the_incident_of_its_data_source_and_its_rule_is_unobserved(database: Database) -> None:
    deliver(database, an_alert())
    answer = deliver(database, cannot_see(starts=20), now=30)
    assert answer["incidents"] == {"opened": [BLIND_HOME], "reopened": [], "joined": [], "resolved": []}
    assert deliver(database, an_alert(ends=50), now=60)["incidents"]["resolved"] == []  # type: ignore[index]
    incident = lookup.read_incident(database, IncidentId(BASE))
    assert incident is not None
    assert (incident.is_open, incident.is_blind, incident.held) == (True, True, 1)
    assert (incident.unobserved_since, incident.blind_on, incident.blind_incident) == (at(20), "prometheus", BLIND_HOME)
    check_record(database)
    answer = deliver(database, cannot_see(starts=20, ends=80), now=90)
    assert answer["incidents"] == {"opened": [], "reopened": [], "joined": [], "resolved": [BLIND_HOME]}
    incident = lookup.read_incident(database, IncidentId(BASE))
    assert incident is not None
    assert (incident.is_open, incident.is_blind, incident.sight_at) == (True, False, at(90))
    check_record(database)


def test_the_incident_of_a_data_source_names_its_rules(database: Database) -> None:
    deliver(database, *(cannot_see(f"b{n}", f"rule-{n}") for n in range(3)), now=30)
    incident = lookup.read_incident(database, IncidentId(BLIND_HOME))
    assert incident is not None
    assert incident.rules == ("Rule rule-0", "Rule rule-1", "Rule rule-2")
    deliver(database, cannot_see("b1", "rule-1", ends=50), now=60)
    shown = lookup.show_incident(database, IncidentId(BLIND_HOME), POLICY)
    assert shown is not None
    assert shown.incident.rules == ("Rule rule-0", "Rule rule-2"), "those that cannot see now"
    deliver(database, cannot_see("b0", "rule-0", ends=70), cannot_see("b2", "rule-2", ends=70), now=80)
    over = lookup.read_incident(database, IncidentId(BLIND_HOME))
    assert over is not None
    assert len(over.rules) == 3, "once it is over, all that could not"


def test_a_rule_with_a_very_long_name_goes_blind_and_sees_again(database: Database) -> None:
    rule = "am:" + "x" * 400
    deliver(database, an_alert(rule=rule))
    deliver(database, cannot_see(rule=rule), now=30)
    assert ask(database, "SELECT COUNT(unobserved_since) AS n FROM incidents") == [{"n": 1}]
    deliver(database, cannot_see(rule=rule, ends=50), now=60)
    assert ask(database, "SELECT COUNT(unobserved_since) AS n FROM incidents") == [{"n": 0}]
    check_record(database)


def test_blind_and_the_first_alert_of_its_rule_in_one_delivery(database: Database) -> None:
    for now in (0, 60):
        deliver(database, an_alert("f1"), cannot_see(starts=0), now=now)
    assert count(database, "incidents") == 2
    assert ask(database, "SELECT COUNT(unobserved_since) AS n FROM incidents") == [{"n": 1}]
    check_record(database)


def test_what_opens_together_with_others_while_its_rule_is_blind_is_unobserved(database: Database) -> None:
    deliver(database, cannot_see())
    arrivals = [Arrival(a_delivery(now=30), a_reading(an_alert(name, service=name))) for name in "ab"]
    ingest.record_together(database, arrivals, POLICY)
    assert ask(database, "SELECT COUNT(unobserved_since) AS n FROM incidents") == [{"n": 2}]
    check_record(database)


def test_an_incident_that_resolved_just_before_its_rule_went_blind_opens_again(database: Database) -> None:
    deliver(database, an_alert())
    deliver(database, an_alert(ends=50), now=60)
    answer = deliver(database, cannot_see(starts=70), now=90)
    assert answer["incidents"]["reopened"] == [BASE]  # type: ignore[index]
    check_record(database)


def test_open_incidents_get_a_card_and_those_that_are_over_do_not(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), an_alert("f2", service="b", ends=-5, starts=-10))
    columns = "incident_id, kind, channel, priority, wanted_version, shown_version"
    (row,) = ask(database, f"SELECT {columns} FROM slack_messages")  # noqa: S608 - columns of ours
    assert row == {
        "incident_id": f"INC-20261120080000-{key_of(service='a')}", "kind": "card", "channel": "#incidents",
        "priority": 2, "wanted_version": 1, "shown_version": 0,
    }  # fmt: skip


def test_a_test_button_is_told_once_and_opens_nothing(database: Database) -> None:
    deliver(database, *(an_alert(f"t{number}", kind=AlertKind.TEST) for number in range(3)))
    assert (count(database, "incidents"), count(database, "grafana_alerts")) == (0, 0)
    (row,) = ask(database, "SELECT kind, channel FROM slack_messages")
    assert row == {"kind": "test", "channel": "#incidents"}


def test_a_storm_of_5000_alerts_is_one_delivery(database: Database) -> None:
    alerts = [an_alert(f"f{number}", service=f"s{number % 10}", values={"A": number}) for number in range(5000)]
    answer = deliver(database, *alerts)
    assert len(answer["incidents"]["opened"]) == 10  # type: ignore[index]
    assert count(database, "grafana_alerts") == 5000
    answer = deliver(database, *(replace(alert, values={"A": 0.5}) for alert in alerts), now=60)
    assert answer["alerts"]["repeats"] == 5000  # type: ignore[index]
    check_record(database)


@pytest.mark.parametrize("text", [text for text in NASTY if not any("\ud800" <= c <= "\udfff" for c in text)])
def test_any_text_of_an_alert_is_recorded(database: Database, text: str) -> None:
    """Readings hold no lone surrogates; everything else may come."""
    alert = replace(
        an_alert("f" + text[:60], rule=f"r{text}", service=text, labels={text: text, "severity": text}),
        alertname=text, annotations={text: text}, summary=text, links=Links(source=text),
    )  # fmt: skip
    deliver(database, alert)
    deliver(database, alert, now=10)
    check_record(database)
    found = lookup.show_incident(database, 1, POLICY)
    assert found is not None
    assert found.incident.summary == text
    assert found.alerts[0].message == text
    assert len(found.alerts) == 2


def test_what_a_column_cannot_hold_is_cut_and_the_bytes_have_it_all(database: Database) -> None:
    long = "가" * 50_000
    deliver(database, replace(an_alert(service=long[:300]), alertname=long, summary=long, reason=long))
    found = lookup.show_incident(database, 1, POLICY)
    assert found is not None
    assert len(found.incident.title) == 255
    assert found.incident.parts.service == "가" * 254 + "…"
    assert 60_000 < len(found.incident.summary.encode()) <= 65_535
    assert found.incident.summary.endswith("…")


def test_times_at_the_ends_of_the_calendar_are_recorded(database: Database) -> None:
    deliver(database, replace(an_alert(), starts_at=at(0).replace(year=1000)))
    deliver(database, replace(an_alert("f2"), starts_at=at(0).replace(year=9999)), now=10)
    check_record(database)


def test_nothing_is_recorded_when_the_database_goes_away_in_between(db_url: DbUrl, database: Database) -> None:
    pool = a_pool(db_url, work=0.0)
    with pytest.raises(Exception, match="the time for this transaction is over"):
        deliver(pool, an_alert())
    pool.close()
    assert (count(database, "deliveries"), count(database, "incidents")) == (0, 0)


def test_a_heartbeat_is_remembered_and_opens_nothing(database: Database) -> None:
    watchdog = an_alert(labels={"alertname": "Watchdog"})
    for now in (0, 60):
        answer = deliver(database, watchdog, watchdog, now=now, policy=Policy())
        assert answer["alerts"]["heartbeats"] == 2  # type: ignore[index]
    assert (count(database, "deliveries"), count(database, "incidents"), count(database, "heartbeats")) == (2, 0, 1)
