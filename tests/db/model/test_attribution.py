"""Which service an alert is about: the alerts of kube-prometheus-stack, and everybody else's labels."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given

from db.model.attribution import key_parts
from db.model.identity import KeyParts, spelt
from db.model.policy import Policy
from tests.db.builders import an_alert
from tests.strategies import labels, unhurried

KSM = {
    "service": "kube-prometheus-stack-kube-state-metrics",
    "job": "kube-state-metrics",
    "endpoint": "http",
    "instance": "10.0.3.7:8080",
}
KUBELET = {"service": "kube-prometheus-stack-kubelet", "job": "kubelet", "instance": "10.0.3.7:10250", "node": "n1"}
EXPORTER = {"service": "kube-prometheus-stack-prometheus-node-exporter", "job": "node-exporter", "instance": "n1:9100"}


def parts(_source: str = "alertmanager", /, **of_alert: str) -> KeyParts:
    return key_parts(replace(an_alert(rule="am:x", source=_source), labels=of_alert), Policy())


@pytest.mark.parametrize(
    ("name", "of_alert", "service"),
    [
        ("KubePodCrashLooping", {**KSM, "namespace": "pay", "pod": "api-7c9d8f6b54-x2k4q", "container": "api"}, "api"),
        ("KubeContainerWaiting", {**KSM, "pod": "api-7c9d8f6b54-x2k4q", "container": "sidecar"}, "sidecar"),
        ("KubeDeploymentReplicasMismatch", {**KSM, "namespace": "payments", "deployment": "ledger"}, "ledger"),
        ("KubeDeploymentReplicasMismatch", {**KSM, "deployment": "ledger", "container": "main"}, "ledger"),
        ("KubeStatefulSetReplicasMismatch", {**KSM, "statefulset": "postgres"}, "postgres"),
        ("KubeDaemonSetRolloutStuck", {**KSM, "daemonset": "log-agent"}, "log-agent"),
        ("KubeJobFailed", {**KSM, "job_name": "nightly-report"}, "nightly-report"),
        ("KubeHpaMaxedOut", {**KSM, "horizontalpodautoscaler": "ledger"}, "ledger"),
        ("KubePodNotReady", {"namespace": "pay", "pod": "api-7c9d8f6b54-x2k4q", "job": "kube-state-metrics"}, "api"),
        ("KubePodNotReady", {"namespace": "payments", "pod": "postgres-0"}, "postgres"),
        ("KubePodNotReady", {"namespace": "payments", "pod": "log-agent-x2k4q"}, "log-agent"),
        ("KubePodNotReady", {"namespace": "payments", "pod": "debug"}, "debug"),
        ("TargetDown", {"namespace": "payments", "service": "api", "job": "api"}, "api"),
        ("TargetDown", {"service": "kube-prometheus-stack-kubelet", "job": "kubelet"}, "kube-prometheus-stack-kubelet"),
        ("CPUThrottlingHigh", {**KUBELET, "pod": "api-7c9d8f6b54-x2k4q", "container": "api"}, "api"),
        ("KubePersistentVolumeFillingUp", {**KUBELET, "persistentvolumeclaim": "data-postgres-0"}, "data-postgres-0"),
        ("KubePersistentVolumeErrors", {**KSM, "persistentvolume": "pv-1", "phase": "Failed"}, ""),
        ("KubeNodeNotReady", {**KSM, "node": "n1"}, ""),
        ("NodeFilesystemSpaceFillingUp", {**EXPORTER, "device": "/dev/sda1"}, ""),
        (
            "NodeClockSkewDetected",
            {**EXPORTER, "container": "node-exporter", "pod": "kube-prometheus-stack-prometheus-node-exporter-x2k4q"},
            "",
        ),
        ("KubeCPUOvercommit", {"cluster": "prod-eu-1"}, ""),
        ("MyOwnAlert", {"service": "search", "instance": "10.0.0.1:80"}, "search"),
    ],
)
def test_the_service_is_what_fails_and_not_what_measured_it(name: str, of_alert: dict[str, str], service: str) -> None:
    assert parts(alertname=name, **of_alert).service == service


@pytest.mark.parametrize("phase", ["Failed", "Pending", "Running", "Bound", "Unknown", "Succeeded", "pending"])
def test_the_state_of_a_pod_or_volume_is_no_environment(phase: str) -> None:
    assert parts(phase=phase).phase == ""


@pytest.mark.parametrize("phase", ["prod", "staging", "운영", "failed-over"])
def test_an_environment_is_one(phase: str) -> None:
    assert parts(phase=phase).phase == phase


def test_ordinary_labels_are_taken_as_they_are() -> None:
    assert parts(
        "grafana", cluster="prod-eu-1", namespace="payments", service="checkout-api", phase="prod"
    ) == KeyParts("am:x", "prod-eu-1", "payments", "checkout-api", "prod")


def test_a_rule_of_grafana_without_a_service_has_none() -> None:
    assert parts("grafana", deployment="ledger", pod="api-7c9d8f6b54-x2k4q").service == ""


def test_a_grafana_rule_on_exporter_data_is_about_the_workload() -> None:
    assert parts("grafana", **KSM, deployment="ledger").service == "ledger"


def test_the_policy_names_other_labels() -> None:
    policy = Policy(cluster_labels=("k8s_cluster", "cluster"), phase_labels=("env",), service_labels=("app",))
    of_alert = {"cluster": "b", "env": "prod", "phase": "ignored", "app": "ledger", "service": "scraper"}
    alert = replace(an_alert(rule="am:x"), labels=of_alert)
    assert key_parts(alert, policy) == KeyParts("am:x", "b", "", "ledger", "prod")
    assert key_parts(replace(alert, labels={**of_alert, "k8s_cluster": "a"}), policy).cluster == "a"


@pytest.mark.parametrize("separator", [".", "_"])
@pytest.mark.parametrize("source", ["grafana", "alertmanager"])
def test_names_of_opentelemetry_stand_in_for_absent_labels(source: str, separator: str) -> None:
    names = ("k8s.cluster.name", "k8s.namespace.name", "service.name", "deployment.environment.name")
    otel = {
        name.replace(".", separator): value for name, value in zip(names, ("eu", "web", "rails", "prod"), strict=True)
    }
    assert parts(source, **otel) == KeyParts("am:x", "eu", "web", "rails", "prod")
    old = {"deployment.environment".replace(".", separator): "prod", "phase": "Failed"}
    assert parts(source, **old) == KeyParts("am:x", phase="prod")
    plain = {"cluster": "prod-eu-1", "namespace": "payments", "service": "checkout-api", "phase": "staging"}
    assert parts(source, **otel, **plain) == KeyParts("am:x", *plain.values()), "the alert's own labels come first"


def test_workloads_have_names_of_opentelemetry_too() -> None:
    assert (
        parts(**{**KSM, "k8s.deployment.name": "ledger", "k8s.pod.name": "ledger-7c9d8f6b54-x2k4q"}).service == "ledger"
    )
    assert parts(k8s_pod_name="api-7c9d8f6b54-x2k4q").service == "api"
    assert parts(**KSM, **{"service.name": "rails"}).service == "rails", "the exporter is not what fails"


def test_spellings_that_look_the_same_are_the_same() -> None:
    for text in ("결제", "Zahlungsbüro", "é"):
        composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
        one = parts(cluster=composed, namespace=composed, service=composed, phase=composed)
        blank = f"\u200b \u00a0{decomposed}\t"
        assert parts(cluster=blank, namespace=decomposed, service=blank, phase=decomposed) == one
        assert one.service == composed
    assert parts(service=" api ", cluster="\ufeff") == KeyParts("am:x", service="api")


@given(labels)
@unhurried
def test_any_labels_give_parts(of_alert: dict[str, str]) -> None:
    for source in ("grafana", "alertmanager"):
        found = key_parts(replace(an_alert(source=source), labels=of_alert), Policy())
        assert found.rule_uid == "checkout_5xx"
        assert found.cluster == spelt(of_alert.get("cluster", ""))
