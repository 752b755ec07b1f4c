"""Does one season sound like the other? A test in the embedding space, and the drift in decibels.

Nights are the units: their embeddings are compared by maximum mean discrepancy, and the seasons' names are
dealt anew to the nights of each recorder, so that neither a loud night nor another mix of sites counts as
drift. The size of the drift is the distance between the seasons' means, as part of the clips' spread,
without the bias that chance adds to distances. Octave levels of the background say it in words.
"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.common.hashing import rng_for
from vernal.common.settings import InnerShare, one_of, settings
from vernal.evaluation.effects import holm

DRIFT_COLUMNS = (
    "first", "second", "n_nights_first", "n_nights_second", "discrepancy", "p_value", "adjusted_p", "distance",
    "distance_low", "distance_high", "verdict",
)  # fmt: skip
SEASONS_BY = ("year", "half-year", "quarter", "month")
_MAX_CLIPS_A_NIGHT = 20


def season_of(dates: pd.Series, by: str) -> pd.Series:
    """The season of each ISO date as text; missing where the date is.

    >>> season_of(pd.Series(["2025-04-03"], dtype="str"), "quarter").tolist()
    ['2025 quarter 2']
    """
    year, month = dates.str.slice(0, 4), pd.to_numeric(dates.str.slice(5, 7)).astype("Int64")
    if by == "year":
        return year
    if by == "month":
        return dates.str.slice(0, 7)
    size = {"half-year": 6, "quarter": 3}[by]
    return (year + f" {by} " + ((month - 1) // size + 1).astype("str")).astype("str").where(dates.notna())


@settings("collection.drift")
class DriftOptions:
    """How drift is tested.

    `season_by`: year, half-year, quarter or month. `n_permutations`: deals of the seasons' names. `alpha`: rate of
    false alarms over all pairs. `level`: coverage of intervals.
    """

    season_by: Annotated[str, one_of(SEASONS_BY)] = "year"
    n_permutations: Annotated[int, Field(ge=99)] = 1000
    alpha: InnerShare = 0.05
    level: InnerShare = 0.95
    seed: int = 0


def measure_drift(x: NDArray, nights: pd.DataFrame, options: DriftOptions) -> pd.DataFrame:
    """Compare each two seasons.

    Args:
        x: (n, n_dims) embeddings, reduced.
        nights: (n rows) `season`, `night` (never divided), `stratum` (within which seasons may be exchanged:
            the recorder).
        options: permutations and rates.
    Returns:
        `DRIFT_COLUMNS`, one row a pair of seasons that share a stratum. `verdict`: `drift`, `none shown`, or
        `cannot be shown` where there are too few nights to deal. `distance` is a part of the
        spread of single clips.
    Source: Gretton et al. (2012), A kernel two-sample test; Holm's correction over pairs.
    """
    rows = []
    for first, second in combinations(sorted(nights.season.dropna().unique()), 2):
        inside = nights.season.isin([first, second]).to_numpy()
        shared = nights[inside].groupby("stratum").season.transform("nunique").to_numpy() == 2
        chosen = np.flatnonzero(inside)[shared]
        if len(chosen):
            pair = {"first": first, "second": second}
            rows.append(pair | _compare(x[chosen], nights.iloc[chosen], second, options))
    table = pd.DataFrame(rows).reindex(columns=list(DRIFT_COLUMNS))
    table["adjusted_p"] = holm(table.p_value.to_numpy(dtype=float))
    verdicts = np.select(
        [table.p_value.isna(), table.adjusted_p <= options.alpha], ["cannot be shown", "drift"], "none shown"
    )
    return table.assign(verdict=verdicts if len(table) else pd.Series(dtype="str"))


def _compare(x: NDArray, nights: pd.DataFrame, second: str, options: DriftOptions) -> dict:
    names, code = np.unique(nights.night.astype(str), return_inverse=True)
    kept = _thin_out(code)
    x, code, nights = x[kept], code[kept], nights.iloc[kept]
    one_a_night = nights.iloc[np.unique(code, return_index=True)[1]]
    is_second = (one_a_night.season == second).to_numpy()
    stratum = one_a_night.stratum.astype(str).to_numpy()
    kernel = _night_kernel(x, code, len(names))
    observed = _discrepancy(kernel, is_second[None, :])[0]
    deals = _deal(is_second, stratum, options)
    p_value = np.nan
    if len(deals):
        p_value = (1 + int((_discrepancy(kernel, deals) >= observed - 1e-12).sum())) / (1 + len(deals))
    distance, low, high = mean_distance(x, code, is_second, options.level)
    return {
        "n_nights_first": int((~is_second).sum()), "n_nights_second": int(is_second.sum()),
        "discrepancy": float(observed),
        "p_value": p_value, "distance": distance, "distance_low": low, "distance_high": high,
    }  # fmt: skip


def _thin_out(code: NDArray) -> NDArray[np.int64]:
    """At most some clips a night, evenly spread over it."""
    kept = []
    for night in range(code.max() + 1):
        rows = np.flatnonzero(code == night)
        places = np.linspace(0, len(rows) - 1, min(len(rows), _MAX_CLIPS_A_NIGHT)).round().astype(int)
        kept.append(rows[places])
    return np.sort(np.concatenate(kept))


def _night_kernel(x: NDArray, code: NDArray, n_nights: int) -> NDArray[np.float64]:
    """Mean Gaussian kernel between the clips of each two nights; its width is the median distance."""
    square = (x**2).sum(axis=1)
    distances = np.maximum(square[:, None] + square[None, :] - 2 * x @ x.T, 0)
    width = float(np.median(distances[np.triu_indices(len(x), 1)])) if len(x) > 1 else 1.0
    kernel = np.exp(-distances / max(width, 1e-12))
    share = np.zeros((n_nights, len(x)))
    share[code, np.arange(len(x))] = 1
    share /= share.sum(axis=1, keepdims=True)
    return share @ kernel @ share.T


def _discrepancy(kernel: NDArray, is_second: NDArray) -> NDArray[np.float64]:
    """Unbiased squared discrepancy, nights weighing the same, for each row of `is_second`."""
    b = is_second.astype(float)
    a = 1 - b
    n_a, n_b = a.sum(axis=1), b.sum(axis=1)
    own = np.diag(kernel)
    within_a = (np.einsum("ij,jk,ik->i", a, kernel, a) - a @ own) / np.maximum(n_a * (n_a - 1), 1)
    within_b = (np.einsum("ij,jk,ik->i", b, kernel, b) - b @ own) / np.maximum(n_b * (n_b - 1), 1)
    return within_a + within_b - 2 * np.einsum("ij,jk,ik->i", a, kernel, b) / np.maximum(n_a * n_b, 1)


def _deal(is_second: NDArray, stratum: NDArray, options: DriftOptions) -> NDArray[np.bool_]:
    """Deals of the season's name within strata; none when there are too few different ones to reach `alpha`."""
    from math import comb, log

    groups = [np.flatnonzero(stratum == name) for name in np.unique(stratum)]
    n_deals = sum(log(comb(len(rows), int(is_second[rows].sum()))) for rows in groups)
    if n_deals < log(1 / options.alpha) or is_second.sum() < 2 or (~is_second).sum() < 2:
        return np.empty((0, len(is_second)), dtype=bool)
    rng = rng_for(options.seed, "drift")
    deals = np.tile(is_second, (options.n_permutations, 1))
    for rows in groups:
        deals[:, rows] = rng.permuted(deals[:, rows], axis=1)
    return deals


def mean_distance(x: NDArray, code: NDArray, is_second: NDArray, level: float) -> tuple[float, float, float]:
    """Distance of the seasons' means with its interval, by jackknife over nights.

    Args:
        x: (n, n_dims).
        code: (n,) night of each clip.
        is_second: (n_nights,) whether a night is of the second season.
        level: coverage of the interval.
    Returns:
        Distance and interval, as part of the spread (root mean square) of single clips about their season's
        mean. Zero when the nights scatter as much as that; NaN with fewer than three nights in a season.
    """
    from scipy.stats import norm

    means = np.stack([x[code == night].mean(axis=0) for night in range(len(is_second))])
    n_b = int(is_second.sum())
    n_a = len(is_second) - n_b
    if min(n_a, n_b) < 3:
        return np.nan, np.nan, np.nan
    parts = [x[is_second[code] == season] for season in (False, True)]
    residuals = np.concatenate([part - part.mean(axis=0) for part in parts])
    spread = float((residuals**2).sum(axis=1).mean())
    gram = means @ means.T
    squared = _discrepancy(gram, is_second[None, :])[0]
    left_out = np.array([_squared_without(gram, is_second, night) for night in range(len(is_second))])
    # Two samples: each night's jackknife is of its own season's size.
    variance = sum(
        (n - 1) / n * float(((values - values.mean()) ** 2).sum())
        for n, values in ((n_a, left_out[~is_second]), (n_b, left_out[is_second]))
    )
    half = float(norm.ppf((1 + level) / 2)) * variance**0.5
    ends = np.sqrt(np.maximum(np.array([squared, squared - half, squared + half]), 0) / max(spread, 1e-12))
    return float(ends[0]), float(ends[1]), float(ends[2])


def _squared_without(gram: NDArray, is_second: NDArray, night: int) -> float:
    kept = np.arange(len(is_second)) != night
    return float(_discrepancy(gram[np.ix_(kept, kept)], is_second[kept][None, :])[0])


def level_shifts(levels: pd.DataFrame, first: str, second: str, level: float) -> pd.DataFrame:
    """By how many decibels the background changed between two seasons, octave by octave.

    Args:
        levels: one row a recording: `season`, `night`, `stratum`, and a column of dB for each band.
        first: the earlier season.
        second: the later one.
        level: coverage of the intervals.
    Returns:
        `band`, `shift_db` (second minus first, strata weighing by their nights), `low`, `high`, `n_nights`;
        bands without nights of both seasons in one stratum are left out. Nights are taken as normal with one
        variance.
    """
    bands = [name for name in levels.columns if name not in ("season", "night", "stratum")]
    inside = levels[levels.season.isin([first, second])]
    nightly = inside.groupby(["stratum", "season", "night"])[bands].mean().reset_index()
    rows = [_band_shift(nightly[nightly[band].notna()], band, first, second, level) for band in bands]
    return pd.DataFrame([row for row in rows if row], columns=["band", "shift_db", "low", "high", "n_nights"])


def _band_shift(nightly: pd.DataFrame, band: str, first: str, second: str, level: float) -> dict | None:
    from scipy.stats import t

    shifts, weights, square, n_free, n_nights = [], [], 0.0, 0, 0
    for _, nights in nightly.groupby("stratum"):
        a, b = (nights[band][nights.season == season].to_numpy() for season in (first, second))
        if len(a) and len(b):
            shifts.append(b.mean() - a.mean())
            weights.append(1 / (1 / len(a) + 1 / len(b)))
            square += ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
            n_free += len(a) + len(b) - 2
            n_nights += len(a) + len(b)
    if not shifts:
        return None
    value = float(np.average(shifts, weights=weights))
    error = float((square / n_free / sum(weights)) ** 0.5) if n_free else np.nan
    half = float(t.ppf((1 + level) / 2, n_free)) * error if n_free else np.nan
    ends = {"low": value - half, "high": value + half}
    return {"band": band, "shift_db": value, **ends, "n_nights": n_nights}
