"""Parts of the train split that are held out in turn, so that a configuration can be chosen without a test split.

A fold is to the classifiers that train without it what a test split is to the final ones: no clip of its sites (or of
its nights, where sites are too few) trains them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.clips.overlap import shares_audio, shares_clip, shares_group
from vernal.common.hashing import unit_hash

BY_SITES, BY_NIGHTS, BY_VALIDATION = "sites", "nights", "validation"
CHOOSE_BY = (BY_SITES, BY_NIGHTS, BY_VALIDATION)
LEAST_FOLDS = 3  # with two, each classifier would train on half
MOST_SITE_FOLDS, NIGHT_FOLDS = 10, 5
TRAIN, HELD_OUT = "train", "test_ood"


@dataclass(frozen=True)
class Folds:
    """Who is held out when.

    `by`: `sites`, `nights`, or `validation` where no folds are made. `clips`: `clip_id`, `is_positive` and `fold` of
    every clip that is held out once, sorted by `clip_id`; other clips of the train split always train. `reasons`: why
    it is not as asked, one sentence a step.
    """

    by: str
    clips: pd.DataFrame
    reasons: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The folds in order."""
        return sorted(set(self.clips.fold))

    def held_out(self, clips: pd.DataFrame, fold: str | None = None) -> pd.DataFrame:
        """Those of some clips that a fold holds out; without a name, that any does."""
        held = self.clips if fold is None else self.clips[self.clips.fold == fold]
        return clips[clips.clip_id.isin(held.clip_id)]


def folds_of(splits: pd.DataFrame, choose_by: str) -> Folds:
    """Deal the train split into folds that each hold both classes, as asked or by the next way that can be gone.

    Sites are held out one at a time (beyond ten, in ten groups), where at least three have both classes. Otherwise
    blocks (see `clips.splits.blocks`) are dealt into five folds, or as many as can hold both classes, three at
    least. The deal follows from the names of sites and blocks and their numbers of clips of the train split.

    Args:
        splits: `clip_id`, `is_positive`, `split`, `site`, `block`.
        choose_by: one of `CHOOSE_BY`.
    """
    train = splits[splits.split == TRAIN].sort_values("clip_id", ignore_index=True)
    reasons: list[str] = []
    for by in CHOOSE_BY[CHOOSE_BY.index(choose_by) : -1]:
        fold, lacking = _DEALERS[by](train)
        if not lacking:
            held = fold.notna()
            clips = train.loc[held, ["clip_id", "is_positive"]].assign(fold=fold[held].astype("str"))
            return Folds(by, clips.reset_index(drop=True), tuple(reasons))
        reasons.append(lacking)
    nobody = train.loc[[], ["clip_id", "is_positive"]].assign(fold=pd.Series(dtype="str"))
    return Folds(BY_VALIDATION, nobody, tuple(reasons))


def _by_sites(train: pd.DataFrame) -> tuple[pd.Series, str]:
    """The fold of each clip by its site, missing where it is always trained on; or why there are no folds."""
    site = train.site if "site" in train else pd.Series(np.nan, index=train.index, dtype="str")
    n_classes = train.is_positive.groupby(site).nunique()
    sites = sorted(n_classes.index[n_classes == 2].astype("str"))
    if len(sites) < LEAST_FOLDS:
        found = f"{len(sites)} of {site.nunique()} training sites" if site.nunique() else "no known site"
        return (
            site,
            f"sites cannot be left out in turn: {found} with clips of both classes, and it takes three",
        )
    if len(sites) <= MOST_SITE_FOLDS:
        return site.where(site.isin(sites)), ""
    dealt = _deal(train, site.where(site.isin(sites)), MOST_SITE_FOLDS)
    return site.map(dealt), ""


def _by_nights(train: pd.DataFrame) -> tuple[pd.Series, str]:
    for n_folds in range(NIGHT_FOLDS, LEAST_FOLDS - 1, -1):
        dealt = _deal(train, train.block, n_folds)
        fold = train.block.map(dealt)
        if fold.nunique() == n_folds and (train.is_positive.groupby(fold).nunique() == 2).all():
            return fold, ""
    positive, negative = (
        int(train.block[train.is_positive == is_positive].nunique()) for is_positive in (True, False)
    )
    found = f"positives of {positive} and negatives of {negative} nights or blocks"
    return train.block, f"nights cannot be left out in turn: {found} cannot be dealt into three folds"


_DEALERS: Mapping[str, Callable[[pd.DataFrame], tuple[pd.Series, str]]] = {
    BY_SITES: _by_sites,
    BY_NIGHTS: _by_nights,
}


def _deal(train: pd.DataFrame, part: pd.Series, n_folds: int) -> dict[str, str]:
    """Give every part (a site or block) a fold: the largest first, each to the fold that has least of its class."""
    positive = train.is_positive.astype(bool)
    counts = pd.DataFrame({"positive": positive, "negative": ~positive}).groupby(part).sum()
    totals = np.zeros((n_folds, 2))
    numbers = {str(name): row for name, row in zip(counts.index, counts.to_numpy(float), strict=True)}
    # Parts with positives first: they are what runs out.
    order = sorted(numbers, key=lambda name: (-numbers[name][0], -numbers[name][1], unit_hash("fold", name)))
    dealt = {}
    for name in order:
        rarer = 0 if numbers[name][0] else 1
        keys = [(totals[at, rarer], totals[at].sum(), at) for at in range(n_folds)]
        at = min(keys)[2]
        totals[at] += numbers[name]
        dealt[name] = f"fold {at + 1:02d}"
    return dealt


def without_fold(
    splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame], folds: Folds, fold: str
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """What may train while a fold is held out.

    Args:
        splits: labelled clips with their split.
        subsets: curated subsets by name.
    Returns:
        `splits` with the fold's clips, and what is related to them, as a test split; `subsets` without such clips.
        Related is what shares audio, group, block or night with the fold, and its site where sites are held out. A
        clip of an unknown site is of the fold's where its recorder stands there.
    """
    held = folds.held_out(splits, fold)
    open_to_training = splits.split.isin((TRAIN, "val"))
    related = _related(splits, held, folds.by)
    kept = {
        name: table[~_related(table, held, folds.by)] if len(table) else table
        for name, table in subsets.items()
    }
    return splits.assign(split=splits.split.mask(related & open_to_training, HELD_OUT)), kept


def _related(clips: pd.DataFrame, held: pd.DataFrame, by: str) -> pd.Series:
    related = shares_clip(clips, held) | shares_audio(clips, held) | shares_group(clips, held)
    related |= _shares(clips, held, ["block"])
    if by != BY_SITES:
        return related
    nowhere = clips.site.isna() if "site" in clips else pd.Series(True, index=clips.index)
    return related | _shares(clips, held, ["site"]) | (nowhere & _shares(clips, held, ["recorder_id"]))


def _shares(clips: pd.DataFrame, held: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    shared = pd.Series(False, index=clips.index)
    for column in set(columns) & set(clips) & set(held):
        shared |= clips[column].isin(held[column].dropna().unique())
    return shared
