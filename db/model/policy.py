"""What a team decides once, in its policy file: severities, routes, windows, who may click; `Policy.parse` checks it.

The file's every key is documented in `observer.example.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from db.model.incident import Severity

_WORDS: Mapping[Severity, tuple[str, ...]] = {
    Severity.CRITICAL: ("critical", "crit", "emergency", "fatal", "disaster", "page", "sev1", "p1"),
    Severity.HIGH: ("high", "error", "err", "major", "sev2", "p2"),
    Severity.WARNING: ("warning", "warn", "medium", "average", "minor", "sev3", "p3"),
    Severity.INFO: (
        "info",
        "information",
        "informational",
        "notice",
        "low",
        "debug",
        "none",
        "ok",
        "sev4",
        "sev5",
        "p4",
        "p5",
    ),
}

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

KUBERNETES_PHASES = frozenset(
    {"active", "available", "bound", "failed", "pending", "released", "running", "succeeded", "terminating", "unknown"}
)
"""Values of a `phase` label that kube-state-metrics gives to pods and volumes; they are no environment."""


class PolicyError(Exception):
    """The policy file is wrong; `problems` names each key and what is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Matcher:
    """Labels an alert must have: each value is a regular expression that must match the whole label value."""

    labels: tuple[tuple[str, re.Pattern[str]], ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every label fits; an absent label counts as empty."""
        return all(pattern.fullmatch(labels.get(name, "")) for name, pattern in self.labels)


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
    cluster_labels: tuple[str, ...] = ("cluster",)
    namespace_labels: tuple[str, ...] = ("namespace",)
    service_labels: tuple[str, ...] = ("service",)
    phase_labels: tuple[str, ...] = ("phase",)
    severity_labels: tuple[str, ...] = ("severity",)
    severity_words: Mapping[str, Severity] = field(default_factory=lambda: _table(_WORDS))
    default_severity: Severity = Severity.WARNING
    default_channel: str = ""  # where incidents go that no route takes: SLACK_CHANNEL, not a key of the file
    routes: tuple[Rule, ...] = ()
    categories: tuple[Rule, ...] = ()
    titles: tuple[Rule, ...] = ()
    heartbeats: tuple[Matcher, ...] = (Matcher((("alertname", re.compile("Watchdog")),)),)
    may_act: frozenset[str] = frozenset()  # Slack user ids; empty: everybody in the workspace

    def severity(self, labels: Mapping[str, str]) -> Severity:
        """The normalised severity of an alert."""
        for name in self.severity_labels:
            if word := labels.get(name, "").strip().lower():
                return self.severity_words.get(word, self.default_severity)
        return self.default_severity

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
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), template).strip() or alertname

    def is_heartbeat(self, labels: Mapping[str, str]) -> bool:
        """Whether the alert only says that the source is alive (Alertmanager's `Watchdog`)."""
        return any(matcher.matches(labels) for matcher in self.heartbeats)

    def may(self, slack_user_id: str) -> bool:
        """Whether this person may change incidents."""
        return not self.may_act or slack_user_id in self.may_act

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Policy:
        """Read the tables of the policy file. Raises `PolicyError` that names every wrong or unknown key."""
        return _Reader(data).policy()


def _table(words: Mapping[Severity, Sequence[str]]) -> Mapping[str, Severity]:
    return {word: severity for severity, some in words.items() for word in some}


def _first(rules: Sequence[Rule], labels: Mapping[str, str]) -> str:
    return next((rule.value for rule in rules if rule.match.matches(labels)), "")


class _Reader:
    """Reads one parsed TOML document and collects what is wrong with it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._problems: list[str] = []

    def policy(self) -> Policy:
        default = Policy()
        self._known(
            "",
            self._data,
            {"incidents", "labels", "severity", "routes", "categories", "titles", "heartbeats", "people"},
        )
        incidents = self._table("incidents", {"reopen_window", "refire_after"})
        labels = self._table("labels", {"cluster", "namespace", "service", "phase", "severity"})
        severity = self._table("severity", {"default", *(level.value for level in Severity)})
        people = self._table("people", {"may_act"})
        policy = Policy(
            reopen_window=self._duration(incidents, "incidents", "reopen_window", default.reopen_window),
            refire_after=self._duration(incidents, "incidents", "refire_after", default.refire_after),
            cluster_labels=self._texts(labels, "labels", "cluster", default.cluster_labels),
            namespace_labels=self._texts(labels, "labels", "namespace", default.namespace_labels),
            service_labels=self._texts(labels, "labels", "service", default.service_labels),
            phase_labels=self._texts(labels, "labels", "phase", default.phase_labels),
            severity_labels=self._texts(labels, "labels", "severity", default.severity_labels),
            severity_words=self._severity_words(severity),
            default_severity=self._severity(severity, default.default_severity),
            routes=self._rules("routes", "channel"),
            categories=self._rules("categories", "category"),
            titles=self._rules("titles", "title"),
            heartbeats=self._heartbeats(default.heartbeats),
            may_act=frozenset(self._texts(people, "people", "may_act", ())),
        )
        if self._problems:
            raise PolicyError(self._problems)
        return policy

    def _known(self, path: str, table: Mapping[str, Any], keys: set[str]) -> None:
        for key in table:
            if key not in keys:
                where = f"{path}.{key}" if path else key
                self._problems.append(f"{where} is not a known key (known: {', '.join(sorted(keys))})")

    def _table(self, name: str, keys: set[str]) -> Mapping[str, Any]:
        table = self._data.get(name, {})
        if not isinstance(table, Mapping):
            self._problems.append(f"{name} must be a table, written [{name}]")
            return {}
        self._known(name, table, keys)
        return table

    def _duration(self, table: Mapping[str, Any], path: str, key: str, default: timedelta) -> timedelta:
        if key not in table:
            return default
        found = _DURATION.fullmatch(str(table[key]).strip())
        if not found:
            self._problems.append(f'{path}.{key} must be a duration such as "30s", "10m", "2h", not {table[key]!r}')
            return default
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])

    def _texts(self, table: Mapping[str, Any], path: str, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = table.get(key, default)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(text, str) and text for text in values):
            self._problems.append(f"{path}.{key} must be a text or a list of texts, not {value!r}")
            return default
        return tuple(values)

    def _severity(self, table: Mapping[str, Any], default: Severity) -> Severity:
        value = table.get("default", default.value)
        try:
            return Severity(value)
        except ValueError:
            levels = ", ".join(Severity)
            self._problems.append(f"severity.default must be one of {levels}, not {value!r}")
            return default

    def _severity_words(self, table: Mapping[str, Any]) -> Mapping[str, Severity]:
        """The table of words; a level that the file names replaces that level's default words."""
        words = dict(_table(_WORDS))
        for level in Severity:
            if level.value in table:
                words = {word: severity for word, severity in words.items() if severity is not level}
        for level in Severity:
            for word in self._texts(table, "severity", level.value, ()):
                words[word.lower()] = level
        return words

    def _rules(self, name: str, value_key: str) -> tuple[Rule, ...]:
        rules = []
        for path, entry in self._entries(name):
            self._known(path, entry, {"match", value_key})
            value = entry.get(value_key)
            if not isinstance(value, str) or not value:
                self._problems.append(f"{path}.{value_key} must be a text")
                continue
            rules.append(Rule(self._matcher(path, entry), value))
        return tuple(rules)

    def _heartbeats(self, default: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
        if "heartbeats" not in self._data:
            return default
        return tuple(self._matcher(path, entry) for path, entry in self._entries("heartbeats"))

    def _entries(self, name: str) -> list[tuple[str, Mapping[str, Any]]]:
        entries = self._data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            self._problems.append(f"{name} must be a list of tables, written [[{name}]]")
            return []
        return [(f"{name}[{index}]", entry) for index, entry in enumerate(entries)]

    def _matcher(self, path: str, entry: Mapping[str, Any]) -> Matcher:
        match = entry.get("match", {})
        if not isinstance(match, Mapping):
            self._problems.append(f'{path}.match must be a table such as {{service = "checkout-.*"}}')
            return Matcher(())
        labels = []
        for label, pattern in match.items():
            try:
                labels.append((str(label), re.compile(str(pattern))))
            except re.error as error:
                self._problems.append(f"{path}.match.{label} is not a regular expression: {error}")
        return Matcher(tuple(labels))
