"""From a plan and its folds to fits: which have to be trained, under which key, and their logits put together.

Everything that a fit's weights depend on goes into its key, and nothing else does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.common.hashing import digest
from vernal.studies.features.extraction import sequence_keys
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fitting import FailedFit, FitTask, TrainedNetwork, fit_networks
from vernal.studies.features.options import FeatureOptions, Kind, kinds_of
from vernal.studies.features.point_settings import PointOptions, point_options
from vernal.studies.features.rows import records

if TYPE_CHECKING:
    from vernal.training.train import FitJob

# To be raised when the same inputs train to other weights than before.
TRAINER_REVISION = 1


@dataclass(frozen=True, eq=False)
class PlannedFit:
    """One training: a configuration with a seed, on one fold. `clips` are all labelled clips by `clip_id`, with
    `class`, `role` in this fold and the `key` of their features."""

    key: str
    config_hash: str
    options: PointOptions
    fold: str
    clips: pd.DataFrame


def classes_of(clips: pd.DataFrame) -> list[str]:
    """The classes in the order of logits."""
    return sorted(clips["class"].unique())


def wanted_kinds(plan: pd.DataFrame) -> list[Kind]:
    """What a plan's points read from the feature store."""
    points = [point_options(row) for row in records(plan)]
    return sorted(
        {kind for point in points if not point.is_birdnet for kind in kinds_of(point.feature, point.sync)}
    )


def list_fits(
    plan: pd.DataFrame,
    folds: pd.DataFrame,
    clips: pd.DataFrame,
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
) -> list[PlannedFit]:
    """Every distinct training of a plan, point by point and fold by fold.

    Args:
        plan: from `expand_study`.
        folds: from `deal_folds`.
        clips: `clip_id`, `class`, `content_hash`, `start_s`, `end_s`.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True).assign(key=lambda table: sequence_keys(table))
    by_fold = dict(iter(folds.groupby(["split", "fold"], sort=True)))
    found = []
    for row in records(plan.drop_duplicates("config_hash")):
        options = point_options(row)
        for (split, fold), rows in by_fold.items():
            if split != options.split:
                continue
            members = ordered.merge(rows[["clip_id", "role"]], on="clip_id", validate="one_to_one")
            found.append(
                PlannedFit(
                    _key(options, members, audio, embedding), row["config_hash"], options, str(fold), members
                )
            )
    return found


def _key(
    options: PointOptions, clips: pd.DataFrame, audio: FeatureOptions, embedding: EmbeddingOptions
) -> str:
    if options.is_birdnet:
        heard = [embedding.settings_id]
    else:
        heard = [audio.settings_id(kind) for kind in kinds_of(options.feature, options.sync)]
    material = clips[["key", "class", "role"]].astype("str")
    rows = pd.util.hash_pandas_object(material, index=False).to_numpy().tobytes().hex()
    software = [version("tensorflow"), version("keras")]
    return digest("features fit", TRAINER_REVISION, software, options.effective, heard, rows, length=32)


def train_missing(
    fits: Sequence[PlannedFit],
    library: FitLibrary,
    store_folder: str,
    audio: FeatureOptions,
    embeddings: EmbeddingStore,
    embedding: EmbeddingOptions,
    workers: int,
    check: bool = True,
    progress: Callable[[int], Any] | None = None,
) -> Iterator[TrainedNetwork | FailedFit]:
    """Train what the library does not have, and yield each fit as it is finished."""
    finished = library.keys()
    missing = list({fit.key: fit for fit in fits if fit.key not in finished}.values())
    of_key = {fit.key: fit for fit in missing}
    heads = [fit for fit in missing if fit.options.is_birdnet]
    networks = [fit for fit in missing if not fit.options.is_birdnet]
    tasks = [_task(fit, store_folder, audio) for fit in networks]
    results = [_train_heads(heads, embeddings, embedding, workers, check)] if heads else []
    results += [fit_networks(tasks, workers, check)] if tasks else []
    for result in (one for some in results for one in some):
        if progress is not None:
            progress(1)
        yield (
            replace(result, meta=_meta(of_key[result.key])) if isinstance(result, TrainedNetwork) else result
        )


def _meta(fit: PlannedFit) -> dict[str, Any]:
    return {"settings": fit.options.effective, "fold": fit.fold, "classes": classes_of(fit.clips)}


def _targets(fit: PlannedFit) -> np.ndarray:
    names = {name: number for number, name in enumerate(classes_of(fit.clips))}
    return fit.clips["class"].map(names).to_numpy(dtype=np.int64)


def _task(fit: PlannedFit, store_folder: str, audio: FeatureOptions) -> FitTask:
    options, role = fit.options, fit.clips.role
    return FitTask(
        key=fit.key,
        store=store_folder,
        audio=audio,
        feature=options.feature,
        sync=options.sync,
        frames_per_step=options.frames_per_step,
        network=options.network,
        learning=options.learning,
        seed=options.seed,
        n_classes=len(classes_of(fit.clips)),
        keys=tuple(fit.clips.key),
        y=_targets(fit),
        train=(role == "train").to_numpy(),
        val=(role == "val").to_numpy(),
        test=(role == "test").to_numpy(),
    )


# BirdNET with a linear head -------------------------------------------------------------------------


def _train_heads(
    fits: Sequence[PlannedFit],
    embeddings: EmbeddingStore,
    embedding: EmbeddingOptions,
    workers: int,
    check: bool,
) -> Iterator[TrainedNetwork | FailedFit]:
    """A linear head on BirdNET's embeddings for every fit, all of them trained together."""
    import time

    from vernal.training.train import FailedHead, fit_chunks

    windows = plan_windows(fits[0].clips.assign(source="labelled"), embedding)
    x = embeddings.load(embedding, windows.key)
    owner = windows.clip_id.to_numpy()
    of_key = {fit.key: fit for fit in fits}
    for chunk in fit_chunks(x, [_job(fit, owner) for fit in fits], workers, check):
        for result in chunk.heads:
            if isinstance(result, FailedHead):
                yield FailedFit(result.key, result.problem)
                continue
            fit = of_key[result.key]
            started = time.process_time()
            logits = _highest(result.head.logits(x), owner, fit.clips.clip_id)
            logits[(fit.clips.role == "train").to_numpy()] = np.nan
            score_s = (time.process_time() - started) / len(fit.clips)
            weights = [array for layer in result.head.layers for array in layer]
            train_s = chunk.cpu_seconds / len(chunk.heads)
            yield TrainedNetwork(
                result.key,
                logits,
                result.history,
                int(result.best_epoch),
                weights,
                None,
                result.head.n_parameters,
                train_s,
                score_s,
            )


def _job(fit: PlannedFit, owner: np.ndarray) -> "FitJob":
    """What the trainer of heads needs: every window carries its clip's class."""
    from vernal.training.rules import HeadOptions
    from vernal.training.train import FitJob

    options = fit.options
    head = HeadOptions(
        hidden_units=0,
        dropout=options.dropout,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        epochs=options.epochs,
    )
    target = np.eye(len(classes_of(fit.clips)), dtype=np.float32)[_targets(fit)]
    place = pd.Series(np.arange(len(fit.clips)), index=fit.clips.clip_id)[owner].to_numpy()
    role = fit.clips.role.to_numpy()[place]
    train, val = np.flatnonzero(role == "train"), np.flatnonzero(role == "val")
    return FitJob(fit.key, options.seed, head, train, target[place[train]], val, target[place[val]])


def _highest(logits: np.ndarray, owner: np.ndarray, clip_ids: pd.Series) -> np.ndarray:
    """Each clip's highest logit over its windows, class by class, in the order of `clip_ids`."""
    return pd.DataFrame(logits).groupby(owner, sort=False).max().loc[clip_ids].to_numpy(copy=True)
