"""Which cluster, namespace, service and phase an alert is about: the label parts of the incident key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from db.model.alert import Alert, AlertKind
from db.model.blind import blind_parts
from db.model.identity import KeyParts
from db.model.policy import KUBERNETES_PHASES, Policy

_EXPORTER = re.compile(r"(?:.*-)?(?:kube-state-metrics|kubelet|node-exporter)")
"""Exporters that report about others: their own `service` label is where a number was scraped, not what fails."""

_WORKLOADS = (
    "deployment",
    "statefulset",
    "daemonset",
    "horizontalpodautoscaler",
    "job_name",
    "cronjob",
    "container",
    "persistentvolumeclaim",
)
"""Labels of kube-prometheus alerts that name the failing workload, the most telling first."""

_POD = re.compile(r"(.+?)-(?:[a-f0-9]{6,10}-[a-z0-9]{5}|[a-z0-9]{5}|\d{1,4})")
"""A workload's name and what its ReplicaSet, DaemonSet or StatefulSet added to name a pod."""


def key_parts(alert: Alert, policy: Policy, origin: str = "") -> KeyParts:
    """The parts of the incident key of one alert; `origin` is the host of the Grafana it comes from, if known.

    Ordinary labels are taken as they are. Two things of Kubernetes are not what their label says: a `phase` such as
    `Failed` is the state of a pod or volume, and the `service` of an alert on exporter data is the exporter.
    """
    if alert.kind is AlertKind.BLIND:
        return blind_parts(alert, policy.blind, origin)
    labels = alert.labels
    return KeyParts(
        rule_uid=alert.rule_uid,
        cluster=_first(labels, policy.cluster_labels),
        namespace=_first(labels, policy.namespace_labels),
        service=_service(alert, policy),
        phase=_phase(labels, policy),
    )


def _first(labels: Mapping[str, str], names: Iterable[str]) -> str:
    for name in names:
        if value := labels.get(name):
            return value
    return ""


def _phase(labels: Mapping[str, str], policy: Policy) -> str:
    phase = _first(labels, policy.phase_labels)
    return "" if phase.lower() in KUBERNETES_PHASES else phase


def _service(alert: Alert, policy: Policy) -> str:
    labels = alert.labels
    service = _first(labels, policy.service_labels)
    if service and not ("instance" in labels and _EXPORTER.fullmatch(service)):
        return service  # without `instance` the alert is about the scrape target itself, as TargetDown is
    if not service and alert.source != "alertmanager":
        return ""  # a Grafana rule that wants a service in the key carries the label
    return _workload(labels)


def _workload(labels: Mapping[str, str]) -> str:
    """The failing workload by its own labels; names of exporters are skipped here too."""
    for name in _WORKLOADS:
        value = labels.get(name, "")
        if value and not _EXPORTER.fullmatch(value):
            return value
    pod = _pod_owner(labels.get("pod", ""))
    return "" if _EXPORTER.fullmatch(pod) else pod


def _pod_owner(pod: str) -> str:
    """The workload that a pod's name starts with: `api-7c9d8f6b54-x2k4q` belongs to `api`."""
    found = _POD.fullmatch(pod)
    return found[1] if found else pod
