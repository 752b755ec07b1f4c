"""What points were trained on, and whether they were trained enough, in sentences of the answer."""

import numpy as np
import pandas as pd

from vernal.evaluation.references import COMPARED, GAIN, is_under_trained
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults
from vernal.reports.blocks import BAD, GOOD, WARNING, Text
from vernal.reports.sentences import sentence
from vernal.training.sets import LEAVING_OUT, LEFT_OUT

FEW = 0.1  # points that train on less than this share of the positives at hand are said in red
# Of points as good as their references some 5 % are marked by chance (docs/evaluation.md).
BY_CHANCE = 0.1
NAMED = 5


def training_words(results: StageResults) -> list[Text]:
    """Under-trained points, the floor that the point to use has to beat, and the positives that points train on."""
    return [text for text in (_under_trained(results), _floor(results), _positives(results)) if text]


def ends_by_validation(results: StageResults) -> pd.Series:
    """Of which points the validation split ends training; where it lacks a class, of none."""
    asked = results.points["use_validation"].astype(str).str.lower() == "true"
    return asked & (not results.no_threshold)


def _done(results: StageResults) -> pd.DataFrame:
    return results.points[results.points["error"].isna()]


def _under_trained(results: StageResults) -> Text | None:
    points, split = _done(results), results.primary_split
    found = points[is_under_trained(points, split)]
    if found.empty:
        return None
    still = found.get("is_still_improving", pd.Series(dtype="str")).astype(str).eq("True").sum()
    gains = _numbers(found, f"{split}_{GAIN}")[_numbers(found, f"{split}_{GAIN}_low") > 0]
    is_few = len(found) < BY_CHANCE * len(points) and results.deployed not in set(found["point"])
    remedy = "epochs" if (found["epochs"].astype(float) > 0).any() else "rate"
    if is_few and not still:
        remedy = "chance"
    text = sentence(
        "training.under_trained",
        found=found,
        n=len(points),
        named=_named(found, results),
        still=still,
        n_better=len(gains),
        gain=gains.max(),
        split=split,
        metric=METRIC_NAMES[COMPARED],
        remedy=remedy,
    )
    return Text(text, WARNING if remedy == "chance" else BAD)


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
    at = results.numbers(point, split)
    own, reached, low = at[COMPARED], at[f"reference_{COMPARED}"], at[f"{GAIN}_low"]
    if not np.isfinite([own, reached]).all():
        return None
    facts = {
        "own": own,
        "reached": reached,
        "low": low,
        "high": at[f"{GAIN}_high"],
        "point": point,
        "split": split,
    }
    is_deep = results.number(point, "hidden_units") > 0
    level, metric = results.options.level, METRIC_NAMES[COMPARED]
    text = sentence("training.floor", is_deep=is_deep, level=level, metric=metric, **facts)
    return Text(text, GOOD if reached <= own else BAD if low > 0 else WARNING)


def _positives(results: StageResults) -> Text | None:
    """How many positives points train on, and what left the others out."""
    points = _done(results)
    if "n_positive_at_hand" not in points or points["n_positive_at_hand"].isna().all():
        return None
    trained, at_hand = _numbers(points, "n_train_positive"), _numbers(points, "n_positive_at_hand")
    left = {name: _numbers(points, f"{LEFT_OUT}{name}") for name in LEAVING_OUT}
    stops = _numbers(points, "n_stop_positive").where(~ends_by_validation(results)[points.index], 0)
    few = points[trained < FEW * at_hand]
    text = sentence(
        "training.positives",
        n=len(points),
        trained=_range(trained),
        at_hand=_range(at_hand),
        stops=_range(stops) if stops.max() > 0 else "",
        lost=[f"`{name}` {_range(values)}" for name, values in left.items() if values.max() > 0],
        n_few=len(few),
        few=_named(few, results),
    )
    return Text(text, BAD if len(few) else "")


def _numbers(points: pd.DataFrame, column: str) -> pd.Series:
    if column not in points:
        return pd.Series(np.nan, index=points.index)
    return points[column].astype(float)


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
