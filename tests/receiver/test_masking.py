"""Masks before storage, from the request to the last table; and masks for Slack, from the record to every surface."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.masks import Mask, Masks
from receiver.masking import mask_body
from tests.bodies import alert, grafana
from tests.servers.database import DbUrl
from tests.servers.observer import WEBHOOK_TOKEN, Observer, Town, rows
from tests.servers.slack import SandboxSlack, wait_until
from tests.strategies import unhurried

SECRET = "tr0ub4dor"
RULE = Masks(storage=(Mask(SECRET),))


def test_a_body_without_anything_to_mask_stays_byte_by_byte() -> None:
    body = b'{"b" : 1.50,  "a":"\\u00e9"}'
    for masks in (RULE, Masks()):
        masked, changed = mask_body(body, masks)
        assert masked is body
        assert not changed


def test_texts_are_masked_after_unescaping_and_what_is_no_json_as_it_is() -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in SECRET)
    assert mask_body(f'{{"a": "x {escaped}"}}'.encode(), RULE) == (b'{"a":"x ***"}', True)
    assert mask_body(f"a={SECRET} \xff".encode("latin-1"), RULE) == (b"a=*** \xff", True)
    assert mask_body(b"\xff\xfe", RULE) == (b"\xff\xfe", False)


def test_the_value_of_a_key_that_stands_twice_does_not_hide() -> None:
    assert mask_body(f'{{"a": "{SECRET}", "a": "b"}}'.encode(), RULE) == (b'{"a":"b"}', True)


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@unhurried
def test_after_masking_a_document_holds_the_secret_in_no_text(document: Any) -> None:
    wrapped = {"list": [document, SECRET + "x"], "x": {"y": "-" + SECRET}}
    body, changed = mask_body(json.dumps(wrapped).encode(), RULE)
    assert changed
    assert SECRET not in body.decode()


def everything(url: DbUrl) -> str:
    """All that the database holds, as one text."""
    found = []
    for table in (next(iter(row.values())) for row in rows(url, "SHOW TABLES")):
        found += [repr(row) for row in rows(url, f"SELECT * FROM `{table}`")]  # noqa: S608 - tables of ours
    return "\n".join(found)


def policy_file(tmp_path: Path, where: str) -> dict[str, str]:
    path = tmp_path / "observer.toml"
    path.write_text(f"[[masks]]\npattern = '{SECRET}[0-9]*'\nwhere = '{where}'\n", encoding="utf-8")
    return {"OBSERVER_CONFIG": str(path)}


def a_leaking_alert(**more: Any) -> dict[str, Any]:
    """One whose every text has the secret."""
    leaking = alert(**more)
    leaking["labels"] = {**leaking["labels"], "service": f"shop-{SECRET}1", "pod": f"p-{SECRET}2"}
    leaking["annotations"] = {"summary": f"url has {SECRET}3", "runbook_url": f"https://x.example/{SECRET}4"}
    leaking["valueString"] = f"{SECRET}5"
    return leaking


def test_what_is_masked_for_storage_is_nowhere_in_the_database_and_nowhere_in_slack(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    with Observer(db_url, slack, policy_file(tmp_path, "storage")) as observer:
        town = Town(observer, slack, db_url)
        assert town.post(grafana(a_leaking_alert())).status_code == 200
        assert town.post(f"rubbish {SECRET}").status_code == 422
        # another secret in the same place is the same masked label, so the same incident
        body = grafana(a_leaking_alert()).replace(f"shop-{SECRET}1".encode(), f"shop-{SECRET}9".encode())
        assert town.post(body).json()["incidents"]["opened"] == []
        assert town.post(grafana(alert(instance="plain"))).status_code == 200
        slack.wait_for_message(lambda message: "***" in str(message), "the card")
        assert SECRET not in str(slack.messages())
    assert SECRET not in everything(db_url)
    flags = [row["masked"] for row in rows(db_url, "SELECT masked FROM deliveries ORDER BY delivery_id")]
    assert flags == [1, 1, 1, 0]
    [incident] = rows(db_url, "SELECT service FROM incidents WHERE service LIKE 'shop%%'")
    assert incident["service"] == "shop-***"


def test_what_cannot_be_unpacked_is_not_kept_where_something_is_to_be_masked(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    packed = gzip.compress(grafana(a_leaking_alert()))
    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
    with Observer(db_url, slack, policy_file(tmp_path, "storage")) as observer:
        for encoding, body, status in (("gzip", packed[:-9], 400), (f"br-{SECRET}1", packed, 415)):
            answer = httpx.post(
                f"{observer.url}/webhook/grafana", content=body, headers={**headers, "Content-Encoding": encoding}
            )
            assert (answer.status_code, "delivery" in answer.json()) == (status, False)
            assert SECRET not in answer.text
    assert rows(db_url, "SELECT * FROM deliveries") == []


@pytest.mark.parametrize("fields", ["", "fields = 'labels.*'"])
def test_what_is_said_against_a_body_quotes_no_secret(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path, fields: str, caplog: pytest.LogCaptureFixture
) -> None:
    more = policy_file(tmp_path, "storage")
    path = Path(more["OBSERVER_CONFIG"])
    path.write_text(path.read_text("utf-8").replace("[0-9]*", "[0-9]{12}") + fields, encoding="utf-8")
    secret = f"{SECRET}123456789012"
    bodies = [
        grafana({**alert(), "status": secret}),
        grafana({**alert(), "status": "x" * 30 + secret}),  # which is cut short where it is quoted
        grafana(alert(instance="a"), {**alert(instance="b"), "status": secret}),
        grafana({**alert(instance="c"), "startsAt": secret}),
        grafana({**alert(instance="d", ends=60), "endsAt": f"{secret} x"}),
        json.dumps({secret if fields else "x": 1}).encode(),  # a key stays in what is kept
        f"rubbish {secret}".encode(),
    ]
    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": f"application/json; x={secret}"}
    with Observer(db_url, slack, more) as observer:
        answers = [httpx.post(f"{observer.url}/webhook/grafana", content=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [422, 422, 200, 200, 200, 422, 422]
    assert SECRET not in "".join(answer.text for answer in answers)
    said = rows(db_url, "SELECT problem, content_type, outcome FROM deliveries")
    assert len(said) == len(bodies)
    assert SECRET not in (str(said) if fields else everything(db_url))
    assert SECRET not in caplog.text


def test_what_is_masked_for_slack_is_in_the_record_and_on_no_surface_of_slack(
    db_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    with Observer(db_url, slack, policy_file(tmp_path, "slack")) as observer:
        town = Town(observer, slack, db_url)
        assert town.post(grafana(a_leaking_alert())).status_code == 200
        card = slack.wait_for_message(lambda message: "#1" in str(message), "the card")
        shown: list[Any] = [
            slack.command(f"/incident {text}")
            for text in ("", "1", "list status:active", f"resolve 1 it was {SECRET}7", "1", "list status:resolved",
                         "ack 1", "reopen 1", "resolve 1 done", "resolve 1 again")
        ]  # fmt: skip
        wait_until(lambda: "resolved" in str(slack.messages()).lower(), "the resolved card")
        shown += [slack.messages(), slack.ephemerals(), slack.calls(), card]
        assert any("***" in str(one) for one in shown)
        for one in shown:
            assert SECRET not in json.dumps(one)
        assert len(slack.calls("chat.update")) >= 1
    assert SECRET in everything(db_url)


def test_a_blind_source_is_masked_for_slack_too(db_url: DbUrl, slack: SandboxSlack, tmp_path: Path) -> None:
    """The names of its rules and of the data source come from a source like everything else."""
    blind = alert("DatasourceNoData", rule="rule-1")
    blind["labels"] |= {"rulename": f"rule {SECRET}1", "datasource_uid": f"ds-{SECRET}2"}
    with Observer(db_url, slack, policy_file(tmp_path, "slack")) as observer:
        town = Town(observer, slack, db_url)
        assert town.post(grafana(alert(rule="rule-1"))).status_code == 200
        assert town.post(grafana(blind)).status_code == 200
        slack.wait_for_message(lambda message: "• rule ∗∗∗" in str(message), "the card of the data source")
        slack.wait_for_message(lambda message: "ds-∗∗∗" in str(message) and "#1" in str(message), "what it cannot see")
        shown = [slack.command(f"/incident {text}") for text in ("", "1", "2", "resolve 2", "resolve 1", "1")]
        assert SECRET not in json.dumps([*shown, slack.messages(), slack.ephemerals(), slack.calls()])
    assert SECRET in everything(db_url)
