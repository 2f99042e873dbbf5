"""The ages in the policy file, and what they mean at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.model.policy import Policy
from db.model.retention import Part, Retention
from db.model.sections import PolicyError
from tests.db.builders import at

DAY = 86_400


def test_by_default_everything_is_kept_for_ever() -> None:
    assert not Policy.parse({}).retention
    assert Retention().limits(at(0)) == {}


def test_ages_are_read() -> None:
    found = Policy.parse({"retention": {"bodies": "90d", "alerts": "400d", "timelines": "0s"}}).retention
    assert found == Retention(bodies=timedelta(days=90), alerts=timedelta(days=400))
    assert found


def test_an_age_of_less_than_a_day_is_a_slip() -> None:
    with pytest.raises(PolicyError) as error:
        Policy.parse({"retention": {"bodies": "90m", "alerts": "1d", "walls": "1d"}})
    assert [problem.split(" ")[0] for problem in error.value.problems] == ["retention.walls", "retention.bodies"]
    assert 'must be "0s" (keep for ever) or at least "1d"' in str(error.value)


def test_a_delivery_goes_when_both_its_alerts_and_its_bytes_may() -> None:
    both = Retention(bodies=timedelta(days=90), alerts=timedelta(days=30))
    assert both.limits(at(0)) == {
        Part.ALERTS: at(-30 * DAY),
        Part.DELIVERIES: at(-90 * DAY),
        Part.BODIES: at(-90 * DAY),
        Part.DIGESTS: at(-30 * DAY),
    }
    order = [Part.ALERTS, Part.DELIVERIES, Part.BODIES, Part.DIGESTS]
    assert list(both.limits(at(0))) == order, "in the order in which they go"
    assert set(Retention(alerts=timedelta(days=30)).limits(at(0))) == {Part.ALERTS, Part.DIGESTS}
