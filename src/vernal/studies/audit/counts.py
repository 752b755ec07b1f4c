"""Can the printed metrics come from any confusion matrix at all, and from the same clips as the others?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.studies.audit import matrices
from vernal.studies.audit.findings import NotChecked, Told, check, sentence
from vernal.studies.audit.matrices import Interval, Printed
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.columns import RATES, Metric
from vernal.studies.published.experiments import Experiments

PARTS = ("precision", "recall", "f1", "accuracy")
# Consensus intervals are narrow; neighbours within this are the same share of positives.
SLACK = 1e-5


@dataclass(frozen=True)
class Matrices:
    """The rows' possible confusion matrices at one operating point of one set.

    Attributes:
        printed, regions, implied: one a row: metrics, corners, share of positives that they allow.
        totals: stated positives and negatives, or None.
        prevalence: the share of positives, from the totals or from what most rows imply; None when neither
            tells.
    """

    test_set: str
    point: str
    printed: list[Printed]
    regions: list[np.ndarray]
    implied: list[Interval]
    totals: tuple[int, int] | None
    prevalence: Interval | None

    @property
    def where(self) -> str:
        """The set, and the point if it has a name."""
        test_set = f"set {self.test_set!r}" if self.test_set else "the metrics"
        return f"{test_set} ({self.point})" if self.point else test_set


def all_matrices(experiments: Experiments, options: AuditOptions) -> Iterator[Matrices]:
    """Every operating point of every set with at least two of precision, recall, F1 and accuracy."""
    for test_set in experiments.test_sets:
        points = dict.fromkeys(
            m.point for m in experiments.metrics if m.test_set == test_set and m.name in PARTS
        )
        for point in points:
            metrics = {name: experiments.of(test_set, name, point) for name in PARTS}
            if sum(metric is not None for metric in metrics.values()) < 2:
                continue
            printed = printed_rows(experiments, metrics)
            regions = [matrices.region(row) for row in printed]
            implied = [
                matrices.implied_prevalence(row, corners)
                for row, corners in zip(printed, regions, strict=True)
            ]
            totals = options.totals_of(test_set) or _totals_in_columns(experiments, test_set)
            yield Matrices(test_set, point, printed, regions, implied, totals, _prevalence(totals, implied))


def printed_rows(experiments: Experiments, metrics: dict[str, Metric | None]) -> list[Printed]:
    """The rows' precision, recall, F1 and accuracy.

    Args:
        metrics: their columns in that order; None where there is none.
    """
    nothing = np.full(len(experiments), np.nan)
    columns = [nothing if m is None else experiments.values[m.column].to_numpy() for m in metrics.values()]
    halves = [1e-9 if m is None else m.half for m in metrics.values()]
    return [Printed(*map(float, row), *halves) for row in zip(*columns, strict=True)]


def _prevalence(totals: tuple[int, int] | None, implied: list[Interval]) -> Interval | None:
    if totals:
        share = totals[0] / sum(totals)
        return Interval(share, share)
    found = matrices.consensus([interval for interval in implied if not interval.is_empty])
    return Interval(found.low - SLACK, found.high + SLACK) if found else None


def _totals_in_columns(experiments: Experiments, test_set: str) -> tuple[int, int] | None:
    """Positives and negatives that the table states for a set: the usual pair of its count columns."""
    columns = {m.name: m.column for m in experiments.metrics if m.test_set == test_set}
    values = experiments.values
    if {"n_positive", "n_negative"} <= columns.keys():
        pairs = values[[columns["n_positive"], columns["n_negative"]]]
    elif {"tp", "fp", "fn", "tn"} <= columns.keys():
        tp, fp, fn, tn = (values[columns[name]] for name in ("tp", "fp", "fn", "tn"))
        pairs = pd.concat([tp + fn, tn + fp], axis=1)
    else:
        return None
    common = pairs.dropna().value_counts()
    if common.empty:
        return None
    n_positive, n_negative = (int(value) for value in common.index[0])
    return (n_positive, n_negative) if n_positive > 0 and n_negative > 0 else None


@check("impossible_counts", "Can a confusion matrix with the stated totals give the printed metrics?")
def check_impossible(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows that no confusion matrix gives: at all, on the others' totals, or only with classes swapped."""
    yield from _out_of_range(experiments)
    known = list(all_matrices(experiments, options))
    for found in known:
        verdicts = [_verdict(found, row) for row in range(len(experiments))]
        for verdict in ("never", "swapped", "other"):
            rows = experiments.names[[v == verdict for v in verdicts]]
            if len(rows):
                facts = {"where": found.where, "n": len(rows), "totals": _describe_totals(found)}
                text = sentence(
                    f"findings.{verdict}", **facts, implied=_describe_implied(found, verdicts, verdict)
                )
                yield "error", rows, text
    yield from _count_columns(experiments)
    if not known:
        raise NotChecked("No set has two of precision, recall, F1 and accuracy.")


def _verdict(found: Matrices, row: int) -> str:
    """`fits`, `never`, `swapped` or `other` for one row."""
    printed, corners, implied = found.printed[row], found.regions[row], found.implied[row]
    if sum(np.isfinite(printed[:4])) < 2:
        return "fits"
    if len(corners) == 0 or implied.is_empty:
        return "never"
    if found.prevalence is None:
        return "fits"
    swapped = Interval(1 - found.prevalence.high, 1 - found.prevalence.low)
    if found.totals:
        n_positive, n_negative = found.totals
        if matrices.fits_totals(printed, n_positive, n_negative):
            return "fits"
        return "swapped" if matrices.fits_totals(printed, n_negative, n_positive) else "other"
    if implied.meets(found.prevalence):
        return "fits"
    return "swapped" if implied.meets(swapped) else "other"


def _describe_totals(found: Matrices) -> str:
    if found.totals:
        return f"stated: {found.totals[0]:,} positives, {found.totals[1]:,} negatives"
    if found.prevalence is None:
        return "no totals stated"
    middle = (found.prevalence.low + found.prevalence.high) / 2
    return f"no totals stated; most rows imply {middle:.1%} positives"


def _describe_implied(found: Matrices, verdicts: list[str], verdict: str) -> str:
    if verdict == "never" or not all(np.isfinite(row.accuracy) for row in found.printed):
        return ""
    shares = [interval for interval, v in zip(found.implied, verdicts, strict=True) if v == verdict]
    low, high = min(s.low for s in shares), max(s.high for s in shares)
    return f" They imply {low:.1%} to {high:.1%} positives." if high - low < 0.3 else ""


def _out_of_range(experiments: Experiments) -> Told:
    for metric in experiments.metrics:
        if metric.name not in RATES:
            continue
        values = experiments.values[metric.column]
        rows = experiments.names[(values < -metric.half) | (values > 1 + metric.half)]
        if len(rows):
            yield "error", rows, sentence("findings.out_of_range", n=len(rows), column=metric.column)


def _count_columns(experiments: Experiments) -> Told:
    """Counts that are printed: whole, and with the same totals in each row."""
    for test_set in experiments.test_sets:
        for point in dict.fromkeys(
            m.point for m in experiments.metrics if m.test_set == test_set and m.name == "tp"
        ):
            columns = [experiments.of(test_set, name, point) for name in ("tp", "fp", "fn", "tn")]
            if any(column is None for column in columns):
                continue
            tp, fp, fn, tn = (experiments.values[m.column] for m in columns if m is not None)
            pairs = pd.DataFrame({"positives": tp + fn, "negatives": tn + fp}).dropna()
            yield from _differing_totals(
                experiments, pairs, f"set {test_set!r}" if test_set else "the counts"
            )
            yield from _contradicting_counts(experiments, test_set, point, tp, fp, fn)


def _differing_totals(experiments: Experiments, pairs: pd.DataFrame, where: str) -> Told:
    if len(pairs) < 3:
        return
    common = pairs.value_counts()
    usual = common.index[0]
    if len(common) == 1 or common.iloc[0] <= len(pairs) / 2:
        return
    is_swapped = (pairs.positives == usual[1]) & (pairs.negatives == usual[0]) & (usual[0] != usual[1])
    is_other = ~is_swapped & ((pairs.positives != usual[0]) | (pairs.negatives != usual[1]))
    stated = f"most rows have {usual[0]:,.0f} positives (tp + fn) and {usual[1]:,.0f} negatives (fp + tn)"
    for is_bad, meaning in (
        (is_swapped, "these have them the other way round: the classes are swapped"),
        (is_other, "these have other totals: they were counted on other clips"),
    ):
        rows = experiments.names[pairs.index[is_bad]]
        if len(rows):
            text = sentence("findings.other_totals", where=where, stated=stated, meaning=meaning, n=len(rows))
            yield "error", rows, text


def _contradicting_counts(
    experiments: Experiments, test_set: str, point: str, tp: pd.Series, fp: pd.Series, fn: pd.Series
) -> Told:
    for name, whole in (("precision", tp + fp), ("recall", tp + fn)):
        metric = experiments.of(test_set, name, point)
        if metric is None:
            continue
        is_off = (
            (tp / whole.where(whole > 0)) - experiments.values[metric.column]
        ).abs() > metric.half + 1e-6
        rows = experiments.names[is_off]
        if len(rows):
            yield "error", rows, sentence("findings.contradicting", column=metric.column, n=len(rows))


@check("all_rows_swapped", "Do true totals rule out that the classes are swapped in all rows alike?")
def check_all_swapped(experiments: Experiments, options: AuditOptions) -> Told:
    """Says which totals were inferred from the rows themselves, which cannot tell whether all rows are swapped."""
    inferred = {
        found.where: _inferred(found)
        for found in all_matrices(experiments, options)
        if options.totals_of(found.test_set) is None and found.prevalence is not None
    }
    if inferred:
        told = "; ".join(f"{where}: {words}" for where, words in inferred.items())
        raise NotChecked(
            f"The totals were inferred from the rows ({told}). A table in which the classes are swapped in all rows "
            "looks the same from inside, with the two shares exchanged. State the true totals with audit.positives and "
            "audit.negatives, or set by set with audit.totals."
        )
    yield from ()


def _inferred(found: Matrices) -> str:
    if found.totals:
        return f"{found.totals[0]:,} positives and {found.totals[1]:,} negatives by its count columns"
    assert found.prevalence is not None
    middle = (found.prevalence.low + found.prevalence.high) / 2
    return f"most rows imply {middle:.1%} positives and {1 - middle:.1%} negatives"


@check("impossible_auroc", "Can a curve through each row's precision and recall have its AUROC?")
def check_auroc(experiments: Experiments, options: AuditOptions) -> Told:
    """An AUROC that no curve through the row's own operating point can have."""
    looked = False
    for found in all_matrices(experiments, options):
        metric = experiments.of(found.test_set, "auroc")
        if metric is None or found.prevalence is None:
            continue
        looked = True
        values = experiments.values[metric.column]
        bad = []
        for row, (corners, auroc) in enumerate(zip(found.regions, values, strict=True)):
            bounds = matrices.auroc_bounds(corners, found.prevalence)
            # Rows of other totals are told elsewhere; their false positive rate is not known here.
            if (
                np.isfinite(auroc)
                and _verdict(found, row) == "fits"
                and not bounds.meets(Interval(auroc - metric.half, auroc + metric.half))
            ):
                bad.append(row)
        if bad:
            rows = tuple(experiments.names.iloc[bad])
            yield "error", rows, sentence("findings.auroc", where=found.where, n=len(rows))
    if not looked:
        raise NotChecked(
            "Needs an AUROC beside precision, recall and accuracy, and a share of positives to go by."
        )


@check("no_better_than_trivial", "Is each row better than calling every clip positive, or none?")
def check_trivial(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows that are no better than calling every clip positive, or no clip."""
    known = list(all_matrices(experiments, options))
    for found in known:
        verdicts = pd.Series(
            [_triviality(found, row) for row in found.printed], index=experiments.names.index
        )
        for verdict, severity in (("all", "warning"), ("none", "warning"), ("below", "note")):
            rows = experiments.names[verdicts == verdict]
            if len(rows):
                text = sentence(
                    f"findings.trivial_{verdict}", where=found.where, n=len(rows), f1=_trivial_f1(found)
                )
                yield severity, rows, text
    if not known:
        raise NotChecked("No set has two of precision, recall, F1 and accuracy.")


def _triviality(found: Matrices, row: Printed) -> str:
    """`all` clips flagged, `none` of the positives, F1 `below` that of flagging all, or nothing of these."""
    if flags_all(row):
        return "all"
    if row.recall <= row.half_recall or row.f1 <= row.half_f1:
        return "none"
    return "below" if row.f1 + row.half_f1 < _trivial_f1(found) else ""


def _trivial_f1(found: Matrices) -> float:
    """F1 of calling every clip positive; 0 where the share of positives is not known."""
    return 2 * found.prevalence.low / (1 + found.prevalence.low) if found.prevalence else 0.0


def flags_all(row: Printed) -> bool:
    """Whether every clip was flagged: recall is 1, precision and accuracy agree, and it is not perfect."""
    is_perfect = row.precision >= 1 - row.half_precision
    return bool(
        row.recall >= 1 - row.half_recall
        and abs(row.precision - row.accuracy) <= row.half_precision + row.half_accuracy
        and not is_perfect
    )
