"""What points were trained on, and whether they were trained enough, in sentences of the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.common.formatting import between, count, listed, percent, share
from vernal.evaluation.references import COMPARED, GAIN, is_under_trained
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults
from vernal.reports.blocks import BAD, GOOD, WARNING, Text
from vernal.training.sets import LEAVING_OUT, LEFT_OUT

FEW = 0.1  # points that train on less than this share of the positives at hand are said in red
# Of points as good as their references some 5 % are marked by chance (docs/evaluation.md).
BY_CHANCE = 0.1
NAMED = 5
_WHAT = "a logistic regression, solved to its optimum on the same clips,"


def training_words(results: StageResults) -> list[Text]:
    """Under-trained points, the floor that the point to use has to beat, and the positives that points train on."""
    return [text for text in (_under_trained(results), _floor(results), _positives(results)) if text]


def _done(results: StageResults) -> pd.DataFrame:
    return results.points[results.points["error"].isna()]


def _under_trained(results: StageResults) -> Text | None:
    points = _done(results)
    split = results.primary_split
    found = points[is_under_trained(points, split)]
    if found.empty:
        return None
    still = (
        int((found["is_still_improving"].astype(str) == "True").sum()) if "is_still_improving" in found else 0
    )
    gains = _numbers(found, f"{split}_{GAIN}")[_numbers(found, f"{split}_{GAIN}_low") > 0]
    reasons = []
    if still:
        reasons.append(f"{still:,} still improved at the last epoch")
    if len(gains):
        reasons.append(
            f"{_WHAT} ranks {split} better than {len(gains):,} beyond its interval (by up to {share(gains.max())} in "
            f"{METRIC_NAMES[COMPARED]})"
        )
    text = (
        f"Under-trained: {len(found):,} of {count(len(points), 'point')} ({_named(found, results)}). Of them, "
        f"{'; '.join(reasons)}."
    )
    is_chance = (
        not still and len(found) < BY_CHANCE * len(points) and results.deployed not in set(found["point"])
    )
    if is_chance:
        return Text(f"{text} So few are to be expected by chance.", WARNING)
    return Text(f"{text} {_remedy(found)}", BAD)


def _remedy(found: pd.DataFrame) -> str:
    """What to set; points whose epochs are fixed can be given as many as they need."""
    if (found["epochs"].astype(float) > 0).any():
        return "Set `epochs: 0`, which trains until it has converged."
    return "Set a higher `learning_rate`, or a lower `dropout`."


def _named(found: pd.DataFrame, results: StageResults) -> str:
    """The point to use if it is among them, then the first others."""
    names = found["point"].astype(str).tolist()
    names.sort(key=lambda name: name != results.deployed)
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    first = [f"`{name}`{', the point to use' if name == results.deployed else ''}" for name in names[:NAMED]]
    return f"{', '.join(first)}{rest}"


def _floor(results: StageResults) -> Text | None:
    """The point to use beside its reference."""
    split, point = results.primary_split, results.deployed
    own, reference, low, high = (
        results.number(point, f"{split}_{name}")
        for name in (COMPARED, f"reference_{COMPARED}", f"{GAIN}_low", f"{GAIN}_high")
    )
    if not (np.isfinite(own) and np.isfinite(reference)):
        return None
    text = f"{_WHAT[0].upper()}{_WHAT[1:]} reaches an {METRIC_NAMES[COMPARED]} of {share(reference)} on {split}; "
    text += f"`{point}` {share(own)}"
    is_deep = results.number(point, "hidden_units") > 0
    if reference <= own:
        return Text(f"{text}: its hidden layer keeps that floor." if is_deep else f"{text}.", GOOD)
    interval = (
        f" (difference {between(low, high)}, {percent(results.options.level)} interval)"
        if np.isfinite(low)
        else ""
    )
    if low > 0:
        verdict = "does worse than that floor"
    else:
        verdict = "does not reach that floor, which the nights at hand may explain"
    layer = ", and its hidden layer gains nothing" if is_deep else ""
    return Text(f"{text}{interval}. It {verdict}{layer}.", BAD if low > 0 else WARNING)


def _positives(results: StageResults) -> Text | None:
    """How many positives points train on, and what left the others out."""
    points = _done(results)
    if "n_positive_at_hand" not in points or points["n_positive_at_hand"].isna().all():
        return None
    trained, at_hand = _numbers(points, "n_train_positive"), _numbers(points, "n_positive_at_hand")
    left = {f"`{name}`": _numbers(points, f"{LEFT_OUT}{name}") for name in LEAVING_OUT}
    own = points["use_validation"].astype(str).str.lower() == "false"
    stops = _numbers(points, "n_stop_positive").where(own, 0)
    lost = [f"{name} {_range(values)}" for name, values in left.items() if values.max() > 0]
    whose = "The point trains" if len(points) == 1 else f"The {len(points):,} points train"
    text = f"{whose} on {_range(trained)} of the {_range(at_hand)} positives of the train split"
    text += f", and {_range(stops)} decide when it stops" if stops.max() > 0 else ""
    text += f"; left out by {listed(lost)}." if lost else "."
    few = points[trained < FEW * at_hand]
    if few.empty:
        return Text(text)
    return Text(
        f"{text} {count(len(few), 'point')} ({_named(few, results)}) {'trains' if len(few) == 1 else 'train'} on fewer "
        "than a tenth of the positives at hand: look at the labels that these filters read.",
        BAD,
    )


def _numbers(points: pd.DataFrame, column: str) -> pd.Series:
    if column not in points:
        return pd.Series(np.nan, index=points.index)
    return points[column].astype(float)


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
