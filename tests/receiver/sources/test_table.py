"""A new source is two rows and a reader; all else asks the table what a source is like, never what it is called."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import httpx
import pytest

from db.env import SettingsError
from db.model.alert import Alert, AlertKind, AlertState, Links, Reading
from db.model.source import SOURCES, Source
from receiver.app import Settings
from receiver.sources import WEBHOOKS, WebhookSource
from receiver.sources.stored import read_stored
from receiver.sources.wild import parse_json
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town, environment
from tests.servers.slack import SandboxSlack

ROOT = Path(__file__).resolve().parents[3]
BODY = json.dumps({"problem": "Disk full", "host": "db-1", "pod": "billing-7c9d8f6b54-x2k4q"})


# A source that nobody has: its reader and its two rows.


def read_tally(body: bytes, *, own_only: bool = False) -> Reading:
    """The one alert in a body of Tally's."""
    said = parse_json(body)
    name, labels = said.get("problem").text(), {"host": said.get("host").text(), "pod": said.get("pod").text()}
    alert = Alert(
        source="tally", state=AlertState.FIRING, kind=AlertKind.NORMAL, rule_uid=f"tally:{name}", alertname=name,
        fingerprint=labels["host"], labels=labels, annotations={}, starts_at=None, ends_at=None, values={},
        summary="", links=Links(source="https://tally.example/ledger"), raw=said.stored(),
    )  # fmt: skip
    return Reading(source="tally", alerts=(alert,))


TALLY = Source(name="tally", label="Tally & Sons", rule_page="Ledger", keeps_service_label=False)
TALLY_WEBHOOK = WebhookSource(source=TALLY, read=read_tally)


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows stand in both tables."""
    monkeypatch.setitem(SOURCES, "tally", TALLY)
    monkeypatch.setitem(WEBHOOKS, "tally", TALLY_WEBHOOK)


def test_a_new_source_posts_and_its_incident_is_shown(db_url: DbUrl, slack: SandboxSlack) -> None:
    with Observer(db_url, slack) as observer:
        town = Town(observer, slack, db_url)
        assert town.post(BODY, "/webhook/tally", token="of somebody else").status_code == 401
        answer = town.post(BODY, "/webhook/tally")
        assert (answer.status_code, answer.json()["alerts"]["recorded"]) == (200, 1)
        card = slack.wait_for_message(lambda message: "Disk full" in json.dumps(message), "its card")
        assert "Open in Ledger" in json.dumps(card)
        metrics = httpx.get(f"{observer.url}/metrics").text
        assert 'observer_deliveries_total{outcome="recorded",source="tally"} 1.0' in metrics
        assert httpx.get(observer.url).json()["endpoints"]["POST /webhook/tally"] == "Tally & Sons's webhook"
        [incident] = town.rows("SELECT * FROM incidents")
        assert (incident["source"], incident["service"]) == ("tally", "billing")
        [delivery] = town.rows("SELECT * FROM deliveries")
        assert delivery["source"] == "tally"
        assert read_stored("tally", "application/json", BODY.encode()) == read_tally(BODY.encode())


def test_a_source_that_cannot_sign_proves_itself_by_a_setting_of_its_own(db_url: DbUrl, slack: SandboxSlack) -> None:
    signing = {"WEBHOOK_AUTH": "hmac", "WEBHOOK_AUTH_ALERTMANAGER": "bearer", "WEBHOOK_HMAC_SECRET": "hidden"}
    with pytest.raises(SettingsError) as missing:
        Settings.from_env(environment(db_url, slack, 1, signing))
    assert missing.value.problems == (
        "WEBHOOK_AUTH_TALLY must be bearer or basic when WEBHOOK_AUTH is hmac: Tally & Sons cannot sign its requests.",
    )
    with Observer(db_url, slack, {**signing, "WEBHOOK_AUTH_TALLY": "bearer"}) as observer:
        town = Town(observer, slack, db_url)
        assert town.post(BODY, "/webhook/grafana").status_code == 401
        assert town.post(BODY, "/webhook/tally").status_code == 200


def test_no_module_compares_the_name_of_a_source() -> None:
    name = re.compile("|".join(rf"['\"]{re.escape(name)}['\"]" for name in SOURCES))
    row = re.compile(r"(?<!_Shape\.)\b(?:GRAFANA|GRAFANA_LEGACY|ALERTMANAGER)\b|\bOBSERVER\.name\b")
    found = []
    for path in (path for part in ("bot", "receiver", "db") for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Compare():
                    compared: list[ast.expr] = [node.left, *node.comparators]
                case ast.MatchValue():
                    compared = [node.value]
                case ast.Dict():  # a table beside the table; "observer" is the program's name as well
                    compared = [key for key in node.keys if key and ast.unparse(key) != "'observer'"]
                case _:
                    continue
            if any(name.search(text) or row.search(text) for text in map(ast.unparse, compared)):
                found.append(f"{path.relative_to(ROOT)}:{compared[0].lineno}")
    assert found == []
