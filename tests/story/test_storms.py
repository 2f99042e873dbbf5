"""A storm of alerts: one digest instead of many cards, critical ones at once, one click for a group, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from db.transactions import bulk
from tests import bodies
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, ObserverProcess, Town, rows, send
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import element_ids

POLICY = """
[storm]
incidents = 3
window = "{window}"
calm = "1s"
"""
GROUPS = """
[storm]
enabled = false
[[groups]]
by = ["cluster"]
at_least = 3
"""


def alert(service: str, severity: str = "warning", **more: Any) -> dict[str, Any]:
    return bodies.alert(
        f"{service} is slow", rule=f"rule-{service}", labels={"service": service, "severity": severity}, **more
    )


def some(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [alert(f"s{number:04d}") for number in range(first, first + count)]


def is_digest(message: dict[str, Any]) -> bool:
    return any(block.get("block_id", "").startswith("digest-") for block in message["blocks"] or [])


def digests(slack: SandboxSlack) -> list[dict[str, Any]]:
    return [message for message in slack.messages() if is_digest(message)]


def says(text: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: is_digest(message) and text in str(message["blocks"])


def card_texts(slack: SandboxSlack) -> list[str]:
    return [message["text"] for message in slack.messages() if not is_digest(message)]


def press(slack: SandboxSlack, answer: dict[str, Any], action: str, *, user: str = "U001", **more: str) -> None:
    """Press a button of what one person alone was told."""
    slack.click({"ts": answer["id"]}, action, user=user, message_kind="ephemeral", **more)


def policy(folder: Path, text: str) -> dict[str, str]:
    path = folder / "policy.toml"
    path.write_text(text)
    return {"OBSERVER_CONFIG": str(path)}


@pytest.fixture
def stormy(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> Iterator[Town]:
    """More than three incidents in ten minutes are a storm: it does not end during a story."""
    with Observer(db_url, slack, policy(tmp_path, POLICY.format(window="10m"))) as observer:
        yield Town(observer, slack, db_url)


@pytest.fixture
def passing(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> Iterator[Town]:
    """More than three incidents in three seconds are a storm: it is over soon."""
    with Observer(db_url, slack, policy(tmp_path, POLICY.format(window="3s"))) as observer:
        yield Town(observer, slack, db_url)


def test_a_storm_is_one_digest_that_is_edited_and_critical_incidents_have_their_cards(stormy: Town) -> None:
    stormy.slack.options(pace=True)
    stormy.post(bodies.grafana(*some(60)))
    stormy.slack.wait_for_message(says("60 incidents"), "the digest")
    stormy.post(bodies.grafana(alert("payments", "critical")))
    stormy.slack.wait_for_message(lambda one: "payments is slow" in one["text"] and not is_digest(one), "its card")
    stormy.post(bodies.grafana(*some(40, first=100)))
    stormy.slack.wait_for_message(says("101 incidents"), "the digest to grow")
    assert len(digests(stormy.slack)) == 1
    assert len(card_texts(stormy.slack)) <= 5, "one a second may slip through until the storm is noticed"
    assert all(call["outcome"] == "ok" for call in stormy.slack.calls("chat.postMessage"))


def test_when_it_is_over_the_digest_stays_the_face_and_only_the_worst_get_cards(passing: Town) -> None:
    passing.slack.options(pace=True)
    passing.post(bodies.grafana(*some(30), alert("payments", "high"), alert("login", "high")))
    passing.slack.wait_for_message(says("32 incidents"), "the digest")
    passing.slack.command(f"/incident ack {incident_of(passing, 'login')}")
    gone = [alert(f"s{number:04d}", ends=60) for number in range(20)]
    passing.post(bodies.grafana(*gone))
    over = passing.slack.wait_for_message(says("Storm over"), "the end")
    assert "11 active, 1 acknowledged, 20 resolved" in str(over["blocks"])
    assert "white_check_mark" not in str(over["blocks"][0])
    assert "incident_digest_acknowledge" not in element_ids(over)
    passing.slack.wait_for_message(lambda one: "payments" in one["text"] and not is_digest(one), "a card")
    wait_until(lambda: passing.rows("SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1") == [{"n": 0}], "quiet")
    texts = card_texts(passing.slack)
    assert len(texts) <= 1 + 5, "the others need no card, but for those before the storm was noticed"
    assert len(set(texts)) == len(texts)
    passing.slack.command(f"/incident resolve {incident_of(passing, 's0029')}")
    passing.slack.wait_for_message(says("10 active, 1 acknowledged, 21 resolved"), "the digest to follow")
    rest = [alert(f"s{number:04d}", ends=60) for number in range(20, 29)]
    ends = [alert("payments", "high", ends=60), alert("login", "high", ends=60)]
    passing.post(bodies.grafana(*rest, *ends))
    over = passing.slack.wait_for_message(says("32 resolved"), "the digest to show that all is well")
    assert "white_check_mark" in str(over["blocks"][0])
    assert len(digests(passing.slack)) == 1


def incident_of(town: Town, service: str) -> int:
    return int(town.rows("SELECT number FROM incidents WHERE service = %s", service)[0]["number"])


def test_where_edits_are_refused_there_is_still_one_digest(stormy: Town) -> None:
    stormy.post(bodies.grafana(*some(8)))
    stormy.slack.wait_for_message(says("8 incidents"), "the digest")
    (first,) = digests(stormy.slack)
    stormy.slack.fault("chat.update", "error", error="edit_window_closed")
    stormy.post(bodies.grafana(*some(2, first=100)))
    stormy.slack.wait_for_message(says("10 incidents"), "the digest to grow")
    wait_until(lambda: len(digests(stormy.slack)) == 1, "the old one to go")
    assert digests(stormy.slack)[0]["ts"] != first["ts"]


def the_group(slack: SandboxSlack, digest: dict[str, Any], service: str) -> dict[str, Any]:
    """The list of a group's incidents, as U002 opens it."""
    slack.click(digest, "incident_digest_show", user="U002")
    wait_until(lambda: "groups" in str(slack.ephemerals("U002")), "the groups")
    groups = slack.ephemerals("U002")[-1]
    row = next(block["block_id"] for block in groups["blocks"] if f"{service} ·" in str(block.get("text")))
    press(slack, groups, "incident_digest_show", user="U002", block_id=row)
    wait_until(lambda: "page-rows" in str(slack.ephemerals("U002")[-1]["blocks"]), "the incidents of a group")
    return slack.ephemerals("U002")[-1]


def test_one_click_acknowledges_a_group_and_a_second_one_says_so(stormy: Town) -> None:
    group = [
        alert("search", starts=number) | {"ruleUID": f"r{number}", "fingerprint": f"f{number}"} for number in range(7)
    ]
    stormy.post(bodies.grafana(*group, *some(3)))
    digest = stormy.slack.wait_for_message(says("search · prod-eu-1"), "the digest")
    row = next(
        block["block_id"]
        for block in digest["blocks"]
        if block["type"] == "actions" and "Acknowledge all 7" in str(block["elements"])
    )
    listed = the_group(stormy.slack, digest, "search")
    stormy.slack.click(digest, "incident_digest_acknowledge", user="U001", block_id=row)
    assert stormy.rows("SELECT status, owner, COUNT(*) AS n FROM incidents GROUP BY status, owner ORDER BY n") == [
        {"status": "active", "owner": None, "n": 3},
        {"status": "acknowledged", "owner": "slack:U001", "n": 7},
    ]
    wait_until(lambda: "Acknowledged 7 incidents" in str(stormy.slack.ephemerals("U001")), "the answer")
    # Somebody whose Slack still shows the old buttons: the list of that group, opened before the first click.
    press(stormy.slack, listed, "incident_digest_acknowledge", user="U002")
    wait_until(lambda: "Nothing changed" in str(stormy.slack.ephemerals("U002")), "the second answer")
    assert "7 were acknowledged already, by <@U001>" in str(stormy.slack.ephemerals("U002"))
    stormy.slack.wait_for_message(says("3 active, 7 acknowledged"), "the digest to show it")
    assert stormy.rows("SELECT DISTINCT reason FROM incident_timeline WHERE kind = 'acknowledged'") == [
        {"reason": "bulk"}
    ]


def test_a_click_for_a_thousand_incidents_is_answered_in_time(stormy: Town) -> None:
    for start in range(0, 1000, 200):
        stormy.post(bodies.grafana(*some(200, first=start)))
    stormy.slack.wait_for_message(says("1,000 incidents"), "the digest", seconds=60)
    digest = digests(stormy.slack)[0]
    stormy.slack.click(digest, "incident_digest_show")
    wait_until(lambda: bool(stormy.slack.ephemerals()), "the list of groups")
    groups = stormy.slack.ephemerals()[-1]
    press(stormy.slack, groups, "incident_digest_show_everything")
    wait_until(lambda: "1 to 25 of 1,000" in str(stormy.slack.ephemerals()[-1]), "the list of all incidents")
    # A click that is not answered within Slack's three seconds fails here.
    press(stormy.slack, stormy.slack.ephemerals()[-1], "incident_digest_resolve")
    wait_until(lambda: "Resolved 1,000 incidents" in str(stormy.slack.ephemerals()), "the answer", seconds=60)
    assert stormy.rows("SELECT DISTINCT status FROM incidents") == [{"status": "resolved"}]
    stormy.slack.wait_for_message(says("1,000 resolved"), "the digest to show it")


@contextmanager
def held(town: Town, number: int) -> Iterator[None]:
    """Somebody holds the row of an incident, as a slow disk or a long report does."""
    url = town.db_url
    connection = pymysql.connect(
        host=url.host, port=url.port, user=url.user, password=url.password, database=url.name, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM incidents WHERE number = %s FOR UPDATE", (number,))
        yield


def all_of_them(town: Town, count: int) -> dict[str, Any]:
    """The list of all incidents of a storm of so many."""
    for start in range(0, count, 200):
        town.post(bodies.grafana(*some(200, first=start)))
    digest = town.slack.wait_for_message(says(f"{count} incidents"), "the digest", seconds=60)
    town.slack.click(digest, "incident_digest_show")
    wait_until(lambda: bool(town.slack.ephemerals()), "the list of groups")
    press(town.slack, town.slack.ephemerals()[-1], "incident_digest_show_everything")
    wait_until(lambda: "1 to 25 of" in str(town.slack.ephemerals()[-1]), "the list of all incidents")
    return town.slack.ephemerals()[-1]


def test_a_click_that_was_answered_is_carried_through(stormy: Town, caplog: pytest.LogCaptureFixture) -> None:
    """A lock or a statement that takes longer than a person may wait does not end it."""
    listed = all_of_them(stormy, 400)
    with held(stormy, 350):
        press(stormy.slack, listed, "incident_digest_acknowledge")
        wait_until(lambda: "so far" in str(stormy.slack.ephemerals()), "the first answer")
        wait_until(lambda: "bulk click repeats" in caplog.text, "the first failure", seconds=30)
    wait_until(lambda: "Acknowledged 400 incidents" in str(stormy.slack.ephemerals()), "the answer", seconds=60)
    assert stormy.rows("SELECT DISTINCT status FROM incidents") == [{"status": "acknowledged"}]


def test_a_click_that_cannot_be_carried_through_says_how_far_it_came_and_why(
    stormy: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk.insist, "__kwdefaults__", {"seconds": 3.0})
    listed = all_of_them(stormy, 400)
    with held(stormy, 350):
        press(stormy.slack, listed, "incident_digest_acknowledge")
        wait_until(lambda: "not reached" in str(stormy.slack.ephemerals()), "the answer", seconds=60)
    said = str(stormy.slack.ephemerals())
    assert "100 were not reached, since the database was too busy" in said
    assert "Acknowledged 300 incidents" in said


def test_an_acknowledgement_by_command_shows_in_the_digest(stormy: Town) -> None:
    stormy.post(bodies.grafana(*some(8)))
    stormy.slack.wait_for_message(says("8 active"), "the digest")
    stormy.slack.command("/incident ack 8")
    stormy.slack.wait_for_message(says("7 active, 1 acknowledged"), "the digest to show it")


def test_show_all_lists_groups_then_incidents(stormy: Town) -> None:
    stormy.post(bodies.grafana(*some(20)))
    digest = stormy.slack.wait_for_message(says("20 incidents"), "the digest")
    stormy.slack.click(digest, "incident_digest_show")
    wait_until(lambda: "20 incidents in 20 groups" in str(stormy.slack.ephemerals()), "the groups")
    press(stormy.slack, stormy.slack.ephemerals()[-1], "incident_digest_show")
    wait_until(lambda: "s0000 is slow" in str(stormy.slack.ephemerals()[-1]), "the incidents of one")


def test_a_program_killed_in_a_storm_posts_nothing_twice(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    slack.options(pace=True)
    more = policy(tmp_path, POLICY.format(window="10s"))
    with ObserverProcess(db_url, slack, tmp_path / "log", more=more) as observer:
        for wave in range(3):
            bad = [alert(f"bad{wave}{number}", "high") for number in range(3)]
            assert send(observer.url, bodies.grafana(*some(8, first=wave * 8), *bad)).is_success
            wait_until(lambda: bool(digests(slack)), "the digest: it is a storm")
            observer.kill()
            observer.start()
        slack.wait_for_message(says("Storm over"), "the end", seconds=60)
        wait_until(
            lambda: rows(db_url, "SELECT COUNT(*) AS n FROM slack_messages WHERE behind = 1") == [{"n": 0}],
            "all cards", seconds=90,
        )  # fmt: skip
    texts = card_texts(slack)
    assert len(texts) == len(set(texts)), "none twice"
    assert len([text for text in texts if "bad" in text]) == 9, "each of the worst has one"
    assert len(digests(slack)) == rows(db_url, "SELECT COUNT(*) AS n FROM digests")[0]["n"]


def test_two_replicas_make_one_digest(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    more = policy(tmp_path, POLICY.format(window="10m"))
    with Observer(db_url, slack, more) as first, Observer(db_url, slack, more) as second:
        for start, observer in enumerate((first, second, first, second)):
            assert send(observer.url, bodies.grafana(*some(10, first=start * 10))).is_success
        slack.wait_for_message(says("40 incidents"), "the digest")
    assert len(digests(slack)) == 1
    texts = card_texts(slack)
    assert len(texts) == len(set(texts))


def test_related_incidents_are_one_group_and_their_cards_say_so(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    with Observer(db_url, slack, policy(tmp_path, GROUPS)) as observer:
        town = Town(observer, slack, db_url)
        town.post(bodies.grafana(*some(2)))
        wait_until(lambda: len(slack.messages()) == 2, "two cards")
        town.post(bodies.grafana(*some(1, first=2)))
        slack.wait_for_message(says("3 incidents with the same cluster prod-eu-1"), "the group")
        wait_until(
            lambda: str(slack.messages()).count("Part of a group: same cluster prod-eu-1") >= 2, "the cards to say so"
        )
        town.post(bodies.grafana(*[alert(f"s{number:04d}", ends=60) for number in range(3)]))
        slack.wait_for_message(says("All of them are resolved."), "its end")
    assert len(digests(slack)) == 1
