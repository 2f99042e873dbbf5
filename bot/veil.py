"""Masks what Slack shows: the one place where values of the record pass the policy's masking rules for Slack.

Everything that is rendered comes from here, and the record itself stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from db.model.alert import Links
from db.model.identity import KeyParts
from db.model.incident import Details, Event, Firing, Incident, Listing, RecordedAlert
from db.model.lifecycle import Already, Changed, Outcome, Refused
from db.model.masks import Masks
from db.model.storm import Digest, Group, Overview


@dataclass(frozen=True, slots=True)
class Veil:
    """The rules; without any it changes nothing."""

    masks: Masks

    def text(self, text: str) -> str:
        """One text."""
        return self.masks.shown(text)

    def incident(self, incident: Incident) -> Incident:
        """Everything in an incident that a source or a person wrote."""
        if not self.masks.slack:
            return incident
        parts, shown = incident.parts, self.masks.shown
        return replace(
            incident,
            title=shown(incident.title),
            summary=shown(incident.summary),
            service_category=shown(incident.service_category),
            parts=KeyParts(
                shown(parts.rule_uid), shown(parts.cluster), shown(parts.namespace), shown(parts.service),
                shown(parts.phase),
            ),
            fires=self._fires(incident.fires),
            first_values=shown(incident.first_values),
            last_values=shown(incident.last_values),
            blind_on=shown(incident.blind_on),
            rules=tuple(shown(name) for name in incident.rules),
            links=self._links(incident.links),
            action_taken=shown(incident.action_taken),
            root_cause=shown(incident.root_cause),
        )  # fmt: skip

    def details(self, details: Details) -> Details:
        """An incident with its alerts and events."""
        if not self.masks.slack:
            return details
        return Details(
            incident=self.incident(details.incident),
            alerts=tuple(self._alert(alert) for alert in details.alerts),
            events=tuple(self.event(event) for event in details.events),
        )

    def listing(self, listing: Listing) -> Listing:
        """A list of incidents."""
        return replace(listing, incidents=tuple(self.incident(incident) for incident in listing.incidents))

    def outcome(self, outcome: Outcome) -> Outcome:
        """What came of an action."""
        match outcome:
            case Changed():
                return Changed(self.incident(outcome.incident), outcome.event)
            case Already():
                return replace(outcome, incident=self.incident(outcome.incident))
            case Refused():
                return Refused(
                    outcome.reason,
                    self.incident(outcome.incident) if outcome.incident else None,
                    self.incident(outcome.other) if outcome.other else None,
                )

    def digest(self, digest: Digest) -> Digest:
        """What a digest's members have in common."""
        return replace(digest, shared={name: self.text(value) for name, value in digest.shared.items()})

    def group(self, group: Group) -> Group:
        """Whose incidents a group of a digest counts."""
        return replace(group, service=self.text(group.service), cluster=self.text(group.cluster))

    def overview(self, shown: Overview) -> Overview:
        """All that the message of a digest shows."""
        if not self.masks.slack:
            return shown
        return replace(
            shown,
            digest=self.digest(shown.digest),
            whole=self.group(shown.whole),
            groups=tuple(self.group(group) for group in shown.groups),
            members=tuple(self.incident(incident) for incident in shown.members),
        )

    def _fires(self, fires: Firing) -> Firing:
        shown = self.masks.shown
        instances = (
            replace(
                one,
                labels={shown(name): shown(value) for name, value in one.labels.items()},
                first_values=shown(one.first_values),
                last_values=shown(one.last_values),
            )
            for one in fires.instances
        )
        return replace(fires, instances=tuple(instances), summary=shown(fires.summary), links=self._links(fires.links))

    def _links(self, links: Links) -> Links:
        shown = self.masks.shown
        return Links(
            shown(links.source), shown(links.dashboard), shown(links.panel), shown(links.runbook), shown(links.silence)
        )

    def _alert(self, alert: RecordedAlert) -> RecordedAlert:
        return replace(alert, alertname=self.text(alert.alertname), message=self.text(alert.message))

    def event(self, event: Event) -> Event:
        details = {name: self.text(value) if isinstance(value, str) else value for name, value in event.details.items()}
        return replace(event, details=details)
