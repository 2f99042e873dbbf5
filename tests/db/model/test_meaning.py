"""What an alert means next to what is known of its instance: starts cut to milliseconds, and what a repeat may change.

The table of meanings itself is played by test_grouping.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from db.model.alert import Alert, AlertKind, AlertState, asked_at, origin_of
from db.model.identity import IncidentId, of_origin
from db.model.incident import Instance
from db.model.meaning import Meaning, meaning_of, name_of, repeated, values_text
from db.model.policy import Policy
from tests.db.builders import an_alert, at, key_of

HALF = timedelta(microseconds=500)
ONE = timedelta(milliseconds=1)
EU = origin_of("grafana", "https://eu.example")
US = origin_of("grafana", "https://us.example")


def an_instance(*, starts: float = 100, ends: float | None = None, values: str = "A=1", origin: str = "") -> Instance:
    """One that fires since `starts`, or did until `ends`."""
    return Instance(
        incident_id=IncidentId("INC-1"),
        key=key_of(),
        fingerprint="f1",
        kind=AlertKind.NORMAL,
        state=AlertState.FIRING if ends is None else AlertState.RESOLVED,
        starts_at=at(starts),
        ends_at=None if ends is None else at(ends),
        heard_at=at(starts if ends is None else ends),
        labels={},
        first_values=values,
        last_values=values,
        origin=origin,
    )


def moved(alert: Alert, by: timedelta) -> Alert:
    """The same with another start."""
    assert alert.starts_at is not None
    return replace(alert, starts_at=alert.starts_at + by)


@pytest.mark.parametrize(
    ("known", "alert", "by", "meaning"),
    [
        (an_instance(), an_alert(starts=100), HALF, Meaning.REPEAT),
        (an_instance(), an_alert(starts=100), -HALF, Meaning.REPEAT),
        (an_instance(), an_alert(starts=100), ONE, Meaning.NEW_OCCURRENCE),
        (an_instance(), an_alert(starts=100), -ONE, Meaning.LATE),
        (an_instance(ends=160), an_alert(starts=100), HALF, Meaning.LATE),
        (an_instance(ends=160), an_alert(starts=100), ONE, Meaning.NEW_OCCURRENCE),
        (an_instance(), an_alert(starts=100, ends=100), HALF, Meaning.RESOLVED),
        (an_instance(), an_alert(starts=100, ends=100), -HALF, Meaning.RESOLVED),
        (an_instance(), an_alert(starts=100, ends=100), -ONE, Meaning.LATE),
    ],
)
def test_starts_less_than_a_millisecond_apart_are_the_same(
    known: Instance, alert: Alert, by: timedelta, meaning: Meaning
) -> None:
    """A source's list cuts to milliseconds what its webhook wrote with nanoseconds."""
    assert meaning_of(moved(alert, by), known, at(200), Policy()) is meaning


def test_a_repeat_brings_newer_values() -> None:
    instance = an_instance()
    alert = an_alert(starts=100, values={"A": 2})
    assert repeated(instance, alert, Meaning.REPEAT, "", at(200)) == replace(instance, last_values="A=2")


@pytest.mark.parametrize(
    ("alert", "meaning"),
    [
        (an_alert(starts=40, values={"A": 2}), Meaning.LATE),
        (an_alert(starts=40, ends=60, values={"A": 2}), Meaning.REPEAT),
        (an_alert(starts=100, values={"A": 2}), Meaning.LATE),
        (an_alert(starts=100, values={"A": 1}), Meaning.REPEAT),
        (an_alert(starts=100), Meaning.REPEAT),
        (an_alert(starts=None), Meaning.REPEAT),
    ],
)
def test_what_is_older_or_says_no_other_values_changes_nothing(alert: Alert, meaning: Meaning) -> None:
    for instance in (an_instance(), an_instance(ends=160)):
        assert repeated(instance, alert, meaning, "", at(200)) is instance


def test_the_end_of_an_occurrence_whose_beginning_is_still_to_come_is_kept() -> None:
    instance = an_instance(ends=160)
    end = an_alert(starts=180, ends=190, values={"A": 3})
    after = repeated(instance, end, Meaning.REPEAT, "", at(200))
    assert (after.starts_at, after.ends_at, after.heard_at, after.last_values) == (at(180), at(190), at(200), "A=3")
    assert meaning_of(an_alert(starts=180), after, at(210), Policy()) is Meaning.LATE


@pytest.mark.parametrize(
    ("known", "said", "after"),
    [
        ("", EU, EU),
        ("", asked_at("grafana|https://eu.example|"), asked_at("grafana|https://eu.example|")),
        (EU, US, EU),
        (EU, "", EU),
    ],
)
def test_a_repeat_tells_the_server_of_an_instance_once(known: str, said: str, after: str) -> None:
    assert repeated(an_instance(origin=known), an_alert(starts=100), Meaning.REPEAT, said, at(200)).origin == after


@pytest.mark.parametrize(
    ("alert", "origin", "own", "name"),
    [
        (an_alert(starts=100), EU, False, "f1"),
        (an_alert(starts=100), "", False, "f1"),
        (an_alert(starts=100), US, False, of_origin("f1", US)),
        (an_alert(starts=40, ends=60), US, False, of_origin("f1", US)),
        (moved(an_alert(starts=100, ends=160), HALF), US, False, "f1"),
        (moved(an_alert(starts=100, ends=160), ONE), US, False, of_origin("f1", US)),
        (an_alert(starts=100, ends=160), US, True, of_origin("f1", US)),
    ],
)
def test_the_second_server_of_a_fingerprint_has_an_instance_of_its_own(
    alert: Alert, origin: str, own: bool, name: str
) -> None:
    known = {"f1": an_instance(origin=EU)}
    if own:
        known[of_origin("f1", US)] = an_instance(origin=US)
    assert name_of(alert, origin, known.get) == name


def test_values_are_told_without_the_outcomes_of_conditions() -> None:
    assert values_text(an_alert(values={"B": 0.05, "A": 1, "C": 1, "D": 0, "E": 2, "ratio": 0})) == (
        "A=1, B=0.05, E=2, ratio=0"
    )
