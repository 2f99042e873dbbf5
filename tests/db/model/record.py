"""A record in memory: does what the store does with a plan, so that stories of grouping run without a server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from db.model.alert import Alert, AlertKind, AlertState
from db.model.blind import BlindRule, lose_sight, settled
from db.model.grouping import Keyed, Known, Plan, Recorded, home_by_rule, in_order, plan, sort
from db.model.identity import Actor, ActorKind, IncidentId, IncidentKey, incident_key, person
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
        self.blind: dict[tuple[str, IncidentKey, str], BlindRule] = {}

    def deliver(self, now: datetime, *alerts: Alert, truncated: int = 0, external_url: str = "") -> Plan:
        """One webhook."""
        reading = replace(a_reading(*alerts), external_url=external_url)
        ordered = sort(reading, self.policy)
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += [(keyed, self._home(keyed, now)) for keyed in ordered.by_rule]
        targets = in_order(targets, ordered.blind)
        decided = plan(
            targets, self.known(now), self.policy, now,
            source_name="grafana", truncated=truncated, origin=reading.origin,
        )  # fmt: skip
        self._apply(decided)
        self.check()
        return decided

    def act(self, now: datetime, incident: IncidentId, action: Action, actor: Actor | None = None) -> Outcome:
        """One click."""
        before = self.incidents[incident]
        other = next((i for i in self.open() if i.key == before.key and i.incident_id != incident), None)
        outcome = transition(before, action, actor or person("U1"), now, other_open=other)
        if isinstance(outcome, Changed | Already):
            after = outcome.incident
            if before.held and not after.held:
                for name, instance in list(self.instances.items()):
                    if name[0] == incident and instance.is_held:
                        self.instances[name] = replace(instance, state=AlertState.RESOLVED, heard_at=now)
            reasons = self._blind_rules().get(after.parts.rule_uid)
            if reasons and after.is_open and not before.is_open:
                after = lose_sight(after, reasons[0])
            self.incidents[incident] = after
        if isinstance(outcome, Changed):
            self.events.append(outcome.event)
        self.check()
        return outcome

    def settle(self, now: datetime) -> None:
        """What the vigil does with what is held."""
        for incident in self.open():
            if incident.sight_at is not None and incident.sight_at <= now - self.policy.blind.settle:
                held = [i for (owner, _), i in self.instances.items() if owner == incident.incident_id and i.is_held]
                done = settled(incident, held, now)
                self.incidents[incident.incident_id] = done.incident
                for instance in done.instances:
                    self.instances[instance.incident_id, instance.fingerprint] = instance
                self.events.append(done.event)
        self.check()

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
            assert incident.held == sum(instance.is_held for instance in mine)
            assert not incident.held or incident.sight_at or incident.unobserved_since, (
                "what is held waits for something"
            )
            unobserved = incident.is_open and incident.parts.rule_uid in {rule for rule, _, _ in self.blind}
            assert (incident.unobserved_since is not None) == unobserved
            assert incident.sight_at is None or (incident.held and incident.is_open)
            assert incident.key == incident_key(incident.parts), "an incident is filed under its own key"
            assert incident.is_open == (incident.resolved_time is None)
        assert {(i.key, i.fingerprint) for i in self.instances.values()} == set(self.current)
        cannot_see = {(b.key, b.fingerprint) for b in self.blind.values()}
        assert cannot_see == {
            (key, fingerprint)
            for (key, fingerprint), name in self.current.items()
            if (instance := self.instances[name, fingerprint]).kind is AlertKind.BLIND
            and instance.state is AlertState.FIRING
        }, "a rule is blind while one of its blind alerts fires"

    def _home(self, keyed: Keyed, now: datetime) -> IncidentKey:
        rule = keyed.alert.rule_uid
        of_rule = [incident for incident in self.open() if incident.parts.rule_uid == rule]
        having = [
            self.instances[name, fingerprint]
            for (_, fingerprint), name in self.current.items()
            if fingerprint == keyed.alert.fingerprint and self.incidents[name].parts.rule_uid == rule
        ]
        having.sort(key=lambda instance: self.incidents[instance.incident_id].number, reverse=True)
        return home_by_rule(keyed, of_rule, having, self.policy, now)

    def _blind_rules(self) -> dict[str, tuple[BlindRule, ...]]:
        found: dict[str, list[BlindRule]] = {}
        for rule in sorted(self.blind.values(), key=lambda rule: (rule.rule_uid, rule.since, rule.fingerprint)):
            found.setdefault(rule.rule_uid, []).append(rule)
        return {rule: tuple(reasons) for rule, reasons in found.items()}

    def _doubtful(self, now: datetime) -> dict[str, tuple[tuple[Incident, tuple[Instance, ...]], ...]]:
        since = now - self.policy.blind.window
        found: dict[str, list[tuple[Incident, tuple[Instance, ...]]]] = {}
        for name, incident in self.incidents.items():
            by_itself = incident.resolved_by is not None and incident.resolved_by.kind is ActorKind.SOURCE
            if not by_itself or incident.resolved_time is None or incident.resolved_time < since:
                continue
            members = tuple(
                instance
                for (owner, fingerprint), instance in self.instances.items()
                if owner == name and instance.state is AlertState.RESOLVED and instance.kind is AlertKind.NORMAL
                and instance.heard_at >= since and self.current.get((instance.key, fingerprint)) == name
            )  # fmt: skip
            if members:
                found.setdefault(incident.parts.rule_uid, []).append((incident, members))
        return {rule: tuple(pairs) for rule, pairs in found.items()}

    def known(self, now: datetime) -> Known:
        """What a store would say of everything at this moment."""
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
            blind=self._blind_rules(),
            doubtful=self._doubtful(now),
            held={
                incident.incident_id: tuple(
                    i for (owner, _), i in self.instances.items() if owner == incident.incident_id and i.is_held
                )
                for incident in self.open()
                if incident.sight_at is not None
            },
        )

    def _apply(self, decided: Plan) -> None:
        for incident in decided.opened:
            assert incident.incident_id not in self.incidents, "an id is given once"
            self.incidents[incident.incident_id] = replace(incident, number=len(self.incidents) + 1)
        for incident in decided.changed:
            assert incident.version == self.incidents[incident.incident_id].version + 1
            self.incidents[incident.incident_id] = incident
        for incident in decided.touched:
            before = self.incidents[incident.incident_id]
            heard = replace(before, last_seen_at=incident.last_seen_at)
            assert incident == heard, "what a card shows changes with the version"
            self.incidents[incident.incident_id] = incident
        for name, fingerprint in decided.superseded:
            self.current.pop((self.incidents[name].key, fingerprint), None)
        for instance in decided.instances:
            known = self.instances.get((instance.incident_id, instance.fingerprint))
            kept = replace(instance, first_values=known.first_values) if known else instance
            self.instances[instance.incident_id, instance.fingerprint] = kept
            self.current[instance.key, instance.fingerprint] = instance.incident_id
        for rule in decided.went_blind:
            self.blind[rule.rule_uid, rule.key, rule.fingerprint] = rule
        for rule in decided.sees_again:
            del self.blind[rule.rule_uid, rule.key, rule.fingerprint]
        self.recorded.extend(decided.recorded)
        self.events.extend(decided.events)
