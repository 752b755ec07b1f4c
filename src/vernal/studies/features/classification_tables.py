"""Classification tables as people know them: a row a class, then accuracy and averages.

One form for our own results and for published ones, so that they can be laid side by side: `from_report` takes a
`classification.Report`, `from_rows` the rows of a printed table, from which the averages follow.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.classification import RATES, Report, averages_of
from vernal.studies.features.rows import records

COLUMNS = ("row", "precision", "recall", "f1", "support")
ACCURACY, MACRO, WEIGHTED = "accuracy", "macro avg", "weighted avg"


@dataclass(frozen=True, eq=False)
class ClassificationTable:
    """`classes` and `averages` (macro, weighted): `COLUMNS`; `accuracy` in [0, 1]; `support` may be a mean."""

    classes: pd.DataFrame
    averages: pd.DataFrame
    accuracy: float

    @property
    def n(self) -> float:
        """Units in all."""
        return float(self.classes.support.sum())

    def shared_by(self, n_runs: int) -> "ClassificationTable":
        """The same rates with the support of one of `n_runs` runs that were counted together."""
        classes, averages = self.classes, self.averages
        return ClassificationTable(
            classes.assign(support=classes.support / n_runs),
            averages.assign(support=averages.support / n_runs),
            self.accuracy,
        )

    def rows(self) -> pd.DataFrame:
        """All rows in order, accuracy with its value as `f1`, as it is printed."""
        accuracy = pd.DataFrame([{"row": ACCURACY, "f1": self.accuracy, "support": self.n}])
        parts = [self.classes.astype({"support": float}), accuracy, self.averages.astype({"support": float})]
        return pd.concat(parts, ignore_index=True)[list(COLUMNS)]

    def text(self, decimals: int = 2) -> str:
        """The table in plain characters, laid out as scikit-learn's `classification_report`."""
        width = max(len(WEIGHTED), *(len(name) for name in self.classes.row))
        lines = [
            " " * (width + 1)
            + "".join(f" {name:>9}" for name in ("precision", "recall", "f1-score", "support")),
            "",
        ]
        for place, row in enumerate(records(self.rows())):
            if place == len(self.classes):  # by place, for a class may be called accuracy
                lines.append("")
            numbers = [
                " " * decimals + "  " if np.isnan(row[name]) else f"{row[name]:.{decimals}f}"
                for name in RATES
            ]
            support = (
                f"{row['support']:.0f}" if float(row["support"]).is_integer() else f"{row['support']:.1f}"
            )
            lines.append(
                f"{row['row']:>{width}} " + "".join(f" {number:>9}" for number in (*numbers, support))
            )
        return "\n".join(lines) + "\n"


def from_report(report: Report) -> ClassificationTable:
    """Our own numbers as a table."""
    return _table(report.classes.rename(columns={"label": "row"}), report.averages, report.accuracy)


def from_rows(classes: pd.DataFrame, accuracy: float | None = None) -> ClassificationTable:
    """A printed table from its class rows; averages are computed from them, and so is the accuracy if not given.

    Args:
        classes: `row`, `precision`, `recall`, `f1`, `support`.
    """
    averages = averages_of(classes)
    weighted = averages.loc[averages.average == "weighted", "recall"]
    return _table(classes, averages, float(weighted.iloc[0]) if accuracy is None else accuracy)


def _table(classes: pd.DataFrame, averages: pd.DataFrame, accuracy: float) -> ClassificationTable:
    names = {"macro": MACRO, "weighted": WEIGHTED}
    shown = averages[averages.average.isin(names)].assign(row=lambda table: table.average.map(names))
    return ClassificationTable(
        classes[list(COLUMNS)].reset_index(drop=True), shown[list(COLUMNS)].reset_index(drop=True), accuracy
    )
