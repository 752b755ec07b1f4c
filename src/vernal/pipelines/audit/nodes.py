"""Audit somebody else's results.

The files are named by parameters, since they lie wherever their owner put them; reading them is the node's one access
to files.
"""

import logging

import pandas as pd

from vernal.common.formatting import count
from vernal.studies.audit import AuditOptions, audit, findings_table, page
from vernal.studies.audit.findings import SEVERITIES

logger = logging.getLogger(__name__)


def audit_results(options: AuditOptions, target: str) -> tuple[pd.DataFrame, str]:
    """Run every check that the given files allow; return the findings as a table and as a page."""
    done = audit(options, target)
    numbers = [
        count(sum(finding.severity == severity for finding in done.findings), severity)
        for severity in SEVERITIES
    ]
    logger.info("Audit: %s", ", ".join(numbers))
    return findings_table(done.results, options.rows_named), page(done, options.rows_named)
