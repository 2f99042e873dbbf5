"""The list of incidents: at most ten rows, the worst first, each with a button that shows it."""

from __future__ import annotations

from bot.blocks import parts
from bot.blocks.kit import Block, context, header, message, section
from bot.blocks.message import SlackMessage
from bot.text.markup import Mrkdwn, bold, code, joined, safe
from bot.text.words import Words
from db.model.incident import Filter, Incident, Listing
from db.model.lifecycle import Action

ROWS = 10
_TITLE = 80
_FACT = 50
_NO_HINT = Mrkdwn("")


def incident_list(
    listing: Listing, words: Words, *, command: str = "/incident", hint: Mrkdwn = _NO_HINT, action: Action | None = None
) -> SlackMessage:
    """The first rows, how many there are in all, and how to see others.

    `hint` stands above them; with `action` each row has the button for that, where it can be done.
    """
    hints: list[Block] = [section(hint, block_id="list-hint")] if hint else []
    if not listing.incidents:
        sentence = safe(words.nothing_open if listing.filter == Filter() else words.nothing_matches)
        return message(joined("\n", [hint, sentence]), [*hints, section(sentence, block_id="list-empty")])
    shown = listing.incidents[:ROWS]
    title = words.listing_title(max(listing.total, len(shown)), only_open=_only_open(listing))
    blocks = [*hints, header(title, block_id="list-header")]
    blocks += [_row(index, incident, words, action) for index, incident in enumerate(shown)]
    blocks += context(_rest(listing, len(shown), words, command), block_id="list-rest")
    return message(joined("\n", [hint, _spoken(title, shown, words)]), blocks)


def _only_open(listing: Listing) -> bool:
    return set(listing.filter.statuses) == set(Filter().statuses)


def _row(index: int, incident: Incident, words: Words, action: Action | None) -> Block:
    first = Mrkdwn(f"{parts.SEVERITY_EMOJI[incident.severity]} {bold(parts.name_of(incident, words, _TITLE))}")
    several = incident.instances_firing and incident.instances_total > 1
    firing = f"{words.firing} {words.firing_of(incident.instances_firing, incident.instances_total)}" if several else ""
    facts = [
        safe(words.severity_name(incident.severity)),
        parts.status_mark(incident, words),
        parts.owner_of(incident, words),
        safe(incident.parts.service, _FACT),
        safe(incident.parts.namespace, _FACT),
        safe(incident.parts.cluster, _FACT),
        safe(firing),
        parts.at_or_empty(incident.start_time),
    ]
    return section(
        joined("\n", [first, joined(" · ", facts)]),
        block_id=f"row-{index}:{incident.incident_id}:{incident.version}",
        accessory=parts.change_button(incident, words, action) or parts.show_button(incident, words, words.show),
    )


def _rest(listing: Listing, shown: int, words: Words, command: str) -> list[Mrkdwn]:
    if listing.total <= shown:
        return []
    example = code(f"{command} list severity:critical service:…")
    return [joined(" ", [safe(words.listing_rest(shown, listing.total)), safe(words.narrow_down), example])]


def _spoken(title: str, shown: tuple[Incident, ...], words: Words) -> Mrkdwn:
    """The list for those who hear it: the number of incidents, then each with its severity and status."""
    rows = (
        joined(
            ", ",
            [
                parts.name_of(incident, words, 60),
                safe(words.severity_name(incident.severity)),
                safe(words.status_name(incident.status)),
            ],
        )
        for incident in shown
    )
    return Mrkdwn(f"{safe(title)}: {joined('; ', rows)}.")
