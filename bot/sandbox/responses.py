"""The addresses behind `response_url`: five answers in half an hour, to where somebody acted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.sandbox import arguments
from bot.sandbox.answers import Answer
from bot.sandbox.arguments import Arguments
from bot.sandbox.errors import SlackError
from bot.sandbox.methods import chat
from bot.sandbox.workspace import BOT_USER_ID, Channel, ResponseUrl, Workspace, with_block_ids


class Responses:
    """Answers POST /response/<id>."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def __call__(self, request: Request) -> Response:
        """One use."""
        try:
            right = self._right(request.path_params["id"])
            args = await arguments.read(request)
            self._use(right, args)
        except SlackError as refusal:
            status = 404 if refusal.code in ("expired_url", "used_url", "no_such_url") else 400
            return Answer({"ok": False, "error": refusal.code} | refusal.beside, status)
        return PlainTextResponse("ok")

    def _right(self, name: str) -> ResponseUrl:
        settings = self._workspace.settings
        right = self._workspace.response_urls.get(name)
        if right is None:
            raise SlackError("no_such_url")
        if self._workspace.now() - right.at > settings.response_url_lifetime:
            raise SlackError("expired_url")
        if right.uses >= settings.response_url_uses:
            raise SlackError("used_url")
        return right

    def _use(self, right: ResponseUrl, args: Arguments) -> None:
        channel = self._workspace.channels[right.channel]
        if args.flag("delete_original"):
            self._delete(right, channel)
            right.uses += 1
            return
        said = chat.content(args)
        if said.text is None and not said.blocks and not said.attachments:
            raise SlackError("no_text")
        text, blocks, attachments = said.text or "", said.blocks or [], said.attachments or []
        right.uses += 1
        if args.flag("replace_original") and self._replace(right, channel, chat.Content(text, blocks, attachments)):
            return
        if args.text("response_type") == "in_channel":
            message = self._workspace.add_message(
                channel,
                BOT_USER_ID,
                text,
                blocks,
                attachments=attachments,
                thread_ts=args.text("thread_ts"),
            )
            if right.message_ts is None and right.ephemeral_id is None:
                right.message_ts = message.ts
            return
        shown = self._workspace.add_ephemeral(channel.id, right.user, text, blocks, attachments)
        if right.message_ts is None and right.ephemeral_id is None:
            right.ephemeral_id = shown.id

    def _replace(self, right: ResponseUrl, channel: Channel, said: chat.Content) -> bool:
        """Put it in the place of the original, if there is one that is still there."""
        shown = self._workspace.ephemeral(right.ephemeral_id)
        if shown is not None:
            shown.text, shown.blocks = said.text or "", with_block_ids(said.blocks or [])
            shown.attachments = said.attachments or []
            self._workspace.changes.bump()
            return True
        message = channel.messages.get(right.message_ts or "")
        if message is None or message.deleted or not message.from_app:
            return False
        self._workspace.edit_message(
            message, text=said.text or "", blocks=said.blocks or [], attachments=said.attachments or []
        )
        return True

    def _delete(self, right: ResponseUrl, channel: Channel) -> None:
        shown = self._workspace.ephemeral(right.ephemeral_id)
        message = channel.messages.get(right.message_ts or "")
        if shown is not None:
            self._workspace.ephemerals.remove(shown)
            self._workspace.changes.bump()
        elif message is not None and not message.deleted and message.from_app:
            self._workspace.delete_message(message)
        else:
            raise SlackError("message_not_found")
