"""What `/ready` says of the database."""

from __future__ import annotations

import httpx

from db.server.private import reserved_port
from tests.servers.database import DbUrl
from tests.servers.observer import Observer, Town
from tests.servers.slack import SandboxSlack


def test_ready_names_the_database_host(town: Town) -> None:
    answer = httpx.get(f"{town.observer.url}/ready", timeout=30).json()
    assert answer["database"]["host"] == f"{town.db_url.host}:{town.db_url.port}"
    assert answer["database"]["repeated"] == 0


def test_ready_names_the_host_that_is_used_when_the_preferred_one_is_away(db_url: DbUrl, slack: SandboxSlack) -> None:
    with reserved_port() as port:
        pass
    with Observer(db_url, slack, {"DB_HOST": f"127.0.0.1:{port},{db_url.host}"}) as observer:
        answer = httpx.get(f"{observer.url}/ready", timeout=30)
        assert answer.status_code == 200
        assert answer.json()["database"]["host"] == f"{db_url.host}:{db_url.port}"
