"""What fires in an incident, as its card tells it: the worst first, and what all of it has in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote, unquote_plus

from db.model.alert import Links
from db.model.incident import Instance, Severity

_RULE_UID = "__alert_rule_uid__"
"""A matcher of Grafana's that all instances of one rule share, though the label is private and not kept."""

_MATCHER = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^="{},\s]+))="((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")


def names(instances: Sequence[Instance]) -> list[str]:
    """What tells instances from each other: the labels in which they differ, `pod=checkout-1`; where labels do not, the
    fingerprint."""
    shared = shared_labels(one.labels for one in instances)
    own = ({name: text for name, text in sorted(one.labels.items()) if name not in shared} for one in instances)
    said = (", ".join(f"{name}={text}" for name, text in labels.items()) for labels in own)
    return [text or one.fingerprint for text, one in zip(said, instances, strict=True)]


def worst_first(instances: Iterable[Instance], severity: Callable[[Mapping[str, str]], Severity]) -> list[Instance]:
    """Instances by severity, then by how long they fire."""
    return sorted(instances, key=lambda one: (severity(one.labels).rank, one.began, one.fingerprint))


def shared_labels(labels: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What all of these have in common."""
    shared: dict[str, str] | None = None
    for one in labels:
        shared = dict(one) if shared is None else {name: text for name, text in shared.items() if one.get(name) == text}
    return shared or {}


def links_of(incident: Links, newest: Links, shared: Mapping[str, str]) -> Links:
    """The links of a card: those of the newest alert of what burns, else those that the incident has."""
    return Links(
        source=newest.source or incident.source,
        dashboard=newest.dashboard or incident.dashboard,
        panel=newest.panel or incident.panel,
        runbook=newest.runbook or incident.runbook,
        silence=silence_all(newest.silence or incident.silence, shared),
    )


def silence_all(url: str, shared: Mapping[str, str]) -> str:
    """A silence form with exactly those of its matchers that say what is shared, so that it silences everything that
    fires and nothing stays behind; empty when no matcher is left, or they cannot be read."""
    before, mark, fragment = url.partition("#")
    if mark:
        path, _, query = fragment.partition("?")
        kept = [one for one in query.split("&") if not one.startswith("filter=")]
        said = [one for one in query.split("&") if one.startswith("filter=")]
        matchers = _alertmanager(unquote_plus(said[0].removeprefix("filter=")), shared) if len(said) == 1 else ""
        return f"{before}#{path}?{'&'.join([*kept, 'filter=' + quote(matchers, safe='')])}" if matchers else ""
    path, _, query = url.partition("?")
    parameters = query.split("&")
    kept = [one for one in parameters if not one.startswith("matcher=") or _is_shared(one, shared)]
    return f"{path}?{'&'.join(kept)}" if any(one.startswith("matcher=") for one in kept) else ""


def _is_shared(parameter: str, shared: Mapping[str, str]) -> bool:
    """Whether a matcher of Grafana's form, `matcher=pod%3Dcheckout-1`, says what is shared."""
    name, _, value = unquote_plus(parameter.removeprefix("matcher=")).partition("=")
    return name == _RULE_UID or shared.get(name) == value


def _alertmanager(filter_text: str, shared: Mapping[str, str]) -> str:
    """The filter of Alertmanager's form, `{alertname="X", pod="a"}`, with the matchers that say what is shared."""
    inside = filter_text.strip()
    if not (inside.startswith("{") and inside.endswith("}")):
        return ""
    inside = inside[1:-1]
    kept: list[str] = []
    at = 0
    while at < len(inside):
        found = _MATCHER.match(inside, at)
        if found is None:
            return ""
        quoted, bare, value = found.groups()
        name = _unescaped(quoted) if quoted is not None else bare
        if shared.get(name) == _unescaped(value):
            kept.append(found[0].strip().removesuffix(",").strip())
        at = found.end()
    return "{" + ", ".join(kept) + "}" if kept else ""


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)
