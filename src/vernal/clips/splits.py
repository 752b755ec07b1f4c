"""Who is allowed to see what: every labelled clip is given to one split, in blocks that belong together.

Whole sites are held out as `test_ood`. Elsewhere the nights of each site are dealt by a stable hash, so that no night
is shared and the answer is the same on every system and in every order. Among many deals the first is taken that gives
each split clips of both classes.
"""

from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.manifest import SEALED, SPLITS
from vernal.common.hashing import unit_hash
from vernal.common.names import folded
from vernal.common.problems import InputError, Problems, suggest
from vernal.common.settings import ShareBelowOne, settings

COUNTED_BY = ("label", "quality", "call_type", "recorder_id", "site")
PLACE_TRAINS, NIGHT_TRAINS = "place_in_training", "night_in_training"
YES, NO, NOT_GIVEN = "yes", "no", "not given"
DEALS = 2_000  # deals that are tried
MOST_DRAWS = 1_000_000  # draws of a block, over all deals
# A split has enough of a class with this part of its expected share; clips that train are the last to spare.
ENOUGH, ENOUGH_TO_TRAIN = 0.5, 0.75


@settings("quality_splitting")
class SplitOptions:
    """How clips are dealt.

    `test_ood_sites`: names of the sites held out; null: the last site in a stable hash order that leaves both classes
    on both sides, when there are three or more. `sealed_sites`: sites that no stage looks at (split `sealed`).
    `test_iid_share` and `val_share`: expected shares of the nights, in [0, 1). `seed` chooses another deal.
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


def assign_splits(
    clips: pd.DataFrame, options: SplitOptions, states: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Give every clip a split.

    Args:
        clips: labelled clips with `clip_id`, `content_hash`, `is_positive`, `site`, `recorder_id`, `night`, `group`,
            `split`.
        options: shares and held-out sites.
        states: what is known of several classes, one column a class and a row a clip (1 there, 0 absent, NaN
            unknown), so that one deal gives each of them both sides; None: the class is `is_positive`.
    Returns:
        The same rows sorted by `clip_id`, with `split` filled and `block`, the name of the group of clips
        that are never divided (see `blocks`).
    Raises:
        InputError: a named site does not occur, or a block is asked to be in two places.
    """
    states = clips[["is_positive"]] if states is None else states
    states = states.loc[clips.sort_values("clip_id").index].reset_index(drop=True)
    ordered = clips.sort_values("clip_id", ignore_index=True)
    ordered["block"] = blocks(ordered)
    held_out = held_out_sites(ordered, options, states)
    given = ordered.split.groupby(ordered.block).agg(lambda column: sorted(set(column.dropna())))
    whole = dict.fromkeys(held_out, "test_ood") | dict.fromkeys(_spelled(options.sealed, ordered), SEALED)
    named = ordered.site.map(whole).astype("str").fillna("")
    places = named.groupby(ordered.block).agg(lambda column: sorted(set(column)))

    problems = Problems("The split")
    twice = [f"{name}: {', '.join(splits)}" for name, splits in given.items() if len(splits) > 1]
    problems.add(
        "block given to several splits",
        twice,
        "A night of a site, a group and a file stay in one split; correct the split column.",
    )
    free = given.map(len) == 0
    torn = [str(name) for name in places.index[(places.map(len) > 1) & free]]
    problems.add(
        "block reaches into a held-out site",
        torn,
        "Give such a group a split of its own, or divide it at the site.",
    )
    problems.raise_if_any()

    fixed = {str(name): splits[0] if splits else places[str(name)][0] for name, splits in given.items()}
    dealt = _deal_all(ordered.block, states, {name: split for name, split in fixed.items() if split}, options)
    return ordered.assign(split=ordered.block.map(dealt).astype("str"))


def blocks(clips: pd.DataFrame) -> pd.Series:
    """Name the block of each clip: what is linked by group, by place and night, or by audio content.

    A night is that of the site where one is known, since recorders at one site share its weather and animals, else
    that of the recorder. Clips of a recorder whose night is unknown are one block. A block is named by the smallest of
    the keys that it links, which does not depend on the rows' order.

    Args:
        clips: `group`, `site`, `recorder_id`, `night` (each missing where unknown) and `content_hash`.
    """
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    columns = ["group", "site", "recorder_id", "night", "content_hash"]
    keys = [_keys(*row) for row in clips[columns].itertuples(index=False)]
    for linked in keys:
        for other in linked[1:]:
            first, second = sorted((find(linked[0]), find(other)))
            parent[second] = first
    return pd.Series([find(linked[0]) for linked in keys], index=clips.index, dtype="str")


def _keys(group: Any, site: Any, recorder: Any, night: Any, content_hash: str) -> list[str]:
    """The keys of one clip. Spelled so that those a person knows sort first and name the block."""
    keys = []
    place = recorder if pd.isna(site) else site
    if not pd.isna(night) and not pd.isna(place):
        keys.append(f"{place} {night}")
    elif not pd.isna(recorder):
        keys.append(f"{recorder} at an unknown time")
    if not pd.isna(group):
        keys.append(f"group {group}")
    return [*keys, f"~{content_hash}"]


def _spelled(sites: list[str], clips: pd.DataFrame) -> list[str]:
    """Sites that a person named, as the clips spell them."""
    spelling = {folded(site): site for site in sorted(clips.site.dropna().unique())}
    return [spelling.get(folded(site), site) for site in sites]


def held_out_sites(
    clips: pd.DataFrame, options: SplitOptions, states: pd.DataFrame | None = None
) -> list[str]:
    """The sites that no training clip comes from: as named, else one chosen by stable hash.

    Of several classes (`states`, as for `assign_splits`), the site leaves both sides to as many as can be.

    Raises:
        InputError: a named site does not occur in the manifest.
    """
    present = sorted(clips.site.dropna().unique())
    named = None if options.named_sites is None else _spelled(options.named_sites, clips)
    sealed = _spelled(options.sealed, clips)
    problems = Problems("quality_splitting")
    for setting, sites in (("test_ood_sites", named or []), ("sealed_sites", sealed)):
        unknown = [f"{site!r} ({suggest(site, present)})" for site in sites if site not in present]
        problems.add(f"{setting} names sites that the manifest does not have", unknown, "Correct the names.")
    both = sorted(set(named or []) & set(sealed))
    problems.add("site both sealed and test_ood", both, "Name it in one of sealed_sites and test_ood_sites.")
    problems.raise_if_any()
    if named is not None:
        return named
    open_sites = [site for site in present if site not in sealed]
    if len(open_sites) < 3:
        return []
    ordered = sorted(open_sites, key=lambda site: unit_hash("quality_splitting", site), reverse=True)
    is_open = clips.site.isin(open_sites)
    known = (clips[["is_positive"]] if states is None else states)[is_open]
    served = {site: _n_served(known, clips.site[is_open] == site) for site in ordered}
    best = max(served.values())
    return [next(site for site in ordered if served[site] == best)] if best else []


def _n_served(states: pd.DataFrame, is_there: pd.Series) -> int:
    """Classes of which both the clips there and the others hold some that have it and some that lack it."""
    both = [states[part].nunique() == 2 for part in (is_there, ~is_there)]
    return int((both[0] & both[1]).sum())


def _deal_all(
    block: pd.Series, states: pd.DataFrame, fixed: dict[str, str], options: SplitOptions
) -> dict[str, str]:
    """The split of every block: as fixed, else by hash, such that each split gets its share of both sides.

    Deals are tried in a fixed order and the first that is good enough is taken, else the best. A deal depends on the
    names of blocks alone, so a large collection keeps the first one, and a night that is added later moves no other.
    """
    sides = {(name, side): states[name] == side for name in states for side in (1, 0)}
    counts = pd.DataFrame(sides).groupby(block.to_numpy()).sum()
    free = sorted(set(map(str, counts.index)) - set(fixed))
    if not free:
        return dict(fixed)
    shares = {"train": 1 - options.test_iid_share - options.val_share, "val": options.val_share}
    shares = {
        name: share for name, share in (shares | {"test_iid": options.test_iid_share}).items() if share > 0
    }
    dealable = counts[[fixed.get(str(name), "train") in shares for name in counts.index]]
    enough = [share * (ENOUGH_TO_TRAIN if name == "train" else ENOUGH) for name, share in shares.items()]
    wanted = np.outer(enough, dealable.sum().to_numpy())
    best: dict[str, str] = dict(fixed)
    best_score: tuple[float, ...] = (-1.0,)
    numbers = dealable.to_numpy(dtype=float)
    for attempt in range(max(1, min(DEALS, MOST_DRAWS // len(free)))):
        dealt = fixed | {block: _deal(block, options, attempt) for block in free}
        place = np.array([dealt[str(name)] for name in dealable.index])
        got = np.array([numbers[place == name].sum(axis=0) for name in shares])
        score = _score(got, wanted)
        if score > best_score:
            best, best_score = dealt, score
        if (got >= wanted).all() and (got > 0).all():
            break
    return best


def _score(got: np.ndarray, wanted: np.ndarray) -> tuple[float, ...]:
    """How good a deal is: first both classes to train on, then the number of filled cells, then shares.

    Args:
        got, wanted: (n_splits, 2 n_classes) clips that have and that lack each class, `train` first.
    """
    reached = np.minimum(1.0, got / np.maximum(wanted, 1e-9))
    return float((got[0] > 0).sum()), float((got > 0).sum()), float(reached.min()), float(reached.sum())


def _deal(block: str, options: SplitOptions, attempt: int = 0) -> str:
    draw = unit_hash("split", options.seed, *([attempt] if attempt else []), block)
    if draw < options.test_iid_share:
        return "test_iid"
    if draw < options.test_iid_share + options.val_share:
        return "val"
    return "train"


def refuse_unusable(splits: pd.DataFrame) -> None:
    """Stop before anything long when nothing could be trained, or nothing could be said of what was trained.

    Raises:
        InputError: a class has a single clip, the train split lacks one, or every clip is in it or sealed.
    """
    if not len(splits):
        return
    unsealed = splits.is_positive[splits.split != SEALED]
    for word, n in (("positive", unsealed.sum()), ("negative", (~unsealed.astype(bool)).sum())):
        if n == 1:
            raise InputError(
                f"Only one of {len(unsealed):,} clips is {word}. A classifier has to learn from some and to be tried "
                f"on others: list {word} clips of at least two nights, ten or more of them for a first impression."
            )
    counts = splits.split.value_counts()
    shown = ", ".join(f"{name} {counts[name]:,}" for name in SPLITS if name in counts)
    classes = splits[splits.split == "train"].is_positive
    lacking = [
        word
        for word, is_there in (("positive", classes.any()), ("negative", (~classes).any()))
        if not is_there
    ]
    if lacking:
        raise InputError(
            f"No {' and no '.join(lacking)} clip is in the train split ({shown}), so nothing can be learnt. {_REMEDY}"
        )
    if set(counts.index) - {"train", SEALED}:
        return
    if splits.block[splits.split != SEALED].nunique() == 1:
        raise InputError(
            f"All {counts['train']:,} clips are of one night ({splits.block.iloc[0]}), or linked by their group or "
            "file, and are never divided. A classifier could learn from them, but nothing could be said about it: "
            "label clips of a second night, and of a third for a threshold. To find calls in recordings "
            "of other nights: `kedro run --pipeline=listening` with source.unlabelled, then `kedro review --loop`."
        )
    raise InputError(
        f"No clip is in a validation or test split ({shown}), so nothing could be said about a classifier. {_REMEDY}"
    )


_REMEDY = (
    "Clips of one night at one site stay together, and so do clips of a recorder whose night is unknown. Give the "
    "nights (date, time or night) where they are missing, name a site in quality_splitting.test_ood_sites, raise "
    "val_share and test_iid_share, or fill the manifest's split column with train, val, test_iid and test_ood."
)


def missing_classes(splits: pd.DataFrame, options: SplitOptions) -> list[str]:
    """What a split lacks, each in a sentence with what would mend it; empty where every split has both classes."""
    said = []
    for name in SPLITS[1:]:
        own = splits.is_positive[splits.split == name]
        if name == SEALED or own.nunique() == 2:
            continue
        what = "no clip" if own.empty else "no positive clip" if not own.any() else "no negative clip"
        remedy = _remedy(name, splits, options)
        if remedy:
            said.append(f"{name} has {what}, so {_WITHOUT[name]}. {remedy}")
    return said


_WITHOUT = {
    "val": "no threshold can be chosen",
    "test_iid": "other nights at the same places are not tested",
    "test_ood": "no new site is tested",
}


def _remedy(name: str, splits: pd.DataFrame, options: SplitOptions) -> str:
    if name != "test_ood":
        share = f"{name}_share"
        if getattr(options, share) == 0:
            return ""
        return f"More nights with both classes, a higher quality_splitting.{share}, or the split column mend that."
    both = splits.dropna(subset="site").groupby("site").is_positive.nunique()
    sites = sorted(both.index[both == 2])
    if len(sites) < 2:
        n_sites = splits.site.nunique()
        return "" if n_sites < 2 else "It takes two sites that both have clips of both classes."
    return (
        f"Set quality_splitting.test_ood_sites to one of the sites with both classes: {', '.join(sites[:8])}."
    )


def count_splits(splits: pd.DataFrame) -> pd.DataFrame:
    """Count clips per split by label, quality, call type, recorder and site, and by what training knows of them.

    Whether a clip's place (site, else recorder) and its night there also train is `place_in_training` and
    `night_in_training`: yes, no or not given.

    Returns:
        Long table: `split`, `by`, `value` ('' = all, missing values as 'not given'), `n_positive`, `n_negative`,
        `n_blocks`; splits in the order train, val, test_iid, test_ood, each always present,
        then `sealed` where there is one.
    """
    seen = splits.assign(all="", **_seen_in_training(splits))
    tables = [_count(seen, by) for by in ("all", *COUNTED_BY, PLACE_TRAINS, NIGHT_TRAINS) if by in seen]
    counts = pd.concat(tables, ignore_index=True)
    empty = [name for name in SPLITS if name != SEALED and name not in set(splits.split)]
    zeros = pd.DataFrame(
        {"split": empty, "by": "all", "value": "", "n_positive": 0, "n_negative": 0, "n_blocks": 0}
    )
    counts = pd.concat([counts, zeros], ignore_index=True) if empty else counts
    rank = counts.split.map({name: position for position, name in enumerate(SPLITS)})
    order = counts.assign(rank=rank).sort_values(["rank", "by", "value"], kind="stable").index
    return counts.loc[order].reset_index(drop=True)


def _seen_in_training(splits: pd.DataFrame) -> dict[str, pd.Series]:
    trains = splits.split == "train"
    place = splits.site.fillna(splits.recorder_id)
    night = place + " " + splits.night
    place_seen = place.isin(place[trains].dropna())
    # A training clip of unknown night may be of any night of its place.
    is_open = place.isna() | (place_seen & (night.isna() | place.isin(place[trains & night.isna()])))
    night_seen = night.isin(night[trains].dropna())
    words = {True: YES, False: NO}
    return {
        PLACE_TRAINS: place_seen.map(words).where(place.notna()),
        NIGHT_TRAINS: night_seen.map(words).where(night_seen | ~is_open),
    }


def _count(splits: pd.DataFrame, by: str) -> pd.DataFrame:
    values = splits[by].astype("str").fillna(NOT_GIVEN)
    grouped = splits.assign(value=values, negative=~splits.is_positive).groupby(["split", "value"], sort=True)
    counts = grouped.agg(
        n_positive=("is_positive", "sum"), n_negative=("negative", "sum"), n_blocks=("block", "nunique")
    )
    return counts.reset_index().assign(by=by)[
        ["split", "by", "value", "n_positive", "n_negative", "n_blocks"]
    ]
