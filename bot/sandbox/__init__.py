"""A Slack workspace for laptops and tests only: a Web API, signed deliveries to the app, a page to look at and click.

It is a program of its own and imports nothing of the product: what the product sends here is judged by Slack's rules,
not by the product's own idea of them. Everything is kept in memory and forgotten at the end. It has no log-in and no
secrets worth keeping, so it listens on loopback only, unless told otherwise in so many words.
"""

from bot.sandbox.app import create_sandbox
from bot.sandbox.settings import SandboxSettings

__all__ = ["SandboxSettings", "create_sandbox"]
