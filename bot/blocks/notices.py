"""Short answers: what became of a click or a command, and what a channel should know that is no incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import parts
from bot.blocks.help import help_message
from bot.blocks.kit import context, message, section
from bot.blocks.listing import incident_list
from bot.blocks.message import SlackMessage
from bot.grammar import NUMBER, Misunderstood, Problem
from bot.origin import Foreign
from bot.text.markup import Mrkdwn, bold, code, joined, moment, safe
from bot.text.words import Words
from db.model.identity import Actor, Place, Reference
from db.model.incident import Event, Incident, Listing
from db.model.lifecycle import Action, Already, Changed, Refusal, Refused
from db.model.source import source_of


def sentence(text: Mrkdwn) -> SlackMessage:
    """A message of one sentence."""
    return message(text, [section(text, block_id="sentence")])


def changed(outcome: Changed, action: Action, words: Words) -> SlackMessage:
    """It worked; for commands, whose person does not see the card."""
    firing = parts.still_firing_at_source(outcome.incident, words) if action is Action.RESOLVE else Mrkdwn("")
    return sentence(joined(" ", [words.done(action, parts.name_of(outcome.incident, words)), firing]))


def already(outcome: Already, action: Action, words: Words, *, me: Actor | None = None) -> SlackMessage:
    """Somebody was first; `me` who hears that, for it may be the same person."""
    name = parts.name_of(outcome.incident, words)
    by, at = parts.who_or_none(outcome.by), parts.at_or_empty(outcome.at)
    match action:
        case Action.ACKNOWLEDGE if outcome.by is not None and outcome.by == me:
            return sentence(words.already_yours(name, at))
        case Action.ACKNOWLEDGE:
            return sentence(words.already_acknowledged(name, by, at))
        case Action.UNACKNOWLEDGE:
            return sentence(words.already_unacknowledged(name))
        case Action.RESOLVE:
            kept = safe(words.your_notes_kept) if outcome.event is not None else Mrkdwn("")
            return sentence(joined(" ", [words.already_resolved(name, by, at), kept]))
        case Action.REOPEN:
            return sentence(words.already_open(name))


def several(told: Sequence[SlackMessage], left: Sequence[Reference], words: Words) -> SlackMessage:
    """What came of each incident of a command, a line each, and which of them are left."""
    lines = [Mrkdwn(one.text) for one in told]
    if left:
        lines.append(words.left_undone(joined(", ", [_referred(one) for one in left])))
    return sentence(joined("\n", lines))


def refused(outcome: Refused, action: Action, words: Words, *, reference: Reference | None = None) -> SlackMessage:
    """The action does not apply; `reference` is what the person called the incident, should there be none."""
    return sentence(refusal(outcome, action, words, reference=reference))


def refusal(outcome: Refused, action: Action, words: Words, *, reference: Reference | None = None) -> Mrkdwn:
    """Why the action does not apply."""
    name = Mrkdwn("") if outcome.incident is None else parts.name_of(outcome.incident, words)
    match outcome.reason:
        case Refusal.RESOLVED:
            return words.refused_resolved(name, action)
        case Refusal.OTHER_OPEN:
            other = Mrkdwn("") if outcome.other is None else parts.name_of(outcome.other, words)
            return words.refused_other_open(name, other)
        case Refusal.NOT_FOUND:
            return words.not_found(name or _referred(reference))
        case Refusal.NOT_ALLOWED:
            return safe(words.not_allowed)


def not_found(reference: Reference, words: Words) -> SlackMessage:
    """There is no such incident."""
    return sentence(words.not_found(_referred(reference)))


def not_allowed(words: Words) -> SlackMessage:
    """The policy file does not name this person."""
    return sentence(safe(words.not_allowed))


def not_for_you(why: Foreign, words: Words) -> SlackMessage:
    """Somebody of another workspace, or nobody, or whom the policy file does not let look."""
    return sentence(safe(words.not_a_reader if why is Foreign.NO_READER else words.not_of_this_workspace))


def not_shared_here(words: Words) -> SlackMessage:
    """The incident belongs to another channel."""
    return sentence(safe(words.not_shared_here))


def database_away(words: Words) -> SlackMessage:
    """Nothing was changed."""
    return sentence(safe(words.database_away))


def not_looked_up(words: Words) -> SlackMessage:
    """The database is away, and only something to read was asked for."""
    return sentence(safe(words.not_looked_up))


def internal_error(words: Words) -> SlackMessage:
    """A bug of ours; it is in the log."""
    return sentence(safe(words.internal_error))


def old_button(words: Words) -> SlackMessage:
    """A button whose value nobody can read any more."""
    return sentence(safe(words.old_button))


def dialog_not_opened(words: Words) -> SlackMessage:
    """Slack's trigger expired before the dialog was there."""
    return sentence(safe(words.dialog_not_opened))


def shared(words: Words) -> SlackMessage:
    """Takes the place of an ephemeral answer once the channel can see it."""
    return sentence(safe(words.shared))


def misunderstood(wrong: Misunderstood, words: Words, *, command: str = "/incident") -> SlackMessage:
    """What was not understood and the nearest right form; the whole help where no form is near."""
    hint = _problem(wrong, words)
    if wrong.nearest == f"{command} help":
        return help_message(words, command, hint)
    return sentence(joined("\n", [hint, words.did_you_mean(code(wrong.nearest))]))


def worse(incident: Incident, event: Event, words: Words) -> SlackMessage:
    """A reply below the card: what got worse, and who has it, so that they are told."""
    line = joined(" · ", [parts.name_of(incident, words), parts.event_line(event, words)])
    firing = safe(words.firing_now(incident.instances_firing))
    owner = parts.owner_of(incident, words)
    return sentence(joined(" · ", [Mrkdwn(f"{parts.SEVERITY_EMOJI[incident.severity]} {line}"), firing, owner]))


def test_received(words: Words, *, contact_point: str, source: str, at: datetime) -> SlackMessage:
    """For the channel: somebody pressed Test in Grafana, and it arrived."""
    text = words.test_received(safe(contact_point, 120), safe(source_of(source).label, 60), moment(at))
    title = bold(safe(words.test_title))
    return message(
        joined(" ", [text, safe(words.test_explanation)]),
        [
            section(Mrkdwn(f":test_tube: {title}\n{text}"), block_id="test"),
            *context([safe(words.test_explanation)], block_id="test-meaning"),
        ],
    )


def choose(wrong: Misunderstood, listing: Listing, words: Words, *, command: str = "/incident") -> SlackMessage:
    """Only the incident was not named: those that could be meant, with buttons; a single one is offered by its number,
    unless something else was typed in the place of one."""
    nearest = wrong.nearest
    if wrong.problem is Problem.MISSING_REFERENCE and listing.total == 1:
        nearest = nearest.removesuffix(NUMBER) + str(listing.incidents[0].number)
    asked = wrong.problem is Problem.UNKNOWN_COMMAND or nearest != wrong.nearest
    hint = joined("\n", [_problem(wrong, words), words.did_you_mean(code(nearest)) if asked else Mrkdwn("")])
    return incident_list(listing, words, command=command, hint=hint, action=wrong.action)


def _problem(wrong: Misunderstood, words: Words) -> Mrkdwn:
    subject = code(wrong.subject, 80)
    match wrong.problem:
        case Problem.UNKNOWN_COMMAND:
            return words.unknown_command(subject)
        case Problem.MISSING_REFERENCE:
            return words.missing_reference(wrong.subject[:40])
        case Problem.WRONG_REFERENCE:
            return words.wrong_reference(subject)
        case Problem.UNKNOWN_FILTER:
            return words.unknown_filter(subject, [code(name) for name in wrong.allowed])
        case Problem.UNKNOWN_VALUE:
            allowed = [code(value) for value in wrong.allowed] if wrong.subject else []
            return words.unknown_value(code(f"{wrong.filter_name}:"), subject, allowed)
        case Problem.TOO_MUCH:
            return words.too_much(subject)


def _referred(reference: Reference | None) -> Mrkdwn:
    if reference is None:
        return Mrkdwn("")
    if isinstance(reference, Place):
        return code(reference.link, 300)
    return Mrkdwn(f"#{reference}") if isinstance(reference, int) else code(reference, 64)
