"""Clicks on buttons and menus."""

from __future__ import annotations

import logging
from typing import assert_never

from slack_bolt import Ack

from bot.blocks import notices
from bot.blocks.details import incident_details
from bot.blocks.identifiers import ClickAction
from bot.blocks.parts import who
from bot.blocks.resolve import resolve_modal
from bot.handlers.context import Context
from bot.payloads import Click, UnreadablePayload, read_click
from bot.slack import Sent
from db.errors import RecordError
from db.model.identity import person
from db.model.lifecycle import Action, Already, Changed, Refused
from db.transactions import lookup, respond, telling

_log = logging.getLogger(__name__)


class ClickFailed(Exception):
    """The click could not be recorded: Slack is told, and shows it beside the button."""


def handle(context: Context, ack: Ack, body: dict[str, object]) -> None:
    """Understand, one transaction, answer. Raises `ClickFailed` before `ack` when nothing was recorded."""
    try:
        click = read_click(body)
    except UnreadablePayload as error:
        _log.warning("click not understood", extra={"path": error.path})
        ack()
        url = body.get("response_url")
        context.whisper(url if isinstance(url, str) else "", notices.old_button(context.words))
        return
    if click.action is ClickAction.RESOLVE:
        _open_dialog(context, ack, click)
    elif click.action.change is not None:
        _change(context, ack, click, click.action.change)
    else:
        _show(context, ack, click)


def _change(context: Context, ack: Ack, click: Click, action: Action) -> None:
    try:
        done = respond.change_status(
            context.database, click.incident_id, action, person(click.user_id), context.clock(), policy=context.policy
        )
    except RecordError as error:
        context.whisper(click.response_url, notices.database_away(context.words))
        raise ClickFailed(type(error).__name__) from error
    ack()
    outcome = context.veil.outcome(done)
    context.wake()  # also when somebody was first: the card they clicked may be behind
    _log.info("click", extra=_ids(click) | {"action": action.value, "outcome": type(outcome).__name__})
    match outcome:
        case Changed():
            pass  # the card itself will show it
        case Already():
            context.whisper(
                click.response_url, notices.already(outcome, action, context.words, me=person(click.user_id))
            )
        case Refused():
            context.whisper(
                click.response_url, notices.refused(outcome, action, context.words, reference=click.incident_id)
            )
        case _:
            assert_never(outcome)
    if click.ephemeral:
        _refresh(context, click)


def _refresh(context: Context, click: Click) -> None:
    """The buttons of an answer only one person sees are not kept up to date by anybody else."""
    try:
        details = lookup.show_incident(context.database, click.incident_id, context.policy)
    except RecordError:
        return
    if details is not None:
        context.replace(click.response_url, incident_details(context.veil.details(details), context.words))


def _open_dialog(context: Context, ack: Ack, click: Click) -> None:
    """The trigger is good for three seconds: a database that does not answer in time costs what the dialog tells of the
    incident, never the dialog."""
    ack()
    try:
        found = lookup.read_incident(context.database, click.incident_id)
    except RecordError:
        found = None
    incident = None if found is None else context.veil.incident(found)
    view = resolve_modal(click.incident_id, context.words, incident=incident, channel=click.channel_id)
    outcome = context.slack.open_view(click.trigger_id, view)
    _log.info("dialog", extra=_ids(click) | {"outcome": type(outcome).__name__})
    if not isinstance(outcome, Sent):
        context.whisper(click.response_url, notices.dialog_not_opened(context.words))


def _show(context: Context, ack: Ack, click: Click) -> None:
    try:
        details = lookup.show_incident(context.database, click.incident_id, context.policy)
        shares = click.action is ClickAction.SHARE and details is not None
        is_elsewhere = shares and not _may_share(context, click)
    except RecordError as error:
        context.whisper(click.response_url, notices.not_looked_up(context.words))
        raise ClickFailed(type(error).__name__) from error
    ack()
    if details is None:
        context.whisper(click.response_url, notices.not_found(click.incident_id, context.words))
        return
    if is_elsewhere:
        context.whisper(click.response_url, notices.not_shared_here(context.words))
        return
    details = context.veil.details(details)
    if click.action is ClickAction.SHARE:
        shared = incident_details(
            details, context.words, ephemeral=False, shared_by=who(person(click.user_id)), as_of=context.clock()
        )
        context.share(click.response_url, shared)
    else:
        context.whisper(click.response_url, incident_details(details, context.words))


def _may_share(context: Context, click: Click) -> bool:
    """Who is in a private channel reads its cards; who is not should not read them elsewhere by somebody's click."""
    if context.policy.share_anywhere:
        return True
    return click.channel_id in telling.channels_of(context.database, click.incident_id)


def _ids(click: Click) -> dict[str, object]:
    return {"incident": click.incident_id, "user": click.user_id}
