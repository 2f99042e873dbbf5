"""What people do in the workspace: they click, type commands, fill in modals; the app is told, its answer is obeyed."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from bot.sandbox import payloads
from bot.sandbox.blocks import elements_of
from bot.sandbox.deliveries import Deliveries, Outcome
from bot.sandbox.errors import ControlError, SlackError
from bot.sandbox.inputs import Values, collect
from bot.sandbox.methods import chat, views
from bot.sandbox.settings import Person
from bot.sandbox.workspace import BOT_USER_ID, Channel, Ephemeral, Json, Message, OpenView, Workspace

NO_CONNECTION = "We had some trouble connecting. Try again?"

_NO_COMMAND = {
    "en": '`{}` is not a valid command. In Slack, all messages that start with the "/" character are interpreted as'
    " commands.",
    "ko": '`{}`은(는) 올바른 명령이 아닙니다. Slack에서는 "/" 문자로 시작하는 모든 메시지를 명령으로 해석합니다.',
}
_FAILED = {
    "en": "{} failed with the error “{}”",
    "ko": "“{1}” 오류로 인해 {0} 명령이 실패했습니다",
}


class Acting:
    """The hands of the people."""

    def __init__(self, workspace: Workspace, deliveries: Deliveries) -> None:
        self._workspace = workspace
        self._deliveries = deliveries

    # -- clicks --------------------------------------------------------------------------------------------------------

    async def click(
        self,
        person: Person,
        channel: Channel,
        where: Message | Ephemeral,
        action_id: str,
        block_id: str | None,
        value: Any,
        base_url: str,
    ) -> Json:
        """Use a button or menu of a message."""
        blocks = list(where.blocks)
        for attachment in where.attachments:
            blocks += attachment.get("blocks", [])
        used = self._use(blocks, action_id, block_id, value)
        if isinstance(where, Ephemeral):
            right = self._workspace.new_response_url(person.id, channel.id, ephemeral_id=where.id)
        else:
            right = self._workspace.new_response_url(person.id, channel.id, message_ts=where.ts)
        trigger = self._workspace.new_trigger(person.id)
        payload = payloads.click(
            self._workspace, person, channel, where, used, trigger, f"{base_url}response/{right.id}"
        )
        return (await self._deliveries.payload(payload)).shown()

    async def click_view(
        self, person: Person, view: OpenView, action_id: str, block_id: str | None, value: Any, values: Values
    ) -> Json:
        """Use a button or menu of a modal or Home tab; `values` is what its inputs hold meanwhile."""
        used = self._use(view.body["blocks"], action_id, block_id, value)
        view.state, _ = collect(view.body["blocks"], values)
        trigger = self._workspace.new_trigger(person.id)
        payload = payloads.view_click(self._workspace, person, view, used, trigger)
        return (await self._deliveries.payload(payload)).shown()

    def _use(self, blocks: list[Json], action_id: str, block_id: str | None, value: Any) -> Json:
        found = payloads.find_element(blocks, action_id, block_id)
        if found is None:
            known = [str(e.get("action_id")) for block in blocks for e in elements_of(block)]
            raise ControlError(
                f"there is no element with action_id {action_id!r}"
                + (f" in block {block_id!r}" if block_id else "")
                + f" here; there are: {', '.join(known) or 'none'}",
                404,
            )
        return payloads.action(*found, value, self._workspace.next_ts())

    # -- commands and messages -----------------------------------------------------------------------------------------

    async def command(self, person: Person, channel: Channel, line: str, base_url: str) -> Json:
        """Type a slash command."""
        name, _, text = line.strip().partition(" ")
        if not name.startswith("/"):
            raise ControlError(f"a command begins with /, not {line[:40]!r}; POST /control/message posts a message")
        if name not in self._workspace.settings.commands:
            self._slackbot(channel, person, _NO_COMMAND, payloads.escaped(self._workspace, name))
            return Outcome(None, 0.0, error=f"{name} is not a command of the app").shown()
        right = self._workspace.new_response_url(person.id, channel.id)
        trigger = self._workspace.new_trigger(person.id)
        form = payloads.command(
            self._workspace, person, channel, name, text.strip(), trigger, f"{base_url}response/{right.id}"
        )
        outcome = await self._deliveries.form(form, "command")
        if outcome.fine:
            self._answer(person, channel, name, outcome)
        else:
            self._failed(person, channel, name, outcome.trouble)
        return outcome.shown()

    def say(
        self,
        person: Person,
        channel: Channel,
        text: str,
        metadata: Json | None = None,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Message:
        """Post an ordinary message or a reply; with `metadata`, as another app does for a person."""
        if channel.is_archived:
            raise ControlError(f"#{channel.name} is archived")
        shown = payloads.escaped(self._workspace, text)
        try:
            root = chat.thread_of(channel, thread)
        except SlackError:
            raise ControlError(f"there is no message {thread} in #{channel.name}", 404) from None
        return self._workspace.add_message(
            channel, person.id, shown, [], metadata=metadata, thread_ts=root, broadcast=broadcast
        )

    def _answer(self, person: Person, channel: Channel, name: str, outcome: Outcome) -> None:
        """What came back with the acknowledgement of a command."""
        if not outcome.body.strip():
            return
        body: Any = {"text": outcome.body}
        if outcome.headers.get("content-type", "").startswith("application/json"):
            try:
                body = json.loads(outcome.body)
            except (ValueError, RecursionError):
                self._failed(person, channel, name, "invalid_command_response")
                return
        if not isinstance(body, dict) or not (body.get("text") or body.get("blocks") or body.get("attachments")):
            return
        blocks = body.get("blocks") or []
        try:
            chat.check_blocks(blocks)
        except SlackError as refusal:
            self._failed(person, channel, name, refusal.code)
            return
        text, attachments = str(body.get("text") or ""), body.get("attachments") or []
        if body.get("response_type") == "in_channel":
            self._workspace.add_message(channel, BOT_USER_ID, text, blocks, attachments=attachments)
        else:
            self._workspace.add_ephemeral(channel.id, person.id, text, blocks, attachments)

    def _failed(self, person: Person, channel: Channel, name: str, error: str) -> None:
        self._slackbot(channel, person, _FAILED, name, error)

    def _slackbot(self, channel: Channel, person: Person, said: dict[str, str], *parts: str) -> None:
        """Slack itself speaks the person's language."""
        text = said.get(person.locale[:2], said["en"]).format(*parts)
        self._workspace.add_ephemeral(channel.id, person.id, text, [], [], by_app=False)

    # -- modals --------------------------------------------------------------------------------------------------------

    async def submit(self, person: Person, view: OpenView, values: Values) -> Json:
        """Press Submit: refused by the client when something is missing, else sent, and the answer takes effect."""
        if view.body["type"] != "modal" or "submit" not in view.body:
            raise ControlError(f"the view {view.id} has no submit button")
        view.state, view.errors = collect(view.body["blocks"], values)
        view.failure = None
        self._workspace.changes.bump()
        if view.errors:
            return Outcome(None, 0.0).shown() | {"errors": view.errors, "failure": None, "response_action": None}
        trigger = self._workspace.new_trigger(person.id)
        outcome = await self._deliveries.payload(payloads.view_submission(self._workspace, person, view, trigger))
        done = self._take_answer(view, outcome)
        self._workspace.changes.bump()
        return outcome.shown() | {"errors": view.errors, "failure": view.failure, "response_action": done}

    async def close(self, person: Person, view: OpenView, everything: bool) -> Json:
        """Close the top modal, or all of them; the app is told about those that asked for it."""
        stack = self._workspace.views.get(person.id, [])
        gone = list(stack) if everything or view.body.get("clear_on_close") else [view]
        self._workspace.close_views(person.id, only_top=len(gone) == 1)
        outcome = Outcome(None, 0.0)
        for closed in gone:
            if closed.body.get("notify_on_close"):
                outcome = await self._deliveries.payload(
                    payloads.view_closed(self._workspace, person, closed, is_cleared=len(gone) > 1)
                )
        return outcome.shown()

    def _take_answer(self, view: OpenView, outcome: Outcome) -> str | None:
        """Do what the answer to a submission says; the word for it, or None when it could not be understood."""
        if not outcome.fine:
            view.failure = NO_CONNECTION
            return None
        if not outcome.body.strip():
            self._remove(view)
            return "close"
        try:
            body = json.loads(outcome.body)
            done = body["response_action"]
            match done:
                case "errors":
                    view.errors = self._errors(view, body["errors"])
                case "update":
                    self._workspace.replace_view(view, views.check(body["view"]))
                case "push":
                    self._workspace.push_view(view.user, views.check(body["view"]), on_top=True)
                case "clear":
                    self._workspace.close_views(view.user, only_top=False)
                case _:
                    raise ValueError(done)  # noqa: TRY301
        except (ValueError, KeyError, TypeError, AttributeError, SlackError, RecursionError):
            view.failure = NO_CONNECTION
            return None
        return str(done)

    def _errors(self, view: OpenView, errors: Any) -> dict[str, str]:
        inputs = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
        if not isinstance(errors, dict) or not errors or set(errors) - inputs:
            raise ValueError("errors must name blocks with inputs")
        return {block_id: str(error) for block_id, error in errors.items()}

    def _remove(self, view: OpenView) -> None:
        stack = self._workspace.views.get(view.user, [])
        if view in stack:
            stack.remove(view)

    # -- events and shortcuts ------------------------------------------------------------------------------------------

    async def event(self, inner: Json) -> Json:
        """Something the app subscribed to happened."""
        event_id = self._workspace.next_id("Ev")
        inner = deepcopy(inner)
        if inner.get("type") != "url_verification":
            inner.setdefault("event_ts", self._workspace.next_ts())
        outcome, again = await self._deliveries.event(payloads.event(self._workspace, inner, event_id))
        return outcome.shown() | {"event_id": event_id, "will_retry": again}

    async def open_home(self, person: Person) -> Json:
        """Open the app's Home tab."""
        home = self._workspace.homes.get(person.id)
        inner: Json = {
            "type": "app_home_opened",
            "user": person.id,
            "channel": self._workspace.direct(person.id).id,
            "tab": "home",
        }
        if home is not None:
            inner["view"] = home.as_slack()
        return await self.event(inner)

    async def shortcut(
        self, person: Person, callback_id: str, channel: Channel | None, message: Message | None, base_url: str
    ) -> Json:
        """Use a shortcut of the app: a global one, or one in a message's menu."""
        trigger, ts = self._workspace.new_trigger(person.id), self._workspace.next_ts()
        if channel is None or message is None:
            payload = payloads.shortcut(self._workspace, person, callback_id, trigger, ts)
        else:
            right = self._workspace.new_response_url(person.id, channel.id, message_ts=message.ts)
            address = f"{base_url}response/{right.id}"
            payload = payloads.message_shortcut(
                self._workspace, person, callback_id, channel, message, trigger, ts, address
            )
        return (await self._deliveries.payload(payload)).shown()
