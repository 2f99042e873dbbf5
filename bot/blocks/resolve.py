"""The dialog behind `Resolve…`, and what takes its place when the submission cannot count.

Both notes may stay empty: at three in the morning closing must be one click more, not an essay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.blocks import parts
from bot.blocks.identifiers import (
    ACTION_TAKEN_BLOCK,
    NOTE_INPUT,
    NOTICE_CALLBACK,
    RESOLVE_CALLBACK,
    ROOT_CAUSE_BLOCK,
)
from bot.blocks.kit import Block, View, context, modal, section, text_input
from bot.text.markup import ELLIPSIS, Mrkdwn, bold, joined, plain, safe
from bot.text.words import Words
from db.model.identity import IncidentId
from db.model.incident import Incident
from db.model.lifecycle import Already, Notes

_NO_NOTES = Notes()
_PROBLEM = "problem"


def resolve_modal(
    incident_id: IncidentId,
    words: Words,
    *,
    incident: Incident | None = None,
    channel: str = "",
) -> View:
    """The dialog, also without the incident when it cannot be read. It says which one it is and what still fires.
    Earlier notes are shown and not filled in, for new ones are added to them."""
    about = [] if incident is None else _about(incident, words)
    earlier = [] if incident is None else parts.notes(incident, words, parts.WHOLE_NOTE, lines=parts.WHOLE_NOTE_LINES)
    blocks: list[Block] = [
        *about,
        text_input(
            words.root_cause,
            block_id=ROOT_CAUSE_BLOCK,
            action_id=NOTE_INPUT,
            placeholder=words.root_cause_placeholder,
            focus=True,
        ),
        text_input(
            words.action_taken,
            block_id=ACTION_TAKEN_BLOCK,
            action_id=NOTE_INPUT,
            placeholder=words.action_taken_placeholder,
        ),
        *context([safe(words.notes_optional)], block_id="optional"),
        *context([safe(words.earlier_notes)] if earlier else [], block_id="earlier"),
        *(parts.titled(name, note, block_id=f"earlier-{index}") for index, (name, note) in enumerate(earlier)),
    ]
    return modal(
        words.resolve_title(parts.number_of(incident) if incident is not None else ""),
        blocks,
        callback_id=RESOLVE_CALLBACK,
        private_metadata=_metadata(incident_id, channel),
        submit=words.resolve_submit,
        close=words.cancel,
    )


def already_resolved_view(outcome: Already, words: Words, *, notes: Notes = _NO_NOTES) -> View:
    """Shown instead of the dialog when it was resolved meanwhile; says what became of the notes."""
    incident = outcome.incident
    sentence = words.already_resolved(
        parts.name_of(incident, words), parts.who_or_none(outcome.by), parts.at_or_empty(outcome.at)
    )
    kept = [safe(words.your_notes_kept)] if outcome.event is not None else []
    blocks = [section(joined(" ", [sentence, *kept]), block_id="already")]
    if notes:
        blocks.append(parts.titled(words.your_notes, _notes(notes, words, 2800), block_id="notes"))
    return _notice(words.resolved_too_late, blocks, words)


def error_view(sentence: Mrkdwn, words: Words, *, notes: Notes = _NO_NOTES) -> View:
    """Shown instead of the dialog when the submission did not count; what was typed can still be copied."""
    blocks = [section(sentence, block_id=_PROBLEM)]
    if notes:
        blocks.append(parts.titled(words.your_notes, _notes(notes, words, 2800), block_id="notes"))
    return _notice(words.not_saved, blocks, words)


def still_open_view(submitted: Mapping[str, Any], sentence: Mrkdwn, notes: Notes) -> View:
    """The dialog as it was sent, with what went wrong at its top and what was typed in its place, to be sent again."""
    typed = {ROOT_CAUSE_BLOCK: notes.root_cause, ACTION_TAKEN_BLOCK: notes.action_taken}
    blocks: list[Block] = [section(Mrkdwn(f":warning: {sentence}"), block_id=_PROBLEM)]
    for block in submitted["blocks"]:
        text = typed.get(block.get("block_id"), "")
        if text and block.get("type") == "input":
            block = {**block, "element": {**block["element"], "initial_value": text}}
        if block.get("block_id") != _PROBLEM:
            blocks.append(block)
    kept = ("type", "title", "submit", "close", "callback_id", "private_metadata")
    return {**{name: submitted[name] for name in kept if submitted.get(name)}, "blocks": blocks}


def submission_errors(sentence: str) -> dict[str, str]:
    """For `ack(response_action="errors", errors=…)`: the dialog stays open with what was typed, to be sent again."""
    return {ACTION_TAKEN_BLOCK: plain(sentence, 300) or ELLIPSIS}


def _about(incident: Incident, words: Words) -> list[Block]:
    name = joined(" · ", [bold(parts.name_of(incident, words)), parts.place_of(incident)])
    return [
        section(name, block_id="incident"),
        *context([parts.still_firing_at_source(incident, words)], block_id="still-firing"),
    ]


def _notes(notes: Notes, words: Words, limit: int) -> Mrkdwn:
    each = limit // 2
    said = ((words.root_cause, notes.root_cause), (words.action_taken, notes.action_taken))
    return joined("\n", [Mrkdwn(f"{safe(name)}: {parts.safe_text(text, each)}") for name, text in said if text.strip()])


def _metadata(incident_id: IncidentId, channel: str) -> str:
    """Ids only: Slack shows them to nobody, but keeps them."""
    return json.dumps({"v": 1, "incident": incident_id, "channel": channel[:100]}, separators=(",", ":"))


def _notice(title: str, blocks: list[Block], words: Words) -> View:
    return modal(title, blocks, callback_id=NOTICE_CALLBACK, private_metadata="{}", close=words.close)
