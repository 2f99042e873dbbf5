"""Replicas under fire, in short: killed again and again under load with clicks; `make replicas` does it for minutes."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import empty_tables
from tests.replicas.trial import Plan, Trial, prepared, table
from tests.servers.cluster import Cluster
from tests.servers.database import DbUrl
from tests.servers.slack import SandboxSlack


def test_two_replicas_on_one_database_lose_and_double_nothing(
    empty_url: DbUrl, slack: SandboxSlack, tmp_path: Path
) -> None:
    prepared(empty_url)
    plan = Plan(replicas=2, seconds=12, kill_every=3, rules=5, steady=2, sources=4)
    found = Trial(plan, empty_url, slack, tmp_path).run()
    assert found.violations == [], table(found)
    assert found.figures["alerts lost"] == 0
    assert found.figures["replicas killed"] >= 2
    assert found.figures["clicks recorded"] > 0


def test_replicas_on_the_nodes_of_a_cluster_lose_and_double_nothing_while_a_node_is_killed_and_returns(
    cluster: Cluster, slack: SandboxSlack, tmp_path: Path
) -> None:
    prepared(cluster)
    empty_tables(cluster.node_url(0))
    plan = Plan(replicas=2, seconds=20, kill_every=6, rules=5, steady=2, sources=4)
    found = Trial(plan, cluster, slack, tmp_path).run()
    assert found.violations == [], table(found)
    assert found.figures["alerts lost"] == 0
    assert found.figures["nodes killed"] >= 1
    assert found.figures["clicks recorded"] > 0
