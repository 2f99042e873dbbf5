"""The dialog behind `Resolve…`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.blocks import resolve
from bot.text import ENGLISH, KOREAN, Words
from bot.text.markup import safe
from db.model.identity import person
from db.model.incident import Event, EventKind
from db.model.lifecycle import Already, Notes
from tests.bot.blocks.incidents import ACTIVE, RESOLVED, STARTED
from tests.bot.blocks.validator import check_view


def view_of(view: Any) -> Any:
    """The view, checked."""
    check_view(view)
    return view


def said(view: Any) -> str:
    """What a notice says."""
    return "\n".join(block["text"]["text"] for block in view["blocks"] if block["type"] == "section")


@pytest.mark.parametrize(("words", "title"), [(ENGLISH, "Resolve #42"), (KOREAN, "#42 해결")], ids=["en", "ko"])
def test_both_notes_may_stay_empty(words: Words, title: str) -> None:
    view = view_of(resolve.resolve_modal(RESOLVED.incident_id, words, incident=ACTIVE, channel="C1"))
    assert view["title"]["text"] == title
    assert view["callback_id"] == "incident_resolve_submit"
    inputs = {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}
    assert list(inputs) == ["root_cause", "action_taken"]
    for block in inputs.values():
        assert block["optional"] is True
        assert block["element"]["multiline"] is True
        assert block["element"]["max_length"] == 3000
        assert block["element"]["action_id"] == "text"


def test_its_metadata_are_ids_only() -> None:
    view = view_of(resolve.resolve_modal(RESOLVED.incident_id, ENGLISH, incident=ACTIVE, channel="C1"))
    assert json.loads(view["private_metadata"]) == {"v": 1, "incident": RESOLVED.incident_id, "channel": "C1"}


@pytest.mark.parametrize(
    ("words", "firing"),
    [(ENGLISH, "3 instances still firing at the source."), (KOREAN, "소스에서 인스턴스 3개가 아직 발생 중입니다.")],
    ids=["en", "ko"],
)
def test_it_says_which_incident_it_is_and_what_still_fires(words: Words, firing: str) -> None:
    view = view_of(resolve.resolve_modal(ACTIVE.incident_id, words, incident=ACTIVE))
    assert said(view) == "*#42 CheckoutErrors* · prod-eu / payments / checkout"
    [block] = [block for block in view["blocks"] if block["block_id"] == "still-firing"]
    assert block["elements"][0]["text"] == f":warning: {firing}"


def test_it_says_nothing_of_firing_when_nothing_does() -> None:
    quiet = replace(ACTIVE, instances_firing=0)
    view = view_of(resolve.resolve_modal(ACTIVE.incident_id, ENGLISH, incident=quiet))
    assert "still-firing" not in [block["block_id"] for block in view["blocks"]]


def test_it_opens_without_the_incident_too() -> None:
    assert view_of(resolve.resolve_modal(RESOLVED.incident_id, ENGLISH))["title"]["text"] == "Resolve incident"


def test_earlier_notes_are_shown_and_not_filled_in() -> None:
    before = replace(ACTIVE, root_cause="Bad *deploy*")
    view = view_of(resolve.resolve_modal(ACTIVE.incident_id, ENGLISH, incident=before))
    assert said(view).endswith("*Root cause*\nBad ∗deploy∗")
    assert "initial_value" not in json.dumps(view)


def test_too_late_says_who_was_first_and_that_the_notes_were_kept() -> None:
    kept = Event(incident_id=RESOLVED.incident_id, at=STARTED, kind=EventKind.NOTED, actor=person("U0ANN"))
    view = view_of(
        resolve.already_resolved_view(
            Already(RESOLVED, person("U0BOB"), STARTED, kept), ENGLISH, notes=Notes("", "Restarted it")
        )
    )
    assert view["title"]["text"] == "Already resolved"
    assert "was already resolved by <@U0BOB>" in said(view)
    assert "Your notes were added to the incident." in said(view)
    assert said(view).endswith("*What you wrote*\nAction taken: Restarted it")


def test_a_failure_gives_back_what_was_typed() -> None:
    view = view_of(resolve.error_view(safe(ENGLISH.database_away), ENGLISH, notes=Notes("Because <of> it", "")))
    assert said(view).startswith(ENGLISH.database_away)
    assert said(view).endswith("Root cause: Because &lt;of&gt; it")


def test_a_failure_can_also_keep_the_dialog_open() -> None:
    assert resolve.submission_errors(ENGLISH.database_away) == {"action_taken": ENGLISH.database_away}
