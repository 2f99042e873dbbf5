"""Keeps what a run found in the page beside this module, between its two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- result -->\n", "<!-- end of result -->\n"


def keep(about: str, lines: Sequence[str]) -> None:
    """Replace the result on the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    result = "\n".join(["", about, "", "```text", *lines, "```", "", ""])
    PAGE.write_text(f"{before}{BEGIN}{result}{END}{after}", "utf-8")
