"""Training heads: many points of a sweep at once, each exactly reproducible.

Points are grouped into chunks that one compiled program trains together, in worker processes of one thread
each; this process never loads TensorFlow. A point's weights follow from its rows, settings and seed alone,
to the last bit: not from the points beside it, their order, or the number of workers.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.common.files import writing
from vernal.common.problems import InputError
from vernal.common.storage import local_copy
from vernal.common.workers import explaining_deaths, scratch_folder, with_results, worker_pool
from vernal.training.chunk import Chunk, ChunkResult, FailedHead, FittedHead, LaneJob, train_chunk
from vernal.training.program import Architecture, prepare_tensorflow
from vernal.training.rules import MOST_EPOCHS, HeadOptions, epoch_order, weight_penalty

__all__ = [
    "FailedHead",
    "FitJob",
    "FittedHead",
    "HeadOptions",
    "check_can_overfit",
    "fit_heads",
    "training_pool",
    "until_converged",
]

Array = NDArray[Any]

OVERFIT_LOSS = 0.02
# Early stopping, which looks once an epoch, ends a training that is to converge, as a rule after 2,000 to 5,000 steps.
LEAST_STEPS_AN_EPOCH = 64
_DIED = (
    "A training worker ended before its work was done, most often because memory ran out. Run again: "
    "finished points are kept. If it happens again, use one worker."
)
_OVERFIT_ROWS, _OVERFIT_STEPS, _OVERFIT_EPOCHS = 32, 64, 20
_EXTRA_BYTES = 128 * 2**20
_LEAST_ROOM = 1_024
# Starting a worker costs some seconds of processor time; it should have at least as much to do.
_WORTH_A_WORKER_S = 5.0
_ROW_S, _PARAMETER_S = 6e-10, 7e-11


@dataclass(frozen=True)
class FitJob:
    """One point to train.

    `key`: the point's name, unique among jobs. `rows`: (n,) positions in the matrix of embeddings, in the
    order of clip ids - the order is what shuffles start from. `y`: (n,) or (n, n_classes) targets, 0 to 1.
    `extra_x`, `extra_y`: (m, n_dims) rows made for this point alone and their targets; `extra_x` may be a
    function without arguments that makes them when their turn comes, which keeps a long sweep out of memory.
    `val_rows`, `val_y`: what early stopping looks at.
    """

    key: str
    seed: int
    options: HeadOptions
    rows: Array
    y: Array
    val_rows: Array
    val_y: Array
    extra_x: Array | Callable[[], Array] | None = None
    extra_y: Array | None = None

    @property
    def n_extra(self) -> int:
        """Rows made for this point."""
        return 0 if self.extra_y is None else len(self.extra_y)

    @property
    def n_classes(self) -> int:
        """Columns of its targets."""
        return 1 if np.ndim(self.y) == 1 else int(np.shape(self.y)[1])


def until_converged(job: FitJob) -> FitJob:
    """The same job, trained until early stopping ends it, however few its rows.

    Early stopping looks once an epoch, and the epoch of a small collection is a few steps that hardly move a head:
    it would be stopped, or at its last epoch, before it has learnt. So its rows, the made ones too, are gone through
    several times an epoch: at least 64 steps, as a collection of 2,048 rows has. docs/training.md has the measurement.
    """
    options = replace(job.options, epochs=MOST_EPOCHS)
    times = -(-LEAST_STEPS_AN_EPOCH * options.batch_size // max(1, len(job.rows) + job.n_extra))
    if times == 1:
        return replace(job, options=options)
    return replace(
        job,
        options=options,
        rows=np.tile(job.rows, times),
        y=np.concatenate([job.y] * times),
        extra_x=None if job.extra_x is None else partial(_repeated_rows, job.extra_x, times),
        extra_y=None if job.extra_y is None else np.concatenate([job.extra_y] * times),
    )


def _repeated_rows(rows: Array | Callable[[], Array], times: int) -> Array:
    return np.concatenate([rows() if callable(rows) else rows] * times)


def fit_heads(
    x: Array,
    jobs: Sequence[FitJob],
    workers: int = 2,
    progress: Callable[[int], Any] | None = None,
    overfit_check: bool = False,
    pool: Executor | None = None,
    keep_workers: bool = False,
) -> Iterator[FittedHead | FailedHead]:
    """Train one head for every job.

    Args:
        x: (n_rows, n_dims) float32 embeddings that jobs refer to by position.
        jobs: points to train.
        workers: most worker processes; fewer start where there is little to do. 0 trains in this process,
            which then loads TensorFlow - for processes that may have no children.
        progress: called with the number of heads that have just been finished.
        overfit_check: first make sure, once for each architecture, that it can learn a small batch by heart.
        pool: workers of `training_pool` to use instead of new ones, which saves starting them again.
        keep_workers: leave the new ones to the next training of this run (see `worker_pool`).
    Yields:
        A `FittedHead` for each job, or a `FailedHead` with the reason; as chunks finish, so in no fixed
        order.
    Raises:
        InputError: keys that occur twice, a matrix that is not (n_rows, n_dims) and finite, or an
            architecture that cannot overfit a small batch.
    """
    for result in fit_chunks(x, jobs, workers, overfit_check, pool, keep_workers):
        if progress is not None:
            progress(len(result.heads))
        yield from result.heads


def training_pool(workers: int, scratch: Path | None = None, keep: bool = False) -> Executor:
    """Workers that have TensorFlow ready, for several calls of `fit_heads`; use it as a context."""
    return worker_pool(workers, prepare=prepare_tensorflow, scratch=scratch, keep=keep)


def fit_chunks(
    x: Array,
    jobs: Sequence[FitJob],
    workers: int = 2,
    overfit_check: bool = False,
    pool: Executor | None = None,
    keep_workers: bool = False,
) -> Iterator[ChunkResult]:
    """`fit_heads` with the chunks left whole, each with the seconds it took."""
    x = checked_matrix(x)
    _check_keys(jobs)
    problems = {job.key: problem for job in jobs if (problem := job_problem(job, x))}
    if problems:
        yield ChunkResult(tuple(FailedHead(key, problem) for key, problem in problems.items()), 0.0, 0.0)
    sound = [job for job in jobs if job.key not in problems]
    if not sound:
        return
    most = workers
    if workers and pool is None:
        work = sum(_work(job, x.shape[1]) for job in sound)
        workers = min(workers, max(1, int(work // _WORTH_A_WORKER_S)), len(sound))
    plans = _plan(sound, x.shape[1], workers)
    with scratch_folder("vernal-training-") as folder:
        x_path = folder / "embeddings.npy"
        _save(x_path, x)
        checks = _overfit_chunks(x, sound, x_path) if overfit_check else []
        chunks = (plan.chunk(x_path, folder / f"extra-{i}.npy") for i, plan in enumerate(plans))
        with contextlib.ExitStack() as stack:
            stack.enter_context(explaining_deaths(_DIED))
            if workers and pool is None:
                wanted = most if keep_workers else workers
                pool = stack.enter_context(training_pool(wanted, folder, keep_workers))
            yield from _run(chunks, checks, workers, pool)


def _run(
    chunks: Iterator[Chunk], checks: Sequence[Chunk], workers: int, pool: Executor | None
) -> Iterator[ChunkResult]:
    tasks = chain(checks, chunks)
    results = (
        ((chunk, train_chunk(chunk)) for chunk in tasks)
        if pool is None
        else with_results(pool, train_chunk, tasks, workers)
    )
    is_check = {id(check) for check in checks}
    for chunk, result in results:
        if id(chunk) in is_check:
            _refuse_unable(chunk, result)
        else:
            yield result
            _drop_extra(chunk)


def _save(path: Path, matrix: Array) -> None:
    with writing(path) as temporary, temporary.open("wb") as file:
        np.save(file, matrix, allow_pickle=False)


def _drop_extra(chunk: Chunk) -> None:
    if chunk.extra_path is not None:
        chunk.extra_path.unlink(missing_ok=True)


# Checks ---------------------------------------------------------------------------------------------


def checked_matrix(x: Array) -> Array:
    """Embeddings as a contiguous float32 matrix.

    Raises:
        InputError: another shape than (n_rows, n_dims), none, or values that are not finite.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    if x.ndim != 2 or not x.size:
        raise InputError(
            f"Embeddings have the shape {x.shape}; training needs (n_rows, n_dims), neither of them 0."
        )
    if not np.isfinite(x).all():
        broken = np.flatnonzero(~np.isfinite(x).all(axis=1))
        raise InputError(
            f"{len(broken):,} of {len(x):,} embeddings are not finite (first: row {broken[0]}). "
            "Verify the store (`kedro store verify`) and embed those clips again."
        )
    return x


def _check_keys(jobs: Sequence[FitJob]) -> None:
    keys = [job.key for job in jobs]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise InputError(
            f"{len(twice):,} points are to be trained twice: {', '.join(twice[:20])}. Name each once."
        )


def job_problem(job: FitJob, x: Array) -> str | None:
    """Why a point cannot be trained, or None."""
    if not len(job.rows):
        return "there are no training clips left after its filters; loosen them or add a subset"
    if not len(job.val_rows):
        return "there are no validation clips, and early stopping needs some; give some clips the split val"
    for name, rows, y in (("training", job.rows, job.y), ("validation", job.val_rows, job.val_y)):
        if np.shape(y) not in {(len(rows),), (len(rows), job.n_classes)}:
            return f"it has {len(rows):,} {name} rows, but targets of the shape {np.shape(y)}"
        if not np.isfinite(y).all():
            return f"{int((~np.isfinite(y)).sum()):,} of its {name} targets are not finite"
        if np.min(rows) < 0 or np.max(rows) >= len(x):
            return (
                f"its {name} rows reach {np.min(rows)} to {np.max(rows)}, but there are {len(x):,} embeddings"
            )
    if (job.extra_x is None) != (job.extra_y is None):
        return "of extra_x and extra_y one is missing; give both or none"
    if job.extra_y is not None and not np.isfinite(job.extra_y).all():
        return f"{int((~np.isfinite(job.extra_y)).sum()):,} targets of its made rows are not finite"
    return None


# Planning -------------------------------------------------------------------------------------------


def _architecture(job: FitJob, n_dims: int) -> Architecture:
    return Architecture(n_dims, job.options.hidden_units, job.n_classes, job.options.batch_size)


def _work(job: FitJob, n_dims: int) -> float:
    """Seconds that training may take on one core, very roughly: reading rows, then arithmetic."""
    a_row = _ROW_S * n_dims + _PARAMETER_S * _architecture(job, n_dims).n_parameters
    return job.options.epochs * a_row * (len(job.rows) + job.n_extra + len(job.val_rows) / 3)


@dataclass(frozen=True)
class _ChunkPlan:
    """Jobs of one chunk; what they need is made when their turn comes."""

    architecture: Architecture
    jobs: tuple[FitJob, ...]
    n_extra_shape: int

    def chunk(self, x_path: Path, extra_path: Path) -> Chunk:
        n_rows = np.load(local_copy(x_path), mmap_mode="r").shape[0]
        extras, lanes, taken = [], [], n_rows
        for job in self.jobs:
            extras.append(_made_rows(job, self.architecture.n_dims))
            lanes.append(_lane_job(job, np.arange(taken, taken + job.n_extra)))
            taken += job.n_extra
        has_extra = taken > n_rows
        if has_extra:
            _save(extra_path, np.concatenate(extras))
        return Chunk(
            self.architecture,
            self.jobs[0].seed,
            tuple(lanes),
            x_path,
            extra_path if has_extra else None,
            self.n_extra_shape,
        )


def _made_rows(job: FitJob, n_dims: int) -> Array:
    if not job.n_extra:
        return np.empty((0, n_dims), np.float32)
    made = np.asarray(job.extra_x() if callable(job.extra_x) else job.extra_x, dtype=np.float32)
    if made.shape != (job.n_extra, n_dims) or not np.isfinite(made).all():
        raise InputError(
            f"{job.key}: its made rows are not finite, or have the shape {made.shape} instead of "
            f"{(job.n_extra, n_dims)}."
        )
    return made


def _lane_job(job: FitJob, extra_rows: Array) -> LaneJob:
    targets = (
        _columns(job.y) if job.extra_y is None else np.concatenate([_columns(job.y), _columns(job.extra_y)])
    )
    return LaneJob(
        job.key,
        job.options,
        np.concatenate([job.rows, extra_rows]).astype(np.int32),
        targets,
        np.asarray(job.val_rows, dtype=np.int32),
        _columns(job.val_y),
    )


def _columns(y: Array) -> Array:
    y = np.asarray(y, dtype=np.float32)
    return y[:, None] if y.ndim == 1 else y


def _plan(jobs: Sequence[FitJob], n_dims: int, workers: int) -> list[_ChunkPlan]:
    """Chunks of one architecture and seed each, the longest first; they change speed, never results."""
    groups: dict[tuple[Architecture, int], list[FitJob]] = defaultdict(list)
    for job in jobs:
        groups[_architecture(job, n_dims), job.seed].append(job)
    plans = []
    for (architecture, _), members in groups.items():
        # Points of like size together share dropout numbers best.
        members = sorted(members, key=lambda job: (-len(job.rows) - job.n_extra, job.key))
        fair = -(-len(jobs) // max(1, workers))
        most = max(1, min(architecture.n_lanes, fair))
        plans += [_ChunkPlan(architecture, tuple(part), 1) for part in _divided(members, most, n_dims)]
    # One size of room for all chunks of an architecture, and few sizes at all: each is compiled for.
    room: dict[Architecture, int] = defaultdict(lambda: 1)
    for plan in plans:
        if n_extra := sum(job.n_extra for job in plan.jobs):
            room[plan.architecture] = max(
                room[plan.architecture], _LEAST_ROOM, 1 << (n_extra - 1).bit_length()
            )
    plans = [replace(plan, n_extra_shape=room[plan.architecture]) for plan in plans]
    return sorted(plans, key=lambda plan: -sum(_work(job, n_dims) for job in plan.jobs))


def _divided(jobs: Sequence[FitJob], most: int, n_dims: int) -> Iterator[list[FitJob]]:
    """Parts of at most `most` jobs of about equal number, and with a bounded amount of made rows."""
    n_parts = -(-len(jobs) // most)
    size = -(-len(jobs) // n_parts)
    part: list[FitJob] = []
    n_bytes = 0
    for job in jobs:
        more = 4 * n_dims * job.n_extra
        if part and (len(part) == size or n_bytes + more > _EXTRA_BYTES):
            yield part
            part, n_bytes = [], 0
        part.append(job)
        n_bytes += more
    yield part


# Overfitting a small batch --------------------------------------------------------------------------


def check_can_overfit(
    options: HeadOptions, x_batch: Array, y_batch: Array, workers: int = 1, pool: Executor | None = None
) -> None:
    """Make sure that a head of this architecture can learn a small batch by heart, dropout off.

    Args:
        options: `hidden_units` and `batch_size` count.
        x_batch: (n, n_dims) embeddings.
        y_batch: (n,) or (n, n_classes) targets, 0 or 1.
        workers: 1, or 0 for this process.
        pool: workers to use, as in `fit_heads`.
    Raises:
        InputError: the loss stays above 0.02; something between embeddings, labels and training is wrong.
    """
    rows, y = np.arange(len(x_batch)), np.asarray(y_batch, dtype=np.float32)
    job = _learn_by_heart(FitJob("overfit", 0, options, rows, y, rows, y), rows, y)
    for result in fit_heads(x_batch, [job], workers=workers, pool=pool):
        _refuse_unfitted(result, options.hidden_units, len(rows))


def _overfit_chunks(x: Array, jobs: Sequence[FitJob], x_path: Path) -> list[Chunk]:
    """A check for each architecture, on a few clips of its first point."""
    first: dict[Architecture, FitJob] = {}
    for job in sorted(jobs, key=lambda job: job.key):
        first.setdefault(_architecture(job, x.shape[1]), job)
    room = {plan.architecture: plan.n_extra_shape for plan in _plan(jobs, x.shape[1], 1)}
    chunks = []
    for architecture, job in first.items():
        check = _learn_by_heart(job, *_small_batch(x, job))
        lane = _lane_job(check, np.empty(0, np.int64))
        chunks.append(Chunk(architecture, job.seed, (lane,), x_path, None, room[architecture]))
    return chunks


def _small_batch(x: Array, job: FitJob) -> tuple[Array, Array]:
    """Some clips of a point, half of them positive where possible.

    Embeddings that carry two different labels are left out, for no head can tell them apart, and there are no
    more rows than a linear head can separate.
    """
    most = min(_OVERFIT_ROWS, x.shape[1] + 1)
    rows, y = np.asarray(job.rows), (_columns(job.y) >= 0.5).astype(np.float32)
    order = epoch_order(job.seed, -1, len(rows))
    is_positive = y[order].any(axis=1)
    positive, negative = order[is_positive], order[~is_positive]
    n_positive = min(len(positive), max(most // 2, most - len(negative)))
    chosen = np.concatenate([positive[:n_positive], negative[: most - n_positive]])
    _, same = np.unique(x[rows[chosen]], axis=0, return_inverse=True)
    same = same.reshape(-1)
    clear = [i for i, one in enumerate(same) if len(np.unique(y[chosen[same == one]], axis=0)) == 1]
    chosen = chosen[clear] if clear else chosen
    return rows[chosen], y[chosen]


def _learn_by_heart(job: FitJob, rows: Array, y: Array) -> FitJob:
    """A job that sees a few rows again and again, and is validated on them."""
    options = replace(job.options, dropout=0.0, learning_rate=0.01, epochs=_OVERFIT_EPOCHS, focal_loss=False)
    copies = -(-_OVERFIT_STEPS * job.options.batch_size // max(1, len(rows)))
    many = (np.tile(rows, copies), np.tile(_columns(y), (copies, 1)))
    return replace(
        job,
        options=options,
        rows=many[0],
        y=many[1],
        val_rows=rows,
        val_y=_columns(y),
        extra_x=None,
        extra_y=None,
    )


def _refuse_unable(check: Chunk, result: ChunkResult) -> None:
    for one in result.heads:
        _refuse_unfitted(one, check.architecture.hidden_units, len(check.jobs[0].val_rows))


def _refuse_unfitted(result: FittedHead | FailedHead, hidden_units: int, n_rows: int) -> None:
    what = f"a head with {hidden_units:,} hidden units" if hidden_units else "a linear head"
    if isinstance(result, FailedHead):
        raise InputError(f"Training {what} on {n_rows} clips as a check failed: {result.problem}")
    reached = float(result.history["val_loss"].to_numpy()[result.best_epoch - 1])
    loss = reached - weight_penalty([weights for weights, _ in result.head.layers])
    if not loss <= OVERFIT_LOSS:
        raise InputError(
            f"Check before training: {what} could not learn {n_rows} clips by heart. Its loss is {loss:.3f} "
            f"after {result.n_steps:,} steps, and should be near zero (at most {OVERFIT_LOSS}). Look for clips "
            "whose labels contradict each other, and for embeddings that are all alike or far from a scale of 1."
        )
