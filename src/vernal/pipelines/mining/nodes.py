"""Choose pools, train a miner that never saw them, score them, and rank what they hold."""

from collections.abc import Iterator

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.clips import mining, sampling
from vernal.clips.mining import MiningOptions
from vernal.clips.overlap import drop_held_out
from vernal.common.workers import n_workers
from vernal.field import confusers
from vernal.sweeps.point_settings import PointSettings, fit_hash
from vernal.training import fitting, scoring
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.fitting import TrainingOptions
from vernal.training.head_library import HeadLibrary
from vernal.training.sets import FIT, STOP

EXCLUDED_COLUMNS = ("clip_id", "source", "file_path", "start_s", "reason")
POOL_OF_SOURCE = {"labelled": "low_quality", "field": "field", "unlabelled": "unlabelled"}


def choose_pools(
    clips: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The clips that train the miner, the pools it may score, and what had to leave them.

    Field and unlabelled clips that share audio, group or night with a validation or test clip leave with the
    reason. A pool that the miner was trained on, or that reaches into a held-out split, is refused.
    """
    miner_clips = mining.miner_training_clips(splits)
    external = clips[clips.source != "labelled"]
    kept, dropped = drop_held_out(external, splits)
    pools = pd.concat([mining.low_quality_pool(splits), kept])
    pools = pools.assign(pool=pools.source.map(POOL_OF_SOURCE)).sort_values("clip_id", ignore_index=True)
    mining.assert_pool_is_unseen(pools, miner_clips, splits)
    excluded = dropped.reindex(columns=list(EXCLUDED_COLUMNS))
    return miner_clips, pools, excluded.sort_values("clip_id", ignore_index=True)


def train_miner(
    miner_clips: pd.DataFrame,
    store: EmbeddingStore,
    known: HeadLibrary,
    settings: PointSettings,
    audio: EmbeddingOptions,
    options: TrainingOptions,
    workers: int | None,
) -> Iterator[list[FittedHead | FailedHead]]:
    """Train the miner, unless the library has it; its workers are left to the points, which are trained next."""
    fits = miner_fits(miner_clips, settings, audio, options)
    for result in fitting.train_missing(
        fits, known, miner_clips, store, options, n_workers(workers), keep_workers=True
    ):
        yield [result]
    yield []


def score_pools(
    pools: pd.DataFrame,
    miner_clips: pd.DataFrame,
    library: HeadLibrary,
    store: EmbeddingStore,
    settings: PointSettings,
    audio: EmbeddingOptions,
    options: TrainingOptions,
) -> pd.DataFrame:
    """The miner's logit for every clip of every pool."""
    columns = [
        "clip_id",
        "pool",
        "source",
        "content_hash",
        "file_path",
        "start_s",
        "end_s",
        "recorder_id",
        "date",
        "night",
    ]
    if pools.empty:
        return pools.reindex(columns=[*columns, "is_positive", "quality", "split", "logit"])
    (fit,) = miner_fits(miner_clips, settings, audio, options)
    logits = scoring.clip_logits([library.load(fit.key).head], pools, fit.audio, store)[0]
    return pools[[*columns, "is_positive", "quality", "split"]].assign(logit=logits)


def miner_fits(
    miner_clips: pd.DataFrame, settings: PointSettings, audio: EmbeddingOptions, options: TrainingOptions
) -> list[fitting.Fit]:
    """The miner as a training to be done: its settings are a point's, its clips are given."""
    chosen = sampling.balance(miner_clips, settings.seed) if settings.balance else miner_clips
    train, stop = sampling.validation_split(chosen, settings.seed)
    parts = [
        table[["clip_id", "is_positive"]].assign(role=role) for table, role in ((train, FIT), (stop, STOP))
    ]
    identity = fit_hash(settings)
    plan = pd.DataFrame([{"fit_hash": identity, **settings.as_row()}])
    sets = pd.concat(parts).assign(fit_hash=identity)
    return fitting.list_fits(plan, sets, miner_clips, audio, options.backend)


def rank_pools(
    pool_scores: pd.DataFrame,
    season_clips: pd.DataFrame,
    all_clips: pd.DataFrame,
    store: EmbeddingStore,
    audio: EmbeddingOptions,
    options: MiningOptions,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Best low-quality positives, hard negatives, what was set aside as more of the same, candidates for review."""
    pools = {name: pool_scores[pool_scores.pool == name] for name in POOL_OF_SOURCE.values()}
    clips = all_clips.set_index("clip_id", drop=False)
    without_target = pd.concat([pools["field"], season_clips], join="inner", ignore_index=True)
    held = _confusers(clips.loc[without_target.clip_id].reset_index(drop=True), options, audio, store)
    field, aside = mining.thin_hard_negatives(
        without_target.drop(columns="split"),
        lambda rows: scoring.clip_vectors(clips.loc[rows.clip_id].reset_index(drop=True), audio, store),
        options,
        held,
    )
    unlabelled = pools["unlabelled"].drop(columns="split")
    return (
        mining.best_low_quality(pools["low_quality"], options),
        mining.hard_negatives(field, options, held),
        aside,
        mining.review_candidates(unlabelled, options, field),
    )


def _confusers(
    clips: pd.DataFrame, options: MiningOptions, audio: EmbeddingOptions, store: EmbeddingStore
) -> dict[str, set[str]]:
    """Which clips hold named confusers, by subset; none where BirdNET's classes cannot be read."""
    species = {name: mining.named_species(given) for name, given in options.confusers.items()}
    if species and not confusers.can_be_read(audio, "mining.confusers"):
        return {name: set() for name in species}
    return confusers.clips_that_hold(clips, species, options.confuser_confidence, audio, store)
