"""A stage's certificate: one line per check, with what was found and the examples that show it.

A certificate holds no time and no path of a machine, so that the same run gives the same bytes. A line is
`pass`, `fail`, `warning` where a person allowed the failure by name (`proof.allow`), or `not checked` where the data
leave nothing to check. A certificate with such a line and none that fails is `incomplete`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vernal.common.problems import Problems
from vernal.proof.options import CHECKS, ProofOptions

PASS, NOT_CHECKED, WARNING, FAIL = "pass", "not checked", "warning", "fail"
INCOMPLETE = "incomplete"
FORMAT = 1
_EXAMPLES = 10


@dataclass(frozen=True)
class Finding:
    """What one check found.

    `said`: one sentence with the counts behind the verdict. `evidence`: the counts, by name. `cases`: what is
    wrong, one text each; none is a pass if anything was there to check, `is_checked`. `remedy`: what to do about it.
    """

    check: str
    said: str
    evidence: Mapping[str, Any]
    cases: Sequence[str] = ()
    remedy: str = ""
    is_checked: bool = True

    @property
    def holds(self) -> bool:
        """Whether it was checked and nothing is wrong."""
        return self.is_checked and not self.cases


def certificate(
    stage: str,
    target: str,
    results: str,
    findings: Iterable[Finding],
    closest: Sequence[Mapping[str, Any]],
    options: ProofOptions,
) -> dict[str, Any]:
    """The certificate as plain data.

    Args:
        results: digest of the tables that the certificate is for.
        closest: the closest pairs of two splits, as plain values.
    """
    lines = [_line(finding, options.allowed) for finding in findings]
    return {
        "format": FORMAT,
        "stage": stage,
        "target": target,
        "results": results,
        "verdict": overall([line["verdict"] for line in lines]),
        "checks": lines,
        "closest_pairs": list(closest),
    }


def _line(finding: Finding, allow: Sequence[str]) -> dict[str, Any]:
    wrong = WARNING if finding.check in allow else FAIL
    right = PASS if finding.holds else NOT_CHECKED
    return {
        "check": finding.check,
        "title": CHECKS[finding.check],
        "verdict": wrong if finding.cases else right,
        "said": finding.said,
        "evidence": dict(finding.evidence),
        "n_cases": len(finding.cases),
        "cases": list(finding.cases[:_EXAMPLES]),
        "remedy": "" if finding.holds else finding.remedy,
    }


def overall(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts, where one that was not checked makes the whole incomplete.

    >>> overall(["pass", "warning", "pass"]), overall(["pass", "not checked"])
    ('warning', 'incomplete')
    """
    worst = max(verdicts, key=(PASS, NOT_CHECKED, WARNING, FAIL).index, default=PASS)
    return INCOMPLETE if worst == NOT_CHECKED else worst


def failed_lines(certificate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The lines that fail a run."""
    return [line for line in certificate["checks"] if line["verdict"] == FAIL]


def refuse(certificates: Mapping[str, Mapping[str, Any]]) -> None:
    """End a run with an error where a certificate has a failed line; everything is written by then.

    Args:
        certificates: by dataset, such as `stage5.certificate`.
    Raises:
        InputError: names every failed check with its cases.
    """
    problems = Problems("The proof of the results")
    for name, one in certificates.items():
        for line in failed_lines(one):
            shown = [*line["cases"], *["..."] * (line["n_cases"] - len(line["cases"]))]
            problems.add(
                f"{name.removesuffix('.certificate')}: failed check {line['check']}",
                shown,
                f"{line['remedy']} The results are written, and certificate.json has the evidence; "
                f"proof.allow: [{line['check']}] makes this a warning.",
            )
    problems.raise_if_any()
