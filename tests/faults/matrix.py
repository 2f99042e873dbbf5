"""All cases of the matrix, in the order of its table."""

from __future__ import annotations

from tests.faults import database_cases, program_cases, slack_cases
from tests.faults.case import CASES

__all__ = ["CASES", "database_cases", "program_cases", "slack_cases"]
