"""From a plan and its training sets to trained heads: what to train, on which rows, under which key.

Everything that a head's weights depend on goes into its key, and nothing else does.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.common.hashing import digest
from vernal.common.settings import one_of, settings
from vernal.sweeps.point_settings import PointSettings
from vernal.training.head_library import HeadLibrary
from vernal.training.reference import REFERENCE_REVISION, solve_reference
from vernal.training.rules import MOST_EPOCHS, HeadOptions
from vernal.training.sets import FIT
from vernal.training.upsampling import prepare_arrays

if TYPE_CHECKING:
    from vernal.training.train import FailedHead, FitJob, FittedHead

Array = np.ndarray[Any, Any]
RowsOf = dict[str, list[int]]

BACKENDS = ("vernal", "birdnet_analyzer")
# To be raised when the same inputs train to other weights than before.
TRAINER_REVISION = 1
AUDIO_SETTINGS = ("encoder", "fmin", "fmax", "overlap")


@settings("training")
class TrainingOptions:
    """How heads are trained.

    `backend`: `vernal` trains all points together; `birdnet_analyzer` trains one after the other through the
    real package, as a reference. `overfit_check`: first make sure that each architecture can learn a small
    batch by heart.
    """

    backend: Annotated[str, one_of(BACKENDS)] = "vernal"
    overfit_check: bool = True


@dataclass(frozen=True)
class Fit:
    """One training to be done: its key, its settings, its clips by their role (see `training_sets`), its trainer.

    `reference_key` is that of the logistic regression on the same clips, which trainings of other settings share.
    """

    key: str
    reference_key: str
    fit_hash: str
    settings: PointSettings
    audio: EmbeddingOptions
    clips: pd.DataFrame
    trained_by: str


def trainer_of(backend: str) -> str:
    """What trains under a backend, with the version that weights depend on where it is another package's.

    >>> trainer_of("vernal")
    'vernal'
    """
    if backend != "birdnet_analyzer":
        return backend
    from vernal.training.birdnet_analyzer import birdnet_analyzer_version

    return f"{backend} {birdnet_analyzer_version()}"


def audio_of(settings: PointSettings, base: EmbeddingOptions) -> EmbeddingOptions:
    """The audio settings of a point: its encoder, or else the project's, with its band and overlap."""
    own = {name: getattr(settings, name) for name in AUDIO_SETTINGS}
    return replace(base, **own | {"encoder": settings.encoder or base.encoder})


def audio_settings_of(plan: pd.DataFrame, base: EmbeddingOptions) -> list[EmbeddingOptions]:
    """The distinct audio settings that a plan's points need, in a fixed order."""
    rows = plan.drop_duplicates([name for name in AUDIO_SETTINGS if name in plan]).to_dict("records")
    options = {audio_of(PointSettings.from_row(row), base) for row in rows}
    return sorted(options, key=lambda option: option.settings_id)


def list_fits(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    clips: pd.DataFrame,
    base: EmbeddingOptions,
    backend: str = "vernal",
) -> list[Fit]:
    """Every distinct training of a plan, with the key that its head is kept under.

    Args:
        plan: one row a point, with its settings and `fit_hash`; points of one hash share a training.
        training_sets: `fit_hash`, `clip_id`, `is_positive`, `role`; a fit without rows is left out.
        clips: every clip that may occur, with `content_hash` and its part of the file.
        base: the project's settings; a point may change encoder, band and overlap.
        backend: part of the key with its version, since trainers give different weights.
    Returns:
        Fits in the order of their hashes; clips of each sorted by `clip_id`.
    """
    trainer = trainer_of(backend)
    settings_by_hash = {
        row["fit_hash"]: PointSettings.from_row(row)
        for row in plan.drop_duplicates("fit_hash").to_dict("records")
    }
    members = training_sets[training_sets.fit_hash.isin(settings_by_hash.keys())]
    members = members.sort_values("clip_id", ignore_index=True)
    material = _material(members, clips)
    rows_of = members.groupby("fit_hash", observed=True, sort=False).indices
    fits = []
    for fit_hash in sorted(settings_by_hash.keys() & rows_of.keys()):
        rows, settings = rows_of[fit_hash], settings_by_hash[fit_hash]
        audio = audio_of(settings, base)
        of_clips = (audio.settings_id, material[rows].tobytes().hex())
        key = digest("head", TRAINER_REVISION, trainer, fit_hash, *of_clips, length=32)
        reference_key = digest("reference", REFERENCE_REVISION, *of_clips, length=32)
        own = members.iloc[rows].reset_index(drop=True)
        fits.append(Fit(key, reference_key, str(fit_hash), settings, audio, own, trainer))
    return fits


def _material(members: pd.DataFrame, clips: pd.DataFrame) -> Array:
    """A number for each row that says what is trained on: label, role, sound.

    Of all fits at once: a call for each takes several times as long.
    """
    sound = clips.set_index("clip_id").loc[members.clip_id, ["content_hash", "start_s", "end_s"]]
    read = members[["is_positive", "role"]].astype({"role": "str"})
    table = pd.concat([read, sound.reset_index(drop=True)], axis=1)
    return pd.util.hash_pandas_object(table, index=False).to_numpy()


def list_fold_fits(
    plan: pd.DataFrame,
    fold_sets: pd.DataFrame,
    clips: pd.DataFrame,
    base: EmbeddingOptions,
    backend: str = "vernal",
) -> dict[str, list[Fit]]:
    """The trainings of configurations by the fold that is held out; see `list_fits`.

    Args:
        fold_sets: as for `list_fits`, with `fold` in front.
    """
    parts = fold_sets.groupby("fold", observed=True, sort=True)
    return {str(fold): list_fits(plan, part, clips, base, backend) for fold, part in parts}


def fits_of_stage(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    fold_sets: pd.DataFrame,
    clips: pd.DataFrame,
    base: EmbeddingOptions,
    backend: str,
    finished: Collection[str],
) -> tuple[list[Fit], list[Fit]]:
    """What a stage trains: each selected point, and once for every fold that is held out each configuration that has
    a point; and the trainings of points, whose references are solved.

    Args:
        finished: keys that the library has; their points are compared too, selected or not.
    """
    listed = list_fits(plan, training_sets, clips, base, backend)
    selected = set(plan.fit_hash[plan.is_selected])
    points = [fit for fit in listed if fit.fit_hash in selected]
    trained = selected | {fit.fit_hash for fit in listed if fit.key in finished}
    compared = plan[plan.configuration_hash.isin(plan.configuration_hash[plan.fit_hash.isin(trained)])]
    of_folds = list_fold_fits(compared, fold_sets, clips, base, backend)
    # Where a fold holds nothing that a configuration trains on, the point's own head serves.
    heads = list({fit.key: fit for fit in chain(points, *of_folds.values())}.values())
    return heads, [fit for fit in listed if fit.fit_hash in trained]


def train_missing(
    fits: list[Fit],
    known: HeadLibrary,
    clips: pd.DataFrame,
    store: EmbeddingStore,
    options: TrainingOptions,
    workers: int,
    progress: Callable[[int], None] | None = None,
    keep_workers: bool = False,
) -> "Iterator[FittedHead | FailedHead]":
    """Train the heads that the library does not have, and yield each as it is finished.

    Args:
        keep_workers: leave the processes to the next training of this run.
    """
    finished = known.keys()
    missing = [fit for fit in fits if fit.key not in finished]
    for group, x, rows_of in _by_audio(missing, clips, store):
        yield from _train(
            x, [_job(fit, rows_of, x) for fit in group], options, workers, progress, keep_workers
        )


def missing_references(fits: list[Fit], known: HeadLibrary) -> list[Fit]:
    """Of the trainings whose reference the library does not have, one for each reference."""
    finished = known.keys()
    return list({fit.reference_key: fit for fit in fits if fit.reference_key not in finished}.values())


def solve_references(
    fits: list[Fit],
    clips: pd.DataFrame,
    store: EmbeddingStore,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> "Iterator[FittedHead]":
    """Solve the reference of each training (see `reference.solve_reference`), and yield each as it is finished."""
    from threadpoolctl import threadpool_limits

    # One thread each: sums are then the same on every machine, and two solutions at a time take half as long as one
    # after the other on two threads.
    with threadpool_limits(1), ThreadPoolExecutor(max(1, workers)) as pool:
        for group, x, rows_of in _by_audio(fits, clips, store):
            for solved in pool.map(partial(_solve, x, rows_of), group):
                if progress is not None:
                    progress(1)
                yield solved


def _solve(x: Array, rows_of: RowsOf, fit: Fit) -> "FittedHead":
    (rows, y), (stop_rows, stop_y) = _both_roles(fit, rows_of)
    return solve_reference(fit.reference_key, x[rows], y, x[stop_rows], stop_y)


def _by_audio(
    fits: list[Fit], clips: pd.DataFrame, store: EmbeddingStore
) -> Iterator[tuple[list[Fit], Array, RowsOf]]:
    """Trainings that read the same audio settings, with the embeddings of their clips and the rows of each clip."""
    for audio in sorted({fit.audio for fit in fits}, key=lambda option: option.settings_id):
        group = [fit for fit in fits if fit.audio == audio]
        used = clips[clips.clip_id.isin(set(pd.concat([fit.clips.clip_id for fit in group])))]
        windows = plan_windows(used, audio)
        rows_of = windows.assign(row=np.arange(len(windows))).groupby("clip_id", sort=False).row.agg(list)
        yield group, store.load(audio, windows.key), dict(zip(rows_of.index, rows_of, strict=True))


def _train(
    x: Array,
    jobs: "list[FitJob]",
    options: TrainingOptions,
    workers: int,
    progress: Callable[[int], None] | None,
    keep_workers: bool,
) -> "Iterator[FittedHead | FailedHead]":
    if options.backend == "birdnet_analyzer":
        from vernal.training.birdnet_analyzer import train_jobs

        return train_jobs(x, jobs, progress)
    from vernal.training.train import fit_heads

    return fit_heads(x, jobs, workers, progress, options.overfit_check, keep_workers=keep_workers)


def _job(fit: Fit, rows_of: RowsOf, x: Array) -> "FitJob":
    """What the trainer needs: rows of the matrix in the order of clip ids, and the rows made for this fit."""
    from vernal.training.train import FitJob, until_converged

    (rows, y), (stop_rows, stop_y) = _both_roles(fit, rows_of)
    settings = fit.settings
    options = HeadOptions.of(replace(settings, epochs=settings.epochs or MOST_EPOCHS))
    job = FitJob(fit.key, settings.seed, options, rows, y, stop_rows, stop_y)
    if settings.upsampling_ratio or settings.mixup or settings.label_smoothing:
        prepared = prepare_arrays(x[rows], y, settings, settings.seed)
        # The rows themselves are made again when their turn comes: all at once they would not fit into memory.
        job = replace(
            job,
            rows=rows[prepared.rows],
            y=prepared.y,
            extra_x=lambda: prepare_arrays(x[rows], y, settings, settings.seed).extra_x,
            extra_y=prepared.extra_y,
        )
    return job if settings.epochs else until_converged(job)


def _both_roles(fit: Fit, rows_of: RowsOf) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Rows and targets of the clips that train, and of those that end training."""
    trains = (fit.clips.role == FIT).to_numpy()
    return _rows(fit.clips, trains, rows_of), _rows(fit.clips, ~trains, rows_of)


def _rows(clips: pd.DataFrame, chosen: Array, rows_of: RowsOf) -> tuple[Array, Array]:
    """Positions of all windows of some clips, and their targets; every window carries its clip's label."""
    lists = [rows_of[clip] for clip in clips.clip_id.to_numpy(dtype=object)[chosen]]
    rows = np.fromiter(chain.from_iterable(lists), dtype=np.int64)
    times = np.array([len(one) for one in lists], dtype=np.intp)
    y = np.repeat(clips.is_positive.to_numpy(dtype=np.float32)[chosen], times)
    return rows, y
