"""The program tidies its record by itself when the policy file gives ages, while webhooks come in."""

from __future__ import annotations

from pathlib import Path

from tests import bodies
from tests.conftest import open_database
from tests.db.builders import ask, count
from tests.db.test_commands import a_past
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, send
from tests.servers.slack import SandboxSlack, wait_until


def test_what_is_old_goes_by_itself_and_new_alerts_stay(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    policy = tmp_path / "observer.toml"
    policy.write_text('[retention]\nbodies = "2d"\nalerts = "2d"\ntimelines = "2d"\n', "utf-8")
    database = open_database(db_url)
    try:
        a_past(database, 5)
        with Observer(db_url, slack, {"OBSERVER_CONFIG": str(policy)}) as observer:
            assert send(observer.url, bodies.grafana(bodies.alert())).status_code == 200
            gone = "SELECT 1 FROM incident_timeline JOIN incidents USING (incident_id) WHERE timeline_removed > 0"
            wait_until(
                lambda: count(database, "deliveries") == 1 and count(database, "incident_timeline") == 1,
                "what is old to be gone",
                seconds=30,
            )
        assert ask(database, gone) == []
        rows = ask(database, "SELECT alert_count, alerts_removed, timeline_removed FROM incidents ORDER BY number")
        assert [tuple(row.values()) for row in rows] == [*[(0, 2, 2)] * 5, (1, 0, 0)]
    finally:
        database.close()
