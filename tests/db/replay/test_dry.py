"""A dry run says what other rules would merge, split or change, and why; the same rules change nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from db.commands import cli
from db.database import Database
from db.model.identity import person
from db.model.lifecycle import Action
from db.model.policy import Policy
from db.replay.dry import DryRun, Trial
from db.transactions import respond
from receiver.sources.stored import read_stored
from tests import bodies
from tests.db.builders import ask, at, count, sql
from tests.db.history import Live, past
from tests.db.replay.test_into import POLICY, two_servers, webhook
from tests.servers.database import DbUrl


def dry(database: Database, policy: Policy = POLICY) -> Trial:
    """Try rules."""
    return DryRun(database, policy, read_stored, lambda done, total: None).run()


def ids(database: Database) -> list[str]:
    """The recorded incidents, in their order."""
    return [row["incident_id"] for row in ask(database, "SELECT incident_id FROM incidents ORDER BY number")]


@pytest.mark.parametrize("seed", [11, 12])
def test_the_same_rules_change_nothing(database: Database, seed: int) -> None:
    clicks = Live(database, POLICY).play(past(400, seed))
    trial = dry(database)
    assert trial.regrouping.is_same, trial.as_json(5)
    assert trial.regrouping.same == count(database, "incidents")
    assert (trial.deliveries, trial.actions, trial.idle_actions) == (400, clicks, 0)


def test_a_dry_run_tells_servers_apart(database: Database) -> None:
    two_servers(database)
    trial = dry(database)
    assert trial.regrouping.is_same, trial.as_json(5)
    assert (trial.regrouping.same, trial.alerts) == (1, 6)


def test_a_key_without_phase_merges_and_says_so(database: Database) -> None:
    for phase in ("dev", "prod"):
        webhook(database, 0, bodies.alert(labels={"phase": phase}))
    webhook(database, 1, bodies.alert(labels={"service": "other"}))
    found = dry(database, Policy(phase_labels=("environment",))).regrouping
    assert [group.recorded for group in found.merged] == [tuple(sorted(ids(database)[:2]))]
    assert found.merged[0].why == "the key no longer tells apart phase (dev, prod)"
    assert len(found.merged[0].instead) == 1
    assert [group.why for group in found.changed] == ["phase in the key: prod -> none"]


def test_a_key_with_one_more_label_splits_and_says_so(database: Database) -> None:
    pair = [bodies.alert(labels={"phase": "", "environment": name}) for name in ("blue", "green")]
    webhook(database, 0, *pair)
    found = dry(database, Policy(phase_labels=("phase", "environment"))).regrouping
    assert [group.recorded for group in found.split] == [(ids(database)[0],)]
    assert found.split[0].why == "the key now tells apart phase (blue, green)"
    assert len(found.split[0].instead) == 2
    assert not found.merged


def test_a_longer_window_merges_and_a_shorter_one_splits(database: Database) -> None:
    """Recorded with a window of five minutes: fired again after two minutes, and again after ten."""
    webhook(database, 0, bodies.alert())
    webhook(database, 60, bodies.alert(ends=60))
    webhook(database, 180, bodies.alert(starts=180))
    webhook(database, 240, bodies.alert(starts=180, ends=240))
    webhook(database, 840, bodies.alert(starts=840))
    longer = dry(database, Policy(reopen_window=timedelta(minutes=15))).regrouping
    first, second = ids(database)
    (group,) = longer.merged
    assert (group.recorded, group.instead) == ((first, second), (first,))
    assert group.why == "what fired again belongs to the incident before it (windows: 0:10:00 after its end)"
    shorter = dry(database, Policy()).regrouping
    assert [group.recorded for group in shorter.split] == [(first,)]
    assert shorter.split[0].why == "what fired again is an incident of its own (windows: 0:02:00 after its end)"
    assert shorter.same == 1


def test_what_merges_and_splits_at_once_names_only_what_changed(database: Database) -> None:
    """One webhook's blind alert follows the incident of its rule, which is one of two services."""
    for service in ("a", "b"):
        for phase in ("dev", "prod"):
            webhook(database, 0, bodies.alert(labels={"service": service, "phase": phase}, instance=service))
    blind = bodies.alert("DatasourceNoData", labels={"rulename": "Checkout", "ref_id": "A"})
    for name in ("cluster", "namespace", "service", "phase"):
        del blind["labels"][name]
    for second in range(2):
        webhook(database, 5 + second, {**blind, "fingerprint": f"blind-{second}"})
    found = dry(database, Policy(phase_labels=("environment",))).regrouping
    groups = [*found.merged, *found.regrouped]
    assert groups
    assert {group.why for group in groups} == {"the key no longer tells apart phase (dev, prod)"}


def test_titles_and_severities_that_would_be_others_are_named(database: Database) -> None:
    webhook(database, 0, bodies.alert())
    policy = Policy.parse(
        {"severity": {"info": ["critical"]}, "titles": [{"match": {"service": ".*"}, "title": "{service} is down"}]}
    )
    (group,) = dry(database, policy).regrouping.changed
    assert group.why == "severity: critical -> info; title: Checkout 5xx ratio high -> checkout-api is down"


def test_what_would_be_a_heartbeat_opens_nothing(database: Database) -> None:
    webhook(database, 0, bodies.alert())
    policy = Policy.parse({"heartbeats": [{"match": {"service": "checkout-api"}}]})
    found = dry(database, policy).regrouping
    assert [group.recorded for group in found.gone] == [(ids(database)[0],)]
    assert dry(database, policy).idle_actions == 0


def test_what_people_did_goes_with_the_alerts(database: Database) -> None:
    webhook(database, 0, bodies.alert(labels={"phase": "dev"}), bodies.alert(labels={"phase": "prod"}))
    respond.change_status(database, 1, Action.RESOLVE, person("U1"), at(5), policy=POLICY)
    trial = dry(database, Policy(phase_labels=("environment",)))
    assert (trial.actions, trial.idle_actions) == (1, 0)


def test_what_cannot_be_read_again_is_named(database: Database) -> None:
    for number in range(3):
        webhook(database, number, bodies.alert(rule=f"rule_{number}"))
    database.transact(lambda tx: tx.execute(sql("UPDATE deliveries SET body = '', body_encoding = 'removed' LIMIT 2")))
    trial = dry(database)
    assert trial.as_json(0)["lost"] == {"count": 2, "deliveries": "1-2"}
    assert (trial.regrouping.not_read, trial.regrouping.same) == (2, 1)
    assert trial.regrouping.is_same


def test_a_person_is_told_which_deliveries_cannot_be_read_and_why(
    database: Database, db_url: DbUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        webhook(database, number, bodies.alert(rule=f"rule_{number}"))
    damage = "UPDATE deliveries SET body = '{\"alerts\": 7}', body_encoding = 'identity' WHERE delivery_id <> 2"
    database.transact(lambda tx: tx.execute(sql(damage)))
    arguments = ["replay", "--dry-run", "--examples", "1"]
    assert cli.run(arguments, env=db_url.env(), clock=lambda: at(9), read=read_stored) == 0
    shown = capsys.readouterr().out
    assert "2 deliveries cannot be read" in shown
    assert "delivery 1: " in shown
    assert "alerts" in shown[shown.index("delivery 1: ") :].splitlines()[0]
    assert "... and 1 more (--examples)" in shown
    assert cli.run([*arguments, "--json"], env=db_url.env(), clock=lambda: at(9), read=read_stored) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["unreadable"] == 2
    assert [one["delivery"] for one in result["unread"]] == [1]
    assert result["unread"][0]["why"]


def test_alerts_that_retention_removed_make_nothing_new(database: Database) -> None:
    webhook(database, 0, bodies.alert())
    webhook(database, 1, bodies.alert(rule="other"))
    database.transact(lambda tx: tx.execute(sql("DELETE FROM grafana_alerts WHERE rule_uid = 'other'")))
    database.transact(lambda tx: tx.execute(sql("UPDATE incidents SET alerts_removed = 1 WHERE rule_uid = 'other'")))
    found = dry(database).regrouping
    assert (found.same, found.not_read, found.is_same) == (1, 1, True)


def test_a_person_reads_the_explanation(
    database: Database, db_url: DbUrl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    webhook(database, 0, bodies.alert(labels={"phase": "dev"}), bodies.alert(labels={"phase": "prod"}))
    other = tmp_path / "other.toml"
    other.write_text('[labels]\nphase = ["environment"]\n', "utf-8")
    arguments = ["replay", "--dry-run", "--policy", str(other)]
    assert cli.run(arguments, env=db_url.env(), clock=lambda: at(9), read=read_stored) == 0
    shown = capsys.readouterr().out
    assert "2 incidents would be merged, 1 would be there instead:" in shown
    assert "the key no longer tells apart phase (dev, prod)" in shown
    assert cli.run([*arguments, "--json"], env=db_url.env(), clock=lambda: at(9), read=read_stored) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["merged"]["count"] == 1
    assert result["merged"]["examples"][0]["why"] == "the key no longer tells apart phase (dev, prod)"
    assert count(database, "deliveries") == 1
