"""Names: the documented key, ids within one second, and who did something."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from db.model.identity import (
    Actor,
    ActorKind,
    IncidentId,
    IncidentKey,
    KeyParts,
    incident_id,
    incident_key,
    of_origin,
    person,
    plain_fingerprint,
    source,
)
from tests.strategies import nasty_texts, unhurried

texts = nasty_texts | st.text(alphabet="a|\\", max_size=4)
plain = texts.map(lambda text: text.replace("|", "").replace("\\", ""))
all_parts = st.builds(KeyParts, texts, texts, texts, texts, texts)


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (KeyParts("checkout_5xx", "prod-eu-1", "payments", "checkout-api", "prod"), "3f61256ab34378eb"),
        (KeyParts("checkout_5xx"), "5e233c98939991a7"),
        (KeyParts("am:KubePodCrashLooping", "", "payments", "api", ""), "998479637b0e5190"),
        (KeyParts("결제_지연", "서울-1", "결제", "결제-api", "운영"), "1b2c782fb7db505b"),
        (KeyParts("", "", "", "", ""), "45ca31c3315a5978"),
    ],
)
def test_an_ordinary_key_is_the_documented_one(parts: KeyParts, key: str) -> None:
    assert incident_key(parts) == key


@given(st.builds(KeyParts, plain, plain, plain, plain, plain))
@unhurried
def test_without_bars_and_backslashes_the_key_is_the_plain_hash(parts: KeyParts) -> None:
    text = "|".join([parts.rule_uid, parts.cluster, parts.namespace, parts.service, parts.phase])
    assert incident_key(parts) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def test_a_bar_inside_a_part_is_escaped() -> None:
    assert incident_key(KeyParts("a|b", "c\\d")) == hashlib.sha256(b"a\\|b|c\\\\d|||").hexdigest()[:16]


@given(all_parts, all_parts)
@unhurried
def test_different_parts_never_share_a_key(one: KeyParts, other: KeyParts) -> None:
    assume(one != other)
    assert incident_key(one) != incident_key(other)


@given(st.tuples(texts, texts, texts, texts, texts), st.integers(0, 3))
@unhurried
def test_moving_a_bar_from_one_part_to_the_next_gives_another_key(
    parts: tuple[str, str, str, str, str], where: int
) -> None:
    moved = list(parts)
    moved[where], moved[where + 1] = moved[where] + "|" + moved[where + 1], ""
    assume(tuple(moved) != parts)
    assert incident_key(KeyParts(*moved)) != incident_key(KeyParts(*parts))


def test_an_id_says_when_and_which_key() -> None:
    opened = datetime(2026, 11, 20, 8, 41, 10, 999_999, tzinfo=UTC)
    assert incident_id(IncidentKey("00112233445566ff"), opened, None) == "INC-20261120084110-00112233445566ff"


def test_incidents_of_one_key_within_a_second_get_suffixes() -> None:
    key = IncidentKey("00112233445566ff")
    opened = datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)
    ids = [incident_id(key, opened, None)]
    for _ in range(11):
        ids.append(incident_id(key, opened, ids[-1]))
    assert [name.removeprefix(ids[0]) for name in ids] == ["", *(f"-{n}" for n in range(2, 13))]
    assert max(map(len, ids)) <= 64


def test_in_the_next_second_the_id_has_no_suffix() -> None:
    key = IncidentKey("00112233445566ff")
    opened = datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)
    last = IncidentId("INC-20261120084110-00112233445566ff-3")
    assert incident_id(key, opened + timedelta(seconds=1), last) == "INC-20261120084111-00112233445566ff"


@given(st.builds(Actor, st.sampled_from(ActorKind), st.text(min_size=1, max_size=20)))
@unhurried
def test_an_actor_is_read_back_as_it_was_written(actor: Actor) -> None:
    assert Actor.parse(str(actor)) == actor


@given(nasty_texts)
@unhurried
def test_any_text_is_somebody(text: str) -> None:
    assert Actor.parse(text).kind in ActorKind


def test_a_text_of_no_known_kind_is_a_person() -> None:
    assert Actor.parse("U0123ABC") == person("U0123ABC")
    assert Actor.parse("pager:U0123ABC") == person("pager:U0123ABC")
    assert Actor.parse("slack:") == person("slack:")


def test_actors_have_short_names() -> None:
    assert str(person("U1")) == "slack:U1"
    assert str(source("grafana")) == "source:grafana"


def test_a_replica_whose_clock_is_behind_never_makes_an_id_that_was_there_before() -> None:
    key, now = IncidentKey("00112233445566ff"), datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)
    last = incident_id(key, now, None)
    behind = incident_id(key, now - timedelta(seconds=60), last)
    assert behind == f"{last}-2"
    assert incident_id(key, now - timedelta(seconds=60), behind) == f"{last}-3"


@unhurried
@given(texts, texts, texts)
def test_the_name_of_another_servers_instance_fits_its_column_and_is_read_back(
    fingerprint: str, origin: str, other: str
) -> None:
    name = of_origin(fingerprint, origin)
    assert len(name) <= 64
    assert name != fingerprint
    if len(fingerprint) <= 51:
        assert plain_fingerprint(name, origin) == fingerprint
    if other != origin:
        assert of_origin(fingerprint, other) != name
        assert plain_fingerprint(name, other) == name, "it is no name that this server has"


def test_long_fingerprints_of_two_servers_stay_apart() -> None:
    one, other = (of_origin("f" * 60 + end, "grafana|https://grafana.example|1") for end in "ab")
    assert one != other
