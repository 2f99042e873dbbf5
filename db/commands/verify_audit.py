"""`python -m db verify-audit`: whether anybody changed the timeline behind Observer's back."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from db.commands.context import Context
from db.model.retention import Retention
from db.transactions.audit import Report, verify


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe it."""
    parser = commands.add_parser(
        "verify-audit",
        help="find timelines that somebody changed",
    )
    parser.set_defaults(run=_run)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--anchor", action="append", default=[], metavar="HASH",
        help="hash of a checkpoint from a log that is kept elsewhere: it must be in the record; may be repeated",
    )  # fmt: skip
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        "--policy", metavar="FILE",
        help="the policy file by whose [retention] timelines may be removed (default: the one OBSERVER_CONFIG names)",
    )  # fmt: skip
    rule.add_argument("--no-retention", action="store_true", help="no timeline may ever have been removed")


def _run(given: argparse.Namespace, context: Context) -> int:
    """Check, and print what was found; 0 when everything is as it was written, else 1."""
    policy = context.policy(given.policy)
    retention = Retention() if given.no_retention else policy.retention
    with context.record() as database:
        report = verify(database, anchors=given.anchor, retention=retention, every=policy.audit.checkpoint_every)
    if given.json:
        context.say_json(_content(report))
    else:
        for line in _lines(report):
            context.say(line)
    return 0 if report.is_good else 1


def _content(report: Report) -> dict[str, object]:
    return {"good": report.is_good, **asdict(report)}


def _lines(report: Report) -> list[str]:
    lines = [
        f"{report.incidents} incidents, {report.events} events, {report.checkpoints} checkpoints",
        f"{report.before_chain} events are from before there were chains; retention removed {report.removed}",
    ]
    if report.newest:
        lines.append(f"newest checkpoint: {report.newest}")
    lines += [f"anchor not found: {anchor}" for anchor in report.anchors_missing]
    for fault in report.faults:
        where = " ".join(
            part
            for part in (fault.incident, f"event_id {fault.event_id}" if fault.event_id is not None else "")
            if part
        )
        lines.append(f"{fault.what}: {where + ': ' if where else ''}{fault.words}")
    if report.fault_count > len(report.faults):
        lines.append(f"... and {report.fault_count - len(report.faults)} more")
    lines.append("The audit trail is whole." if report.is_good else "The audit trail is NOT whole.")
    return lines
