"""The resolve dialog, sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, assert_never, cast

from slack_bolt import Ack

from bot.blocks import notices
from bot.blocks.resolve import already_resolved_view, error_view, still_open_view, submission_errors
from bot.handlers.context import Context
from bot.payloads import Submission, UnreadablePayload, read_submission
from bot.text.markup import safe
from bot.text.words import Words
from db.errors import RecordError
from db.model.identity import person
from db.model.lifecycle import Action, Already, Changed, Refused
from db.transactions import respond

_log = logging.getLogger(__name__)


def handle(context: Context, ack: Ack, body: dict[str, object]) -> None:
    """Understand, one transaction, answer. What was typed is never lost: it is recorded, or still in the dialog."""
    words = context.words
    try:
        submission = read_submission(body)
    except UnreadablePayload as error:
        _log.warning("submission not understood", extra={"path": error.path})
        ack(response_action="errors", errors=submission_errors(words.internal_error))
        return
    try:
        done = respond.change_status(
            context.database,
            submission.incident_id,
            Action.RESOLVE,
            person(submission.user_id),
            context.clock(),
            policy=context.policy,
            notes=submission.notes,
        )
    except RecordError as error:
        _log.warning("submission failed", extra={"error": type(error).__name__, "user": submission.user_id})
        _stay_open(ack, body.get("view"), submission, words)
        return
    outcome = context.veil.outcome(done)
    match outcome:
        case Changed():
            ack()
        case Already():
            ack(response_action="update", view=already_resolved_view(outcome, words, notes=submission.notes))
        case Refused():
            reason = notices.refusal(outcome, Action.RESOLVE, words, reference=submission.incident_id)
            ack(response_action="update", view=error_view(reason, words, notes=submission.notes))
        case _:
            assert_never(outcome)
    context.wake()
    _log.info(
        "submission",
        extra={
            "incident": submission.incident_id,
            "user": submission.user_id,
            "outcome": type(outcome).__name__,
        },
    )


def _stay_open(ack: Ack, view: object, submission: Submission, words: Words) -> None:
    """The database's trouble is no mistake in what was typed: it stands above it, and Submit may be pressed again."""
    try:
        again = still_open_view(cast("Mapping[str, Any]", view), safe(words.database_away), submission.notes)
    except (LookupError, TypeError, AttributeError):
        ack(response_action="errors", errors=submission_errors(words.database_away))
        return
    ack(response_action="update", view=again)
