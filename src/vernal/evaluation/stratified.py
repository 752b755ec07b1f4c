"""Shares estimated from a stratified sample, with intervals by profile likelihood.

A stratum is a part of everything there is, of which some units were drawn, each with the same chance, and checked.
What is estimated is a weighted sum of the strata's shares. Its interval holds each value at which the best shares that
add up to it are not much less likely than the best of all. It never reaches beyond 0 or 1, and a stratum in which all
that was checked agrees still counts as unsure.
"""

from dataclasses import dataclass

import numpy as np

FloatArray = np.ndarray
_STEPS, _HALVINGS = 40, 20
_LOWEST, _HIGHEST = -12.0, 14.0  # of a slope, as a power of ten
_CENSUS = 1e9


@dataclass(frozen=True, eq=False)
class Strata:
    """Units that there are (`size`), that were checked (`n`) and found to be something (`k`); (n_strata,) each.

    `error`: share of checks taken to be wrong, either way, in [0, 0.5).
    """

    size: FloatArray
    n: FloatArray
    k: FloatArray
    error: float = 0.0

    @property
    def shares(self) -> FloatArray:
        """Share of each stratum, errors allowed for; NaN where nothing was checked."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._allowed_for(np.where(self.n > 0, self.k / self.n, np.nan))

    def _allowed_for(self, seen: FloatArray) -> FloatArray:
        return np.clip((seen - self.error) / (1 - 2 * self.error), 0, 1)

    @property
    def _worth(self) -> FloatArray:
        """What each check is worth: more, where it is of few units (finite population)."""
        left = self.size - self.n
        worth = np.where(left > 0, (self.size - 1) / np.maximum(left, 1e-9), _CENSUS)
        return np.where(self.error > 0, 1.0, np.clip(worth, 1.0, _CENSUS))

    def best(self, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The most likely shares, less `slope` for each of them, and how much less likely than the best they are.

        Args:
            slope: (..., n_strata).
        Returns:
            Shares (..., n_strata), and deviances (...,).
        """
        n, k = self.n * self._worth, self.k * self._worth
        c = slope / (1 - 2 * self.error)
        b = n + c
        root = np.sqrt(np.maximum(b * b - 4 * c * k, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = np.where(b >= 0, 2 * k / (b + root), (b - root) / (2 * c))
        free = np.where(c > 0, 0.0, np.where(c < 0, 1.0, 0.5))
        seen = np.where(np.isfinite(seen) & (n > 0), seen, free)
        seen = np.clip(seen, self.error, 1 - self.error)
        at_best = np.clip(np.where(n > 0, k / np.maximum(n, 1e-12), 0.5), self.error, 1 - self.error)
        deviance = 2 * (_log_likelihood(n, k, at_best) - _log_likelihood(n, k, seen)).sum(axis=-1)
        return self._allowed_for(seen), deviance


def _log_likelihood(n: FloatArray, k: FloatArray, p: FloatArray) -> FloatArray:
    from scipy.special import xlog1py, xlogy

    return xlogy(k, p) + xlog1py(n - k, -p)


def critical(level: float) -> float:
    """The deviance up to which values belong to a two-sided interval of this level.

    >>> round(critical(0.95), 3)
    3.841
    """
    from scipy.stats import chi2

    return float(chi2.ppf(level, 1))


def sum_interval(strata: Strata, weights: FloatArray, deviance: float) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest value of weighted sums of shares.

    Args:
        weights: (..., n_strata), 0 or more.
        deviance: see `critical`.
    Returns:
        Two arrays (...,).
    """
    weights = np.asarray(weights, dtype=float)
    ends = []
    for sign in (1.0, -1.0):
        low, high = np.full(weights.shape[:-1], _LOWEST), np.full(weights.shape[:-1], _HIGHEST)
        scale = np.maximum(weights.max(axis=-1, keepdims=True), 1e-300)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            _, lost = strata.best(sign * 10.0 ** middle[..., None] * weights / scale)
            low, high = np.where(lost < deviance, middle, low), np.where(lost < deviance, high, middle)
        shares, _ = strata.best(sign * 10.0 ** low[..., None] * weights / scale)
        ends.append((weights * shares).sum(axis=-1))
    return ends[0], ends[1]


def ratio_interval(
    strata: Strata, part: FloatArray, whole: FloatArray, deviance: float
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest ratio of two weighted sums of shares, the first a part of the second.

    Args:
        part, whole: (..., n_strata), `part` no more than `whole`.
    Returns:
        Two arrays (...,), NaN where nothing was found.
    """
    shares, _ = strata.best(np.zeros_like(whole))
    total = (whole * shares).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = (part * shares).sum(axis=-1) / total

    def fits(ratio: FloatArray) -> FloatArray:
        return _deviance_at_zero(strata, part - ratio[..., None] * whole) < deviance

    ends = []
    for limit in (0.0, 1.0):
        inside, outside = np.nan_to_num(estimate), np.full_like(estimate, limit)
        inside = np.where(fits(outside), outside, inside)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            good = fits(middle)
            inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
        ends.append(np.where(np.isnan(estimate), np.nan, inside))
    return ends[0], ends[1]


def _deviance_at_zero(strata: Strata, contrast: FloatArray) -> FloatArray:
    """How much less likely the best shares are whose contrast is 0."""
    scale = np.maximum(np.abs(contrast).max(axis=-1, keepdims=True), 1e-300)
    shares, _ = strata.best(np.zeros_like(contrast))
    sign = np.where((contrast * shares).sum(axis=-1) > 0, 1.0, -1.0)
    low, high = np.full(sign.shape, _LOWEST), np.full(sign.shape, _HIGHEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        shares, _ = strata.best((sign * 10.0**middle)[..., None] * contrast / scale)
        is_above = sign * (contrast * shares).sum(axis=-1) > 0
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    return strata.best((sign * 10.0**high)[..., None] * contrast / scale)[1]
