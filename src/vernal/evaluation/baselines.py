"""What is reached without listening: flag everything, know the prevalence, or know only where and when.

A metric means something by its distance from these. The metadata-only baseline is the one that finds
shortcuts: where positives and negatives come from different recorders, the recorder's name alone separates
them, and a detector that has learnt the place looks like one that has learnt the call.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from vernal.evaluation import metrics
from vernal.evaluation.metrics import FloatArray
from vernal.evaluation.operating_points import Goal, choose

PLACE_COLUMNS = ("recorder_id", "site")
TIME_COLUMNS = ("hour", "time", "start_time", "datetime", "timestamp")
HOUR = "hour"
PLACE_AND_HOUR = "place and hour"
ALL_POSITIVE, PREVALENCE, METADATA = "all_positive", "prevalence", "metadata"


def hours(clips: pd.DataFrame) -> pd.Series:
    """Hour of day as text, `00` to `23`; NaN where nothing says it.

    Read from the first column there is of `hour` (a number) and `time`, `start_time`, `datetime`, `timestamp`
    (`HH:MM`, alone or after a date).

    >>> hours(pd.DataFrame({"time": ["21:30", "2025-03-01T04:10:00", None]})).tolist()
    ['21', '04', nan]
    """
    for name in TIME_COLUMNS:
        if name not in clips.columns:
            continue
        if name == HOUR:
            number = pd.to_numeric(clips[name], errors="coerce")
            found = (
                number.where(number.between(0, 24, inclusive="left"))
                .floordiv(1)
                .map("{:02.0f}".format, na_action="ignore")
            )
        else:
            text = clips[name].astype("str")
            found = text.str.extract(r"(?:^|[T\s])([01]?\d|2[0-3]):[0-5]\d", expand=False).str.zfill(2)
        return found.astype("str")
    return pd.Series(np.nan, index=clips.index, dtype="str")


def metadata_columns(clips: pd.DataFrame) -> pd.DataFrame:
    """What a guess without audio may use: recorder, site and hour as text, `unknown` where missing.

    Columns that nothing is known of are left out.
    """
    known = {name: clips[name].astype("str") for name in PLACE_COLUMNS if name in clips.columns}
    known[HOUR] = hours(clips)
    return pd.DataFrame(
        {name: values.fillna("unknown") for name, values in known.items() if values.notna().any()},
        index=clips.index,
    )


def metadata_scores(train: pd.DataFrame, clips: pd.DataFrame) -> FloatArray:
    """Logits (n,) of a logistic regression on recorder, site and hour, fitted on the training clips alone.

    A place that training never saw adds nothing. Without usable columns, or with one class in training, every
    clip gets the same score: the constant predictor that this then is.

    Args:
        train: labelled training clips, with `is_positive`.
        clips: those to score.
    """
    return _metadata_scorer(train)(clips)


def _metadata_scorer(train: pd.DataFrame) -> Callable[[pd.DataFrame], FloatArray]:
    """`metadata_scores` of any clips, the regression fitted once."""
    truth = train["is_positive"].to_numpy(dtype=bool)
    known = metadata_columns(train.sort_values("clip_id")) if len(train) else pd.DataFrame()
    if known.shape[1] == 0 or truth.all() or not truth.any():
        return lambda clips: np.zeros(len(clips))
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    ordered = train.sort_values("clip_id")
    encoder = OneHotEncoder(handle_unknown="ignore").fit(known)
    model = LogisticRegression(max_iter=1000, tol=1e-8)
    model.fit(encoder.transform(known), ordered["is_positive"].to_numpy(dtype=bool))

    def scores(clips: pd.DataFrame) -> FloatArray:
        asked = metadata_columns(clips).reindex(columns=known.columns, fill_value="unknown")
        return np.asarray(model.decision_function(encoder.transform(asked)), dtype=float).round(9)

    return scores


def usable_metadata(train: pd.DataFrame, clips: pd.DataFrame) -> str:
    """Which of place (recorder, site) and hour a guess can go by: training knows several, and some of them are here.

    Returns:
        `place and hour`, `place`, `hour` or nothing, as text.
    """
    known, asked = metadata_columns(train), metadata_columns(clips)
    used = [
        name
        for name in known.columns.intersection(asked.columns)
        if known[name].nunique() > 1 and asked[name][asked[name] != "unknown"].isin(known[name]).any()
    ]
    is_used = {"place": not {*PLACE_COLUMNS}.isdisjoint(used), "hour": HOUR in used}
    return " and ".join(word for word, is_there in is_used.items() if is_there)


def baseline_table(train: pd.DataFrame, units: Mapping[str, pd.DataFrame], goal: Goal) -> pd.DataFrame:
    """Metrics of the three baselines on every split that has units.

    `all_positive` flags everything; `prevalence` flags at random as often as training held positives, and
    ranks at random; `metadata` is `metadata_scores`, with its threshold chosen on `val` by the same goal as
    the detectors', and as they without one where `val` lacks a class.

    Args:
        train: labelled training clips.
        units: per evaluated split, one row per unit, with `is_positive`.

    Returns:
        `split, baseline, f1, precision, recall, fpr, auroc, average_precision, auroc_within_recorder,
        is_constant, uses` (see `usable_metadata`).
    """
    score = _metadata_scorer(train)
    scored = {split: score(rows) for split, rows in units.items()}
    truth = {split: rows["is_positive"].to_numpy(dtype=bool) for split, rows in units.items()}
    none = np.array([], dtype=bool)
    chosen = choose(scored.get("val", none), truth.get("val", none), goal).logit
    share = float(train["is_positive"].mean()) if len(train) else float("nan")
    rows = []
    for split, labels in truth.items():
        if not labels.size:
            continue
        everything = metrics.measured(np.zeros(labels.size), labels, 0.0)
        guessed = metrics.measured(scored[split], labels, chosen, units[split].get("recorder_id"))
        found = {
            ALL_POSITIVE: {**everything, "is_constant": True, "uses": ""},
            PREVALENCE: {**everything, **_at_random(labels, share), "is_constant": False, "uses": ""},
            METADATA: {
                **guessed,
                "is_constant": metrics.is_constant(scored[split]),
                "uses": usable_metadata(train, units[split]),
            },
        }
        rows += [{"split": split, "baseline": name, **row} for name, row in found.items()]
    return pd.DataFrame(rows, columns=["split", "baseline", *metrics.MEASURES, "is_constant", "uses"])


def _at_random(labels: np.ndarray, share: float) -> dict[str, float]:
    """Expected counts of flagging a share of the units at random, and the rates of those counts."""
    held = float(labels.mean()) if labels.any() else float("nan")
    negatives = share if not labels.all() else float("nan")
    return {
        "precision": float(labels.mean()),
        "recall": share if labels.any() else float("nan"),
        "f1": 2 * held * share / (held + share) if held + share > 0 else float("nan"),
        "fpr": negatives,
    }
