"""Who tests whom: train on all sites but one, test on that one, and so in turn; validation by group from the rest.

Clips of one group (a night of a site, one source file, what a person grouped) are never divided.
`leaky_index_shuffle` is the split that tutorials show: shuffle the rows, cut. It puts near copies on both sides
and is here only to measure what that hides.
"""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.clips.splits import blocks
from vernal.common.hashing import rng_for, unit_hash
from vernal.common.problems import Problems
from vernal.common.settings import InnerShare, one_of, settings

BY_SITE, LEAKY = "by_site", "leaky_index_shuffle"
SPLITS = (BY_SITE, LEAKY)
FOLDS_BY = ("site", "group")
COLUMNS = ("split", "fold", "clip_id", "role")


@settings("features.splits")
class FoldOptions:
    """How clips are dealt; `seed` is the split's own and stays while training's varies.

    `folds_by`: `site` tests one site after the other; `group` deals groups to `n_folds`; null takes sites where
    there are two or more. `n_folds`: folds of groups, and the most folds that many sites are gathered into.
    `val_share`: share of the training clips of each class that early stopping looks at, in (0, 1).
    """

    folds_by: Annotated[str, one_of(FOLDS_BY)] | None = None
    n_folds: Annotated[int, Field(ge=2, le=20)] = 5
    val_share: InnerShare = 0.2
    seed: int = 0


def deal_folds(clips: pd.DataFrame, options: FoldOptions) -> pd.DataFrame:
    """The role of every clip in every fold, grouped and leaky.

    Args:
        clips: `clip_id`, `class`, `site`, and what makes blocks (`group`, `recorder_id`, `date`, `content_hash`).
    Returns:
        `split` (`by_site`, `leaky_index_shuffle`), `fold`, `clip_id`, `role` (`train`, `val`, `test`); each clip is
        `test` in exactly one fold of each split. The order of rows in `clips` changes nothing.
    Raises:
        InputError: a block reaches over two sites, there are too few groups, or a class is missing from training.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True).assign(block=lambda table: blocks(table))
    fold = _grouped_folds(ordered, options)
    order = rng_for(options.seed, "features leaky").permutation(len(ordered))
    names = sorted(set(fold))
    leaky = pd.Series(
        np.array(names, dtype=object)[np.argsort(order) % len(names)], index=ordered.index, dtype="str"
    )
    alone = ordered.clip_id
    parts = [
        *(_roles(BY_SITE, name, ordered, fold == name, ordered.block, options) for name in names),
        *(_roles(LEAKY, name, ordered, leaky == name, alone, options) for name in names),
    ]
    folds = pd.concat(parts, ignore_index=True)
    _check_training(folds, ordered)
    return folds


def keep_sites_whole(folds: pd.DataFrame, clips: pd.DataFrame) -> bool:
    """Whether the honest folds never divide a site, so that what is tested comes from sites not trained on.

    Args:
        folds: from `deal_folds`.
        clips: the same clips, `clip_id` and `site`.
    """
    tested = folds[(folds.split == BY_SITE) & (folds.role == "test")]
    sited = tested.merge(clips[["clip_id", "site"]], on="clip_id")
    return bool(sited.site.notna().all() and (sited.groupby("site").fold.nunique() == 1).all())


def _grouped_folds(clips: pd.DataFrame, options: FoldOptions) -> pd.Series:
    """The fold in which each clip is tested."""
    sites = clips.site.astype("object").where(clips.site.notna(), "(no site)")
    by = options.folds_by or ("site" if clips.site.nunique() >= 2 else "group")
    if by == "group":
        return _dealt(clips, clips.block, options)
    problems = Problems("The folds")
    torn = clips.assign(of=sites).groupby("block").of.agg(lambda names: sorted(set(names)))
    cases = [f"{block}: {', '.join(names)}" for block, names in torn.items() if len(names) > 1]
    problems.add(
        "group that reaches over sites",
        cases,
        "Clips of one group are never divided: correct site or group, or set folds_by: group.",
    )
    if len(set(sites)) < 2:
        problems.add(
            "fewer than two sites", [", ".join(set(sites))], "Set features.splits.folds_by to group."
        )
    problems.raise_if_any()
    return sites.astype("str") if len(set(sites)) <= options.n_folds else _dealt(clips, sites, options)


def _dealt(clips: pd.DataFrame, units: pd.Series, options: FoldOptions) -> pd.Series:
    """Units to folds: the largest first, each to the fold that has fewest clips of its classes."""
    sizes = pd.crosstab(units, clips["class"])
    if len(sizes) < 2:
        problems = Problems("The folds")
        problems.add(
            "too few groups",
            [f"{len(sizes)}"],
            "Testing on what training has not heard needs two groups or more.",
        )
        problems.raise_if_any()
    names = [f"fold {number}" for number in range(1, min(options.n_folds, len(sizes)) + 1)]
    order = sorted(
        sizes.index, key=lambda unit: (-sizes.loc[unit].sum(), unit_hash(options.seed, "fold", str(unit)))
    )
    held = np.zeros((len(names), sizes.shape[1]))
    fold_of = {}
    for unit in order:
        row = sizes.loc[unit].to_numpy()
        place = int(np.lexsort((held.sum(axis=1), (held * (row > 0)).sum(axis=1)))[0])
        held[place] += row
        fold_of[unit] = names[place]
    return units.map(fold_of).astype("str")


def _roles(
    split: str, fold: str, clips: pd.DataFrame, is_test: pd.Series, units: pd.Series, options: FoldOptions
) -> pd.DataFrame:
    is_val = _validation(clips[~is_test], units[~is_test], fold, options).reindex(
        clips.index, fill_value=False
    )
    role = np.where(is_test, "test", np.where(is_val, "val", "train"))
    return pd.DataFrame({"split": split, "fold": fold, "clip_id": clips.clip_id, "role": role})[list(COLUMNS)]


def _validation(clips: pd.DataFrame, units: pd.Series, fold: str, options: FoldOptions) -> pd.Series:
    """Whole units of each class in turn, in a stable hash order, up to the wanted share; never all of a class.

    A unit may hold clips of several classes, as a night of a site does, so none may be taken away from any of them.
    """
    chosen: set[str] = set()
    classes = set(clips["class"])
    for name in sorted(classes):
        own = units[clips["class"] == name]
        wanted = options.val_share * len(own)
        for unit in sorted(set(own), key=lambda unit: unit_hash(options.seed, "validation", fold, unit)):
            if own.isin(chosen).sum() >= wanted:
                break
            left = clips["class"][~units.isin(chosen | {unit})]
            if set(left) == classes:
                chosen.add(unit)
    return units.isin(chosen)


def _check_training(folds: pd.DataFrame, clips: pd.DataFrame) -> None:
    grouped = folds[folds.split == BY_SITE].merge(clips[["clip_id", "class"]], on="clip_id")
    problems = Problems("The folds")
    names = sorted(clips["class"].unique())
    cases, without = [], []
    for fold, rows in grouped.groupby("fold"):
        trained = set(rows["class"][rows.role == "train"])
        cases += [f"{name} when {fold} is tested" for name in names if name not in trained]
        if not (rows.role == "val").any():
            without.append(str(fold))
    problems.add(
        "class that training never hears",
        cases,
        "It occurs at one site or in one group only: drop or merge it in features.classes, or set folds_by: group.",
    )
    problems.add("fold without validation clips", without, "Give groups of fewer clips, or more of them.")
    problems.raise_if_any()
