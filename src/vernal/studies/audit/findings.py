"""What an audit found: a check, how grave it is, the rows it is about, and what it means.

A check is a generator under `@check(name, what it asks)`: it yields severity, rows and message of each finding, and
raises `NotChecked` where there is nothing to look at. Called, it gives the list of its findings, empty where it looked
and found nothing, or says why it could not be made.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vernal.reports.sentences import sentences_of

sentence = sentences_of("vernal.studies.audit")

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


class NotChecked(Exception):
    """A check that could not be made, and why."""

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return str(self)


Outcome = list[Finding] | NotChecked
Said = tuple[str, Iterable[str], str]
"""Severity, rows and message of a finding."""
Told = Iterator[Said]


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


@dataclass(frozen=True)
class Check:
    """One thing that an audit looks for. What it is called with is what it looks at, and the options."""

    name: str
    asks: str
    tell: Callable[..., Told]

    def __call__(self, *subject: Any) -> Outcome:
        findings = []
        try:
            for severity, rows, message in self.tell(*subject):
                findings.append(Finding(self.name, severity, tuple(rows), message))
        except NotChecked as reason:
            # What was found before it could not go on counts.
            return findings or reason.with_traceback(None)
        return findings

    def result(self, *subject: Any) -> CheckResult:
        """The same with the check's name and question."""
        return CheckResult(self.name, self.asks, self(*subject))


def check(name: str, asks: str) -> Callable[[Callable[..., Told]], Check]:
    """Make a check of a generator of findings.

    >>> @check("is_empty", "Is anything there?")
    ... def check_empty(rows):
    ...     yield "error", rows, "Something is there."
    >>> check_empty(["a"])
    [Finding(check='is_empty', severity='error', rows=('a',), message='Something is there.')]
    """
    return lambda tell: Check(name, asks, tell)


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
