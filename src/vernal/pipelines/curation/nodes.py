"""Make the subsets that points name, and on request a package of clips for people who train elsewhere."""

from dataclasses import field
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.clips import curation, sampling
from vernal.clips.training_package import MODES, TrainingPackage
from vernal.common.problems import InputError
from vernal.common.settings import Listed, one_of, settings
from vernal.common.workers import cores
from vernal.proof.near_duplicates import PAIRS, SUMMARY, find_pairs, search_key
from vernal.proof.options import ProofOptions
from vernal.sweeps.point_settings import PointSettings
from vernal.sweeps.setting_problems import settings_from
from vernal.web.review.decisions import to_annotations, to_reviews


def _as_point(given: dict) -> dict:
    """Settings of a point, checked now and not after hours; kept as they are."""
    try:
        settings_from(given, "curation.package_settings")
    except InputError as error:
        raise Listed([str(error)]) from error
    return given


@settings("curation")
class CurationOptions:
    """`package`: null writes none; `link` or `copy` writes the clips that `package_settings` (a point's
    settings: quality, subsets, balance, ...) choose as folders of audio, as BirdNET-Analyzer trains from."""

    package: Annotated[str, one_of(MODES)] | None = None
    package_settings: Annotated[dict, AfterValidator(_as_point)] = field(default_factory=dict)

    @property
    def chosen(self) -> PointSettings:
        """`package_settings`, checked."""
        return settings_from(self.package_settings, "curation.package_settings")


def gather_reviews(
    reviews: pd.DataFrame | None, review_log: pd.DataFrame, clips: pd.DataFrame, target: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What people said of the clips, from the review page and from a table of their own, and all as annotations."""
    gathered = curation.gather_reviews(reviews, to_reviews(review_log, target), clips)
    return gathered, to_annotations(review_log)


def curate(
    best_low_quality: dict[str, pd.DataFrame],
    hard_negatives: dict[str, pd.DataFrame],
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    reviews: pd.DataFrame | None,
    target: str,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """The curated subsets by name, every clip that a subset lost, with the reason, and who decided."""
    curated = curation.curated_subsets(best_low_quality, hard_negatives, clips, splits, reviews, target)
    return curated.kept, curated.dropped, curation.record_decisions(curated, reviews)


def choose_package(
    splits: pd.DataFrame,
    curated_subsets: dict[str, pd.DataFrame],
    audio_roots: dict[str, str],
    target: str,
    options: CurationOptions,
) -> TrainingPackage:
    """What the training package holds; without clips when nobody asked for one."""
    if options.package is None:
        return TrainingPackage(splits.iloc[:0], audio_roots, target, None)
    clips = sampling.training_clips(splits, curated_subsets, options.chosen)
    return TrainingPackage(clips, audio_roots, target, options.package)


def find_near_duplicates(
    splits: pd.DataFrame,
    audio_roots: dict[str, str],
    store: EmbeddingStore,
    audio: EmbeddingOptions,
    options: ProofOptions,
    known: dict[str, pd.DataFrame],
    workers: int | None,
) -> dict[str, pd.DataFrame]:
    """Recordings that are in two splits under other bytes; a search of the same clips is taken as it is."""
    key = search_key(splits, audio.settings_id, options)
    if SUMMARY in known and known[SUMMARY].key.tolist() == [key]:
        return known
    windows = plan_windows(splits, audio)
    split_of = dict(zip(splits.clip_id, splits.split, strict=True))
    x = store.load(audio, windows.key)
    pairs, counts = find_pairs(windows, x, split_of, audio_roots, options, workers or cores())
    return {PAIRS: pairs, SUMMARY: pd.DataFrame([{"key": key, **counts}])}
