"""Observer in English."""

from __future__ import annotations

from collections.abc import Sequence

from bot.text.markup import Mrkdwn, code, joined, led_by, safe
from bot.text.words import Who, Words, largest_units
from db.model.incident import MOST_COUNTED, EventKind, Severity, Status
from db.model.lifecycle import Action
from db.model.reason import Reason


class English(Words):
    """The sentences; the fixed texts are in `ENGLISH`."""

    def status_name(self, status: Status) -> str:
        match status:
            case Status.ACTIVE:
                return "Active"
            case Status.ACKNOWLEDGED:
                return "Acknowledged"
            case Status.RESOLVED:
                return "Resolved"

    def severity_name(self, severity: Severity) -> str:
        match severity:
            case Severity.CRITICAL:
                return "Critical"
            case Severity.HIGH:
                return "High"
            case Severity.WARNING:
                return "Warning"
            case Severity.INFO:
                return "Info"

    def action_name(self, action: Action) -> str:
        match action:
            case Action.ACKNOWLEDGE:
                return "acknowledge"
            case Action.UNACKNOWLEDGE:
                return "un-acknowledge"
            case Action.RESOLVE:
                return "resolve"
            case Action.REOPEN:
                return "reopen"

    def duration(self, seconds: int) -> str:
        return " ".join(f"{count} {unit}" for count, unit in largest_units(seconds))

    def firing_of(self, firing: int, total: int) -> str:
        return f"{firing} of {total}"

    def firing_now(self, firing: int) -> str:
        return f"{firing} {_plural(firing, 'alert')} firing"

    def firing_elsewhere(self, count: int) -> Mrkdwn:
        return Mrkdwn(f"{_more(count)} of the same rule and service still firing in resolved incidents")

    def still_firing(self, count: int) -> Mrkdwn:
        return Mrkdwn(f"{_instances(count)} still firing at the source.")

    def silence_all(self, count: int) -> str:
        return f"Silence (all {count})"

    def person(self, mention: Mrkdwn) -> Mrkdwn:
        return mention

    def from_source(self, source: str) -> str:
        return f"Open in {source}"

    def announcement(
        self, *, severity: Severity, name: Mrkdwn, status: Status, owner: Mrkdwn, service: Mrkdwn, blind: bool
    ) -> Mrkdwn:
        state = self.status_name(status).lower()
        if owner and status is not Status.RESOLVED:
            state += f", owned by {owner}"
        elif status is Status.ACTIVE:
            state += ", nobody has acknowledged it yet"
        about = f" Service: {service}." if service else ""
        cannot_see = " Its data source cannot be read." if blind else ""
        return Mrkdwn(f"{self.severity_name(severity)} incident {name} is {state}.{about}{cannot_see}")

    def resolved_by(self, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return joined(" · ", [Mrkdwn(f"by {who.name}" if who else ""), at])

    def last_alert_at(self, at: Mrkdwn) -> Mrkdwn:
        return led_by("Last alert", at)

    def blind_title(self, source: str, rules: int) -> str:
        return f"No data from {source}" + (f" ({rules} {_plural(rules, 'rule')} affected)" if rules else "")

    def and_more(self, count: int) -> str:
        return f"and {count} more"

    def unobserved(self, source: Mrkdwn, incident: Mrkdwn, since: Mrkdwn, held: int) -> Mrkdwn:
        on = joined(", ", [source, incident])
        because = f" ({on})" if on else ""
        silent = (
            f" {held} {_plural(held, 'instance')} stopped reporting; this does not count as recovered." if held else ""
        )
        return Mrkdwn(f"No data {led_by('since', since)}{because}. It may still be firing.{silent}")

    def see_incident(self, name: str) -> Mrkdwn:
        return Mrkdwn(f"see {name}")

    def settling(self, since: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"Data is back {led_by('since', since)}. Resolves automatically unless it fires again soon.")

    def not_heard_of(self, since: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"No updates {led_by('since', since)}. Check whether it still happens; resolve it if not.")

    def event(self, kind: EventKind, who: Who, *, count: int, severity: str, reason: Reason, about: Mrkdwn) -> Mrkdwn:
        name = who.name
        match kind:
            case EventKind.OPENED if reason is Reason.RESOLVED_UNSEEN:
                return Mrkdwn(f"Recorded from {name}: it was over before we heard of it")
            case EventKind.OPENED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"Opened from the alert list of {name}; its webhook never arrived{_firing(count)}")
            case EventKind.OPENED:
                return Mrkdwn(f"Opened by {name}{_firing(count)}")
            case EventKind.JOINED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"{_more(count)} found firing in the source's own list ({name})")
            case EventKind.JOINED:
                return Mrkdwn(f"{_more(count)} started firing ({name})")
            case EventKind.PARTLY_RESOLVED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"{_instances(count)} gone from the source's own list, others still fire ({name})")
            case EventKind.PARTLY_RESOLVED if reason is Reason.RECOVERED_WITHOUT_DATA:
                return Mrkdwn(f"{_instances(count)} recovered while there was no data, others still fire")
            case EventKind.PARTLY_RESOLVED:
                return Mrkdwn(f"{_instances(count)} recovered, others still fire ({name})")
            case EventKind.SEVERITY_RAISED:
                return Mrkdwn(f"Severity raised{_to(severity)} by {name}")
            case EventKind.BLIND if about:
                return Mrkdwn(f"No data: {name} cannot query {about}")
            case EventKind.BLIND:
                return Mrkdwn(f"No data: {name} cannot read its data source")
            case EventKind.SIGHT_RESTORED:
                return Mrkdwn(f"Data is back ({name})")
            case EventKind.HELD:
                return Mrkdwn(
                    f"{_instances(count)} stopped reporting without data; this does not count as recovered ({name})"
                )
            case EventKind.STALE:
                return Mrkdwn(f"No updates for {count} h" if count else "No updates for a long time")
            case EventKind.HEARD_AGAIN:
                return Mrkdwn(f"Updates are back ({name})")
            case EventKind.ACKNOWLEDGED:
                return Mrkdwn(f"Acknowledged by {name}{_with_others(reason)}")
            case EventKind.UNACKNOWLEDGED:
                return Mrkdwn(f"Un-acknowledged by {name}")
            case EventKind.RESOLVED if reason is Reason.ALL_RECOVERED:
                return Mrkdwn(f"Resolved automatically: all alerts recovered ({name})")
            case EventKind.RESOLVED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"Resolved by {name}: nothing of it is in the source's own list any more")
            case EventKind.RESOLVED if reason is Reason.RECOVERED_WITHOUT_DATA:
                return Mrkdwn("Resolved automatically: data is back, and nothing fires")
            case EventKind.RESOLVED:
                return Mrkdwn(f"Resolved by {name}{_with_others(reason)}")
            case EventKind.REOPENED if reason is Reason.STILL_FIRING:
                return Mrkdwn("Reopened: it still fires at the source")
            case EventKind.REOPENED if reason is Reason.FIRED_AGAIN:
                return Mrkdwn(f"Reopened: it fired again soon after ({name})")
            case EventKind.REOPENED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"Reopened by {name}: it fires again in the source's own list")
            case EventKind.REOPENED if reason is Reason.RESOLVED_WITHOUT_DATA:
                return Mrkdwn(f"Reopened: the data was lost just as it resolved, so it may not have recovered ({name})")
            case EventKind.REOPENED:
                return Mrkdwn(f"Reopened by {name}")
            case EventKind.NOTED:
                return Mrkdwn(f"Notes added by {name}")
            case EventKind.REPAIRED:
                return Mrkdwn("A counter of this incident was corrected")
            case EventKind.TRUNCATED:
                lost = f"{count} {_plural(count, 'alert')}" if count else "some alerts"
                return Mrkdwn(f"{name} left out {lost} (its limit of alerts per message)")

    def reopen_of(self, number: str) -> str:
        return f"{number or 'This incident'} will be active again, without an owner."

    def acknowledge_of(self, name: str) -> str:
        return f"Acknowledge {name}"

    def unacknowledge_of(self, name: str) -> str:
        return f"Un-acknowledge {name}"

    def resolve_of(self, name: str) -> str:
        return f"Resolve {name}"

    def reopen_button_of(self, name: str) -> str:
        return f"Reopen {name}"

    def details_of(self, name: str) -> str:
        return f"Show details of {name}"

    def share_of(self, name: str) -> str:
        return f"Share in this channel: {name}"

    def resolve_title(self, number: str) -> str:
        return f"Resolve {number}" if number else "Resolve incident"

    def listing_title(self, total: int, *, only_open: bool) -> str:
        counted = str(total) if total <= MOST_COUNTED else f"More than {MOST_COUNTED:,}"
        return f"{counted} {'open ' if only_open else ''}{_plural(total, 'incident')}"

    def listing_rest(self, shown: int, total: int) -> str:
        counted = str(total) if total <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"
        return f"Showing the {shown} most urgent of {counted}."

    def shared_by(self, who: Who) -> Mrkdwn:
        return Mrkdwn(f"Shared by {who.name}")

    def as_of(self, at: Mrkdwn) -> Mrkdwn:
        return led_by("As of", at)

    def done(self, action: Action, name: Mrkdwn) -> Mrkdwn:
        match action:
            case Action.ACKNOWLEDGE:
                return Mrkdwn(f"{name} is acknowledged. You are the owner now.")
            case Action.UNACKNOWLEDGE:
                return Mrkdwn(f"{name} is active again and has no owner.")
            case Action.RESOLVE:
                return Mrkdwn(f"{name} is resolved.")
            case Action.REOPEN:
                return Mrkdwn(f"{name} is open again.")

    def already_acknowledged(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{name} was already acknowledged{_by_when(who, at)}. Nothing was changed.")

    def already_yours(self, name: Mrkdwn, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"You already have {name}{_by_when(None, at)}. Nothing was changed.")

    def left_undone(self, names: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"Not done yet: {names}. The database is slow or away; please try these again in a moment.")

    def already_resolved(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{name} was already resolved{_by_when(who, at)}.")

    def already_unacknowledged(self, name: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{name} is active and has no owner: it is not acknowledged.")

    def already_open(self, name: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{name} is open already. Nothing was changed.")

    def refused_resolved(self, name: Mrkdwn, action: Action) -> Mrkdwn:
        return Mrkdwn(f"{name} is resolved. To {self.action_name(action)} it, reopen it first.")

    def refused_other_open(self, name: Mrkdwn, other: Mrkdwn) -> Mrkdwn:
        open_one = other or Mrkdwn("another incident")
        return Mrkdwn(
            f"{name} was not reopened: {open_one} is already open for the same rule and service. Continue there."
        )

    def not_found(self, reference: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"There is no incident {reference}.")

    def test_received(self, contact_point: Mrkdwn, source: str, at: Mrkdwn) -> Mrkdwn:
        sender = f"the contact point *{contact_point}* in {source}" if contact_point else source
        return Mrkdwn(f"A test alert from {sender} {led_by('arrived', at)}.")

    def meant_for(self, channel: Mrkdwn, error: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"Meant for {channel}, which I cannot post in: {error}.")

    def unknown_command(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"Unknown command {typed}.")

    def missing_reference(self, action: str) -> Mrkdwn:
        return Mrkdwn(f"Which incident? {code(action)} needs its number.")

    def wrong_reference(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{typed} is not the number of an incident or an id such as `INC-…`.")

    def unknown_filter(self, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        return Mrkdwn(f"There is no filter {typed}. Filters are {joined(', ', allowed)}.")

    def unknown_value(self, name: Mrkdwn, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        if not allowed:
            return Mrkdwn(f"The filter {name} needs a value.")
        return Mrkdwn(f"{name} cannot be {typed}. It can be {joined(', ', allowed)}.")

    def too_much(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{typed} at the end is not understood.")

    def did_you_mean(self, command: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"Did you mean {command}?")


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _instances(count: int) -> str:
    return f"{count} {_plural(count, 'instance')}" if count else "Some instances"


def _more(count: int) -> str:
    return f"{count} more {_plural(count, 'instance')}" if count else "More instances"


def _firing(count: int) -> str:
    return f": {count} {_plural(count, 'instance')} firing" if count else ""


def _to(severity: str) -> str:
    return f" to {safe(severity, 40)}" if severity else ""


def _with_others(reason: Reason) -> str:
    return " (together with others)" if reason is Reason.BULK else ""


def _by_when(who: Who | None, at: Mrkdwn) -> str:
    return (f" by {who.name}" if who else "") + (f" ({at})" if at else "")


ENGLISH = English(
    language="en",
    untitled="Untitled incident",
    blind="No data",
    blind_explanation="These rules get no data or an error from their data source: their alerts can neither fire nor "
    "resolve. Their open incidents stay open until data is back.",
    blind_rules="Rules without data",
    stale="Stale",
    status="Status",
    owner="Owner",
    severity="Severity",
    service="Service",
    namespace="Namespace",
    cluster="Cluster",
    phase="Environment",
    started="Started",
    took="Duration",
    firing="Firing",
    values="Values",
    first="First",
    latest="Latest",
    root_cause="Root cause",
    action_taken="Action taken",
    filed_as="ID",
    dashboard="Dashboard",
    panel="Panel",
    runbook="Runbook",
    silence="Silence",
    alert_rule="Alert rule",
    acknowledge="Acknowledge",
    resolve="Resolve…",
    unacknowledge="Un-acknowledge",
    reopen="Reopen",
    details="Details",
    show="Show",
    share="Share in channel",
    cancel="Cancel",
    close="Close",
    reopen_question="Reopen this incident?",
    resolve_submit="Resolve",
    root_cause_placeholder="What was wrong?",
    action_taken_placeholder="What did you do about it?",
    notes_optional="Both are optional. Saved with the incident and shown on its card.",
    earlier_notes="Noted before",
    resolved_too_late="Already resolved",
    your_notes="What you wrote",
    your_notes_kept="Your notes were added to the incident.",
    not_saved="Not saved",
    nothing_open="No open incidents. 🌱",
    nothing_matches="No incident matches this.",
    latest_alerts="Latest alerts",
    no_alerts="No alerts are recorded any more.",
    timeline="Timeline",
    no_events="Nothing has happened yet.",
    alert_firing="firing",
    alert_resolved="resolved",
    narrow_down="To see others, narrow the list down:",
    help_title="Observer",
    help_intro="Observer turns alerts into incidents. Use the buttons on a card, or type:",
    help_list="list what is open, worst first",
    help_filter="list what matches",
    help_show="show one with its latest alerts and timeline",
    help_acknowledge="take it: you become the owner",
    help_unacknowledge="give it back",
    help_resolve="close it; words after the number are kept as the action taken",
    help_reopen="open it again",
    help_help="show this help",
    help_filters="Filters",
    database_away="The database cannot be reached. Nothing was changed. Please try again in a moment.",
    not_looked_up="The database cannot be reached, so nothing can be looked up. Please try again in a moment.",
    internal_error="Something went wrong here and it has been logged. Please check the incident before you try again.",
    old_button="This button is out of date. Use the incident's card, or type the command.",
    dialog_not_opened="Slack did not open the dialog in time. Nothing was changed. Please press the button again.",
    not_of_this_workspace="Only people of this workspace may use Observer. Nothing was changed.",
    not_a_reader="You are not allowed to see incidents here. Nothing was changed.",
    not_shared_here="An incident can be shared only in its own channel. Nothing was posted.",
    not_allowed="You are not allowed to change incidents. Nothing was changed.",
    shared="Shared in this channel.",
    test_title="Test received",
    test_explanation="The source reaches Observer, and Observer can post here. No incident was opened.",
)
