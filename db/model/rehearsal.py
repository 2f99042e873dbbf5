"""A record in memory on which the present rules are tried: what stored deliveries and people's actions would give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from db.model import blind, grouping, stale, still_firing
from db.model.alert import AlertKind, AlertState, Reading
from db.model.blind import BlindRule
from db.model.grouping import Keyed, Known, Plan
from db.model.identity import ActorKind, IncidentId, IncidentKey, of_origin
from db.model.incident import EventKind, Incident, Instance
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
        self._over_of_rule: dict[str, set[IncidentId]] = defaultdict(set)
        self._members: dict[IncidentId, dict[str, Instance]] = defaultdict(dict)
        self._blind: dict[str, dict[tuple[IncidentKey, str], BlindRule]] = defaultdict(dict)
        self._instances: dict[tuple[IncidentId, str], Instance] = {}
        self._current: dict[tuple[IncidentKey, str], IncidentId] = {}
        self._keys_of: dict[str, set[IncidentKey]] = defaultdict(set)  # under which keys a fingerprint is known

    def deliver(self, reading: Reading, now: datetime) -> Plan:
        """One delivery; what it does."""
        ordered = grouping.sort(reading, self._policy)
        everything = (*ordered.keyed, *ordered.by_rule, *ordered.blind)
        rules = {keyed.alert.rule_uid for keyed in (*ordered.blind, *ordered.by_rule)}
        doubtful = self._doubtful(rules, now)
        keys = {keyed.key for keyed in everything} | {incident.key for incident, _ in doubtful}
        keys |= {self.incidents[name].key for rule in rules for name in self._open_of_rule[rule]}
        keys |= {key for keyed in ordered.by_rule for key in self._keys_of[keyed.alert.fingerprint]}
        known = self._known(keys, everything, rules, reading.origin, now)
        known = replace(
            known,
            doubtful={rule: tuple(pair for pair in doubtful if pair[0].parts.rule_uid == rule) for rule in rules},
        )
        targets = [(keyed, keyed.key) for keyed in ordered.keyed]
        targets += [(keyed, self._home(keyed, now)) for keyed in ordered.by_rule]
        decided = grouping.plan(
            grouping.in_order(targets, ordered.blind),
            known,
            self._policy,
            now,
            source_name=reading.source,
            truncated=reading.truncated,
            origin=reading.origin,
            found_by=reading.found_by,
        )
        self._carry_out(decided)
        return decided

    def act(self, name: IncidentId, done: Done) -> bool:
        """What a person did; whether it changes anything."""
        assert done.action is not None  # noqa: S101 - a person did something
        incident = self.incidents[name]
        other = self._open.get(incident.key)
        in_the_way = self.incidents[other] if other not in (None, name) and other is not None else None
        outcome = transition(incident, done.action, done.actor, done.at, notes=done.notes, other_open=in_the_way)
        if not isinstance(outcome, Changed | Already):
            return False
        if incident.held and not outcome.incident.held:
            self._write([replace(one, state=AlertState.RESOLVED, heard_at=done.at) for one in self._held(name)])
        after = outcome.incident
        reasons = self._blind_rules({incident.parts.rule_uid}).get(incident.parts.rule_uid)
        if after.is_open and not incident.is_open and reasons:
            after = blind.lose_sight(after, reasons[0])
        self._put(after)
        return isinstance(outcome, Changed) or outcome.event is not None

    def pass_time(self, name: IncidentId, line: Done) -> None:
        """What time did where this line was left: what was held settled, the mark of a silent one came or
        went, or what still fires was opened again."""
        now, incident = line.at, self.incidents[name]
        if line.actor == still_firing.OBSERVER:
            after = self._policy.still_firing_after
            if incident.key not in self._open and still_firing.is_due(incident, after, now):
                self._put(still_firing.opened_again(incident, now)[0])
            return
        if incident.is_open:
            if line.actor == blind.OBSERVER and self._settles(incident, now):
                done = blind.settled(incident, self._held(name), now)
                self._write(done.instances)
                self._put(done.incident)
            elif line.actor == stale.OBSERVER and line.kind is EventKind.HEARD_AGAIN:
                self._put(stale.heard_of(incident, line.actor, now)[0])
            elif line.actor == stale.OBSERVER and stale.is_stale(incident, self._policy.stale_after, now):
                self._put(stale.marked(incident, now)[0])

    def _home(self, keyed: Keyed, now: datetime) -> IncidentKey:
        rule, fingerprint = keyed.alert.rule_uid, keyed.alert.fingerprint
        of_rule = [self.incidents[name] for name in self._open_of_rule[rule]]
        having = [self._instances[self._current[key, fingerprint], fingerprint] for key in self._keys_of[fingerprint]]
        having = [one for one in having if self.incidents[one.incident_id].parts.rule_uid == rule]
        having.sort(key=lambda one: self.incidents[one.incident_id].number, reverse=True)
        return grouping.home_by_rule(keyed, of_rule, having, self._policy, now)

    def _doubtful(self, rules: Iterable[str], now: datetime) -> list[tuple[Incident, tuple[Instance, ...]]]:
        """Incidents of these rules that their source resolved a moment ago, with what resolved then."""
        since = now - self._policy.blind.window
        found = []
        for name in sorted(name for rule in rules for name in self._over_of_rule[rule]):
            incident = self.incidents[name]
            by_source = incident.resolved_by is not None and incident.resolved_by.kind is ActorKind.SOURCE
            late = incident.resolved_time is not None and incident.resolved_time >= since
            if by_source and late and incident.last_seen_at >= since:
                members = tuple(
                    one for one in self._members[name].values()
                    if one.state is AlertState.RESOLVED and one.kind is AlertKind.NORMAL and one.heard_at >= since
                    and self._current.get((one.key, one.fingerprint)) == name
                )  # fmt: skip
                if members:
                    found.append((incident, members))
        return found

    def _known(
        self, keys: Iterable[IncidentKey], keyed: Sequence[Keyed], sighted: set[str], origin: str, now: datetime
    ) -> Known:
        """As the record's own reading does it: of these keys and fingerprints only."""
        wanted = {one.alert.fingerprint for one in keyed}
        wanted |= {of_origin(fingerprint, origin) for fingerprint in wanted} if origin else set()
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
            blind=self._blind_rules(sighted | {one.alert.rule_uid for one in keyed if one.key not in opened}),
            held={one.incident_id: self._held(one.incident_id) for one in opened.values() if self._settles(one, now)},
        )

    def _blind_rules(self, rules: Iterable[str]) -> dict[str, tuple[BlindRule, ...]]:
        return {
            rule: tuple(sorted(self._blind[rule].values(), key=lambda one: (one.since, one.fingerprint)))
            for rule in rules
            if self._blind[rule]
        }

    def _settles(self, incident: Incident, now: datetime) -> bool:
        return incident.sight_at is not None and incident.sight_at <= now - self._policy.blind.settle

    def _held(self, name: IncidentId) -> tuple[Instance, ...]:
        return tuple(one for one in self._members[name].values() if one.is_held)

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
            self._write([replace(instance, first_values=known.first_values) if known else instance])
            if name not in gone:
                self._current[instance.key, instance.fingerprint] = instance.incident_id
                self._keys_of[instance.fingerprint].add(instance.key)
        for rule in decided.went_blind:
            self._blind[rule.rule_uid][rule.key, rule.fingerprint] = rule
        for rule in decided.sees_again:
            self._blind[rule.rule_uid].pop((rule.key, rule.fingerprint), None)
        for entry in decided.recorded:
            incident = self.incidents[entry.incident_id]
            self.incidents[entry.incident_id] = replace(incident, alert_count=incident.alert_count + 1)

    def _write(self, some: Iterable[Instance]) -> None:
        for instance in some:
            self._instances[instance.incident_id, instance.fingerprint] = instance
            self._members[instance.incident_id][instance.fingerprint] = instance

    def _put(self, incident: Incident) -> None:
        name, key = incident.incident_id, incident.key
        known = self.incidents.get(name)
        self.incidents[name] = incident if known is None else replace(incident, alert_count=known.alert_count)
        of_rule = self._open_of_rule[incident.parts.rule_uid]
        if incident.is_open:
            self._open[key] = name
            of_rule.add(name)
            self._over_of_rule[incident.parts.rule_uid].discard(name)
        else:
            of_rule.discard(name)
            self._over_of_rule[incident.parts.rule_uid].add(name)
            if self._open.get(key) == name:
                del self._open[key]
