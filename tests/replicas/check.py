"""Compares what the world knows with the record and with Slack: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.blocks.card import incident_card
from bot.text.languages import words_for
from db.database import Database
from db.model.identity import IncidentId
from db.model.policy import Policy
from db.transactions import storms
from tests.replicas.load import CHANNELS, Ledger
from tests.servers.database import DbUrl
from tests.servers.observer import found_by, rows
from tests.servers.slack import SandboxSlack

_SHOWN = 5


@dataclass(slots=True)
class Findings:
    """The figures of the table, and a sentence for each broken promise."""

    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def expect_none(self, promise: str, found: Sequence[object]) -> int:
        """Anything found breaks the promise."""
        if found:
            self.violations.append(f"{promise}: {len(found)}, for example {list(found[:_SHOWN])}")
        return len(found)


def examine(url: DbUrl, database: Database, ledger: Ledger, slack: SandboxSlack) -> Findings:
    """Check every promise; the record and Slack are quiet."""
    found = Findings()
    _deliveries(found, url, ledger)
    _incidents(found, url)
    _clicks(found, url, ledger)
    _cards(found, url, database, slack)
    _commands(found, url)
    return found


def same_on_all(urls: Sequence[DbUrl]) -> list[str]:
    """What differs between the nodes of a cluster; empty when all have the same record."""
    sums = []
    for url in urls:
        tables = [row["name"] for row in rows(url, _TABLES)]
        answer = rows(url, "CHECKSUM TABLE " + ", ".join(f"`{table}`" for table in tables))
        sums.append({row["Table"]: row["Checksum"] for row in answer})
    return [table for table in sums[0] if len({one.get(table) for one in sums}) > 1]


def _commands(found: Findings, url: DbUrl) -> None:
    """The record's own commands find nothing either."""
    for command in (("check", "--bodies"), ("verify-audit",)):
        said = found_by(url, *command)
        promise = f"python -m db {command[0]}"
        found.figures[f"db {command[0]} finds"] = found.expect_none(promise, [said] if said else [])


def _deliveries(found: Findings, url: DbUrl, ledger: Ledger) -> None:
    kept: dict[bytes, list[dict[str, Any]]] = {}
    for row in rows(url, _DELIVERIES):
        kept.setdefault(bytes(row["body_sha256"]), []).append(row)
    lost, short = [], []
    recorded = 0
    for digest, numbers in ledger.answered.items():
        here = {int(row["delivery_id"]): row for row in kept.get(digest, [])}
        lost += [number for number in numbers if number not in here]
        wrong = [number for number, row in here.items() if int(row["alerts"]) != ledger.alerts_in[digest]]
        short += wrong
        recorded += ledger.alerts_in[digest] if here and not wrong else 0
    found.expect_none("a delivery that was answered 2xx is not in the record", lost)
    found.expect_none("a delivery does not have exactly the alerts of its body", short)
    if ledger.unanswered:
        found.violations.append(f"bodies were never answered 2xx: {ledger.unanswered}")
    found.figures |= {
        "alerts sent": ledger.sent,
        "alerts answered 2xx": ledger.alerts_answered,
        "alerts found": recorded,
        "alerts lost": ledger.alerts_answered - recorded,
        "requests": ledger.attempts,
        "deliveries recorded": sum(len(same) for same in kept.values()),
    }


def _incidents(found: Findings, url: DbUrl) -> None:
    doubled = rows(url, _TWO_OPEN)
    found.figures["incidents"] = int(rows(url, "SELECT COUNT(*) AS n FROM incidents")[0]["n"])
    found.figures["keys with two open incidents"] = found.expect_none("a key has two open incidents", doubled)
    found.expect_none("an incident without an alert", rows(url, _NO_ALERT))
    found.expect_none("an alert without its incident", rows(url, _NO_INCIDENT))
    found.expect_none("a count is wrong", rows(url, _WRONG_COUNTS))
    found.expect_none("an incident is not as open as what fires in it", rows(url, _WRONG_STATUS))
    by_key: dict[str, list[tuple[str, int, int]]] = {}
    for row in rows(url, "SELECT incident_key, incident_id, number FROM incidents ORDER BY number"):
        _, second, _, *suffix = str(row["incident_id"]).split("-")
        by_key.setdefault(row["incident_key"], []).append((second, int(suffix[0]) if suffix else 1, row["number"]))
    unordered = [key for key, names in by_key.items() if sorted(names) != names]
    found.expect_none("numbers and ids of a key do not ascend together", unordered)


def _clicks(found: Findings, url: DbUrl, ledger: Ledger) -> None:
    lines = Counter(
        (row["incident_id"], row["actor"].removeprefix("slack:"), row["kind"])
        for row in rows(url, "SELECT incident_id, actor, kind FROM incident_timeline WHERE actor LIKE 'slack:%%'")
    )
    wanted = [(*one, "acknowledged") for one in ledger.acknowledged] + [(*one, "resolved") for one in ledger.resolved]
    found.expect_none("a click answered OK is not in the timeline", [one for one in wanted if not lines[one]])
    found.expect_none("a click is in the timeline twice", [one for one, times in lines.items() if times > 1])
    found.figures |= {
        "clicks": ledger.clicks_tried,
        "clicks answered OK": ledger.clicks_ok,
        "clicks recorded": sum(lines[one] > 0 for one in wanted),
    }


def _cards(found: Findings, url: DbUrl, database: Database, slack: SandboxSlack) -> None:
    hanging = {(channel, message["ts"]): message for channel in CHANNELS for message in slack.messages(channel)}
    keys = Counter(
        str(((message.get("metadata") or {}).get("event_payload") or {}).get("key")) for message in hanging.values()
    )
    doubled = [key for key, times in keys.items() if times > 1]
    found.figures["cards"] = len(hanging)
    found.figures["posts doubled"] = found.expect_none("a card hangs twice", doubled)
    words, wrong = words_for("en"), []
    messages = rows(url, "SELECT * FROM slack_messages WHERE kind = 'card'")
    for row in messages:
        card = storms.read_card(database, IncidentId(row["incident_id"]), Policy())
        shown = hanging.get((row["channel"].removeprefix("#"), row["ts"]))
        if card is None or shown is None or shown["text"] != incident_card(card[0], words).text:
            wrong.append((row["incident_id"], shown and shown["text"]))
    found.figures["cards not showing the record"] = found.expect_none("a card does not show the record", wrong)
    known = {str(row["post_key"]) for row in messages}
    found.expect_none("a card of no incident", [key for key in keys if key not in known])


_TABLES = (
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "AND table_type = 'BASE TABLE' ORDER BY table_name"
)
_DELIVERIES = """
SELECT d.delivery_id, d.body_sha256, COUNT(a.alert_id) AS alerts
FROM deliveries d LEFT JOIN grafana_alerts a ON a.delivery_id = d.delivery_id GROUP BY d.delivery_id, d.body_sha256
"""
_TWO_OPEN = "SELECT incident_key FROM incidents WHERE status <> 'resolved' GROUP BY incident_key HAVING COUNT(*) > 1"
_NO_ALERT = """
SELECT i.incident_id FROM incidents i LEFT JOIN grafana_alerts a ON a.incident_id = i.incident_id
WHERE a.alert_id IS NULL
"""
_NO_INCIDENT = """
SELECT a.alert_id FROM grafana_alerts a LEFT JOIN incidents i ON i.incident_id = a.incident_id
WHERE i.incident_id IS NULL OR i.incident_key <> a.incident_key
"""
_WRONG_COUNTS = """
SELECT i.incident_id, i.alert_count, a.n AS alerts, i.instances_total, s.n AS instances, i.instances_firing, s.firing
FROM incidents i
JOIN (SELECT incident_id, COUNT(*) AS n FROM grafana_alerts GROUP BY incident_id) a ON a.incident_id = i.incident_id
JOIN (SELECT incident_id, COUNT(*) AS n, SUM(state = 'firing') AS firing FROM incident_instances GROUP BY incident_id) s
  ON s.incident_id = i.incident_id
WHERE i.alert_count <> a.n OR i.instances_total <> s.n OR (i.status <> 'resolved' AND i.instances_firing <> s.firing)
"""
# By the end every source has ended what it began, except the steady ones, which only people resolve.
_WRONG_STATUS = """
SELECT incident_id, status, instances_firing FROM incidents
WHERE status <> 'resolved' AND (instances_firing = 0 OR rule_uid NOT LIKE 'steady%%')
"""
