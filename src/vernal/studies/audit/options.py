"""What an audit is given, and when it speaks up."""

from __future__ import annotations

from dataclasses import dataclass, field

from vernal.common.problems import InputError


@dataclass(frozen=True)
class AuditOptions:
    """Inputs by path, and the limits of the checks.

    Attributes:
        experiments: a results CSV, one row a run.
        results: a folder of BirdNET-Analyzer result files; needs `truth`.
        truth: a manifest (CSV or Parquet) of what the clips really hold.
        totals: set -> [positives, negatives] that its metrics were counted on, if known.
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
    totals: dict | None = None
    monotone_settings: list = field(default_factory=lambda: ["sensitivity", "temperature"])
    majority: float = 0.5
    metadata_auroc: float = 0.8
    rows_named: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.majority <= 1:
            raise InputError(f"audit.majority is {self.majority}; give a share above 0 and up to 1.")
        if not 0.5 <= self.metadata_auroc <= 1:
            raise InputError(f"audit.metadata_auroc is {self.metadata_auroc}; give an AUROC from 0.5 to 1.")
        if self.rows_named < 1:
            raise InputError(f"audit.rows_named is {self.rows_named}; give a count of at least 1.")
        for name, pair in (self.totals or {}).items():
            if not (
                isinstance(pair, list | tuple)
                and len(pair) == 2
                and all(type(n) is int and n > 0 for n in pair)
            ):
                raise InputError(
                    f"audit.totals.{name} is {pair!r}; give [positives, negatives], two counts above 0."
                )

    def totals_of(self, test_set: str) -> tuple[int, int] | None:
        """The stated positives and negatives of a set."""
        pair = (self.totals or {}).get(test_set)
        return (int(pair[0]), int(pair[1])) if pair else None
