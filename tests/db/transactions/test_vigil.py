"""What time does to a real record, also to several replicas at once: held resolves settle, silence is marked."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from db.database import Database
from db.model.alert import Alert
from db.model.blind import Blindness
from db.model.identity import IncidentId, person, source
from db.model.incident import EventKind, Incident, Status
from db.model.lifecycle import Action, Changed
from db.transactions import bulk, lookup, respond, vigil
from tests.db.builders import POLICY, an_alert, ask, at, cannot_see, check_record, deliver, key_of

BASE = IncidentId(f"INC-20261120080000-{key_of()}")
HOUR = 3_600


def incident(database: Database, name: IncidentId = BASE) -> Incident:
    """One incident as it is recorded."""
    found = lookup.read_incident(database, name)
    assert found is not None
    return found


def events(database: Database, kind: EventKind) -> list[dict[str, object]]:
    """The lines of this kind in all timelines."""
    query = "SELECT incident_id, actor, reason, details FROM incident_timeline WHERE kind = %(kind)s"
    return ask(database, query, kind=kind.value)


def four_times(work: Callable[[], int]) -> list[int]:
    """The same by four replicas at once."""
    with ThreadPoolExecutor(4) as threads:
        return sorted(future.result() for future in [threads.submit(work) for _ in range(4)])


def held(database: Database) -> None:
    """An incident whose only instance resolved while its rule was blind; the rule sees again since 90."""
    deliver(database, an_alert())
    deliver(database, cannot_see(), now=30)
    deliver(database, an_alert(ends=50), now=60)
    deliver(database, cannot_see(ends=80), now=90)


# -- sight


def test_what_is_held_settles_once_however_many_look(database: Database) -> None:
    held(database)
    assert vigil.settle(database, POLICY, at(90 + 299)) == 0
    assert incident(database).is_open
    assert four_times(lambda: vigil.settle(database, POLICY, at(90 + 300))) == [0, 0, 0, 1]
    after = incident(database)
    assert (after.status, after.resolved_time, str(after.resolved_by)) == (Status.RESOLVED, at(390), "observer:blind")
    (event,) = (one for one in events(database, EventKind.RESOLVED) if one["incident_id"] == BASE)
    assert event["reason"] == "recovered_while_blind"
    check_record(database)


def test_what_fired_again_meanwhile_does_not_settle(database: Database) -> None:
    held(database)
    deliver(database, an_alert(starts=100), now=110)
    assert vigil.settle(database, POLICY, at(10_000)) == 0
    assert (incident(database).is_open, incident(database).held) == (True, 0)
    check_record(database)


def test_settling_takes_as_long_as_the_policy_says(database: Database) -> None:
    held(database)
    policy = replace(POLICY, blind=Blindness(settle=timedelta(seconds=5)))
    assert vigil.settle(database, policy, at(94)) == 0
    assert vigil.settle(database, policy, at(95)) == 1


def test_what_settled_stays_resolved_when_its_data_source_flaps(database: Database) -> None:
    held(database)
    vigil.settle(database, POLICY, at(390))
    deliver(database, cannot_see(starts=400), now=410)
    assert not incident(database).is_open
    check_record(database)


def test_a_person_who_resolves_ends_the_waiting(database: Database) -> None:
    held(database)
    respond.change_status(database, BASE, Action.RESOLVE, person("U001"), at(100), policy=POLICY)
    check_record(database)
    assert vigil.settle(database, POLICY, at(10_000)) == 0
    assert incident(database).resolved_by == person("U001")
    respond.change_status(database, BASE, Action.REOPEN, person("U001"), at(20_000), policy=POLICY)
    assert vigil.settle(database, POLICY, at(30_000)) == 0
    assert incident(database).is_open, "what a person opens again is theirs"
    check_record(database)


def test_one_click_for_many_ends_the_waiting_too(database: Database) -> None:
    held(database)
    bulk.change(database, [BASE], Action.RESOLVE, person("U001"), at(100), policy=POLICY, digest_id=1)
    after = incident(database)
    assert (after.status, after.held, after.sight_at, after.instances_firing) == (Status.RESOLVED, 0, None, 0)
    check_record(database)


def test_an_incident_that_a_person_opens_again_while_its_rule_is_blind_is_unobserved(database: Database) -> None:
    deliver(database, an_alert())
    deliver(database, cannot_see(), now=30)
    respond.change_status(database, BASE, Action.RESOLVE, person("U001"), at(40), policy=POLICY)
    assert incident(database).unobserved_since is None
    respond.change_status(database, BASE, Action.REOPEN, person("U001"), at(50), policy=POLICY)
    assert incident(database).blind_on == "prometheus"
    check_record(database)


def test_an_incident_that_slipped_through_is_told_of_its_rules_sight(database: Database) -> None:
    """As after a race: an incident opens in the moment in which its rule goes blind."""
    deliver(database, an_alert())
    deliver(database, cannot_see(), now=30)
    ask(database, "UPDATE incidents SET unobserved_since = NULL, blind_incident = NULL, blind_on = ''")
    assert four_times(lambda: vigil.correct_sight(database, at(40))) == [0, 0, 0, 1]
    assert incident(database).blind_on == "prometheus"
    ask(database, "DELETE FROM blind_rules")
    assert vigil.correct_sight(database, at(50)) == 1
    assert incident(database).unobserved_since is None
    assert vigil.correct_sight(database, at(60)) == 0


@pytest.mark.parametrize("seed", range(3))
def test_sources_that_go_blind_under_load_leave_a_sound_record(database: Database, seed: int) -> None:
    """Four replicas record alerts of six rules of two data sources at once, while two more let time pass."""
    dice = random.Random(seed)
    policy = replace(POLICY, blind=Blindness(settle=timedelta(seconds=20)))
    rules = [f"rule-{n}" for n in range(6)]

    def a_message(now: float) -> list[Alert]:
        rule = dice.choice(rules)
        uid = "loki" if rule > "rule-3" else "prometheus"
        ends = now if dice.random() < 0.4 else None
        normal = an_alert(f"{rule}-f", rule=rule, starts=10 * (now // 10), ends=ends)
        blind = cannot_see(f"{rule}-b", rule, starts=10 * (now // 10), ends=ends, uid=uid)
        return dice.choice([[normal], [blind], [normal, blind]])

    messages = [(float(now), a_message(now)) for now in range(160)]
    with ThreadPoolExecutor(6) as threads:
        futures: list[Future[Any]] = []
        for now, alerts in messages:
            futures.append(threads.submit(deliver, database, *alerts, now=now, policy=policy))
            if now % 10 == 0:
                futures.append(threads.submit(vigil.settle, database, policy, at(now)))
                futures.append(threads.submit(vigil.correct_sight, database, at(now)))
        for future in futures:
            future.result()
    while vigil.correct_sight(database, at(170)):
        pass
    check_record(database)
    wrong = ask(
        database,
        "SELECT incident_id FROM incidents WHERE status <> 'resolved' AND rule_uid NOT LIKE 'blind:%%' "
        "AND (unobserved_since IS NOT NULL) <> (rule_uid IN (SELECT rule_uid FROM blind_rules))",
    )
    assert wrong == [], "open incidents of blind rules say so, and no others"
    for rule in rules:
        uid = "loki" if rule > "rule-3" else "prometheus"
        over = (
            an_alert(f"{rule}-f", rule=rule, starts=150, ends=200),
            cannot_see(f"{rule}-b", rule, starts=150, ends=200, uid=uid),
        )
        deliver(database, *over, now=200, policy=policy)
    vigil.settle(database, policy, at(300))
    check_record(database)
    assert ask(database, "SELECT COUNT(*) AS n FROM blind_rules") == [{"n": 0}]
    assert ask(database, "SELECT COUNT(*) AS n FROM incidents WHERE status <> 'resolved'") == [{"n": 0}]


# -- stale


def test_an_incident_that_is_silent_for_long_is_marked_once_and_not_resolved(database: Database) -> None:
    deliver(database, an_alert())
    assert vigil.mark_stale(database, POLICY, at(25 * HOUR - 1)) == 0
    assert four_times(lambda: vigil.mark_stale(database, POLICY, at(25 * HOUR))) == [0, 0, 0, 1]
    after = incident(database)
    assert (after.is_open, after.stale_since, after.last_seen_at) == (True, at(25 * HOUR), at(0))
    (event,) = events(database, EventKind.STALE)
    assert event["actor"] == "observer:stale"
    assert vigil.mark_stale(database, POLICY, at(100 * HOUR)) == 0
    check_record(database)


def test_heard_of_again_it_is_not_stale_any_more(database: Database) -> None:
    deliver(database, an_alert())
    vigil.mark_stale(database, POLICY, at(30 * HOUR))
    deliver(database, an_alert(), now=31 * HOUR)
    after = incident(database)
    assert (after.stale_since, after.last_change) == (None, "heard_again")
    assert len(events(database, EventKind.HEARD_AGAIN)) == 1
    assert vigil.mark_stale(database, POLICY, at(31 * HOUR + 25 * HOUR)) == 1
    check_record(database)


def test_acknowledged_and_blind_ones_are_marked_and_resolved_ones_never(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), an_alert("f2", service="b"), an_alert("f3", rule="other"))
    names = [IncidentId(f"INC-20261120080000-{key_of(service=name)}") for name in "ab"]
    respond.change_status(database, names[0], Action.ACKNOWLEDGE, person("U001"), at(10), policy=POLICY)
    respond.change_status(database, names[1], Action.RESOLVE, person("U001"), at(10), policy=POLICY)
    deliver(database, cannot_see(rule="other"), now=30)
    assert vigil.mark_stale(database, POLICY, at(26 * HOUR)) == 3, "acknowledged, unobserved, and the blind one itself"
    assert incident(database, names[1]).stale_since is None
    check_record(database)


def test_a_person_who_resolves_takes_the_mark_away(database: Database) -> None:
    deliver(database, an_alert())
    vigil.mark_stale(database, POLICY, at(30 * HOUR))
    respond.change_status(database, BASE, Action.RESOLVE, person("U001"), at(31 * HOUR), policy=POLICY)
    assert incident(database).stale_since is None


def test_marking_is_switched_off_by_zero(database: Database) -> None:
    deliver(database, an_alert())
    assert vigil.mark_stale(database, replace(POLICY, stale_after=timedelta(0)), at(1_000 * HOUR)) == 0


def test_many_silent_incidents_are_marked_in_small_steps(database: Database) -> None:
    deliver(database, *(an_alert(f"f{n}", service=f"s{n}") for n in range(vigil.STEP + 10)))
    assert [vigil.mark_stale(database, POLICY, at(26 * HOUR)) for _ in range(3)] == [vigil.STEP, 10, 0]
    check_record(database)


def test_only_what_would_become_stale_is_asked_after(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"))
    deliver(database, an_alert("f2", service="b"), now=20 * HOUR)
    names = [IncidentId(f"INC-20261120080000-{key_of(service='a')}")]
    names += [IncidentId(f"INC-20261121040000-{key_of(service='b')}")]
    assert vigil.quiet(database, POLICY, "grafana", at(12 * HOUR)) == set()
    assert vigil.quiet(database, POLICY, "grafana", at(13 * HOUR)) == set(names[:1])
    assert vigil.quiet(database, POLICY, "alertmanager", at(13 * HOUR)) == set()
    vigil.mark_stale(database, POLICY, at(26 * HOUR))
    assert vigil.quiet(database, POLICY, "grafana", at(33 * HOUR)) == set(names), "also what is stale already"
    respond.change_status(database, names[1], Action.RESOLVE, person("U001"), at(33 * HOUR), policy=POLICY)
    assert vigil.quiet(database, POLICY, "grafana", at(33 * HOUR)) == set(names[:1])
    off = replace(POLICY, stale_after=timedelta(0))
    assert vigil.quiet(database, off, "grafana", at(33 * HOUR)) == set()


def test_only_the_one_that_is_meant_is_marked(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), an_alert("f2", service="b"))
    names = [IncidentId(f"INC-20261120080000-{key_of(service=name)}") for name in "ab"]
    assert vigil.mark_stale(database, POLICY, at(26 * HOUR), only=names[1]) == 1
    assert [incident(database, name).stale_since is None for name in names] == [True, False]


def test_what_a_reconciled_source_still_lists_is_heard_of(database: Database) -> None:
    deliver(database, an_alert("f1", service="a"), an_alert("f2", service="b"))
    names = [IncidentId(f"INC-20261120080000-{key_of(service=name)}") for name in "ab"]
    vigil.mark_stale(database, POLICY, at(26 * HOUR))
    assert vigil.heard_of(database, names[:1], source("grafana"), at(27 * HOUR)) == 1
    assert vigil.heard_of(database, [], source("grafana"), at(27 * HOUR)) == 0
    known, silent = (incident(database, name) for name in names)
    assert (known.stale_since, known.last_seen_at) == (None, at(27 * HOUR))
    assert silent.stale_since is not None
    assert vigil.heard_of(database, names[:1], source("grafana"), at(40 * HOUR)) == 1
    assert vigil.mark_stale(database, POLICY, at(60 * HOUR)) == 0, "it was heard of"
    assert len(events(database, EventKind.HEARD_AGAIN)) == 1, "of what is not stale nothing is told"
    check_record(database)


# -- what a person resolved and what still fires

ANN = person("U001")
HALF_AN_HOUR = 1_800


def resolve(database: Database, now: float) -> None:
    """Somebody resolves the incident."""
    assert isinstance(respond.change_status(database, BASE, Action.RESOLVE, ANN, at(now), policy=POLICY), Changed)


def test_what_still_fires_is_opened_again_once_however_many_look(database: Database) -> None:
    deliver(database, an_alert("a"), an_alert("b"))
    resolve(database, 60)
    assert vigil.open_again(database, POLICY, at(60 + HALF_AN_HOUR - 1)) == 0
    assert four_times(lambda: vigil.open_again(database, POLICY, at(60 + HALF_AN_HOUR))) == [0, 0, 0, 1]
    after = incident(database)
    assert (after.status, after.owner, after.instances_firing) == (Status.ACTIVE, None, 2)
    (event,) = events(database, EventKind.REOPENED)
    assert (event["actor"], event["reason"]) == ("observer:still_firing", "still_firing")
    check_record(database)


def test_what_recovered_meanwhile_or_resolved_by_itself_stays_resolved(database: Database) -> None:
    deliver(database, an_alert("a"))
    resolve(database, 60)
    deliver(database, an_alert("a", ends=90), now=100)
    assert vigil.open_again(database, POLICY, at(10 * HOUR)) == 0
    deliver(database, an_alert("c", rule="other"), now=200)
    deliver(database, an_alert("c", rule="other", ends=250), now=260)
    assert vigil.open_again(database, POLICY, at(10 * HOUR)) == 0


def test_it_is_opened_a_second_time_only_if_the_source_has_repeated_it(database: Database) -> None:
    deliver(database, an_alert("a"))
    resolve(database, 60)
    assert vigil.open_again(database, POLICY, at(HOUR)) == 1
    resolve(database, HOUR + 60)
    assert vigil.open_again(database, POLICY, at(3 * HOUR)) == 0, "its end may have been lost"
    deliver(database, an_alert("a"), now=4 * HOUR)
    assert vigil.open_again(database, POLICY, at(4 * HOUR + 1)) == 1
    check_record(database)


def test_it_stays_resolved_while_its_key_has_another_open_incident_or_the_policy_says_never(database: Database) -> None:
    deliver(database, an_alert("a"))
    resolve(database, 60)
    assert vigil.open_again(database, replace(POLICY, still_firing_after=timedelta(0)), at(HOUR)) == 0
    deliver(database, an_alert("b", starts=100), now=120)
    assert vigil.open_again(database, POLICY, at(HOUR)) == 0
    check_record(database)
