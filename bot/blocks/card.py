"""The card: the one Slack message that is an incident's face, as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.blocks import parts
from bot.blocks.kit import Block, context, fields, header, message, section
from bot.blocks.message import SlackMessage
from bot.text.markup import Mrkdwn, code, joined, moment
from bot.text.words import Words
from db.model.incident import Incident, Status

_FIRING = 5
_SUMMARY = 300
_NOTE = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """Why a card hangs in another channel than the one it was meant for."""

    meant_for: str  # name or id, as configured
    because: str  # Slack's error code

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Moved | None:
        """As the record keeps it beside the message; None for a card that is where it belongs."""
        meant_for = content.get("meant_for")
        return cls(str(meant_for), str(content.get("because") or "")) if meant_for else None


def incident_card(
    incident: Incident, words: Words, note: Mrkdwn | None = None, moved: Moved | None = None
) -> SlackMessage:
    """Header, facts, summary, links, buttons by state and the last change.

    `note` says which group it is in, `moved` why it hangs in this channel.

    Every `block_id` holds the version: Slack wants new ones for every edit, and shows old input states otherwise.
    """
    blocks: list[Block] = [
        card_header(incident, words, block_id=_block("header", incident)),
        *fields(parts.facts(incident, words), block_id=_block("facts", incident)),
        *parts.firing_table(incident, words, _FIRING, block_id=_block("firing", incident)),
        *description(incident, words, note_limit=0 if incident.is_open else _NOTE, prefix="card"),
        *parts.buttons(incident, words, block_id=_block("buttons", incident)),
        *context([*_last_change(incident, words), *([note] if note else [])], block_id=_block("change", incident)),
    ]
    text = parts.announcement(incident, words)
    if moved is not None:
        reason = words.meant_for(code(moved.meant_for, 80), code(moved.because, 60))
        blocks += context([Mrkdwn(f":warning: {reason}")], block_id=_block("moved", incident))
        text = joined(" ", [text, reason])
    return message(text, blocks)


def card_header(incident: Incident, words: Words, *, block_id: str) -> Block:
    """`🔴 Critical · #42 · CheckoutErrors`; a resolved one is calm."""
    if incident.status is Status.RESOLVED:
        emoji, word = parts.resolved_emoji(incident), words.status_name(incident.status)
    else:
        emoji, word = parts.SEVERITY_EMOJI[incident.severity], words.severity_name(incident.severity)
    blind = incident.is_blind and incident.is_open
    if blind:
        emoji = f"{emoji} {parts.BLIND_EMOJI}"
    said = [
        word,
        words.blind if blind and not incident.is_about_blindness else "",
        parts.number_of(incident),
        parts.title_of(incident, words),
    ]
    return header(" · ".join(part for part in said if part), emoji=emoji, block_id=block_id)


def description(
    incident: Incident, words: Words, *, note_limit: int, prefix: str, note_lines: int = parts.LINES
) -> list[Block]:
    """Whether it can be seen, summary, blind rules, what people noted, and links, as far as there is anything.

    With `note_limit` 0 notes are left out: on the card of a reopened incident they would be yesterday's beliefs.
    """
    blocks: list[Block] = []
    said = parts.sight(incident, words) if incident.is_open else [parts.still_firing_at_source(incident, words)]
    said.append(parts.safe_text(incident.fires.summary or incident.summary, _SUMMARY))
    if text := joined("\n", said):
        blocks.append(section(text, block_id=_block(f"{prefix}-summary", incident)))
    if rules := parts.blind_rules(incident, words):
        blocks.append(parts.titled(words.blind_rules, rules, block_id=_block(f"{prefix}-rules", incident)))
    if note_limit:
        for index, (name, note) in enumerate(parts.notes(incident, words, note_limit, note_lines)):
            blocks.append(parts.titled(name, note, block_id=_block(f"{prefix}-note-{index}", incident)))
    if addresses := parts.links(incident, words):
        blocks.append(section(addresses, block_id=_block(f"{prefix}-links", incident)))
    return blocks


def _last_change(incident: Incident, words: Words) -> list[Mrkdwn]:
    return [parts.last_change(incident, words), words.last_alert_at(moment(incident.last_seen_at))]


def _block(name: str, incident: Incident) -> str:
    return f"{name}:{incident.incident_id}:{incident.version}"
