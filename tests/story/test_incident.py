"""From a Grafana alert to a resolved incident, by button, dialog and command."""

from __future__ import annotations

import json
from typing import Any

from tests import bodies
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import both, element_ids, is_acknowledged, is_active, is_resolved, of, option


def open_incident(town: Town, *alerts: dict[str, Any]) -> dict[str, Any]:
    """Fire an alert; the card of its incident."""
    answer = town.post(bodies.grafana(*(alerts or (bodies.alert(),))))
    assert answer.status_code == 200, answer.text
    return town.slack.wait_for_message(of(1), "the card")


def test_an_alert_is_acknowledged_and_resolved_in_slack(town: Town) -> None:
    card = open_incident(town, bodies.alert(values={"A": 0.0742}))
    assert "Checkout 5xx ratio high" in card["text"]
    assert "incident_acknowledge" in element_ids(card)

    clicked = town.slack.click(card, "incident_acknowledge", user="U001")
    assert clicked["status"] == 200
    card = town.slack.wait_for_message(both(of(1), is_acknowledged), "the acknowledged card")
    assert "<@U001>" in str(card["blocks"])
    assert "incident_acknowledge" not in element_ids(card)

    town.slack.click(card, "incident_resolve", user="U002")
    view = town.slack.dialog("U002")
    notes = {"root_cause": {"text": "A bad deploy of checkout-api"}, "action_taken": {"text": "Rolled back"}}
    assert town.slack.submit(view, notes, user="U002")["status"] == 200
    assert town.slack.views("U002") == []
    card = town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    assert "Rolled back" in str(card["blocks"])
    assert element_ids(card) & {"incident_reopen", "incident_acknowledge", "incident_resolve"} == {"incident_reopen"}

    (incident,) = town.rows("SELECT * FROM incidents")
    assert incident["status"] == "resolved"
    assert incident["root_cause"] == "A bad deploy of checkout-api"
    assert incident["action_taken"] == "Rolled back"
    assert incident["resolved_by"] == "slack:U002"
    timeline = town.rows("SELECT kind, actor, from_status, to_status FROM incident_timeline ORDER BY event_id")
    assert [(line["kind"], line["actor"]) for line in timeline] == [
        ("opened", "source:grafana"),
        ("acknowledged", "slack:U001"),
        ("resolved", "slack:U002"),
    ]
    assert len(town.slack.messages()) == 1  # one incident, one message

    answer = town.slack.command("/incident 1")
    assert answer["status"] == 200
    assert "A bad deploy of checkout-api" in answer["body"]


def test_the_second_click_changes_nothing_and_says_who_was_first(town: Town) -> None:
    card = open_incident(town)
    town.slack.click(card, "incident_acknowledge", user="U001")
    assert town.slack.click(card, "incident_acknowledge", user="U002")["status"] == 200
    wait_until(lambda: bool(town.slack.ephemerals("U002")), "the answer to the second click")
    assert "<@U001>" in str(town.slack.ephemerals("U002"))
    assert town.rows("SELECT owner FROM incidents") == [{"owner": "slack:U001"}]
    assert len(town.rows("SELECT 1 FROM incident_timeline WHERE kind = 'acknowledged'")) == 1


def test_an_acknowledgement_can_be_taken_back(town: Town) -> None:
    card = open_incident(town)
    town.slack.click(card, "incident_acknowledge")
    card = town.slack.wait_for_message(is_acknowledged, "the acknowledged card")
    town.slack.click(card, "incident_more", value=option(card, "unacknowledge"))
    town.slack.wait_for_message(is_active, "the card with its first button back")
    assert town.rows("SELECT status, owner FROM incidents") == [{"status": "active", "owner": None}]


def test_a_resolved_incident_can_be_reopened_but_not_beside_another_open_one(town: Town) -> None:
    card = open_incident(town)
    town.slack.command("/incident resolve 1 restarted")
    card = town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    town.slack.click(card, "incident_reopen")
    town.slack.wait_for_message(is_active, "the reopened card")
    town.slack.command("/incident resolve 1")
    resolved = town.slack.wait_for_message(both(of(1), is_resolved), "the card, resolved again")
    town.post(bodies.grafana(bodies.alert(starts=600)))
    town.slack.wait_for_message(of(2), "the card of the next incident")
    town.slack.click(resolved, "incident_reopen", user="U003")
    wait_until(lambda: bool(town.slack.ephemerals("U003")), "the refusal")
    assert "#2" in str(town.slack.ephemerals("U003"))
    assert [row["status"] for row in town.rows("SELECT status FROM incidents ORDER BY number")] == [
        "resolved",
        "active",
    ]


def test_an_incident_resolves_by_itself_and_the_card_says_so(town: Town) -> None:
    one, two = bodies.alert(instance="pod-1"), bodies.alert(instance="pod-2")
    open_incident(town, one, two)
    town.post(bodies.grafana(bodies.alert(instance="pod-1", ends=60), two))
    assert town.rows("SELECT status, instances_firing FROM incidents") == [{"status": "active", "instances_firing": 1}]
    answer = town.post(bodies.grafana(bodies.alert(instance="pod-2", ends=90))).json()
    assert len(answer["incidents"]["resolved"]) == 1
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")


def test_repeats_after_a_person_resolved_open_nothing_and_a_new_occurrence_does(town: Town) -> None:
    open_incident(town)
    town.slack.command("/incident resolve 1")
    answer = town.post(bodies.grafana(bodies.alert())).json()
    assert answer["incidents"]["opened"] == []
    assert answer["alerts"]["recorded"] == 1
    assert len(town.post(bodies.grafana(bodies.alert(starts=900))).json()["incidents"]["opened"]) == 1


def test_notes_typed_while_the_incident_resolved_by_itself_are_kept(town: Town) -> None:
    card = open_incident(town)
    town.slack.click(card, "incident_resolve", user="U003")
    view = town.slack.dialog("U003")
    town.post(bodies.grafana(bodies.alert(ends=30)))
    town.slack.submit(view, {"root_cause": {"text": "Disk was full"}}, user="U003")
    (view,) = town.slack.views("U003")  # now a notice
    assert "Disk was full" in str(view["blocks"])
    assert town.rows("SELECT root_cause, resolved_by FROM incidents") == [
        {"root_cause": "Disk was full", "resolved_by": "source:grafana"}
    ]


def test_the_test_button_is_answered_in_the_channel_and_opens_nothing(town: Town) -> None:
    test_alert = bodies.alert(
        "TestAlert", fingerprint="57c6d9296de2ad39", ruleUID=None, generatorURL="", labels={"instance": "Grafana"}
    )
    answer = town.post(bodies.grafana(test_alert, receiver="Team \\(prod\\)"))
    assert answer.status_code == 200
    assert answer.json()["alerts"]["tests"] == 1
    town.slack.wait_for_message(lambda message: "Team (prod)" in str(message["blocks"]), "the message of the test")
    assert town.rows("SELECT 1 FROM incidents") == []


def test_commands_find_incidents_again(town: Town) -> None:
    open_incident(town)
    town.post(
        bodies.grafana(bodies.alert("Disk almost full", rule="disk", labels={"severity": "warning", "service": "db"}))
    )
    listed = town.slack.command("/incident")["body"]
    assert "Checkout 5xx ratio high" in listed
    assert "Disk almost full" in listed
    assert "Disk almost full" not in town.slack.command("/incident list severity:critical")["body"]
    assert "Disk almost full" in town.slack.command("/incident list service:db status:active")["body"]
    (incident,) = town.rows("SELECT incident_id FROM incidents WHERE number = 1")
    assert "Checkout 5xx ratio high" in town.slack.command(f"/incident {incident['incident_id']}")["body"]
    assert "/incident resolve 1" in town.slack.command("/incident reslove 1")["body"]
    assert "/incident help" in town.slack.command("/incident help")["body"]
    assert "99" in town.slack.command("/incident 99")["body"]


def test_commands_handle_incidents_too(town: Town) -> None:
    open_incident(town)
    town.slack.command("/incident ack 1", user="U002")
    assert town.rows("SELECT status, owner FROM incidents") == [{"status": "acknowledged", "owner": "slack:U002"}]
    assert "<@U002>" in town.slack.command("/incident ack 1", user="U001")["body"]
    town.slack.command("/incident resolve 1 Restarted the broker", user="U001")
    assert town.rows("SELECT status, action_taken FROM incidents") == [
        {"status": "resolved", "action_taken": "Restarted the broker"}
    ]
    town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")


def test_the_same_story_in_korean(db_url: Any, slack: SandboxSlack) -> None:
    with Observer(db_url, slack, {"LANGUAGE": "ko"}) as observer:
        town = Town(observer, slack, db_url)
        card = open_incident(town)
        assert any("가" <= letter <= "힣" for letter in card["text"])
        town.slack.click(card, "incident_acknowledge")
        wait_until(lambda: town.slack.messages()[0]["edits"] > 0, "the acknowledged card")
        assert any("가" <= letter <= "힣" for letter in json.loads(town.slack.command("/incident")["body"])["text"])


def test_only_people_named_in_the_policy_may_act(db_url: Any, slack: SandboxSlack, tmp_path: Any) -> None:
    policy = tmp_path / "observer.toml"
    policy.write_text(
        '[people]\nmay_act = ["U001"]\n[[routes]]\nmatch = {severity = "critical"}\nchannel = "#random"\n'
    )
    with Observer(db_url, slack, {"OBSERVER_CONFIG": str(policy)}) as observer:
        town = Town(observer, slack, db_url)
        town.post(bodies.grafana(bodies.alert()))
        card = slack.wait_for_message(of(1), "the card", channel="random")
        slack.click(card, "incident_acknowledge", user="U002", channel="random")
        wait_until(lambda: bool(slack.ephemerals("U002")), "the refusal")
        assert town.rows("SELECT status FROM incidents") == [{"status": "active"}]
        slack.click(card, "incident_acknowledge", user="U001", channel="random")
        assert town.rows("SELECT status FROM incidents") == [{"status": "acknowledged"}]


def test_the_card_and_the_dialog_tell_of_what_fires_and_not_of_what_recovered(town: Town) -> None:
    def form(pod: str) -> str:
        matchers = f"matcher=alertname%3DCheckout+5xx+ratio+high&matcher=pod%3D{pod}"
        return f"https://grafana.example.internal/alerting/silence/new?alertmanager=grafana&{matchers}"

    def pod(name: str, restarts: float, starts: float, ends: float | None = None) -> dict[str, Any]:
        return bodies.alert(
            instance=name, values={"restarts": restarts}, starts=starts, ends=ends, silenceURL=form(name),
            annotations={"summary": f"pod {name} restarts"},
        )  # fmt: skip

    open_incident(town, pod("a", 3, 0))
    town.post(bodies.grafana(pod("b", 50, 1)))
    card = town.slack.wait_for_message(lambda message: "pod=b" in str(message["blocks"]), "both pods")
    said = str(card["blocks"])
    assert "• pod=a · restarts=3\\n• pod=b · restarts=50" in said
    assert "Silence (all 2)" in said
    assert "matcher=pod" not in said
    town.post(bodies.grafana(pod("a", 0, 0, ends=20)))
    card = town.slack.wait_for_message(lambda message: "pod b restarts" in str(message["blocks"]), "the pod that burns")
    said = str(card["blocks"])
    assert "restarts=50" in said
    assert "restarts=0" not in said
    assert "matcher=pod%3Db" in said

    town.slack.click(card, "incident_resolve", user="U002")
    view = town.slack.dialog("U002")
    assert view["title"]["text"] == "Resolve #1"
    assert "#1 Checkout 5xx ratio high" in str(view["blocks"])
    assert "1 instance still firing at the source." in str(view["blocks"])
    town.slack.submit(view, {}, user="U002")
    card = town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
    assert "1 instance still firing at the source." in str(card["blocks"])
