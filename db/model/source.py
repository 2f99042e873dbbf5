"""The sources of alerts: what each is called, and what its alerts say and leave out.

Whoever has to treat sources differently asks for a fact of theirs; nobody compares a name. How a source's requests are
read and proven stands in `receiver.sources`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kind of sender."""

    name: str  # in the record, in addresses and in metrics
    label: str  # what people call it; of an unknown source untrusted text
    rule_page: str = ""  # what the address of an alert's rule opens, if that is not the source itself
    has_rules: bool = False  # it evaluates rules: its bodies say of which organisation, and a button sends test alerts
    speaks_for_whole_rule: bool = False  # a message is the state of a rule with all its instances
    keeps_service_label: bool = True  # whoever wants a service in the key labels the rule; else the workload counts
    sends_heartbeats: bool = True


GRAFANA = Source(name="grafana", label="Grafana", has_rules=True)
GRAFANA_LEGACY = Source(name="grafana-legacy", label="Grafana", speaks_for_whole_rule=True)
ALERTMANAGER = Source(
    name="alertmanager",
    label="Alertmanager",
    rule_page="Prometheus",
    keeps_service_label=False,
)
OBSERVER = Source(name="observer", label="Observer", sends_heartbeats=False)
"""What Observer finds out by itself."""

SOURCES = {source.name: source for source in (GRAFANA, GRAFANA_LEGACY, ALERTMANAGER, OBSERVER)}


def source_of(name: str) -> Source:
    """The source of this name; one that is not known has its name for a label and nothing special."""
    return SOURCES.get(name) or Source(name=name, label=name)
