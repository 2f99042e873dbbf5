"""Which changes a reply in the card's thread tells of: every transition, whether it notifies or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from db.model.identity import person, source
from db.model.incident import Event, EventKind, Incident, Severity, Status
from db.model.reply import Reply, is_broadcast, once, told, worse
from tests.bot.blocks.incidents import ACTIVE

GRAFANA = source("grafana")
ACKNOWLEDGED = replace(ACTIVE, status=Status.ACKNOWLEDGED, owner=person("U0ANN"))
RESOLVED = replace(ACTIVE, status=Status.RESOLVED)
ALWAYS = {EventKind.REOPENED, EventKind.SEVERITY_RAISED}


def event(kind: EventKind, **details: int) -> Event:
    return Event(incident_id=ACTIVE.incident_id, at=ACTIVE.start_time, kind=kind, actor=GRAFANA, details=details)


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_notifies_or_does_not(kind: EventKind) -> None:
    firing = replace(ACTIVE, instances_firing=1, held=0)
    assert (told(firing, [event(kind)]) is not None) == (kind in ALWAYS | {EventKind.SIGHT_RESTORED})
    owned = replace(firing, status=Status.ACKNOWLEDGED)
    while_owned = ALWAYS | {EventKind.SIGHT_RESTORED, EventKind.JOINED}
    assert (told(owned, [event(kind)]) is not None) == (kind in while_owned)
    assert told(RESOLVED, [event(kind)]) is None, "what is over is not worse"


@pytest.mark.parametrize(
    ("incident", "said", "notifies"),
    [
        (replace(ACTIVE, instances_firing=2, held=2), event(EventKind.SIGHT_RESTORED), False),
        (replace(ACTIVE, instances_firing=2, held=1), event(EventKind.SIGHT_RESTORED), True),
        (ACTIVE, event(EventKind.JOINED, instances=1), False),
        (ACTIVE, event(EventKind.JOINED, instances=1, again=1), True),
        (ACKNOWLEDGED, event(EventKind.JOINED, instances=1), True),
    ],
)
def test_data_that_is_back_and_instances_that_join(incident: Incident, said: Event, notifies: bool) -> None:
    assert (told(incident, [said]) is not None) == notifies


def test_one_reply_tells_the_most_telling_of_several_events() -> None:
    several = [event(EventKind.JOINED), event(EventKind.SEVERITY_RAISED), event(EventKind.REOPENED)]
    [(incident, said)] = worse([ACKNOWLEDGED], several)
    assert (incident, said.kind) == (ACKNOWLEDGED, EventKind.REOPENED)


def test_what_joins_is_told_once_in_ten_minutes_and_every_other_change_each_time() -> None:
    first, later = (
        event(EventKind.JOINED),
        replace(event(EventKind.JOINED), at=ACTIVE.start_time + timedelta(minutes=11)),
    )
    assert once(ACTIVE, first) == once(replace(ACTIVE, version=9), first) != once(ACTIVE, later)
    raised = event(EventKind.SEVERITY_RAISED)
    assert once(ACTIVE, raised) != once(replace(ACTIVE, version=9), raised)


def test_only_a_critical_one_is_broadcast() -> None:
    for severity in Severity:
        assert is_broadcast(replace(ACTIVE, severity=severity)) == (severity is Severity.CRITICAL)


def test_the_record_keeps_a_reply_whole() -> None:
    reply = Reply(event(EventKind.JOINED, instances=3), "1795.000100", broadcast=True)
    assert Reply.from_content(reply.as_content()) == reply
