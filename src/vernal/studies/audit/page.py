"""The audit as one HTML page that needs nothing else: no network, no script."""

from vernal.reports.page_templates import page_templates
from vernal.studies.audit.findings import SEVERITIES, join_rows
from vernal.studies.audit.inspection import Audit

SHORT = 6  # rows shown at once; more are folded away
MEANINGS = {
    "error": "a number or claim cannot be right as it stands",
    "warning": "a reader may be misled",
    "note": "good to know",
}
ROLES = {
    "name": "name of a run",
    "names": "runs behind a row",
    "metric": "metric",
    "spread": "spread",
    "outcome": "measured, not judged",
    "setting": "setting",
    "seed": "seed",
    "metadata": "metadata",
    "path": "path",
    "machine": "how it was run",
    "count": "count",
}


def page(audit: Audit, rows_named: int = 1000) -> str:
    """The page as HTML text; everything that came from a file is escaped."""
    environment = page_templates("vernal.studies.audit")
    asks = {result.check: result.asks for result in audit.results}
    findings = [
        {
            "severity": finding.severity,
            "title": finding.check.replace("_", " "),
            "asks": asks[finding.check],
            "message": finding.message,
            "n_rows": len(finding.rows),
            "is_short": len(finding.rows) <= SHORT,
            "rows": join_rows(finding.rows, rows_named),
        }
        for finding in audit.findings
    ]
    by_role: dict[str, list[str]] = {}
    for column, role in audit.roles.items():
        by_role.setdefault(ROLES[role], []).append(column)
    counts = {severity: sum(f["severity"] == severity for f in findings) for severity in SEVERITIES}
    return environment.get_template("audit.html.j2").render(
        subjects=audit.subjects,
        counts=counts,
        meanings=MEANINGS,
        findings=findings,
        clear=[result for result in audit.results if result.state == "clear"],
        not_checked=[result for result in audit.results if result.state == "not checked"],
        roles=by_role,
    )
