"""Fuzz for a given time and say how many inputs were tried: `python -m tests.fuzz parsers|surface|chunks|people`.

`surface` has all sorts of requests; `chunks` and `people` are two of them alone (hypothesis only).

    python -m tests.fuzz parsers --seconds 600                    hypothesis: strategies that know the shapes
    python -m tests.fuzz parsers --seconds 600 --engine atheris   coverage-guided: mutations of recorded inputs

The exit status is 1 when an input broke something; hypothesis prints the smallest such input, atheris keeps it in a
file. `pip install '.[fuzz]'` brings atheris.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Run one engine on one target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=("parsers", "surface", "chunks", "people"))
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same inputs (default 1)")
    options = parser.parse_args()
    if options.engine == "hypothesis":
        from tests.fuzz import by_strategy

        return by_strategy.run(options.target, options.seconds, options.seed)
    # libFuzzer ends the process it runs in, so it gets one of its own.
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        command = [sys.executable, "-m", "tests.fuzz.by_coverage", options.target, corpus]
        command += [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-max_len=16384", "-timeout=60"]
        command += ["-print_final_stats=1", "-rss_limit_mb=4096", f"-artifact_prefix={Path.cwd()}/finding-"]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": "."}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
