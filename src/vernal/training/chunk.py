"""Training one chunk: a handful of points of one architecture and one seed, epoch by epoch, to the end.

Runs in a worker process. The compiled program does the steps; here are the draws, the validation after each
epoch and the decision to go on. A lane that has stopped costs nothing more.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.common.problems import InputError
from vernal.common.storage import local_copy
from vernal.evaluation.metrics import average_precision
from vernal.training import program as training_program
from vernal.training import rules as training_rules
from vernal.training.heads import Head
from vernal.training.program import VAL_ROWS, Architecture, Lanes, Program
from vernal.training.rules import EarlyStopping, HeadOptions

Array = NDArray[Any]

HISTORY_COLUMNS = ("epoch", "loss", "val_loss", "val_auprc", "learning_rate")
_VAL_BLOCKS = 32


@dataclass(frozen=True)
class LaneJob:
    """One point as its lane needs it; rows are positions in the matrix, behind its end in the extra rows.

    `rows`: (n,) int32. `targets`: (n, n_classes) float32. `val_rows`: (n_val,) int32. `val_targets`:
    (n_val, n_classes) float32.
    """

    key: str
    options: HeadOptions
    rows: Array
    targets: Array
    val_rows: Array
    val_targets: Array


@dataclass(frozen=True)
class Chunk:
    """Points that are trained together, and where the shared matrix lies.

    `extra_path` holds rows of these points alone, `n_extra_shape` the number of rows made room for.
    """

    architecture: Architecture
    seed: int
    jobs: tuple[LaneJob, ...]
    x_path: Path
    extra_path: Path | None = None
    n_extra_shape: int = 1


@dataclass(frozen=True)
class FittedHead:
    """A trained head. `best_epoch` (from 1) gave its weights; `n_steps` optimiser steps were made in all.

    `history`: one row an epoch, `epoch` (from 1), `loss` and `val_loss` with the regularisation in both,
    `val_auprc` (average precision over all validation rows and classes; NaN with one class only) and
    `learning_rate`.
    """

    key: str
    head: Head
    history: pd.DataFrame
    best_epoch: int
    n_steps: int


@dataclass(frozen=True)
class FailedHead:
    """A point that could not be trained, and why."""

    key: str
    problem: str


@dataclass(frozen=True)
class ChunkResult:
    """What came of a chunk, and the seconds it took on the clock and of processor time, with compilation."""

    heads: tuple[FittedHead | FailedHead, ...]
    seconds: float
    cpu_seconds: float


@dataclass
class _Lane:
    """How far one point is."""

    job: LaneJob
    stopping: EarlyStopping
    epochs: list[tuple[Any, ...]] = field(default_factory=list)
    n_steps: int = 0
    order: Array = field(default_factory=lambda: np.empty(0, np.int64))
    best: list[Array] = field(default_factory=list)

    def steps_of_epoch(self, batch_size: int) -> int:
        return -(-len(self.job.rows) // batch_size)

    @property
    def is_over(self) -> bool:
        return self.stopping.is_over or self.stopping.n_epochs >= self.job.options.epochs


def train_chunk(chunk: Chunk) -> ChunkResult:
    """Train every point of a chunk. Importable, so that worker processes can be given it."""
    started, cpu_started = time.perf_counter(), time.process_time()
    training_program.configure_tensorflow()
    training = _ChunkTraining(chunk)
    for epoch in range(max(job.options.epochs for job in chunk.jobs)):
        if not training.run_epoch(epoch):
            break
    heads = tuple(map(_finished, training.lanes))
    return ChunkResult(heads, time.perf_counter() - started, time.process_time() - cpu_started)


class _ChunkTraining:
    """The state of a chunk between epochs."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk, self.architecture = chunk, chunk.architecture
        self.program: Program = training_program.compiled_program(chunk.architecture)
        self.x = training_program.shared_tensor(_mapped(chunk.x_path))
        self.extra = _extra_rows(chunk)
        self.lanes = [
            _Lane(job, EarlyStopping(training_rules.patience(job.options.epochs))) for job in chunk.jobs
        ]
        self.state: list[Any] = list(training_program.empty_state(chunk.architecture))
        drawn = training_rules.initial_weights(chunk.seed, chunk.architecture.widths)
        for layer, weights in enumerate(drawn):
            self.state[2 * layer][: len(self.lanes)] = weights

    def run_epoch(self, epoch: int) -> bool:
        """Train and validate all lanes that go on; False where none does."""
        running = [i for i, lane in enumerate(self.lanes) if not lane.is_over]
        if not running:
            return False
        for i in running:
            lane = self.lanes[i]
            lane.order = training_rules.epoch_order(self.chunk.seed, epoch, len(lane.job.rows))
        n_blocks = max(-(-self._epoch_steps(i) // self.architecture.n_steps) for i in running)
        self.state[-1] = np.zeros(self.architecture.n_lanes, np.float32)
        for block in range(n_blocks):
            self._run_block(epoch, block, running)
        self._validate(epoch, running)
        return True

    def _epoch_steps(self, i: int) -> int:
        return self.lanes[i].steps_of_epoch(self.architecture.batch_size)

    def _run_block(self, epoch: int, block: int, running: Sequence[int]) -> None:
        first = block * self.architecture.n_steps
        steps = {i: min(self._epoch_steps(i) - first, self.architecture.n_steps) for i in running}
        steps = {i: n for i, n in steps.items() if n > 0}
        lanes = _empty_lanes(self.architecture, list(steps))
        for i, n_steps in steps.items():
            _fill_lane(lanes, i, self.lanes[i], epoch, first, n_steps)
            self.lanes[i].n_steps += n_steps
        noise = self._noise(epoch, block, max(steps.values()))
        self.state = self.program.train(self.state, self.x, self.extra, noise, lanes)

    def _noise(self, epoch: int, block: int, n_steps: int) -> Array:
        """Dropout numbers of a block; steps that no lane makes are left at zero."""
        shape = (self.architecture.n_steps, self.architecture.batch_size, self.architecture.n_inputs)
        noise = np.zeros(shape, np.uint16)
        if any(job.options.dropout for job in self.chunk.jobs):
            noise[:n_steps] = training_rules.dropout_numbers(
                self.chunk.seed, epoch, block, (n_steps, *shape[1:])
            )
        return noise

    def _validate(self, epoch: int, running: Sequence[int]) -> None:
        n_parts = 2 * (len(self.architecture.widths) - 1)
        logits = self._val_logits(self.state[:n_parts], running)
        parts = [part.numpy() for part in self.state[:n_parts]]
        totals = self.state[-1].numpy()
        for i in running:
            lane, options = self.lanes[i], self.lanes[i].job.options
            own = [part[i] for part in parts]
            val_loss = float(training_rules.row_losses(logits[i], lane.job.val_targets, options).mean())
            val_loss += training_rules.weight_penalty(own[::2])
            lane.epochs.append(
                (
                    epoch + 1,
                    float(totals[i]) / len(lane.job.rows),
                    val_loss,
                    _auprc(logits[i], lane.job.val_targets),
                    training_rules.learning_rate(options, epoch),
                )
            )
            if lane.stopping.is_best(val_loss):
                lane.best = [part.copy() for part in own]

    def _val_logits(self, weights: list[Any], running: Sequence[int]) -> dict[int, Array]:
        """Logits of each lane's own validation rows, in blocks of a fixed shape."""
        found: dict[int, list[Array]] = {i: [] for i in running}
        a_call = _VAL_BLOCKS * VAL_ROWS
        for start in range(0, max(len(self.lanes[i].job.val_rows) for i in running), a_call):
            parts = {i: self.lanes[i].job.val_rows[start : start + a_call] for i in running}
            parts = {i: part for i, part in parts.items() if len(part)}
            rows = np.zeros((self.architecture.n_lanes, a_call), np.int32)
            n_blocks = np.zeros(self.architecture.n_lanes, np.int32)
            for i, part in parts.items():
                rows[i, : len(part)], rows[i, len(part) :] = part, part[0]
                n_blocks[i] = -(-len(part) // VAL_ROWS)
            lane, n_used = _used_lanes(self.architecture, list(parts))
            shaped = rows.reshape(self.architecture.n_lanes, _VAL_BLOCKS, VAL_ROWS)
            logits = self.program.score(weights, self.x, lane, n_used, n_blocks, shaped).numpy()
            for i, part in parts.items():
                found[i].append(logits[i].reshape(a_call, -1)[: len(part)])
        return {i: np.concatenate(parts) for i, parts in found.items()}


def _mapped(path: Path) -> Array:
    """A `.npy` file in shared memory pages; copy-on-write, since only writable memory can be handed over."""
    return np.asarray(np.load(local_copy(path), mmap_mode="c", allow_pickle=False))


def _extra_rows(chunk: Chunk) -> Any:
    extra = np.zeros((chunk.n_extra_shape, chunk.architecture.n_dims), np.float32)
    if chunk.extra_path is not None:
        rows = np.load(local_copy(chunk.extra_path), allow_pickle=False)
        extra[: len(rows)] = rows
    import tensorflow as tf

    return tf.constant(extra)


def _used_lanes(architecture: Architecture, used: list[int]) -> tuple[Array, Array]:
    lane = np.zeros(architecture.n_lanes, np.int32)
    lane[: len(used)] = used
    return lane, np.array(len(used), np.int32)


def _empty_lanes(architecture: Architecture, used: list[int]) -> Lanes:
    n_lanes, shape = architecture.n_lanes, (architecture.n_lanes, architecture.n_steps)
    lane, n_used = _used_lanes(architecture, used)
    return Lanes(
        lane=lane,
        n_used=n_used,
        n_steps=np.zeros(n_lanes, np.int32),
        rows=np.zeros((*shape, architecture.batch_size), np.int32),
        targets=np.zeros((*shape, architecture.batch_size, architecture.n_classes), np.float32),
        row_weights=np.zeros((*shape, architecture.batch_size), np.float32),
        step_sizes=np.zeros(shape, np.float32),
        dropped_below=np.zeros(n_lanes, np.uint16),
        gamma=np.zeros(n_lanes, np.float32),
        positive=np.ones(n_lanes, np.float32),
        negative=np.ones(n_lanes, np.float32),
    )


def _fill_lane(lanes: Lanes, i: int, lane: _Lane, epoch: int, first_step: int, n_steps: int) -> None:
    """Write what lane `i` does in `n_steps` steps from `first_step` of the epoch on."""
    options, batch = lane.job.options, lanes.rows.shape[2]
    order = lane.order[first_step * batch : (first_step + n_steps) * batch]
    n_rows, filled = len(order), n_steps * batch
    # The last batch is filled up with a row of the point's own, at weight 0.
    order = np.concatenate([order, np.full(filled - n_rows, order[0])])
    lanes.n_steps[i] = n_steps
    lanes.rows[i, :n_steps] = lane.job.rows[order].reshape(n_steps, batch)
    lanes.targets[i, :n_steps] = lane.job.targets[order].reshape(n_steps, batch, -1)
    weights = np.full(filled, 1 / batch, np.float32)
    if n_rows < filled:
        in_last = batch - (filled - n_rows)
        weights[-batch:] = np.where(np.arange(batch) < in_last, 1 / in_last, 0)
    lanes.row_weights[i, :n_steps] = weights.reshape(n_steps, batch)
    rate = training_rules.learning_rate(options, epoch)
    lanes.step_sizes[i, :n_steps] = training_rules.adam_step_sizes(rate, lane.n_steps, n_steps)
    lanes.dropped_below[i] = training_rules.dropout_limit(options.dropout)
    lanes.gamma[i], lanes.positive[i], lanes.negative[i] = training_rules.focal_factors(options)


def _auprc(logits: Array, targets: Array) -> float:
    if not np.isfinite(logits).all():
        return float("nan")
    return average_precision(logits.ravel(), targets.ravel() >= 0.5)


def _finished(lane: _Lane) -> FittedHead | FailedHead:
    history = pd.DataFrame(lane.epochs, columns=list(HISTORY_COLUMNS))
    try:
        head = Head(tuple(zip(lane.best[::2], lane.best[1::2], strict=True)))
    except InputError as error:
        return FailedHead(lane.job.key, f"{error} Training diverged; lower learning_rate.")
    return FittedHead(lane.job.key, head, history, lane.stopping.best_epoch, lane.n_steps)
