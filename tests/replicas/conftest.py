"""The clusters of this run: started once each, and skipped with the reason where they cannot be had."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.server.errors import ServerError
from tests.servers.cluster import TOPOLOGIES, Cluster
from tests.servers.database import run_dir


@pytest.fixture(scope="session", params=TOPOLOGIES)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three nodes that are members, without any table."""
    if os.environ.get("TEST_DB_URL"):
        pytest.skip("TEST_DB_URL names one server; without it these tests start a cluster of their own")
    parent = run_dir(os.environ)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=parent))
    made = Cluster(request.param, folder, os.environ)
    try:
        made.__enter__()
    except ServerError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"no cluster: {error}")
        pytest.skip(f"no cluster of this kind can be had here: {error}")
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)
