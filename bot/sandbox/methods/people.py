"""auth.test, api.test, users.* and usergroups.*: who is who."""

from __future__ import annotations

from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError
from bot.sandbox.settings import Person
from bot.sandbox.workspace import APP_ID, BOT_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, TEAM_NAME, Json, Workspace


def api_test(workspace: Workspace, args: Arguments) -> Json:
    """api.test: says back what it was told; with `error` it fails with it."""
    if (error := args.text("error")) is not None:
        raise SlackError(error, args=args.values)
    return {"args": {name: value for name, value in args.values.items() if name != "token"}}


def auth_test(workspace: Workspace, args: Arguments) -> Json:
    """auth.test"""
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "team": TEAM_NAME,
        "user": _bot_name(workspace),
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def info(workspace: Workspace, args: Arguments) -> Json:
    """users.info"""
    user = args.needed("user", "user_not_found")
    if user == BOT_USER_ID:
        return {"user": _bot(workspace)}
    if (person := workspace.people.get(user)) is None:
        raise SlackError("user_not_found")
    return {"user": as_slack(person, args.flag("include_locale"))}


def list_(workspace: Workspace, args: Arguments) -> Json:
    """users.list"""
    people = [as_slack(person, args.flag("include_locale")) for person in workspace.people.values()]
    return {
        "members": [*people, _bot(workspace)],
        "cache_ts": int(workspace.now()),
        "response_metadata": {"next_cursor": ""},
    }


def groups(workspace: Workspace, args: Arguments) -> Json:
    """usergroups.list"""
    shown = []
    for name, group in workspace.usergroups.items():
        entry: Json = {
            "id": name,
            "team_id": TEAM_ID,
            "is_usergroup": True,
            "name": group["name"],
            "handle": group["handle"],
            "user_count": len(group["users"]),
            "date_delete": 0,
        }
        if args.flag("include_users"):
            entry["users"] = list(group["users"])
        shown.append(entry)
    return {"usergroups": shown}


def group_users(workspace: Workspace, args: Arguments) -> Json:
    """usergroups.users.list"""
    if (group := workspace.usergroups.get(args.needed("usergroup"))) is None:
        raise SlackError("no_such_subteam")
    return {"users": list(group["users"])}


def as_slack(person: Person, with_locale: bool = False) -> Json:
    """Slack's user object."""
    shown: Json = {
        "id": person.id,
        "team_id": TEAM_ID,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "tz": person.tz,
        "is_bot": False,
        "is_app_user": False,
        "profile": {
            "real_name": person.real_name,
            "real_name_normalized": person.real_name,
            "display_name": person.name,
            "display_name_normalized": person.name,
            "team": TEAM_ID,
        },
    }
    if with_locale:
        shown["locale"] = person.locale
    return shown


def _bot(workspace: Workspace) -> Json:
    name = _bot_name(workspace)
    return {
        "id": BOT_USER_ID,
        "team_id": TEAM_ID,
        "name": name,
        "real_name": workspace.settings.app_name,
        "deleted": False,
        "is_bot": True,
        "is_app_user": False,
        "profile": {
            "api_app_id": APP_ID,
            "bot_id": BOT_ID,
            "real_name": workspace.settings.app_name,
            "display_name": name,
            "team": TEAM_ID,
        },
    }


def _bot_name(workspace: Workspace) -> str:
    return workspace.settings.app_name.lower().replace(" ", "-")
