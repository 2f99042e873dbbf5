"""Which cluster, namespace, service and phase an alert is about: the label parts of the incident key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from db.model.alert import Alert, AlertKind
from db.model.blind import blind_parts
from db.model.identity import KeyParts, spelt
from db.model.policy import KUBERNETES_PHASES, Policy
from db.model.source import source_of

_EXPORTER = re.compile(r"(?:.*-)?(?:kube-state-metrics|kubelet|node-exporter)")
"""Exporters that report about others: their own `service` label is where a number was scraped, not what fails."""

_WORKLOADS = (
    *("deployment", "k8s.deployment.name", "k8s_deployment_name"),
    *("statefulset", "k8s.statefulset.name", "k8s_statefulset_name"),
    *("daemonset", "k8s.daemonset.name", "k8s_daemonset_name"),
    *("horizontalpodautoscaler", "k8s.hpa.name", "k8s_hpa_name"),
    *("job_name", "k8s.job.name", "k8s_job_name"),
    *("cronjob", "k8s.cronjob.name", "k8s_cronjob_name"),
    *("container", "k8s.container.name", "k8s_container_name"),
    "persistentvolumeclaim",
)
"""Labels that name the failing workload, the most telling first: those of kube-prometheus and of OpenTelemetry."""

_PODS = ("pod", "k8s.pod.name", "k8s_pod_name")

_POD = re.compile(r"(.+?)-(?:[a-f0-9]{6,10}-[a-z0-9]{5}|[a-z0-9]{5}|\d{1,4})")
"""A workload's name and what its ReplicaSet, DaemonSet or StatefulSet added to name a pod."""


def key_parts(alert: Alert, policy: Policy, origin: str = "") -> KeyParts:
    """The parts of the incident key of one alert; `origin` is the host of the Grafana it comes from, if known.

    Ordinary labels are taken as they are, but for their spelling (`spelt`). Two things of Kubernetes are not what their
    label says: a `phase` such as `Failed` is the state of a pod or volume, and the `service` of an alert on exporter
    data is the exporter.
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
    return next(_said(labels, names), "")


def _said(labels: Mapping[str, str], names: Iterable[str]) -> Iterator[str]:
    """What the labels of these names say, in this order, without those that say nothing."""
    for name in names:
        if (value := labels.get(name)) and (text := spelt(value)):
            yield text


def _phase(labels: Mapping[str, str], policy: Policy) -> str:
    phases = _said(labels, policy.phase_labels)
    return next((phase for phase in phases if phase.lower() not in KUBERNETES_PHASES), "")


def _service(alert: Alert, policy: Policy) -> str:
    labels = alert.labels
    by_exporter = False
    for service in _said(labels, policy.service_labels):
        if not ("instance" in labels and _EXPORTER.fullmatch(service)):
            return service  # without `instance` the alert is about the scrape target itself, as TargetDown is
        by_exporter = True
    if not by_exporter and source_of(alert.source).keeps_service_label:
        return ""  # a Grafana rule that wants a service in the key carries the label
    return _workload(labels)


def _workload(labels: Mapping[str, str]) -> str:
    """The failing workload by its own labels; names of exporters are skipped here too."""
    for workload in _said(labels, _WORKLOADS):
        if not _EXPORTER.fullmatch(workload):
            return workload
    pod = _pod_owner(_first(labels, _PODS))
    return "" if _EXPORTER.fullmatch(pod) else pod


def _pod_owner(pod: str) -> str:
    """The workload that a pod's name starts with: `api-7c9d8f6b54-x2k4q` belongs to `api`."""
    found = _POD.fullmatch(pod)
    return found[1] if found else pod
