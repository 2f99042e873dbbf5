"""How requests come in: addresses, credentials and limits, read from the environment."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from db.env import Env
from db.model.policy import Policy
from db.model.sections import PolicyError
from receiver.auth import SIGNATURE_HEADER, Basic, Bearer, Hmac, WebhookAuth

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
