"""What `/incident help` says: every form of the command with one line on what it does."""

from __future__ import annotations

from bot.blocks.kit import Block, header, message, section
from bot.blocks.message import SlackMessage
from bot.grammar import NUMBER
from bot.text.markup import Mrkdwn, bold, code, joined, safe
from bot.text.words import Words

FILTERS = (
    "status:active|acknowledged|resolved|all",
    "severity:critical|high|warning|info",
    "cluster:…",
    'namespace:"…"',
    "service:…",
)


def help_message(words: Words, command: str = "/incident", hint: Mrkdwn | None = None) -> SlackMessage:
    """The help; `hint` stands above it, for instance what was wrong with what was typed."""
    rows = (
        (command, words.help_list),
        (f"{command} list severity:critical", words.help_filter),
        (f"{command} {NUMBER}", words.help_show),
        (f"{command} ack {NUMBER}", words.help_acknowledge),
        (f"{command} unack {NUMBER}", words.help_unacknowledge),
        (f"{command} resolve {NUMBER} rolled back", words.help_resolve),
        (f"{command} reopen {NUMBER}", words.help_reopen),
        (f"{command} help", words.help_help),
    )
    commands = joined("\n", [Mrkdwn(f"• {code(form)}  {safe(does)}") for form, does in rows])
    filters = joined("  ", [code(form) for form in FILTERS])
    blocks: list[Block] = [section(hint, block_id="help-hint")] if hint else []
    blocks += [
        header(words.help_title, block_id="help-header"),
        section(joined("\n", [safe(words.help_intro), commands]), block_id="help-commands"),
        section(joined("\n", [bold(safe(words.help_filters)), filters]), block_id="help-filters"),
    ]
    spoken = joined(" ", [hint or Mrkdwn(""), safe(words.help_intro)])
    return message(joined("\n", [spoken, commands]), blocks)
