"""One replica whose clock may be wrong: `python -m tests.replicas.program --shift SECONDS`, settings as always."""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timedelta

import uvicorn

from receiver import logs
from receiver.app import Settings, create_app, utc_now


def main() -> None:
    """Serve until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shift", type=float, default=0.0, help="how far its clock is ahead, in seconds")
    shift = timedelta(seconds=parser.parse_args().shift)
    settings = Settings.from_env(os.environ)
    logs.configure(settings.receiver.log_format)

    def clock() -> datetime:
        return utc_now() + shift

    app = create_app(settings, clock=clock)
    uvicorn.run(
        app, host=settings.receiver.host, port=settings.receiver.port, log_config=None, access_log=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip


if __name__ == "__main__":
    main()
