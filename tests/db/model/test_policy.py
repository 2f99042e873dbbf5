"""The policy file: its defaults, its tables, and the names of everything that is wrong."""

from __future__ import annotations

import tomllib
import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from bot.grammar import ListFiltered, understand
from db.model.incident import Rank, Severity
from db.model.policy import Policy
from db.model.sections import PolicyError
from tests.strategies import json_values, labels, unhurried


def parsed(toml: str) -> Policy:
    return Policy.parse(tomllib.loads(toml))


def problems(toml: str) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        parsed(toml)
    return caught.value.problems


def test_an_empty_file_is_the_default_policy() -> None:
    assert Policy.parse({}) == Policy()


def test_the_defaults_ask_nothing_of_anybody() -> None:
    policy = Policy()
    assert policy.reopen_window == timedelta(0)
    assert policy.refire_after == timedelta(minutes=15)
    assert policy.severity({}) is Severity.WARNING
    assert policy.channel({"service": "x"}) == ""
    assert policy.category({"service": "x"}) == ""
    assert policy.title("Disk full", {}) == "Disk full"
    assert policy.is_heartbeat({"alertname": "Watchdog"})
    assert not policy.is_heartbeat({"alertname": "WatchdogMissing"})
    assert policy.may("U1")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL),
        (" CRITICAL ", Severity.CRITICAL),
        ("page", Severity.CRITICAL),
        ("P1", Severity.CRITICAL),
        ("sev1", Severity.CRITICAL),
        ("disaster", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("error", Severity.HIGH),
        ("major", Severity.HIGH),
        ("warning", Severity.WARNING),
        ("minor", Severity.WARNING),
        ("average", Severity.WARNING),
        ("info", Severity.INFO),
        ("none", Severity.INFO),
        ("P5", Severity.INFO),
        ("purple", Severity.WARNING),
        ("", Severity.WARNING),
        ("치명적", Severity.CRITICAL),
        ("S1", Severity.CRITICAL),
        ("sev-0", Severity.CRITICAL),
        ("SEV 2", Severity.HIGH),
        ("P1 - Critical", Severity.CRITICAL),
        ("[High]", Severity.HIGH),
        ("emerg", Severity.CRITICAL),
        ("Blocker", Severity.CRITICAL),
        ("ＣＲＩＴＩＣＡＬ", Severity.CRITICAL),
        ("긴급", Severity.CRITICAL),
        ("높음", Severity.HIGH),
        ("주의", Severity.WARNING),
        ("정보", Severity.INFO),
        ("non-critical", Severity.WARNING),
        ("not urgent", Severity.WARNING),
        ("Highest", Severity.CRITICAL),
        ("P01", Severity.CRITICAL),
        ("SEV.1", Severity.CRITICAL),
        ("1", Severity.CRITICAL),
        ("1 - low", Severity.INFO),
        ("1등급", Severity.CRITICAL),
        ("위험", Severity.CRITICAL),
        (unicodedata.normalize("NFD", "긴급"), Severity.CRITICAL),
        ("critico", Severity.CRITICAL),
        ("①", Severity.CRITICAL),
        ("10", Severity.WARNING),
        ("notice", Severity.INFO),
        ("trivial", Severity.INFO),
    ],
)
def test_words_of_sources_become_one_of_four_severities(word: str, severity: Severity) -> None:
    assert Policy().severity({"severity": word}) is severity


def test_the_file_adds_words_and_replaces_those_of_the_levels_it_names() -> None:
    policy = parsed(
        """
        [labels]
        severity = ["prio", "severity"]
        [severity]
        default = "info"
        critical = ["치명적", "Red"]
        warning = "yellow"
        """
    )
    assert policy.severity({"prio": "치명적"}) is Severity.CRITICAL
    assert policy.severity({"severity": "RED"}) is Severity.CRITICAL
    assert policy.severity({"severity": "critical"}) is Severity.INFO, "the file says what critical is"
    assert policy.severity({"severity": "yellow"}) is Severity.WARNING
    assert policy.severity({"severity": "high"}) is Severity.HIGH, "a level that is not named keeps its words"
    assert policy.severity({"prio": " ", "severity": "error"}) is Severity.HIGH, "the first label with a value counts"


def test_signs_without_a_letter_are_not_all_the_same() -> None:
    policy = parsed('[severity]\ncritical = ["🔴"]\ninfo = ["🟢"]')
    said = [policy.severity({"severity": sign}) for sign in ("🔴", "🟢", "!", "...")]
    assert said == [Severity.CRITICAL, Severity.INFO, Severity.WARNING, Severity.WARNING]


@pytest.mark.parametrize(
    ("word", "unknown"),
    [("purple", "purple"), (" Purple! ", "Purple!"), ("critical", ""), ("P1 - Critical", ""), ("", ""), ("10", "10")],
)
def test_a_word_in_no_list_is_told(word: str, unknown: str) -> None:
    assert Policy().unknown_severity({"severity": word}) == unknown


def test_what_the_filter_of_lists_understands_a_label_means_too() -> None:
    for text in (*Severity, "심각", "높음", "경고", "정보"):
        found = understand(f"list severity:{text}")
        assert isinstance(found, ListFiltered)
        assert found.filter.severities == (Policy().severity({"severity": text}),)


def test_a_word_may_move_to_another_level() -> None:
    assert parsed('[severity]\nhigh = ["p1", "high"]').severity({"severity": "P1"}) is Severity.HIGH


def test_the_worst_severity_comes_first() -> None:
    assert sorted(Severity, key=lambda severity: severity.rank) == list(Severity)
    assert Severity.CRITICAL.rank is Rank.CRITICAL


def test_the_first_route_that_matches_wins() -> None:
    policy = parsed(
        """
        [[routes]]
        match = { service = "checkout-.*", severity = "critical|page" }
        channel = "#checkout-urgent"
        [[routes]]
        match = { service = "checkout-.*" }
        channel = "#checkout"
        [[routes]]
        match = { team = "" }
        channel = "#nobody"
        """
    )
    assert policy.channel({"service": "checkout-api", "severity": "page"}) == "#checkout-urgent"
    assert policy.channel({"service": "checkout-api", "severity": "info"}) == "#checkout"
    assert policy.channel({"service": "my-checkout-api", "team": "x"}) == "", "the whole value must match"
    assert policy.channel({"service": "search"}) == "#nobody", "an absent label counts as empty"


def test_a_route_without_a_match_takes_everything() -> None:
    assert parsed('[[routes]]\nchannel = "#all"').channel({}) == "#all"


def test_labels_with_dots_are_matched_and_fill_titles() -> None:
    policy = parsed(
        """
        [[titles]]
        match = { service.name = "rails|결제", "k8s.cluster.name" = "eu" }
        title = "{service.name} in {k8s.cluster.name} is broken {a name}{no-such/name}"
        """
    )
    labels = {"service.name": "rails", "k8s.cluster.name": "eu", "a name": "now"}
    assert policy.title("X", labels) == "rails in eu is broken now"
    assert policy.title("X", {**labels, "service.name": "billing"}) == "X"
    hangul = unicodedata.normalize("NFD", "결제")
    assert policy.title("X", {**labels, "service.name": hangul}) == f"{hangul} in eu is broken now"


@pytest.mark.parametrize(
    "title", ["{}", "{ }", "{{service}}", "{{ $labels.service }}", "{service", "service}", "{a{b}}"]
)
def test_braces_without_the_name_of_a_label_are_a_problem(title: str) -> None:
    [problem] = problems(f"[[titles]]\ntitle = '{title}'")
    assert problem.startswith("titles[0].title must have names of labels in its braces")


def test_categories_are_chosen_like_routes() -> None:
    policy = parsed('[[categories]]\nmatch = { namespace = "pay.*" }\ncategory = "Payments"')
    assert policy.category({"namespace": "payments"}) == "Payments"
    assert policy.category({"namespace": "search"}) == ""


def test_a_title_is_made_of_labels() -> None:
    policy = parsed(
        """
        [[titles]]
        match = { service = ".+" }
        title = "{alertname} in {service} {nowhere}"
        [[titles]]
        match = { blank = "yes" }
        title = "{nowhere}"
        """
    )
    assert policy.title("Disk full", {"service": "db-1"}) == "Disk full in db-1"
    assert policy.title("Disk full", {}) == "Disk full"
    assert policy.title("Disk full", {"blank": "yes"}) == "Disk full", "a title is never empty"
    assert policy.title("{service}", {"service": "{alertname}"}) == "{service} in {alertname}", "nothing expands twice"


def test_heartbeats_are_chosen_by_the_file() -> None:
    policy = parsed('[[heartbeats]]\nmatch = { alertname = "DeadMansSwitch" }')
    assert policy.is_heartbeat({"alertname": "DeadMansSwitch"})
    assert not policy.is_heartbeat({"alertname": "Watchdog"})
    assert not Policy.parse({"heartbeats": []}).is_heartbeat({"alertname": "Watchdog"})


def test_a_heartbeat_may_be_missed_after_a_time() -> None:
    policy = parsed(
        '[[heartbeats]]\nmatch = { cluster = "a" }\nmissing_after = "10m"\nseverity = "high"\n'
        '[[heartbeats]]\nmatch = { alertname = "Watchdog" }'
    )
    first, second = policy.heartbeats
    assert (first.missing_after, first.severity) == (timedelta(minutes=10), Severity.HIGH)
    assert (second.missing_after, second.severity) == (None, Severity.CRITICAL)
    assert policy.heartbeat({"cluster": "a", "alertname": "Watchdog"}) is first, "the first that matches"
    assert policy.heartbeat({"cluster": "b"}) is None
    assert problems('[[heartbeats]]\nmissing_after = "9s"\nseverity = "awful"') == (
        "heartbeats[0].missing_after must be 10 seconds or more; leave it out to be told nothing",
        "heartbeats[0].severity must be one of critical, high, warning, info, not 'awful'",
    )


def test_findings_get_their_severity_whatever_the_words_are() -> None:
    policy = parsed('[labels]\nseverity = ["prio"]\n[severity]\ncritical = ["eins"]')
    assert policy.severity(policy.severity_label(Severity.CRITICAL)) is Severity.CRITICAL
    assert policy.severity_label(Severity.CRITICAL) == {"prio": "eins"}
    assert parsed("[severity]\ncritical = []").severity_label(Severity.CRITICAL) == {}


def test_blindness_and_silence_have_their_times() -> None:
    policy = parsed(
        '[blind]\nwindow = "1h"\nsettle = "0s"\nby_origin = true\nnames = { P1 = "prometheus-main" }\n'
        '[incidents]\nstale_after = "0s"'
    )
    assert (policy.blind.window, policy.blind.settle) == (timedelta(hours=1), timedelta(0))
    assert (policy.blind.by_origin, policy.stale_after) == (True, timedelta(0))
    assert (policy.blind.name("P1"), policy.blind.name("P2")) == ("prometheus-main", "P2")
    assert problems("[blind]\nby_origin = 1\nnames = { P1 = 2 }\nx = 1") == (
        "blind.x is not a known key (known: by_origin, names, settle, window)",
        "blind.by_origin must be true or false, not 1",
        'blind.names must be a table such as { PBFA97CFB590B2093 = "prometheus-main" }',
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400), ("5 m", 300)]
)
def test_durations_have_units(text: str, seconds: int) -> None:
    policy = parsed(f'[incidents]\nreopen_window = "{text}"\nrefire_after = "1h"')
    assert policy.reopen_window == timedelta(seconds=seconds)
    assert policy.refire_after == timedelta(hours=1)


@pytest.mark.parametrize("text", ['"10"', "10", '"-5m"', '"1.5h"', '"1h30m"', '"soon"', '""', "true", "[]"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    assert problems(f"[incidents]\nreopen_window = {text}")[0].startswith("incidents.reopen_window must be a duration")


def test_who_may_click_is_everybody_or_those_who_are_named() -> None:
    policy = parsed('[people]\nmay_act = ["U1", "U2"]')
    assert policy.may("U1")
    assert not policy.may("U3")


def test_every_wrong_key_is_named_in_one_error() -> None:
    found = problems(
        """
        surprise = 1
        [incidents]
        reopen_windw = "5m"
        refire_after = "later"
        [labels]
        service = 7
        phase = ["env", ""]
        [severity]
        default = "purple"
        deadly = ["x"]
        [[routes]]
        match = { service = "checkout-[" }
        chanel = "#checkout"
        [[titles]]
        match = "service"
        title = "{service}"
        [people]
        may_act = [1]
        """
    )
    starts = [
        "surprise is not a known key",
        "incidents.reopen_windw is not a known key",
        "severity.deadly is not a known key",
        "incidents.refire_after must be a duration",
        "labels.service must be a text or a list of texts",
        "labels.phase must be a text or a list of texts",
        "severity.default must be one of critical, high, warning, info",
        "routes[0].chanel is not a known key",
        "routes[0].channel must be a text",
        "titles[0].match must be a table",
        "people.may_act must be a text or a list of texts",
    ]
    for start in starts:
        assert any(problem.startswith(start) for problem in found), start
    assert len(found) == len(starts)


def test_a_wrong_regular_expression_is_named() -> None:
    found = problems('[[routes]]\nmatch = { service = "checkout-[" }\nchannel = "#x"')
    assert found[0].startswith("routes[0].match.service is not a regular expression:")


@pytest.mark.parametrize("name", ["incidents", "labels", "severity", "people", "blind"])
def test_a_table_must_be_a_table(name: str) -> None:
    assert problems(f"{name} = 1") == (f"{name} must be a table, written [{name}]",)


@pytest.mark.parametrize("name", ["routes", "categories", "titles", "heartbeats"])
def test_a_list_of_tables_must_be_one(name: str) -> None:
    assert problems(f"[{name}]\nx = 1") == (f"{name} must be a list of tables, written [[{name}]]",)
    assert problems(f"{name} = [1]") == (f"{name} must be a list of tables, written [[{name}]]",)


@given(json_values)
@unhurried
def test_any_content_is_a_policy_or_a_policy_error(value: Any) -> None:
    for data in (
        value,
        {"incidents": value, "routes": value, "people": value, "blind": value},
        {"blind": {"names": value, "by_origin": value, "settle": value}, "heartbeats": [{"severity": value}]},
        {"severity": {"critical": value}, "labels": {"service": value}},
        {"titles": [{"match": {"a": "b"}, "title": value}], "heartbeats": [value]},
    ):
        if isinstance(data, dict):
            try:
                Policy.parse(data)
            except PolicyError as error:
                assert error.problems  # noqa: PT017 - either is right, but an error says why


@given(labels)
@unhurried
def test_every_alert_has_a_severity_and_a_title(of_alert: dict[str, str]) -> None:
    policy = parsed('[[titles]]\ntitle = "{alertname}: {service}"\n[[routes]]\nmatch={service=".*a"}\nchannel="#a"')
    assert policy.severity(of_alert) in Severity
    assert policy.title("x", of_alert)
    assert policy.channel(of_alert) in ("", "#a")
