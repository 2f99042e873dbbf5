"""The record's commands: `python -m db migrate`, `status`, `check`, `tidy`, `replay` and `verify-audit`.

This entry point alone joins the record with the readers of bodies, which live with the webhooks.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from db.commands import cli
from receiver.sources.stored import read_stored


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    return cli.run(arguments, env=os.environ, clock=lambda: datetime.now(UTC), read=read_stored, env_file=Path(".env"))


if __name__ == "__main__":
    sys.exit(main())
