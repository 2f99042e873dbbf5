"""views.*: modals and Home tabs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from bot.sandbox import blocks as kit
from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError
from bot.sandbox.workspace import Json, OpenView, Workspace


def open_(workspace: Workspace, args: Arguments) -> Json:
    """views.open"""
    body = _view(workspace, args, "modal")
    trigger = workspace.use_trigger(args.needed("trigger_id"))
    return {"view": workspace.push_view(trigger.user, body, on_top=False).as_slack()}


def push(workspace: Workspace, args: Arguments) -> Json:
    """views.push: only from an interaction with an open modal, at most two on top of the first."""
    body = _view(workspace, args, "modal")
    trigger = workspace.use_trigger(args.needed("trigger_id"))
    if not workspace.views.get(trigger.user):
        raise SlackError("not_found")
    return {"view": workspace.push_view(trigger.user, body, on_top=True).as_slack()}


def update(workspace: Workspace, args: Arguments) -> Json:
    """views.update, by view_id or external_id; with `hash` only if nobody changed it meanwhile."""
    name, external = args.text("view_id"), args.text("external_id")
    if (name is None) == (external is None):
        raise SlackError("invalid_arguments")
    found = next(
        (
            view
            for view in workspace.all_views()
            if view.id == name or (external is not None and view.body.get("external_id") == external)
        ),
        None,
    )
    if found is None:
        raise SlackError("not_found")
    body = _view(workspace, args, found.body["type"], found)
    _check_hash(found, args)
    workspace.replace_view(found, body)
    return {"view": found.as_slack()}


def publish(workspace: Workspace, args: Arguments) -> Json:
    """views.publish: somebody's Home tab."""
    user = args.needed("user_id")
    if user not in workspace.people:
        raise SlackError("user_not_found")
    body = _view(workspace, args, "home")
    home = workspace.homes.get(user)
    if home is None:
        name = workspace.next_id("V")
        home = workspace.homes[user] = OpenView(name, user, body, workspace.new_hash(), name)
    else:
        _check_hash(home, args)
    workspace.replace_view(home, body)
    return {"view": home.as_slack()}


def check(view: Any) -> Json:
    """A copy of the view if Slack would take it."""
    if problems := kit.lint_view(view):
        messages = [str(problem) for problem in problems[:20]]
        raise SlackError("invalid_arguments", response_metadata={"messages": messages})
    if kit.view_bytes(view) > kit.VIEW_BYTES:
        raise SlackError("view_too_large")
    body: Json = deepcopy(view)
    return body


def _view(workspace: Workspace, args: Arguments, kind: str, replaced: OpenView | None = None) -> Json:
    view = args.structured("view", "invalid_arguments")
    if view is None:
        args.needed("view")
    body = check(view)
    if body["type"] != kind:
        raise SlackError(
            "invalid_arguments",
            response_metadata={"messages": [f"[ERROR] must be a {kind} here [json-pointer:/view/type]"]},
        )
    external = body.get("external_id")
    if external and any(
        view.body.get("external_id") == external for view in workspace.all_views() if view is not replaced
    ):
        raise SlackError("duplicate_external_id")
    return body


def _check_hash(view: OpenView, args: Arguments) -> None:
    wanted = args.text("hash")
    if wanted is not None and wanted != view.hash:
        raise SlackError("hash_conflict")
