"""What a team decides once, in its policy file: severities, routes, windows, who may click; `Policy.parse` checks it.

The file's every key is documented in `observer.example.toml`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from db.model.audit import AuditPolicy, read_audit
from db.model.blind import Blindness, read_blindness
from db.model.heartbeat import WATCHDOG, Heartbeat, read_heartbeats
from db.model.incident import Severity
from db.model.masks import Masks, read_masks
from db.model.pulling import Pulling, read_pulling
from db.model.rates import RatePolicy, read_rates
from db.model.refuge import RefugePolicy
from db.model.retention import Retention, read_retention
from db.model.sections import Matcher, PolicyError, Section, Sections
from db.model.stale import STALE_AFTER
from db.model.still_firing import STILL_FIRING_AFTER
from db.model.storm import GroupRule, StormPolicy, read_groups, read_storm

# Numbers rise as the matter gets less urgent. A bare 4 or 5 is in no list: with some senders it is the worst.
_WORDS: Mapping[Severity, str] = {
    Severity.CRITICAL: (
        "critical crit emergency emerg panic alert fatal disaster catastrophic blocker urgent severe page "
        "immediate showstopper highest veryhigh extreme danger security red 0 1 sev0 sev1 s0 s1 p0 p1 "
        "severity0 severity1 priority0 priority1 prio0 prio1 urgency1 1급 1등급 1순위 심각 "
        "심각함 긴급 매우긴급 치명 치명적 위급 재난 위험 비상 최고 크리티컬 심각도1 우선순위1 緊急 致命的 "
        "严重 紧急 致命 危急 kritisch critique crítico crítica критический авария"
    ),
    Severity.HIGH: (
        "high error err failure major important elevated orange 2 sev2 s2 p2 severity2 priority2 prio2 "
        "urgency2 2급 2등급 2순위 높음 중대 중요 상 경보 경계 오류 에러 장애 심각도2 우선순위2 重大 "
        "重要 高 高危 错误 hoch fehler élevé haute majeur alto alta высокий ошибка"
    ),
    Severity.WARNING: (
        "warning warn medium moderate average normal minor ticket noncritical yellow amber 3 sev3 s3 p3 "
        "severity3 priority3 prio3 urgency3 3급 3등급 3순위 경고 주의 보통 중간 중 경미 심각도3 "
        "우선순위3 警告 注意 中 中危 warnung mittel avertissement moyen mineur advertencia media "
        "предупреждение средний"
    ),
    Severity.INFO: (
        "info information informational notice low lowest verylow trivial debug trace verbose none ok "
        "cleared unclassified notclassified green sev4 sev5 s4 s5 p4 p5 severity4 severity5 priority4 "
        "priority5 prio4 prio5 urgency4 urgency5 정보 낮음 매우낮음 하 알림 참고 사소 안내 관심 정상 디버그 "
        "심각도4 심각도5 우선순위4 우선순위5 情報 信息 提示 低 低危 niedrig faible bajo baja информация "
        "низкий"
    ),
}

KUBERNETES_PHASES = frozenset(
    {"active", "available", "bound", "failed", "pending", "released", "running", "succeeded", "terminating", "unknown"}
)
"""Values of a `phase` label that kube-state-metrics gives to pods and volumes; they are no environment."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`match` decides, `value` is what then applies: a channel, a category, a title template."""

    match: Matcher
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All decisions of the policy file, with the defaults of an absent one."""

    reopen_window: timedelta = timedelta(0)  # a new occurrence this soon after the resolve reopens the incident
    refire_after: timedelta = timedelta(
        minutes=15
    )  # "firing" for an occurrence resolved longer ago is a new occurrence
    # where the plain label is absent, the name that OpenTelemetry has for it counts, as it is or after translation
    cluster_labels: tuple[str, ...] = ("cluster", "k8s.cluster.name", "k8s_cluster_name")
    namespace_labels: tuple[str, ...] = ("namespace", "k8s.namespace.name", "k8s_namespace_name")
    service_labels: tuple[str, ...] = ("service", "service.name", "service_name")
    phase_labels: tuple[str, ...] = (
        "phase",
        *("deployment.environment.name", "deployment_environment_name"),
        *("deployment.environment", "deployment_environment"),
    )
    severity_labels: tuple[str, ...] = ("severity",)
    severity_words: Mapping[str, Severity] = field(default_factory=lambda: _table(_WORDS))
    default_severity: Severity = Severity.WARNING
    default_channel: str = ""  # where incidents go that no route takes: SLACK_CHANNEL, not a key of the file
    routes: tuple[Rule, ...] = ()
    categories: tuple[Rule, ...] = ()
    titles: tuple[Rule, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = WATCHDOG
    blind: Blindness = field(default_factory=Blindness)
    stale_after: timedelta = STALE_AFTER  # an open incident that is silent for so long is marked; 0: never
    still_firing_after: timedelta = STILL_FIRING_AFTER  # a person resolved it and it fires: open again; 0: never
    masks: Masks = field(default_factory=Masks)
    rates: RatePolicy = field(default_factory=RatePolicy)
    audit: AuditPolicy = field(default_factory=AuditPolicy)
    pulling: Pulling = field(default_factory=Pulling)  # comparing the record with the sources' own lists
    retention: Retention = field(default_factory=Retention)
    may_act: frozenset[str] = frozenset()  # Slack user ids; empty: everybody in the workspace
    may_read: frozenset[str] = frozenset()  # the same, who may look incidents up; who may act may read
    share_anywhere: bool = False  # whether an incident may be shared in other channels than its own
    external: bool = False  # whether people of other workspaces count, in channels shared with them
    storm: StormPolicy = field(default_factory=StormPolicy)
    groups: tuple[GroupRule, ...] = ()
    refuge: RefugePolicy = field(default_factory=RefugePolicy)  # where cards go whose channel cannot be used

    def severity(self, labels: Mapping[str, str]) -> Severity:
        """The normalised severity of an alert."""
        for name in self.severity_labels:
            if text := labels.get(name, "").strip():
                return _severity_said(text, self.severity_words) or self.default_severity
        return self.default_severity

    def unknown_severity(self, labels: Mapping[str, str]) -> str:
        """What an alert says of its severity when that stands in no list; else an empty text."""
        for name in self.severity_labels:
            if text := labels.get(name, "").strip():
                return "" if _severity_said(text, self.severity_words) else text
        return ""

    def severity_called(self, word: str) -> Severity | None:
        """The severity that is called so, as a whole; None when none is."""
        return self.severity_words.get(_bare(word))

    def channel(self, labels: Mapping[str, str]) -> str:
        """The channel of the first route that matches, else the default channel."""
        return _first(self.routes, labels) or self.default_channel

    def category(self, labels: Mapping[str, str]) -> str:
        """The service category of the first rule that matches; empty for none."""
        return _first(self.categories, labels)

    def title(self, alertname: str, labels: Mapping[str, str]) -> str:
        """The title: the first matching template with `{label}` replaced, else the alert's name."""
        template = _first(self.titles, labels)
        if not template:
            return alertname
        values = {**labels, "alertname": alertname}
        return _BRACES.sub(lambda found: values.get(found[1].strip(), ""), template).strip() or alertname

    def is_heartbeat(self, labels: Mapping[str, str]) -> bool:
        """Whether the alert only says that the source is alive (Alertmanager's `Watchdog`)."""
        return self.heartbeat(labels) is not None

    def heartbeat(self, labels: Mapping[str, str]) -> Heartbeat | None:
        """The first heartbeat of the policy that an alert with these labels is."""
        for heartbeat in self.heartbeats:  # a loop, because every alert is asked, and a generator takes twice as long
            if heartbeat.match.matches(labels):
                return heartbeat
        return None

    def severity_label(self, severity: Severity) -> dict[str, str]:
        """The label that gives an alert of our own this severity, whatever words the file has for it."""
        word = next((word for word, known in self.severity_words.items() if known is severity), "")
        return {self.severity_labels[0]: word} if word and self.severity_labels else {}

    def may(self, slack_user_id: str) -> bool:
        """Whether this person may change incidents."""
        return slack_user_id in self.may_act if self.may_act else self.reads(slack_user_id)

    def reads(self, slack_user_id: str) -> bool:
        """Whether this person may look incidents up."""
        return not self.may_read or slack_user_id in self.may_read or slack_user_id in self.may_act

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Policy:
        """Read the tables of the policy file. Raises `PolicyError` that names every wrong or unknown key."""
        return _read(Sections(data))


def _table(words: Mapping[Severity, str]) -> Mapping[str, Severity]:
    return {_bare(word): severity for severity, some in words.items() for word in some.split()}


def _bare(word: str) -> str:
    """A word as severities are compared: without case, blanks, punctuation, accents, full-width forms, and zeros before
    numbers. One of signs only, such as 🔴, as it is."""
    if word.isascii() and word.isalpha():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word[:_MOST_SAID].casefold())
    bare = "".join([letter for letter in folded if letter.isalnum()])
    return _ZEROS.sub("", bare) or folded.strip()


_MOST_SAID = 100
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_NOT = frozenset({"no", "non", "not"})


def _severity_said(text: str, words: Mapping[str, Severity]) -> Severity | None:
    """What a label says: as a whole (`S-1`, `non-critical`), else the worst of its words (`P1 - Critical`)."""
    if (whole := words.get(_bare(text))) is not None:
        return whole
    said = [_bare(part) for part in re.split(r"[\W_]+", unicodedata.normalize("NFKC", text[:_MOST_SAID]))]
    if not _NOT.isdisjoint(said):
        return None
    known = [words[part] for part in said if part in words and not part.isdigit()]
    return min(known, key=lambda severity: severity.rank, default=None)


def _first(rules: Sequence[Rule], labels: Mapping[str, str]) -> str:
    return next((rule.value for rule in rules if rule.match.matches(labels)), "")


def _read(file: Sections) -> Policy:
    default = Policy()
    file.known(
        "",
        file.data,
        {
            *("incidents", "labels", "severity", "routes", "categories", "titles", "heartbeats", "people"),
            *("reconcile", "blind", "storm", "groups", "retention", "masks", "rates", "audit", "slack"),
        },
    )
    incidents = file.table("incidents", {"reopen_window", "refire_after", "stale_after", "still_firing_after"})
    labels = file.table("labels", {"cluster", "namespace", "service", "phase", "severity"})
    severity = file.table("severity", {"default", *(level.value for level in Severity)})
    people = file.table("people", {"may_act", "may_read", "share_anywhere", "external"})
    policy = Policy(
        reopen_window=incidents.duration("reopen_window", default.reopen_window),
        refire_after=incidents.duration("refire_after", default.refire_after),
        cluster_labels=labels.texts("cluster", default.cluster_labels),
        namespace_labels=labels.texts("namespace", default.namespace_labels),
        service_labels=labels.texts("service", default.service_labels),
        phase_labels=labels.texts("phase", default.phase_labels),
        severity_labels=labels.texts("severity", default.severity_labels),
        severity_words=_severity_words(severity),
        default_severity=_severity(severity, default.default_severity),
        routes=_rules(file, "routes", "channel"),
        categories=_rules(file, "categories", "category"),
        titles=_rules(file, "titles", "title"),
        heartbeats=read_heartbeats(file),
        blind=read_blindness(file),
        stale_after=incidents.duration("stale_after", default.stale_after),
        still_firing_after=incidents.duration("still_firing_after", default.still_firing_after),
        pulling=read_pulling(file),
        retention=read_retention(file),
        masks=read_masks(file),
        rates=read_rates(file),
        audit=read_audit(file),
        may_act=frozenset(people.texts("may_act", ())),
        may_read=frozenset(people.texts("may_read", ())),
        share_anywhere=people.truth("share_anywhere", default=default.share_anywhere),
        external=people.truth("external", default=default.external),
        storm=read_storm(file),
        groups=read_groups(file),
        refuge=RefugePolicy.read(file),
    )
    if file.problems:
        raise PolicyError(file.problems)
    return policy


def _severity(section: Section, default: Severity) -> Severity:
    value = section.values.get("default", default.value)
    try:
        return Severity(value)
    except ValueError:
        section.problem("default", f"must be one of {', '.join(Severity)}, not {value!r}")
        return default


def _severity_words(section: Section) -> Mapping[str, Severity]:
    """The table of words; a level that the file names replaces that level's default words."""
    words = dict(_table(_WORDS))
    for level in Severity:
        if level.value in section.values:
            words = {word: severity for word, severity in words.items() if severity is not level}
    for level in Severity:
        for word in section.texts(level.value, ()):
            words[_bare(word)] = level
    return words


_BRACES = re.compile(r"\{([^{}]*)\}")


def _braces_problem(template: str) -> str:
    """What is wrong with the braces of a title; any text but an empty one can be the name of a label."""
    names = _BRACES.findall(template)
    if "{" in (rest := _BRACES.sub("", template)) or "}" in rest or not all(map(str.strip, names)):
        return f'must have names of labels in its braces, such as "{{service}}" or "{{service.name}}", not {template!r}'
    return ""


def _rules(file: Sections, name: str, value_key: str) -> tuple[Rule, ...]:
    rules = []
    for section in file.entries(name, {"match", value_key}):
        value = section.values.get(value_key)
        if not isinstance(value, str) or not value:
            section.problem(value_key, "must be a text")
            continue
        if value_key == "title" and (problem := _braces_problem(value)):
            section.problem(value_key, problem)
        rules.append(Rule(section.matcher(), value))
    return tuple(rules)
