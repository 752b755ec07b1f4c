"""How long nights resemble each other: the correlation of neighbouring blocks of dates, from a variogram of nights.

A variogram is the mean squared difference of two nights against the days between them. It needs no mean of the
season, and so is not misled by a season as short as its weather, as autocorrelations are.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_CORRELATIONS = np.arange(0, 1, 0.05)  # of a night with the next
_LAGS_A_BLOCK, _FEWEST_LAGS = 3, 7
# Fits about as good as the best; the weakest correlation among them is taken, so that noise is not called weather.
_AS_GOOD, _ROUNDING = 1.1, 1e-9


def block_correlation(x: NDArray, nights: pd.DataFrame, days: int) -> float:
    """Correlation of the means of neighbouring blocks of `days` dates, within seasons; 0 where nights are independent.

    Nights are taken as noise of their own and weather that fades by the same factor each day; both are fitted to the
    variogram by least squares, pairs of nights counting alike. Of fits that are about equally good the one counts whose
    blocks resemble each other least.

    Args:
        x: (n, n_dims) embeddings.
        nights: (n rows) `season`, `stratum` (the recorder), `date` (ISO).
        days: dates in a block.
    Returns:
        In [0, 1]; 0 where fewer than two distances in time were seen.
    Source: Cressie (1993), Statistics for Spatial Data, chapter 2, in time.
    """
    lags, halves, counts = _variogram(x, nights, days)
    if len(lags) < 2:
        return 0.0
    left, fits = _fit(lags, halves, counts)
    good = left <= _AS_GOOD * left.min() + _ROUNDING
    return min(_between_blocks(fit, days) for fit in fits[good])


def _between_blocks(fit: NDArray, days: int) -> float:
    noise, weather, fading = fit
    day = np.arange(days)
    within = (fading ** np.abs(day[:, None] - day)).mean()
    between = (fading ** (days + day - day[:, None])).mean()
    variance = weather * within + noise / days
    return float(weather * between / variance) if variance > 0 else 0.0


def _variogram(x: NDArray, nights: pd.DataFrame, days: int) -> tuple[NDArray, NDArray, NDArray]:
    """Days apart, half the mean squared difference of nights so far apart, and how many pairs of nights there are."""
    keys = [nights[name].astype(str).to_numpy() for name in ("season", "stratum", "date")]
    recorded = pd.DataFrame(x).groupby(keys, sort=True).mean()
    recorded -= recorded.groupby(level=[0, 1]).transform("mean")
    nightly = recorded.groupby(level=[0, 2], sort=True).mean()
    season, date = (nightly.index.get_level_values(level) for level in (0, 1))
    day = (pd.to_datetime(date) - pd.Timestamp(0)).days.to_numpy()
    one, other = np.triu_indices(len(nightly), 1)
    apart = day[other] - day[one]
    longest = min(max(_FEWEST_LAGS, _LAGS_A_BLOCK * days), int(np.ptp(day[season == season[0]])) // 2)
    chosen = (season[one] == season[other]) & (apart <= longest)
    means = nightly.to_numpy()
    half = ((means[one[chosen]] - means[other[chosen]]) ** 2).sum(axis=1) / 2
    lags, place, counts = np.unique(apart[chosen], return_inverse=True, return_counts=True)
    return lags, np.bincount(place, weights=half) / counts, counts


def _fit(lags: NDArray, halves: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Least squares for each of `_CORRELATIONS`.

    Returns:
        (n,) what is left of the variogram; (n, 3) variance of a night's own noise, variance of the weather, and its
        correlation from a night to the next.
    """
    from scipy.optimize import nnls

    weights = np.sqrt(counts)
    left, fits = [], []
    for correlation in _CORRELATIONS:
        terms = np.stack([np.ones(len(lags)), 1 - correlation**lags], axis=1)
        variances, residual = nnls(terms * weights[:, None], halves * weights)
        left.append(residual)
        fits.append((*variances, correlation))
    return np.array(left), np.array(fits)
