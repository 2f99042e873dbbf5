"""Who may post: three ways to prove it, one of them configured, and a short reason when it fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.auth import Allowed, Basic, Bearer, Denial, Denied, Hmac, WebhookAuth
from tests.strategies import unhurried

PAYLOADS = Path(__file__).parents[1] / "payloads"
VECTOR = json.loads((PAYLOADS / "hmac-test-vector.json").read_bytes())
BODY = (PAYLOADS / VECTOR["file"]).read_bytes()
SIGNATURE = VECTOR["without_timestamp"]["value"]
STAMPED = VECTOR["with_timestamp"]["value"]
STAMP = VECTOR["with_timestamp"]["timestamp"]
NOW = float(STAMP)

PLAIN_HMAC = Hmac(VECTOR["secret"])
STAMPED_HMAC = Hmac(VECTOR["secret"], timestamp_header="X-Grafana-Alerting-Timestamp")


def reason(auth: WebhookAuth, headers: Mapping[str, str], body: bytes = b"{}", now: float = NOW) -> str:
    """Why a request is denied, or `allowed`."""
    match auth.check(headers, body, now):
        case Denied(reason=why):
            return str(why)
        case Allowed():
            return "allowed"


def on_the_wire(text: str) -> str:
    """A header value as a server hands it over: UTF-8 bytes, decoded as Latin-1."""
    return text.encode().decode("latin-1")


# Bearer


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer s3cret", "allowed"),
        ("bearer s3cret", "allowed"),
        ("BEARER   s3cret ", "allowed"),
        ("Bearer second", "allowed"),
        (None, "credentials_missing"),
        ("", "credentials_missing"),
        ("Bearer", "credentials_missing"),
        ("Bearer ", "credentials_missing"),
        ("s3cret", "credentials_of_other_scheme"),
        ("Token s3cret", "credentials_of_other_scheme"),
        ("Basic czNjcmV0", "credentials_of_other_scheme"),
        ("Bearers3cret", "credentials_of_other_scheme"),
        ("Bearer s3cre", "credentials_wrong"),
        ("Bearer s3cret2", "credentials_wrong"),
        ("Bearer S3CRET", "credentials_wrong"),
        ("Bearer s3cret second", "credentials_wrong"),
        ("Bearer café ☕ \ud800", "credentials_wrong"),
    ],
)
def test_a_bearer_token(value: str | None, expected: str) -> None:
    headers = {} if value is None else {"authorization": value}
    assert reason(Bearer(("s3cret", "second")), headers) == expected


def test_one_token_needs_no_tuple_and_may_be_of_any_script() -> None:
    auth = Bearer("비밀-café")
    assert reason(auth, {"authorization": on_the_wire("Bearer 비밀-café")}) == "allowed"
    assert reason(auth, {"authorization": "Bearer 비밀-café"}) == "allowed"
    assert reason(auth, {"authorization": "Bearer c"}) == "credentials_wrong"


# Basic


def basic(pair: bytes) -> dict[str, str]:
    """The header that a client sends."""
    return {"authorization": "Basic " + base64.b64encode(pair).decode()}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (basic(b"grafana:pa:ss"), "allowed"),
        ({"authorization": "bAsIc " + base64.b64encode(b"grafana:pa:ss").decode()}, "allowed"),
        (basic(b"grafana:pa"), "credentials_wrong"),
        (basic(b"grafana:pa:ss2"), "credentials_wrong"),
        (basic(b"Grafana:pa:ss"), "credentials_wrong"),
        (basic(b"grafana"), "credentials_wrong"),
        (basic(b"\xff\xfe"), "credentials_wrong"),
        ({}, "credentials_missing"),
        ({"authorization": "Basic"}, "credentials_missing"),
        ({"authorization": "Basic !!!"}, "credentials_malformed"),
        ({"authorization": "Basic Z3JhZmFuYTpwYTpzcw=x"}, "credentials_malformed"),
        ({"authorization": "Basic Z3JhZm"}, "credentials_malformed"),
        ({"authorization": "Basic é"}, "credentials_malformed"),
        ({"authorization": "Bearer grafana:pa:ss"}, "credentials_of_other_scheme"),
    ],
)
def test_basic_auth(headers: dict[str, str], expected: str) -> None:
    assert reason(Basic("grafana", "pa:ss"), headers) == expected


def test_basic_auth_takes_utf_8() -> None:
    assert reason(Basic("사용자", "비밀"), basic("사용자:비밀".encode())) == "allowed"


# HMAC


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (SIGNATURE, "allowed"),
        (SIGNATURE.upper(), "allowed"),
        (f" {SIGNATURE} ", "allowed"),
        (STAMPED, "signature_wrong"),
        (SIGNATURE[:-1], "signature_wrong"),
        ("sha256=" + SIGNATURE, "signature_wrong"),
        ("", "signature_wrong"),
        ("☕", "signature_wrong"),
        (None, "signature_missing"),
    ],
)
def test_a_signature_without_timestamp(signature: str | None, expected: str) -> None:
    headers = {} if signature is None else {"x-grafana-alerting-signature": signature}
    assert reason(PLAIN_HMAC, headers, BODY) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-grafana-alerting-signature": STAMPED, "x-grafana-alerting-timestamp": STAMP}, "allowed"),
        ({"x-grafana-alerting-signature": STAMPED, "x-grafana-alerting-timestamp": f" {STAMP} "}, "allowed"),
        ({"x-grafana-alerting-signature": STAMPED}, "timestamp_missing"),
        ({"x-grafana-alerting-signature": SIGNATURE}, "timestamp_missing"),
        ({"x-grafana-alerting-timestamp": STAMP}, "signature_missing"),
        ({"x-grafana-alerting-signature": SIGNATURE, "x-grafana-alerting-timestamp": STAMP}, "signature_wrong"),
        (
            {"x-grafana-alerting-signature": STAMPED, "x-grafana-alerting-timestamp": str(int(STAMP) + 1)},
            "signature_wrong",
        ),
        *[
            ({"x-grafana-alerting-signature": STAMPED, "x-grafana-alerting-timestamp": stamp}, "timestamp_malformed")
            for stamp in ("", "now", "-1", "+1795164100", "1795164100.0", "0x6B", "１７９５１６４１００", "1" * 5_000)
        ],
    ],
)
def test_a_signature_with_timestamp(headers: dict[str, str], expected: str) -> None:
    assert reason(STAMPED_HMAC, headers, BODY) == expected


@pytest.mark.parametrize(
    ("seconds_later", "expected"),
    [
        (0, "allowed"),
        (300, "allowed"),
        (-300, "allowed"),
        (300.5, "timestamp_outside_window"),
        (-300.5, "timestamp_outside_window"),
        (float("nan"), "timestamp_outside_window"),
    ],
)
def test_a_timestamp_is_good_for_a_window_both_ways(seconds_later: float, expected: str) -> None:
    headers = {"x-grafana-alerting-signature": STAMPED, "x-grafana-alerting-timestamp": STAMP}
    assert reason(STAMPED_HMAC, headers, BODY, NOW + seconds_later) == expected


def test_the_signature_is_over_the_exact_bytes() -> None:
    headers = {"x-grafana-alerting-signature": SIGNATURE}
    assert reason(PLAIN_HMAC, headers, BODY + b"\n") == "signature_wrong"
    assert reason(PLAIN_HMAC, headers, json.dumps(json.loads(BODY)).encode()) == "signature_wrong"
    assert reason(Hmac("other secret"), headers, BODY) == "signature_wrong"


def test_the_header_can_have_another_name() -> None:
    auth = Hmac(VECTOR["secret"], header="X-Signature")
    assert reason(auth, {"x-signature": SIGNATURE}, BODY) == "allowed"
    assert reason(auth, {"x-grafana-alerting-signature": SIGNATURE}, BODY) == "signature_missing"


def test_a_recorded_request_cannot_be_sent_again_without_its_timestamp() -> None:
    """The message of a signature with timestamp is `<seconds>:<body>`, which could pass for a body of its own."""
    forged = STAMP.encode() + b":" + BODY
    headers = {"x-grafana-alerting-signature": STAMPED}
    assert reason(STAMPED_HMAC, headers, forged, NOW + 86_400) == "timestamp_missing"


def test_the_signature_of_our_own_making_agrees() -> None:
    secret, body = "비밀", b"\x00\xff"
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert reason(Hmac(secret), {"x-grafana-alerting-signature": signature}, body) == "allowed"


# All of them


ALL = (Bearer("s3cret"), Basic("u", "p"), PLAIN_HMAC, STAMPED_HMAC)


@unhurried
@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-grafana-alerting-signature", "x-grafana-alerting-timestamp"]),
        st.text(st.characters()) | st.builds("{} {}".format, st.sampled_from(["Bearer", "Basic"]), st.text()),
    ),
    st.binary(),
    st.floats(),
)
def test_whatever_is_sent_is_denied_and_never_an_error(headers: dict[str, str], body: bytes, now: float) -> None:
    for auth in ALL:
        assert isinstance(auth.check(headers, body, now), Denied)


def test_the_way_is_configured_and_never_guessed_from_the_request() -> None:
    everything_else = {**basic(b"u:p"), "x-grafana-alerting-signature": SIGNATURE}
    assert reason(Bearer("s3cret"), everything_else, BODY) == "credentials_of_other_scheme"


def test_secrets_do_not_show() -> None:
    shown = repr((Bearer("hidden-1"), Basic("user", "hidden-2"), Hmac("hidden-3"), Denied(Denial.WRONG)))
    assert "hidden" not in shown
    assert "user" in shown


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bearer(""), "must not be empty"),
        (lambda: Bearer(()), "must not be empty"),
        (lambda: Bearer(("good", "")), "must not be empty"),
        (lambda: Bearer("secret\n"), "white space"),
        (lambda: Bearer("\ud800"), "surrogates"),
        (lambda: Basic("", "p"), "needs a user and a password"),
        (lambda: Basic("u", ""), "needs a user and a password"),
        (lambda: Basic("a:b", "p"), "colon"),
        (lambda: Hmac(""), "needs a secret"),
        (lambda: Hmac("s", header=""), "header"),
        (lambda: Hmac("s", timestamp_header=""), "header"),
        (lambda: Hmac("s", window=0), "window"),
    ],
)
def test_a_configuration_that_would_let_everybody_or_nobody_in_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_an_environment_variable_that_is_not_utf_8_still_works() -> None:
    auth = Bearer(b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert reason(auth, {"authorization": b"Bearer caf\xe9".decode("latin-1")}) == "allowed"
