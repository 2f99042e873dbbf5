"""The clusters of this run: started once each, and skipped with the reason where they cannot be had."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.server.errors import InstallFailed, NoServerFound
from tests.servers.cluster import TOPOLOGIES, Cluster
from tests.servers.database import run_dir

_OF_KIND = {"mariadb": ("galera",), "mysql97": ("group",)}
"""A run on one kind of server has the cluster of that kind; any other run has both."""


@pytest.fixture(scope="session", params=_OF_KIND.get(os.environ.get("TEST_DB_KIND", ""), TOPOLOGIES))
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
    except (InstallFailed, NoServerFound) as error:  # a cluster that is there and does not start is a failure
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no cluster of this kind can be had here: {error}")
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)
