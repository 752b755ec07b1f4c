"""Which clips train each point, and which of them decide when training stops.

A training set belongs to a fit, not to a point: points that differ in nothing that training depends on share
one. Sets stand in one long table, so that a person can look up where a clip was used.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vernal import sampling
from vernal.point_settings import PointSettings
from vernal.problems import InputError

FIT, STOP = "fit", "stop"
FAILURE_COLUMNS = ("point", "step", "message")


def draw_training_sets(
    plan: pd.DataFrame, splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Choose the clips of every distinct fit of a plan.

    Args:
        plan: one row a point, with its settings and `fit_hash`.
        splits: labelled clips with their split.
        subsets: curated subsets by name.
    Returns:
        `training_sets`: `fit_hash`, `clip_id`, `is_positive`, `role` (`fit` trains, `stop` ends training);
        `training_counts`: one row a fit with `n_train_positive`, `n_train_negative`, `n_stop_positive`,
        `n_stop_negative` and `empty_subsets`, the named subsets that hold no clip;
        `failures`: `point`, `step`, `message` of the points that no set can be drawn for.
    """
    sets, counts, failures = [], [], []
    for fit_hash, rows in plan.groupby("fit_hash", sort=True):
        settings = PointSettings.from_row(rows.iloc[0].to_dict())
        try:
            drawn = draw_training_set(splits, subsets, settings)
        except InputError as error:
            failures += [(point, "balance", str(error)) for point in rows.point]
            continue
        sets.append(drawn.assign(fit_hash=fit_hash))
        counts.append({"fit_hash": fit_hash, **_count(drawn), "empty_subsets": _empty(subsets, settings)})
    columns = ["fit_hash", "clip_id", "is_positive", "role"]
    table = pd.concat(sets, ignore_index=True)[columns] if sets else pd.DataFrame(columns=columns)
    return (
        table.astype({"fit_hash": "category", "role": "category"}),
        pd.DataFrame(counts),
        pd.DataFrame(failures, columns=list(FAILURE_COLUMNS), dtype="str"),
    )


def draw_training_set(
    splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame], settings: PointSettings
) -> pd.DataFrame:
    """The clips of one point: `clip_id`, `is_positive`, `role`, sorted by `clip_id`.

    Raises:
        InputError: the settings leave a class without clips, or ask for a validation split that lacks one.
    """
    chosen = sampling.training_clips(splits, subsets, settings)
    if settings.use_validation:
        train, stop = chosen, splits[splits.split == "val"]
        if stop.is_positive.nunique() < 2:
            raise InputError(
                f"use_validation is true, but the validation split has {int(stop.is_positive.sum())} positive of "
                f"{len(stop)} clips. Give it both classes (column `split`), or set use_validation: false."
            )
    else:
        train, stop = sampling.validation_split(chosen, settings.seed)
    parts = [table[["clip_id", "is_positive"]].assign(role=role) for table, role in ((train, FIT), (stop, STOP))]
    drawn = pd.concat(parts).sort_values("clip_id", ignore_index=True)
    held_out = set(splits.clip_id[splits.split.isin(("test_iid", "test_ood"))])
    leaked = held_out & set(drawn.clip_id)
    if leaked:
        raise AssertionError(f"{len(leaked)} test clips reached a training set (first: {min(leaked)})")
    return drawn


def _count(drawn: pd.DataFrame) -> dict[str, int]:
    fit, stop = drawn[drawn.role == FIT], drawn[drawn.role == STOP]
    return {
        "n_train_positive": int(fit.is_positive.sum()),
        "n_train_negative": int((~fit.is_positive).sum()),
        "n_stop_positive": int(stop.is_positive.sum()),
        "n_stop_negative": int((~stop.is_positive).sum()),
    }


def _empty(subsets: Mapping[str, pd.DataFrame], settings: PointSettings) -> str:
    named = (*settings.positive_subsets, *settings.negative_subsets)
    return ";".join(name for name in named if len(subsets[name]) == 0)
