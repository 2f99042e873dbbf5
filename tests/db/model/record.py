"""A record in memory: does what the store does with a plan, so that stories of grouping run without a server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from db.model.alert import Alert, AlertKind, AlertState
from db.model.grouping import Keyed, Known, Plan, Recorded, home_of_blind, plan, sort
from db.model.identity import Actor, IncidentId, IncidentKey, incident_key, person
from db.model.incident import Event, Incident, Instance
from db.model.lifecycle import Action, Already, Changed, Outcome, transition
from db.model.policy import Policy
from tests.db.builders import a_reading, at


class MemoryRecord:
    """Incidents, instances, alerts and timeline, changed only through plans and people's actions."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.incidents: dict[IncidentId, Incident] = {}
        self.instances: dict[tuple[IncidentId, str], Instance] = {}
        self.current: dict[tuple[IncidentKey, str], IncidentId] = {}
        self.recorded: list[Recorded] = []
        self.events: list[Event] = []

    def deliver(self, now: datetime, *alerts: Alert, truncated: int = 0) -> Plan:
        """One webhook."""
        ordered = sort(a_reading(*alerts), self.policy)
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += [(keyed, self._home(keyed, now)) for keyed in ordered.blind]
        decided = plan(targets, self._known(), self.policy, now, source_name="grafana", truncated=truncated)
        self._apply(decided)
        self.check()
        return decided

    def act(self, now: datetime, incident: IncidentId, action: Action, actor: Actor | None = None) -> Outcome:
        """One click."""
        before = self.incidents[incident]
        other = next((i for i in self.open() if i.key == before.key and i.incident_id != incident), None)
        outcome = transition(before, action, actor or person("U1"), now, other_open=other)
        if isinstance(outcome, Changed | Already):
            self.incidents[incident] = outcome.incident
        if isinstance(outcome, Changed):
            self.events.append(outcome.event)
        self.check()
        return outcome

    def open(self) -> list[Incident]:
        """The open incidents, oldest first."""
        return [incident for incident in self.incidents.values() if incident.is_open]

    def state_of(self, key: IncidentKey, fingerprint: str) -> AlertState:
        """What is known of an instance in the newest incident that has it."""
        return self.instances[self.current[key, fingerprint], fingerprint].state

    def without_hearing(self) -> tuple[object, ...]:
        """All but the fact log and the times at which something was heard of."""
        never = at(0)
        return (
            {name: replace(incident, last_seen_at=never, alert_count=0) for name, incident in self.incidents.items()},
            self.instances,
            self.current,
            self.events,
        )

    def check(self) -> None:
        """What must hold after every step, whatever was delivered and clicked."""
        keys = [incident.key for incident in self.open()]
        assert len(keys) == len(set(keys)), "at most one open incident per key"
        alerts = Counter(entry.incident_id for entry in self.recorded)
        assert set(alerts) == set(self.incidents), "every alert has an incident, every incident an alert"
        for name, incident in self.incidents.items():
            mine = [instance for (owner, _), instance in self.instances.items() if owner == name]
            firing = [instance for instance in mine if instance.state is AlertState.FIRING]
            blind = [instance for instance in firing if instance.kind is AlertKind.BLIND]
            assert incident.instances_total == len(mine)
            assert incident.instances_firing == len(firing)
            assert incident.blind_firing == len(blind)
            assert incident.key == incident_key(incident.parts), "an incident is filed under its own key"
            assert incident.is_open == (incident.resolved_time is None)
        assert {(i.key, i.fingerprint) for i in self.instances.values()} == set(self.current)

    def _home(self, keyed: Keyed, now: datetime) -> IncidentKey:
        rule = keyed.alert.rule_uid
        of_rule = [incident for incident in self.open() if incident.parts.rule_uid == rule]
        having = [
            self.instances[name, fingerprint]
            for (_, fingerprint), name in self.current.items()
            if fingerprint == keyed.alert.fingerprint and self.incidents[name].parts.rule_uid == rule
        ]
        having.sort(key=lambda instance: self.incidents[instance.incident_id].number, reverse=True)
        return home_of_blind(keyed, of_rule, having, self.policy, now)

    def _known(self) -> Known:
        last: dict[IncidentKey, Incident] = {}
        for incident in sorted(self.incidents.values(), key=lambda incident: incident.number):
            last[incident.key] = incident
        return Known(
            open={incident.key: incident for incident in self.open()},
            last=last,
            instances={
                (key, fingerprint): self.instances[name, fingerprint]
                for (key, fingerprint), name in self.current.items()
            },
            closed=dict(self.incidents),
            members=dict(self.instances),
        )

    def _apply(self, decided: Plan) -> None:
        for incident in decided.opened:
            assert incident.incident_id not in self.incidents, "an id is given once"
            self.incidents[incident.incident_id] = replace(incident, number=len(self.incidents) + 1)
        for incident in decided.changed:
            assert incident.version == self.incidents[incident.incident_id].version + 1
            self.incidents[incident.incident_id] = incident
        for incident in decided.touched:
            assert incident.version == self.incidents[incident.incident_id].version
            self.incidents[incident.incident_id] = incident
        for name, fingerprint in decided.superseded:
            self.current.pop((self.incidents[name].key, fingerprint), None)
        for instance in decided.instances:
            known = self.instances.get((instance.incident_id, instance.fingerprint))
            kept = replace(instance, first_values=known.first_values) if known else instance
            self.instances[instance.incident_id, instance.fingerprint] = kept
            self.current[instance.key, instance.fingerprint] = instance.incident_id
        self.recorded.extend(decided.recorded)
        self.events.extend(decided.events)
