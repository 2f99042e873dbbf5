"""The slash command: look up incidents, and handle them without a mouse."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import assert_never

from slack_bolt import Ack

from bot.blocks import notices
from bot.blocks.details import incident_details
from bot.blocks.help import help_message
from bot.blocks.listing import incident_list
from bot.blocks.message import SlackMessage
from bot.grammar import Change, Help, ListFiltered, ListOpen, Misunderstood, Show
from bot.handlers.context import Context
from bot.payloads import CommandCall, UnreadablePayload, read_command
from db.errors import RecordError
from db.model.identity import Actor, Reference, person
from db.model.incident import Filter, Status
from db.model.lifecycle import Action, Already, Changed, Refused
from db.transactions import lookup, respond

_log = logging.getLogger(__name__)

_CANDIDATES: Mapping[Action | None, tuple[Status, ...]] = {
    Action.ACKNOWLEDGE: (Status.ACTIVE,),
    Action.UNACKNOWLEDGE: (Status.ACKNOWLEDGED,),
    Action.REOPEN: (Status.RESOLVED,),
}
"""Which incidents an action is for; for the others those that are open."""

ANSWER_SECONDS = 1.5
"""After so long no further incident is begun: one more transaction must fit into Slack's three seconds."""


def handle(context: Context, ack: Ack, body: dict[str, object]) -> None:
    """Understand, one transaction, answer: only the person who asked sees it."""
    try:
        call = read_command(body, context.policy)
    except UnreadablePayload as error:
        _log.warning("command not understood", extra={"path": error.path})
        _answer(ack, notices.internal_error(context.words))
        return
    try:
        message = _run(context, call)
    except RecordError as error:
        _log.warning("command failed", extra={"error": type(error).__name__, "user": call.user_id})
        changes = isinstance(call.command, Change)
        message = notices.database_away(context.words) if changes else notices.not_looked_up(context.words)
    _answer(ack, message)


def _run(context: Context, call: CommandCall) -> SlackMessage:
    command, words = call.command, context.words
    _log.info("command", extra={"command": type(command).__name__, "user": call.user_id})
    match command:
        case ListOpen():
            return _list(context, call, Filter())
        case ListFiltered(filter=wanted):
            return _list(context, call, wanted)
        case Show(reference=reference):
            return _show(context, reference)
        case Change():
            return _change(context, call, command)
        case Help():
            return help_message(words, call.name)
        case Misunderstood() if command.lacks_incident:
            return _choose(context, call, command)
        case Misunderstood():
            return notices.misunderstood(command, words, command=call.name)
        case _:
            assert_never(command)


def _list(context: Context, call: CommandCall, wanted: Filter) -> SlackMessage:
    found = lookup.list_incidents(context.database, wanted)
    return incident_list(context.veil.listing(found), context.words, command=call.name)


def _choose(context: Context, call: CommandCall, wrong: Misunderstood) -> SlackMessage:
    """The incidents that could be meant: those with which it can be done, else all that are open."""
    for statuses in (_CANDIDATES.get(wrong.action, Filter().statuses), Filter().statuses):
        found = lookup.list_incidents(context.database, Filter(statuses=statuses))
        if found.incidents:
            break
    return notices.choose(wrong, context.veil.listing(found), context.words, command=call.name)


def _show(context: Context, reference: Reference) -> SlackMessage:
    details = lookup.show_incident(context.database, reference, context.policy)
    if details is None:
        return notices.not_found(reference, context.words)
    return incident_details(context.veil.details(details), context.words)


def _change(context: Context, call: CommandCall, change: Change) -> SlackMessage:
    """One transaction for each incident; what there is no time for any more is said, and can be asked for again."""
    actor, answer_by = person(call.user_id), time.monotonic() + ANSWER_SECONDS
    told: list[SlackMessage] = []
    left = list(change.references)
    while left and (not told or time.monotonic() < answer_by):
        try:
            done = respond.change_status(
                context.database, left[0], change.action, actor, context.clock(), policy=context.policy,
                notes=change.notes,
            )  # fmt: skip
        except RecordError as error:
            if not told:
                raise
            _log.warning("command failed", extra={"error": type(error).__name__, "user": call.user_id})
            break
        told.append(_outcome(context, done, change.action, actor, left.pop(0)))
    context.wake()
    return told[0] if len(told) == 1 and not left else notices.several(told, left, context.words)


def _outcome(
    context: Context, done: Changed | Already | Refused, action: Action, me: Actor, reference: Reference
) -> SlackMessage:
    outcome = context.veil.outcome(done)
    match outcome:
        case Changed():
            return notices.changed(outcome, action, context.words)
        case Already():
            return notices.already(outcome, action, context.words, me=me)
        case Refused():
            return notices.refused(outcome, action, context.words, reference=reference)
        case _:
            assert_never(outcome)


def _answer(ack: Ack, message: SlackMessage) -> None:
    ack(text=message.text, blocks=message.blocks, response_type="ephemeral")
