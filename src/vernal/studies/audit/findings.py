"""What an audit found: a check, how grave it is, the rows it is about, and what it means.

Every check returns findings, or says why it could not be made; a check that looked and found nothing returns
an empty list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

SEVERITIES = ("error", "warning", "note")
COLUMNS = ["check", "severity", "rows", "message"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that a reader must know.

    Attributes:
        check: the check's name.
        severity: error (a number or claim cannot be right), warning (it may mislead), note (good to know).
        rows: the rows, runs or files that it is about; may be empty when it is about all.
        message: what was found, what it means and what to do.
    """

    check: str
    severity: str
    rows: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class NotChecked:
    """A check that could not be made, and why."""

    reason: str


Outcome = list[Finding] | NotChecked


@dataclass(frozen=True)
class CheckResult:
    """One check of an audit: its name, what it asks, and what came of it."""

    check: str
    asks: str
    outcome: Outcome

    @property
    def findings(self) -> list[Finding]:
        """The findings; none where the check was not made."""
        return [] if isinstance(self.outcome, NotChecked) else self.outcome

    @property
    def state(self) -> str:
        """`found`, `clear` or `not checked`."""
        if isinstance(self.outcome, NotChecked):
            return "not checked"
        return "found" if self.outcome else "clear"


def sorted_findings(results: Iterable[CheckResult]) -> list[Finding]:
    """All findings, gravest first, else in the order of the checks."""
    found = [finding for result in results for finding in result.findings]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def findings_table(results: Iterable[CheckResult], rows_named: int) -> pd.DataFrame:
    """One row a finding: `check, severity, rows, message`, gravest first.

    Args:
        rows_named: name at most this many rows of a finding, and count the others.
    """
    lines = [
        (f.check, f.severity, join_rows(f.rows, rows_named), f.message) for f in sorted_findings(results)
    ]
    return pd.DataFrame(lines, columns=COLUMNS, dtype="str")


def join_rows(rows: Iterable[str], most: int) -> str:
    """Names in one line.

    >>> join_rows(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    names = list(rows)
    hidden = len(names) - most
    return ", ".join(names[:most]) + (f" and {hidden:,} more" if hidden > 0 else "")


def some(names: Iterable[str], most: int = 5) -> str:
    """A few names for a message, and how many others."""
    return join_rows(names, most)
