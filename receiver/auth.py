"""Decides whether a webhook request may come in: bearer token, basic auth or Grafana's HMAC signature.

Which of them applies is configuration. It is never guessed from the request, or else whoever has recorded a signed
request could leave a header out and choose an easier check.

    Bearer(("secret",)).check({"authorization": "Bearer secret"}, b"...", now=0)  # Allowed()
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

SIGNATURE_HEADER = "X-Grafana-Alerting-Signature"
"""Where Grafana puts its signature unless the contact point names another header."""

_SCHEME = re.compile(rb"(?:bearer|basic)(?![^\s:])", re.IGNORECASE)
"""At the beginning of credentials: `Bearer <token>` was pasted into a field that adds the scheme itself."""

_UNIX_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Denial(StrEnum):
    """Why a request is denied: for logs and metrics, not for the answer, and never with anything secret in it."""

    MISSING = "credentials_missing"
    OTHER_SCHEME = "credentials_of_other_scheme"
    MALFORMED = "credentials_malformed"
    WRONG = "credentials_wrong"
    SCHEME_TWICE = "credentials_scheme_twice"  # and wrong
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG = "signature_wrong"
    TIMESTAMP_MISSING = "timestamp_missing"
    TIMESTAMP_MALFORMED = "timestamp_malformed"
    TIMESTAMP_OUTSIDE_WINDOW = "timestamp_outside_window"
    SIGNATURE_REPLAYED = "signature_replayed"  # found out by the record, which keeps the signatures it has seen


DEFAULT_CREDENTIAL = "default"
"""The name of a credential that was configured without one."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may come in. `credential` names what proved it; `signature` is set where it must be good only once:
    32 bytes, the digest of a signature that says when it was made."""

    credential: str = DEFAULT_CREDENTIAL
    signature: bytes | None = None


_ALLOWED = Allowed()


@dataclass(frozen=True, slots=True)
class Denied:
    """The request may not come in."""

    reason: Denial


Decision = Allowed | Denied


class WebhookAuth(Protocol):
    """How the sources prove who they are."""

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body, which then has to be read first."""

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """Whether a request may come in; `headers` have lower-case names, `now` is in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <token>`; several tokens may be valid at once, so that they can be exchanged in peace.

    Grafana can be told to send another scheme than Bearer; here only Bearer counts, in any case.
    """

    tokens: tuple[str, ...] | str = field(repr=False)
    _digests: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.tokens or not all(self._all()):
            raise ValueError("a bearer token must not be empty")
        if any(token != token.strip() for token in self._all()):
            raise ValueError("a bearer token must not begin or end with white space, such as the end of a line")
        object.__setattr__(self, "_digests", tuple(_digest(_secret(token)) for token in self._all()))

    def _all(self) -> tuple[str, ...]:
        return (self.tokens,) if isinstance(self.tokens, str) else self.tokens

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body."""
        return False

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""
        return "Bearer"

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """Compare the token with every valid one; `headers` have lower-case names, `now` is in Unix seconds."""
        given = _credentials(headers, "bearer")
        if isinstance(given, Denied):
            return given
        digest = _digest(given)
        matches = False
        for expected in self._digests:
            matches |= hmac.compare_digest(digest, expected)
        return _ALLOWED if matches else _wrong(given)


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic base64(user:password)`."""

    user: str
    password: str = field(repr=False)
    _digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.user or not self.password:
            raise ValueError("basic auth needs a user and a password")
        if ":" in self.user:
            raise ValueError("a user of basic auth cannot have a colon in it")
        object.__setattr__(self, "_digest", _digest(_secret(f"{self.user}:{self.password}")))

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body."""
        return False

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""
        return 'Basic realm="Observer"'

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """Compare user and password as one; `headers` have lower-case names, `now` is in Unix seconds."""
        given = _credentials(headers, "basic")
        if isinstance(given, Denied):
            return given
        try:
            pair = base64.b64decode(given, validate=True)
        except binascii.Error:
            return Denied(Denial.SCHEME_TWICE if _SCHEME.match(given) else Denial.MALFORMED)
        good = hmac.compare_digest(_digest(pair), self._digest)
        return Allowed(self.user) if good else Denied(Denial.WRONG)


@dataclass(frozen=True, slots=True)
class Hmac:
    """Grafana's signature (since 12.0): HMAC-SHA256 as lower-case hex, over the exact bytes of the body.

    With a timestamp header configured on both sides, the message is `<unix seconds>:<body>` and a request is good for
    `window` seconds before and after; without one, a recorded request can be sent again for ever.
    """

    secret: str = field(repr=False)
    header: str = SIGNATURE_HEADER
    timestamp_header: str | None = None
    window: float = 300

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("a signature needs a secret")
        _secret(self.secret)
        if not self.header or self.timestamp_header == "":
            raise ValueError("the name of a header must not be empty")
        if not self.window > 0:
            raise ValueError("the window of the timestamp must be longer than 0 seconds")

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body."""
        return True

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""
        return "Bearer"

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """Compute the signature again; `headers` have lower-case names, `now` is in Unix seconds."""
        signature = headers.get(self.header.lower())
        if signature is None:
            return Denied(Denial.SIGNATURE_MISSING)
        digest = hmac.new(_secret(self.secret), digestmod=hashlib.sha256)
        timestamp = ""
        if self.timestamp_header is not None:
            given = headers.get(self.timestamp_header.lower())
            if given is None:
                return Denied(Denial.TIMESTAMP_MISSING)
            timestamp = given.strip()
            if not _UNIX_SECONDS.fullmatch(timestamp):
                return Denied(Denial.TIMESTAMP_MALFORMED)
            digest.update(timestamp.encode() + b":")
        digest.update(body)
        expected = _digest(digest.hexdigest().encode())
        if not hmac.compare_digest(_digest(_bytes(signature).strip().lower()), expected):
            return Denied(Denial.SIGNATURE_WRONG)
        # Written so that a clock that gives no number (NaN) is outside as well.
        if timestamp and not abs(now - int(timestamp)) <= self.window:
            return Denied(Denial.TIMESTAMP_OUTSIDE_WINDOW)
        # Without a timestamp a repeated notification is byte for byte the same: nothing tells it from a replay.
        return Allowed(signature=hashlib.sha256(digest.digest()).digest() if timestamp else None)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several credentials of one kind, each with a name; a name may stand twice while its secret is exchanged."""

    members: tuple[tuple[str, Bearer | Basic | Hmac], ...]

    def __post_init__(self) -> None:
        if len({type(member) for _, member in self.members}) != 1:
            raise ValueError("credentials that apply together must be of one kind, and at least one")

    @property
    def signed(self) -> bool:
        """Whether the proof covers the body."""
        return self.members[0][1].signed

    @property
    def challenge(self) -> str:
        """What a 401 says in `WWW-Authenticate`."""
        return self.members[0][1].challenge

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> Decision:
        """Try every credential, also after one fitted; the first that fits names the request."""
        allowed: list[Allowed] = []
        denied: list[Denied] = []
        for name, member in self.members:
            match member.check(headers, body, now):
                case Allowed() as found:
                    allowed.append(replace(found, credential=name))
                case Denied() as found:
                    denied.append(found)
        if allowed:
            return allowed[0]
        # "Too old" says more than "wrong", which all the other secrets say of the same signature.
        late = Denied(Denial.TIMESTAMP_OUTSIDE_WINDOW)
        return late if late in denied else denied[0]


def _credentials(headers: Mapping[str, str], scheme: str) -> bytes | Denied:
    """What stands behind the scheme in the Authorization header."""
    value = headers.get("authorization")
    if value is None or not value.strip():
        return Denied(Denial.MISSING)
    name, _, rest = value.strip().partition(" ")
    if name.lower() != scheme:
        return Denied(Denial.OTHER_SCHEME)
    given = _bytes(rest).strip()
    return given or Denied(Denial.MISSING)


def _wrong(given: bytes) -> Denied:
    return Denied(Denial.SCHEME_TWICE if _SCHEME.match(given) else Denial.WRONG)


def _bytes(value: str) -> bytes:
    """The bytes of a header's value as they were on the wire: servers decode them as Latin-1, which loses nothing."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _secret(text: str) -> bytes:
    """The bytes of a configured text; an environment variable that is not UTF-8 gives the bytes it was made of.

    Called once when the configuration is read, so that no text can fail later, while a request is checked.
    """
    return text.encode("utf-8", "surrogateescape")


def _digest(text: bytes) -> bytes:
    """What is compared instead of the texts, so that the time it takes does not tell how long the secret is either."""
    return hashlib.sha256(text).digest()
