"""A command that does not say which incident: the person is asked, and never sent to a stranger's one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import bodies
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import of


def opened(town: Town, count: int) -> None:
    """So many open incidents, with the numbers 1 and up."""
    for number in range(1, count + 1):
        town.post(bodies.grafana(bodies.alert(f"Rule {number}", rule=f"rule-{number}")))


def answered(town: Town, text: str, user: str = "U001") -> dict[str, Any]:
    """What a command was answered."""
    answer: dict[str, Any] = json.loads(town.slack.command(f"/incident {text}".strip(), user=user)["body"])
    return answer


def row_buttons(answer: dict[str, Any]) -> list[str]:
    """The action of each row's button."""
    return [block["accessory"]["action_id"] for block in answer["blocks"] if "accessory" in block]


@pytest.mark.parametrize(
    ("typed", "offered", "button"),
    [
        ("ack", "/incident ack 1", "incident_acknowledge"),
        ("resolve", "/incident resolve 1", "incident_resolve"),
        ("해결", "/incident resolve 1", "incident_resolve"),
        ("show", "/incident show 1", "incident_show"),
    ],
)
def test_the_only_open_incident_is_offered(town: Town, typed: str, offered: str, button: str) -> None:
    opened(town, 1)
    answer = answered(town, typed)
    assert f"`{offered}`" in answer["text"]
    assert row_buttons(answer) == [button]


@pytest.mark.parametrize("typed", ["ack", "resolve", "ack all", "ack it", "ack 3,x", "reslove", "show"])
def test_with_several_open_ones_the_person_chooses(town: Town, typed: str) -> None:
    opened(town, 3)
    answer = answered(town, typed)
    assert "42" not in answer["text"]
    assert len(row_buttons(answer)) == 3
    for number in (1, 2, 3):
        assert f"#{number} Rule {number}" in answer["text"]
        assert f"ack {number}" not in answer["text"]


def test_what_was_typed_in_the_place_of_a_number_is_not_replaced_by_another_number(town: Town) -> None:
    opened(town, 1)
    for typed in ("ack " + "9" * 20, "resolve it", "acck"):
        answer = answered(town, typed)
        assert f"{typed.split()[0]} 1" not in answer["text"]
        assert "ack 1" not in answer["text"]
        assert len(row_buttons(answer)) == 1


def test_the_button_of_a_choice_does_what_was_asked(town: Town) -> None:
    opened(town, 2)
    town.slack.command("/incident ack 1", user="U002")
    assert row_buttons(answered(town, "unack")) == ["incident_unacknowledge"]
    assert row_buttons(answered(town, "resolve")) == ["incident_resolve"] * 2
    assert row_buttons(answered(town, "reopen")) == ["incident_show"] * 2, "nothing is resolved: what there is"
    choice = town.slack.ephemerals()[0]
    town.slack.click({"ts": choice["id"]}, "incident_unacknowledge", message_kind="ephemeral")
    assert {row["status"] for row in town.rows("SELECT status FROM incidents")} == {"active"}


def test_nothing_to_choose_from_is_said(town: Town) -> None:
    answer = answered(town, "ack")
    assert "needs its number" in answer["text"]
    assert "No open incidents." in answer["text"]
    assert row_buttons(answer) == []


def test_no_help_names_an_incident_that_nobody_meant(town: Town) -> None:
    for typed in ("help", "frobnicate", "ack 1 please now", "show", "resolve"):
        assert "42" not in str(answered(town, typed))


def test_lists_go_by_the_words_of_the_policy_file(db_url: Any, slack: SandboxSlack, tmp_path: Any) -> None:
    policy = tmp_path / "observer.toml"
    policy.write_text('[severity]\ncritical = ["tier-zero"]\n')
    with Observer(db_url, slack, {"OBSERVER_CONFIG": str(policy)}) as observer:
        town = Town(observer, slack, db_url)
        town.post(bodies.grafana(bodies.alert("Worst", labels={"severity": "Tier Zero"})))
        town.post(bodies.grafana(bodies.alert("Other", rule="other", labels={"severity": "high"})))
        for typed in ("list severity:tier-zero", "list tier-zero", "list severity:critical"):
            listed = answered(town, typed)["text"]
            assert "Worst" in listed
            assert "Other" not in listed


def test_a_link_to_a_card_or_a_reply_to_it_names_its_incident(town: Town) -> None:
    opened(town, 2)
    card = town.slack.wait_for_message(of(2), "the card")
    link = f"https://sandbox.slack.com/archives/C001/p{card['ts'].replace('.', '')}"
    assert "#2: Rule 2" in answered(town, link)["text"]
    town.slack.command(f"/incident ack {link}")
    assert town.rows("SELECT number FROM incidents WHERE status = 'acknowledged'") == [{"number": 2}]
    town.post(bodies.grafana(bodies.alert("Rule 2", rule="rule-2", instance="pod-2")))
    wait_until(lambda: bool(town.rows("SELECT 1 FROM slack_messages WHERE kind = 'reply' AND ts > ''")), "the reply")
    (reply,) = town.rows("SELECT channel_id, ts FROM slack_messages WHERE kind = 'reply'")
    copied = f"https://sandbox.slack.com/archives/{reply['channel_id']}/p{reply['ts'].replace('.', '')}"
    for form in (copied, f"{copied}?thread_ts={card['ts']}&cid=C001"):
        assert "#2: Rule 2" in answered(town, form)["text"]
    nowhere = answered(town, "https://sandbox.slack.com/archives/C001/p1000000000000000")["text"]
    assert nowhere == "There is no incident `https://sandbox.slack.com/archives/C001/p1000000000000000`."
