"""People during a storm, a process of its own: every 20 ms a read of 50 open incidents, or a signed click on a button.

Its first argument says which, the others where and how long; it prints how many milliseconds each took.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

from bot.blocks.identifiers import ClickAction, encode
from db.model.incident import Filter, Listing
from db.transactions import lookup
from tests.conftest import open_database
from tests.servers.database import DbUrl
from tests.servers.slack import SIGNING_SECRET

EVERY_SECONDS = 0.02
LISTED = 50


def clicker(port: int, listing: Listing) -> Callable[[int], bool]:
    """Clicks on one incident after the other, with Slack's signature."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def click(number: int) -> bool:
        round_, place = divmod(number, len(listing.incidents))
        incident = listing.incidents[place]
        action = ClickAction.UNACKNOWLEDGE if round_ % 2 else ClickAction.ACKNOWLEDGE
        payload = {
            "type": "block_actions",
            "user": {"id": "U001", "username": "ana"},
            "team": {"id": "T001"},
            "channel": {"id": "C001"},
            "container": {"type": "message", "channel_id": "C001", "message_ts": "1700000000.000100"},
            "trigger_id": "1.2.3",
            "response_url": "",
            "actions": [
                {
                    "type": "button", "action_id": action.action_id, "block_id": "b",
                    "value": encode(action, incident.incident_id, incident.version),
                }
            ],
        }  # fmt: skip
        body = urlencode({"payload": json.dumps(payload)}).encode()
        now = int(time.time())
        signed = hmac.new(SIGNING_SECRET.encode(), b"v0:%d:" % now + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": f"v0={signed}",
        }
        connection.request("POST", "/slack/events", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200

    return click


def main() -> None:
    """Act every 20 ms, one at a time; a turn that is late because of the one before is left out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("read", "click"))
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("url")
    arguments = parser.parse_args()
    database = open_database(DbUrl.parse(arguments.url), pool_size=1)

    def read(number: int) -> bool:
        return len(lookup.list_incidents(database, Filter(), LISTED).incidents) == LISTED

    act: Callable[[int], bool] = read
    if arguments.what == "click":
        act = clicker(arguments.port, lookup.list_incidents(database, Filter(), LISTED))
    act(0)
    took, wrong, number = [], 0, 1
    end = time.perf_counter() + arguments.seconds
    while (began := time.perf_counter()) < end:
        wrong += not act(number)
        number += 1
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(max(0.0, EVERY_SECONDS - took[-1] / 1000))
    print(json.dumps({"milliseconds": took, "wrong": wrong}))


if __name__ == "__main__":
    main()
