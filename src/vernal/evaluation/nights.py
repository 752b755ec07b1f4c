"""What a detector is worth at night: the nights it misses, those it invents, and the minutes of checking.

A night is one recorder from noon to noon (`clips.nights`). Its presence is reported if any of its clips is flagged, and
confirmed if a person who checks the flagged clips finds a true one among them. Review time comes from the false
positive rate: false alarms are `negatives * FPR`, whatever the precision was where the test clips were picked.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from vernal.evaluation.bootstrap import Nights, is_enough
from vernal.evaluation.metrics import FloatArray, counts_at, false_positive_rate, recall
from vernal.evaluation.operating_points import SECONDS_PER_REVIEW, review_minutes
from vernal.evaluation.proportions import exact_interval

KEYS = ["recorder_id", "night"]
TOTALS = {
    "n_positive": "positive clips",
    "n_flagged": "flagged clips",
    "n_true": "true flagged clips",
    "n_false": "false flagged clips",
    "is_present": "nights with the target",
    "is_reported": "nights reported",
    "is_confirmed": "nights confirmed",
    "is_false_absence": "false absences",
    "is_false_presence": "false presences",
    "is_missed": "nights missed after review",
}
ALL, PRESENT, ABSENT = "all", "present", "absent"
# Which nights a count of nights is out of.
OUT_OF = {
    "is_present": ALL,
    "is_reported": ALL,
    "is_confirmed": PRESENT,
    "is_false_absence": PRESENT,
    "is_false_presence": ABSENT,
    "is_missed": PRESENT,
}


def has_nights(units: pd.DataFrame) -> bool:
    """Whether recorder and night are known of every unit."""
    return bool(len(units)) and all(key in units.columns and units[key].notna().all() for key in KEYS)


class NightCodes(NamedTuple):
    """Recorder and evening of each night, `names` (n_nights, 2) sorted, and `code` (n,), the night of each unit."""

    names: np.ndarray
    code: np.ndarray


def codes_of(units: pd.DataFrame) -> NightCodes:
    """The nights of a split's units, which are the same for every detector."""
    codes, names = pd.MultiIndex.from_frame(units[KEYS].astype(str)).factorize(sort=True)
    return NightCodes(np.array(list(names), dtype=object).reshape(-1, 2), codes)


def night_table(units: pd.DataFrame, scores: FloatArray, logit: float) -> pd.DataFrame:
    """One row per recorder-night: what was there and what was flagged.

    A night's score is the maximum logit over its clips, so it is reported exactly if that reaches the
    threshold.

    Args:
        units: one row per clip with `is_positive, recorder_id, night`.
        scores: (n,) logits.
        logit: the operating point.

    Returns:
        `recorder_id, night, n_clips, n_positive, n_negative, n_flagged, n_true, n_false, max_logit` and the
        questions `is_present, is_reported, is_confirmed, is_false_absence, is_false_presence, is_missed`.
    """
    nights = codes_of(units)
    return pd.DataFrame(
        dict(zip(KEYS, nights.names.T, strict=True))
        | night_columns(nights, units["is_positive"].to_numpy(dtype=bool), scores, logit)
    )


def night_columns(
    nights: NightCodes, truth: np.ndarray, scores: FloatArray, logit: float
) -> dict[str, np.ndarray]:
    """`night_table` without recorder and night, as arrays: what is counted for every detector of a stage."""
    flagged = np.asarray(scores) >= logit
    counted = {
        "n_clips": np.ones(len(truth)),
        "n_positive": truth,
        "n_negative": ~truth,
        "n_flagged": flagged,
        "n_true": flagged & truth,
        "n_false": flagged & ~truth,
    }
    highest = np.full(len(nights.names), -np.inf)
    np.maximum.at(highest, nights.code, np.asarray(scores, dtype=float))
    found = {name: np.bincount(nights.code, weights=part).astype(int) for name, part in counted.items()}
    present, reported, confirmed = (found[name] > 0 for name in ("n_positive", "n_flagged", "n_true"))
    return found | {
        "max_logit": highest,
        "is_present": present,
        "is_reported": reported,
        "is_confirmed": confirmed,
        "is_false_absence": present & ~reported,
        "is_false_presence": ~present & reported,
        "is_missed": present & ~confirmed,
    }


def presence_summary(table: pd.DataFrame | Mapping[str, np.ndarray]) -> dict[str, float]:
    """Nights of `night_table` or `night_columns` counted.

    `n_nights, n_present, false_absences, false_presences, missed_nights`, and the shares of the last three.
    False absences and missed nights are counted among the nights with the target, false presences among those
    without; count and share are NaN where there are none, as nothing was tested.
    """
    n_nights, n_present = len(table["is_present"]), int(table["is_present"].sum())
    n_absent = n_nights - n_present
    counts = {
        "false_absences": (int(table["is_false_absence"].sum()), n_present),
        "false_presences": (int(table["is_false_presence"].sum()), n_absent),
        "missed_nights": (int(table["is_missed"].sum()), n_present),
    }
    shares = {
        f"{name}_share": part / whole if whole else float("nan") for name, (part, whole) in counts.items()
    }
    return {
        "n_nights": n_nights,
        "n_present": n_present,
        **{name: part if whole else float("nan") for name, (part, whole) in counts.items()},
        **shares,
    }


def review_curve(
    units: pd.DataFrame,
    scores: FloatArray,
    clips_per_night: float,
    seconds_per_clip: float = SECONDS_PER_REVIEW,
    n_points: int = 200,
) -> pd.DataFrame:
    """Minutes of review a night against nights missed, from the strictest threshold to the laxest.

    Args:
        clips_per_night: clips without the target that a recorder makes in a night.
        n_points: thresholds, evenly by rank.

    Returns:
        `threshold_logit, recall, fpr, review_minutes` (a night, on false alarms), `missed_nights`,
        `false_presences` and their shares.
    """
    values, truth = np.asarray(scores, dtype=float), units["is_positive"].to_numpy(dtype=bool)
    distinct = np.unique(values)[::-1]
    thresholds = distinct[np.unique(np.linspace(0, distinct.size - 1, n_points).round().astype(int))]
    counts = counts_at(values, truth, thresholds)
    rate = false_positive_rate(counts)
    names, code = codes_of(units)
    highest, true = np.full(len(names), -np.inf), np.full(len(names), -np.inf)
    np.maximum.at(highest, code, values)
    np.maximum.at(true, code[truth], values[truth])
    has_target = np.isfinite(true)
    present, absent = np.sort(true[has_target]), np.sort(highest[~has_target])
    missed = np.searchsorted(present, thresholds, side="left")
    invented = absent.size - np.searchsorted(absent, thresholds, side="left")
    return pd.DataFrame(
        {
            "threshold_logit": thresholds,
            "recall": recall(counts),
            "fpr": rate,
            "review_minutes": review_minutes(rate, clips_per_night, seconds_per_clip),
            "missed_nights": missed if present.size else np.nan,
            "missed_nights_share": missed / present.size if present.size else np.nan,
            "false_presences": invented if absent.size else np.nan,
            "false_presences_share": invented / absent.size if absent.size else np.nan,
        }
    )


def season_totals(
    table: pd.DataFrame, units: pd.DataFrame, drawn: Nights, level: float = 0.95
) -> pd.DataFrame:
    """Totals over the nights of a split, with intervals for as many nights like these.

    For clips the interval is Student's t about the total, with the variance that drawing blocks gives it: the recorders
    of one site are drawn together; the lower end stops at 0. Counts of nights have the exact interval of their share
    (`exact_interval`), which takes each recorder's night as one of its own. Where there is no night to count among, the
    total is not known either.

    Args:
        table: from `night_table`, in its order.
        units: the units that the table counts.
        drawn: blocks of the same units.

    Returns:
        `quantity, total, low, high, per_night, out_of` (nights that a count of nights is out of).
    """
    block_of_night = _blocks_of_nights(units, drawn)
    if len(block_of_night) != len(table):
        raise ValueError(f"{len(block_of_night)} nights were drawn for a table of {len(table)}")
    n_present = int(table["is_present"].sum())
    nights = {ALL: len(table), PRESENT: n_present, ABSENT: len(table) - n_present}
    rows = []
    for column, name in TOTALS.items():
        counted = table[column].to_numpy(dtype=float)
        out_of = nights[OUT_OF[column]] if column in OUT_OF else None
        found = (
            _clip_total(counted, block_of_night, drawn, level)
            if out_of is None
            else _night_total(int(counted.sum()), out_of)
        )
        rows.append((name, *found, found[0] / len(table), np.nan if out_of is None else out_of))
    return pd.DataFrame(rows, columns=["quantity", "total", "low", "high", "per_night", "out_of"])


def _night_total(n: int, out_of: int) -> tuple[float, float, float]:
    """A count of nights with the exact interval of as many nights; NaN where there were none to count among."""
    low, high = exact_interval(n, out_of)
    return (float(n), low * out_of, high * out_of) if out_of else (float("nan"),) * 3


def _clip_total(
    counted: FloatArray, block_of_night: np.ndarray, drawn: Nights, level: float
) -> tuple[float, float, float]:
    from scipy import stats

    n = len(drawn.blocks.names)
    values = np.bincount(block_of_night, weights=counted, minlength=n)
    total = float(values.sum())
    if not is_enough(n, n):
        return total, float("nan"), float("nan")
    spread = float(np.std(drawn.counts @ values, ddof=1)) * np.sqrt(n / (n - 1))
    reach = float(stats.t.ppf(0.5 + level / 2, n - 1)) * spread
    return total, max(0.0, total - reach), total + reach


def _blocks_of_nights(units: pd.DataFrame, drawn: Nights) -> np.ndarray:
    """(n_nights,) the block of each recorder's night, by its first unit."""
    _, first = np.unique(codes_of(units).code, return_index=True)
    return drawn.blocks.code[first]
