"""A body is told by its shape, one bad alert does not cost the others, and nothing but `Unreadable` ever comes out."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.alert import Reading, Unreadable, is_web_address
from receiver.sources.reading import NothingSaid, read_alertmanager, read_grafana
from tests.strategies import as_body, byte_bodies, grafana_bodies, json_bodies, json_values, unhurried

Reader = Callable[[bytes], Reading]
both_readers = pytest.mark.parametrize("read", [read_grafana, read_alertmanager])


def alert(**changes: Any) -> dict[str, Any]:
    """A small readable element of `alerts`."""
    return {"status": "firing", "labels": {"alertname": "A"}, "fingerprint": "00000000000000aa", **changes}


def body(*alerts: object, **changes: Any) -> bytes:
    """A small readable body of Grafana."""
    return as_body({"version": "1", "alerts": list(alerts), **changes})


def error_of(read: Reader, request_body: bytes) -> str:
    """What the reader says against a body."""
    with pytest.raises(Unreadable) as caught:
        read(request_body)
    return str(caught.value)


# Shapes


@pytest.mark.parametrize(
    ("version", "read", "source", "rule_uid"),
    [
        ("1", read_grafana, "grafana", "name:A"),
        (1, read_grafana, "grafana", "name:A"),
        ("4", read_grafana, "grafana", "am:A"),
        (4, read_grafana, "grafana", "am:A"),
        (None, read_grafana, "grafana", "name:A"),
        ("2", read_grafana, "grafana", "name:A"),
        ({}, read_grafana, "grafana", "name:A"),
        ("4", read_alertmanager, "alertmanager", "am:A"),
        (4, read_alertmanager, "alertmanager", "am:A"),
        (None, read_alertmanager, "alertmanager", "am:A"),
        ("5", read_alertmanager, "alertmanager", "am:A"),
        ("1", read_alertmanager, "grafana", "name:A"),
    ],
)
def test_the_version_decides_and_without_a_known_one_the_path(
    version: object, read: Reader, source: str, rule_uid: str
) -> None:
    reading = read(body(alert(), version=version))
    assert (reading.source, reading.alerts[0].source, reading.alerts[0].rule_uid) == (source, source, rule_uid)


def test_a_body_without_version_is_of_grafana_where_only_grafana_writes_such_keys() -> None:
    request_body = as_body({"alerts": [alert()], "orgId": 1})
    assert read_alertmanager(request_body).source == "grafana"


@both_readers
@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ([], "$", "found an array"),
        ([{"labels": {}}], "$", "found a list of alerts, as for Alertmanager's own API"),
        ("text", "$", "found a text"),
        (None, "$", "found null"),
        (7, "$", "found a number"),
        ({}, "$", "this looks like an empty object"),
        ({"a": 1, "b\n": 2}, "$", 'this looks like an object with "a", "b\\n"'),
        (dict.fromkeys("abcdefg"), "$", 'an object with "a", "b", "c", "d", "e", ...'),
        ({"labels": {}, "status": "firing"}, "$", "a single alert outside of `alerts`"),
        ({"alerts": [{"id": 1}], "version": "1.0"}, "$", 'this looks like an object with "alerts", "version"'),
        ({"alerts": ["x"]}, "$", 'this looks like an object with "alerts"'),
        ({"alerts": {}, "orgId": 1}, "$", 'this looks like an object with "alerts", "orgId"'),
        ({"alerts": [], "version": "1"}, "alerts", "expected at least one alert, found none"),
        ({"alerts": []}, "alerts", "expected at least one alert, found none"),
        ({"alerts": None, "version": "4"}, "alerts", "expected an array, found null"),
        ({"version": "1"}, "alerts", "expected an array, found nothing"),
        ({"alerts": {}, "version": "1"}, "alerts", "expected an array, found an object"),
    ],
)
def test_what_is_no_webhook_body_is_refused_with_what_was_expected(
    read: Reader, value: object, path: str, says: str
) -> None:
    message = error_of(read, as_body(value))
    assert message.startswith(f"{path}: expected ")
    assert message.endswith(says)


def test_unknown_keys_are_ignored_and_kept() -> None:
    reading = read_grafana(body(alert(enrichments={"new": [1, {"deep": True}]}), somethingNew={"a": 1}))
    assert json.loads(reading.alerts[0].raw)["enrichments"] == {"new": [1, {"deep": True}]}


@pytest.mark.parametrize(
    ("given", "truncated"), [(0, 0), (3, 3), (-1, 0), ("2", 0), (None, 0), (2.5, 0), (float("nan"), 0), ([], 0)]
)
def test_truncated_alerts_are_a_count_or_none(given: object, truncated: int) -> None:
    assert read_grafana(body(alert(), truncatedAlerts=given)).truncated == truncated


@pytest.mark.parametrize(
    ("escaped", "receiver"),
    [
        ("plain", "plain"),
        (r"a\.b\+c\*d\?e\(f\)g\|h\[i\]j\{k\}l\^m\$n\\o", r"a.b+c*d?e(f)g|h[i]j{k}l^m$n\o"),
        (r"no escape: \d \-", r"no escape: \d \-"),
        (r"\\\.", r"\."),
        (7, ""),
        (None, ""),
    ],
)
def test_a_receiver_is_unescaped_as_go_escapes_it(escaped: object, receiver: str) -> None:
    assert read_grafana(body(alert(), receiver=escaped)).receiver == receiver


# Custom payloads, which leave out or move what the stock body has


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("firing", {"status": "firing"}),
        ("resolved", {"status": "resolved"}),
        ("resolved", {"status": " RESOLVED "}),
        ("firing", {"state": "alerting"}),
        ("resolved", {"state": "ok"}),
    ],
)
@both_readers
def test_a_status_on_top_is_that_of_alerts_without_one(read: Reader, state: str, said: dict[str, str]) -> None:
    bare = {"labels": {"alertname": "A"}, "fingerprint": "00000000000000aa"}
    for version in ({"version": "1"}, {"version": "4"}, {}):
        reading = read(as_body({"alerts": [bare, bare], **said, **version}))
        assert [(found.state, found.alertname) for found in reading.alerts] == [(state, "A")] * 2
        assert json.loads(reading.alerts[0].raw)["status"] == state


def test_the_status_of_the_body_is_not_that_of_an_alert_with_one_of_its_own_or_an_end() -> None:
    labels = {"alertname": "A"}
    elements = [
        {"labels": labels, "status": "resolved"},
        {"labels": labels, "state": "normal"},
        {"labels": labels, "endsAt": "2026-11-20T08:41:10Z"},
        {"labels": labels, "endsAt": "0001-01-01T00:00:00Z"},
        {"labels": labels},
    ]
    reading = read_grafana(body(*elements, status="firing"))
    assert [found.state for found in reading.alerts] == ["resolved", "resolved", "resolved", "firing", "firing"]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("[FIRING:1]", "firing"),
        ("🔥 Firing", "firing"),
        ("alerting", "firing"),
        ("✅ RESOLVED (2)", "resolved"),
        ("OK", "resolved"),
        ("해결", "resolved"),
        ({"state": "active", "silencedBy": []}, "firing"),
    ],
)
def test_a_state_has_other_names_in_other_houses(word: object, state: str) -> None:
    assert read_grafana(body(alert(status=word))).alerts[0].state == state


@both_readers
def test_labels_that_all_alerts_share_may_stand_on_top_only(read: Reader) -> None:
    common = {"commonLabels": {"alertname": "A", "service": "x"}, "commonAnnotations": {"summary": "s"}}
    reading = read(as_body({"alerts": [{"status": "firing"}], **common}))
    assert (reading.alerts[0].labels, reading.alerts[0].summary) == (common["commonLabels"], "s")
    reading = read(as_body({"alerts": [{}], "status": "firing", "groupLabels": {"alertname": "A"}}))
    assert reading.alerts[0].labels == {"alertname": "A"}
    reading = read(as_body({"alerts": [alert()], **common}))
    assert (reading.alerts[0].labels, reading.alerts[0].summary) == ({"alertname": "A"}, "")


@both_readers
@pytest.mark.parametrize(
    "value",
    [
        alert(),
        [alert()],
        {"alerts": alert()},
        {"alerts": json.dumps([alert()])},
        {"alerts": [alert(labels=json.dumps({"alertname": "A"}))]},
    ],
)
def test_alerts_that_are_written_alone_or_as_text_are_read(read: Reader, value: object) -> None:
    (found,) = read(as_body(value)).alerts
    assert (found.state, found.labels, found.fingerprint) == ("firing", {"alertname": "A"}, "00000000000000aa")


@pytest.mark.parametrize("request_body", [b'{"alerts": []}', b'{"alerts": null, "version": "1"}', b'{"alerts": null}'])
@both_readers
def test_a_body_without_alerts_says_nothing(read: Reader, request_body: bytes) -> None:
    with pytest.raises(NothingSaid):
        read(request_body)


# One bad alert among good ones


@both_readers
@pytest.mark.parametrize(
    ("element", "path", "reason"),
    [
        (None, "alerts[1]", "expected an object, found null"),
        ("x", "alerts[1]", "expected an object, found a text"),
        ({}, "alerts[1].status", "expected a text, found nothing"),
        (alert(status=None), "alerts[1].status", "expected a text, found null"),
        (alert(status="suppressed"), "alerts[1].status", 'expected "firing" or "resolved", found "suppressed"'),
        ({"status": "firing"}, "alerts[1].labels", "expected an object, found nothing"),
        (alert(labels=["a"]), "alerts[1].labels", "expected an object, found an array"),
        (alert(labels={"service": {}}), "alerts[1].labels.service", "expected a text, found an object"),
        (alert(labels={"a.b": []}), 'alerts[1].labels["a.b"]', "expected a text, found an array"),
        (alert(annotations="x"), "alerts[1].annotations", "expected an object, found a text"),
        (alert(extra="x" * 2**20), "alerts[1]", "larger than 1 MiB (1,048,666 bytes of JSON text)"),
        (alert(extra=json.loads("[" * 60 + "]" * 60)), "alerts[1]", "nested deeper than 31 levels"),
    ],
)
def test_an_unreadable_alert_is_named_and_does_not_cost_the_others(
    read: Reader, element: object, path: str, reason: str
) -> None:
    version = "1" if read is read_grafana else "4"
    reading = read(body(alert(), element, alert(), version=version))
    assert len(reading.alerts) == 2
    assert [(rejected.path, rejected.reason) for rejected in reading.rejected] == [(path, reason)]


@both_readers
@pytest.mark.parametrize(
    ("element", "path", "reason"),
    [
        (alert(startsAt="now"), "alerts[1].startsAt", 'expected a time as in RFC 3339, found "now"'),
        (alert(startsAt=True), "alerts[1].startsAt", "expected a time, found a boolean"),
        (
            alert(status="resolved", endsAt="9999-12-31T23:59:59Z"),
            "alerts[1].endsAt",
            'expected a time between 1970 and 2100, found "9999-12-31T23:59:59Z"',
        ),
    ],
)
def test_a_time_that_cannot_be_read_is_named_and_costs_no_alert(
    read: Reader, element: object, path: str, reason: str
) -> None:
    version = "1" if read is read_grafana else "4"
    reading = read(body(alert(), element, alert(), version=version))
    assert len(reading.alerts) == 3
    assert [(rejected.path, rejected.reason) for rejected in reading.rejected] == [(path, reason)]


def test_when_no_alert_is_readable_the_body_is_not() -> None:
    assert error_of(read_grafana, body(alert(status="x"))) == (
        'alerts[0].status: expected "firing" or "resolved", found "x"'
    )
    assert error_of(read_grafana, body({}, None, alert(labels=1))) == (
        "alerts[0].status: expected a text, found nothing (none of the 3 alerts can be read)"
    )


def test_equal_fingerprints_in_one_body_are_kept_in_order() -> None:
    reading = read_grafana(body(alert(status="firing"), alert(status="resolved"), alert(status="firing")))
    assert [found.state for found in reading.alerts] == ["firing", "resolved", "firing"]
    assert {found.fingerprint for found in reading.alerts} == {"00000000000000aa"}


def test_a_storm_of_five_thousand_alerts_in_one_body_is_read() -> None:
    reading = read_grafana(body(*(alert(labels={"alertname": "Storm", "pod": f"p-{n}"}) for n in range(5_000))))
    assert [found.labels["pod"] for found in reading.alerts] == [f"p-{n}" for n in range(5_000)]


def test_more_elements_than_a_real_body_can_hold_are_refused_before_any_is_read() -> None:
    assert error_of(read_grafana, b'{"version":"1","alerts":[' + b"0," * 40_000 + b"0]}") == (
        "alerts: expected at most 40,000 alerts, found 40,001"
    )


def test_a_label_of_100_kilobytes_is_kept_whole_and_the_names_stay_short() -> None:
    long = "경보" * 50_000
    (found,) = read_grafana(body(alert(labels={"alertname": long}, annotations={"summary": long}))).alerts
    assert found.labels["alertname"] == long
    assert len(found.alertname) == len(found.rule_uid) == 255
    assert found.rule_uid.startswith("name:경보")
    assert len(found.summary) == 3_000


# Properties


def attempt(read: Reader, request_body: bytes) -> Reading | Unreadable:
    """The reading, or the error as a value."""
    try:
        return read(request_body)
    except Unreadable as error:
        return error


def follow(value: Any, path: str) -> Any:
    """What stands at a path of a JSON document; None where nothing stands."""
    for key, index, quoted in re.findall(r'([^.\[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]', path):
        if index:
            value = value[int(index)]
        else:
            value = value.get(json.loads(quoted) if quoted else key) if isinstance(value, dict) else None
    return value


@unhurried
@given(byte_bodies | json_bodies | st.builds(lambda value: as_body({"version": "1", "alerts": value}), json_values))
def test_whatever_is_sent_is_read_or_unreadable(request_body: bytes) -> None:
    for read in (read_grafana, read_alertmanager):
        outcome = attempt(read, request_body)
        assert outcome.reason if isinstance(outcome, Unreadable) else outcome.alerts


_SAID: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "firing", "[RESOLVED]", {}, {"state": "active"}, {"alertname": "A"}, '{"a":"b"}', [], 1]
)
_PARTS = ["status", "state", "labels", "annotations", "startsAt", "endsAt", "fingerprint"]
_ELEMENTS = st.dictionaries(st.sampled_from(_PARTS), _SAID)
_TOPS = st.dictionaries(st.sampled_from(["status", "state", "commonLabels", "groupLabels", "commonAnnotations"]), _SAID)
_LISTS = st.lists(_ELEMENTS | _SAID, max_size=3)


@unhurried
@given(_TOPS, _ELEMENTS | _LISTS | _LISTS.map(json.dumps), st.sampled_from([{}, {"version": "1"}, {"version": "4"}]))
def test_whatever_a_template_leaves_out_the_rest_is_read_or_unreadable(
    top: dict[str, Any], alerts: object, version: dict[str, str]
) -> None:
    for value in ({**top, **version, "alerts": alerts}, alerts):
        for read in (read_grafana, read_alertmanager):
            outcome = attempt(read, as_body(value))
            assert outcome.reason if isinstance(outcome, Unreadable) else outcome.alerts


@unhurried
@given(st.dictionaries(st.sampled_from(["evalMatches", "ruleId", "ruleName", "state", "tags", "orgId"]), json_values))
def test_whatever_looks_like_a_legacy_body_is_read_or_unreadable(value: dict[str, Any]) -> None:
    outcome = attempt(read_grafana, as_body({"state": "ok", "ruleId": 1, **value}))
    assert outcome.reason if isinstance(outcome, Unreadable) else outcome.alerts


@unhurried
@given(grafana_bodies())
def test_every_alert_of_a_grafana_body_is_readable_and_clean(value: dict[str, Any]) -> None:
    reading = read_grafana(as_body(value))
    assert [place.path for place in reading.rejected if "nested" not in place.reason] == []
    assert len(reading.alerts) + len(reading.rejected) == len(value["alerts"])
    for found in reading.alerts:
        for text in (found.raw, found.summary, found.rule_uid, *found.labels, *found.labels.values()):
            text.encode()
            assert "\x00" not in text
        assert 0 < len(found.rule_uid) <= 255
        assert re.fullmatch("[0-9a-f]{16}", found.fingerprint)
        assert all(math.isfinite(number) for number in found.values.values())
        assert not {"", "[no value]", "<no value>"} & {*found.labels.values(), *found.annotations.values()}
        shown_as_text = [found.links.dashboard, found.links.panel]
        for link in (found.links.source, found.links.silence, *filter(is_web_address, shown_as_text)):
            assert link == "" or link.startswith(("http://grafana.example:3000/", "https://grafana.example/"))


WRECKS: dict[str, list[object]] = {
    "status": [None, 1, [], "gone", ""],
    "labels": [1, "x", [], {"service": {}}, {"a.b": [1]}],
    "annotations": [1, "x", []],
}


@unhurried
@given(grafana_bodies(least=2), st.data())
def test_the_path_of_a_rejected_alert_leads_to_what_is_wrong(value: dict[str, Any], data: st.DataObject) -> None:
    for element in value["alerts"]:
        element["extra"] = None  # which may be nested too deep, and is not what is tried here
    broken = copy.deepcopy(value)
    chosen = data.draw(st.sets(st.integers(0, len(value["alerts"]) - 2), min_size=1))
    wrong: dict[int, Any] = {}
    for index in chosen:
        name = data.draw(st.sampled_from(sorted(WRECKS)))
        wrong[index] = broken["alerts"][index][name] = data.draw(st.sampled_from(WRECKS[name]))
    reading = read_grafana(as_body(broken))
    assert [rejected.path.split("]")[0] for rejected in reading.rejected] == [f"alerts[{n}" for n in sorted(chosen)]
    for rejected, index in zip(reading.rejected, sorted(chosen), strict=True):
        found = follow(broken, rejected.path)
        assert found == wrong[index] or found in wrong[index].values()
    whole = read_grafana(as_body(value)).alerts
    assert reading.alerts == tuple(found for n, found in enumerate(whole) if n not in chosen)
