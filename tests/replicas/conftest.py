"""The clusters of this run, started once each: where one cannot be had, its tests are skipped, or fail with CI=true."""

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
from tests.servers.programs import missing

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
    try:
        made = Cluster(request.param, folder, os.environ)
        made.__enter__()
    except (InstallFailed, NoServerFound) as error:  # a cluster that is there and does not start is a failure
        shutil.rmtree(folder, ignore_errors=True)
        missing(f"no cluster of this kind can be had here: {error}")
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)
