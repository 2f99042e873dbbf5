"""The real Alertmanager drives the running program: what it sends, and when, is its own business."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.servers.alertmanager import alertmanager
from tests.servers.database import DbUrl
from tests.servers.observer import ObserverProcess, Town, rows
from tests.servers.slack import SandboxSlack, wait_until
from tests.story.cards import both, is_active, is_resolved, of

KEY = "cca400090f80f79c"  # am:KubePodCrashLooping|prod-eu-1|payments|checkout-api


def answers(url: DbUrl) -> list[dict[str, int]]:
    """What the deliveries did, in order: the figures that are not 0."""
    told = [json.loads(row["outcome"]) for row in rows(url, "SELECT outcome FROM deliveries ORDER BY delivery_id")]
    return [{name: count for name, count in all_of(answer).items() if count} for answer in told]


def all_of(answer: dict[str, Any]) -> dict[str, int]:
    """All figures of one answer."""
    alerts: dict[str, int] = answer["alerts"]
    return {name: len(ids) for name, ids in answer["incidents"].items()} | alerts


def standing(town: Town) -> tuple[str, int, int] | None:
    """How the one incident stands: status, firing, of how many; None before there is one."""
    found = town.rows("SELECT * FROM incidents")
    assert len(found) <= 1
    if not found:
        return None
    assert found[0]["incident_key"] == KEY
    return found[0]["status"], found[0]["instances_firing"], found[0]["instances_total"]


def test_the_real_alertmanager_tells_a_story_from_the_first_alert_to_the_end(town: Town, tmp_path: Path) -> None:
    with alertmanager(tmp_path, town.observer.url) as sender:
        sender.fire("pod-a")
        wait_until(lambda: standing(town) == ("active", 1, 1), "the incident to open")
        card = town.slack.wait_for_message(both(of(1), is_active), "its card")
        wait_until(lambda: {"recorded": 1, "repeats": 1} in answers(town.db_url), "the repetition")
        assert standing(town) == ("active", 1, 1)

        sender.fire("pod-a", "pod-b")
        wait_until(lambda: standing(town) == ("active", 2, 2), "the second pod to join")
        sender.end("pod-a")
        wait_until(lambda: standing(town) == ("active", 1, 2), "the first pod to come back")
        sender.end("pod-b")
        wait_until(lambda: standing(town) == ("resolved", 0, 2), "the incident to resolve")
        over = town.slack.wait_for_message(both(of(1), is_resolved), "the resolved card")
        assert over["ts"] == card["ts"]
    told = answers(town.db_url)
    assert sum(answer.get("opened", 0) for answer in told) == 1
    assert sum(answer.get("joined", 0) for answer in told) == 1
    assert sum(answer.get("resolved", 0) for answer in told) == 1
    assert len(town.slack.messages()) == 1
    [row] = town.rows("SELECT * FROM incidents")
    assert (row["source"], row["severity"], row["resolved_by"]) == ("alertmanager", "warning", "source:alertmanager")
    assert row["alert_count"] == town.rows("SELECT COUNT(*) AS n FROM grafana_alerts")[0]["n"]
    assert [found["kind"] for found in town.rows("SELECT kind FROM incident_timeline ORDER BY event_id")] == [
        "opened", "joined", "partly_resolved", "resolved",
    ]  # fmt: skip


def test_an_alert_of_a_time_when_the_program_was_down_arrives_when_it_is_up(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    observer = ObserverProcess(db_url, slack, tmp_path / "observer.log")  # not started: nobody listens
    with alertmanager(tmp_path, observer.url, repeat="1h") as sender:
        sender.fire("pod-a")
        log = tmp_path / "alertmanager.log"
        wait_until(lambda: b"connection refused" in log.read_bytes(), "Alertmanager to find nobody")
        with observer:
            wait_until(lambda: len(rows(db_url, "SELECT * FROM incidents")) == 1, "the alert to come after all")
            slack.wait_for_message(both(of(1), is_active), "its card")
            assert answers(db_url) == [{"opened": 1, "recorded": 1}]
            assert observer.stop() in (0, -15)
