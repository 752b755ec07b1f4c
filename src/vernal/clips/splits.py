"""Who is allowed to see what: every labelled clip is given to one split, in blocks that belong together.

Whole sites are held out as `test_ood`. Elsewhere each recorder's dates are dealt by a stable hash, so
that no night is shared, the answer is the same on every system and in every order, and a date that is
added later moves no other.
"""

from __future__ import annotations

import pandas as pd

from vernal.clips.manifest import SEALED, SPLITS
from vernal.common.hashing import unit_hash
from vernal.common.problems import InputError, Problems, suggest
from vernal.common.settings import ShareBelowOne, settings

COUNTED_BY = ("label", "quality", "call_type", "recorder_id", "site")


@settings("quality_splitting")
class SplitOptions:
    """How clips are dealt.

    `test_ood_sites`: names of the sites held out; null: the last site in a stable hash order when there
    are three or more. `sealed_sites`: sites that no stage looks at (split `sealed`). `test_iid_share` and
    `val_share`: expected shares of a recorder's dates, in [0, 1). `seed` chooses another deal.
    """

    test_ood_sites: list | str | int | None = None
    sealed_sites: list | str | int | None = None
    test_iid_share: ShareBelowOne = 0.08
    val_share: ShareBelowOne = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.test_iid_share + self.val_share >= 1:
            raise ValueError("test_iid_share and val_share leave nothing to train on")

    @property
    def named_sites(self) -> list[str] | None:
        """The held-out sites as text, or None when the project chooses."""
        return None if self.test_ood_sites is None else _as_names(self.test_ood_sites)

    @property
    def sealed(self) -> list[str]:
        """The sealed sites as text."""
        return [] if self.sealed_sites is None else _as_names(self.sealed_sites)


def _as_names(sites: list | str | int) -> list[str]:
    return [str(site) for site in (sites if isinstance(sites, list) else [sites])]


def assign_splits(clips: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Give every clip a split.

    Args:
        clips: labelled clips with `clip_id`, `content_hash`, `site`, `recorder_id`, `date`, `group`, `split`.
        options: shares and held-out sites.
    Returns:
        The same rows sorted by `clip_id`, with `split` filled and `block`, the name of the group of clips
        that are never divided: the same `group`, the same recorder and date, or the same audio file.
    Raises:
        InputError: a named site does not occur, or a block is asked to be in two places.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True)
    ordered["block"] = blocks(ordered)
    held_out = held_out_sites(ordered, options)
    given = ordered.split.groupby(ordered.block).agg(lambda column: sorted(set(column.dropna())))
    whole = dict.fromkeys(held_out, "test_ood") | dict.fromkeys(options.sealed, SEALED)
    places = ordered.site.map(whole).fillna("").groupby(ordered.block).agg(lambda column: sorted(set(column)))

    problems = Problems("The split")
    twice = [f"{name}: {', '.join(splits)}" for name, splits in given.items() if len(splits) > 1]
    problems.add(
        "block given to several splits",
        twice,
        "A recorder's night, a group and a file stay in one split; correct the split column.",
    )
    free = given.map(len) == 0
    torn = [str(name) for name in places.index[(places.map(len) > 1) & free]]
    problems.add(
        "block reaches into a held-out site",
        torn,
        "Give such a group a split of its own, or divide it at the site.",
    )
    problems.raise_if_any()

    dealt = {
        str(name): splits[0] if splits else (places[str(name)][0] or _deal(str(name), options))
        for name, splits in given.items()
    }
    return ordered.assign(split=ordered.block.map(dealt).astype("str"))


def blocks(clips: pd.DataFrame) -> pd.Series:
    """Name the block of each clip: what is linked by group, by recorder and date, or by audio content.

    A block is named by the smallest of the keys that it links, which does not depend on the rows' order.
    """
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    keys = [
        _keys(row) for row in clips[["group", "recorder_id", "date", "content_hash"]].itertuples(index=False)
    ]
    for linked in keys:
        for other in linked[1:]:
            first, second = sorted((find(linked[0]), find(other)))
            parent[second] = first
    return pd.Series([find(linked[0]) for linked in keys], index=clips.index, dtype="str")


def _keys(row: tuple) -> list[str]:
    """The keys of one clip. Spelled so that those a person knows sort first and name the block."""
    group, recorder, date, content_hash = row
    keys = []
    if not pd.isna(recorder) and not pd.isna(date):
        keys.append(f"{recorder} {date}")
    if not pd.isna(group):
        keys.append(f"group {group}")
    return [*keys, f"~{content_hash}"]


def held_out_sites(clips: pd.DataFrame, options: SplitOptions) -> list[str]:
    """The sites that no training clip comes from: as named, else one chosen by stable hash.

    Raises:
        InputError: a named site does not occur in the manifest.
    """
    present = sorted(clips.site.dropna().unique())
    named = options.named_sites
    problems = Problems("quality_splitting")
    for setting, sites in (("test_ood_sites", named or []), ("sealed_sites", options.sealed)):
        unknown = [f"{site!r} ({suggest(site, present)})" for site in sites if site not in present]
        problems.add(f"{setting} names sites that the manifest does not have", unknown, "Correct the names.")
    both = sorted(set(named or []) & set(options.sealed))
    problems.add("site both sealed and test_ood", both, "Name it in one of sealed_sites and test_ood_sites.")
    problems.raise_if_any()
    if named is not None:
        return named
    open_sites = [site for site in present if site not in options.sealed]
    if len(open_sites) < 3:
        return []
    return [max(open_sites, key=lambda site: unit_hash("quality_splitting", site))]


def _deal(block: str, options: SplitOptions) -> str:
    draw = unit_hash("split", options.seed, block)
    if draw < options.test_iid_share:
        return "test_iid"
    if draw < options.test_iid_share + options.val_share:
        return "val"
    return "train"


def refuse_untested(splits: pd.DataFrame) -> None:
    """Stop before training when no clip would tell what a classifier is worth.

    Raises:
        InputError: every clip is in the train split, or sealed.
    """
    counts = splits.split.value_counts()
    if not len(splits) or set(counts.index) - {"train", SEALED}:
        return
    found = ", ".join(f"{name} {counts[name]:,}" for name in SPLITS if name in counts)
    raise InputError(
        f"No clip is in a validation or test split ({found}), so nothing could be said about a classifier. Name a "
        "site in quality_splitting.test_ood_sites, raise val_share and test_iid_share, or fill the manifest's "
        "split column with val, test_iid and test_ood too."
    )


def count_splits(splits: pd.DataFrame) -> pd.DataFrame:
    """Count clips per split by label, quality, call type, recorder and site.

    Returns:
        Long table: `split`, `by`, `value` ('' = all, missing values as 'not given'), `n_positive`, `n_negative`,
        `n_blocks`; splits in the order train, val, test_iid, test_ood, each always present,
        then `sealed` where there is one.
    """
    tables = [_count(splits.assign(all=""), "all")] + [
        _count(splits, by) for by in COUNTED_BY if by in splits
    ]
    counts = pd.concat(tables, ignore_index=True)
    empty = [name for name in SPLITS if name != SEALED and name not in set(splits.split)]
    zeros = pd.DataFrame(
        {"split": empty, "by": "all", "value": "", "n_positive": 0, "n_negative": 0, "n_blocks": 0}
    )
    counts = pd.concat([counts, zeros], ignore_index=True) if empty else counts
    rank = counts.split.map({name: position for position, name in enumerate(SPLITS)})
    order = counts.assign(rank=rank).sort_values(["rank", "by", "value"], kind="stable").index
    return counts.loc[order].reset_index(drop=True)


def _count(splits: pd.DataFrame, by: str) -> pd.DataFrame:
    values = splits[by].astype("str").fillna("not given")
    grouped = splits.assign(value=values, negative=~splits.is_positive).groupby(["split", "value"], sort=True)
    counts = grouped.agg(
        n_positive=("is_positive", "sum"), n_negative=("negative", "sum"), n_blocks=("block", "nunique")
    )
    return counts.reset_index().assign(by=by)[
        ["split", "by", "value", "n_positive", "n_negative", "n_blocks"]
    ]
