"""Clicks on digests: acknowledge or resolve a whole group, or list what is in it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

from slack_bolt import Ack

from bot.blocks import notices
from bot.blocks.digest import (
    GROUP_ROWS,
    ROWS,
    bulk_done,
    bulk_under_way,
    digest_gone,
    group_list,
    incident_page,
)
from bot.blocks.identifiers import GROUPS
from bot.blocks.message import SlackMessage
from bot.blocks.parts import who_or_none
from bot.handlers.clicks import ClickFailed
from bot.handlers.context import Context
from bot.payloads import DigestClick, UnreadablePayload, read_digest_click
from bot.text.digests import Hindrance
from bot.text.words import Who
from db.database import Database
from db.errors import Conflict, DatabaseAway, DatabaseReadOnly, Interrupted, RecordError
from db.model.identity import person
from db.model.lifecycle import Action
from db.model.storm import Page
from db.transactions import bulk, storms

_log = logging.getLogger(__name__)

BULKS_AT_ONCE = 2
"""Clicks that are carried out after their answer at the same time, so that they do not use up the webhooks' pool."""

_CARRYING = threading.BoundedSemaphore(BULKS_AT_ONCE)

ANSWER_SECONDS = 1.5
"""Until then a click for a group is carried out before it is answered; one more transaction must fit into Slack's 3."""


def handle(context: Context, ack: Ack, body: dict[str, object]) -> None:
    """Understand, change or look up, answer. Raises `ClickFailed` before `ack` when nothing was recorded."""
    began = time.monotonic()
    try:
        click = read_digest_click(body)
    except UnreadablePayload as error:
        _log.warning("click not understood", extra={"path": error.path})
        ack()
        url = body.get("response_url")
        context.whisper(url if isinstance(url, str) else "", notices.old_button(context.words))
        return
    try:
        if click.value.action.change is None:
            shown = _show(context, click)
            ack()
            (context.replace if click.ephemeral else context.whisper)(click.response_url, shown)
        else:
            _change(context, ack, click, click.value.action.change, began + ANSWER_SECONDS)
    except RecordError as error:
        said = notices.database_away if click.value.action.change else notices.not_looked_up
        context.whisper(click.response_url, said(context.words))
        raise ClickFailed(type(error).__name__) from error


def _show(context: Context, click: DigestClick) -> SlackMessage:
    value = click.value
    if value.group == GROUPS:
        shown = storms.overview(context.database, value.digest_id)
        if shown is None:
            return digest_gone(context.words)
        last = max(0, (len(shown.groups) - 1) // GROUP_ROWS * GROUP_ROWS)
        return group_list(context.veil.overview(shown), context.words, min(value.offset, last))
    page = storms.page(context.database, value.digest_id, value.group, limit=ROWS, offset=value.offset)
    if page is None:
        return digest_gone(context.words)
    return incident_page(_listed(context, page), context.words)


def _change(context: Context, ack: Ack, click: DigestClick, action: Action, answer_by: float) -> None:
    """Carry it out in chunks, each of them a transaction.

    What fits into the time for an answer is recorded before it; the rest follows in this thread, with the patience of
    webhooks, since nobody waits any more, and the person is told at the end. Should the program die in between, nobody
    was told that it was done, the digest shows what is left, and pressing again does the rest.
    """
    value, actor, now = click.value, person(click.user_id), context.clock()
    chosen = bulk.select(context.database, value.digest_id, value.group)
    if chosen is None:
        ack()
        context.whisper(click.response_url, digest_gone(context.words))
        return
    result, reached, answered = bulk.Result(), 0, False
    failure: RecordError | None = None

    def change(database: Database) -> bulk.Result:
        ids = chosen.members[reached : reached + bulk.CHUNK]
        return bulk.change(database, ids, action, actor, now, policy=context.policy, digest_id=value.digest_id)

    while reached < len(chosen.members) and not result.refused:
        if not answered and time.monotonic() > answer_by:
            ack()
            answered = True
            said = bulk_under_way(
                action, context.veil.group(chosen.group), result.changed, len(chosen.members), context.words
            )
            context.whisper(click.response_url, said)
        try:
            if answered:
                with _CARRYING:
                    some = bulk.insist(lambda: change(context.patient), context.stopping.wait)
            else:
                some = change(context.database)
        except RecordError as error:
            if not answered and not reached:
                raise  # nothing was changed, and the person hears so at once
            if answered:
                failure = error
                break
            answer_by = 0.0  # the rest takes more patience than there is for an answer
            continue
        result, reached = result.and_then(some), min(reached + bulk.CHUNK, len(chosen.members))
        context.wake()
    _log.info(
        "bulk click",
        extra={
            "digest": value.digest_id,
            "user": click.user_id,
            "action": action.value,
            "changed": result.changed,
            "reached": reached,
            "of": len(chosen.members),
            "error": type(failure).__name__ if failure else "",
        },
    )
    if not answered:
        ack()
    said = _answer(context, action, chosen, result, len(chosen.members) - reached, _hindrance(failure))
    context.whisper(click.response_url, said)
    if click.ephemeral and not result.refused:
        _refresh(context, click)


def _refresh(context: Context, click: DigestClick) -> None:
    """The list that was clicked is seen by one person, and kept up to date by nobody else."""
    try:
        page = storms.page(context.database, click.value.digest_id, click.value.group, limit=ROWS, offset=0)
    except RecordError:
        return
    if page is not None:
        context.replace(click.response_url, incident_page(_listed(context, page), context.words))


def _listed(context: Context, page: Page) -> Page:
    veil = context.veil
    incidents = tuple(veil.incident(incident) for incident in page.incidents)
    return Page(veil.digest(page.digest), veil.group(page.group), incidents, page.offset)


def _hindrance(failure: RecordError | None) -> Hindrance | None:
    match failure:
        case None:
            return None
        case DatabaseReadOnly():
            return Hindrance.READ_ONLY
        case DatabaseAway():
            return Hindrance.AWAY
        case Interrupted() | Conflict():
            return Hindrance.SLOW
        case _:
            return Hindrance.OTHER


def _answer(
    context: Context, action: Action, chosen: bulk.Selection, result: bulk.Result, left: int, why: Hindrance | None
) -> SlackMessage:
    if result.refused:
        return notices.not_allowed(context.words)
    already: Counter[Who | None] = Counter()
    for by, count in result.already.items():
        already[who_or_none(by)] += count
    counts = (result.changed, already, result.resolved)
    group = context.veil.group(chosen.group)
    return bulk_done(action, group, counts, left, context.words, still_firing=result.still_firing, why=why)
