"""Every text of the product as one type: a language that lacks one does not pass the type checker.

Fixed texts are fields without defaults, sentences with something in them are abstract methods. A `str` may be used
anywhere and is escaped where it meets markup; a method that returns `Mrkdwn` takes only what is safe already.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from bot.text.markup import Mrkdwn
from db.model.incident import EventKind, Severity, Status
from db.model.lifecycle import Action
from db.model.reason import Reason


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who did something, as they appear in a sentence; Korean speaks of people and of programs differently."""

    name: Mrkdwn
    is_person: bool


@dataclass(frozen=True, kw_only=True)
class Words(ABC):
    """What Observer says in one language."""

    language: str

    # the card
    untitled: str
    blind: str
    blind_explanation: str
    blind_rules: str
    stale: str
    status: str
    owner: str
    severity: str
    service: str
    namespace: str
    cluster: str
    phase: str
    started: str
    took: str
    firing: str
    values: str
    first: str
    latest: str
    root_cause: str
    action_taken: str
    filed_as: str
    dashboard: str
    panel: str
    runbook: str
    silence: str
    alert_rule: str

    # buttons
    acknowledge: str
    resolve: str
    unacknowledge: str
    reopen: str
    details: str
    show: str
    share: str
    cancel: str
    close: str

    # the dialog
    reopen_question: str
    resolve_submit: str
    root_cause_placeholder: str
    action_taken_placeholder: str
    notes_optional: str
    earlier_notes: str
    resolved_too_late: str
    your_notes: str
    your_notes_kept: str
    not_saved: str

    # the list and the details
    nothing_open: str
    nothing_matches: str
    latest_alerts: str
    no_alerts: str
    timeline: str
    no_events: str
    alert_firing: str
    alert_resolved: str
    narrow_down: str

    # help
    help_title: str
    help_intro: str
    help_list: str
    help_filter: str
    help_show: str
    help_acknowledge: str
    help_unacknowledge: str
    help_resolve: str
    help_reopen: str
    help_help: str
    help_filters: str

    # answers
    database_away: str
    not_looked_up: str
    internal_error: str
    old_button: str
    dialog_not_opened: str
    not_allowed: str
    not_of_this_workspace: str
    not_a_reader: str
    not_shared_here: str
    shared: str
    test_title: str
    test_explanation: str

    # -- names of things -----------------------------------------------------------------------------------------------

    @abstractmethod
    def status_name(self, status: Status) -> str:
        """`Acknowledged`."""

    @abstractmethod
    def severity_name(self, severity: Severity) -> str:
        """`Critical`."""

    @abstractmethod
    def action_name(self, action: Action) -> str:
        """What a person does, as it stands alone: `acknowledge`."""

    @abstractmethod
    def duration(self, seconds: int) -> str:
        """`1 h 5 min`; never more than the two largest units."""

    @abstractmethod
    def firing_of(self, firing: int, total: int) -> str:
        """`3 of 5`."""

    @abstractmethod
    def firing_now(self, firing: int) -> str:
        """`2 alerts firing`, as it stands alone."""

    @abstractmethod
    def firing_elsewhere(self, count: int) -> Mrkdwn:
        """How many more instances of the same rule and service fire in incidents that people resolved."""

    @abstractmethod
    def still_firing(self, count: int) -> Mrkdwn:
        """How many instances of an incident that a person resolves fire all the same."""

    @abstractmethod
    def silence_all(self, count: int) -> str:
        """The link to a silence of all that fires."""

    @abstractmethod
    def person(self, mention: Mrkdwn) -> Mrkdwn:
        """Somebody, in a place of their own such as the owner's field."""

    @abstractmethod
    def from_source(self, source: str) -> str:
        """A link to where the alert comes from: `Open in Grafana`."""

    # -- the card ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def announcement(
        self, *, severity: Severity, name: Mrkdwn, status: Status, owner: Mrkdwn, service: Mrkdwn, blind: bool
    ) -> Mrkdwn:
        """The card in one or two full sentences, for screen readers and notifications. Empty texts are not known."""

    @abstractmethod
    def resolved_by(self, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        """Under the status of a resolved incident; `at` may be empty."""

    @abstractmethod
    def last_alert_at(self, at: Mrkdwn) -> Mrkdwn:
        """When its source was heard last."""

    @abstractmethod
    def blind_title(self, source: str, rules: int) -> str:
        """The title of a data source's incident: `No data from prometheus (3 rules affected)`; 0 is not known."""

    @abstractmethod
    def and_more(self, count: int) -> str:
        """How many others a list leaves out."""

    @abstractmethod
    def unobserved(self, source: Mrkdwn, incident: Mrkdwn, since: Mrkdwn, held: int) -> Mrkdwn:
        """On the card of an incident whose rule is blind; `incident` is the data source's one, `held` how many
        instances "resolved" meanwhile."""

    @abstractmethod
    def see_incident(self, name: str) -> Mrkdwn:
        """Which incident tells more: `see #5`."""

    @abstractmethod
    def settling(self, since: Mrkdwn) -> Mrkdwn:
        """On the card of an incident whose rule sees again, while what is held waits."""

    @abstractmethod
    def not_heard_of(self, since: Mrkdwn) -> Mrkdwn:
        """On the card of a stale incident."""

    @abstractmethod
    def event(self, kind: EventKind, who: Who, *, count: int, severity: str, reason: Reason, about: Mrkdwn) -> Mrkdwn:
        """One line of the timeline, without its time. `count` is 0, `severity` and `about` (a data source) empty when
        not known; `reason` is a machine word or empty."""

    @abstractmethod
    def reopen_of(self, number: str) -> str:
        """What happens on `Reopen`; `number` is `#42`, or empty."""

    # -- what a screen reader says of a button -------------------------------------------------------------------------

    @abstractmethod
    def acknowledge_of(self, name: str) -> str:
        """`name` is `#42 CheckoutErrors`, here and below."""

    @abstractmethod
    def unacknowledge_of(self, name: str) -> str:
        """The button that takes an acknowledgement back."""

    @abstractmethod
    def resolve_of(self, name: str) -> str:
        """The button that opens the dialog."""

    @abstractmethod
    def reopen_button_of(self, name: str) -> str:
        """The button on a resolved incident."""

    @abstractmethod
    def details_of(self, name: str) -> str:
        """The button that shows alerts and timeline."""

    @abstractmethod
    def share_of(self, name: str) -> str:
        """The button that shows it to the whole channel."""

    # -- the dialog ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def resolve_title(self, number: str) -> str:
        """At most 24 characters; `number` is `#42`, or empty."""

    # -- the list ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def listing_title(self, total: int, *, only_open: bool) -> str:
        """`3 open incidents`."""

    @abstractmethod
    def listing_rest(self, shown: int, total: int) -> str:
        """That there are more than the ones shown."""

    @abstractmethod
    def shared_by(self, who: Who) -> Mrkdwn:
        """Whose question the channel sees the answer to."""

    @abstractmethod
    def as_of(self, at: Mrkdwn) -> Mrkdwn:
        """That this was so then, and is not kept up to date."""

    # -- answers -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def done(self, action: Action, name: Mrkdwn) -> Mrkdwn:
        """The answer to a command that changed something."""

    @abstractmethod
    def already_acknowledged(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        """Somebody was first."""

    @abstractmethod
    def already_yours(self, name: Mrkdwn, at: Mrkdwn) -> Mrkdwn:
        """Whoever asks has it already."""

    @abstractmethod
    def left_undone(self, names: Mrkdwn) -> Mrkdwn:
        """Of several incidents these were not reached."""

    @abstractmethod
    def already_resolved(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        """Somebody was first, or it resolved by itself."""

    @abstractmethod
    def already_unacknowledged(self, name: Mrkdwn) -> Mrkdwn:
        """Nobody owns it."""

    @abstractmethod
    def already_open(self, name: Mrkdwn) -> Mrkdwn:
        """It needs no reopening."""

    @abstractmethod
    def refused_resolved(self, name: Mrkdwn, action: Action) -> Mrkdwn:
        """An acknowledgement never reopens."""

    @abstractmethod
    def refused_other_open(self, name: Mrkdwn, other: Mrkdwn) -> Mrkdwn:
        """Another incident of its kind is open; `other` may be empty."""

    @abstractmethod
    def not_found(self, reference: Mrkdwn) -> Mrkdwn:
        """There is no such incident."""

    @abstractmethod
    def test_received(self, contact_point: Mrkdwn, source: str, at: Mrkdwn) -> Mrkdwn:
        """A contact point's Test button works; `contact_point` may be empty."""

    @abstractmethod
    def meant_for(self, channel: Mrkdwn, error: Mrkdwn) -> Mrkdwn:
        """The card hangs here because its own channel refuses it with this error of Slack's."""

    # -- misunderstandings ---------------------------------------------------------------------------------------------

    @abstractmethod
    def unknown_command(self, typed: Mrkdwn) -> Mrkdwn:
        """No command begins like this."""

    @abstractmethod
    def missing_reference(self, action: str) -> Mrkdwn:
        """Which incident? `action` is a word of the command, such as `resolve`."""

    @abstractmethod
    def wrong_reference(self, typed: Mrkdwn) -> Mrkdwn:
        """Neither a number nor an id."""

    @abstractmethod
    def unknown_filter(self, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        """No filter has this name."""

    @abstractmethod
    def unknown_value(self, name: Mrkdwn, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        """The filter does not know this value."""

    @abstractmethod
    def too_much(self, typed: Mrkdwn) -> Mrkdwn:
        """Something stands behind a complete command."""

    @abstractmethod
    def did_you_mean(self, command: Mrkdwn) -> Mrkdwn:
        """The nearest right form."""


def largest_units(seconds: int) -> list[tuple[int, str]]:
    """A duration in its two largest units, `d`, `h`, `min` or `s`; below a minute seconds, at least 0."""
    left = max(0, seconds)
    if left < 60:
        return [(left, "s")]
    parts = []
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        parts.append((left // length, unit))
        left %= length
    while not parts[0][0]:
        del parts[0]
    return [part for part in parts[:2] if part[0]]
