"""`tidy`: carry the policy's retention out now, or see what it would remove."""

from __future__ import annotations

import argparse
import time

from db.commands.context import CommandError, Context
from db.errors import Conflict
from db.housekeeping import Housekeeper, would_remove
from db.model.retention import Part
from db.transactions.tidying import LeaseLost

_WHAT = {
    Part.ALERTS: "alerts of resolved incidents",
    Part.DELIVERIES: "deliveries that no alert names",
    Part.BODIES: "bodies of deliveries",
    Part.TIMELINES: "lines of timelines of resolved incidents",
    Part.DIGESTS: "digests of resolved incidents, and their members",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe it."""
    one = commands.add_parser(
        "tidy",
        help="remove what is older than [retention] allows",
        description="Remove what is older than the ages of [retention] in the policy file, in short steps. The running "
        "program does the same by itself every few hours. What belongs to an open incident stays.",
    )
    one.add_argument("--dry-run", action="store_true", help="count what would go, changing nothing")
    one.add_argument("--policy", metavar="FILE", help="the policy file (default: the one OBSERVER_CONFIG names)")
    one.add_argument("--rows", type=int, default=500, metavar="N", help="rows removed in one step (default 500)")
    one.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, context: Context) -> int:
    if not 1 <= arguments.rows <= 10_000:
        raise CommandError("--rows must be a number from 1 to 10000.")
    retention = context.policy(arguments.policy).retention
    if not retention:
        context.say("Nothing is ever removed: the policy file has no ages in [retention].")
        return 0
    limits = retention.limits(context.clock())
    for part, limit in limits.items():
        context.say(f"{_WHAT[part]}: older than {limit:%Y-%m-%d %H:%M} UTC")
    with context.record() as database:
        if arguments.dry_run:
            for part, count in would_remove(database, limits).items():
                context.say(f"  would remove {count:,} {_WHAT[part]}")
            return 0
        keeper = Housekeeper(database, retention, context.clock, rows=arguments.rows)
        if not keeper.begin(at_once=True):
            raise CommandError("Another process is tidying this database at the moment; it does the same work.")
        began = time.monotonic()
        while _step(keeper):
            time.sleep(min(1.0, time.monotonic() - began))
            began = time.monotonic()
        for part, count in keeper.removed.items():
            context.say(f"  removed {count:,} {_WHAT[part]}")
        for part in keeper.refused:
            context.say(f"  the database account may not remove {_WHAT[part]}")
        return 1 if keeper.refused else 0


def _step(keeper: Housekeeper) -> bool:
    """One step; whether there are more. What is in the way for a moment is waited for."""
    for _ in range(60):
        try:
            return keeper.step()
        except Conflict:
            time.sleep(1.0)
        except LeaseLost:
            raise CommandError("Another process took over; it goes on from here.") from None
    raise CommandError("Rows are locked for a long time by somebody else; nothing is lost, run it again later.")
