"""`replay`: read stored deliveries again through the present rules, into an empty database or only to see."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from db.commands.context import CommandError, Context
from db.migrate import migrate
from db.replay.compare import Comparison, compare
from db.replay.dry import DryRun, Trial
from db.replay.into import Replay
from db.transactions.replaying import Busy, NotEmpty, Progress

_PREFIX = "REPLAY_"

_MOST_IDS = 6


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe it."""
    one = commands.add_parser(
        "replay",
        help="read stored deliveries again",
        description="Read all stored deliveries of the database that DB_* names again, through this program's readers "
        "and rules. With --into the result goes into the empty database that REPLAY_DB_HOST, REPLAY_DB_PORT, "
        "REPLAY_DB_USER, REPLAY_DB_PASSWORD and REPLAY_DB_NAME name, with the times of the originals and with what "
        "people did; run it again after an interruption. With --dry-run nothing is written: it says which incidents "
        "other rules would have merged, split or changed, and why.",
    )
    how = one.add_mutually_exclusive_group(required=True)
    how.add_argument("--into", action="store_true", help="write into the empty database that REPLAY_DB_* names")
    how.add_argument("--dry-run", action="store_true", help="compare in memory, changing nothing")
    one.add_argument("--policy", metavar="FILE", help="the rules to try (default: the file OBSERVER_CONFIG names)")
    one.add_argument("--examples", type=int, default=10, metavar="N", help="examples of each sort (default 10)")
    one.add_argument("--json", action="store_true", help="print the result as JSON")
    one.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, context: Context) -> int:
    return _into(arguments, context) if arguments.into else _dry(arguments, context)


def _into(arguments: argparse.Namespace, context: Context) -> int:
    target = context.settings(_PREFIX)
    source = context.settings()
    if (target.host, target.port, target.name) == (source.host, source.port, source.name):
        raise CommandError("REPLAY_DB_* names the database that is to be read; it needs an empty one.")
    policy = context.policy(arguments.policy)
    if not policy.default_channel:
        raise CommandError("SLACK_CHANNEL is not set: give it as the program has it, or cards would hang nowhere.")
    with context.record() as old, context.open(target) as new:
        migrate(new)
        rate = _Rate(context)
        began = time.monotonic()
        try:
            told = Replay(old, new, policy, context.read, rate.into).run()
        except (NotEmpty, Busy) as error:
            raise CommandError(f"Cannot replay: {error}.") from error
        seconds = time.monotonic() - began
        context.progress("comparing every incident with the old record ...")
        compared = compare(old, new)
    if arguments.json:
        result = {"told": told.told, "names": told.names, "compared": compared.as_json(), "seconds": round(seconds, 1)}
        context.say_json(result)
    else:
        _say_into(context, told, compared, seconds)
    return 0 if compared.is_same else 1


def _say_into(context: Context, told: Progress, compared: Comparison, seconds: float) -> None:
    context.say(f"Told anew in {seconds:,.0f} seconds:")
    for what, count in sorted(told.told.items()):
        names = told.names.get(what, [])
        context.say(f"  {count:>9,} {what}" + (f": {', '.join(names)}" if names else ""))
    context.say("Compared with the old record:")
    context.say(
        f"  {compared.same:>9,} incidents are the same ({compared.alerts:,} alerts, {compared.events:,} events)"
    )
    context.say(f"  {compared.changed:>9,} differ; {compared.missing:,} only in the old, {compared.extra:,} in the new")
    for name, count in compared.fields.most_common():
        context.say(f"            {name} differs in {count:,}")
    for example in compared.examples:
        context.say(f"    {example}")


def _dry(arguments: argparse.Namespace, context: Context) -> int:
    policy = context.policy(arguments.policy)
    with context.record() as old:
        trial = DryRun(old, policy, context.read, _Rate(context).dry).run()
    if arguments.json:
        context.say_json(trial.as_json(arguments.examples))
    else:
        _say_dry(context, trial, arguments.examples)
    return 0


def _say_dry(context: Context, trial: Trial, examples: int) -> None:
    found = trial.regrouping
    context.say(
        f"Read {trial.deliveries:,} deliveries again: {trial.alerts:,} alerts, {trial.actions:,} actions of people"
    )
    if trial.idle_actions:
        context.say(f"  {trial.idle_actions:,} actions would change nothing")
    if trial.unreadable:
        context.say(f"  {trial.unreadable:,} deliveries cannot be read, and count for nothing here:")
        for delivery, why in trial.unread[:examples]:
            context.say(f"      delivery {delivery}: {why}")
        if trial.unreadable > examples:
            context.say(f"      ... and {trial.unreadable - examples:,} more (--examples)")
    if trial.lost:
        lost = trial.as_json(0)["lost"]
        context.say(f"  {lost['count']:,} bodies are gone: deliveries {lost['deliveries']}")
    context.say(f"  {found.same:,} incidents stay as they are")
    if found.not_read:
        context.say(f"  {found.not_read:,} incidents could not be compared: none of their alerts could be read again")
    for title, groups in (
        ("would be merged", found.merged),
        ("would be split", found.split),
        ("would be regrouped", found.regrouped),
        ("would change", found.changed),
        ("would not be there", found.gone),
        ("would be new", found.new),
    ):
        if groups:
            recorded = sum(len(group.recorded) for group in groups)
            instead = sum(len(group.instead) for group in groups)
            context.say()
            context.say(f"{recorded:,} incidents {title}, {instead:,} would be there instead:")
            for group in groups[:examples]:
                context.say(f"  {_ids(group.recorded)} -> {_ids(group.instead)}")
                context.say(f"      {group.why}")
            if len(groups) > examples:
                context.say(f"  ... and {len(groups) - examples:,} more (--examples)")


def _ids(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_IDS} more" if len(names) > _MOST_IDS else ""
    return (", ".join(names[:_MOST_IDS]) or "nothing") + more


class _Rate:
    """Says every few seconds how far it is, and how fast."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._began = self._said = time.monotonic()
        self._first: int | None = None

    def into(self, progress: Progress, total: int) -> None:
        """Of a replay into a database."""
        done = progress.told.get("deliveries", 0) + progress.told.get("unreadable", 0)
        self._say(done, total)

    def dry(self, done: int, total: int) -> None:
        """Of a dry run."""
        self._say(done, total)

    def _say(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if now - self._said > 2.0:
            self._said = now
            rate = (done - self._first) / (now - self._began)
            self._context.progress(f"{done:,} of {total:,} deliveries, {rate:,.0f} a second")
