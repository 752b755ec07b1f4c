"""The command that trains on a collection, with the split settings that leave both classes in every test."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from vernal.clips.labels import classes_in
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.problem_card import ProblemCard
from vernal.clips.splits import SplitOptions, assign_splits, blocks
from vernal.common.names import CLASS_DIVIDER

DEFAULT_CARD = "conf/base/problem.yml"
# Larger shares are tried for small collections, whose usual ones hold no clip of a class.
_SHARES = (SplitOptions.test_iid_share, 0.2, 0.3)


def has_both_classes(manifest: pd.DataFrame, card: ProblemCard) -> bool:
    """Whether there is something to train on: clips with the target and clips without."""
    return (manifest.label == card.target).nunique() == 2


def training_command(
    manifest: pd.DataFrame, card: ProblemCard, places: dict[str, str], common: str, nights: NightOptions
) -> str:
    """The whole command; empty where there is nothing to train on, or all clips are of one night and none can test.

    Args:
        manifest: the collection's.
        card: the classes.
        places: `source.manifest` and `source.audio_root`.
        common: as `common_params` gives them.
        nights: as the split takes them.
    """
    if not has_both_classes(manifest, card) or blocks(_as_clips(manifest, card, nights)).nunique() == 1:
        return ""
    own = [f"{name}={value}" for name, value in (places | split_settings(manifest, card, nights)).items()]
    return f'kedro run --params="{",".join([*own, common])}"'


def targets_param(manifest: pd.DataFrame, card: ProblemCard, names: Sequence[str]) -> str:
    """The targets that a manifest of several classes can train, as `--params` has them; empty for one target.

    Args:
        names: classes that the labels speak of. If a label names the card's target alone, it is trained alone, and
            labels are read as the card says.
    """
    if not names:
        return ""
    found = classes_in(manifest.label)
    trained = [name for name in names if name in found]
    reading = f"labels.labelling={card.labelling},labels.world={card.world}"
    if len(trained) > 1:
        # A card that a person wrote says by itself how labels are read.
        several = f"targets={CLASS_DIVIDER.join(trained)}"
        return several if card.performance else f"{several},{reading}"
    return f"target={card.target},{reading}"


def common_params(card: ProblemCard, problem: str, data_root: str, targets: str = "") -> str:
    """What every command on a collection needs: its data folder, targets, and problem card, if not the usual file."""
    own_card = [] if problem.endswith(DEFAULT_CARD) else [f"collection.problem={problem}"]
    return ",".join([targets or f"target={card.target}", *own_card, f"data_root={data_root}"])


def split_settings(manifest: pd.DataFrame, card: ProblemCard, nights: NightOptions) -> dict[str, str]:
    """The settings of the first split that has both classes in every part; those that are not the default.

    Where no split has, the one of most such parts.
    """
    clips = _as_clips(manifest, card, nights)
    best, most = SplitOptions(), -1
    for options in _candidates(clips):
        dealt = assign_splits(clips, options)
        n_filled = int((dealt.groupby("split").is_positive.nunique() == 2).sum())
        if n_filled > most:
            best, most = options, n_filled
        if n_filled == (4 if _n_sites(clips) > 1 else 3):
            break
    usual = asdict(SplitOptions())
    return {
        f"quality_splitting.{name}": str(value)
        for name, value in asdict(best).items()
        if value != usual[name]
    }


def _as_clips(manifest: pd.DataFrame, card: ProblemCard, nights: NightOptions) -> pd.DataFrame:
    """The manifest as the split takes it."""
    return with_nights(manifest, nights).assign(
        is_positive=manifest.label == card.target,
        clip_id=[f"{row:08d}" for row in range(len(manifest))],
        content_hash=[PurePosixPath(path).stem for path in manifest.file_path],
        split=pd.Series(np.nan, index=manifest.index, dtype="str"),
    )


def _candidates(clips: pd.DataFrame) -> Iterator[SplitOptions]:
    # Of three sites or more the project holds one out by itself.
    sites = [None, *_sites_of_both(clips)] if _n_sites(clips) == 2 else [None]
    for share, site in product(_SHARES, sites):
        val_share = max(share, SplitOptions.val_share)
        yield SplitOptions(test_ood_sites=site, test_iid_share=share, val_share=val_share)


def _n_sites(clips: pd.DataFrame) -> int:
    return int(clips.site.nunique())


def _sites_of_both(clips: pd.DataFrame) -> list[str]:
    both = clips.groupby("site").is_positive.nunique()
    return [str(site) for site in both.index[both == 2] if not set(str(site)) & set(",=\"'")]
