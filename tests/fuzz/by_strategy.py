"""The engine of strategies: hypothesis makes inputs that know the shapes, in rounds, until the time is over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import parsers, seeds
from tests.fuzz.surface import ANYBODY, CHUNKED_ANYHOW, Surface
from tests.servers.database import TestServer
from tests.servers.slack import SandboxSlack
from tests.strategies import as_body, byte_bodies, grafana_bodies, json_bodies, nasty_texts

_ROUND = 2_000

_bodies = grafana_bodies().map(as_body) | json_bodies | byte_bodies | st.sampled_from(seeds.bodies())
_texts = nasty_texts.map(lambda text: text.encode("utf-8", "replace"))
_parser_inputs = st.builds(bytes.__add__, st.binary(min_size=1, max_size=1), _bodies | _texts) | st.sampled_from(
    list(seeds.for_parsers())
)
_chosen = st.binary(min_size=8, max_size=8)
CHUNKS = st.builds(
    lambda path, credentials, chosen, body: bytes((path, 0, credentials, 1, 0, CHUNKED_ANYHOW)) + chosen + body,
    st.integers(0, 6), st.integers(0, 5), _chosen, _bodies | _texts,
)  # fmt: skip
"""Bodies in odd chunks, on every path, with credentials and without."""

PEOPLE = st.builds(
    lambda form, chosen: bytes((2, 0, 0, ANYBODY, 0, form)) + chosen,
    st.sampled_from([0, 3, CHUNKED_ANYHOW]), _chosen,
)  # fmt: skip
"""What all sorts of people click and type, under a right signature."""

_requests = (
    st.builds(bytes.__add__, st.binary(min_size=6, max_size=6), _bodies | _texts)
    | st.sampled_from(list(seeds.for_surface()))
    | CHUNKS
    | PEOPLE
)


def run(target: str, seconds: int, first_seed: int) -> int:
    """Fuzz one target for so long; 1 after a finding, which hypothesis prints."""
    if target == "parsers":
        return _rounds(parsers.check, _parser_inputs, seconds, first_seed)
    with TestServer(os.environ) as server, SandboxSlack() as slack:
        slack.reset()
        with Surface(server, slack) as running:
            inputs = {"surface": _requests, "chunks": CHUNKS, "people": PEOPLE}[target]
            status = _rounds(running.check, inputs, seconds, first_seed)
            running.check_record()
            print(f"answers by status: {dict(sorted(running.answers.items()))} (0: closed without one)")
            return status


def _rounds(check: Callable[[bytes], None], inputs: st.SearchStrategy[bytes], seconds: int, first_seed: int) -> int:
    end, tried, number = time.monotonic() + seconds, 0, first_seed

    def one(data: bytes) -> None:
        nonlocal tried
        if time.monotonic() < end:
            tried += 1
            check(data)

    relaxed = settings(max_examples=_ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    try:
        while time.monotonic() < end:
            seed(number)(relaxed(given(inputs)(one)))()
            number += 1
    finally:
        print(f"{tried:,} inputs by strategies, seeds {first_seed} to {number}", flush=True)
    return 0
