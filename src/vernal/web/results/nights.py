"""Nights of any point: what was there, what was flagged, and what a person checking the flags would have missed."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from vernal.evaluation.bootstrap import nights_of
from vernal.evaluation.nights import has_nights, night_table, season_totals
from vernal.evaluation.stage_results import StageResults
from vernal.reports.figures import nights as pictures
from vernal.web.results.comparing import ScoredPair

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def nights_of_point(results: StageResults, scored: ScoredPair, point: str) -> pd.DataFrame:
    """Recorder-nights of every measured split at a point's threshold, with `split` and the `outcome` in words.

    Returns:
        As `vernal.evaluation.nights.night_table`; empty without a threshold, or where recorders or dates are not known.
    """
    if results.no_threshold:
        return pd.DataFrame()
    at = scored.points.index(point)
    tables = []
    for split in results.measured_splits:
        units = scored.units[split]
        if has_nights(units):
            table = night_table(units, scored.logits[split][at], results.number(point, "threshold_logit"))
            tables.append(table.assign(split=split, point=point))
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    return table.assign(outcome=pictures.outcome(table))


def totals(results: StageResults, scored: ScoredPair, table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Totals over the nights of a split with intervals: `quantity, total, low, high, per_night`."""
    options = results.options
    units = scored.units[split]
    drawn = nights_of(units, options.seed, split, options.n_draws)
    return season_totals(table[table["split"] == split].reset_index(drop=True), units, drawn, options.level)


def draw_nights(results: StageResults, table: pd.DataFrame, point: str, title: str) -> "Figure":
    """Every recorder-night of the test splits as a mark: found, missed, invented, left alone."""
    shown = replace(results, tables={**results.tables, "nights": table})
    return pictures.nights(shown, title, point)
