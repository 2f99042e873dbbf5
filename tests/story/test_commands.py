"""What people type in a hurry: several numbers, their own incident once more, a list while the database hangs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from tests import bodies
from tests.servers.database import DbUrl
from tests.servers.observer import Town
from tests.story.cards import of


def said(town: Town, text: str, user: str = "U001") -> str:
    return str(json.loads(town.slack.command(f"/incident {text}", user=user)["body"])["text"])


def opened(town: Town, count: int) -> None:
    town.post(bodies.grafana(*(bodies.alert(rule=f"rule-{number}") for number in range(count))))


def statuses(town: Town) -> list[str]:
    return [str(row["status"]) for row in town.rows("SELECT status FROM incidents ORDER BY number")]


@contextmanager
def hanging(url: DbUrl) -> Iterator[None]:
    """Nobody gets at the incidents."""
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES incidents WRITE")
        yield
        cursor.execute("UNLOCK TABLES")


def test_several_incidents_are_changed_by_one_command_and_each_is_told(town: Town) -> None:
    opened(town, 4)
    said(town, "ack 2", user="U002")
    answer = said(town, "ack 1, 2 and 9")
    assert statuses(town) == ["acknowledged", "acknowledged", "active", "active"]
    first, second, third = answer.split("\n")
    assert "#1" in first
    assert "already acknowledged by <@U002>" in second
    assert third == "There is no incident #9."
    said(town, "resolve 1,2 rolled back")
    assert statuses(town) == ["resolved", "resolved", "active", "active"]
    notes = town.rows("SELECT action_taken FROM incidents WHERE number IN (1, 2)")
    assert notes == [{"action_taken": "rolled back"}] * 2


def test_a_note_that_begins_with_a_number_resolves_nothing_else(town: Town) -> None:
    opened(town, 2)
    said(town, "resolve 1 2 pods were down")
    assert statuses(town) == ["resolved", "active"]


def test_who_asks_again_for_their_own_incident_hears_that_they_have_it(town: Town) -> None:
    opened(town, 1)
    said(town, "I'll take 1")
    assert said(town, "ack 1").startswith("You already have #1")
    assert "already acknowledged by <@U001>" in said(town, "ack 1", user="U002")
    assert len(town.rows("SELECT 1 FROM incident_timeline WHERE kind = 'acknowledged'")) == 1


def test_the_oldest_critical_one_that_nobody_has_is_listed_first(town: Town) -> None:
    for number, severity in enumerate(("warning", "critical", "critical", "critical")):
        town.post(bodies.grafana(bodies.alert(rule=f"rule-{number}", labels={"severity": severity})))
    said(town, "ack 2")
    answer = said(town, "list")
    assert sorted(("#1", "#2", "#3", "#4"), key=answer.index) == ["#3", "#4", "#2", "#1"]


def test_a_look_that_failed_does_not_speak_of_changes(town: Town) -> None:
    opened(town, 1)
    with hanging(town.db_url):
        for look in ("list", "show 1", "list service:checkout-api"):
            answer = said(town, look)
            assert "nothing can be looked up" in answer
            assert "changed" not in answer
        assert "Nothing was changed" in said(town, "ack 1")
    assert statuses(town) == ["active"]


def test_a_dialog_that_cannot_be_saved_says_so_above_its_fields_and_keeps_what_was_typed(town: Town) -> None:
    opened(town, 1)
    card = town.slack.wait_for_message(of(1), "the card")
    town.slack.click(card, "incident_resolve")
    notes = {"root_cause": {"text": "bad deploy"}, "action_taken": {"text": "rolled back"}}
    asked = [block["block_id"] for block in town.slack.dialog()["blocks"]]
    for _ in range(2):  # the trouble is told once, however often Submit is pressed
        with hanging(town.db_url):
            answer = town.slack.submit(town.slack.dialog(), notes)
        assert (answer["response_action"], answer["errors"]) == ("update", {})
        view = town.slack.dialog()
        first, *others = view["blocks"]
        assert "Nothing was changed" in first["text"]["text"]
        assert first["block_id"] not in [block["block_id"] for block in others]
        typed = [block["element"]["initial_value"] for block in others if block["type"] == "input"]
        assert typed == ["bad deploy", "rolled back"]
        assert [block["block_id"] for block in others] == asked, "nothing of it is gone"
    town.slack.submit(town.slack.dialog(), notes)
    assert statuses(town) == ["resolved"]
    assert town.slack.views() == []
