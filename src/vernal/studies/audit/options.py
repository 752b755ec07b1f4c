"""What an audit is given, and when it speaks up."""

from dataclasses import field
from typing import Annotated

from pydantic import Field

from vernal.common.settings import Count, Number, PositiveShare, settings

Totals = Annotated[
    list[Count], Field(min_length=2, max_length=2, description="[positives, negatives], two counts above 0")
]


@settings("audit")
class AuditOptions:
    """Inputs by path, and the limits of the checks.

    Attributes:
        experiments: a results CSV, one row a run.
        results: a folder of BirdNET-Analyzer result files; needs `truth`.
        truth: a manifest (CSV or Parquet) of what the clips really hold.
        totals: set -> [positives, negatives] that its metrics were counted on, if known.
        positives, negatives: the same of every set that `totals` does not name; both or neither.
        monotone_settings: last words of settings that shift or scale every score alike; no ranking metric may
            follow them.
        majority: share in (0, 1] of the rows from which a threshold column counts as saturated.
        metadata_auroc: AUROC from 0.5 to 1 from which site, recorder, date or hour alone are said to separate
            the classes.
        rows_named: findings.csv names at most this many rows of a finding.
    """

    experiments: str | None = None
    results: str | None = None
    truth: str | None = None
    totals: dict[str, Totals] | None = None
    positives: Count | None = None
    negatives: Count | None = None
    monotone_settings: list = field(default_factory=lambda: ["sensitivity", "temperature"])
    majority: PositiveShare = 0.5
    metadata_auroc: Annotated[Number, Field(ge=0.5, le=1, description="an AUROC")] = 0.8
    rows_named: Count = 1000

    def __post_init__(self) -> None:
        if (self.positives is None) != (self.negatives is None):
            raise ValueError("positives and negatives belong together; give both or neither")

    def totals_of(self, test_set: str) -> tuple[int, int] | None:
        """The stated positives and negatives of a set."""
        if pair := (self.totals or {}).get(test_set):
            return int(pair[0]), int(pair[1])
        return (self.positives, self.negatives) if self.positives and self.negatives else None
