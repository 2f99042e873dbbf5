"""What Observer finds out by itself is kept as a delivery and read again as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from db.model.alert import Unreadable
from db.model.finding import masked_finding, read_finding, write_finding
from db.model.masks import Mask, Masks
from receiver.sources.reading import read_grafana
from tests.db.builders import a_reading, an_alert
from tests.strategies import as_body, grafana_bodies, unhurried


@unhurried
@given(grafana_bodies())
def test_a_finding_is_read_again_as_it_was_written(body: dict[str, Any]) -> None:
    reading = replace(read_grafana(as_body(body)), rejected=(), truncated=0)
    assert read_finding(write_finding(reading)) == reading


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"reading": 1, "alerts": []}', b'{"reading": {}, "alerts": [1]}']
)
def test_anything_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_finding(body)


def test_a_finding_is_masked_as_a_webhook_would_be() -> None:
    masks = Masks(storage=(Mask("hunter[0-9]"), Mask("db-[0-9]+", fields=("labels.host",)), Mask("firing|2026|f1")))
    alert = an_alert("f1", labels={"host": "db-7", "note": "db-7 hunter2"})
    alert = replace(
        alert,
        annotations={"summary": "firing hunter2"},
        summary="hunter2",
        raw='{"labels":{"host":"db-7"},"startsAt":"2026-11-20T08:00:00Z"}',
    )
    reading = a_reading(alert)
    masked, changed = masked_finding(reading, masks)
    assert changed
    (one,) = masked.alerts
    assert {name: one.labels[name] for name in ("host", "note")} == {"host": "***", "note": "db-7 ***"}
    assert (one.annotations["summary"], one.summary) == ("*** ***", "***")
    assert json.loads(one.raw) == {"labels": {"host": "***"}, "startsAt": "2026-11-20T08:00:00Z"}
    kept = ("fingerprint", "source", "state", "kind", "starts_at", "ends_at", "values", "rule_uid")
    assert all(getattr(one, name) == getattr(alert, name) for name in kept), "it is found again by these"
    assert b"hunter2" not in write_finding(masked)
    assert read_finding(write_finding(masked)) == masked
    assert masked_finding(masked, masks) == (masked, False), "once is enough"
    assert masked_finding(reading, Masks()) == (reading, False)


@unhurried
@given(grafana_bodies())
def test_masking_all_leaves_a_finding_that_can_be_read(body: dict[str, Any]) -> None:
    reading = replace(read_grafana(as_body(body)), rejected=(), truncated=0)
    masked, _ = masked_finding(reading, Masks(storage=(Mask("[a-z0-9]"),)))
    assert read_finding(write_finding(masked)) == masked
    assert [one.fingerprint for one in masked.alerts] == [one.fingerprint for one in reading.alerts]
