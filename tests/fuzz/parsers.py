"""Everything that reads bytes or texts from outside, each with what must hold for any input at all.

`check` takes one input: its first byte chooses the parser, the rest is what that parser is given. An exception that
leaves it is a finding.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product

from bot.blocks.card import incident_card
from bot.blocks.identifiers import UnreadableValue, decode, decode_digest
from bot.grammar import understand
from bot.payloads import UnreadablePayload, read_click, read_digest_click, read_submission
from bot.text import ENGLISH, KOREAN
from bot.text.markup import clean, safe, safe_lines
from db.model import grouping
from db.model.alert import Reading, Unreadable
from db.model.delivery import pack, unpack
from db.model.finding import read_finding
from db.model.grouping import Known
from db.model.identity import IncidentKey
from db.model.policy import Policy
from db.model.sections import PolicyError
from receiver.bodies import BodyNotDecoded, BodyTooLarge, decoded
from receiver.masking import mask_body
from receiver.sources.live import ALERTMANAGER_LIST, GRAFANA_LIST, read_list, read_organisation, read_uptime
from receiver.sources.reading import read_alertmanager, read_grafana
from tests.bot.blocks.validator import check_message

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
_POLICY = Policy(default_channel="#incidents")
_MASKS = Policy.parse({"masks": [{"pattern": '(?i)password=[^ "]+', "replace": "***", "where": "storage"}]}).masks
_MOST_BYTES = 100_000
_NOTHING = Known(open={}, last={}, instances={})


def check(data: bytes) -> None:
    """Give one input to the parser its first byte chooses."""
    if data:
        _TARGETS[data[0] % len(_TARGETS)](data[1:])


def webhook_grafana(body: bytes) -> None:
    """A body posted to Grafana's webhook, all the way to the card that people see."""
    _webhook(body, read_grafana)


def webhook_alertmanager(body: bytes) -> None:
    """The same for Alertmanager's."""
    _webhook(body, read_alertmanager)


def _webhook(body: bytes, read: Callable[[bytes], Reading]) -> None:
    assert unpack(pack(body)) == body
    try:
        reading = read(body)
    except Unreadable as problem:
        _named(problem.path, problem.reason)
        return
    assert reading.alerts
    for alert in reading.alerts:
        json.loads(alert.raw)
        f"{alert.fingerprint}{alert.rule_uid}{alert.summary}{dict(alert.labels)}{dict(alert.annotations)}".encode()
        assert alert.fingerprint
    ordered = grouping.sort(reading, _POLICY)
    keyed: list[tuple[grouping.Keyed, IncidentKey]] = [(one, one.key) for one in (*ordered.keyed, *ordered.by_rule)]
    targets = grouping.in_order(keyed, ordered.blind)
    decided = grouping.plan(targets, _NOTHING, _POLICY, NOW, source_name=reading.source, truncated=reading.truncated)
    assert len(decided.recorded) == sum(not one.implied for one, _ in targets)
    assert len({incident.key for incident in decided.opened if incident.is_open}) == sum(
        incident.is_open for incident in decided.opened
    )
    for incident, words in product(decided.opened[:3], (ENGLISH, KOREAN)):
        check_message(incident_card(incident, words))


def _named(*texts: str) -> None:
    """What is wrong is said, in texts that can be sent."""
    assert texts
    for text in texts:
        assert text.encode()


def slack_payload(body: bytes) -> None:
    """What Slack sends for a click or a dialog."""
    with suppress(ValueError, RecursionError):
        content = json.loads(body)
        for read in (read_click, read_digest_click, read_submission):
            with suppress(UnreadablePayload):
                read(content)


def button_value(body: bytes) -> None:
    """The value of a button."""
    for read in (decode, decode_digest):
        with suppress(UnreadableValue):
            read(body.decode("utf-8", "replace"))


def command_text(body: bytes) -> None:
    """What somebody types after `/incident`."""
    understand(body.decode("utf-8", "replace"))


def policy_file(body: bytes) -> None:
    """The policy file: every mistake is a named problem."""
    with suppress(ValueError, RecursionError):  # not UTF-8, not TOML
        content = tomllib.loads(body.decode())
        try:
            Policy.parse(content)
        except PolicyError as error:
            _named(*error.problems)


def finding(body: bytes) -> None:
    """A delivery of Observer's own."""
    with suppress(Unreadable):
        read_finding(body)


def sources_list(body: bytes) -> None:
    """What a source answers when it is asked for its own list of alerts."""
    for lists in (GRAFANA_LIST, ALERTMANAGER_LIST):
        with suppress(Unreadable):
            for live in read_list(body, lists, "https://grafana.example").alerts:
                json.loads(live.alert.raw)
    for read in (read_uptime, read_organisation):
        with suppress(Unreadable):
            read(body)


def compressed(body: bytes) -> None:
    """A body with a Content-Encoding: never more than the bound comes out of it."""
    for encoding in ("gzip", "deflate"):
        with suppress(BodyNotDecoded, BodyTooLarge):
            assert len(decoded(body, encoding, _MOST_BYTES)) <= _MOST_BYTES


def masked(body: bytes) -> None:
    """A body that masking rules change: what they look for is not in it any more."""
    kept, _ = mask_body(body, _MASKS)
    with suppress(ValueError, RecursionError):
        for text in _texts(json.loads(kept)):
            assert not _MASKS.occur(text.encode("utf-8", "replace"))


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value but the keys, which masks leave alone."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def markup(body: bytes) -> None:
    """Any text on its way to Slack: no mention, no link, nothing that a source could have meant as markup."""
    text = body.decode("utf-8", "replace")
    clean(text)
    for shown in (safe(text), safe_lines(text)):
        assert "<" not in shown
        assert ">" not in shown


_TARGETS: tuple[Callable[[bytes], None], ...] = (
    webhook_grafana,
    webhook_alertmanager,
    slack_payload,
    button_value,
    command_text,
    policy_file,
    finding,
    markup,
    sources_list,
    compressed,
    masked,
)
