"""What must hold when writers are on different nodes of a cluster, where no lock of one node is seen by another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from db.arrival import Arrival
from db.database import Database, Transaction
from db.memory import Memory
from db.migrate import migrate, schema_state
from db.model.checking import TRIGGERS
from db.model.identity import IncidentId, person
from db.model.incident import Filter
from db.model.lifecycle import Action
from db.transactions import ingest, lookup, repeats, respond, telling
from tests.conftest import empty_tables, open_database
from tests.db.builders import POLICY, a_delivery, a_reading, an_alert, ask, at, check_record, deliver, settings_of, sql
from tests.servers.cluster import Cluster
from tests.servers.slack import wait_until

Pools = Sequence[Database]


@pytest.fixture
def pools(cluster: Cluster) -> Iterator[Pools]:
    """A pool on each node; the tables are there and empty."""
    opened = [open_database(cluster.node_url(index), pool_size=12) for index in range(len(cluster.nodes))]
    migrate(opened[0])
    empty_tables(cluster.node_url(0))
    yield opened
    for pool in opened:
        pool.close()


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs in threads that begin together; what they returned, or raised."""
    gate = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(index: int) -> None:
        gate.wait()
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def settled(pools: Pools, text: str) -> list[dict[str, Any]]:
    """An answer once all nodes give the same one."""
    wait_until(lambda: len({str(ask(pool, text)) for pool in pools}) == 1, "the nodes to agree")
    return ask(pools[0], text)


def test_nodes_that_migrate_at_once_end_with_the_same_tables(cluster: Cluster) -> None:
    opened = [open_database(cluster.node_url(index)) for index in range(len(cluster.nodes))]
    names = [row["name"] for row in ask(opened[0], TABLES)]
    opened[0].transact(lambda tx: [tx.execute(sql(text)) for text in dropping(names)])
    wait_until(lambda: all(ask(pool, TABLES) == [] for pool in opened), "the nodes to be empty")
    states = at_once(*(lambda pool=pool: migrate(pool) for pool in opened))
    assert [getattr(state, "problem", state) for state in states] == ["", "", ""]
    assert [schema_state(pool).problem for pool in opened] == ["", "", ""]
    triggers = settled(opened, "SELECT trigger_name AS name FROM information_schema.triggers ORDER BY 1")
    assert {row["name"] for row in triggers} == set(TRIGGERS)
    assert ask(opened[0], "SELECT * FROM schema_lease") == []


TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()"


def dropping(names: Sequence[str]) -> list[str]:
    return ["SET SESSION foreign_key_checks = 0", *(f"DROP TABLE `{name}`" for name in names)]


def test_first_alerts_of_a_key_on_all_nodes_open_one_incident(pools: Pools) -> None:
    for turn in range(15):
        rule = f"rule-{turn}"
        jobs = [
            lambda pool=pool, number=number, rule=rule: deliver(pool, an_alert(f"f{number}", rule=rule))
            for pool in pools
            for number in range(3)
        ]
        answers = at_once(*jobs)
        assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    keys = "SELECT COUNT(*) AS n, COUNT(DISTINCT incident_key) AS k, SUM(alert_count) AS alerts FROM incidents"
    (row,) = settled(pools, keys)
    assert (row["n"], row["k"], row["alerts"]) == (15, 15, 15 * 9)
    check_record(pools[0])


def test_a_transaction_that_loses_at_commit_runs_again_and_nothing_is_lost(pools: Pools) -> None:
    pools[0].transact(lambda tx: tx.execute(sql("INSERT INTO incident_keys (incident_key) VALUES ('n')")))

    def count_up(pool: Database) -> None:
        def work(tx: Transaction) -> None:
            tx.execute(sql("UPDATE incident_keys SET turn = turn + 1"))

        for _ in range(10):
            pool.transact(work, patience_seconds=60)

    wait_until(lambda: all(ask(pool, "SELECT 1 FROM incident_keys") for pool in pools), "the row on all nodes")
    assert at_once(*(lambda pool=pool: count_up(pool) for pool in pools)) == [None, None, None]
    assert settled(pools, "SELECT turn FROM incident_keys")[0]["turn"] == 30
    assert sum(pool.repeated for pool in pools) > 0, "nobody lost at COMMIT: this test shows nothing"


def test_what_a_replica_remembers_is_of_no_use_once_another_node_changed_it(pools: Pools) -> None:
    """Each node has a replica with a memory of its own, all hear of the same incidents, and numbers have steps."""
    memories = [Memory() for _ in pools]
    services = ["checkout-api", "search"]
    remembered: list[int] = []

    def hear(index: int) -> None:
        for turn in range(20):
            batch = [
                Arrival(a_delivery(service.encode(), now=turn), a_reading(an_alert(f"f{n}", service=service)))
                for service in services
                for n in range(2)
            ]
            known = repeats.record(pools[index], batch, POLICY, memories[index], patience_seconds=60)
            left = [one for one, answer in zip(batch, known, strict=True) if answer is None]
            remembered.append(len(batch) - len(left))
            if left:
                ingest.record_together(pools[index], left, POLICY, memory=memories[index], patience_seconds=60)

    answers = at_once(*(lambda index=index: hear(index) for index in range(len(pools))))
    assert answers == [None, None, None]
    hear(0)  # now nobody else does
    assert remembered[-1] == 4, "nothing was remembered: this test shows nothing"
    settled(pools, "SELECT COUNT(*) AS n FROM grafana_alerts")
    (row,) = ask(pools[0], "SELECT COUNT(*) AS n FROM grafana_alerts")
    assert row["n"] == 4 * 20 * 4
    linked = ask(pools[0], "SELECT labels, body FROM grafana_alerts JOIN deliveries USING (delivery_id)")
    assert len(linked) == row["n"]
    assert all(json.loads(one["labels"])["service"].encode() == one["body"] for one in linked), "to its own request"
    check_record(pools[0])


def test_two_nodes_never_both_hold_the_lease_of_a_message(pools: Pools) -> None:
    for number in range(20):
        deliver(pools[0], an_alert(rule=f"rule-{number}"))
    settled(pools, "SELECT COUNT(*) AS n FROM slack_messages")

    def claim_all(pool: Database, worker: str) -> list[int]:
        taken = []
        while (message := telling.claim(pool, worker)) is not None:
            taken.append(message.message_id)
        return taken

    jobs = [
        lambda pool=pool, name=f"worker-{index}": claim_all(pool, name) for index, pool in enumerate([*pools, *pools])
    ]
    taken = [message for found in at_once(*jobs) for message in found]
    assert len(taken) == len(set(taken)), "a message was claimed twice"
    assert len(taken) == 20


def test_of_clicks_on_all_nodes_one_wins_and_the_others_are_told(pools: Pools) -> None:
    deliver(pools[0], an_alert())
    (row,) = settled(pools, "SELECT incident_id FROM incidents")
    incident = IncidentId(row["incident_id"])

    def click(pool: Database, user: str) -> str:
        outcome = respond.change_status(pool, incident, Action.ACKNOWLEDGE, person(user), at(1), policy=POLICY)
        return type(outcome).__name__

    outcomes = at_once(*(lambda pool=pool, n=n: click(pool, f"U00{n}") for n, pool in enumerate(pools)))
    assert sorted(outcomes) == ["Already", "Already", "Changed"]
    events = settled(pools, "SELECT kind FROM incident_timeline WHERE kind = 'acknowledged'")
    assert len(events) == 1


def test_numbers_and_ids_of_a_key_ascend_together_whatever_node_opened(pools: Pools) -> None:
    """The newest incident of a key is found by its number."""
    for turn in range(9):
        start, pool = turn * 10, pools[turn % 3]
        deliver(pool, an_alert(starts=start), now=start)
        deliver(pools[(turn + 1) % 3], an_alert(starts=start, ends=start + 5), now=start + 5)
    rows = settled(pools, "SELECT incident_id, status FROM incidents ORDER BY number")
    assert len(rows) == 9, "each was opened after the one before was resolved, as every node knew"
    assert [row["incident_id"] for row in rows] == sorted(row["incident_id"] for row in rows)
    assert {row["status"] for row in rows} == {"resolved"}


def test_what_one_node_answered_a_person_finds_through_every_other(cluster: Cluster, pools: Pools) -> None:
    people = [
        Database(
            settings_of(cluster.node_url(index)),
            pool_size=2,
            statement_seconds=5,
            lock_seconds=5,
            patience_seconds=20,
            causal=True,
        )
        for index in range(len(cluster.nodes))
    ]
    for turn in range(30):
        deliver(pools[turn % 3], an_alert(rule=f"rule-{turn}"))
        found = [lookup.list_incidents(pool, Filter(), 100).total for pool in people]
        assert found == [turn + 1] * 3


def test_a_galera_node_that_has_to_be_copied_is_given_everything_by_another(cluster: Cluster, pools: Pools) -> None:
    """With the programs that came with the packages, whatever this machine has."""
    if cluster.topology != "galera":
        return
    cluster.kill(2)
    deliver(pools[0], an_alert())
    began = cluster.nodes[2].log.stat().st_size
    cluster.bring_back(2, copied=True)
    assert cluster.ask(2, "SELECT COUNT(*) FROM observer.incidents") == ((1,),)
    assert "wsrep_sst_rsync --role 'joiner'" in cluster.nodes[2].log.read_text("utf-8", "replace")[began:]
