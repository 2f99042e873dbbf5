"""One incident with its newest alerts and its timeline: the answer to `/incident 42` and to the Details button."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import card, parts
from bot.blocks.kit import Block, context, fields, message
from bot.blocks.message import SlackMessage
from bot.text.markup import Mrkdwn, code, joined, moment, safe
from bot.text.words import Who, Words
from db.model.alert import AlertState
from db.model.incident import Details, Event, RecordedAlert

FIRING = 20
ALERTS = 5
EVENTS = 10
_ALERT_MESSAGE = 140


def incident_details(
    details: Details,
    words: Words,
    *,
    ephemeral: bool = True,
    shared_by: Who | None = None,
    as_of: datetime | None = None,
) -> SlackMessage:
    """The facts of the card, the latest alerts, the timeline, and buttons by state.

    An ephemeral answer has a button that shows it to the channel. The shared one says who did that, and when: nobody
    keeps it up to date, so it has no buttons.
    """
    incident = details.incident
    mark = f":{incident.incident_id}:{incident.version}"
    small_print = [
        Mrkdwn(f"{safe(words.filed_as)}: {code(incident.incident_id, 64)}"),
        words.shared_by(shared_by) if shared_by is not None else Mrkdwn(""),
        words.as_of(moment(as_of)) if as_of is not None else Mrkdwn(""),
    ]
    buttons: list[Block] = []
    if ephemeral:
        share = (parts.share_button(incident, words),)
        buttons = parts.buttons(incident, words, block_id=f"details-buttons{mark}", more=share, details=False)
    blocks: list[Block] = [
        card.card_header(incident, words, block_id=f"details-header{mark}"),
        *fields(parts.facts(incident, words), block_id=f"details-facts{mark}"),
        *parts.firing_table(incident, words, FIRING, block_id=f"details-firing{mark}"),
        *card.description(
            incident, words, note_limit=parts.WHOLE_NOTE, note_lines=parts.WHOLE_NOTE_LINES, prefix="details"
        ),
        parts.titled(words.latest_alerts, _alerts(details.alerts, words), block_id=f"details-alerts{mark}"),
        parts.titled(words.timeline, _events(details.events, words), block_id=f"details-timeline{mark}"),
        *buttons,
        *context(small_print, block_id=f"details-id{mark}"),
    ]
    return message(parts.announcement(incident, words), blocks)


def _alerts(alerts: tuple[RecordedAlert, ...], words: Words) -> Mrkdwn:
    if not alerts:
        return safe(words.no_alerts)
    return joined("\n", [_alert(alert, words) for alert in alerts[:ALERTS]])


def _alert(alert: RecordedAlert, words: Words) -> Mrkdwn:
    state = words.alert_firing if alert.state is AlertState.FIRING else words.alert_resolved
    said = joined(" — ", [safe(alert.alertname, 80), safe(alert.message, _ALERT_MESSAGE)])
    return Mrkdwn(f"• {joined(' · ', [moment(alert.received_at), safe(state), said])}")


def _events(events: tuple[Event, ...], words: Words) -> Mrkdwn:
    if not events:
        return safe(words.no_events)
    return joined("\n", [_event(event, words) for event in events[:EVENTS]])


def _event(event: Event, words: Words) -> Mrkdwn:
    return Mrkdwn(f"• {joined(' · ', [moment(event.at), parts.event_line(event, words)])}")
