"""What to do about an error code of Slack: a sentence for every code that a person must act on."""

from __future__ import annotations

from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    "channel_not_found": "check the channel's name or id; the bot sees a private channel only after /invite @Observer",
    "not_in_channel": "type /invite @Observer in the channel",
    "is_archived": "the channel is archived: unarchive it, or name another one",
    "is_inactive": "the channel is frozen: name another one",
    "no_permission": "the bot may not post in this channel: ask who administers it",
    "message_limit_exceeded": "the workspace is over its plan's limit of messages",
    "missing_scope": "add the scope under OAuth & Permissions of the app, and install the app again",
    "invalid_auth": "SLACK_BOT_TOKEN is not that of an installed app: copy the Bot User OAuth Token (xoxb-) again",
    "not_authed": "no token was sent: set SLACK_BOT_TOKEN",
    "account_inactive": "the app was removed from the workspace, or its bot was deactivated: install it again",
    "token_revoked": "the token was revoked: install the app again, and set the new SLACK_BOT_TOKEN",
    "token_expired": "the token has expired: set a new SLACK_BOT_TOKEN",
    "ekm_access_denied": "the organisation's key management denies access: ask its administrators",
    "accesslimited": "the workspace limits access to its API: ask its administrators",
    "access_denied": "the workspace denies access to this method: ask its administrators",
    "org_login_required": "the workspace is being moved to an organisation: wait until that is done",
    "team_access_not_granted": "the app is not installed in this workspace: install it, or have it approved",
    "restricted_action": "a preference of the workspace keeps apps from posting here: ask its administrators",
    "cant_update_message": "another app posted it, or the app was created anew: a new message takes its place",
    "edit_window_closed": "the workspace forbids editing after a time: Workspace settings, Message editing",
    "not_allowed_token_type": "this needs an app-level token: SLACK_APP_TOKEN begins with xapp-",
}
"""By Slack's own code; `restricted_action` stands for all that begin so."""


def remedy(code: str, said: str = "") -> str:
    """What to do about a code; what Slack `said` beside it, such as the scope it wants, comes first."""
    known = REMEDIES.get(code) or (REMEDIES["restricted_action"] if code.startswith("restricted_action") else "")
    return ": ".join(part for part in (said, known) if part)
