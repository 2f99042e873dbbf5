"""What one delivery does to the record: which incidents open, join, resolve or reopen, and what stays a mere repeat.

What each alert means is told by `db.model.meaning`. A new occurrence joins the open incident of its key, else reopens
the last one inside `reopen_window`, else opens one. A repeat of an occurrence that a person resolved belongs to that
incident and opens nothing. An incident resolves by itself when its last firing instance resolves.

A blind alert belongs to the incident of its data source (`db.model.blind`). When the first one of a rule fires, the
rule's open incidents become unobserved; when the last one resolves, they are observed again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from db.model.alert import Alert, AlertKind, AlertState, Links, Reading, is_named
from db.model.attribution import key_parts
from db.model.blind import (
    BLIND_TITLE,
    BlindRule,
    doubted,
    kept_rule,
    lose_sight,
    regain_sight,
    says_silence,
    settled,
    source_name,
)
from db.model.identity import Actor, IncidentId, IncidentKey, KeyParts, incident_id, incident_key, observer, source
from db.model.incident import Event, EventKind, Incident, Instance, Status
from db.model.lifecycle import released, reopened, shown
from db.model.meaning import Meaning, meaning_of, name_of, repeated, values_text
from db.model.policy import Policy
from db.model.reason import Reason
from db.model.source import source_of

InstanceName = tuple[IncidentKey, str]
"""A key and the name of an instance: a fingerprint, or `of_origin` for another server's."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """An alert with the key of the incident it belongs to."""

    alert: Alert
    parts: KeyParts
    key: IncidentKey
    implied: bool = False  # not said, but meant by another alert; it leaves no row in the fact log


@dataclass(frozen=True, slots=True)
class Sorted:
    """The alerts of a reading by what they are for."""

    keyed: tuple[Keyed, ...]  # normal alerts
    by_rule: tuple[Keyed, ...]  # found by their rule; their key is where they go when it knows nothing of them
    blind: tuple[Keyed, ...]
    tests: tuple[Alert, ...]
    heartbeats: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the record knows of the keys of a delivery, read after their rows were locked."""

    open: dict[IncidentKey, Incident]
    last: dict[IncidentKey, Incident]  # the newest incident of a key, open or not
    instances: dict[InstanceName, Instance]  # in the newest incident of the key that has the fingerprint
    closed: dict[IncidentId, Incident] = field(default_factory=dict)  # older incidents those instances are in
    # the same fingerprints where they are not the newest of their key: in an incident that a person reopened
    members: dict[tuple[IncidentId, str], Instance] = field(default_factory=dict)
    blind: Mapping[str, tuple[BlindRule, ...]] = field(default_factory=dict)  # by rule, as far as it can matter
    # by rule: incidents that their source resolved a moment ago, with what resolved then
    doubtful: Mapping[str, tuple[tuple[Incident, tuple[Instance, ...]], ...]] = field(default_factory=dict)
    held: Mapping[IncidentId, tuple[Instance, ...]] = field(default_factory=dict)  # of incidents that are to settle now


@dataclass(frozen=True, slots=True)
class Recorded:
    """An alert and the incident its row belongs to."""

    keyed: Keyed
    incident_id: IncidentId
    key: IncidentKey  # of that incident: a blind alert may join one of another key
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, in the order of the keys."""

    opened: tuple[Incident, ...]
    changed: tuple[Incident, ...]  # a visible change: a new version
    touched: tuple[Incident, ...]  # heard of again, nothing to see
    instances: tuple[Instance, ...]
    superseded: tuple[tuple[IncidentId, str], ...]  # instances that are not the newest of their key any more
    recorded: tuple[Recorded, ...]
    events: tuple[Event, ...]
    went_blind: tuple[BlindRule, ...] = ()
    sees_again: tuple[BlindRule, ...] = ()  # blind alerts that are over

    def count(self, kind: EventKind) -> int:
        """How many events of this kind there are."""
        return sum(event.kind is kind for event in self.events)


def sort(reading: Reading, policy: Policy) -> Sorted:
    """Give every alert its key, and set aside tests and heartbeats."""
    normal: list[Keyed] = []
    by_rule: list[Keyed] = []
    blind: list[Keyed] = []
    tests: list[Alert] = []
    heartbeats: list[Alert] = []
    origin = _host(reading.external_url) if policy.blind.by_origin else ""
    for alert in reading.alerts:
        facts = source_of(alert.source)
        if alert.kind is AlertKind.TEST:
            tests.append(alert)
        elif alert.kind is AlertKind.NORMAL and facts.sends_heartbeats and policy.is_heartbeat(alert.labels):
            heartbeats.append(alert)
        elif facts.speaks_for_whole_rule:
            said, meant = _of_legacy(alert)
            if said.kind is AlertKind.BLIND:
                blind.append(_keyed(said, policy))
            else:
                (by_rule if said.state is AlertState.RESOLVED else normal).append(_keyed(said, policy))
                blind.append(replace(_keyed(meant, policy), implied=True))
        else:
            parts = key_parts(alert, policy, origin)
            keyed = Keyed(alert, parts, incident_key(parts))
            (blind if alert.kind is AlertKind.BLIND else normal).append(keyed)
    return Sorted(tuple(normal), tuple(by_rule), tuple(blind), tuple(tests), tuple(heartbeats))


def is_about_sight(alert: Alert) -> bool:
    """Whether an alert says something of what its rule can see: blind ones, and everything of legacy Grafana, where
    one message is the state of the whole rule."""
    return alert.kind is AlertKind.BLIND or source_of(alert.source).speaks_for_whole_rule


def home_by_rule(
    keyed: Keyed, of_rule: Sequence[Incident], instances: Sequence[Instance], policy: Policy, now: datetime
) -> IncidentKey:
    """The key of the incident that "ok" of legacy Grafana goes to: it may come with other tags than "alerting" had.

    `of_rule` are the open incidents of its rule, `instances` what is known of its fingerprint under that rule, the
    newest incident first. It belongs to the open incident where its fingerprint fires; an occurrence that is known
    stays where it is, also when a person resolved that incident; else it goes to the open incident of the rule that
    was heard of last; without one it forms its own.
    """
    alert = keyed.alert
    open_ids = {incident.incident_id for incident in of_rule}
    same = [instance for instance in instances if instance.fingerprint == alert.fingerprint]
    firing = [one for one in same if one.state is AlertState.FIRING and one.incident_id in open_ids]
    if firing:
        return max(firing, key=lambda instance: instance.starts_at).key
    for instance in same:
        if meaning_of(alert, instance, now, policy) is not Meaning.NEW_OCCURRENCE:
            return instance.key
    best = max(of_rule, key=lambda incident: (incident.last_seen_at, incident.number), default=None)
    return best.key if best is not None else keyed.key


def in_order(keyed: Iterable[tuple[Keyed, IncidentKey]], blind: Iterable[Keyed]) -> list[tuple[Keyed, IncidentKey]]:
    """The alerts of one body as they are to be planned: a rule goes blind first and sees again last, so that a
    "resolved" beside either is read as silence."""
    firing = [(one, one.key) for one in blind if one.alert.state is AlertState.FIRING]
    over = [(one, one.key) for one in blind if one.alert.state is AlertState.RESOLVED]
    return [*firing, *keyed, *over]


def plan(
    alerts: Iterable[tuple[Keyed, IncidentKey]],
    known: Known,
    policy: Policy,
    now: datetime,
    *,
    source_name: str,
    truncated: int = 0,
    origin: str = "",
    found_by: Reason = Reason.NONE,
) -> Plan:
    """Decide what a delivery does at `now` (UTC); `alerts` come with the key of the incident they go to.

    `origin` is the server that says so; `found_by` is set for what Observer found out by itself, see `Reading`.
    """
    actor = observer(found_by.removeprefix("found_by_")) if found_by else source(source_name)
    drafts: dict[IncidentKey, _Draft] = {}
    sight = _Sight(known)

    def new_draft(key: IncidentKey) -> _Draft:
        return _Draft(key, known, policy, now, actor, origin, found_by, sight)

    for keyed, key in alerts:
        draft = drafts.get(key)
        if draft is None:
            draft = drafts[key] = new_draft(key)
        draft.add(keyed)
        if sight.flipped:
            _spread(sight, drafts, known, new_draft)
    opened: list[Incident] = []
    changed: list[Incident] = []
    touched: list[Incident] = []
    ordered = [draft for _, draft in sorted(drafts.items())]
    for draft in ordered:
        draft.finish(truncated)
        for before, now_is in draft.pairs():
            if before is None:
                opened.append(now_is)
            else:
                (changed if now_is.version != before.version else touched).append(now_is)
    return Plan(
        opened=tuple(opened),
        changed=tuple(changed),
        touched=tuple(touched),
        instances=tuple([instance for draft in ordered for instance in draft.written.values()]),
        superseded=tuple([pair for draft in ordered for pair in draft.superseded]),
        recorded=tuple([recorded for draft in ordered for recorded in draft.recorded]),
        events=tuple([event for draft in ordered for event in draft.events]),
        went_blind=sight.went_blind(),
        sees_again=sight.sees_again(),
    )


def _spread(
    sight: _Sight,
    drafts: dict[IncidentKey, _Draft],
    known: Known,
    new_draft: Callable[[IncidentKey], _Draft],
) -> None:
    """Tell the open incidents of rules that went blind, or see again."""
    while sight.flipped:
        rule = sight.flipped.pop()
        blind = sight.of(rule)
        doubtful = known.doubtful.get(rule, ()) if blind else ()
        keys = sight.open_keys(rule) | {key for key, draft in drafts.items() if draft.rule == rule}
        for key in sorted(keys | {incident.key for incident, _ in doubtful}):
            if key not in drafts:
                drafts[key] = new_draft(key)
        for incident, members in doubtful:
            drafts[incident.key].doubt(incident, members)
        for key in sorted(keys | {incident.key for incident, _ in doubtful}):
            drafts[key].see(blind)


def carry_out(known: Known, decided: Plan) -> None:
    """Let `known` say what is known once a plan is carried out; the next delivery of the same transaction is decided on
    that."""
    for incident in decided.opened:
        if before := known.last.get(incident.key):
            known.closed[before.incident_id] = before
        known.last[incident.key] = incident
    for incident in (*decided.opened, *decided.changed, *decided.touched):
        key, name = incident.key, incident.incident_id
        if known.last[key].incident_id == name:
            known.last[key] = incident
        else:
            known.closed[name] = incident
        if incident.is_open:
            known.open[key] = incident
        elif key in known.open and known.open[key].incident_id == name:
            del known.open[key]
    gone = set(decided.superseded)
    for instance in decided.instances:
        known.members[instance.incident_id, instance.fingerprint] = instance
        if (instance.incident_id, instance.fingerprint) not in gone:
            known.instances[instance.key, instance.fingerprint] = instance


def together(plans: Sequence[Plan]) -> Plan:
    """Plans that were decided one after the other, as one: every row is written once, as the last of them left it."""
    opened: dict[IncidentId, Incident] = {}
    changed: dict[IncidentId, Incident] = {}
    touched: dict[IncidentId, Incident] = {}
    instances: dict[tuple[IncidentId, str], Instance] = {}
    superseded: dict[tuple[IncidentId, str], None] = {}
    for decided in plans:
        opened.update({incident.incident_id: incident for incident in decided.opened})
        for incident in decided.changed:
            touched.pop(incident.incident_id, None)
            (opened if incident.incident_id in opened else changed)[incident.incident_id] = incident
        for incident in decided.touched:
            place = next((seen for seen in (opened, changed) if incident.incident_id in seen), touched)
            place[incident.incident_id] = incident
        for instance in decided.instances:
            instances[instance.incident_id, instance.fingerprint] = instance
            superseded.pop((instance.incident_id, instance.fingerprint), None)
        superseded.update(dict.fromkeys(decided.superseded))
    return Plan(
        opened=tuple(opened.values()),
        changed=tuple(changed.values()),
        touched=tuple(touched.values()),
        instances=tuple(instances.values()),
        superseded=tuple(superseded),
        recorded=tuple(entry for decided in plans for entry in decided.recorded),
        events=tuple(event for decided in plans for event in decided.events),
        went_blind=tuple(rule for decided in plans for rule in decided.went_blind),
        sees_again=tuple(rule for decided in plans for rule in decided.sees_again),
    )


class _Sight:
    """Which rules cannot see, while a delivery is being decided."""

    def __init__(self, known: Known) -> None:
        self._before = known.blind
        self._open = known.open
        self._keys: dict[str, set[IncidentKey]] | None = None
        self._now: dict[str, dict[InstanceName, BlindRule]] = {}
        self.flipped: list[str] = []  # rules that went blind or see again, and whose incidents were not told yet

    def open_keys(self, rule: str) -> set[IncidentKey]:
        """The keys of the open incidents of a rule, as they were before the delivery."""
        if self._keys is None:
            self._keys = defaultdict(set)
            for incident in self._open.values():
                self._keys[incident.parts.rule_uid].add(incident.key)
        return self._keys.get(rule, set())

    def of(self, rule: str) -> BlindRule | None:
        """Why a rule is blind: the first of its blind alerts; None when it sees."""
        if rule not in self._now:
            before = self._before.get(rule)
            return before[0] if before else None
        return next(iter(self._now[rule].values()), None)

    def lose(self, blind: BlindRule) -> None:
        """A blind alert of the rule fires."""
        rules = self._rules(blind.rule_uid)
        if not rules:
            self.flipped.append(blind.rule_uid)
        rules[blind.key, blind.fingerprint] = blind

    def regain(self, rule: str, name: InstanceName) -> None:
        """A blind alert of the rule is over."""
        rules = self._rules(rule)
        if rules.pop(name, None) is not None and not rules:
            self.flipped.append(rule)

    def went_blind(self) -> tuple[BlindRule, ...]:
        """What is to be written."""
        pairs = ((rule, blind) for rule, now in sorted(self._now.items()) for blind in now.values())
        return tuple(blind for rule, blind in pairs if blind not in self._before.get(rule, ()))

    def sees_again(self) -> tuple[BlindRule, ...]:
        """What is to be removed."""
        return tuple(
            blind
            for rule, now in sorted(self._now.items())
            for blind in self._before.get(rule, ())
            if (blind.key, blind.fingerprint) not in now
        )

    def _rules(self, rule: str) -> dict[InstanceName, BlindRule]:
        before = self._before.get(rule, ())
        return self._now.setdefault(rule, {(blind.key, blind.fingerprint): blind for blind in before})


@dataclass(slots=True)
class _Story:
    """What happened to an incident, for its timeline; an alert that changes nothing leaves none."""

    joined: int = 0  # instances that fire now
    again: int = 0  # of these, what was held while there was no data
    resolved: int = 0
    began: tuple[EventKind, Status | None, Reason] | None = None  # how it opened or reopened, its status before, why
    raised: str = ""  # the severity it has now
    held: int = 0  # resolves that do not count yet
    held_why: Reason = Reason.NONE
    sight: tuple[EventKind, BlindRule | None] | None = None
    settled: Event | None = None


_NOTHING = _Story()


class _Draft:
    """One key while a delivery is being decided."""

    def __init__(
        self,
        key: IncidentKey,
        known: Known,
        policy: Policy,
        now: datetime,
        actor: Actor,
        origin: str,
        found_by: Reason,
        all_sight: _Sight,
    ) -> None:
        self.key = key
        self._known = known
        self._policy = policy
        self._now = now
        self._actor = actor
        self._origin = origin
        self._found_by = found_by
        self._open = known.open.get(key)
        self._last = known.last.get(key)
        self._before: dict[IncidentId, Incident | None] = {}
        self._after: dict[IncidentId, Incident] = {}
        self._instances: dict[str, Instance] = {}
        self._stories: dict[IncidentId, _Story] = {}
        self._all_sight = all_sight
        self.written: dict[tuple[IncidentId, str], Instance] = {}
        self.superseded: list[tuple[IncidentId, str]] = []
        self.recorded: list[Recorded] = []
        self.events: list[Event] = []

        self._let_settle()

    def _let_settle(self) -> None:
        """What waited long enough for sight takes effect before anything new is decided, whether the vigil came to it
        or not: so the record is the same however late that is, and when deliveries are replayed."""
        incident = self._open
        if incident is None or incident.sight_at is None or self._now - incident.sight_at < self._policy.blind.settle:
            return
        known = self._known.held.get(incident.incident_id, ())
        latest = (self._known.members.get((one.incident_id, one.fingerprint), one) for one in known)
        if held := [one for one in latest if one.is_held]:
            done = settled(incident, held, self._now)
            self._story(incident.incident_id).settled = done.event
            for instance in done.instances:
                self._write(instance)
            self._put(done.incident)
            self._open = done.incident if done.incident.is_open else None

    # -- one alert ---------------------------------------------------------------------------------------------

    def add(self, keyed: Keyed) -> None:
        """Take one alert in."""
        said = keyed
        name = name_of(keyed.alert, self._origin, self._instance)
        if name != keyed.alert.fingerprint:
            keyed = replace(keyed, alert=replace(keyed.alert, fingerprint=name))
        alert = keyed.alert
        instance = self._instance(name)
        if keyed.implied and (instance is None or instance.state is not AlertState.FIRING):
            return
        meaning = meaning_of(alert, instance, self._now, self._policy)
        if meaning is Meaning.RESOLVED and instance is not None and self._is_silence(alert, instance):
            meaning = Meaning.HELD
        match meaning:
            case Meaning.NEW_OCCURRENCE:
                incident = self._incident_for_new(keyed)
                incident = self._fire(incident, keyed, instance)
            case Meaning.RESOLVED:
                assert instance is not None  # noqa: S101 - that is what this meaning says
                incident = self._settle(self._incident_of(instance), alert, instance)
            case Meaning.HELD:
                assert instance is not None  # noqa: S101 - the same
                incident = self._hold(self._incident_of(instance), alert, instance)
            case Meaning.RESOLVED_UNSEEN:
                incident = self._settle_unseen(keyed)
            case Meaning.REPEAT | Meaning.LATE:
                assert instance is not None  # noqa: S101 - that is what these meanings say
                incident = self._repeat(self._incident_of(instance), alert, instance, meaning)
        if incident.last_seen_at < self._now or incident.stale_since is not None:  # once per delivery: copies cost
            incident = incident.heard(self._now)
        self._put(incident)
        if not keyed.implied:
            self.recorded.append(Recorded(said, incident.incident_id, self.key, meaning))

    # -- what the rule can see ---------------------------------------------------------------------------------

    @property
    def rule(self) -> str:
        """The rule of the open incident, if there is one."""
        return kept_rule(self._open.parts.rule_uid) if self._open is not None else ""

    def see(self, blind: BlindRule | None) -> None:
        """The rule of the open incident went blind, or sees again (None)."""
        if self._open is None:
            return
        incident = self._current(self._open)
        if not incident.is_open:
            return
        story = self._story(incident.incident_id)
        if blind is None and (incident.unobserved_since is not None or story.sight is not None):
            self._put(regain_sight(incident, self._now))
            story.sight = (EventKind.SIGHT_RESTORED, None)
        elif blind is not None and incident.unobserved_since is None:
            self._put(lose_sight(incident, blind))
            story.sight = (EventKind.BLIND, blind)

    def doubt(self, incident: Incident, members: Sequence[Instance]) -> None:
        """An incident resolved by itself just before its rule went blind: that was silence."""
        newest = self._last is not None and self._last.incident_id == incident.incident_id
        if self._open is not None or not newest or incident.incident_id in self._after:
            return
        again, held = doubted(incident, members)
        for instance in held:
            self._write(instance)
        self._put(again)
        self._open = again
        self._story(incident.incident_id).began = (EventKind.REOPENED, Status.RESOLVED, Reason.RESOLVED_WITHOUT_DATA)

    def _is_silence(self, alert: Alert, instance: Instance) -> bool:
        """Whether "resolved" of an instance says nothing, because its rule cannot see."""
        incident = self._incident_of(instance)
        if is_about_sight(alert) or not incident.is_open:
            return False
        return incident.unobserved_since is not None or says_silence(alert)

    def _hold(self, incident: Incident, alert: Alert, instance: Instance) -> Incident:
        """An instance "resolves" unseen: it counts as firing until sight returns."""
        self._write(
            replace(
                instance,
                starts_at=max(instance.starts_at, alert.starts_at or instance.starts_at),
                ends_at=alert.ends_at or self._now,
                heard_at=self._now,
                last_values=values_text(alert) or instance.last_values,
            )
        )
        incident = replace(incident, last_values=values_text(alert) or incident.last_values)
        if instance.is_held:
            return incident
        blind = incident.unobserved_since is not None
        story = self._story(incident.incident_id)
        story.held += 1
        story.held_why = Reason.NO_DATA if blind else Reason.NO_DATA_SAID
        return replace(incident, held=incident.held + 1, sight_at=None if blind else self._now)

    def _incident_for_new(self, keyed: Keyed) -> Incident:
        """The incident that a new occurrence belongs to: the open one, a reopened one, or a new one."""
        if self._open is not None:
            return self._current(self._open)
        last = self._current(self._last) if self._last is not None else None
        window = self._policy.reopen_window
        if keyed.alert.kind is AlertKind.BLIND:
            window = max(window, self._policy.blind.window)
        if window and last is not None and last.resolved_time and self._now - last.resolved_time < window:
            reason = self._found_by or Reason.FIRED_AGAIN
            self._story(last.incident_id).began = (EventKind.REOPENED, Status.RESOLVED, reason)
            self._open = self._as_seen(reopened(last))
            return self._open
        return self._begin(keyed)

    def _as_seen(self, incident: Incident) -> Incident:
        """An incident that opens, unobserved if its rule cannot see."""
        blind = self._all_sight.of(kept_rule(incident.parts.rule_uid))
        if blind is None:
            return incident
        self._story(incident.incident_id).sight = (EventKind.BLIND, blind)
        return lose_sight(incident, blind)

    def _begin(self, keyed: Keyed) -> Incident:
        alert, now = keyed.alert, self._now
        labels = {**alert.labels, **named(keyed.parts)}
        blind = alert.kind is AlertKind.BLIND
        title = BLIND_TITLE + source_name(alert, self._policy.blind) if blind else ""
        incident = Incident(
            incident_id=incident_id(self.key, now, self._last.incident_id if self._last else None),
            number=0,
            key=self.key,
            parts=keyed.parts,
            status=Status.ACTIVE,
            severity=self._policy.severity(alert.labels),
            title=(title or self._policy.title(alert.alertname, labels))[:255],
            summary=_why(alert) if blind else alert.summary,
            service_category=self._policy.category(labels)[:255],
            source=alert.source,
            channel=self._policy.channel(labels),
            start_time=min(alert.starts_at or now, now),
            first_seen_at=now,
            last_seen_at=now,
            first_values=values_text(alert),
            last_values=values_text(alert),
            links=Links() if blind else alert.links,  # those of one rule say nothing of its data source
        )
        if alert.state is AlertState.FIRING:
            incident = self._as_seen(incident)
        self._before[incident.incident_id] = None
        self._story(incident.incident_id).began = (EventKind.OPENED, None, self._found_by)
        self._open = self._last = incident
        return incident

    def _fire(self, incident: Incident, keyed: Keyed, instance: Instance | None) -> Incident:
        """An instance begins to fire inside the incident."""
        alert = keyed.alert
        member = self._member(incident, alert.fingerprint)
        was_firing = member is not None and member.state is AlertState.FIRING
        was_blind = was_firing and member is not None and member.kind is AlertKind.BLIND
        was_held = member is not None and member.is_held
        blind = alert.kind is AlertKind.BLIND
        if instance is not None and instance.incident_id != incident.incident_id:
            self._move_away(instance)
        self._write(
            Instance(
                incident_id=incident.incident_id,
                key=self.key,
                fingerprint=alert.fingerprint,
                kind=alert.kind,
                state=AlertState.FIRING,
                starts_at=alert.starts_at or self._now,
                ends_at=None,
                heard_at=self._now,
                labels=alert.labels,
                first_values=member.first_values if member else values_text(alert),
                last_values=values_text(alert),
                origin=instance.origin if instance and not is_named(self._origin) else self._origin,
            )
        )
        story = self._story(incident.incident_id)
        # With a later start while it fires, either its end was lost or its sender says "now" each time: it fires on.
        goes_on = was_firing and not was_held and blind == was_blind
        story.joined += not goes_on
        story.again += was_held
        if blind:
            self._all_sight.lose(
                BlindRule(
                    rule_uid=kept_rule(alert.rule_uid),
                    fingerprint=alert.fingerprint,
                    key=self.key,
                    incident_id=incident.incident_id,
                    source=source_name(alert, self._policy.blind),
                    since=min(alert.starts_at or self._now, self._now),
                )
            )
        held = incident.held - was_held
        severity = self._policy.severity(alert.labels)
        if severity.rank < incident.severity.rank:
            self._story(incident.incident_id).raised = severity.value
            incident = replace(incident, severity=severity)
        return replace(
            incident,
            instances_total=incident.instances_total + (member is None),
            instances_firing=incident.instances_firing + (not was_firing),
            blind_firing=incident.blind_firing + blind - was_blind,
            held=held,
            sight_at=incident.sight_at if held else None,
            last_values=values_text(alert) or incident.last_values,
            links=incident.links if blind else _merged(incident.links, alert.links),
        )

    def _move_away(self, instance: Instance) -> None:
        """An instance leaves an incident that is over for a newer one, and fires there no more: all later messages
        about it go to the newer one, so the older could never resolve if somebody reopened it."""
        self.superseded.append((instance.incident_id, instance.fingerprint))
        if instance.state is AlertState.FIRING:
            old = self._incident_of(instance)
            self.written[instance.incident_id, instance.fingerprint] = replace(
                instance, state=AlertState.RESOLVED, ends_at=self._now, heard_at=self._now
            )
            blind = instance.kind is AlertKind.BLIND
            firing, blind_firing = max(0, old.instances_firing - 1), max(0, old.blind_firing - blind)
            self._put(replace(old, instances_firing=firing, blind_firing=blind_firing))

    def _settle(self, incident: Incident, alert: Alert, instance: Instance) -> Incident:
        """An instance resolves."""
        blind = instance.kind is AlertKind.BLIND
        self._write(
            replace(
                instance,
                state=AlertState.RESOLVED,
                starts_at=max(instance.starts_at, alert.starts_at or instance.starts_at),
                ends_at=alert.ends_at or self._now,
                heard_at=self._now,
                last_values=values_text(alert) or instance.last_values,
            )
        )
        self._story(incident.incident_id).resolved += 1
        if blind:
            self._all_sight.regain(kept_rule(alert.rule_uid), (self.key, alert.fingerprint))
        held = max(0, incident.held - instance.is_held)
        return replace(
            incident,
            instances_firing=max(0, incident.instances_firing - 1),
            blind_firing=max(0, incident.blind_firing - blind),
            held=held,
            sight_at=incident.sight_at if held else None,
            last_values=values_text(alert) or incident.last_values,
        )

    def _settle_unseen(self, keyed: Keyed) -> Incident:
        """ "Resolved" of something never heard firing: kept with the open or the last incident, else as one that is
        over already, so that there is no alert without its incident and nothing to handle."""
        alert = keyed.alert
        if self._open is not None:
            incident = self._current(self._open)
        elif self._last is not None:
            incident = self._current(self._last)
        else:
            began = self._begin(keyed)
            self._open = None
            ended = min(alert.ends_at or self._now, self._now)
            incident = replace(began, status=Status.RESOLVED, resolved_time=ended, resolved_by=self._actor)
            self._last = incident
            self._story(incident.incident_id).began = (EventKind.OPENED, None, Reason.RESOLVED_UNSEEN)
        ends_at = alert.ends_at or self._now
        self._write(
            Instance(
                incident_id=incident.incident_id,
                key=self.key,
                fingerprint=alert.fingerprint,
                kind=alert.kind,
                state=AlertState.RESOLVED,
                starts_at=alert.starts_at or ends_at,
                ends_at=ends_at,
                heard_at=self._now,
                labels=alert.labels,
                first_values=values_text(alert),
                last_values=values_text(alert),
                origin=self._origin,
            )
        )
        return replace(incident, instances_total=incident.instances_total + 1)

    def _repeat(self, incident: Incident, alert: Alert, instance: Instance, meaning: Meaning) -> Incident:
        """Nothing new, except perhaps newer values of an instance that fires, or a newer end of one that does not."""
        after = repeated(instance, alert, meaning, self._origin, self._now)
        if after is instance:
            return incident
        self._write(after)
        newer = after.last_values != instance.last_values
        return replace(incident, last_values=after.last_values) if newer else incident

    # -- what is known -----------------------------------------------------------------------------------------

    def _instance(self, fingerprint: str) -> Instance | None:
        """The instance in the newest incident of this key that has it."""
        return self._instances.get(fingerprint) or self._known.instances.get((self.key, fingerprint))

    def _member(self, incident: Incident, fingerprint: str) -> Instance | None:
        """The instance, if it is in this very incident."""
        instance = self._instance(fingerprint)
        if instance is not None and instance.incident_id == incident.incident_id:
            return instance
        name = (incident.incident_id, fingerprint)
        return self.written.get(name) or self._known.members.get(name)

    def _incident_of(self, instance: Instance) -> Incident:
        """The incident an instance is in."""
        if instance.incident_id in self._after:
            return self._after[instance.incident_id]
        for incident in (self._open, self._last, self._known.last.get(self.key)):
            if incident is not None and incident.incident_id == instance.incident_id:
                return self._current(incident)
        return self._current(self._known.closed[instance.incident_id])

    def _current(self, incident: Incident) -> Incident:
        return self._after.get(incident.incident_id, incident)

    def _put(self, incident: Incident) -> None:
        if incident.incident_id not in self._before:
            self._before[incident.incident_id] = self._original(incident.incident_id)
        self._after[incident.incident_id] = incident

    def _original(self, wanted: IncidentId) -> Incident:
        for incident in (self._known.open.get(self.key), self._known.last.get(self.key)):
            if incident is not None and incident.incident_id == wanted:
                return incident
        return self._known.closed[wanted]

    def _story(self, incident: IncidentId) -> _Story:
        """What happened to an incident, to be added to."""
        return self._stories.setdefault(incident, _Story())

    def _write(self, instance: Instance) -> None:
        self._instances[instance.fingerprint] = instance
        self.written[instance.incident_id, instance.fingerprint] = instance

    # -- the end of the delivery -------------------------------------------------------------------------------

    def finish(self, truncated: int) -> None:
        """Resolve what has nothing firing any more, and write the timeline."""
        for name, incident in list(self._after.items()):
            before, story = self._before[name], self._stories.get(name, _NOTHING)
            resolves = bool(incident.is_open and story.resolved and not incident.instances_firing)
            if resolves:
                over = replace(incident, status=Status.RESOLVED, resolved_time=self._now, resolved_by=self._actor)
                incident = released(over)
            events = self._events(incident, before, story, resolves, truncated)
            self.events.extend(events)
            if before is not None and (events or _face(incident) != _face(before)):
                incident = replace(incident, version=before.version + 1)
            if story.settled:
                events = events[1:]  # it is shown already, unless something newer happened
            if events and (incident.is_open or resolves or before is None):  # a person's resolve stays in sight
                incident = shown(incident, _most_telling(events))
            self._after[name] = incident

    def _events(
        self, incident: Incident, before: Incident | None, story: _Story, resolves: bool, truncated: int
    ) -> list[Event]:
        events: list[Event] = []
        heard_again = before is not None and before.stale_since is not None and incident.is_open
        if story is _NOTHING and not heard_again:
            return events

        def tell(
            kind: EventKind, *, reason: Reason = Reason.NONE, change: tuple[Status | None, Status] | None = None,
            details: Mapping[str, str | int] | None = None,
        ) -> None:  # fmt: skip
            events.append(
                Event(
                    incident_id=incident.incident_id, at=self._now, kind=kind, actor=self._actor, reason=reason,
                    from_status=change[0] if change else None, to_status=change[1] if change else None,
                    details=details or {},
                )
            )  # fmt: skip

        if story.settled:
            events.append(story.settled)
        if story.began:
            kind, status, reason = story.began
            to = Status.RESOLVED if reason is Reason.RESOLVED_UNSEEN else Status.ACTIVE
            details = {"instances": story.joined or 1, "severity": incident.severity.value}
            tell(kind, reason=reason, change=(status, to), details=details)
        elif story.joined:
            again = {"again": story.again} if story.again else {}
            tell(EventKind.JOINED, reason=self._found_by, details={"instances": story.joined, **again})
        if story.raised:
            tell(EventKind.SEVERITY_RAISED, details={"severity": story.raised})
        if story.sight:
            kind, blind = story.sight
            tell(kind, details={"on": blind.source, "incident": blind.incident_id} if blind else {})
        if story.held:
            tell(EventKind.HELD, reason=story.held_why, details={"instances": story.held})
        if heard_again:
            tell(EventKind.HEARD_AGAIN)
        if resolves:
            was = before.status if before is not None and before.is_open else Status.ACTIVE
            why = self._found_by or Reason.ALL_RECOVERED
            tell(EventKind.RESOLVED, reason=why, change=(was, Status.RESOLVED))
        elif story.resolved:
            tell(EventKind.PARTLY_RESOLVED, reason=self._found_by, details={"instances": story.resolved})
        if truncated and events:
            tell(EventKind.TRUNCATED, details={"alerts": truncated})
        return events

    def pairs(self) -> list[tuple[Incident | None, Incident]]:
        """Every incident the alerts went to, as it was (None if it did not exist) and as it is."""
        return [(before, self._after[name]) for name, before in self._before.items()]


def _keyed(alert: Alert, policy: Policy) -> Keyed:
    parts = key_parts(alert, policy)
    return Keyed(alert, parts, incident_key(parts))


def _of_legacy(alert: Alert) -> tuple[Alert, Alert]:
    """What a message of legacy Grafana says, and what it means for its rule's sight: any other state ends "no data".

    Legacy Grafana has one fingerprint for a rule, so that its blindness gets one of its own.
    """
    fingerprint = f"blind:{alert.fingerprint}"[:64]
    if alert.kind is AlertKind.BLIND:
        blind = replace(alert, fingerprint=fingerprint)
        return blind, blind
    over = replace(alert, kind=AlertKind.BLIND, state=AlertState.RESOLVED, fingerprint=fingerprint, starts_at=None)
    return alert, over


def _host(url: str) -> str:
    """`grafana.example.com:3000` of an address; empty when there is none."""
    return url.partition("://")[2].partition("/")[0].lower()


def _face(incident: Incident) -> tuple[object, ...]:
    """What a card shows that can change without an event."""
    return incident.last_values, incident.instances_total, incident.instances_firing


def _merged(old: Links, new: Links) -> Links:
    """The links of an incident, completed by what a newer alert brings."""
    return Links(
        source=old.source or new.source,
        dashboard=old.dashboard or new.dashboard,
        panel=old.panel or new.panel,
        runbook=old.runbook or new.runbook,
        silence=old.silence or new.silence,
    )


def _why(alert: Alert) -> str:
    """The error of a blind alert; the bare words `NoData` and `Error` say no more than the title."""
    return alert.reason.partition(": ")[2]


def named(parts: KeyParts) -> dict[str, str]:
    """The key parts as labels, so that routes and titles see what the incident is filed under."""
    labels = {"cluster": parts.cluster, "namespace": parts.namespace, "service": parts.service, "phase": parts.phase}
    return {name: value for name, value in labels.items() if value}


_TELLING = (
    EventKind.RESOLVED,
    EventKind.REOPENED,
    EventKind.OPENED,
    EventKind.BLIND,
    EventKind.SIGHT_RESTORED,
    EventKind.HELD,
    EventKind.SEVERITY_RAISED,
    EventKind.JOINED,
    EventKind.PARTLY_RESOLVED,
    EventKind.HEARD_AGAIN,
    EventKind.TRUNCATED,
)


def _most_telling(events: Sequence[Event]) -> Event:
    """The event a card shows as the last change when one delivery brought several."""
    return min(events, key=lambda event: _TELLING.index(event.kind))
