"""What the sandbox's tests share: a small app that records what Slack delivers, and words for messages and views."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
import uvicorn
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.sandbox.server import Running

Json = dict[str, Any]
Answering = Callable[["Delivery"], Awaitable[Response]]


@dataclass(frozen=True)
class Delivery:
    """One request from the sandbox."""

    headers: dict[str, str]
    body: str
    verified: bool

    @property
    def form(self) -> dict[str, str]:
        """A slash command's fields."""
        return {name: values[0] for name, values in parse_qs(self.body, keep_blank_values=True).items()}

    @property
    def payload(self) -> Json:
        """An interaction or an event."""
        text = self.form["payload"] if self.headers["content-type"].startswith("application/x-www") else self.body
        parsed: Json = json.loads(text)
        return parsed


@dataclass
class App:
    """Stands for the product: takes deliveries and answers as a test says."""

    secret: str = "sandbox-signing-secret"
    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answer: Answering | None = None

    async def __call__(self, request: Request) -> Response:
        """Take one."""
        body = await request.body()
        headers = dict(request.headers)
        verified = SignatureVerifier(self.secret).is_valid_request(body, headers)
        delivery = Delivery(headers, body.decode(), verified)
        self.deliveries.append(delivery)
        return Response() if self.answer is None else await self.answer(delivery)

    def says(self, content: Any, status: int = 200) -> None:
        """Answer every delivery with this JSON."""

        async def answer(delivery: Delivery) -> Response:
            return JSONResponse(content, status)

        self.answer = answer

    def fails(self, status: int) -> None:
        """Answer every delivery with this status."""

        async def answer(delivery: Delivery) -> Response:
            return Response(status_code=status)

        self.answer = answer

    @property
    def last(self) -> Delivery:
        """The newest delivery."""
        return self.deliveries[-1]


@contextmanager
def running_app() -> Iterator[App]:
    """An app on a free port."""
    app = App()
    web = Starlette(routes=[Route("/slack/events", app.__call__, methods=["POST"])])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        app.url = f"http://127.0.0.1:{listener.getsockname()[1]}/slack/events"
        config = uvicorn.Config(web, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        yield app
        server.should_exit = True
        thread.join(10)


@dataclass(frozen=True)
class Slack:
    """A running sandbox and a client of it."""

    running: Running
    app: App
    client: WebClient

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return self.running.url

    def get(self, path: str, **query: str) -> Any:
        """GET /control/…"""
        question = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        return request(f"{self.url}/control/{path}?{question}")[1]

    def post(self, path: str, **body: Any) -> Any:
        """POST /control/…; what is refused fails the test."""
        status, answer = request(f"{self.url}/control/{path}", body)
        assert status == 200, answer
        return answer

    def refused(self, path: str, **body: Any) -> tuple[int, str]:
        """POST /control/…, which must be refused: status and reason."""
        status, answer = request(f"{self.url}/control/{path}", body)
        assert status >= 400
        return status, answer["error"]

    def say(self, text: str = "hello", channel: str = "incidents", **rest: Any) -> str:
        """Post as the app; the ts."""
        return str(self.client.chat_postMessage(channel=channel, text=text, **rest)["ts"])

    def messages(self, channel: str = "incidents") -> list[Json]:
        """All messages of a channel, as the control sees them."""
        found: list[Json] = self.get("messages", channel=channel)["messages"]
        return found

    def texts(self, channel: str = "incidents") -> list[str]:
        """The texts of all messages."""
        return [message["text"] for message in self.messages(channel)]

    def ephemerals(self, user: str = "U001") -> list[Json]:
        """What only this person sees."""
        found: list[Json] = self.get("ephemerals", user=user)["messages"]
        return found

    def views(self, user: str = "U001") -> list[Json]:
        """The stack of open modals."""
        found: list[Json] = self.get("views", user=user)["views"]
        return found

    def open_modal(self, view: Json, user: str = "U001") -> Json:
        """Click a button and open a modal with the click's trigger; the open view."""
        ts = self.say(blocks=[actions(button("open"))])
        self.post("click", channel="incidents", ts=ts, action_id="open", user=user)
        self.client.views_open(trigger_id=self.app.last.payload["trigger_id"], view=view)
        return self.views(user)[-1]


def request(url: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None) -> Any:
    """Status and answer (JSON where it is)."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as response:
            status, raw = response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            status, raw = refused.code, refused.read().decode()
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, raw


def error_of(call: Callable[..., Any], **arguments: Any) -> str:
    """The code of the error this call must end with."""
    return str(refusal_of(call, **arguments)["error"])


def refusal_of(call: Callable[..., Any], **arguments: Any) -> Any:
    """The whole answer of a call that must be refused."""
    with pytest.raises(SlackApiError) as refused:
        call(**arguments)
    return refused.value.response


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


# -- Block Kit ---------------------------------------------------------------------------------------------------------


def text(content: str = "x", kind: str = "plain_text") -> Json:
    """A text object."""
    return {"type": kind, "text": content}


def mrkdwn(content: str = "x") -> Json:
    """A text object with markup."""
    return text(content, "mrkdwn")


def section(content: str = "x", **rest: Any) -> Json:
    """A section."""
    return {"type": "section", "text": mrkdwn(content), **rest}


def actions(*elements: Json, **rest: Any) -> Json:
    """A row of elements."""
    return {"type": "actions", "elements": list(elements), **rest}


def button(action_id: str = "go", **rest: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": text("Go"), **rest}


def option(value: str = "v", label: str = "Option") -> Json:
    """An option of a menu."""
    return {"text": text(label), "value": value}


def overflow(*values: str, **rest: Any) -> Json:
    """A menu behind three dots."""
    return {"type": "overflow", "action_id": "more", "options": [option(value) for value in values], **rest}


def text_input(block_id: str = "cause", optional: bool = False, **rest: Any) -> Json:
    """An input for text."""
    return {
        "type": "input",
        "block_id": block_id,
        "label": text("Label"),
        "optional": optional,
        "element": {"type": "plain_text_input", "action_id": "text", **rest},
    }


def modal(*blocks: Json, **rest: Any) -> Json:
    """A modal with a submit button."""
    return {
        "type": "modal",
        "callback_id": "resolve",
        "title": text("Resolve"),
        "submit": text("Send"),
        "blocks": list(blocks or [text_input()]),
        **rest,
    }
