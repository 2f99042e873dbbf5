"""How to reach Slack and how to speak, read from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from db.env import Env

SLACK_API = "https://slack.com/api/"

BOT_TOKEN = "xoxb-"  # noqa: S105 - how every bot token begins


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSettings:
    """The Slack app's credentials, its default channel and the language of its texts."""

    token: str = field(repr=False)
    signing_secret: str = field(repr=False)
    token_file: str = ""  # where the token is read again when it changes; empty: it stays
    signing_secret_file: str = ""  # the same for the signing secret
    app_token: str = field(default="", repr=False)  # set: Socket Mode
    channel: str
    api_url: str = SLACK_API
    language: str = "en"
    listener_threads: int = (
        32  # clicks and commands handled at once; Bolt's default of 5 turns a slow database into 404s
    )

    @property
    def socket_mode(self) -> bool:
        """Whether Slack is listened to over a WebSocket instead of an address that Slack can reach."""
        return bool(self.app_token)

    @classmethod
    def from_env(cls, env: Env) -> BotSettings | None:
        """Read everything; None when something is missing, which `env.problems` then names."""
        before = len(env.problems)
        token = env.secret("SLACK_BOT_TOKEN", "the bot token of the Slack app, xoxb-...")
        app_token = env.secret("SLACK_APP_TOKEN")
        signing_secret = env.secret("SLACK_SIGNING_SECRET")
        if not app_token and not signing_secret:
            env.problems.append(
                "SLACK_SIGNING_SECRET is not set: it proves that requests come from Slack "
                "(or set SLACK_APP_TOKEN to use Socket Mode)."
            )
        channel = env.required(
            "SLACK_CHANNEL", "where incidents go that no route takes: a channel's name or, better, id"
        )
        if token and not token.startswith(BOT_TOKEN):
            env.problems.append("SLACK_BOT_TOKEN must be a bot token, which starts with xoxb-.")
        if app_token and not app_token.startswith("xapp-"):
            env.problems.append("SLACK_APP_TOKEN must be an app-level token, which starts with xapp-.")
        api_url = env.url("SLACK_API_URL", SLACK_API)
        language = _language(env)
        if len(env.problems) > before:
            return None
        return cls(
            token=token,
            signing_secret=signing_secret,
            token_file=env.secret_file("SLACK_BOT_TOKEN"),
            signing_secret_file=env.secret_file("SLACK_SIGNING_SECRET"),
            app_token=app_token,
            channel=channel,
            api_url=api_url if api_url.endswith("/") else f"{api_url}/",
            language=language,
        )


def _language(env: Env) -> str:
    """`en` or `ko`; desktops set LANGUAGE too, as a list of locales (`ko_KR:en_US:en`), whose first one then counts."""
    first, *others = env.text("LANGUAGE", "en").lower().replace("-", "_").split(":")
    language, _, country = first.partition("_")
    if language in ("en", "ko"):
        return language
    if not others and not country:
        env.problems.append(f"LANGUAGE must be en or ko, not {first!r}.")
    return "en"
