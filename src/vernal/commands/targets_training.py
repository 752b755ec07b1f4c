"""Training for several targets at once: what each target's run would train is trained together, before it asks for it.

Heads are kept by all that they depend on, so a target's own run finds what was trained here and trains nothing. One
start of the trainer and few, full batches take the time of one target instead of many.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vernal.common.problems import InputError

if TYPE_CHECKING:
    import pandas as pd

    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.common.data_folder import DataFolder
    from vernal.sweeps.point_settings import PointSettings
    from vernal.training.fitting import Fit, TrainingOptions
    from vernal.training.head_library import HeadLibrary

logger = logging.getLogger(__name__)
DEFAULT = "__default__"
# What a person may choose of a pipeline; a part of one is run as it is, target by target.
SELECTIONS = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs", "namespaces")
OWN_RUNNER = "vernal.runners.SequentialRunner"  # of a run that names none
# Targets are listed for the trainer until they have so many heads, so that their rows fit into memory however many
# targets there are.
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
    is_chosen = any(options.get(name) for name in SELECTIONS)
    if len(stages) < len(names) or is_chosen or (options.get("runner") or OWN_RUNNER) != OWN_RUNNER:
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
    from vernal.common.workers import n_workers
    from vernal.sweeps.point_settings import PointSettings
    from vernal.training.fitting import TrainingOptions
    from vernal.training.head_library import HeadLibrary

    folders = [DataFolder(params["data_root"]) for params in runs.values()]
    audio, training = EmbeddingOptions(**parameters["embedding"]), TrainingOptions(**parameters["training"])
    stores = DataFolder(parameters["store_root"])
    library, store = HeadLibrary(stores.heads), EmbeddingStore(stores.embeddings)
    if phase == 1:
        miner = PointSettings(**parameters["miner"])
        listed = (_miner(folder, miner, audio, training) for folder in folders)
    else:
        stages, known = stages_of(options), library.keys()
        listed = (_points(folder, stages, audio, training, known) for folder in folders)
    try:
        train_listed(listed, store, library, training, n_workers(parameters["workers"]))
    except InputError as error:
        logger.warning("Training for all targets together ended early: %s", error)


@dataclass
class Listed:
    """What a target trains: its heads, the trainings whose references are solved, every clip that they are about."""

    fits: "list[Fit]"
    compared: "list[Fit]"
    clips: "pd.DataFrame"


def train_listed(
    targets: Iterable[Listed],
    store: "EmbeddingStore",
    library: "HeadLibrary",
    training: "TrainingOptions",
    workers: int,
) -> None:
    """Train what the library does not have, of as many targets at once as `MOST_AT_ONCE` allows, and solve references.

    Raises:
        InputError: the trainer cannot go on.
    """
    waiting: list[Listed] = []
    for one in targets:
        finished = library.keys()
        waiting.append(Listed([fit for fit in one.fits if fit.key not in finished], one.compared, one.clips))
        if sum(len(other.fits) + len(other.compared) for other in waiting) >= MOST_AT_ONCE:
            _train_batch(waiting, store, library, training, workers)
            waiting = []
    _train_batch(waiting, store, library, training, workers)


def _train_batch(
    targets: Sequence[Listed],
    store: "EmbeddingStore",
    library: "HeadLibrary",
    training: "TrainingOptions",
    workers: int,
) -> None:
    import pandas as pd

    from vernal.common.progress import progress_bar
    from vernal.training import fitting

    if not targets:
        return
    clips = pd.concat([one.clips for one in targets]).drop_duplicates("clip_id", ignore_index=True)
    fits = list({fit.key: fit for one in targets for fit in one.fits}.values())
    with progress_bar(len(fits), "training", "head") as progress:
        for result in fitting.train_missing(fits, library, clips, store, training, workers, progress):
            library.add([result])
    references = fitting.missing_references([fit for one in targets for fit in one.compared], library)
    for solved in fitting.solve_references(references, clips, store, workers):
        library.add([solved])


def _miner(
    folder: "DataFolder", settings: "PointSettings", audio: "EmbeddingOptions", training: "TrainingOptions"
) -> Listed:
    """A target's miner; nothing whose reference is solved."""
    from vernal.common.table_files import read_table
    from vernal.pipelines.mining.nodes import miner_fits

    clips = read_table(folder.miner_clips)
    return Listed(miner_fits(clips, settings, audio, training), [], clips)


def _points(
    folder: "DataFolder",
    stages: Sequence[str],
    audio: "EmbeddingOptions",
    training: "TrainingOptions",
    finished: Collection[str],
) -> Listed:
    """A target's points and folds, of every stage."""
    from vernal.common.table_files import read_table
    from vernal.sweeps.stage_folder import StageFolder
    from vernal.training.fitting import fits_of_stage

    found = Listed([], [], read_table(folder.all_clips))
    for stage in stages:
        files = StageFolder(folder.root, stage)
        plan, sets, folds = map(read_table, (files.plan, files.training_sets, files.fold_sets))
        heads, points = fits_of_stage(plan, sets, folds, found.clips, audio, training.backend, finished)
        found.fits += heads
        found.compared += points
    return found
