"""What checking 96 windows of a season is worth, where the truth of every window is known.

In made seasons nights differ: in how much is called, in how loud it is, and in rain or another species that the classifier
takes for calls in some nights. A reviewer hears every drawn window rightly, or errs in one of twenty. A second kind of
season has the scores that a point of the demo season's stage 5 gave to test clips, each night those of one night there.
`python -m tests.simulated_validation 200 DATA_ROOT/07_model_output/stage5/scores.parquet DATA_ROOT/03_primary/
all_clips.parquet` prints the table of docs/simulated.md and writes it to docs/results/validation.csv.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.field.detection.sample_design import allocate, by_stratum, plan_draw, strata_edges
from vernal.field.detection.score_counts import lines_of
from vernal.field.detection.validation import (
    REACHED,
    checked_of,
    density_by_night,
    precision_at,
    share_of_calls,
    threshold_for,
    windows_with_target,
)

N_RECORDERS, N_NIGHTS, N_WINDOWS = 6, 20, 400
FLOOR = float(np.log(0.05 / 0.95))
N_CHECKED, WANTED, REVIEWS_A_SEASON = 96, 0.9, 5
OVER_NIGHTS, BY_CLIPS, FIXED = "scores and nights", "scores alone", "no sample: the classifier's threshold"
REVIEWERS = {"never errs": (0.0, 0.0), "errs in 5 %": (0.05, 0.0), "errs in 5 %, allowed for": (0.05, 0.05)}
_NO_DRAW = pd.DataFrame({"stratum_low": [0.0], "recorder_id": [""], "night": [""]}).iloc[:0]


@dataclass(frozen=True, eq=False)
class MadeSeason:
    """Every window's `logit`, `is_call` and `night` (a number), the classifier's threshold, and windows by score."""

    logit: np.ndarray
    is_call: np.ndarray
    night: np.ndarray
    threshold: float
    counts: pd.DataFrame

    @property
    def edges(self) -> list[float]:
        return strata_edges(self.counts, self.threshold, FLOOR)


Nights = list[tuple[np.ndarray, np.ndarray]]


def make_season(rng: np.random.Generator, scores: Nights | None = None) -> MadeSeason:
    """A season of 120 recorders' nights; how common calls, rain and loud nights are differs between seasons.

    Args:
        scores: of windows without and with a call, by night, that nights take theirs from; None makes them up.
    """
    n_nights = N_RECORDERS * N_NIGHTS
    night = np.repeat(np.arange(n_nights), N_WINDOWS)
    # Most nights have few calls, some many.
    common = rng.uniform(0.01, 0.06) if scores is None else rng.uniform(0.05, 0.3)
    rate = np.minimum(common * rng.gamma(0.4, 2.5, n_nights), 0.6)
    is_call = rng.random(night.size) < rate[night]
    if scores is None:
        loudness = rng.uniform(1.0, 3.0) + rng.normal(0, 0.7, n_nights)
        quiet = rng.normal(-5.5, 0.5, n_nights) + 3.0 * (rng.random(n_nights) < rng.uniform(0, 0.2))
        logit = np.where(is_call, loudness[night], quiet[night]) + rng.normal(0, 1.5, night.size)
    else:
        taken = [scores[at] for at in rng.integers(len(scores), size=n_nights)]
        logit = np.empty(night.size)
        for at, kinds in enumerate(taken):
            here = slice(at * N_WINDOWS, (at + 1) * N_WINDOWS)
            without, with_call = (rng.choice(kind, N_WINDOWS) for kind in kinds)
            logit[here] = np.where(is_call[here], with_call, without) + rng.normal(0, 0.3, N_WINDOWS)
    threshold = float(rng.uniform(-1, 2))
    lines = lines_of(FLOOR, [threshold])
    cell = np.searchsorted(lines, logit, side="right")
    table = pd.DataFrame({"night": night, "cell": cell}).value_counts().rename("n_windows").reset_index()
    counts = pd.DataFrame(
        {
            "label": "frog",
            "recorder_id": _recorders(table.night),
            "night": _nights(table.night),
            "logit": np.array([-np.inf, *lines])[table.cell],
            "n_windows": table.n_windows,
        }
    )
    return MadeSeason(logit, is_call, night, threshold, counts)


def demo_scores(scores: pd.DataFrame, clips: pd.DataFrame) -> Nights:
    """Scores of the demo season's test clips without and with a call, by night, of its best point on them.

    A night with none of one kind has all nights' of that kind.
    """
    tests = scores[scores.split.isin(["test_iid", "test_ood"])]
    means = tests.groupby(["point", "is_positive"]).logit.mean().unstack()
    point = (means[True] - means[False]).idxmax()
    own = tests[tests.point == point].merge(clips[["clip_id", "recorder_id", "date"]], on="clip_id")
    of_all = [own.logit[own.is_positive == kind].to_numpy() for kind in (False, True)]
    nights = []
    for _, part in own.groupby(["recorder_id", "date"]):
        kinds = [part.logit[part.is_positive == kind].to_numpy() for kind in (False, True)]
        without, with_call = (own if len(own) else every for own, every in zip(kinds, of_all, strict=True))
        nights.append((without, with_call))
    return nights


def _recorders(night: np.ndarray | pd.Series) -> np.ndarray:
    return np.char.add("R", (np.asarray(night) // N_NIGHTS).astype(str))


def _nights(night: np.ndarray | pd.Series) -> np.ndarray:
    return np.char.add("night ", (np.asarray(night) % N_NIGHTS).astype(str))


def draw(season: MadeSeason, n: int, way: str, rng: np.random.Generator) -> np.ndarray:
    """Places of the drawn windows."""
    edges = season.edges
    stratum = np.searchsorted(edges, season.logit, side="right") - 1
    strata = by_stratum(season.counts, edges)
    if way == BY_CLIPS:
        sizes = strata.groupby("stratum_low").n_windows.sum().to_dict()
        pools = [
            (np.flatnonzero(stratum == edges.index(low)), n_here)
            for low, n_here in allocate(sizes, season.threshold, n).items()
        ]
    else:
        picks = plan_draw(strata, None, _NO_DRAW, n, season.threshold, lambda low, purpose: rng.random())
        names = pd.Series(np.arange(N_RECORDERS * N_NIGHTS)).to_frame("at")
        at = dict(
            zip(zip(_recorders(names["at"]), _nights(names["at"]), strict=True), names["at"], strict=True)
        )
        of_night = [np.flatnonzero(season.night == number) for number in names["at"]]
        pools = []
        for pick in picks:
            places = of_night[at[pick.recorder_id, pick.night]]
            pools.append((places[stratum[places] == edges.index(pick.stratum_low)], pick.n))
    return np.concatenate([rng.choice(pool, n_here, replace=False) for pool, n_here in pools])


def review(
    season: MadeSeason, places: np.ndarray, errs: float, allowed: float, rng: np.random.Generator
) -> dict[str, float]:
    """What one review of a sample says, beside the truth."""
    edges, is_call = season.edges, season.is_call
    low = np.array(edges)[np.searchsorted(edges, season.logit[places], side="right") - 1]
    heard = is_call[places] ^ (rng.random(len(places)) < errs)
    sample = pd.DataFrame(
        {
            "logit": season.logit[places],
            "stratum_low": low,
            "recorder_id": _recorders(season.night[places]),
            "night": _nights(season.night[places]),
            "review_state": np.where(heard, "confirmed", "rejected"),
        }
    )
    checked = checked_of(sample, season.counts, edges, allowed)
    own = precision_at(checked, np.array([season.threshold])).iloc[0]
    share = share_of_calls(checked, np.array([season.threshold])).iloc[0]
    found, *ends = windows_with_target(checked)
    threshold, answer = threshold_for(precision_at(checked, checked.thresholds), WANTED)
    flagged, sampled = season.logit >= season.threshold, season.logit >= FLOOR
    rest = np.ones(len(season.logit), dtype=bool)
    rest[places] = False
    truth, n_calls = is_call[flagged].mean(), int(is_call[sampled].sum())
    n_flagged_calls = int(is_call[flagged].sum())
    above = rest & (season.logit >= threshold) if answer == REACHED else ~rest
    return {
        "precision_covered": own.precision_low <= truth <= own.precision_high,
        "precision_covered_by_nights": _bootstrap_covers(season, places, heard, low, truth, rng),
        "precision_error": own.precision - truth,
        "precision_width": own.precision_high - own.precision_low,
        "density_covered": ends[0] <= n_calls <= ends[1],
        "density_error": found / n_calls - 1,
        "density_width": (ends[1] - ends[0]) / n_calls,
        "nights_covered": _nights_covered(season, checked, sample, sampled),
        "share_covered": share.share_of_calls_low <= n_flagged_calls / n_calls <= share.share_of_calls_high,
        "threshold_found": answer == REACHED,
        "threshold_holds": is_call[above].mean() >= WANTED if answer == REACHED and above.any() else np.nan,
        "calls_kept": is_call[above | ~rest & (season.logit >= threshold)].sum() / n_calls
        if answer == REACHED
        else np.nan,
    }


def _nights_covered(season: MadeSeason, checked, sample: pd.DataFrame, sampled: np.ndarray) -> float:
    heard = (
        season.counts.groupby(["recorder_id", "night"])
        .n_windows.sum()
        .rename("n_windows_heard")
        .reset_index()
    )
    table = density_by_night(checked, sample, by_stratum(season.counts, season.edges), heard)
    truth = pd.Series(season.is_call & sampled).groupby(season.night).mean()
    at = pd.MultiIndex.from_arrays([_recorders(truth.index), _nights(truth.index)])
    own = pd.Series(truth.to_numpy(), at).reindex(pd.MultiIndex.from_frame(table[["recorder_id", "night"]]))
    values = own.to_numpy()
    return float(
        ((table.call_density_low <= values + 1e-12) & (values <= table.call_density_high + 1e-12)).mean()
    )


def _bootstrap_covers(
    season: MadeSeason,
    places: np.ndarray,
    heard: np.ndarray,
    low: np.ndarray,
    truth: float,
    rng: np.random.Generator,
) -> bool:
    """Whether the usual interval holds the truth: the weighted share, in nights drawn again."""
    sizes = by_stratum(season.counts, season.edges).groupby("stratum_low").n_windows.sum()
    weight = sizes.loc[low].to_numpy() / pd.Series(low).value_counts().loc[low].to_numpy()
    is_in = season.logit[places] >= season.threshold
    _, night = np.unique(season.night[places], return_inverse=True)
    right, whole = (np.bincount(night, weight * is_in * part) for part in (heard, np.ones(len(heard))))
    times = rng.multinomial(len(whole), np.full(len(whole), 1 / len(whole)), size=400)
    shares = (times @ right) / np.maximum(times @ whole, 1e-9)
    ends = np.quantile(shares, [0.025, 0.975])
    return bool(ends[0] <= truth <= ends[1])


def simulate(
    n_reviews: int,
    seed: int = 0,
    scores: Nights | None = None,
    ways: tuple[str, ...] = (OVER_NIGHTS, BY_CLIPS),
    reviewers: tuple[str, ...] = tuple(REVIEWERS),
) -> pd.DataFrame:
    """One row a way and reviewer, over reviews of many seasons: shares that were covered, errors, widths.

    Args:
        scores: see `make_season`.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(n_reviews):
        if number % REVIEWS_A_SEASON == 0:
            season = make_season(rng, scores)
            rows.append({"way": FIXED, "reviewer": "–", **_fixed(season)})
        for way in ways:
            places = draw(season, N_CHECKED, way, rng)
            for reviewer in reviewers:
                errs, allowed = REVIEWERS[reviewer]
                rows.append({"way": way, "reviewer": reviewer, **review(season, places, errs, allowed, rng)})
    return _summed_up(pd.DataFrame(rows))


def _fixed(season: MadeSeason) -> dict[str, float]:
    """What is believed without any check: the threshold has its precision, and what is flagged are the calls."""
    flagged, n_calls = season.logit >= season.threshold, season.is_call[season.logit >= FLOOR].sum()
    return {
        "density_error": flagged.sum() / n_calls - 1,
        "threshold_found": True,
        "threshold_holds": season.is_call[flagged].mean() >= WANTED,
        "calls_kept": season.is_call[flagged].sum() / n_calls,
    }


def _summed_up(rows: pd.DataFrame) -> pd.DataFrame:
    squared = rows.assign(precision_error=rows.precision_error**2, density_error=rows.density_error**2)
    values = [name for name in squared if name not in ("way", "reviewer")]
    squared[values] = squared[values].astype(float)
    grouped = squared.groupby(["way", "reviewer"], sort=False)
    table = grouped[values].mean()
    errors = table[["precision_error", "density_error"]] ** 0.5
    return table.assign(**errors, n_reviews=grouped.size()).reset_index()


def main(n_reviews: int = 200, *demo: str) -> None:
    """Simulate both kinds of seasons, print the table, and keep it where it is whole."""
    from pathlib import Path

    parts = [simulate(n_reviews).assign(season="made")]
    if demo:
        nights = demo_scores(*map(pd.read_parquet, demo))
        of_demo = simulate(n_reviews, scores=nights, ways=(OVER_NIGHTS,), reviewers=("never errs",))
        parts.append(of_demo.assign(season="the demo season's scores"))
    table = pd.concat(parts, ignore_index=True)
    print(table.round(3).T.to_string())
    if demo and n_reviews >= 200:
        table.round(4).to_csv(Path("docs/results/validation.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
