"""Whatever is in the record, Slack takes the message, nobody is paged, and there is something to read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from bot.blocks import card, details, listing, notices, resolve
from bot.blocks.parts import who
from bot.text import ENGLISH, KOREAN, Words
from bot.text.markup import safe
from db.model.identity import Actor
from db.model.incident import Details, Event, Incident, Listing, Status
from db.model.lifecycle import Action, Already, Changed, Notes, Refusal, Refused
from tests.bot.blocks.incidents import (
    ACTIVE,
    HOSTILE,
    STARTED,
    actors,
    any_details,
    any_incident,
    any_listing,
    events,
    joined_texts,
    texts,
)
from tests.bot.blocks.validator import check_message, check_view, markup_of, plain_of

thorough = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
both = pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])


@both
@thorough
@given(incident=any_incident())
def test_a_card_is_always_accepted(words: Words, incident: Incident) -> None:
    message = card.incident_card(incident, words)
    check_message(message)
    types = [block["type"] for block in message.blocks]
    assert types[0] == "header"
    assert types.count("actions") == 1, "an incident that cannot be described must still be handled"


@both
@thorough
@given(shown=any_details)
def test_details_are_always_accepted(words: Words, shown: Details) -> None:
    check_message(details.incident_details(shown, words))
    check_message(details.incident_details(shown, words, ephemeral=False))


@both
@thorough
@given(shown=any_details, actor=actors)
def test_shared_details_are_always_accepted(words: Words, shown: Details, actor: Actor) -> None:
    check_message(details.incident_details(shown, words, ephemeral=False, shared_by=who(actor)))


@both
@thorough
@given(found=any_listing())
def test_a_list_is_always_accepted(words: Words, found: Listing) -> None:
    message = listing.incident_list(found, words)
    check_message(message)
    rows = [block for block in message.blocks if "accessory" in block]
    assert len(rows) == min(len(found.incidents), 10), "a row is shortened, never dropped"


@both
@thorough
@given(incident=any_incident(), other=any_incident(), actor=actors, event=events)
def test_every_answer_is_accepted(
    words: Words, incident: Incident, other: Incident, actor: Actor, event: Event
) -> None:
    for action in Action:
        check_message(notices.changed(Changed(incident, event), action, words))
        check_message(notices.already(Already(incident, actor, STARTED, event), action, words))
        check_message(notices.already(Already(incident, None, None), action, words))
        for reason in Refusal:
            check_message(notices.refused(Refused(reason, incident, other), action, words))
            check_message(notices.refused(Refused(reason), action, words, reference=7))


@both
@thorough
@given(incident=any_incident(), cause=joined_texts, taken=joined_texts, channel=texts)
def test_every_dialog_is_accepted(words: Words, incident: Incident, cause: str, taken: str, channel: str) -> None:
    notes = Notes(cause, taken)
    noted = replace(incident, root_cause=cause, action_taken=taken)
    view = resolve.resolve_modal(incident.incident_id, words, incident=noted, channel="C0123456789")
    check_view(view)
    check_view(resolve.resolve_modal(incident.incident_id, words, channel=channel))
    check_view(resolve.already_resolved_view(Already(incident, None, None), words, notes=notes))
    check_view(resolve.error_view(safe(words.database_away), words, notes=notes))


@both
@thorough
@given(point=texts, source=texts)
def test_a_test_message_is_accepted(words: Words, point: str, source: str) -> None:
    check_message(notices.test_received(words, contact_point=point, source=source, at=STARTED))


@both
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
@pytest.mark.parametrize("status", Status)
def test_a_hostile_text_in_every_place_at_once(words: Words, text: str, status: Status) -> None:
    parts = replace(ACTIVE.parts, cluster=text, namespace=text, service=text, phase=text)
    incident = replace(
        ACTIVE, status=status, parts=parts, title=text, summary=text, service_category=text, source=text,
        first_values=text, last_values=text + "x", root_cause=text, action_taken=text,
    )  # fmt: skip
    message = card.incident_card(incident, words)
    check_message(message)
    for said in markup_of(message):
        assert "`" not in said
        assert said.count("*") in (0, 2), "only the names of fields are bold"
        assert not any(line.startswith(("&gt;", ">")) for line in said.split("\n"))
    for said in (*markup_of(message), *plain_of(message)):
        assert said.count(":red_circle:") + said.count(":white_check_mark:") <= 1, "only the mark of ours"
        assert ":smile:" not in said
