"""Windows to check, drawn so that what is found in them holds for all windows that were heard.

Windows from the floor up are divided into strata by their logit, those above the threshold finer than those below.
In a stratum the recorders' nights stand in a row, each as long as it has windows, and marks are set on it at equal
distances from a drawn start: every window has the same chance, `n_drawn / n_in_stratum`, and every night its share to
within one. Which of a night's windows a mark stands for is drawn too. So each drawn window stands for `weight`, the
inverse of its chance, and a season of 540,000 recordings needs the counts of its nights and the scores of the nights
that marks hit.

Strata stay as they were first made. A larger sample is a further draw from what was not drawn yet, and nights that were
added since give their share, at the rate of those before them; in both cases all windows of a stratum keep one chance.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from vernal.common.hashing import digest, unit_hash

STRATUM_COLUMNS = ("label", "stratum_low", "recorder_id", "night", "n_windows", "scores_of")
# Where strata end, as the share of windows that lie below: of those above the threshold, and of those between.
_ABOVE = (0.3, 0.55, 0.75, 0.9)
_BELOW = (0.75, 0.95)
_SHARE_ABOVE = 0.6  # of the windows to check
_NIGHT = ["recorder_id", "night"]


def strata_edges(counts: pd.DataFrame, threshold: float, floor: float) -> list[float]:
    """Lower ends of the strata, ascending: the floor first, the threshold one of them.

    Args:
        counts: of one label (see `score_counts.COUNT_COLUMNS`).
    """
    by_line = counts[counts.logit >= floor].groupby("logit").n_windows.sum()
    above = _split(by_line[by_line.index >= threshold], _ABOVE)
    below = _split(by_line[by_line.index < threshold], _BELOW)
    return sorted({floor, threshold, *below, *above})


def _split(by_line: pd.Series, shares: Iterable[float]) -> list[float]:
    """Lines that leave about these shares of the windows below them."""
    if by_line.empty:
        return []
    below = (by_line.cumsum() - by_line) / by_line.sum()
    places = np.minimum(np.searchsorted(below.to_numpy(), list(shares)), len(by_line) - 1)
    return [float(line) for line in by_line.index[places]]


def by_stratum(counts: pd.DataFrame, edges: list[float]) -> pd.DataFrame:
    """Windows of one label by stratum, recorder and night: `stratum_low, recorder_id, night, n_windows`, in order."""
    kept = counts[counts.logit >= edges[0]]
    low = np.array(edges)[np.searchsorted(edges, kept.logit.to_numpy(), side="right") - 1]
    grouped = kept.assign(stratum_low=low).groupby(["stratum_low", *_NIGHT])
    return grouped.n_windows.sum().reset_index()


def allocate(sizes: dict[float, int], threshold: float, n: int) -> dict[float, int]:
    """How many of `n` checks each stratum gets: most above the threshold, evenly within, none more than it has."""
    parts = [[low for low in sizes if low >= threshold], [low for low in sizes if low < threshold]]
    wanted = round(_SHARE_ABOVE * n)
    n_below = min(n - wanted, sum(sizes[low] for low in parts[1]))
    n_above = min(n - n_below, sum(sizes[low] for low in parts[0]))
    given: dict[float, int] = {}
    for part, total in zip(parts, (n_above, n - n_above), strict=True):
        left = total
        for at, low in enumerate(sorted(part, key=lambda low: (sizes[low], low))):
            given[low] = min(sizes[low], left // (len(part) - at))
            left -= given[low]
    return given


class Pick(NamedTuple):
    """So many windows to draw from one stratum of a recorder's night."""

    stratum_low: float
    recorder_id: str
    night: str
    n: int


def marks(nights: pd.DataFrame, n: int, start: float) -> list[Pick]:
    """Which nights of a stratum give how many of `n` windows.

    Args:
        nights: of one stratum: `stratum_low, recorder_id, night, n_windows`, those still to be drawn from.
        start: where the first mark stands, in [0, 1) of the distance between two.
    """
    ends = nights.n_windows.cumsum().to_numpy()
    if not len(ends) or not n:
        return []
    n = min(n, int(ends[-1]))
    # Whole windows: a mark stands in one, and two never in the same.
    start = min(start, 1 - 1e-9)  # just below 1, a sum would be rounded up into the next window
    at = np.floor((start + np.arange(n)) * ends[-1] / n).astype(np.int64)
    hits = np.bincount(np.searchsorted(ends, at, side="right"), minlength=len(ends))
    columns = (nights[name].tolist() for name in ("stratum_low", *_NIGHT))
    return [
        Pick(low, recorder, night, n_hits)
        for low, recorder, night, n_hits in zip(*columns, hits.tolist(), strict=True)
        if n_hits
    ]


def plan_draw(
    strata: pd.DataFrame,
    known: pd.DataFrame | None,
    drawn: pd.DataFrame,
    n_wanted: int,
    threshold: float,
    draw: Callable[[float, str], float],
) -> list[Pick]:
    """What to draw, beside what was drawn before, of one label.

    Args:
        strata: as `by_stratum` gives them now; `known`: as they were at the last draw, None at the first.
        drawn: windows drawn before: `stratum_low, recorder_id, night`.
        threshold: where the finer strata begin.
        draw: gives a number in [0, 1) for a stratum and a purpose.
    """
    by_low = strata.groupby("stratum_low").n_windows.sum()
    sizes = dict(zip(by_low.index.tolist(), by_low.tolist(), strict=True))
    wanted = allocate(sizes, threshold, n_wanted)
    taken = drawn.groupby(["stratum_low", *_NIGHT]).size()
    picks: list[Pick] = []
    for low in sizes:
        nights = strata[strata.stratum_low == low]
        had = nights.merge(taken.rename("taken").reset_index(), how="left", on=["stratum_low", *_NIGHT])
        had = had.assign(taken=had.taken.fillna(0).astype(int))
        is_new = _is_new(had, known)
        n_before = int(had.taken.sum())
        more = _share_of_new(had, is_new, n_before, draw(low, "new nights"))
        picks += marks(had[is_new], more, draw(low, "new"))
        if (short := wanted[low] - n_before - more) > 0:
            given = {(pick.recorder_id, pick.night): pick.n for pick in picks if pick.stratum_low == low}
            also = [given.get(key, 0) for key in zip(had.recorder_id, had.night, strict=True)]
            left = had.assign(n_windows=had.n_windows - had.taken - also)
            picks += marks(left[left.n_windows > 0], short, draw(low, f"draw after {n_before}"))
    return picks


def _is_new(nights: pd.DataFrame, known: pd.DataFrame | None) -> np.ndarray:
    """Which nights no draw could have drawn from."""
    if known is None or known.empty:
        return np.zeros(len(nights), dtype=bool)
    before = pd.MultiIndex.from_frame(known[_NIGHT])
    return ~pd.MultiIndex.from_frame(nights[_NIGHT]).isin(before)


def _share_of_new(nights: pd.DataFrame, is_new: np.ndarray, n_before: int, chance: float) -> int:
    """How many windows new nights give, at the rate of those before them."""
    n_old = int(nights.n_windows[~is_new].sum())
    if not n_old or not n_before:
        return 0
    return int(np.floor(n_before / n_old * nights.n_windows[is_new].sum() + chance))


def priorities(seed: int, label: str, content_hash: str, start_s: np.ndarray) -> np.ndarray:
    """The order in which windows of a night are drawn: (n,) uint64 that look random and never change."""
    key = np.uint64(int(digest("sample", seed, label, content_hash, length=16), 16))
    with np.errstate(over="ignore"):
        mixed = key + (np.round(start_s * 1_000).astype(np.uint64) + np.uint64(1)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return mixed ^ (mixed >> np.uint64(31))


def draw_number(seed: int, label: str) -> Callable[[float, str], float]:
    """Numbers in [0, 1) for a stratum and a purpose, of one seed and label."""
    return lambda low, purpose: unit_hash("sample", seed, label, f"{low:.9g}", purpose)


def edges_of(strata: pd.DataFrame | None) -> list[float]:
    """Lower ends of strata, ascending."""
    return [] if strata is None else sorted(strata.stratum_low.unique().tolist())
