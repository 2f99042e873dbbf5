"""Sends a small story of sample alerts to the Observer that `make run` started: `make demo`."""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from manifests.laptop.run import CHECKOUT, read_state, say
from manifests.laptop.settings import Laptop, LaptopError, read_env_file

SAMPLES = Path(__file__).parent / "samples"

STORY = (
    ("01-checkout-fails", "Checkout fails: a critical incident opens, with its card in #incidents."),
    ("02-search-is-slow", "Search is slow: a second incident, a warning."),
    ("03-checkout-fails-on-a-second-pod", "A second pod of checkout fails: no new card, the first one counts it."),
    ("04-korean-order-queue", "주문 대기열 지연: an incident in Korean, of another cluster."),
    ("05-disk-forecast", "A disk fills slowly in the staging cluster: only for information."),
    (
        "06-checkout-no-data",
        "Checkout's rule gets no data: one card for the data source, and checkout's says that nobody can see it.",
    ),
    ("07-search-recovers", "Search recovers: its incident resolves by itself."),
    ("08-test-button", "Somebody pressed Grafana's Test button: a note that it arrived, and no incident."),
)


@dataclass(slots=True)
class Clock:
    """Gives the samples present-day times; what fires keeps its beginning until it is resolved."""

    began: dict[str, str] = field(default_factory=dict)

    def present(self, body: dict[str, object], now: datetime) -> dict[str, object]:
        """The body with `startsAt` and `endsAt` of its alerts as if it were sent at `now`."""
        moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        alerts = body["alerts"]
        assert isinstance(alerts, list)  # noqa: S101 -- the samples are ours
        for alert in alerts:
            alert["startsAt"] = self.began.setdefault(alert["fingerprint"], moment)
            if alert["status"] == "resolved":
                alert["endsAt"] = moment
        return body


def credentials(webhook: Mapping[str, str], body: bytes, now: float) -> dict[str, str]:
    """The headers by which the webhook lets a request in; `webhook` are the app's WEBHOOK_ settings."""
    method = (webhook.get("WEBHOOK_AUTH") or "bearer").lower()
    if method == "basic":
        pair = f"{webhook.get('WEBHOOK_BASIC_USER', '')}:{webhook.get('WEBHOOK_BASIC_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if method == "hmac":
        headers, message = {}, body
        if timestamp_header := webhook.get("WEBHOOK_HMAC_TIMESTAMP_HEADER"):
            headers[timestamp_header] = str(int(now))
            message = str(int(now)).encode() + b":" + body
        digest = hmac.new(webhook.get("WEBHOOK_HMAC_SECRET", "").encode(), message, hashlib.sha256).hexdigest()
        return headers | {webhook.get("WEBHOOK_HMAC_HEADER") or "X-Grafana-Alerting-Signature": digest}
    return {"Authorization": f"Bearer {webhook.get('WEBHOOK_TOKEN', '')}"}


def send(address: str, webhook: Mapping[str, str], body: bytes) -> str:
    """Post one body and give the answer; raises `LaptopError` when it was not taken."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    headers = {"Content-Type": "application/json", **credentials(webhook, body, time.time())}
    try:
        connection.request("POST", "/webhook/grafana", body, headers)
        response = connection.getresponse()
        answer = response.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise LaptopError(f"{address} does not answer ({error}): start Observer with `make run` first.") from error
    finally:
        connection.close()
    if response.status != 200:
        raise LaptopError(f"{address} answered {response.status}: {answer}")
    return answer


def outcome(answer: str) -> str:
    """What the app answered happened to incidents, in an indented line; empty when it says nothing of the kind."""
    try:
        incidents = json.loads(answer)["incidents"]
        happened = [f"{what} {', '.join(ids)}" for what, ids in incidents.items() if ids]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "".join(f"\n     {line}" for line in happened)


def main(arguments: Sequence[str], env: Mapping[str, str], checkout: Path = CHECKOUT) -> int:
    """The exit code: 0 when the whole story was taken, 1 with a sentence otherwise."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two alerts (default: %(default)s)")
    pause = parser.parse_args(arguments).pause
    try:
        play(Laptop.from_env({**read_env_file(checkout / ".env"), **env}, checkout), pause)
    except LaptopError as error:
        say(str(error), sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def play(laptop: Laptop, pause: float) -> None:
    """Send the story to the run of this laptop, `pause` seconds between two alerts."""
    state = read_state(laptop.state_file)
    address, webhook = state.get("address"), state.get("webhook")
    if not isinstance(address, str) or not isinstance(webhook, dict):
        raise LaptopError(f"Nothing runs from {laptop.run_dir}: start Observer with `make run` first.")
    say(f"Watch {state.get('sandbox') or 'your Slack channel'} while this goes on.\n")
    clock = Clock()
    for number, (name, sentence) in enumerate(STORY, 1):
        if number > 1:
            time.sleep(pause)
        body = clock.present(json.loads((SAMPLES / f"{name}.json").read_text("utf-8")), datetime.now(UTC))
        answer = send(address, webhook, json.dumps(body, ensure_ascii=False).encode())
        say(f"{number}. {sentence}{outcome(answer)}")
    say("\nNow press Acknowledge on a card, then Resolve..., and type /incident.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
