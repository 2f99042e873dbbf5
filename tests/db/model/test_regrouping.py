"""What other rules would make of the same alerts is sorted by what becomes of the incidents, with the reason."""

from __future__ import annotations

from collections import Counter

import pytest

from db.model.identity import IncidentId, KeyParts
from db.model.incident import Severity, Status
from db.model.regrouping import Pairs, Regrouping, Side, regroup
from tests.db.builders import an_incident, at


def a_side(
    name: str,
    service: str = "api",
    phase: str = "",
    *,
    seen: float = 0,
    status: Status = Status.ACTIVE,
    severity: Severity = Severity.CRITICAL,
) -> Side:
    """An incident of one of the tellings; a resolved one was over at 60 s."""
    parts = KeyParts("rule", service=service, phase=phase)
    incident = an_incident(status, severity=severity, incident_id=IncidentId(name), parts=parts, first_seen_at=at(seen))
    return Side.of(incident)


DEV, PROD = a_side("dev", phase="dev"), a_side("prod", phase="prod", seen=1)
BOTH = a_side("both")
EARLY = a_side("early", status=Status.RESOLVED)
LATE = a_side("late", seen=360)
A, B = a_side("a", "api", "dev"), a_side("b", "web", "prod", seen=1)
C, D = a_side("c", "api", "prod"), a_side("d", "web", "dev", seen=1)
HIGH = a_side("high", severity=Severity.HIGH)

GONE = "its alerts are heartbeats, tests or unreadable now"
NEW = "of alerts that were heartbeats, tests or unreadable"


@pytest.mark.parametrize(
    ("pairs", "sort", "why"),
    [
        ([(DEV, BOTH), (PROD, BOTH)], "merged", "the key no longer tells apart phase (dev, prod)"),
        ([(BOTH, DEV), (BOTH, PROD)], "split", "the key now tells apart phase (dev, prod)"),
        (
            [(EARLY, BOTH), (LATE, BOTH)],
            "merged",
            "what fired again belongs to the incident before it (windows: 0:05:00 after its end)",
        ),
        (
            [(BOTH, EARLY), (BOTH, LATE)],
            "split",
            "what fired again is an incident of its own (windows: 0:05:00 after its end)",
        ),
        ([(A, C), (A, D), (B, C)], "regrouped", "what fired again belongs elsewhere (windows)"),
        (
            [(DEV, EARLY), (PROD, EARLY), (PROD, LATE)],
            "regrouped",
            "the key no longer tells apart phase (dev, prod)",
        ),
        ([(BOTH, HIGH)], "changed", "severity: critical -> high"),
        ([(BOTH, DEV)], "changed", "phase in the key: none -> dev"),
        ([(BOTH, None)], "gone", GONE),
        ([(None, BOTH)], "new", NEW),
    ],
)
def test_what_becomes_of_incidents_has_a_sort_and_a_reason(
    pairs: list[tuple[Side | None, Side | None]], sort: str, why: str
) -> None:
    found = regrouped(pairs)
    groups = {name: getattr(found, name) for name in ("merged", "split", "regrouped", "changed", "gone", "new")}
    assert [name for name, some in groups.items() if some] == [sort]
    (group,) = groups[sort]
    assert group.why == why
    assert set(group.recorded) == {old.incident_id for old, _ in pairs if old}
    assert set(group.instead) == {new.incident_id for _, new in pairs if new}
    assert not found.is_same
    assert found.as_json(examples=5)[sort]["count"] == 1
    assert found.as_json(examples=0)[sort]["examples"] == []


def regrouped(pairs: list[tuple[Side | None, Side | None]]) -> Regrouping:
    """One alert for each pair."""
    names: Pairs = Counter((old.incident_id if old else None, new.incident_id if new else None) for old, new in pairs)
    recorded = {old.incident_id: old for old, _ in pairs if old}
    instead = {new.incident_id: new for _, new in pairs if new}
    return regroup(names, recorded, instead)


def test_what_keeps_its_alerts_and_its_facts_is_the_same() -> None:
    found = regrouped([(BOTH, BOTH), (DEV, DEV)])
    assert (found.same, found.is_same) == (2, True)


def test_an_incident_none_of_whose_alerts_could_be_read_is_counted() -> None:
    found = regroup(Counter(), {BOTH.incident_id: BOTH}, {})
    assert (found.not_read, found.is_same) == (1, True)
