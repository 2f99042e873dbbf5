"""The digest: one message for the incidents of a storm, or for incidents that are related; and the lists it opens.

The groups by service and cluster, the most urgent first, as many with buttons as Slack takes; the others as lines, and
behind `Show all`. Everything that is cut off here is found there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.blocks import parts
from bot.blocks.identifiers import GROUPS, DigestAction, DigestValue, encode_digest
from bot.blocks.kit import (
    MESSAGE_SIZE,
    Block,
    Element,
    actions,
    button,
    confirm,
    context,
    header,
    message,
    section,
    size,
)
from bot.blocks.message import SlackMessage
from bot.text.digests import DigestWords, Hindrance, digest_words, people_of, shared_text
from bot.text.markup import Mrkdwn, bold, joined, length, moment, safe
from bot.text.words import Who, Words
from db.model.incident import Incident, Severity, Status
from db.model.lifecycle import Action
from db.model.storm import AFTER_CARDS, AFTER_SEVERITIES, EVERYTHING, Digest, DigestKind, Group, Overview, Page

MEMBERS = 10
"""Incidents that the digest of a group names; a storm names none."""

ROWS = 25
"""Incidents on one page of a list."""

GROUP_ROWS = 15
"""Groups on one page of a list."""

_WITH_BUTTONS = 4
_LINES = 12
_PLACE = 70
_TITLE = 80
_ROOM = 700  # for what stands below the groups

STORM_EMOJI = ":zap:"
RELATED_EMOJI = ":link:"


def digest_message(shown: Overview, words: Words, own: Sequence[Severity]) -> SlackMessage:
    """The digest as it is now; `own` are the severities whose cards are posted at once."""
    voice, digest = digest_words(words), shown.digest
    blocks: list[Block] = [
        header(_title(shown, voice), emoji=_emoji(shown), block_id=_block("header", shown)),
        section(_summary(shown, voice), block_id=_block("summary", shown)),
        *context([_reason(shown, voice, own)], block_id=_block("reason", shown)),
    ]
    below = _below(shown, voice)
    if digest.kind is DigestKind.RELATED:
        blocks += _members(shown, voice)
    else:
        blocks += _groups(shown, voice, MESSAGE_SIZE - size(blocks) - size(below) - _ROOM)
    return message(_spoken(shown, voice), [*blocks, *below])


def group_note(group: Digest, words: Words) -> Mrkdwn:
    """On the card of an incident that is in a group."""
    return digest_words(words).part_of(shared_text(group.shared, words))


def _emoji(shown: Overview) -> str:
    digest = shown.digest
    if digest.is_over and not shown.whole.open:
        return parts.RESOLVED_EMOJI
    return STORM_EMOJI if digest.kind is DigestKind.STORM else RELATED_EMOJI


def _title(shown: Overview, voice: DigestWords) -> str:
    if shown.digest.kind is DigestKind.RELATED:
        return voice.related(shown.whole.total, shared_text(shown.digest.shared, voice.words))
    return voice.storm(shown.whole.total, over=shown.digest.is_over)


def _summary(shown: Overview, voice: DigestWords) -> Mrkdwn:
    """How many in each state, and how bad the open ones are."""
    own = safe(voice.own_cards(shown.own_cards)) if shown.own_cards and not shown.digest.is_over else Mrkdwn("")
    first = joined(" · ", [bold(safe(_counts(shown.whole, voice))), own])
    return joined("\n", [first, _severities(shown.whole, voice)])


def _counts(group: Group, voice: DigestWords) -> str:
    of = group.statuses
    return voice.counts(of.get(Status.ACTIVE, 0), of.get(Status.ACKNOWLEDGED, 0), of.get(Status.RESOLVED, 0))


def _severities(group: Group, voice: DigestWords) -> Mrkdwn:
    if not group.open:
        return Mrkdwn("")
    return joined(
        "   ",
        [
            Mrkdwn(f"{parts.SEVERITY_EMOJI[severity]}\u00a0{safe(voice.words.severity_name(severity))}\u00a0{count:,}")
            for severity, count in sorted(group.severities.items(), key=lambda one: one[0].rank)
        ],
    )


def _reason(shown: Overview, voice: DigestWords, own: Sequence[Severity]) -> Mrkdwn:
    digest, words = shown.digest, voice.words
    window = words.duration(digest.window_seconds)
    if digest.kind is DigestKind.RELATED:
        said = [voice.related_reason(shared_text(digest.shared, words), window, digest.rule)]
        return joined(" ", [*said, *([voice.related_over()] if digest.is_over else [])])
    if digest.ended_at is not None:
        took = words.duration(int((digest.ended_at - digest.began_at).total_seconds()))
        worst = [words.severity_name(severity) for severity in AFTER_SEVERITIES]
        return voice.storm_over(took, shown.whole.open, AFTER_CARDS, worst)
    names = [words.severity_name(severity) for severity in sorted(own, key=lambda one: one.rank)]
    return voice.storm_reason(digest.at_least, window, names)


def _groups(shown: Overview, voice: DigestWords, room: int) -> list[Block]:
    """The groups with buttons, then lines for as many of the others as fit, then how many are left."""
    blocks: list[Block] = []
    left = list(shown.groups)
    while left and left[0].open and len(shown.groups) - len(left) < _WITH_BUTTONS and not shown.digest.is_over:
        rows = _with_buttons(shown, left[0], voice)
        if size([*blocks, *rows]) > room:
            break
        blocks += rows
        del left[0]
    lines = [_line(group, voice) for group in left[:_LINES]]
    while lines and size(blocks) + sum(length(line) + 3 for line in lines) + 200 > room:
        del lines[-1]
    if rest := left[len(lines) :]:
        lines.append(safe(voice.more_groups(len(rest), sum(group.open for group in rest))))
    if lines:
        blocks.append(section(joined("\n", lines), block_id=_block("others", shown)))
    return blocks


def _with_buttons(shown: Overview, group: Group, voice: DigestWords) -> list[Block]:
    text = joined("\n", [bold(_place(group, voice)), _facts(group, voice)])
    return [
        section(text, block_id=_block(f"group-{group.key}", shown)),
        *actions(_bulk(shown.digest, group, voice), block_id=_block(f"do-{group.key}", shown)),
    ]


def _line(group: Group, voice: DigestWords) -> Mrkdwn:
    emoji = parts.SEVERITY_EMOJI[group.worst] if group.open else parts.RESOLVED_EMOJI
    return joined(" · ", [Mrkdwn(f"{emoji} {_place(group, voice)}"), bold(safe(_counts(group, voice)))])


def _facts(group: Group, voice: DigestWords) -> Mrkdwn:
    return joined(" — ", [safe(_counts(group, voice)), _severities(group, voice)])


def _place(group: Group, voice: DigestWords) -> Mrkdwn:
    return safe(_name(group, voice), _PLACE)


def _name(group: Group, voice: DigestWords) -> str:
    """Untrusted text."""
    return voice.everything() if group.key == EVERYTHING else voice.place(group.service, group.cluster)


def _members(shown: Overview, voice: DigestWords) -> list[Block]:
    lines = [_incident(incident, voice.words) for incident in shown.members[:MEMBERS]]
    return [section(joined("\n", lines), block_id=_block("members", shown))] if lines else []


def _incident(incident: Incident, words: Words, *, place: bool = True) -> Mrkdwn:
    """One line of a list, with its `place` where that differs from line to line."""
    resolved = incident.status is Status.RESOLVED
    emoji = parts.RESOLVED_EMOJI if resolved else parts.SEVERITY_EMOJI[incident.severity]
    facts = [
        safe(words.severity_name(incident.severity)),
        safe(words.status_name(incident.status)),
        parts.owner_of(incident, words) if not resolved else Mrkdwn(""),
        safe(incident.parts.service if place else "", 40),
        safe(incident.parts.cluster if place else "", 40),
    ]
    return joined(" · ", [Mrkdwn(f"{emoji} {bold(parts.name_of(incident, words, _TITLE))}"), *facts])


def _below(shown: Overview, voice: DigestWords) -> list[Block]:
    row: list[Element] = []
    if shown.whole.open and (shown.digest.kind is DigestKind.RELATED):
        row += _bulk(shown.digest, shown.whole, voice)
    target = EVERYTHING if shown.digest.kind is DigestKind.RELATED else GROUPS
    row.append(_show(shown.digest, target, 0, voice.show_all))
    return [
        *actions(row, block_id=_block("do", shown)),
        *context(voice.small_print(moment(shown.digest.began_at), moment(shown.as_of)), block_id=_block("when", shown)),
    ]


def _bulk(digest: Digest, group: Group, voice: DigestWords) -> list[Element]:
    """What can be done with a whole group: a button only where it would change something."""
    row = []
    if active := group.statuses.get(Status.ACTIVE, 0):
        row.append(_do(digest, group, DigestAction.ACKNOWLEDGE, active, voice))
    if group.open:
        row.append(_do(digest, group, DigestAction.RESOLVE, group.open, voice))
    return row


def _do(digest: Digest, group: Group, action: DigestAction, count: int, voice: DigestWords) -> Element:
    change = Action.ACKNOWLEDGE if action is DigestAction.ACKNOWLEDGE else Action.RESOLVE
    name = _name(group, voice)
    label = voice.do_all(change, count)
    return button(
        label,
        action_id=action.action_id,
        value=encode_digest(DigestValue(action, digest.digest_id, group.key)),
        accessible=voice.do_all_of(change, name),
        style="primary" if action is DigestAction.ACKNOWLEDGE else None,
        ask=confirm(
            voice.ask(change),
            voice.meaning(change, name[:_PLACE], count),
            yes=label[:30],
            no=voice.words.cancel,
        ),
    )


def _show(digest: Digest, group: str, offset: int, label: str, which: str = "") -> Element:
    return button(
        label,
        action_id=DigestAction.SHOW.action_id + which,
        value=encode_digest(DigestValue(DigestAction.SHOW, digest.digest_id, group, offset)),
        accessible=label,
    )


def _spoken(shown: Overview, voice: DigestWords) -> Mrkdwn:
    """The digest for those who hear it."""
    worst = [
        Mrkdwn(f"{_place(group, voice)}: {safe(_counts(group, voice))}")
        for group in shown.groups[:3]
        if group.open and shown.digest.kind is DigestKind.STORM
    ]
    title = safe(_title(shown, voice))
    return joined(". ", [title, safe(_counts(shown.whole, voice)), joined("; ", worst)])


# -- lists -------------------------------------------------------------------------------------------------------------


def group_list(shown: Overview, words: Words, offset: int) -> SlackMessage:
    """A page of a digest's groups, each with a button that lists its incidents."""
    voice, digest = digest_words(words), shown.digest
    page = shown.groups[offset : offset + GROUP_ROWS]
    title = voice.groups_title(len(shown.groups), shown.whole.total)
    blocks: list[Block] = [header(title, block_id="groups-header")]
    blocks += [
        section(
            _line(group, voice),
            block_id=f"groups-{group.key}",
            accessory=_show(digest, group.key, 0, words.show),
        )
        for group in page
    ]
    blocks += _turning(digest, GROUPS, offset, len(page), len(shown.groups), GROUP_ROWS, voice)
    return message(safe(title), blocks)


def incident_page(listed: Page, words: Words) -> SlackMessage:
    """A page of a group's incidents, with what can be done with all of them."""
    voice, digest, group = digest_words(words), listed.digest, listed.group
    title = voice.list_title(_name(group, voice), group.total)
    blocks: list[Block] = [
        header(title, block_id="page-header"),
        section(_facts(group, voice), block_id="page-facts"),
        *actions(_bulk(digest, group, voice), block_id="page-do"),
    ]
    lines = [_incident(incident, words, place=group.key == EVERYTHING) for incident in listed.incidents]
    blocks += [
        section(joined("\n", lines[start : start + 10]), block_id=f"page-rows-{start}")
        for start in range(0, len(lines), 10)  # a section takes 3,000 characters
    ]
    blocks += _turning(digest, group.key, listed.offset, len(lines), group.total, ROWS, voice)
    return message(safe(title), blocks)


def _turning(
    digest: Digest, group: str, offset: int, rows: int, total: int, per_page: int, voice: DigestWords
) -> list[Block]:
    """Which rows these are, and the buttons to the others."""
    said = voice.rows(offset + 1, offset + rows, total) if rows else voice.empty()
    row = []
    if offset:
        row.append(_show(digest, group, max(0, offset - per_page), voice.previous, "_previous"))
    if rows and offset + rows < total:
        row.append(_show(digest, group, offset + rows, voice.following, "_next"))
    if group not in (GROUPS, EVERYTHING):
        row.append(_show(digest, GROUPS, 0, voice.all_groups, "_groups"))
    elif group == GROUPS:
        row.append(_show(digest, EVERYTHING, 0, voice.all_incidents, "_everything"))
    return [*context([safe(said)], block_id="turn-where"), *actions(row, block_id="turn")]


def bulk_done(
    action: Action,
    group: Group,
    result: tuple[int, Mapping[Who | None, int], int],
    left: int,
    words: Words,
    *,
    still_firing: int = 0,
    why: Hindrance | None = None,
) -> SlackMessage:
    """What came of a click for a group: (changed, already and by whom, resolved), how many of the resolved ones still
    fire, and what was not reached, and why."""
    voice = digest_words(words)
    changed, already, resolved = result
    text = voice.done(
        action, _name(group, voice), changed=changed, already=people_of(already), resolved=resolved, left=left,
        still_firing=still_firing, why=why,
    )  # fmt: skip
    return message(text, [section(text, block_id="bulk")])


def bulk_under_way(action: Action, group: Group, changed: int, total: int, words: Words) -> SlackMessage:
    """It takes longer than an answer may."""
    voice = digest_words(words)
    text = voice.under_way(action, _name(group, voice), changed, total)
    return message(text, [section(text, block_id="bulk")])


def digest_gone(words: Words) -> SlackMessage:
    """There is no such digest or group."""
    text = safe(digest_words(words).gone())
    return message(text, [section(text, block_id="gone")])


def _block(name: str, shown: Overview) -> str:
    return f"digest-{name}:{shown.digest.digest_id}:{shown.version}"
