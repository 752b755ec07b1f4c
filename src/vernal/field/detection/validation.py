"""What the checked sample says of a season: precision and share of calls at every threshold, and density of calls.

Each stratum's share of windows with the target, times the windows that it stands for, added up: so no threshold is
needed to know how many windows hold a call (Navine et al. 2024, doi:10.3389/fbirs.2024.1380636). What lies below the
floor was not sampled, and nothing is said of it. Intervals are of the recordings that were searched, not of another
season; since every night gives its share of the sample, they need not be widened for nights that differ.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.common.hashing import unit_hash
from vernal.evaluation import calibration
from vernal.evaluation.stratified import Strata, critical, ratio_interval, sum_interval
from vernal.field.detection.verification import CONFIRMED, REJECTED

LEVEL = 0.95
# A threshold is promised where its precision is at least the wanted one with this confidence. The bound is the exact
# one (Clopper-Pearson) where all that was checked is right; elsewhere it is stricter than the likelihood's own.
PROMISE = 0.9
REACHED, UNREACHABLE, UNTOLD = "reached", "cannot be reached", "cannot be told"
ENOUGH = 10  # checked windows, to say something of a recorder or that a precision cannot be reached
_ENOUGH_TO_FIT = 20
_FOLDS = 5
_MOST_TIMES = 64
# Taken for how alike windows of one night are beyond their score, as strongly as so many pairs of checked windows say:
# much, since 96 windows tell little of it, and intervals of nights are hardly wider for it.
_ALIKE, _ALIKE_PAIRS = 0.7, 150


@dataclass(frozen=True, eq=False)
class Checked:
    """One label's windows by score, and those of them that people checked.

    `lines`: ascending logits, the floor first; `n_windows`: windows from each line up to the next. `edges`: lower
    ends of the strata, some of `lines`. `logits`, `is_right`: (n,) of the checked windows. `error`: share of decisions
    taken to be wrong.
    """

    lines: np.ndarray
    n_windows: np.ndarray
    edges: np.ndarray
    logits: np.ndarray
    is_right: np.ndarray
    error: float = 0.0

    @property
    def thresholds(self) -> np.ndarray:
        """Lines with any window at or above."""
        return self.lines[self.n_windows[::-1].cumsum()[::-1] > 0]

    def cut(self, thresholds: np.ndarray) -> tuple[Strata, np.ndarray]:
        """The strata, each cut in two by each threshold, and how many windows of each lie at or above it.

        Returns:
            Strata of (n_thresholds, 2 n_strata), those above first; (n_thresholds, 2 n_strata) windows.
        """
        tops = np.append(self.edges[1:], np.inf)
        line_in, logit_in = (
            (values[:, None] >= self.edges) & (values[:, None] < tops) for values in (self.lines, self.logits)
        )
        line_up, logit_up = (values >= thresholds[:, None] for values in (self.lines, self.logits))
        size, n, k = (
            np.concatenate([is_up @ units, ~is_up @ units], axis=1).astype(float)
            for is_up, units in (
                (line_up, line_in * self.n_windows[:, None]),
                (logit_up, logit_in.astype(int)),
                (logit_up, logit_in * self.is_right[:, None].astype(int)),
            )
        )
        return Strata(size, n, k, self.error), np.where(np.arange(2 * len(tops)) < len(tops), size, 0.0)


def checked_of(sample: pd.DataFrame, counts: pd.DataFrame, edges: list[float], error: float = 0.0) -> Checked:
    """The checked windows of one label, among all of them.

    Args:
        sample: of one label, with `logit` and `review_state`; windows without a verdict are left out.
        counts: of one label (`score_counts.COUNT_COLUMNS`).
        edges: lower ends of the strata, the floor first.
    """
    by_line = counts[counts.logit >= edges[0]].groupby("logit").n_windows.sum()
    lines = np.unique([*edges, *by_line.index])
    decided = sample[sample.review_state.isin([CONFIRMED, REJECTED])]
    return Checked(
        lines=lines,
        n_windows=by_line.reindex(lines, fill_value=0).to_numpy(),
        edges=np.array(edges, dtype=float),
        logits=decided.logit.to_numpy(dtype=float),
        is_right=(decided.review_state == CONFIRMED).to_numpy(),
        error=error,
    )


def precision_at(checked: Checked, thresholds: np.ndarray) -> pd.DataFrame:
    """Precision at each threshold, with its interval, and `promised`, the bound that a wanted precision is held to.

    Returns:
        `threshold_logit, n_windows, n_checked, n_confirmed, precision, precision_low, precision_high, promised`.
    """
    strata, above = checked.cut(thresholds)
    is_above = np.arange(above.shape[1]) < len(checked.edges)
    n_windows, n_checked = above.sum(axis=1), strata.n[:, is_above].sum(axis=1)
    weights = above / np.maximum(n_windows, 1)[:, None]
    low, high = sum_interval(strata, weights, critical(LEVEL))
    promised, _ = sum_interval(strata, weights, 2 * np.log(1 / (1 - PROMISE)))
    shares = {
        "precision": (weights * _shares(strata)).sum(axis=1),
        "precision_low": low,
        "precision_high": high,
        "promised": promised,
    }
    is_told = (n_checked > 0) & (n_windows > 0)
    return pd.DataFrame(
        {
            "threshold_logit": thresholds,
            "n_windows": n_windows.astype("int64"),
            "n_checked": n_checked.astype("int64"),
            "n_confirmed": strata.k[:, is_above].sum(axis=1).astype("int64"),
            **{name: np.where(is_told, values, np.nan) for name, values in shares.items()},
        }
    )


def _shares(strata: Strata) -> np.ndarray:
    """Share of each piece; where none of it was checked, that of its stratum, and 0 where that was not either."""
    half = strata.n.shape[1] // 2
    size, n, k = (values[:, :half] + values[:, half:] for values in (strata.size, strata.n, strata.k))
    whole = Strata(size, n, k, strata.error).shares
    return np.nan_to_num(np.where(strata.n > 0, strata.shares, np.tile(whole, 2)))


def share_of_calls(checked: Checked, thresholds: np.ndarray) -> pd.DataFrame:
    """Of the windows with the target from the floor up, the share at or above each threshold, with its interval."""
    strata, above = checked.cut(thresholds)
    shares = _shares(strata)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (above * shares).sum(axis=1) / (strata.size * shares).sum(axis=1)
    ends = ratio_interval(strata, above, strata.size, critical(LEVEL))
    low, high = (np.where(np.isnan(found), np.nan, end) for end in ends)
    return pd.DataFrame({"share_of_calls": found, "share_of_calls_low": low, "share_of_calls_high": high})


def windows_with_target(checked: Checked) -> tuple[float, float, float]:
    """Windows from the floor up that hold the target, with the interval's ends; NaN where nothing was checked."""
    if not len(checked.logits):
        return (float("nan"),) * 3
    strata, above = checked.cut(checked.edges[:1])
    low, high = sum_interval(strata, above, critical(LEVEL))
    return float((above * _shares(strata)).sum()), float(low[0]), float(high[0])


def threshold_for(curve: pd.DataFrame, wanted: float) -> tuple[float, str]:
    """The lowest threshold that has the wanted precision for sure enough (see `PROMISE`), and `REACHED`.

    NaN and `UNREACHABLE` where precision is below it at every threshold that enough was checked above; NaN and
    `UNTOLD` where neither can be said.

    Args:
        curve: as `precision_at` gives it, thresholds ascending.
    """
    good = curve[curve.promised >= wanted]
    if len(good):
        return float(good.threshold_logit.iloc[0]), REACHED
    told = curve[curve.n_checked >= ENOUGH]
    is_never = len(told) > 0 and bool((told.precision_high < wanted).all())
    return float("nan"), UNREACHABLE if is_never else UNTOLD


def times_to_halve(checked: Checked, threshold: float) -> float:
    """How many times as many checks would halve the interval of precision; NaN where nothing was checked."""
    strata, above = checked.cut(np.array([threshold]))
    if not len(checked.logits) or not above.sum():
        return float("nan")
    times = np.geomspace(1, _MOST_TIMES, 97)[:, None]
    more = Strata(strata.size, strata.n * times, strata.k * times, strata.error)
    low, high = sum_interval(more, np.repeat(above / above.sum(), len(times), axis=0), critical(LEVEL))
    halved = np.flatnonzero(high - low <= (high[0] - low[0]) / 2)
    return float(times[halved[0], 0]) if len(halved) else float("inf")


# Nights ---------------------------------------------------------------------------------------------


def density_by_night(
    checked: Checked, sample: pd.DataFrame, strata: pd.DataFrame, heard: pd.DataFrame
) -> pd.DataFrame:
    """Call density of each recorder's night: the share of its windows that hold the target, from the floor up.

    A night's windows by stratum, each with the stratum's share. Nights differ beyond that (rain, another species); how
    much is estimated from windows that were checked in one night, and the interval allows for it.

    Args:
        sample: of one label, with `stratum_low`, `recorder_id`, `night` and `review_state`.
        strata: windows of one label by stratum, recorder and night.
        heard: `recorder_id, night, n_windows_heard`.
    Returns:
        `recorder_id, night, n_windows_heard, n_windows_sampled_from, n_checked, n_confirmed, call_density,
        call_density_low, call_density_high`.
    """
    from scipy.stats import beta

    night, edges = ["recorder_id", "night"], checked.edges.tolist()
    table = heard.set_index(night)

    def by_edge(rows: pd.DataFrame, values: pd.Series) -> np.ndarray:
        summed = values.groupby([*(rows[name] for name in night), rows.stratum_low]).sum().unstack()
        return summed.reindex(index=table.index, columns=edges).fillna(0).to_numpy(dtype=float)

    decided = sample[sample.review_state.isin([CONFIRMED, REJECTED])]
    is_right = (decided.review_state == CONFIRMED).astype(int)
    size, n, k = (
        by_edge(strata, strata.n_windows),
        by_edge(decided, is_right * 0 + 1),
        by_edge(decided, is_right),
    )
    whole, _ = checked.cut(checked.edges[:1])
    size_in_all, n_in_all, k_in_all = (values[0, : len(edges)] for values in (whole.size, whole.n, whole.k))
    total = Strata(size_in_all, n_in_all, k_in_all, checked.error)
    shares = np.nan_to_num(total.shares)
    middle = np.clip((total.n * shares + 0.5) / (total.n + 1), 1e-6, 1 - 1e-6)
    alike = _alike_in_nights(n, k, middle)
    spread = alike + (1 - alike) / (total.n + 2)
    spread = spread + (1 - spread) / np.maximum(size, 2)  # few windows differ by chance alone
    strength = 1 / spread - 1
    ends = [
        to_whole((size * beta.ppf(end, middle * strength + k, (1 - middle) * strength + n - k)).sum(axis=1))
        for end, to_whole in (((1 - LEVEL) / 2, np.floor), ((1 + LEVEL) / 2, np.ceil))
    ]
    windows = np.maximum(table.n_windows_heard.to_numpy(), 1)
    is_told = len(decided) > 0
    return table.reset_index().assign(
        n_windows_sampled_from=size.sum(axis=1).astype("int64"),
        n_checked=n.sum(axis=1).astype("int64"),
        n_confirmed=k.sum(axis=1).astype("int64"),
        call_density=(size @ shares) / windows if is_told else np.nan,
        call_density_low=ends[0] / windows if is_told else np.nan,
        call_density_high=ends[1] / windows if is_told else np.nan,
    )


def _alike_in_nights(n: np.ndarray, k: np.ndarray, shares: np.ndarray) -> float:
    """Correlation of what was found in two windows of one night, beyond their strata: a mean over pairs, shrunk."""
    spread = np.sqrt(shares * (1 - shares))
    residual = ((k - n * shares) / spread).sum(axis=1)
    own = ((k * (1 - shares) ** 2 + (n - k) * shares**2) / spread**2).sum(axis=1)
    n_pairs = (n.sum(axis=1) * (n.sum(axis=1) - 1)).sum() / 2
    products = ((residual**2 - own) / 2).sum()
    return float(np.clip((products + _ALIKE * _ALIKE_PAIRS) / (n_pairs + _ALIKE_PAIRS), 0.02, 0.8))


# Recalibration --------------------------------------------------------------------------------------


def recalibrate(sample: pd.DataFrame) -> dict[str, float]:
    """Platt's curve through the decisions on one label: what a logit means in this season.

    Returns:
        `platt_slope`, `platt_offset`; `brier_recalibrated` and `brier_confidence`, mean squared errors of the curve
        (fitted without the nights that it is measured on) and of the confidence as it stands. NaN where fewer than 20
        windows were checked, or all are the same.
    """
    names = ("platt_slope", "platt_offset", "brier_recalibrated", "brier_confidence")
    decided = sample[sample.review_state.isin([CONFIRMED, REJECTED])]
    logits, truth = decided.logit.to_numpy(dtype=float), (decided.review_state == CONFIRMED).to_numpy()
    if len(truth) < _ENOUGH_TO_FIT or truth.all() or not truth.any():
        return dict.fromkeys(names, float("nan"))
    whole = calibration.fit(logits, truth)
    nights = zip(decided.recorder_id, decided.night, strict=True)
    fold = np.array([int(unit_hash("recalibrate", *night) * _FOLDS) for night in nights])
    left_out = np.full(len(truth), truth.mean())
    for at in range(_FOLDS):
        rest = truth[fold != at]
        if rest.any() and not rest.all():
            left_out[fold == at] = calibration.fit(logits[fold != at], rest)(logits[fold == at])
    errors = [np.mean((values - truth) ** 2) for values in (left_out, calibration.sigmoid(logits))]
    return dict(zip(names, (whole.slope, whole.offset, *map(float, errors)), strict=True))


# All of it ------------------------------------------------------------------------------------------

PRECISION_COLUMNS = (
    "label", "threshold_logit", "threshold_confidence", "is_own_threshold", "n_windows", "n_checked", "n_confirmed",
    "precision", "precision_low", "precision_high", "promised", "share_of_calls", "share_of_calls_low",
    "share_of_calls_high", "probability",
)  # fmt: skip
DENSITY_COLUMNS = (
    "label", "recorder_id", "night", "n_windows_heard", "n_windows_sampled_from", "n_checked", "n_confirmed",
    "call_density", "call_density_low", "call_density_high",
)  # fmt: skip
PLACE_COLUMNS = (
    "label", "by", "place", "n_windows", "n_checked", "n_confirmed", "precision", "precision_low", "precision_high",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Validation:
    """`precision` by threshold, `density` by night, `places` with enough checks, and `summary`, a row a label."""

    precision: pd.DataFrame
    density: pd.DataFrame
    places: pd.DataFrame
    summary: pd.DataFrame


def validate(
    sample: pd.DataFrame,
    counts: pd.DataFrame,
    strata: pd.DataFrame,
    threshold: float,
    wanted: float,
    error: float = 0.0,
    sites: pd.DataFrame | None = None,
) -> Validation:
    """Everything that follows from the decisions on the sample.

    Args:
        sample: as drawn, with `review_state`.
        counts: windows by score, recorder and night, of all that was heard.
        strata: windows by stratum, recorder and night.
        threshold: the run's own, a logit.
        wanted: precision that a threshold is looked for.
        error: share of decisions taken to be wrong, either way.
        sites: `recorder_id`, `night` and `site`, where the sites of recorders are known.
    """
    parts: dict[str, list[pd.DataFrame]] = {"precision": [], "density": [], "places": []}
    summaries = []
    for label, by_night in strata.groupby("label", sort=True):
        here, all_here = sample[sample.label == label], counts[counts.label == label]
        edges = sorted(by_night.stratum_low.unique().tolist())
        checked = checked_of(here, all_here, edges, error)
        platt = recalibrate(here)
        curve = _curve(checked, threshold, platt)
        heard = (
            all_here.groupby(["recorder_id", "night"]).n_windows.sum().rename("n_windows_heard").reset_index()
        )
        density = density_by_night(checked, here, by_night[by_night.n_windows > 0], heard)
        places = _by_place(checked, here, all_here, edges, threshold, sites)
        for name, table in (("precision", curve), ("density", density), ("places", places)):
            parts[name].append(table.assign(label=label))
        summaries.append(
            {"label": label, **_summary(checked, curve, here, heard, threshold, wanted), **platt}
        )
    columns = {"precision": PRECISION_COLUMNS, "density": DENSITY_COLUMNS, "places": PLACE_COLUMNS}
    tables = {
        name: pd.concat(parts[name], ignore_index=True)[list(names)]
        if parts[name]
        else pd.DataFrame(columns=list(names))
        for name, names in columns.items()
    }
    return Validation(**tables, summary=pd.DataFrame(summaries))


def _curve(checked: Checked, threshold: float, platt: dict[str, float]) -> pd.DataFrame:
    thresholds = np.unique([*checked.thresholds, threshold])
    thresholds = thresholds[thresholds >= checked.edges[0]]
    curve = precision_at(checked, thresholds)
    return pd.concat([curve, share_of_calls(checked, thresholds)], axis=1).assign(
        threshold_confidence=calibration.sigmoid(thresholds),
        is_own_threshold=thresholds == threshold,
        probability=calibration.sigmoid(platt["platt_slope"] * thresholds + platt["platt_offset"]),
    )


def _by_place(
    checked: Checked,
    sample: pd.DataFrame,
    counts: pd.DataFrame,
    edges: list[float],
    threshold: float,
    sites: pd.DataFrame | None,
) -> pd.DataFrame:
    """Precision at the run's threshold of recorders, and of sites, with enough checked windows above it."""
    kinds = {"recorder": (sample.recorder_id, counts.recorder_id)}
    if sites is not None:
        nights = sites.dropna(subset=["site"]).drop_duplicates(["recorder_id", "night"])
        known = nights.set_index(["recorder_id", "night"])["site"]
        kinds["site"] = (_site_of(sample, known), _site_of(counts, known))
    rows = []
    for kind, (of_sample, of_counts) in kinds.items():
        for place in sorted(of_counts.dropna().unique()):
            own = checked_of(sample[of_sample == place], counts[of_counts == place], edges, checked.error)
            if (own.logits >= threshold).sum() >= ENOUGH:
                rows.append(precision_at(own, np.array([threshold])).assign(by=kind, place=place))
    empty = pd.DataFrame(columns=[name for name in PLACE_COLUMNS if name != "label"])
    return pd.concat(rows, ignore_index=True) if rows else empty


def _site_of(windows: pd.DataFrame, known: pd.Series) -> pd.Series:
    """The site of each window's recorder in its night; missing where unknown."""
    at = pd.MultiIndex.from_frame(windows[["recorder_id", "night"]].astype(str))
    return pd.Series(known.reindex(at).to_numpy(), index=windows.index, dtype="str")


def _summary(
    checked: Checked,
    curve: pd.DataFrame,
    sample: pd.DataFrame,
    heard: pd.DataFrame,
    threshold: float,
    wanted: float,
) -> dict[str, object]:
    """What the page says first: of the run's threshold, of the season, and of the wanted precision."""
    own = curve[curve.is_own_threshold]
    of_own = own.iloc[0].to_dict() if len(own) else dict.fromkeys(curve.columns, float("nan"))
    with_target, low, high = windows_with_target(checked)
    n_heard = max(int(heard.n_windows_heard.sum()), 1)
    found, answer = threshold_for(curve, wanted)
    n_checked = len(checked.logits)
    times = times_to_halve(checked, threshold)
    names = ("precision", "precision_low", "precision_high", "share_of_calls", "share_of_calls_low",
             "share_of_calls_high")  # fmt: skip
    return {
        "n_sampled": len(sample),
        "n_checked": n_checked,
        "n_confirmed": int(checked.is_right.sum()),
        "floor_logit": float(checked.edges[0]),
        "threshold_logit": threshold,
        **{name: of_own[name] for name in names},
        "windows_with_target": with_target,
        "windows_with_target_low": low,
        "windows_with_target_high": high,
        "n_windows_heard": n_heard,
        "call_density": with_target / n_heard,
        "call_density_low": low / n_heard,
        "call_density_high": high / n_heard,
        "wanted_precision": wanted,
        "wanted_threshold_logit": found,
        "wanted_threshold_confidence": float(calibration.sigmoid(found)),
        "wanted_answer": answer,
        "n_more_checks": np.ceil((times - 1) * n_checked) if np.isfinite(times) else float("nan"),
    }
