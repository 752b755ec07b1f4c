"""Training for several targets at once: what each target's run would train is trained together, before it asks for it.

Heads are kept by all that they depend on, so a target's own run finds what was trained here and trains nothing. One
start of the trainer and few, full batches take the time of one target instead of many.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vernal.common.problems import InputError

if TYPE_CHECKING:
    import pandas as pd

    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.common.data_folder import DataFolder
    from vernal.sweeps.point_settings import PointSettings
    from vernal.training.fitting import Fit, TrainingOptions

logger = logging.getLogger(__name__)
DEFAULT = "__default__"
# What a person may choose of a pipeline; a part of one is run as it is, target by target.
SELECTIONS = (
    "tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs", "namespaces", "runner"
)  # fmt: skip
# Heads that are listed for the trainer at once, so that their rows fit into memory however many targets there are.
MOST_AT_ONCE = 2_000
AFTER_EMBEDDING = ("mining.choose_pools", "embedding.embed_clips")
AFTER_DRAWING = ("balance", "fold", "embed")


def stages_of(options: Mapping[str, Any]) -> list[str]:
    """The stages among the pipelines that were asked for."""
    from vernal.pipeline_registry import BASELINE, stages_on_disk

    names = [BASELINE if name == DEFAULT else name for name in options.get("pipelines") or [DEFAULT]]
    return [name for name in names if name in stages_on_disk()]


def phases_of(options: Mapping[str, Any]) -> list[list[str]]:
    """Nodes up to the miner, up to the points' training, and the rest; one phase without names where parts are run."""
    from kedro.framework.project import pipelines
    from kedro.pipeline import Pipeline

    stages = stages_of(options)
    names = options.get("pipelines") or [DEFAULT]
    if len(stages) < len(names) or any(options.get(name) for name in SELECTIONS):
        return [[]]
    whole = sum((pipelines[name] for name in names), Pipeline([]))
    first = whole.to_nodes(*AFTER_EMBEDDING)
    drawn = whole.to_nodes(*(f"{stage}.{node}" for stage in stages for node in AFTER_DRAWING)) - first
    return [[node.name for node in part.nodes] for part in (first, drawn, whole - first - drawn)]


def train_together(
    options: Mapping[str, Any],
    runs: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Any],
    phase: int,
) -> None:
    """Train what the next phase of every target asks for: the miners, or the points of the stages and their folds.

    A head that cannot be trained is no failure here: the target's own run tells of it.
    """
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.common.data_folder import DataFolder
    from vernal.common.progress import progress_bar
    from vernal.common.workers import n_workers
    from vernal.sweeps.point_settings import PointSettings
    from vernal.training import fitting
    from vernal.training.fitting import TrainingOptions
    from vernal.training.head_library import HeadLibrary

    folders = [DataFolder(params["data_root"]) for params in runs.values()]
    if not folders:
        return
    audio, training = EmbeddingOptions(**parameters["embedding"]), TrainingOptions(**parameters["training"])
    stores = DataFolder(parameters["store_root"])
    library, store = HeadLibrary(stores.heads), EmbeddingStore(stores.embeddings)
    if phase == 1:
        miner = PointSettings(**parameters["miner"])
        fits, compared, clips = _miners(folders, miner, audio, training)
    else:
        fits, compared, clips = _points(folders, stages_of(options), audio, training, library.keys())
    finished = library.keys()
    missing = [fit for fit in fits if fit.key not in finished]
    workers = n_workers(parameters["workers"])
    try:
        with progress_bar(len(missing), "training", "head") as progress:
            for at in range(0, len(missing), MOST_AT_ONCE):
                part = missing[at : at + MOST_AT_ONCE]
                for result in fitting.train_missing(part, library, clips, store, training, workers, progress):
                    library.add([result])
        for solved in fitting.solve_references(
            fitting.missing_references(compared, library), clips, store, workers
        ):
            library.add([solved])
    except InputError as error:
        logger.warning("Training for all targets together ended early: %s", error)


def _miners(
    folders: Sequence[DataFolder], settings: PointSettings, audio: EmbeddingOptions, training: TrainingOptions
) -> tuple[list[Fit], list[Fit], pd.DataFrame]:
    """The miners of all targets, nothing whose reference is solved, and the clips that they are about."""
    from vernal.common.table_files import read_table
    from vernal.pipelines.mining.nodes import miner_fits

    tables = [read_table(folder.miner_clips) for folder in folders]
    fits = [fit for clips in tables for fit in miner_fits(clips, settings, audio, training)]
    return _distinct(fits), [], _every_clip(tables)


def _points(
    folders: Sequence[DataFolder],
    stages: Sequence[str],
    audio: EmbeddingOptions,
    training: TrainingOptions,
    finished: Collection[str],
) -> tuple[list[Fit], list[Fit], pd.DataFrame]:
    """The trainings of all targets, those whose references are solved, and every clip that they are about."""
    from vernal.common.table_files import read_table
    from vernal.sweeps.stage_folder import StageFolder
    from vernal.training.fitting import fits_of_stage

    fits: list[Fit] = []
    compared: list[Fit] = []
    tables = []
    for folder in folders:
        clips = read_table(folder.all_clips)
        tables.append(clips)
        for stage in stages:
            files = StageFolder(folder.root, stage)
            plan, sets, folds = map(read_table, (files.plan, files.training_sets, files.fold_sets))
            heads, points = fits_of_stage(plan, sets, folds, clips, audio, training.backend, finished)
            fits, compared = [*fits, *heads], [*compared, *points]
    return _distinct(fits), compared, _every_clip(tables)


def _distinct(fits: Sequence[Fit]) -> list[Fit]:
    return list({fit.key: fit for fit in fits}.values())


def _every_clip(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(tables, ignore_index=True).drop_duplicates("clip_id", ignore_index=True)
