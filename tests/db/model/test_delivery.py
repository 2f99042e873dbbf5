"""Bodies come back byte for byte; the answer's shape is a contract."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db.model.alert import Rejected
from db.model.delivery import MOST_REJECTED, DeliveryOutcome, Packed, pack, unpack
from db.model.identity import IncidentId
from tests.db.builders import a_delivery
from tests.strategies import byte_bodies, unhurried


@given(byte_bodies | st.binary(min_size=500, max_size=530) | byte_bodies.map(lambda body: body * 50))
@example(b"")
@example(b"x" * 4095)
@example(b"x" * 4096)
@unhurried
def test_a_body_comes_back_byte_for_byte(body: bytes) -> None:
    packed = pack(body)
    assert unpack(packed) == body
    assert len(packed.data) <= len(body)


def test_large_bodies_are_kept_smaller() -> None:
    packed = pack(b'{"status": "firing"}' * 1000)
    assert packed.encoding == "zlib"
    assert len(packed.data) < 2000


def test_what_cannot_be_made_smaller_is_kept_as_it_is() -> None:
    noise = os.urandom(4096)
    assert pack(noise) == Packed("identity", noise)
    assert pack(b"x" * 4095).encoding == "identity"


def test_an_encoding_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown body encoding 'zstd'"):
        unpack(Packed("zstd", b""))


def test_the_digest_is_of_the_bytes_as_received() -> None:
    assert a_delivery(b"a body").sha256 == hashlib.sha256(b"a body").digest()


def test_the_answer_tells_what_happened() -> None:
    outcome = DeliveryOutcome(
        opened=(IncidentId("INC-1"),),
        joined=(IncidentId("INC-2"),),
        recorded=3,
        repeats=1,
        tests=1,
        truncated=4,
        rejected=(Rejected("alerts[2].labels", "expected an object"),),
        meanings={"new_occurrence": 2, "repeat": 1},
    )
    assert outcome.as_json() == {
        "incidents": {"opened": ["INC-1"], "reopened": [], "joined": ["INC-2"], "resolved": []},
        "alerts": {"recorded": 3, "repeats": 1, "tests": 1, "heartbeats": 0, "truncated": 4, "rejected": 1},
        "meanings": {"new_occurrence": 2, "repeat": 1},
        "rejected": [{"path": "alerts[2].labels", "reason": "expected an object"}],
    }


def test_the_answer_lists_some_of_many_rejected_parts_and_counts_them_all() -> None:
    rejected = tuple(Rejected(f"alerts[{number}]", "expected an object") for number in range(5000))
    answer = DeliveryOutcome(rejected=rejected).as_json()
    assert len(answer["rejected"]) == MOST_REJECTED  # type: ignore[arg-type]
    assert answer["alerts"]["rejected"] == 5000  # type: ignore[index]
