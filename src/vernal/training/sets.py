"""Which clips train each point, and which of them decide when training stops.

A training set belongs to a fit, not to a point: points that differ in nothing that training depends on share
one. Sets stand in one long table, so that a person can look up where a clip was used.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from vernal.clips import sampling
from vernal.clips.folds import Folds, without_fold
from vernal.common.problems import InputError
from vernal.sweeps.point_settings import PointSettings

FIT, STOP = "fit", "stop"
FAILURE_COLUMNS = ("point", "step", "message")
# What can leave positives of the train split out, in the order in which it does; `LEFT_OUT` and its name is a column.
LEAVING_OUT = (*sampling.FILTERS, "caps", "balance")
LEFT_OUT = "n_left_out_"
COUNT_COLUMNS = (
    "fit_hash", "n_train_positive", "n_train_negative", "n_stop_positive", "n_stop_negative", "n_positive_at_hand",
    *(f"{LEFT_OUT}{name}" for name in LEAVING_OUT), "empty_subsets",
)  # fmt: skip
FOLD_SET_COLUMNS = ("fold", "fit_hash", "clip_id", "is_positive", "role")
_ELIGIBLE_BY = (*sampling.FILTERS, "positive_subsets", "negative_subsets")
_READ_COLUMNS = (
    "clip_id", "is_positive", "split", "quality", "call_type", "recorder_id", "site", "night", "group",
    "source", "origin", "content_hash", "start_s", "end_s",
)  # fmt: skip


def without_copies(
    splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame], pairs: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Leave out training clips that are the same recording as a held-out clip, under other bytes.

    A person who cut one recording twice, or downloaded it twice, cannot see it in the file names; trained on, such
    a clip lets a classifier remember what it is tested on.

    Args:
        splits: labelled clips with their split.
        subsets: curated subsets by name.
        pairs: `clip_id`, `other_clip_id` of the same recording (see `proof.near_duplicates`).
    Returns:
        `splits` and `subsets` without the training clips of pairs whose other clip is in another split.
    """
    split_of = splits.set_index("clip_id").split
    copies: set[str] = set()
    for one, other in (("clip_id", "other_clip_id"), ("other_clip_id", "clip_id")):
        trains = pairs[one].map(split_of) == "train"
        apart = pairs[other].map(split_of) != "train"
        copies |= set(pairs[one][trains & apart])
    if not copies:
        return splits, dict(subsets)
    kept = {name: table[~table.clip_id.isin(copies)] for name, table in subsets.items()}
    return splits[~splits.clip_id.isin(copies)], kept


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
        `n_stop_negative`; of the positives of the train split, `n_positive_at_hand`, how many each step left out
        (`n_left_out_quality`, ...); and `empty_subsets`, the named subsets that hold no clip;
        `failures`: `point`, `step`, `message` of the points that no set can be drawn for.
    """
    drawer = _Drawer(splits, subsets)
    sets, counts, failures = [], [], []
    for fit_hash, rows in plan.groupby("fit_hash", sort=True):
        settings = PointSettings.from_row(rows.iloc[0].to_dict())
        try:
            drawn, steps = drawer.draw(settings)
        except InputError as error:
            failures += [(point, "balance", str(error)) for point in rows.point]
            continue
        sets.append(drawn.assign(fit_hash=fit_hash))
        counts.append(
            {
                "fit_hash": fit_hash,
                **_count(drawn),
                **_left_out(steps),
                "empty_subsets": _empty(subsets, settings),
            }
        )
    columns = ["fit_hash", "clip_id", "is_positive", "role"]
    table = pd.concat(sets, ignore_index=True)[columns] if sets else pd.DataFrame(columns=columns)
    return (
        table.astype({"fit_hash": "category", "role": "category"}),
        pd.DataFrame(counts, columns=list(COUNT_COLUMNS)),
        pd.DataFrame(failures, columns=list(FAILURE_COLUMNS), dtype="str"),
    )


def draw_fold_sets(
    plan: pd.DataFrame,
    splits: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
    copies: pd.DataFrame,
    folds: Folds,
) -> pd.DataFrame:
    """Choose the clips that train each configuration while each fold is held out.

    Args:
        plan, splits, subsets: as for `draw_training_sets`, with `configuration_hash`; the first point of each
            configuration stands for all its seeds.
        copies: pairs of the same recording, as for `without_copies`.
        folds: who is held out when.
    Returns:
        `fold`, `fit_hash` (of that first point), `clip_id`, `is_positive`, `role`. A configuration
        that no set can be drawn for in a fold has no rows there.
    """
    firsts, parts = plan.drop_duplicates("configuration_hash"), []
    for fold in folds.names:
        open_splits, open_subsets = without_copies(*without_fold(splits, subsets, folds, fold), copies)
        drawn, _, _ = draw_training_sets(firsts, open_splits, open_subsets)
        parts.append(drawn.astype({"fit_hash": "str", "role": "str"}).assign(fold=fold))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(FOLD_SET_COLUMNS))
    as_codes = dict.fromkeys(("fold", "fit_hash", "role"), "category")
    return table[list(FOLD_SET_COLUMNS)].astype({**as_codes, "is_positive": "bool"})


class _Drawer:
    """Draws the sets of one plan; points that differ in seed, caps and balance alone share the search for clips."""

    def __init__(self, splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame]) -> None:
        # Tables are cut and sorted for every point: the columns that no filter or check reads only cost time.
        self._splits = _narrow(splits)
        self._subsets = {name: _narrow(table) for name, table in subsets.items()}
        self._validation = self._splits[self._splits.split == "val"]
        self._tests = set(splits.clip_id[splits.split.isin(("test_iid", "test_ood"))])
        self._eligible: dict[tuple, sampling.Eligible] = {}
        self._rows: dict[tuple[str, bool], sampling.SubsetRows] = {}

    def draw(self, settings: PointSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The clips of one point, `clip_id`, `is_positive`, `role`, sorted by `clip_id`; and the steps to them.

        Raises:
            InputError: the settings leave a class without clips, or with none that can be held out.
        """
        selection = sampling.draw_selection(self._find(settings), settings)
        chosen = selection.clips
        train, stop = chosen, self._validation
        if not settings.use_validation or stop.is_positive.nunique() < 2:
            train, stop = sampling.validation_split(chosen, settings.seed)
        both = pd.concat([train, stop])[["clip_id", "is_positive"]]
        drawn = both.assign(role=[FIT] * len(train) + [STOP] * len(stop))
        drawn = drawn.sort_values("clip_id", ignore_index=True)
        leaked = self._tests & set(drawn.clip_id.tolist())
        if leaked:
            raise AssertionError(f"{len(leaked)} test clips reached a training set (first: {min(leaked)})")
        return drawn, selection.steps

    def _find(self, settings: PointSettings) -> sampling.Eligible:
        key = tuple(getattr(settings, name) for name in _ELIGIBLE_BY)
        if key not in self._eligible:
            found = sampling.eligible_clips(self._splits, self._subsets, settings, self._rows_of)
            self._eligible[key] = replace(found, clips=found.clips[["clip_id", "is_positive"]])
        return self._eligible[key]

    def _rows_of(
        self, name: str, subset: pd.DataFrame, is_positive: bool, splits: pd.DataFrame
    ) -> sampling.SubsetRows:
        if (name, is_positive) not in self._rows:
            self._rows[name, is_positive] = sampling.subset_rows(name, subset, is_positive, splits)
        return self._rows[name, is_positive]


def _narrow(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in _READ_COLUMNS if name in table]]


def _count(drawn: pd.DataFrame) -> dict[str, int]:
    trains, is_positive = (drawn.role == FIT).to_numpy(), drawn.is_positive.to_numpy(dtype=bool)
    return {
        "n_train_positive": int((trains & is_positive).sum()),
        "n_train_negative": int((trains & ~is_positive).sum()),
        "n_stop_positive": int((~trains & is_positive).sum()),
        "n_stop_negative": int((~trains & ~is_positive).sum()),
    }


def _left_out(steps: pd.DataFrame) -> dict[str, int]:
    """Positives of the train split, and how many of them each filter, the caps and the balance left out."""
    names, left = steps.step.tolist(), steps.n_positive.tolist()
    lost = {name: before - after for name, before, after in zip(names[1:], left, left[1:], strict=False)}
    return {
        "n_positive_at_hand": left[names.index("train split")],
        **{f"{LEFT_OUT}{name}": lost[name] for name in LEAVING_OUT},
    }


def _empty(subsets: Mapping[str, pd.DataFrame], settings: PointSettings) -> str:
    named = (*settings.positive_subsets, *settings.negative_subsets)
    return ";".join(name for name in named if len(subsets[name]) == 0)
