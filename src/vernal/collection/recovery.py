"""What was put into the demo group, and whether it was found again, each within its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

RECOVERY_COLUMNS = ("what", "put_in", "found", "low", "high", "is_inside")


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
    rows: list[dict[str, Any]] = []
    wrong = rates[rates.true_value != rates.said_value]
    for annotator, of_annotator in planted["error_rates"].items():
        for label, truth in of_annotator.items():
            mine = wrong[(wrong.annotator == annotator) & (wrong.label == label)].set_index("true_value")
            for name, key in (("misses", True), ("false alarms", False)):
                if key in mine.index:
                    rate = truth["miss" if key else "false_alarm"]
                    rows.append(_row(f"{annotator}: {name} of {label}", rate, mine.loc[key]))
    band = shifts[shifts.band == "4 kHz"]
    if len(band):
        shift = band.iloc[0].rename({"shift_db": "rate"})
        rows.append(_row("change of level around 4 kHz, dB", planted["drift_db"], shift))
    states = inventory.state.value_counts()
    reasons = inventory.reason.fillna("")
    counts = {
        "copies": (planted["n_copies"], int(states.get("double", 0))),
        "recordings without a licence": (planted["n_without_licence"], int((reasons == "no licence").sum())),
        "recordings that cannot be used": (
            planted["n_unusable"],
            int(((inventory.state == "held back") & (reasons != "no licence")).sum()),
        ),
        "recordings chosen by a model": (
            planted["n_mined"],
            int(choosers.n_recordings[choosers.chosen_by != "people"].sum()),
        ),
    }
    for what, (put_in, found) in counts.items():
        rows.append(
            {
                "what": what,
                "put_in": put_in,
                "found": found,
                "low": np.nan,
                "high": np.nan,
                "is_inside": put_in == found,
            }
        )
    return pd.DataFrame(rows, columns=list(RECOVERY_COLUMNS))


def _row(what: str, put_in: float, found: pd.Series) -> dict[str, Any]:
    inside = bool(found.low <= put_in <= found.high) if np.isfinite(found.low) else False
    return {
        "what": what,
        "put_in": put_in,
        "found": found.rate,
        "low": found.low,
        "high": found.high,
        "is_inside": inside,
    }
