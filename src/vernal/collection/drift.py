"""Does one season sound like the other? A test in the embedding space, and the drift in decibels.

Each season is cut into blocks of consecutive dates, and a block holds all recorders: they share its weather, and a
night resembles the next. Embeddings are compared by maximum mean discrepancy within each recorder, and the seasons'
names are dealt anew to whole blocks, so that neither a wet week nor another mix of sites counts as drift. Where
neighbouring blocks resemble each other too, dealing them proves nothing, and drift is not claimed. The size of the
drift is the distance between the seasons' means, as part of the clips' spread, without the bias that chance adds to
distances. Octave levels of the background say it in words.
"""

from itertools import combinations
from math import comb
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.collection.persistence import block_correlation
from vernal.common.hashing import rng_for
from vernal.common.settings import Count, InnerShare, one_of, settings
from vernal.evaluation.effects import holm

DRIFT_COLUMNS = (
    "first", "second", "n_nights_first", "n_nights_second", "n_blocks_first", "n_blocks_second",
    "block_correlation", "discrepancy", "p_value", "adjusted_p", "distance", "distance_low", "distance_high", "verdict",
)  # fmt: skip
SEASONS_BY = ("year", "half-year", "quarter", "month")
_MAX_CLIPS_A_NIGHT = 20
# With blocks more alike than this, drift is claimed too often where there is none (tests/simulated_seasons.py).
MOST_ALIKE = 0.2


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

    `season_by`: year, half-year, quarter or month. `block_days`: how long nights resemble each other; dates are dealt
    in blocks of about so many. `n_permutations`: deals of the seasons' names. `alpha`: rate of false alarms over all
    pairs. `level`: coverage of intervals.
    """

    season_by: Annotated[str, one_of(SEASONS_BY)] = "year"
    block_days: Count = 7
    n_permutations: Annotated[int, Field(ge=99)] = 1000
    alpha: InnerShare = 0.05
    level: InnerShare = 0.95
    seed: int = 0


class _Cells(NamedTuple):
    """What each recorder heard in each block of dates: the units of every comparison.

    `stratum`, `block` (n_cells,): codes. `is_second` (n_blocks,): season of each block.
    """

    stratum: NDArray[np.intp]
    block: NDArray[np.intp]
    is_second: NDArray[np.bool_]


def measure_drift(x: NDArray, nights: pd.DataFrame, options: DriftOptions) -> pd.DataFrame:
    """Compare each two seasons.

    Args:
        x: (n, n_dims) embeddings, reduced.
        nights: (n rows) `season`, `night`, `date` (ISO), `stratum` (within which seasons are compared: the
            recorder).
        options: blocks, permutations and rates.
    Returns:
        `DRIFT_COLUMNS`, one row a pair of seasons that share a stratum. `verdict`: `drift`, `none shown`, or
        `cannot be shown` where there are too few blocks to deal, or where drift would be claimed of blocks that
        resemble their neighbours (`block_correlation` above `MOST_ALIKE`). `discrepancy` is that within strata,
        which weigh by their blocks. `distance` is a part of the spread of single clips.
    Source: Gretton et al. (2012), A kernel two-sample test; Holm's correction over pairs.
    """
    rows = []
    for first, second in combinations(sorted(nights.season.dropna().unique()), 2):
        chosen = np.flatnonzero(_is_shared(nights, first, second))
        if len(chosen):
            pair = {"first": first, "second": second}
            rows.append(pair | _compare(x[chosen], nights.iloc[chosen], second, options))
    table = pd.DataFrame(rows).reindex(columns=list(DRIFT_COLUMNS))
    table["adjusted_p"] = holm(table.p_value.to_numpy(dtype=float))
    differs = table.adjusted_p <= options.alpha
    cannot = table.p_value.isna() | (differs & (table.block_correlation > MOST_ALIKE))
    verdicts = np.select([cannot, differs], ["cannot be shown", "drift"], "none shown")
    return table.assign(verdict=verdicts if len(table) else pd.Series(dtype="str"))


def _is_shared(nights: pd.DataFrame, first: str, second: str) -> NDArray[np.bool_]:
    """Rows of two seasons, in strata that have both."""
    season = nights.season.where(nights.season.isin([first, second]))
    return (season.notna() & (season.groupby(nights.stratum).transform("nunique") == 2)).to_numpy()


def _compare(x: NDArray, nights: pd.DataFrame, second: str, options: DriftOptions) -> dict:
    names, code = np.unique(nights.night.astype(str), return_inverse=True)
    kept = _thin_out(code)
    x, nights = x[kept], nights.iloc[kept]
    cell, cells = _cells_of(nights, second, options.block_days)
    kernel = _cell_kernel(x, cell, len(cells.block))
    observed = _discrepancy(kernel, cells, cells.is_second[None, :])[0]
    deals = _deal(cells.is_second, options)
    p_value = np.nan
    if len(deals):
        p_value = (1 + int((_discrepancy(kernel, cells, deals) >= observed - 1e-12).sum())) / (1 + len(deals))
    distance, low, high = mean_distance(x, cell, cells, options.level)
    n_second = nights.night[nights.season == second].nunique()
    return {
        "n_nights_first": len(names) - n_second, "n_nights_second": n_second,
        "n_blocks_first": int((~cells.is_second).sum()), "n_blocks_second": int(cells.is_second.sum()),
        "block_correlation": block_correlation(x, nights, options.block_days), "discrepancy": float(observed),
        "p_value": p_value, "distance": distance, "distance_low": low, "distance_high": high,
    }  # fmt: skip


def blocks_of_dates(dates: pd.Series, season: pd.Series, days: int) -> pd.Series:
    """The block of consecutive dates of each row: equal parts of its season, of about `days` dates each.

    >>> dates = pd.Series(["2025-04-01", "2025-04-06", "2025-04-10", "2025-04-14"])
    >>> blocks_of_dates(dates, pd.Series(["spring"] * 4), 7).tolist()
    ['spring 0', 'spring 0', 'spring 1', 'spring 1']
    """
    day = (pd.to_datetime(dates) - pd.Timestamp(0)).dt.days
    grouped = day.groupby(season)
    since = day - grouped.transform("min")
    span = grouped.transform("max") - grouped.transform("min") + 1
    n_blocks = (span / days).round().clip(lower=1).astype(int)
    return season + " " + (since * n_blocks // span).astype(str)


def _cells_of(nights: pd.DataFrame, second: str, days: int) -> tuple[NDArray[np.intp], _Cells]:
    """(n,) cell of each row, and the cells."""
    names = blocks_of_dates(nights.date, nights.season, days)
    block, blocks = pd.factorize(names, sort=True)
    stratum, _ = pd.factorize(nights.stratum.astype(str), sort=True)
    pairs, cell = np.unique(np.stack([stratum, block], axis=1), axis=0, return_inverse=True)
    is_second = np.zeros(len(blocks), dtype=bool)
    is_second[block] = (nights.season == second).to_numpy()
    return cell.reshape(-1), _Cells(pairs[:, 0], pairs[:, 1], is_second)


def _thin_out(code: NDArray) -> NDArray[np.int64]:
    """At most some clips a night, evenly spread over it."""
    kept = []
    for night in range(code.max() + 1):
        rows = np.flatnonzero(code == night)
        places = np.linspace(0, len(rows) - 1, min(len(rows), _MAX_CLIPS_A_NIGHT)).round().astype(int)
        kept.append(rows[places])
    return np.sort(np.concatenate(kept))


def _means(x: NDArray, cell: NDArray, n_cells: int) -> NDArray[np.float64]:
    """(n_cells, n_dims) mean of each cell's rows."""
    return _shares(cell, n_cells) @ x


def _shares(cell: NDArray, n_cells: int) -> NDArray[np.float64]:
    share = np.zeros((n_cells, len(cell)))
    share[cell, np.arange(len(cell))] = 1
    return share / share.sum(axis=1, keepdims=True)


def _cell_kernel(x: NDArray, cell: NDArray, n_cells: int) -> NDArray[np.float64]:
    """Mean Gaussian kernel between the clips of each two cells; its width is the median distance."""
    square = (x**2).sum(axis=1)
    distances = np.maximum(square[:, None] + square[None, :] - 2 * x @ x.T, 0)
    width = float(np.median(distances[np.triu_indices(len(x), 1)])) if len(x) > 1 else 1.0
    share = _shares(cell, n_cells)
    return share @ np.exp(-distances / max(width, 1e-12)) @ share.T


def _discrepancy(kernel: NDArray, cells: _Cells, is_second: NDArray) -> NDArray[np.float64]:
    """Squared discrepancy within strata, for each row of `is_second` (n_deals, n_blocks).

    A stratum weighs `n_a n_b / (n_a + n_b)`, its cells of each season: so weighted, what chance gives does not depend
    on how a deal divides them.
    """
    total, weights = np.zeros(len(is_second)), np.zeros(len(is_second))
    for stratum in range(cells.stratum.max() + 1):
        rows = np.flatnonzero(cells.stratum == stratum)
        b = is_second[:, cells.block[rows]].astype(float)
        n_b = b.sum(axis=1)
        n_a = len(rows) - n_b
        side = b / np.maximum(n_b, 1)[:, None] - (1 - b) / np.maximum(n_a, 1)[:, None]
        weight = n_a * n_b / len(rows)
        total += weight * (side @ kernel[np.ix_(rows, rows)] * side).sum(axis=1)
        weights += weight
    return total / np.maximum(weights, 1e-12)


def _deal(is_second: NDArray, options: DriftOptions) -> NDArray[np.bool_]:
    """Deals of the seasons' names to blocks; none when there are too few different ones to reach `alpha`."""
    n, n_second = len(is_second), int(is_second.sum())
    # With equally many blocks, a deal and its opposite say the same.
    n_deals = comb(n, n_second) / (2 if 2 * n_second == n else 1)
    if n_deals < 1 / options.alpha or not 2 <= n_second <= n - 2:
        return np.empty((0, n), dtype=bool)
    deals = np.tile(is_second, (options.n_permutations, 1))
    return rng_for(options.seed, "drift").permuted(deals, axis=1)


def season_difference(means: NDArray, cells: _Cells) -> tuple[NDArray, NDArray, int]:
    """Second season less first within strata, what each block adds to it by chance, and the degrees of freedom.

    Args:
        means: (n_cells, n_dims).
    Returns:
        (n_dims,) the difference, strata weighing `n_a n_b / (n_a + n_b)`; (n_blocks, n_dims) pieces, whose squares
        add up to its variance; blocks less two. NaN where no stratum has both seasons.
    """
    n_blocks, sides = len(cells.is_second), cells.is_second[cells.block]
    difference, pieces, weights = np.zeros(means.shape[1]), np.zeros((n_blocks, means.shape[1])), 0.0
    for stratum in np.unique(cells.stratum):
        rows = cells.stratum == stratum
        parts = [np.flatnonzero(rows & (sides == side)) for side in (False, True)]
        if not all(map(len, parts)):
            continue
        weight = 1 / sum(1 / len(part) for part in parts)
        weights += weight
        for part, sign in zip(parts, (-1, 1), strict=True):
            mean = means[part].mean(axis=0)
            difference += sign * weight * mean
            np.add.at(pieces, cells.block[part], weight / len(part) * (means[part] - mean))
    used = np.unique(cells.block)
    counts = [int((cells.is_second[used] == side).sum()) for side in (False, True)]
    scale = np.array([np.sqrt(n / (n - 1)) if n > 1 else np.nan for n in counts])[cells.is_second.astype(int)]
    weights = weights or np.nan
    return difference / weights, (scale[:, None] * pieces)[used] / weights, len(used) - 2


def mean_distance(x: NDArray, cell: NDArray, cells: _Cells, level: float) -> tuple[float, float, float]:
    """Distance of the seasons' means within strata with its interval, by jackknife over blocks.

    Args:
        x: (n, n_dims).
        cell: (n,) cell of each clip.
        level: coverage of the interval.
    Returns:
        Distance and interval, as part of the spread (root mean square) of single clips about their season's
        mean. Zero when the blocks scatter as much as that; NaN with fewer than three blocks in a season.
    """
    from scipy.stats import t

    is_second = cells.is_second
    sizes = int((~is_second).sum()), int(is_second.sum())
    if min(sizes) < 3:
        return np.nan, np.nan, np.nan
    means = _means(x, cell, len(cells.block))
    squared = _squared_distance(means, cells)
    left_out = np.array([_squared_without(means, cells, block) for block in range(len(is_second))])
    # Two samples: each block's jackknife is of its own season's size.
    parts = [left_out[is_second == side] for side in (False, True)]
    variance = sum(
        (n - 1) / n * np.nansum((part - np.nanmean(part)) ** 2) for n, part in zip(sizes, parts, strict=True)
    )
    half = float(t.ppf((1 + level) / 2, sum(sizes) - 2)) * float(variance) ** 0.5
    spread = _spread(x, is_second[cells.block[cell]])
    ends = np.sqrt(np.maximum(np.array([squared, squared - half, squared + half]), 0) / max(spread, 1e-12))
    return float(ends[0]), float(ends[1]), float(ends[2])


def _spread(x: NDArray, is_second: NDArray) -> float:
    """Mean squared distance of clips from their season's mean."""
    parts = [x[is_second == season] for season in (False, True)]
    residuals = np.concatenate([part - part.mean(axis=0) for part in parts])
    return float((residuals**2).sum(axis=1).mean())


def _squared_distance(means: NDArray, cells: _Cells) -> float:
    """Without the bias that chance adds: the variance of the difference is taken off."""
    difference, pieces, _ = season_difference(means, cells)
    return float((difference**2).sum() - (pieces**2).sum())


def _squared_without(means: NDArray, cells: _Cells, block: int) -> float:
    kept = cells.block != block
    return _squared_distance(means[kept], _Cells(cells.stratum[kept], cells.block[kept], cells.is_second))


def level_shifts(levels: pd.DataFrame, first: str, second: str, options: DriftOptions) -> pd.DataFrame:
    """By how many decibels the background changed between two seasons, octave by octave.

    Args:
        levels: one row a recording: `season`, `night`, `date`, `stratum`, and a column of dB for each band.
        first: the earlier season.
        second: the later one.
        options: `block_days`, and `level`, the coverage of the intervals.
    Returns:
        `band`, `shift_db` (second minus first, strata weighing by their blocks), `low`, `high`, `n_nights`;
        bands without nights of both seasons in one stratum are left out. Blocks of dates are taken as normal.
    """
    keys = ["season", "night", "date", "stratum"]
    bands = [name for name in levels.columns if name not in keys]
    rows = [_band_shift(levels[[*keys, band]].dropna(), band, first, second, options) for band in bands]
    return pd.DataFrame([row for row in rows if row], columns=["band", "shift_db", "low", "high", "n_nights"])


def _band_shift(
    levels: pd.DataFrame, band: str, first: str, second: str, options: DriftOptions
) -> dict | None:
    from scipy.stats import t

    shared = levels[_is_shared(levels, first, second)]
    if shared.empty:
        return None
    nightly = shared.groupby(["season", "night", "date", "stratum"])[band].mean().reset_index()
    cell, cells = _cells_of(nightly, second, options.block_days)
    means = _means(nightly[[band]].to_numpy(dtype=float), cell, len(cells.block))
    shift, pieces, n_free = season_difference(means, cells)
    half = (
        float(t.ppf((1 + options.level) / 2, n_free)) * float((pieces**2).sum()) ** 0.5 if n_free else np.nan
    )
    value = float(shift[0])
    return {
        "band": band,
        "shift_db": value,
        "low": value - half,
        "high": value + half,
        "n_nights": len(nightly),
    }
