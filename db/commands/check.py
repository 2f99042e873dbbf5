"""`check`: prove the record's promises on its rows, and repair what has one right answer when asked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from db.commands.context import CommandError, Context
from db.database import Database
from db.model.checking import CHECKS, Check, Space, Suspect, Verdict
from db.transactions import checking

_SAMPLE = 500
"""Bodies that are unpacked when not all of them are asked for."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe it."""
    one = commands.add_parser(
        "check",
        help="compare the rows with what is promised, and repair",
        description="Compare the rows of the record with what they promise: counts, one open incident per key, nothing "
        "without its owner, cards that are behind. It reads in short steps beside the running program, and changes "
        "nothing unless --repair is given. The exit status is 1 when something is wrong and was not repaired.",
    )
    one.add_argument(
        "--repair",
        action="store_true",
        help="repair counts, newest instances, wanted cards, ranks and missing keys, each in a transaction of its own",
    )
    one.add_argument("--bodies", action="store_true", help=f"unpack and compare every body, not only {_SAMPLE} of them")
    one.add_argument("--minutes", type=int, default=15, metavar="N", help="a card may be behind so long (default 15)")
    one.add_argument("--json", action="store_true", help="print the result as JSON")
    one.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, context: Context) -> int:
    if not 1 <= arguments.minutes <= 100_000:
        raise CommandError("--minutes must be a number from 1 to 100000.")
    with context.record() as database:
        verdicts = _Run(database, context, arguments.repair, arguments.minutes).all(every_body=arguments.bodies)
    left = sum(verdict.wrong - verdict.repaired for verdict in verdicts)
    if arguments.json:
        context.say_json({"wrong": left, "checks": [verdict.as_json() for verdict in verdicts]})
    else:
        _say(context, verdicts, left)
    return 1 if left else 0


def _say(context: Context, verdicts: list[Verdict], left: int) -> None:
    context.say(f"{'check':<18} {'looked at':>12} {'wrong':>8} {'repaired':>9}  promise")
    for verdict in verdicts:
        context.say(
            f"{verdict.name:<18} {verdict.looked:>12,} {verdict.wrong:>8,} {verdict.repaired:>9,}  {verdict.says}"
        )
        for example in verdict.examples:
            context.say(f"    {example}")
    context.say("All checks passed." if not left else f"{left:,} rows break a promise.")


@dataclass(slots=True)
class _Run:
    """One run over the record."""

    database: Database
    context: Context
    repair: bool
    minutes: int

    def all(self, *, every_body: bool) -> list[Verdict]:
        """Every check, in the order in which they are named."""
        verdicts = {check.name: Verdict(check.name, check.says) for check in CHECKS}
        for space in Space:
            self._walk(space, [check for check in CHECKS if check.space is space], verdicts)
        return [self._schema(), *verdicts.values(), self._bodies(every_body=every_body)]

    def _schema(self) -> Verdict:
        gaps, sees_triggers = checking.schema_gaps(self.database)
        says = "triggers and unique keys are there"
        verdict = Verdict("schema", says if sees_triggers else "unique keys are there (this account sees no triggers)")
        verdict.looked = 1
        for gap in gaps:
            verdict.add(gap, repaired=False)
        return verdict

    def _walk(self, space: Space, some: list[Check], verdicts: dict[str, Verdict]) -> None:
        after: int | str = "" if space in (Space.KEYS, Space.INSTANCES) else 0
        while True:
            upto, looked = checking.window(self.database, space, after)
            if upto is None:
                return
            for check in some:
                verdict = verdicts[check.name]
                verdict.looked += looked
                for suspect in checking.look(self.database, check, after, upto, self.minutes):
                    self._judge(check, verdict, suspect, after, upto)
            after = upto

    def _judge(self, check: Check, verdict: Verdict, suspect: Suspect, after: int | str, upto: int | str) -> None:
        again = checking.look_again(self.database, check, suspect, after, upto, self.minutes)
        if again is None:
            return  # it was right a moment later
        repaired = False
        if self.repair and check.repair:
            now = self.context.clock()
            repaired = checking.repair(self.database, check, again, after, upto, self.minutes, now)
        verdict.add(str(again), repaired=repaired)

    def _bodies(self, *, every_body: bool) -> Verdict:
        verdict = Verdict("bodies", "the bytes are those that were received")
        last = checking.last_delivery(self.database)
        stride = 1 if every_body else max(1, last // _SAMPLE)
        after = 0
        while sizes := checking.sizes(self.database, after):
            after = sizes[-1][0]
            some = [(number, size) for number, size in sizes if number % stride == 0]
            looked, wrong = checking.wrong_bodies(self.database, some)
            verdict.looked += looked
            for text in wrong:
                verdict.add(text, repaired=False)
        return verdict
