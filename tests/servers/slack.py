"""The sandbox Slack as a real server in a thread, and its control endpoints as methods."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from starlette.applications import Starlette

from bot.sandbox import SandboxSettings, create_sandbox
from db.server.private import reserved_port

SIGNING_SECRET = "sandbox-signing-secret"
TOKEN = "xoxb-sandbox"


class ThreadedServer:
    """Any application on a loopback port, served by uvicorn in a thread."""

    def __init__(self, app: Starlette, port: int, config: uvicorn.Config | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        plain = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none")
        self._server = uvicorn.Server(config or plain)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Serve; returns once it answers."""
        self._thread.start()
        wait_until(lambda: self._server.started, "the server to start")

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(15)


class NothingToClick(AssertionError):
    """The message has no such button any more: it was edited meanwhile."""


class SandboxSlack:
    """A Slack workspace for tests."""

    def __init__(self) -> None:
        with reserved_port() as port:
            self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_url = f"{self.url}/api/"
        settings = SandboxSettings(
            port=self.port, app_url="http://127.0.0.1:1/slack/events", signing_secret=SIGNING_SECRET, token=TOKEN
        )
        self._server = ThreadedServer(create_sandbox(settings), self.port)
        self._client = httpx.Client(base_url=self.url, timeout=30)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._server.stop()

    def reset(self, *, everything: bool = False) -> None:
        """Forget all messages, lift all faults, do not limit the pace; with `everything` channels and scopes too."""
        self._ask("POST", "/control/reset", json={"all": everything})
        self.options(pace=False, token=TOKEN)

    def options(self, **options: object) -> None:
        """Change options such as `pace`, `app_url`, `token`, `scopes`."""
        self._ask("POST", "/control/options", json=options)

    def fault(self, method: str, kind: str, **details: object) -> None:
        """Make calls of `method` fail: error, http, ratelimit, stall, lose, refuse."""
        self._ask("POST", "/control/faults", json={"method": method, "kind": kind, **details})

    def heal(self) -> None:
        """Lift all faults."""
        self._ask("DELETE", "/control/faults")

    def messages(self, channel: str = "incidents") -> list[dict[str, Any]]:
        """The messages that hang in a channel, in order; without the replies in their threads."""
        return [message for message in self._all_messages(channel) if not _is_reply(message)]

    def replies(self, channel: str = "incidents") -> list[dict[str, Any]]:
        """The replies in the threads of a channel, in order."""
        return [message for message in self._all_messages(channel) if _is_reply(message)]

    def _all_messages(self, channel: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("GET", "/control/messages", params={"channel": channel})["messages"]
        return [message for message in found if not message.get("deleted")]

    def channels(self) -> list[str]:
        """The ids of all channels."""
        return [str(channel["id"]) for channel in self._ask("GET", "/control/state")["channels"]]

    def say(self, text: str, *, channel: str = "incidents", user: str = "U001", **more: object) -> str:
        """Somebody writes something, or another app does; its `ts`."""
        said = {"text": text, "channel": channel, "user": user, **more}
        return str(self._ask("POST", "/control/message", json=said)["ts"])

    def delete(self, message: dict[str, Any], channel: str = "incidents") -> None:
        """A person removes a message of ours, as an admin of the workspace may."""
        where = next(one["id"] for one in self._ask("GET", "/control/state")["channels"] if one["name"] == channel)
        answer = self._client.post(
            "/api/chat.delete",
            json={"channel": where, "ts": message["ts"]},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert answer.json()["ok"], answer.text

    def calls(self, method: str = "") -> list[dict[str, Any]]:
        """The Web API calls that came in."""
        calls: list[dict[str, Any]] = self._ask("GET", "/control/calls", params={"method": method})["calls"]
        return calls

    def ephemerals(self, user: str = "U001") -> list[dict[str, Any]]:
        """What one person alone was told."""
        found: list[dict[str, Any]] = self._ask("GET", "/control/ephemerals", params={"user": user})["messages"]
        return found

    def views(self, user: str = "U001") -> list[dict[str, Any]]:
        """The dialogs one person has open, the top one last."""
        found: list[dict[str, Any]] = self._ask("GET", "/control/views", params={"user": user})["views"]
        return found

    def channel(self, name: str, **properties: object) -> None:
        """Add or change a channel."""
        self._ask("POST", "/control/channels", json={"name": name, **properties})

    def click(self, message: dict[str, Any], action_id: str, *, user: str = "U001", **more: object) -> dict[str, Any]:
        """Click an element of a message; what the program answered."""
        where = {"channel": more.pop("channel", "incidents"), "ts": message["ts"]}
        return self._ask("POST", "/control/click", json={**where, "action_id": action_id, "user": user, **more})

    def command(self, text: str, *, user: str = "U001", channel: str = "incidents") -> dict[str, Any]:
        """Type a command; what the program answered."""
        return self._ask("POST", "/control/command", json={"text": text, "user": user, "channel": channel})

    def submit(self, view: dict[str, Any], values: dict[str, dict[str, str]], *, user: str = "U001") -> dict[str, Any]:
        """Send a dialog; what the program answered."""
        return self._ask("POST", "/control/submit", json={"view_id": view["id"], "user": user, "values": values})

    def dialog(self, user: str = "U001") -> dict[str, Any]:
        """The dialog a person has before them; waits until it is open."""
        wait_until(lambda: bool(self.views(user)), "a dialog")
        return self.views(user)[-1]

    def wait_for_message(
        self, holds: Callable[[dict[str, Any]], bool], what: str, *, channel: str = "incidents", seconds: float = 20
    ) -> dict[str, Any]:
        """The first message for which `holds` is true; fails after `seconds` and shows what hangs in the channel."""
        deadline = time.monotonic() + seconds
        while True:
            messages = self.messages(channel)
            for message in messages:
                if holds(message):
                    return message
            if time.monotonic() > deadline:
                texts = "\n".join(str(message.get("text")) for message in messages)
                raise AssertionError(f"{what} did not appear in #{channel}; there is:\n{texts}")
            time.sleep(0.03)

    def _ask(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        response = self._client.request(method, path, **arguments)
        if response.status_code == 404 and path == "/control/click":
            raise NothingToClick(response.text)
        assert response.status_code < 400, f"{method} {path}: {response.status_code} {response.text}"
        answer: dict[str, Any] = response.json()
        return answer


def _is_reply(message: dict[str, Any]) -> bool:
    return message.get("thread_ts") not in (None, message["ts"])


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 20) -> None:
    """Wait until something is so; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds for {what}")
        time.sleep(0.02)
