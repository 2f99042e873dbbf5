"""What card, list and details share: how an incident's facts are worded as markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from bot.blocks.identifiers import MORE, ClickAction, encode
from bot.blocks.kit import Block, Element, actions, button, confirm, option, overflow, section
from bot.text.markup import Mrkdwn, bold, joined, length, link, mention, moment, one_line, safe, safe_lines
from bot.text.words import Who, Words
from db.model.alert import is_web_address
from db.model.blind import BLIND_TITLE
from db.model.firing import names
from db.model.identity import Actor, ActorKind
from db.model.incident import Event, EventKind, Incident, Severity, Status
from db.model.lifecycle import Action
from db.model.source import source_of

SEVERITY_EMOJI: Mapping[Severity, str] = {
    Severity.CRITICAL: ":red_circle:",
    Severity.HIGH: ":large_orange_circle:",
    Severity.WARNING: ":large_yellow_circle:",
    Severity.INFO: ":large_blue_circle:",
}
RESOLVED_EMOJI = ":white_check_mark:"
STILL_FIRING_EMOJI = ":warning:"
BLIND_EMOJI = ":no_entry_sign:"
STALE_EMOJI = ":hourglass:"

_RULES = 10
_RULE = 80
_INSTANCE = 120
LINES = 8

WHOLE_NOTE = 2_900  # what a section of Slack's holds, less its title
WHOLE_NOTE_LINES = 200
_TITLE = 110  # leaves room for severity and number in a header of 150
_VALUE = 160
_LINKS = 2_400  # an address may be 3000 long by itself; the message has 8000


def who(actor: Actor) -> Who:
    """Somebody, ready for a sentence."""
    match actor.kind:
        case ActorKind.PERSON:
            return Who(mention(actor.id), is_person=True)
        case ActorKind.SOURCE:
            return Who(safe(source_of(actor.id).label, 60), is_person=False)
        case ActorKind.OBSERVER:
            return Who(Mrkdwn("Observer"), is_person=False)


def who_or_none(actor: Actor | None) -> Who | None:
    """Somebody, if it is known who."""
    return None if actor is None else who(actor)


def at_or_empty(at: datetime | None) -> Mrkdwn:
    """A time, if it is known."""
    return Mrkdwn("") if at is None else moment(at)


def owner_of(incident: Incident, words: Words) -> Mrkdwn:
    """Who owns it; empty when nobody does."""
    if incident.owner is None:
        return Mrkdwn("")
    owner = who(incident.owner)
    return words.person(owner.name) if owner.is_person else owner.name


def number_of(incident: Incident) -> str:
    """`#42`; empty until the record has given a number."""
    return f"#{incident.number}" if incident.number > 0 else ""


def plain_name(incident: Incident, words: Words, limit: int = _TITLE) -> str:
    """`#42 CheckoutErrors`, for `plain_text`. Untrusted text."""
    return f"{number_of(incident)} {title_of(incident, words, limit)}".strip()


def name_of(incident: Incident, words: Words, limit: int = _TITLE) -> Mrkdwn:
    """`#42 CheckoutErrors` as markup."""
    return joined(" ", [Mrkdwn(number_of(incident)), safe(title_of(incident, words, limit), limit)])


def title_of(incident: Incident, words: Words, limit: int = _TITLE) -> str:
    """The title on one line; there always is one. Untrusted text."""
    if incident.is_about_blindness:
        rules = (len(incident.rules) or incident.blind_firing) if incident.is_open else 0
        source = incident.title.removeprefix(BLIND_TITLE)
        return one_line(words.blind_title(one_line(source, max(20, limit - 40)), rules), limit)
    return one_line(incident.title, limit) or words.untitled


def severity_mark(incident: Incident, words: Words) -> str:
    """`:red_circle: Critical`, never colour alone."""
    return f"{SEVERITY_EMOJI[incident.severity]} {words.severity_name(incident.severity)}"


def resolved_emoji(incident: Incident) -> str:
    """A tick, unless it fires all the same."""
    return STILL_FIRING_EMOJI if incident.instances_firing else RESOLVED_EMOJI


def status_mark(incident: Incident, words: Words) -> Mrkdwn:
    """The status in words; resolved is calm, blind says so."""
    name = safe(words.status_name(incident.status))
    if incident.status is Status.RESOLVED:
        return Mrkdwn(f"{resolved_emoji(incident)} {name}")
    marks = []
    if incident.is_blind:
        marks.append(Mrkdwn(f"{BLIND_EMOJI} {safe(words.blind)}"))
    if incident.stale_since is not None:
        marks.append(Mrkdwn(f"{STALE_EMOJI} {safe(words.stale)}"))
    return joined(" · ", [name, *marks])


def announcement(incident: Incident, words: Words) -> Mrkdwn:
    """The incident in one or two sentences, for screen readers and notifications."""
    return words.announcement(
        severity=incident.severity,
        name=announced_name(incident, words),
        status=incident.status,
        owner=owner_of(incident, words),
        service=safe(incident.parts.service, 100),
        blind=incident.is_blind and incident.is_open,
    )


def announced_name(incident: Incident, words: Words) -> Mrkdwn:
    """`#42: CheckoutErrors`."""
    return joined(": ", [Mrkdwn(number_of(incident)), safe(title_of(incident, words), _TITLE)])


def facts(incident: Incident, words: Words) -> Iterator[tuple[str, Mrkdwn]]:
    """Names and values of the fields, at most ten; what is not known is empty."""
    resolved = incident.status is Status.RESOLVED
    yield words.status, _status_fact(incident, words)
    yield words.owner, owner_of(incident, words)
    yield words.severity, Mrkdwn(severity_mark(incident, words) if resolved else "")
    yield (
        words.service,
        joined(" · ", [safe(incident.parts.service, _VALUE), safe(incident.service_category, 80)]),
    )
    yield _place(incident, words)
    yield words.phase, safe(incident.parts.phase, _VALUE)
    yield words.started, moment(incident.start_time)
    yield words.took, Mrkdwn(safe(took(incident, words)) if resolved else "")
    yield words.firing, _firing(incident, words)
    yield words.values, _values(incident, words)


def took(incident: Incident, words: Words) -> str:
    """How long it lasted, from when it began by its source until it was resolved."""
    if incident.resolved_time is None:
        return ""
    return words.duration(int((incident.resolved_time - incident.start_time).total_seconds()))


def _status_fact(incident: Incident, words: Words) -> Mrkdwn:
    mark = status_mark(incident, words)
    if incident.status is not Status.RESOLVED:
        return mark
    by = words.resolved_by(who_or_none(incident.resolved_by), at_or_empty(incident.resolved_time))
    return joined("\n", [mark, by])


def _place(incident: Incident, words: Words) -> tuple[str, Mrkdwn]:
    namespace, cluster = safe(incident.parts.namespace, _VALUE), safe(incident.parts.cluster, _VALUE)
    names = [name for name, value in ((words.namespace, namespace), (words.cluster, cluster)) if value]
    return " / ".join(names), joined(" / ", [namespace, cluster])


def _firing(incident: Incident, words: Words) -> Mrkdwn:
    if _has_table(incident) or incident.instances_total <= 1 or not incident.is_open:
        return Mrkdwn("")
    return safe(words.firing_of(incident.instances_firing, incident.instances_total))


def _values(incident: Incident, words: Words) -> Mrkdwn:
    """First and latest values of one and the same instance: the only one that fires, or the only one there was."""
    fires = incident.fires.instances
    if len(fires) != 1 and incident.instances_total > 1:
        return Mrkdwn("")
    of = fires[0] if fires else incident
    first, latest = safe(of.first_values, _VALUE), safe(of.last_values, _VALUE)
    if first == latest or not (first and latest):
        return first or latest
    return Mrkdwn(f"{safe(words.first)}: {first}\n{safe(words.latest)}: {latest}")


def _has_table(incident: Incident) -> bool:
    return incident.is_open and len(incident.fires.instances) > 1


def firing_table(incident: Incident, words: Words, most: int, *, block_id: str) -> list[Block]:
    """Several instances that fire, each with its latest values, the worst first; and what fires elsewhere."""
    fires = incident.fires
    several = _has_table(incident)
    said: list[Mrkdwn] = []
    if several:
        for name, one in zip(names(fires.instances)[:most], fires.instances, strict=False):
            said.append(Mrkdwn(f"• {joined(' · ', [safe(name, _INSTANCE), safe(one.last_values, _INSTANCE)])}"))
        if (more := incident.instances_firing - len(said)) > 0:
            said.append(safe(words.and_more(more)))
    if fires.elsewhere:
        said.append(words.firing_elsewhere(fires.elsewhere))
    if not said:
        return []
    count = f" · {words.firing_of(incident.instances_firing, incident.instances_total)}" if several else ""
    return [titled(words.firing + count, joined("\n", said), block_id=block_id)]


def links(incident: Incident, words: Words, room: int = _LINKS) -> Mrkdwn:
    """The addresses worth opening, and what stands in their place, the most useful first, as far as there is room."""
    known = incident.fires.links if incident.fires.instances else incident.links
    several = incident.instances_firing > 1
    # the incident's own silence is that of its first instance
    silence = known.silence if incident.fires.instances or incident.instances_firing == 1 else ""
    wanted = (
        (known.source, words.from_source(_rule_page(incident.source)) if incident.source else words.alert_rule),
        (known.runbook, words.runbook),
        (known.dashboard, words.dashboard),
        (known.panel, words.panel),
        (silence, words.silence_all(incident.instances_firing) if several else words.silence),
    )
    kept: list[Mrkdwn] = []
    for url, label in wanted:
        made = _place_or_link(url, label) if length(url) < room else Mrkdwn("")
        if made and length(made) <= room:
            kept.append(made)
            room -= length(made) + 3
    return joined(" · ", kept)


def _place_or_link(url: str, label: str) -> Mrkdwn:
    """A link; of what is no web address the text, such as `wiki.example/x`."""
    if is_web_address(url):
        return link(url, label)
    place = safe(url, _VALUE)
    return joined(": ", [safe(label), place]) if place else place


def _rule_page(source: str) -> str:
    """Where the link to an alert's rule leads; for an alert of Alertmanager that is Prometheus."""
    facts = source_of(source)
    return one_line(facts.rule_page or facts.label, 30)


def place_of(incident: Incident) -> Mrkdwn:
    """`prod-eu / payments / checkout`."""
    place = (incident.parts.cluster, incident.parts.namespace, incident.parts.service)
    return joined(" / ", [safe(name, _VALUE) for name in place])


def notes(incident: Incident, words: Words, limit: int, lines: int = LINES) -> list[tuple[str, Mrkdwn]]:
    """What people wrote about it, as far as they did."""
    said = (
        (words.root_cause, safe_lines(incident.root_cause, limit, lines)),
        (words.action_taken, safe_lines(incident.action_taken, limit, lines)),
    )
    return [(name, text) for name, text in said if text]


def safe_text(text: str, limit: int) -> Mrkdwn:
    """A text of some lines; a card stays a card."""
    return safe_lines(text, limit, lines=LINES)


def sight(incident: Incident, words: Words) -> list[Mrkdwn]:
    """What is known of an open incident's being seen and heard: blind, unobserved, waiting, stale; mostly nothing."""
    said: list[Mrkdwn] = []
    if incident.is_about_blindness:
        said.append(safe(words.blind_explanation, 600))
    elif incident.unobserved_since is not None:
        where = words.see_incident(f"#{incident.blind_number}") if incident.blind_number else Mrkdwn("")
        since = moment(incident.unobserved_since)
        said.append(words.unobserved(safe(incident.blind_on, _VALUE), where, since, incident.held))
    elif incident.blind_firing:
        said.append(safe(words.blind_explanation, 600))
    elif incident.sight_at is not None:
        said.append(words.settling(moment(incident.sight_at)))
    if incident.stale_since is not None:
        said.append(words.not_heard_of(moment(incident.last_seen_at)))
    return said


def still_firing_at_source(incident: Incident, words: Words) -> Mrkdwn:
    """That it fires, for who resolves or has resolved it; empty when it does not."""
    if not incident.instances_firing:
        return Mrkdwn("")
    return Mrkdwn(f"{STILL_FIRING_EMOJI} {words.still_firing(incident.instances_firing)}")


def blind_rules(incident: Incident, words: Words) -> Mrkdwn:
    """The rules that cannot see a data source, as many as a card holds."""
    names = [Mrkdwn(f"• {safe(one_line(name, _RULE), _RULE)}") for name in incident.rules[:_RULES]]
    more = len(incident.rules) - _RULES
    return joined("\n", [*names, safe(words.and_more(more)) if more > 0 else Mrkdwn("")])


def titled(name: str, text: Mrkdwn, *, block_id: str) -> Block:
    """A text under a name in bold."""
    return section(Mrkdwn(f"{bold(safe(name))}\n{text}"), block_id=block_id)


def event_line(event: Event, words: Words) -> Mrkdwn:
    """What happened, without its time."""
    return words.event(
        event.kind,
        who(event.actor),
        count=_count(event),
        severity=_severity(event, words),
        reason=event.reason,
        about=safe(str(event.details.get("on", "")), _VALUE),
    )


def _count(event: Event) -> int:
    """How many instances or alerts the event is about; 0 when it does not say."""
    for name in ("instances", "alerts", "hours"):
        if isinstance(count := event.details.get(name), int) and count > 0:
            return count
    return 0


def _severity(event: Event, words: Words) -> str:
    said = str(event.details.get("severity", ""))
    return words.severity_name(Severity(said)) if any(said == known for known in Severity) else said


def last_change(incident: Incident, words: Words) -> Mrkdwn:
    """Who changed it last, how and when; empty when that is not known."""
    if incident.last_change_by is None or not any(incident.last_change == kind for kind in EventKind):
        return Mrkdwn("")
    kind, by = EventKind(incident.last_change), incident.last_change_by
    about = safe(incident.blind_on, _VALUE)
    line = words.event(kind, who(by), count=0, severity="", reason=incident.last_change_why, about=about)
    return joined(" · ", [line, at_or_empty(incident.last_change_at)])


# -- buttons -----------------------------------------------------------------------------------------------------------


def buttons(
    incident: Incident, words: Words, *, block_id: str, more: tuple[Element, ...] = (), details: bool = True
) -> list[Block]:
    """What can be done with an incident in this state: the next step is the coloured one."""
    name = plain_name(incident, words)
    row: list[Element] = []
    match incident.status:
        case Status.ACTIVE:
            row.append(_acknowledge(incident, words, name))
            row.append(_resolve(incident, words, name))
        case Status.ACKNOWLEDGED:
            row.append(_resolve(incident, words, name, primary=True))
        case Status.RESOLVED:
            row.append(_reopen(incident, words, name))
    if details:
        row.append(show_button(incident, words, words.details))
    row.extend(more)
    if incident.status is Status.ACKNOWLEDGED:
        back = option(words.unacknowledge, _value(ClickAction.UNACKNOWLEDGE, incident))
        row.append(overflow([back], action_id=MORE))
    return actions(row, block_id=block_id)


def change_button(incident: Incident, words: Words, action: Action | None) -> Element | None:
    """The button for this action; None where the incident's state does not allow it."""
    name = plain_name(incident, words)
    match action, incident.status:
        case Action.ACKNOWLEDGE, Status.ACTIVE:
            return _acknowledge(incident, words, name)
        case Action.UNACKNOWLEDGE, Status.ACKNOWLEDGED:
            return button(
                words.unacknowledge,
                action_id=ClickAction.UNACKNOWLEDGE.action_id,
                value=_value(ClickAction.UNACKNOWLEDGE, incident),
                accessible=words.unacknowledge_of(name),
            )
        case Action.RESOLVE, (Status.ACTIVE | Status.ACKNOWLEDGED):
            return _resolve(incident, words, name)
        case Action.REOPEN, Status.RESOLVED:
            return _reopen(incident, words, name)
        case _:
            return None


def show_button(incident: Incident, words: Words, label: str) -> Element:
    """Opens the details, for the person who presses it."""
    return button(
        label,
        action_id=ClickAction.SHOW.action_id,
        value=_value(ClickAction.SHOW, incident),
        accessible=words.details_of(plain_name(incident, words)),
    )


def share_button(incident: Incident, words: Words) -> Element:
    """Shows the details to the channel."""
    return button(
        words.share,
        action_id=ClickAction.SHARE.action_id,
        value=_value(ClickAction.SHARE, incident),
        accessible=words.share_of(plain_name(incident, words)),
    )


def _acknowledge(incident: Incident, words: Words, name: str) -> Element:
    return button(
        words.acknowledge,
        action_id=ClickAction.ACKNOWLEDGE.action_id,
        value=_value(ClickAction.ACKNOWLEDGE, incident),
        accessible=words.acknowledge_of(name),
        style="primary",
    )


def _resolve(incident: Incident, words: Words, name: str, *, primary: bool = False) -> Element:
    return button(
        words.resolve,
        action_id=ClickAction.RESOLVE.action_id,
        value=_value(ClickAction.RESOLVE, incident),
        accessible=words.resolve_of(name),
        style="primary" if primary else None,
    )


def _reopen(incident: Incident, words: Words, name: str) -> Element:
    return button(
        words.reopen,
        action_id=ClickAction.REOPEN.action_id,
        value=_value(ClickAction.REOPEN, incident),
        accessible=words.reopen_button_of(name),
        ask=confirm(
            words.reopen_question,
            words.reopen_of(number_of(incident)),
            yes=words.reopen,
            no=words.cancel,
        ),
    )


def _value(action: ClickAction, incident: Incident) -> str:
    return encode(action, incident.incident_id, incident.version)
