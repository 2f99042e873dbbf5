"""A storm against the real program: `python -m tests.storm [--incidents 1000 --seconds 60 --alerts 100000]`.

Starts a private database server, a sandbox Slack with Slack's limits and the program as a process; sends new incidents
(A), then many alerts on fifty keys (B); prints what Slack was asked, when critical cards came, what was doubled or
lost, and the program's memory; keeps screenshots.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from db.server.errors import ServerError
from tests.conftest import migrated_database
from tests.servers.database import DbUrl, TestServer
from tests.servers.observer import ObserverProcess, rows
from tests.servers.slack import SandboxSlack, wait_until
from tests.storm import load
from tests.storm.pictures import Pictures
from tests.storm.watch import Channel, Memory, Report, spread

POLICY = """
[storm]
incidents = {incidents}
window = "{window}s"
calm = "{calm}s"
"""
LEFT_OPEN = 24
"""Incidents of scenario A that nobody resolves: the digest stays their face when the storm is over."""


class Town:
    """Everything of one scenario, on an empty database."""

    def __init__(self, arguments: argparse.Namespace, url: DbUrl, slack: SandboxSlack, folder: Path) -> None:
        slack.reset()
        slack.options(pace=True)
        policy = folder / "policy.toml"
        policy.write_text(POLICY.format(incidents=10, window=arguments.window, calm=arguments.calm))
        more = {"OBSERVER_CONFIG": str(policy), "LANGUAGE": arguments.language}
        self.url, self.slack = url, slack
        self.program = ObserverProcess(url, slack, folder / "observer.log", more=more)

    def ask(self, sql: str) -> int:
        """One number of the record."""
        return int(next(iter(rows(self.url, sql)[0].values())) or 0)

    def count(self, table: str, where: str = "TRUE") -> int:
        """How many rows of a table are like this."""
        return self.ask(f"SELECT COUNT(*) FROM {table} WHERE {where}")  # noqa: S608 - names of ours

    def over(self) -> bool:
        """Whether no digest is on and Slack shows everything."""
        return not self.count("digests", "ended_at IS NULL") and not self.count("slack_messages", "behind = 1")


def shows(slack: SandboxSlack, since: float, count: int) -> bool:
    """Whether a digest speaks of so many incidents."""
    return any(f"{count:,}" in str(one["text"]) for one in Channel(slack, since).digests())


def many_incidents(town: Town, arguments: argparse.Namespace, report: Report) -> int:
    """Scenario A: many new incidents, handled by a person, and what is left when it is over; how much was wrong."""
    alarms = load.alarms(arguments.incidents)
    critical = [alarm.number for alarm in alarms if alarm.severity == "critical"]
    pictures = Path(arguments.pictures)
    language = arguments.language
    with town.program, Pictures(town.slack.url, pictures) as page, Memory(town.program.pid) as memory:
        began = time.time()
        report(f"A: {len(alarms)} new incidents in {arguments.seconds:g} s, {len(critical)} of them critical")
        answered = load.fire(town.program.url, alarms, arguments.seconds)
        report("A: all sent")
        wait_until(lambda: shows(town.slack, began, len(alarms)), "the digest to show all of them", seconds=60)
        page.take(page.digest(), f"1-during-{language}")
        page.press(page.digest(), "incident_digest_show")
        page.last_answer().wait_for()
        page.take(page.last_answer(), f"2-show-all-{language}")
        page.press(page.last_answer(), "incident_digest_show")
        page.page.get_by_test_id("button-incident_digest_show_groups").last.wait_for()
        page.take(page.last_answer(), f"3-one-group-{language}")

        clicked = time.time()
        page.press(page.digest(), "incident_digest_acknowledge", confirm=True)
        wait_until(lambda: town.count("incidents", "status = 'acknowledged'") > 0, "the bulk click")
        took = time.time() - clicked
        time.sleep(8)  # the digest is edited every five seconds at most
        page.take(page.digest(), f"4-acknowledged-{language}")
        page.take(page.last_answer(), f"5-answer-{language}")
        acknowledged = town.count("incidents", "status = 'acknowledged'")
        report(f"A: one click acknowledged {acknowledged} incidents, recorded after {took:.2f} s")

        quiet = alarms[: max(0, len(alarms) - LEFT_OPEN)]
        load.recover(town.program.url, quiet)
        report(f"A: {len(quiet)} recovered; waiting for the end of the storm")
        wait_until(town.over, "the storm to be over and all cards posted", seconds=900)
        time.sleep(1)
        page.take(page.digest(), f"6-over-{language}")
        picture = page.page
        picture.screenshot(path=str(pictures / f"7-channel-{language}.png"))
        seen = Channel(town.slack, began)
        cards = seen.cards()
        first, *more = seen.digests()
        ended = float(rows(town.url, "SELECT UNIX_TIMESTAMP(MAX(ended_at)) AS at FROM digests")[0]["at"])
        before = [cards[number][0] - answered[number] for number in critical if number in cards]
        bare = town.count(
            "incidents JOIN slack_messages USING (incident_id)",
            "status <> 'resolved' AND ts IS NULL AND held_by IS NULL",
        )
        lost, doubled = len(alarms) - town.count("incidents"), sum(len(posted) - 1 for posted in cards.values())
        table(
            f"A. {len(alarms)} new incidents in {arguments.seconds:g} s",
            {
                "Slack calls": dict(seen.by_method()),
                "answered 429": seen.refused(),
                "critical cards": f"{spread(before)} after the webhook's answer (least / median / most)",
                "critical without card": len(set(critical) - set(cards)),
                "digest first seen": f"{float(first['ts']) - began:.1f} s after the first alert",
                "digests, edits of all": f"{1 + len(more)}, {seen.by_method().get('chat.update', 0)}",
                "cards in all": f"{len(cards)}, {sum(ts[0] > ended for ts in cards.values())} of them after the end",
                "posted twice": doubled,
                "lost": f"{lost} incidents; {bare} open ones with neither card nor digest",
                "memory, MiB every 5 s": memory,
            },
        )
        return lost + doubled + bare + len(more) + len(set(critical) - set(cards))


def many_alerts(town: Town, arguments: argparse.Namespace, report: Report) -> int:
    """Scenario B: very many alerts on fifty keys, in large bodies; how much was wrong."""
    alarms = load.alarms(50)
    with town.program, Memory(town.program.pid) as memory:
        began = time.time()
        started = time.monotonic()
        sent = max(load.flood(town.program.url, alarms, arguments.alerts, arguments.per_body))
        took = time.monotonic() - started
        report(f"B: {sent} alerts answered 2xx in {took:.0f} s")
        wait_until(
            lambda: not town.count("slack_messages", "behind = 1 AND held_by IS NULL"),
            "Slack to show the record",
            seconds=180,
        )
        seen = Channel(town.slack, began)
        cards = seen.cards()
        alerts, incidents = sent - town.count("grafana_alerts"), len(alarms) - town.count("incidents")
        doubled = sum(len(posted) - 1 for posted in cards.values())
        table(
            f"B. {sent} alerts on {len(alarms)} keys, {arguments.per_body} in a body: {sent / took:.0f} alerts/s",
            {
                "Slack calls": dict(seen.by_method()),
                "answered 429": seen.refused(),
                "cards, digests": f"{len(cards)}, {len(seen.digests())}",
                "posted twice": doubled,
                "lost": f"{alerts} alerts, {incidents} incidents",
                "memory, MiB every 5 s": memory,
            },
        )
        return alerts + incidents + doubled


def table(title: str, lines: Mapping[str, object]) -> None:
    """Print what was measured."""
    print(f"\n{title}", *(f"   {name:<24}{value}" for name, value in lines.items()), sep="\n", flush=True)


def main() -> int:
    """Run and print; the exit status is 1 when something was lost, posted twice or not posted."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000, help="new incidents of scenario A")
    parser.add_argument("--seconds", type=float, default=60, help="in so many seconds")
    parser.add_argument("--alerts", type=int, default=100_000, help="alerts of scenario B; 0 leaves it out")
    parser.add_argument("--per-body", type=int, default=250, help="alerts in one request of scenario B")
    parser.add_argument("--window", type=int, default=60, help="seconds of the policy's window")
    parser.add_argument(
        "--calm", type=int, default=20, help="seconds until a storm is over (the product's default: 120)"
    )
    parser.add_argument("--language", choices=("en", "ko"), default="en")
    parser.add_argument("--pictures", default=".run/storm", help="folder of the screenshots")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that everything it started ends
    began = time.monotonic()

    def report(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    try:
        with TestServer(os.environ, report) as server, SandboxSlack() as slack, tempfile.TemporaryDirectory() as folder:
            wrong = many_incidents(Town(arguments, migrated_database(server), slack, Path(folder)), arguments, report)
            if arguments.alerts:
                wrong += many_alerts(Town(arguments, migrated_database(server), slack, Path(folder)), arguments, report)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{time.monotonic() - began:.0f} seconds; screenshots in {arguments.pictures}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
