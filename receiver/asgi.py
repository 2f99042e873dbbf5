"""The application object for an ASGI server of your own: `uvicorn --factory receiver.asgi:app`."""

from __future__ import annotations

import os

from starlette.applications import Starlette

from receiver.app import Settings, create_app


def app() -> Starlette:
    """Build the application from the environment. Raises `SettingsError`."""
    return create_app(Settings.from_env(os.environ))
