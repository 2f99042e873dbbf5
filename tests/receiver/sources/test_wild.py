"""Untrusted JSON comes out only through checks, and an error says where it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.model.alert import Unreadable
from receiver.sources.wild import MAX_BODY_DEPTH, MAX_STORED_BYTES, MAX_STORED_DEPTH, Wild, parse_json
from tests.strategies import as_body, byte_bodies, json_bodies, json_values, nasty_texts, unhurried


def wild(value: object) -> Wild:
    """The value after a trip through JSON, under the key `it`."""
    return parse_json(as_body({"it": value})).get("it")


def attempt(body: bytes) -> Wild | Unreadable:
    """The document, or the error as a value."""
    try:
        return parse_json(body)
    except Unreadable as error:
        return error


def outcome(check: Callable[[Wild], object], place: Wild) -> object:
    """What a check gives, or what its error says."""
    try:
        return check(place)
    except Unreadable as error:
        return str(error)


# The body as a whole


@pytest.mark.parametrize("body", [b"", b"   ", b"\r\n\t"])
def test_an_empty_body_is_said_to_be_empty(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^body: empty$"):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": tru}', "$: not JSON: Expecting value at line 1, column 7"),
        (b'{"a": 1,\n "b" 2}', "$: not JSON: Expecting ':' delimiter at line 2, column 6"),
        (b'{"a": 1,, "b": 2,}', "$: not JSON: Expecting property name enclosed in double quotes at line 1, column 9"),
        (b'["' + b'\\"' * 500_000 + b",]", "$: not JSON: Unterminated string starting at at line 1, column 2"),
        (b'{"a": "cut off', "$: not JSON: Unterminated string starting at at line 1, column 7"),
        (b"a=1&b=2", "$: not JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1}{"a": 2}', "$: not JSON: Extra data at line 1, column 9"),
        (b'{"a":\n"\xff"}', "body: not UTF-8 at line 2, byte 2 of that line"),
        (b"\xff", "body: not UTF-8 at line 1, byte 1 of that line"),
    ],
)
def test_what_is_not_json_is_refused_with_line_and_column(body: bytes, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_json(body)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":NaN,"b":[Infinity,-Infinity,1e999]}', {"a": None, "b": [None, None, None]}),
        (b'"\\ud83d broken"', "\ufffd broken"),
        (b'{"\\ud800":"\\udc00\\ud800"}', {"\ufffd": "\ufffd\ufffd"}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"raw\nline"', "raw\nline"),
        (b'"nul\x00raw"', "nul\ufffdraw"),
        (b'{"nul\\u0000":"a\\u0000b"}', {"nul\ufffd": "a\ufffdb"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1}\x00', {"a": 1}),
        (b'{"a":[1,{"b":",]",},\n ],}', {"a": [1, {"b": ",]"}]}),
        (b"[NaN," + b"7" * 5_000 + b"]", [None, None]),
        (b"[NaN,18446744073709551615,18446744073709551616]", [None, 2**64 - 1, 2.0**64]),
    ],
)
def test_what_is_nearly_json_is_kept_rather_than_lost(body: bytes, value: object) -> None:
    assert json.loads(parse_json(body).stored()) == value


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 300 + b"]" * 300, b"[NaN," * 300 + b"1" + b"]" * 300]
)
def test_deep_nesting_is_refused_and_never_overflows(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_json(body)
    assert caught.value.path == "$"


def test_the_bound_of_nesting_is_exact() -> None:
    parse_json(b"[" * MAX_BODY_DEPTH + b"]" * MAX_BODY_DEPTH)
    with pytest.raises(Unreadable, match=f"nested deeper than {MAX_BODY_DEPTH} levels"):
        parse_json(b"[" * (MAX_BODY_DEPTH + 1) + b"]" * (MAX_BODY_DEPTH + 1))


@unhurried
@given(byte_bodies | json_bodies)
def test_any_bytes_are_either_a_document_or_unreadable(body: bytes) -> None:
    outcome = attempt(body)
    if isinstance(outcome, Unreadable):
        assert outcome.path in ("$", "body")
        assert outcome.reason
    else:
        assert outcome.path == "$"


@unhurried
@given(json_values)
def test_what_is_stored_is_plain_json_without_nul_and_lone_surrogates(value: object) -> None:
    text = parse_json(as_body([value])).stored()
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    assert "\x00" not in text
    json.loads(text, parse_constant=pytest.fail)


@unhurried
@given(nasty_texts)
def test_a_text_without_the_two_kinds_of_bad_characters_comes_out_as_it_went_in(text: str) -> None:
    expected = re.sub("[\x00\ud800-\udfff]", "\ufffd", json.loads(json.dumps(text)))
    assert wild(text).text() == expected


# Paths


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ([], "$"),
        (["alerts"], "alerts"),
        (["alerts", 3, "labels", "service"], "alerts[3].labels.service"),
        ([0, 1], "[0][1]"),
        (["labels", "a.b"], 'labels["a.b"]'),
        (["labels", ""], 'labels[""]'),
        (["labels", 'quo"te\n'], 'labels["quo\\"te\\n"]'),
        (["labels", "서비스"], 'labels["서비스"]'),
        (["labels", "k" * 500], 'labels["' + "k" * 100 + '…"]'),
    ],
)
def test_a_path_reads_like_the_way_to_the_value(steps: list[str | int], path: str) -> None:
    value: object = None
    for step in reversed(steps):
        value = {step: value} if isinstance(step, str) else [None] * step + [value]
    place = parse_json(as_body(value))
    for step in steps:
        place = place.get(step) if isinstance(step, str) else place.array()[step]
    assert place.path == path


def test_a_wild_value_does_not_show_itself_in_logs() -> None:
    assert repr(wild("secret")) == "<Wild it: a text>"


# Checks


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), ("x", "a text"), (1, "a number"), (1.5, "a number"), (True, "a boolean"), ([], "an array")],
)
def test_a_member_of_what_is_no_object_is_an_error_that_says_what_it_is(value: object, kind: str) -> None:
    with pytest.raises(Unreadable) as caught:
        wild(value).get("labels")
    assert str(caught.value) == f"it: expected an object, found {kind}"
    with pytest.raises(Unreadable, match="expected an object"):
        wild(value).object()


def test_a_missing_member_fails_when_it_is_needed() -> None:
    place = wild({}).get("status")
    assert place.is_absent
    with pytest.raises(Unreadable, match=r"^it\.status: expected a text, found nothing$"):
        place.text()
    with pytest.raises(Unreadable, match=r"^it\.status: expected an array, found nothing$"):
        place.array()
    with pytest.raises(Unreadable, match=r"^it\.status: expected an object, found nothing$"):
        place.texts()


def test_decorating_fields_of_a_wrong_type_give_the_default() -> None:
    assert wild(7).text_or("") == ""
    assert wild("x").text_or("") == "x"
    assert wild([]).scalar_or("none") == "none"
    assert [wild(value).scalar_or("") for value in ("1", 1, 1.5, True, None)] == ["1", "1", "1.5", "true", ""]


@unhurried
@given(json_values)
def test_checks_that_take_a_name_say_what_those_of_the_member_say(value: object) -> None:
    document = parse_json(as_body({"bare": value, "in": {"it": value}, "text": {"it": str(value)}}))
    pairs: list[tuple[Callable[[Wild], object], Callable[[Wild], object]]] = [
        (lambda place: place.text_of("it"), lambda place: place.get("it").text_or("")),
        (lambda place: dict(place.texts_of("it")), lambda place: dict(place.get("it").texts())),
        (lambda place: place.time_of("it"), lambda place: place.get("it").time()),
    ]
    for place in document.object().values():
        for by_name, by_member in pairs:
            assert outcome(by_name, place) == outcome(by_member, place)


def test_a_check_that_takes_a_name_names_the_place() -> None:
    with pytest.raises(Unreadable, match=r"^it: expected an object, found a text$"):
        wild("x").text_of("fingerprint")
    with pytest.raises(Unreadable, match=r"^it\.labels\.bad: expected a text, found an object$"):
        wild({"labels": {"good": "x", "bad": {}}}).texts_of("labels")


def test_numbers_and_booleans_count_as_texts_and_null_as_absent() -> None:
    assert wild({"a": "x", "b": 5, "c": 1.5, "d": False, "e": None}).texts() == {
        "a": "x",
        "b": "5",
        "c": "1.5",
        "d": "false",
    }
    assert wild(None).texts() == {}


@pytest.mark.parametrize("nested", [{}, [], {"a": 1}, ["x"]])
def test_something_nested_is_no_text(nested: object) -> None:
    with pytest.raises(Unreadable, match=r"^it\.bad: expected a text, found an (object|array)$"):
        wild({"good": "x", "bad": nested}).texts()


def test_only_finite_numbers_are_numbers() -> None:
    found = {
        "A": 1,
        "B": -1,
        "C": 0.5,
        "D": None,
        "E": float("nan"),
        "F": float("inf"),
        "G": "1",
        "H": True,
        "I": 10**400,
    }
    assert wild(found).numbers() == {"A": 1.0, "B": -1.0, "C": 0.5}
    assert wild("none").numbers() == {}
    assert [wild(value).number_or_none() for value in (1, 2.5, None, "3", True)] == [1.0, 2.5, None, None, None]


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (2, 2), (2.0, 2), (-1, 0), (2.5, 0), ("2", 0), (True, 0), (None, 0), ([], 0), (10**300, 2**31 - 1)],
)
def test_a_count_is_a_whole_number_from_zero_up(value: object, count: int) -> None:
    assert wild(value).count() == count


# Times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T08:41:10Z", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20 08:41:10Z", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20t08:41:10z", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20T08:41:10.5Z", datetime(2026, 11, 20, 8, 41, 10, 500_000, tzinfo=UTC)),
        ("2026-11-20T08:41:10.123456789Z", datetime(2026, 11, 20, 8, 41, 10, 123_456, tzinfo=UTC)),
        ("2026-11-20T08:41:10+02:00", datetime(2026, 11, 20, 6, 41, 10, tzinfo=UTC)),
        ("2026-11-20T08:41:10.000001-05:30", datetime(2026, 11, 20, 14, 11, 10, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", None),
        ("1970-01-01T09:00:00+09:00", None),
        ("0", None),
        (0, None),
        ("2100-12-31T23:59:59Z", datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("0001-01-01T00:00:00-11:00", None),
        ("0000-12-31T19:03:58-04:56", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_of_rfc_3339_becomes_utc_and_the_zero_time_nothing(
    text: str | int | None, moment: datetime | None
) -> None:
    found = wild(text).time()
    assert found == moment
    assert found is None or found.tzinfo is UTC


def test_a_missing_time_is_none() -> None:
    assert wild({}).get("startsAt").time() is None


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-11-20 08:41:10.5 +0900 KST", datetime(2026, 11, 19, 23, 41, 10, 500_000, tzinfo=UTC)),
        ("2026-11-20 08:41:10.123456789 +0000 UTC m=+12.345", datetime(2026, 11, 20, 8, 41, 10, 123_456, tzinfo=UTC)),
        ("2026-11-20T08:41:10+0900", datetime(2026, 11, 19, 23, 41, 10, tzinfo=UTC)),
        ("2026-11-20T08:41:10+09", datetime(2026, 11, 19, 23, 41, 10, tzinfo=UTC)),
        ("2026-11-20T08:41:10", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20 08:41", datetime(2026, 11, 20, 8, 41, tzinfo=UTC)),
        ("2026/11/20 08:41:10", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        (" 2026-11-20T08:41:10Z\n", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 08:41:10 GMT", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 17:41:10 KST", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("Friday, 20-Nov-26 08:41:10 UTC", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("Fri Nov 20 08:41:10 UTC 2026", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("Fri Nov 20 2026 17:41:10 GMT+0900 (Korean Standard Time)", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20 17:41:10 KST", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20T17:41:10+09:00[Asia/Seoul]", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("20261120T084110Z", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("2026-11-20T08:41:10.1234567891234Z", datetime(2026, 11, 20, 8, 41, 10, 123_456, tzinfo=UTC)),
        ("Mon, 01 Jan 0001 00:00:00 UTC", None),
        ("Monday, 01-Jan-01 00:00:00 UTC", None),
        ("Thursday, 01-Jan-70 00:00:00 UTC", None),
        ("1.79516407e+09", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        (1795164070, datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        ("1795164070", datetime(2026, 11, 20, 8, 41, 10, tzinfo=UTC)),
        (1795164070.5, datetime(2026, 11, 20, 8, 41, 10, 500_000, tzinfo=UTC)),
        (1795164070500, datetime(2026, 11, 20, 8, 41, 10, 500_000, tzinfo=UTC)),
        ("1795164070500000000", datetime(2026, 11, 20, 8, 41, 10, 500_000, tzinfo=UTC)),
    ],
)
def test_a_time_in_another_usual_form_is_read(said: object, moment: datetime | None) -> None:
    assert wild(said).time() == moment
    assert wild(said).time_problem() is None


@pytest.mark.parametrize(
    "said",
    [
        "yesterday",
        "2026-W47-5T08:41:10Z",
        "Nov 20, 2026 08:41:10 PM",
        "2026-11-20 08:41:10 CST",  # of three places
        "2026-11-20 08:41:10" + " " * 100_000 + "x",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T08:41:60Z",
        "2026-11-20T08:41:10.Z",
        "2026-11-20T08:41:10+25:00",
        "２０２６-11-20T08:41:10Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2101-01-01T00:00:00Z",
        "2100-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59-23:59",
        "0001-06-01T00:00:00+14:00",
        "0000-00-00T00:00:00Z",
        -1,
        1e40,
        "9" * 20,
        True,
        [],
    ],
)
def test_any_other_time_counts_as_not_said_and_the_problem_names_the_place(said: object) -> None:
    assert wild(said).time() is None
    problem = wild({"startsAt": said}).get("startsAt").time_problem()
    assert problem is not None
    assert problem.path == "it.startsAt"
    assert problem.reason.startswith("expected a time")


@unhurried
@given(
    st.datetimes(datetime(1970, 1, 5), datetime(2100, 12, 30)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-23 * 60, 23 * 60),
)
def test_every_time_means_the_same_moment_in_every_zone(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert wild(moment.isoformat()).time() == moment


# What is kept


def test_what_is_stored_is_compact_json() -> None:
    assert wild({"b": [1, "é", None], "a": {}}).stored() == '{"b":[1,"é",null],"a":{}}'


def nested(levels: int) -> object:
    value: object = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_what_both_servers_could_not_store_is_refused_with_a_reason() -> None:
    wild(nested(MAX_STORED_DEPTH)).stored()
    with pytest.raises(Unreadable, match=rf"^it: nested deeper than {MAX_STORED_DEPTH} levels$"):
        wild(nested(MAX_STORED_DEPTH + 1)).stored()

    # Both ways to count: brackets that are not nested, and a body that is deep somewhere else.
    wild([[]] * 100).stored()
    both = parse_json(as_body({"deep": nested(MAX_STORED_DEPTH + 1), "flat": nested(MAX_STORED_DEPTH)}))
    both.get("flat").stored()
    with pytest.raises(Unreadable, match=rf"^deep: nested deeper than {MAX_STORED_DEPTH} levels$"):
        both.get("deep").stored()

    wild({"a": "x" * (MAX_STORED_BYTES - 8)}).stored()
    with pytest.raises(Unreadable, match=r"^it: larger than 1 MiB \(1,048,577 bytes of JSON text\)$"):
        wild({"a": "x" * (MAX_STORED_BYTES - 7)}).stored()

    wild([{"k" * 65_535: 1}]).stored()
    with pytest.raises(Unreadable, match=r"its key is longer than 65,535 bytes$") as caught:
        wild([0, {"é" * 33_000: 1}]).stored()
    assert caught.value.path.startswith('it[1]["ééé')
