"""What was put into the demo group, and whether it was found again, each within its interval."""

from typing import Any

import numpy as np
import pandas as pd

RECOVERY_COLUMNS = ("what", "put_in", "found", "low", "high", "is_inside")
Row = tuple[str, float, float, float, float, bool]


def compare_with_planted(
    planted: dict[str, Any],
    rates: pd.DataFrame,
    shifts: pd.DataFrame,
    inventory: pd.DataFrame,
    choosers: pd.DataFrame,
) -> pd.DataFrame:
    """Compare planted mistakes with what the collection found.

    Args:
        planted: the demo group's record; empty for a real collection.
        rates: annotators' rates, as `consensus.find_consensus` gives them.
        shifts: octave shifts, as `drift.level_shifts` gives them, `band` by name.
        inventory: as `inventory.take_stock` gives it.
        choosers: as `coverage.count_choosers` gives it, of recordings.
    Returns:
        `RECOVERY_COLUMNS`; counts have no interval and must be equal. Empty for a real collection.
    """
    if not planted:
        return pd.DataFrame(columns=list(RECOVERY_COLUMNS))
    rows = [*_mistakes(planted["error_rates"], rates), *_drift(planted, shifts)]
    rows += _counts(planted, inventory, choosers)
    return pd.DataFrame(rows, columns=list(RECOVERY_COLUMNS))


def _mistakes(error_rates: dict[str, Any], rates: pd.DataFrame) -> list[Row]:
    """Each annotator's misses and false alarms."""
    rows = []
    wrong = rates[rates.true_value != rates.said_value]
    for annotator, of_annotator in error_rates.items():
        for label, put_in in of_annotator.items():
            mine = wrong[(wrong.annotator == annotator) & (wrong.label == label)].set_index("true_value")
            for words, kind, true_value in (("misses", "miss", True), ("false alarms", "false_alarm", False)):
                if true_value in mine.index:
                    found = mine.loc[true_value]
                    rows.append(_row(f"{annotator}: {words} of {label}", put_in[kind], found.rate, found))
    return rows


def _drift(planted: dict[str, Any], shifts: pd.DataFrame) -> list[Row]:
    band = shifts[shifts.band == "4 kHz"]
    if band.empty:
        return []
    found = band.iloc[0]
    return [_row("change of level around 4 kHz, dB", planted["drift_db"], found.shift_db, found)]


def _counts(planted: dict[str, Any], inventory: pd.DataFrame, choosers: pd.DataFrame) -> list[Row]:
    is_held_back = inventory.state == "held back"
    has_no_licence = inventory.reason.fillna("") == "no licence"
    n_chosen = choosers.n_recordings[choosers.chosen_by != "people"].sum()
    found = (
        ("copies", "n_copies", (inventory.state == "double").sum()),
        ("recordings without a licence", "n_without_licence", has_no_licence.sum()),
        ("recordings that cannot be used", "n_unusable", (is_held_back & ~has_no_licence).sum()),
        ("recordings chosen by a model", "n_mined", n_chosen),
    )
    return [(what, planted[key], int(n), np.nan, np.nan, planted[key] == n) for what, key, n in found]


def _row(what: str, put_in: float, value: float, interval: pd.Series) -> Row:
    """A value with the `low` and `high` of its interval; without one it is not inside."""
    return what, put_in, value, interval.low, interval.high, bool(interval.low <= put_in <= interval.high)
