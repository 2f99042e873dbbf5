"""A record in memory on which the present rules are tried: what stored deliveries and people's actions would give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from db.model import grouping
from db.model.alert import Reading
from db.model.grouping import Keyed, Known, Plan
from db.model.identity import IncidentId, IncidentKey
from db.model.incident import Incident, Instance
from db.model.lifecycle import Already, Changed, transition
from db.model.past import Done
from db.model.policy import Policy


class Rehearsal:
    """Incidents and instances, changed only by the decisions of `grouping` and `lifecycle`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.incidents: dict[IncidentId, Incident] = {}
        self._open: dict[IncidentKey, IncidentId] = {}
        self._last: dict[IncidentKey, IncidentId] = {}
        self._open_of_rule: dict[str, set[IncidentId]] = defaultdict(set)
        self._instances: dict[tuple[IncidentId, str], Instance] = {}
        self._current: dict[tuple[IncidentKey, str], IncidentId] = {}
        self._keys_of: dict[str, set[IncidentKey]] = defaultdict(set)  # under which keys a fingerprint is known

    def deliver(self, reading: Reading, now: datetime) -> Plan:
        """One delivery; what it does."""
        ordered = grouping.sort(reading, self._policy)
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += [(keyed, self._home(keyed, now)) for keyed in ordered.by_rule]
        targets = grouping.in_order(targets, ordered.blind)
        known = self._known({key for _, key in targets}, {keyed.alert.fingerprint for keyed, _ in targets})
        decided = grouping.plan(
            targets, known, self._policy, now, source_name=reading.source, truncated=reading.truncated,
            origin=reading.origin, found_by=reading.found_by,
        )  # fmt: skip
        self._carry_out(decided)
        return decided

    def act(self, name: IncidentId, done: Done) -> bool:
        """What a person did; whether it changes anything."""
        incident = self.incidents[name]
        other = self._open.get(incident.key)
        in_the_way = self.incidents[other] if other not in (None, name) and other is not None else None
        outcome = transition(incident, done.action, done.actor, done.at, notes=done.notes, other_open=in_the_way)
        if not isinstance(outcome, Changed | Already):
            return False
        self._put(outcome.incident)
        return isinstance(outcome, Changed) or outcome.event is not None

    def _home(self, keyed: Keyed, now: datetime) -> IncidentKey:
        rule, fingerprint = keyed.alert.rule_uid, keyed.alert.fingerprint
        of_rule = [self.incidents[name] for name in self._open_of_rule[rule]]
        having = [self._instances[self._current[key, fingerprint], fingerprint] for key in self._keys_of[fingerprint]]
        having = [one for one in having if self.incidents[one.incident_id].parts.rule_uid == rule]
        having.sort(key=lambda one: self.incidents[one.incident_id].number, reverse=True)
        return grouping.home_by_rule(keyed, of_rule, having, self._policy, now)

    def _known(self, keys: Iterable[IncidentKey], fingerprints: Iterable[str]) -> Known:
        """As the record's own reading does it: of these keys and fingerprints only."""
        wanted = set(fingerprints)
        keys = set(keys)
        opened = {key: self.incidents[self._open[key]] for key in keys if key in self._open}
        last = {key: self.incidents[self._last[key]] for key in keys if key in self._last}
        current = {
            (key, fingerprint): self._instances[self._current[key, fingerprint], fingerprint]
            for fingerprint in wanted
            for key in self._keys_of[fingerprint] & keys
        }
        names = {incident.incident_id for incident in (*opened.values(), *last.values())}
        older = {instance.incident_id for instance in current.values()}
        return Known(
            open=opened,
            last=last,
            instances=current,
            closed={name: self.incidents[name] for name in older},
            members={
                (name, fingerprint): self._instances[name, fingerprint]
                for name in names
                for fingerprint in wanted
                if (name, fingerprint) in self._instances
            },
        )

    def _carry_out(self, decided: Plan) -> None:
        for incident in decided.opened:
            self._put(replace(incident, number=len(self.incidents) + 1))
            self._last[incident.key] = incident.incident_id
        for incident in sorted((*decided.changed, *decided.touched), key=lambda one: one.is_open):
            self._put(incident)
        gone = set(decided.superseded)
        for instance in decided.instances:
            name = (instance.incident_id, instance.fingerprint)
            known = self._instances.get(name)
            self._instances[name] = replace(instance, first_values=known.first_values) if known else instance
            if name not in gone:
                self._current[instance.key, instance.fingerprint] = instance.incident_id
                self._keys_of[instance.fingerprint].add(instance.key)
        for entry in decided.recorded:
            incident = self.incidents[entry.incident_id]
            self.incidents[entry.incident_id] = replace(incident, alert_count=incident.alert_count + 1)

    def _put(self, incident: Incident) -> None:
        name, key = incident.incident_id, incident.key
        known = self.incidents.get(name)
        self.incidents[name] = incident if known is None else replace(incident, alert_count=known.alert_count)
        of_rule = self._open_of_rule[incident.parts.rule_uid]
        if incident.is_open:
            self._open[key] = name
            of_rule.add(name)
        else:
            of_rule.discard(name)
            if self._open.get(key) == name:
                del self._open[key]
