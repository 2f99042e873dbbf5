"""What a source is answered counts what its delivery did."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from db.model.alert import Alert, AlertKind, Rejected
from db.model.delivery import DeliveryOutcome
from db.model.grouping import sort
from db.model.identity import IncidentId
from db.model.outcome import outcome_of
from db.model.policy import Policy
from tests.db.builders import a_reading, an_alert, at, cannot_see, key_of
from tests.db.model.record import MemoryRecord


def outcome(record: MemoryRecord, now: float, *alerts: Alert) -> DeliveryOutcome:
    """What a delivery of these alerts did."""
    reading = a_reading(*alerts, truncated=2, rejected=(Rejected("alerts[9]", "no state"),))
    return outcome_of(reading, sort(reading, record.policy), record.deliver(at(now), *alerts))


def test_every_alert_of_a_delivery_is_counted_once_by_what_it_meant() -> None:
    record = MemoryRecord(Policy(reopen_window=timedelta(minutes=10)))
    test = replace(an_alert("t"), kind=AlertKind.TEST)
    watchdog = an_alert("w", labels={"alertname": "Watchdog"})
    first = outcome(record, 0, an_alert("a"), an_alert("b", service="web"), test, watchdog)
    assert set(first.opened) == {incident.incident_id for incident in record.open()}
    assert (first.recorded, first.repeats, first.tests, first.heartbeats) == (2, 0, 1, 1)
    assert (first.truncated, first.rejected) == (2, (Rejected("alerts[9]", "no state"),))
    second = outcome(record, 60, an_alert("a"), an_alert("c"), an_alert("b", service="web", ends=50))
    assert dict(second.meanings) == {"repeat": 1, "new_occurrence": 1, "resolved": 1}
    assert (second.recorded, second.repeats) == (3, 1)
    api, web = (id_of(record, service) for service in ("checkout-api", "web"))
    assert (second.opened, second.joined, second.resolved) == ((), (api,), (web,))
    third = outcome(record, 90, an_alert("b", service="web", starts=80))
    assert third.reopened == (web,)


def test_what_cannot_see_is_counted_as_that_once_and_then_as_a_repeat() -> None:
    record = MemoryRecord()
    assert dict(outcome(record, 30, cannot_see()).meanings) == {"blind": 1}
    assert dict(outcome(record, 60, cannot_see()).meanings) == {"repeat": 1}


def id_of(record: MemoryRecord, service: str) -> IncidentId:
    """The incident of a service."""
    return next(one.incident_id for one in record.incidents.values() if one.key == key_of(service=service))
