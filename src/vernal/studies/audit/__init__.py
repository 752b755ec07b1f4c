"""Someone else's results, tested for what can go wrong.

Nothing is known about them beforehand: a results table tells its columns' parts by their names
(`vernal.studies.published.experiments`), a folder of result files is joined with a table of truth.
Each check looks for one thing; one that finds nothing says so, and one that could not be made says why.
`audit` runs them all, `findings_table` and `page` show what came of it.
"""

from vernal.studies.audit.findings import CheckResult, Finding, NotChecked, findings_table
from vernal.studies.audit.inspection import Audit, audit
from vernal.studies.audit.options import AuditOptions
from vernal.studies.audit.page import page

__all__ = ["Audit", "AuditOptions", "CheckResult", "Finding", "NotChecked", "audit", "findings_table", "page"]
