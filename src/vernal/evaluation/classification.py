"""Numbers for several classes: each class against the rest, then their averages.

Conventions: `true` and `predicted` are (n,) class names, one class a unit. For each class, true positives are
its units called it, false positives the units of other classes called it, false negatives its units called
something else. A class that is never predicted has undefined precision; here, as in scikit-learn's report,
that counts as 0, because an average over classes that leaves out those never found would flatter a classifier
that gives up on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vernal.evaluation.metrics import FloatArray, ratio

RATES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Report:
    """What a classifier of several classes does.

    Attributes:
        classes: one row per class: `label, precision, recall, f1, support` (units of that class).
        averages: one row each of `macro`, `weighted`, `micro`: `average, precision, recall, f1, support`.
        accuracy: share of units called right, in [0, 1]; equals micro F1, as each unit has one class.
        confusion: units by true class (rows) and predicted class (columns).
    """

    classes: pd.DataFrame
    averages: pd.DataFrame
    accuracy: float
    confusion: pd.DataFrame


def confusion_matrix(
    true: ArrayLike, predicted: ArrayLike, labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Units counted by true class (rows) and predicted class (columns).

    Args:
        labels: classes in order; None: all that occur, sorted.

    Raises:
        ValueError: lengths differ, or a class is not in `labels`.
    """
    rows, columns = (np.asarray(part, dtype=str) for part in (true, predicted))
    if rows.shape != columns.shape or rows.ndim != 1:
        raise ValueError(f"{rows.size:,} true, {columns.size:,} predicted classes; give one of each a unit")
    names = (
        sorted({*rows.tolist(), *columns.tolist()}) if labels is None else [str(label) for label in labels]
    )
    unknown = sorted((set(rows.tolist()) | set(columns.tolist())) - set(names))
    if unknown:
        raise ValueError(f"class {', '.join(map(repr, unknown))} is not among the labels {', '.join(names)}")
    place = {name: at for at, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, ([place[name] for name in rows], [place[name] for name in columns]), 1)
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))


def report(true: ArrayLike, predicted: ArrayLike, labels: Sequence[str] | None = None) -> Report:
    """Per-class numbers, averages, accuracy and confusion matrix.

    >>> round(report(list("aab"), list("aba")).accuracy, 3)
    0.333
    """
    return report_of(confusion_matrix(true, predicted, labels))


def report_of(confusion: pd.DataFrame) -> Report:
    """The same from a confusion matrix, true classes in rows and predicted in columns."""
    counts = confusion.to_numpy()
    hit, support, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    fp, fn = called - hit, support - hit
    assert (hit + fn == support).all() and counts.sum() == support.sum(), "confusion counts do not add up"
    rates = {
        "precision": _zero(ratio(hit, hit + fp)),
        "recall": _zero(ratio(hit, hit + fn)),
        "f1": _zero(ratio(2 * hit, 2 * hit + fp + fn)),
    }
    classes = pd.DataFrame({"label": list(confusion.index), **rates, "support": support})
    accuracy = float(ratio(hit.sum(), counts.sum()))
    micro = {"average": "micro", **dict.fromkeys(RATES, accuracy), "support": int(support.sum())}
    averaged = averages_of(classes)
    averages = pd.concat([averaged, pd.DataFrame([micro])], ignore_index=True)
    return Report(classes, averages, accuracy, confusion)


def averages_of(classes: pd.DataFrame) -> pd.DataFrame:
    """Macro and weighted averages that follow from per-class rows.

    Macro is the plain mean over classes, so every class counts the same, rare or common. Weighted is the mean
    by support, so every unit counts the same and common classes rule; the weighted recall is the accuracy.

    Args:
        classes: `precision, recall, f1, support`, one row per class.

    Returns:
        Rows `macro` and `weighted`: `average, precision, recall, f1, support`.
    """
    support = classes["support"].to_numpy(dtype=float)
    total = int(support.sum())
    rows = [
        {"average": "macro", **{name: float(classes[name].mean()) for name in RATES}, "support": total},
        {
            "average": "weighted",
            **{name: float(ratio((classes[name] * support).sum(), support.sum())) for name in RATES},
            "support": total,
        },
    ]
    return pd.DataFrame(rows, columns=["average", *RATES, "support"])


def _zero(values: FloatArray) -> FloatArray:
    return np.nan_to_num(values, nan=0.0)
