"""How requests come in: addresses, credentials and limits, read from the environment."""

from __future__ import annotations

import ssl
import tomllib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from db.env import Env
from db.model.policy import Policy
from db.model.sections import PolicyError
from receiver.auth import SIGNATURE_HEADER, Basic, Bearer, Hmac, WebhookAuth
from receiver.pull.client import SourceSettings
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
    grafana_auth: WebhookAuth
    alertmanager_auth: WebhookAuth
    policy: Policy
    log_format: str  # "json" or "text"
    sources: tuple[SourceSettings, ...] = ()  # whose own lists of alerts are compared with the record
    max_body_bytes: int = MAX_BODY_BYTES

    @classmethod
    def from_env(cls, env: Env) -> ReceiverSettings | None:
        """Read everything; None when something is missing, which `env.problems` then names."""
        method = env.choice("WEBHOOK_AUTH", "bearer", ("bearer", "basic", "hmac"))
        alertmanager = env.choice("WEBHOOK_AUTH_ALERTMANAGER", method, ("bearer", "basic", "hmac"))
        if alertmanager == "hmac":
            env.problems.append(
                "WEBHOOK_AUTH_ALERTMANAGER must be bearer or basic when WEBHOOK_AUTH is hmac: "
                "Alertmanager cannot sign its requests."
            )
        before = len(env.problems)
        readers = {"bearer": _bearer, "basic": _basic, "hmac": _hmac}
        auths = {name: readers[name](env) for name in dict.fromkeys((method, alertmanager))}
        policy = _policy(env)
        host = env.text("HOST", "127.0.0.1")
        port = env.integer("PORT", 8000, 1, 65535)
        log_format = env.choice("LOG_FORMAT", "json", ("json", "text"))
        sources = _sources(env)
        grafana_auth, alertmanager_auth = auths[method], auths[alertmanager]
        if len(env.problems) > before or grafana_auth is None or alertmanager_auth is None or policy is None:
            return None
        return cls(
            host=host,
            port=port,
            grafana_auth=grafana_auth,
            alertmanager_auth=alertmanager_auth,
            policy=policy,
            log_format=log_format,
            sources=sources,
        )


def _bearer(env: Env) -> WebhookAuth | None:
    token = env.required("WEBHOOK_TOKEN", "the bearer token that Grafana and Alertmanager send (WEBHOOK_AUTH=bearer)")
    return Bearer((token,)) if token else None


def _basic(env: Env) -> WebhookAuth | None:
    user = env.required("WEBHOOK_BASIC_USER", "the user of basic auth (WEBHOOK_AUTH=basic)")
    password = env.required("WEBHOOK_BASIC_PASSWORD", "the password of basic auth (WEBHOOK_AUTH=basic)")
    if ":" in user:
        env.problems.append("WEBHOOK_BASIC_USER must not have a colon in it.")
        return None
    return Basic(user, password) if user and password else None


def _hmac(env: Env) -> WebhookAuth | None:
    secret = env.required("WEBHOOK_HMAC_SECRET", "the secret of Grafana's signatures (WEBHOOK_AUTH=hmac)")
    header = env.text("WEBHOOK_HMAC_HEADER", SIGNATURE_HEADER)
    timestamp_header = env.text("WEBHOOK_HMAC_TIMESTAMP_HEADER") or None
    return Hmac(secret, header, timestamp_header) if secret else None


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
    token = env.text("GRAFANA_TOKEN")
    if grafana:
        if not token:
            env.problems.append("GRAFANA_TOKEN is not set: the token of a service account, needed with GRAFANA_URL.")
        found.append(
            SourceSettings(source="grafana", addresses=grafana, authorization=f"Bearer {token}", ca_file=ca_file)
        )
    alertmanager = _addresses(env, "ALERTMANAGER_URL", env.text("ALERTMANAGER_URL"))
    authorization = _alertmanager_authorization(env)
    if alertmanager:
        found.append(
            SourceSettings(source="alertmanager", addresses=alertmanager, authorization=authorization, ca_file=ca_file)
        )
    return tuple(found)


def _alertmanager_authorization(env: Env) -> str:
    token = env.text("ALERTMANAGER_TOKEN")
    user, password = env.text("ALERTMANAGER_USER"), env.text("ALERTMANAGER_PASSWORD")
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
        with Path(path).open("rb") as file:
            return Policy.parse(tomllib.load(file))
    except OSError as error:
        env.problems.append(f"OBSERVER_CONFIG names {path}, which cannot be read: {error.strerror}.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        env.problems.append(f"OBSERVER_CONFIG ({path}) is not TOML: {error}.")
    except PolicyError as error:
        env.problems.extend(f"OBSERVER_CONFIG ({path}): {problem}." for problem in error.problems)
    return None
