"""What the alerts of Grafana and Alertmanager have in common: labels, state, fingerprint, rule UID, links."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache

from db.model.alert import AlertKind, AlertState, is_web_address
from db.model.identity import spelt
from receiver.sources.wild import Wild, quoted

MAX_NAME = 255
"""Characters of a name that the record holds (`alertname`, `rule_uid`)."""

MAX_SUMMARY = 3_000
MAX_LINK = 8_000
"""Characters of an address; servers and browsers refuse longer ones, and a cut address leads elsewhere."""

MAX_PLACE = 1_000
"""Characters of a text that stands where an address should."""

RULE_UID_LABEL = "__alert_rule_uid__"

_NOTHING = frozenset({"", "[no value]", "<no value>"})
_STATES = {"firing": AlertState.FIRING, "resolved": AlertState.RESOLVED}
_STATE_WORDS = {
    **_STATES,
    **dict.fromkeys(("alerting", "active", "open", "opened", "triggered", "problem", "발생"), AlertState.FIRING),
    **dict.fromkeys(("ok", "normal", "inactive", "closed", "recovered", "복구", "해제", "해결"), AlertState.RESOLVED),
}
_AROUND_WORD = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_BLIND = {"DatasourceNoData": "NoData", "DatasourceError": "Error"}
_SUMMARIES = ("summary", "message", "title", "description")
_RUNBOOKS = ("runbook_url", "runbook")

_RULE_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_RULE_PATH = re.compile(r"/alerting/(?:grafana/)?([A-Za-z0-9_-]{1,40})/(?:view|edit)/?$")
_RULE_MATCHER = re.compile(r"[?&]matcher=__alert_rule_uid__(?:=|%3[Dd])([A-Za-z0-9_-]{1,40})(?=[&#]|$)")
_FINGERPRINT = re.compile(r"[!-~]{1,64}")
_CREDENTIALS = re.compile(r"//[^/?#\s]*@")


def state_of(alert: Wild) -> AlertState:
    """Firing or resolved, in any case, or what other systems call so; a template may write it as `[FIRING:1]`."""
    if usual := _STATES.get(alert.text_of("status")):
        return usual
    status = alert.get("status")
    if status.is_object:  # as in the list of Alertmanager's API
        status = status.get("state")
    word = status.text()
    state = state_said(word)
    if state is None:
        raise status.error(f'expected "firing" or "resolved", found {quoted(word)}')
    return state


def state_said(text: str) -> AlertState | None:
    """The state that a text names."""
    return _STATE_WORDS.get(_AROUND_WORD.sub("", text[:100]).lower())


def meaningful(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Labels or annotations without those that say nothing.

    A Grafana template that finds no value writes `[no value]`, one of Go `<no value>`. Names of the form `__x__` are
    private: Grafana strips them from its own body, but not from the Alertmanager-shaped one and not from custom ones.
    """
    if _NOTHING.isdisjoint(map(str.strip, texts.values())) and "__" not in "".join(texts):
        return texts  # nothing is to be left out, as usual; two looks at all of them tell it
    return {
        name: value
        for name, value in texts.items()
        if value.strip() not in _NOTHING and not (name.startswith("__") and name.endswith("__"))
    }


def annotation_texts(annotations: Wild) -> Mapping[str, str]:
    """Annotations, which may be missing as a whole. They are for reading, so nested values stay as JSON text."""
    if annotations.is_absent:
        return {}
    return annotations.readable()


# Identity


def fnv1a(data: bytes) -> str:
    """The hash FNV-1a with 64 bits, as 16 hex digits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """The fingerprint that Grafana and Alertmanager give to a set of labels: FNV-1a 64 of `name 0xFF value 0xFF`...

    The labels are sorted by name. Grafana computes it before it strips the private labels, so the rule UID is part
    of it.
    """
    return fnv1a(b"".join(b"%b\xff%b\xff" % (name.encode(), labels[name].encode()) for name in sorted(labels)))


def fingerprint(alert: Wild, labels: Mapping[str, str], rule_uid: str) -> str:
    """The source's own fingerprint; where it sent none (custom payloads), the one it would have sent."""
    given = alert.text_of("fingerprint")
    if _FINGERPRINT.fullmatch(given):
        return given
    return fingerprint_of({**labels, RULE_UID_LABEL: rule_uid} if rule_uid else labels)


def grafana_rule_uid(alert: Wild, labels: Mapping[str, str]) -> str:
    """The UID of the Grafana rule, or an empty text; each alert of a body can have another one.

    It stands in `ruleUID` since Grafana 12.4; in the private label where private labels are not stripped; in the path
    of `generatorURL` in every version (`/alerting/<uid>/edit` in 8, `/alerting/grafana/<uid>/view` later), also when
    Grafana hands its alerts to an Alertmanager; and in a matcher of `silenceURL` since 11.5. What is not of a UID's
    alphabet is none.
    """
    given = alert.text_of("ruleUID")
    if given and _RULE_UID.fullmatch(given):
        return given
    given = labels.get(RULE_UID_LABEL, "")
    if given and _RULE_UID.fullmatch(given):
        return given
    path = alert.text_of("generatorURL").partition("?")[0].partition("#")[0]
    if match := _RULE_PATH.search(path):
        return match[1]
    if match := _RULE_MATCHER.search(alert.text_of("silenceURL")):
        return match[1]
    return ""


def rule_by_name(prefix: str, alertname: str, fingerprint: str) -> str:
    """A stand-in for the rule UID of an alert whose rule is unknown: `<prefix>:<alertname>`.

    An alert without a name gets `<prefix>:fingerprint=<fingerprint>`, so that it stays alone: nothing else tells which
    nameless alerts belong together, and joining strangers would hide one behind the other. A name that the record
    cannot hold is cut, and its hash keeps it apart from others that begin alike.
    """
    if not alertname:
        return f"{prefix}:fingerprint={fingerprint}"
    text = f"{prefix}:{alertname}"
    if len(text) > MAX_NAME:
        digest = hashlib.sha256(alertname.encode()).hexdigest()[:16]
        text = f"{text[: MAX_NAME - len(digest) - 1]}~{digest}"
    return text


# What it says


def kind_and_name(labels: Mapping[str, str]) -> tuple[AlertKind, str]:
    """Whether the source cannot see, and the name of the rule.

    Grafana replaces the name of a rule whose query gives nothing or fails by `DatasourceNoData` or `DatasourceError`
    and moves the title of the rule to the label `rulename`.
    """
    alertname = spelt(labels.get("alertname", ""))
    if alertname in _BLIND:
        return AlertKind.BLIND, spelt(labels.get("rulename", alertname))
    return AlertKind.NORMAL, alertname


def reason_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """Why the alert is in this state, where the source says it: NoData, an error, MissingSeries, Paused, Updated..."""
    blind = _BLIND.get(labels.get("alertname", ""))
    if blind is None:
        reason = annotations.get("grafana_state_reason", "")
    elif blind == "Error" and "Error" in annotations:
        reason = f"Error: {annotations['Error']}"
    else:
        reason = blind
    return shortened(reason, MAX_SUMMARY)


def summary_of(annotations: Mapping[str, str]) -> str:
    """What a person should read first."""
    for name in _SUMMARIES:
        if name in annotations:
            return shortened(annotations[name], MAX_SUMMARY)
    return ""


def runbook_of(annotations: Mapping[str, str]) -> str:
    """The address of the runbook, if an annotation holds one; else what stands there instead."""
    for name in _RUNBOOKS:
        if address := web_address(annotations.get(name, "")):
            return address
    return next((place for name in _RUNBOOKS if (place := address_or_text(annotations.get(name, "")))), "")


def address_or_text(text: str) -> str:
    """A web address, or any other text that is not too long, without user names and passwords of addresses in it: at
    night `wiki.example/x` and "see the wiki" help too."""
    if address := web_address(text):
        return address
    return _CREDENTIALS.sub("//", text.strip()) if len(text) <= MAX_PLACE else ""


def web_address(text: str) -> str:
    """The text if it is an http or https address with a host and without credentials, else an empty text."""
    return (_usual_address if len(text) <= _USUAL_LINK else _address)(text) if text else ""


def _address(text: str) -> str:
    words = text.split(None, 1)
    if len(words) != 1:  # nothing but spaces, or some inside
        return ""
    address = words[0]
    return address if len(address) <= MAX_LINK and is_web_address(address) else ""


_USUAL_LINK = 300
_usual_address = lru_cache(maxsize=1024)(_address)  # the alerts of a rule, and those of a server, have the same


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters; a cut text ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"
