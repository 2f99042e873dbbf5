"""How requests come in: addresses, credentials and limits, read from the environment."""

from __future__ import annotations

import ssl
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from db.env import SHORT_SECRET, Env, SecretError, read_toml
from db.model.policy import Policy
from db.model.sections import PolicyError
from db.model.source import ALERTMANAGER, GRAFANA
from receiver.auth import DEFAULT_CREDENTIAL, SIGNATURE_HEADER, AnyOf, Basic, Bearer, Hmac, WebhookAuth
from receiver.bodies import BODY_SECONDS
from receiver.credentials import CredentialError, Watched, parse_list
from receiver.pull.client import SourceSettings
from receiver.sources import WEBHOOKS
from receiver.sources.fields import web_address

MOST_SERVERS = 4
"""Replicas of one source; each look asks them all, and has to be done before its lease is over."""

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The largest body that is taken; Grafana's templates cannot make a larger text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """Where to listen, who may post, and which policy applies."""

    host: str
    port: int
    auth: Mapping[str, WebhookAuth]  # by the name of the source; one object where the way is one
    policy: Policy
    log_format: str  # "json" or "text"
    sources: tuple[SourceSettings, ...] = ()  # whose own lists of alerts are compared with the record
    max_body_bytes: int = MAX_BODY_BYTES
    body_seconds: float = BODY_SECONDS

    @classmethod
    def from_env(cls, env: Env) -> ReceiverSettings | None:
        """Read everything; None when something is missing, which `env.problems` then names."""
        method = env.choice("WEBHOOK_AUTH", "bearer", ("bearer", "basic", "hmac"))
        methods = dict.fromkeys(WEBHOOKS, method)
        for name, row in WEBHOOKS.items():
            if setting := row.auth_setting:
                methods[name] = env.choice(setting, method, ("bearer", "basic", "hmac"))
                if methods[name] == "hmac":
                    env.problems.append(
                        f"{setting} must be bearer or basic when WEBHOOK_AUTH is hmac: "
                        f"{row.source.label} cannot sign its requests."
                    )
        before = len(env.problems)
        readers = {"bearer": _bearer, "basic": _basic, "hmac": _hmac}
        auths = {name: readers[name](env) for name in dict.fromkeys((method, *methods.values()))}
        policy = _policy(env)
        host = env.text("HOST", "127.0.0.1")
        port = env.integer("PORT", 8000, 1, 65535)
        log_format = env.choice("LOG_FORMAT", "json", ("json", "text"))
        sources = _sources(env)
        auth = {name: found for name, way in methods.items() if (found := auths[way]) is not None}
        if len(env.problems) > before or len(auth) < len(methods) or policy is None:
            return None
        return cls(
            host=host,
            port=port,
            auth=auth,
            policy=policy,
            log_format=log_format,
            sources=sources,
        )


def _bearer(env: Env) -> WebhookAuth | None:
    one = _Texts.of(env, "WEBHOOK_TOKEN", env.secret("WEBHOOK_TOKEN"))
    several = _Texts.of(env, "WEBHOOK_TOKENS", env.secret("WEBHOOK_TOKENS", lines=True))
    if _absent(one, several):
        why = "the bearer token that Grafana and Alertmanager send (WEBHOOK_AUTH=bearer)"
        _missing(env, "WEBHOOK_TOKEN", why)
        return None
    return _credentials(env, one, several, lambda text: Bearer((text,)), lambda name, text: Bearer((text,)))


def _basic(env: Env) -> WebhookAuth | None:
    user = env.text("WEBHOOK_BASIC_USER")
    one = _Texts.of(env, "WEBHOOK_BASIC_PASSWORD", env.secret("WEBHOOK_BASIC_PASSWORD"))
    several = _Texts.of(env, "WEBHOOK_BASIC_USERS", env.secret("WEBHOOK_BASIC_USERS", lines=True))
    if not several.is_set or user or one.is_set:
        if not user:
            _missing(env, "WEBHOOK_BASIC_USER", "the user of basic auth (WEBHOOK_AUTH=basic)")
        if not one.is_set:
            _missing(env, "WEBHOOK_BASIC_PASSWORD", "the password of basic auth (WEBHOOK_AUTH=basic)")
        if ":" in user:
            env.problems.append("WEBHOOK_BASIC_USER must not have a colon in it.")
            return None
        if not user or not one.is_set:
            return None
    return _credentials(env, one, several, lambda text: Basic(user, text), Basic, default=user)


def _hmac(env: Env) -> WebhookAuth | None:
    header = env.text("WEBHOOK_HMAC_HEADER", SIGNATURE_HEADER)
    stamp = env.text("WEBHOOK_HMAC_TIMESTAMP_HEADER") or None
    one = _Texts.of(env, "WEBHOOK_HMAC_SECRET", env.secret("WEBHOOK_HMAC_SECRET"))
    several = _Texts.of(env, "WEBHOOK_HMAC_SECRETS", env.secret("WEBHOOK_HMAC_SECRETS", lines=True))
    if _absent(one, several):
        _missing(env, "WEBHOOK_HMAC_SECRET", "the secret of Grafana's signatures (WEBHOOK_AUTH=hmac)")
        return None
    return _credentials(
        env, one, several, lambda text: Hmac(text, header, stamp), lambda name, text: Hmac(text, header, stamp)
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """A secret as it is configured: its text now, and the file it is in, if it is in one."""

    variable: str
    text: str = field(repr=False)
    path: str

    @classmethod
    def of(cls, env: Env, variable: str, text: str) -> _Texts:
        return cls(variable, text, env.secret_file(variable))

    @property
    def is_set(self) -> bool:
        """Whether there is one; a file that could not be read has left its problem already."""
        return bool(self.text or self.path)

    def now(self, files: Mapping[str, str]) -> str:
        """The text, as its file has it now."""
        return files[self.path] if self.path else self.text


def _absent(one: _Texts, several: _Texts) -> bool:
    return not one.is_set and not several.is_set


def _missing(env: Env, name: str, why: str) -> None:
    env.problems.append(f"{name} is not set: {why}.")


_Kind = Bearer | Basic | Hmac


def _credentials(
    env: Env,
    one: _Texts,
    several: _Texts,
    make_one: Callable[[str], _Kind],
    make: Callable[[str, str], _Kind],
    default: str = DEFAULT_CREDENTIAL,
) -> WebhookAuth | None:
    """The credentials of one kind: a single one, or several with names; those in files are watched."""

    def build(files: Mapping[str, str]) -> WebhookAuth:
        members: list[tuple[str, _Kind]] = []
        if one.is_set:
            members.append((default, make_one(one.now(files))))
        if several.is_set:
            pairs = parse_list(several.now(files), lines=bool(several.path))
            members += [(name, make(name, text)) for name, text in pairs]
        return AnyOf(tuple(members)) if several.is_set else members[0][1]

    paths = tuple(texts.path for texts in (one, several) if texts.path)
    said = " and ".join(f"{t.variable}_FILE" if t.path else t.variable for t in (one, several) if t.is_set)
    try:
        auth = Watched(paths, build, lists=(several.path,)) if paths else build({})
        _warn_of_short_ones(env, one, several)
        return auth
    except CredentialError as error:
        env.problems.append(f"{said}: {error}.")
    except SecretError:
        pass  # `env.secret` has said so
    except ValueError as error:
        # the encoder's error would show the text itself
        env.problems.append(f"{said}: {'not a text' if isinstance(error, UnicodeError) else error}.")
    except OSError:
        pass  # the same
    return None


def _warn_of_short_ones(env: Env, one: _Texts, several: _Texts) -> None:
    secrets = [(one.variable, one.text)] if one.text else []
    if several.text:
        secrets += [
            (f"{several.variable} ({name})", text) for name, text in parse_list(several.text, lines=bool(several.path))
        ]
    env.warnings += [
        f"{name} has fewer than {SHORT_SECRET} characters, which can be guessed."
        for name, text in secrets
        if len(text) < SHORT_SECRET
    ]


def _sources(env: Env) -> tuple[SourceSettings, ...]:
    """The sources whose own lists are read; none without their addresses."""
    ca_file = env.text("RECONCILE_CA_FILE")
    if ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            env.problems.append(f"RECONCILE_CA_FILE names {ca_file}, which cannot be used: {error.strerror}.")
            return ()
    found = []
    grafana = _addresses(env, "GRAFANA_URL", env.text("GRAFANA_URL"))
    token = env.secret("GRAFANA_TOKEN")
    if grafana:
        if not token:
            env.problems.append("GRAFANA_TOKEN is not set: the token of a service account, needed with GRAFANA_URL.")
        found.append(
            SourceSettings(source=GRAFANA.name, addresses=grafana, authorization=f"Bearer {token}", ca_file=ca_file)
        )
    alertmanager = _addresses(env, "ALERTMANAGER_URL", env.text("ALERTMANAGER_URL"))
    authorization = _alertmanager_authorization(env)
    if alertmanager:
        found.append(
            SourceSettings(
                source=ALERTMANAGER.name, addresses=alertmanager, authorization=authorization, ca_file=ca_file
            )
        )
    return tuple(found)


def _alertmanager_authorization(env: Env) -> str:
    token = env.secret("ALERTMANAGER_TOKEN")
    user, password = env.text("ALERTMANAGER_USER"), env.secret("ALERTMANAGER_PASSWORD")
    if token and (user or password):
        env.problems.append("Set either ALERTMANAGER_TOKEN or ALERTMANAGER_USER and ALERTMANAGER_PASSWORD, not both.")
    elif bool(user) != bool(password):
        env.problems.append("ALERTMANAGER_USER and ALERTMANAGER_PASSWORD go together.")
    if token:
        return f"Bearer {token}"
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode() if user else ""


def _addresses(env: Env, name: str, text: str) -> tuple[str, ...]:
    """One address or several, with commas between; without the slash at the end."""
    found = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for address in found:
        if not web_address(address) or "?" in address or "#" in address:
            # Without the value: somebody may have written a password into it.
            env.problems.append(f"{name} must be an http or https address without credentials, query or fragment.")
    if len(found) > MOST_SERVERS:
        env.problems.append(f"{name} may name {MOST_SERVERS} servers at most.")
    return found


def _policy(env: Env) -> Policy | None:
    """The policy file, or the defaults when none is named."""
    path = env.text("OBSERVER_CONFIG")
    if not path:
        return Policy()
    try:
        return Policy.parse(read_toml(path))
    except OSError as error:
        env.problems.append(f"OBSERVER_CONFIG names {path}, which cannot be read: {error.strerror}.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        env.problems.append(f"OBSERVER_CONFIG ({path}) is not TOML: {error}.")
    except PolicyError as error:
        env.problems.extend(f"OBSERVER_CONFIG ({path}): {problem}." for problem in error.problems)
    return None
