"""Training one network for one fold: a check first, then epochs until validation gets no better.

This runs in worker processes of one thread each; the process that starts them never loads TensorFlow. A fit's
weights follow from its clips, settings and seed alone: not from what the worker trained before.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.hashing import rng_for
from vernal.common.problems import InputError
from vernal.common.workers import as_they_finish, explaining_deaths, quiet_file_descriptors, worker_pool
from vernal.studies.features.batches import CACHE_BYTES, Batch, Scaling, SequenceSource
from vernal.studies.features.feature_store import FeatureStore
from vernal.studies.features.models import build_network
from vernal.studies.features.options import FeatureOptions
from vernal.studies.features.point_settings import LearningOptions, NetworkOptions
from vernal.training.chunk import FailedHead
from vernal.training.rules import EarlyStopping

OVERFIT_LOSS = 0.1
_OVERFIT_CLIPS, _OVERFIT_STEPS, _OVERFIT_RATE = 8, 400, 0.005
_MOST_GRADIENT = 1.0

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class FitTask:
    """One network to train: what it reads, which clips, and from which seed.

    `keys`: clips in the store, sorted; `y`: (n,) class numbers; `train`, `val`, `test`: (n,) bool.
    """

    key: str
    store: str
    audio: FeatureOptions
    feature: str
    sync: str
    frames_per_step: int
    network: NetworkOptions
    learning: LearningOptions
    seed: int
    n_classes: int
    keys: tuple[str, ...]
    y: Array
    train: Array
    val: Array
    test: Array
    cache_bytes: int = CACHE_BYTES


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network: `logits` (n, n_classes) float64 of all validation and test clips (NaN elsewhere), its
    learning curve (a row an epoch), and everything that is needed to use it again.

    `train_s`, `score_s`: processor seconds of the training, and of scoring a clip."""

    key: str
    logits: Array
    history: pd.DataFrame
    best_epoch: int
    weights: list[Array]
    scaling: Scaling | None
    n_parameters: int
    train_s: float = 0.0
    score_s: float = 0.0
    meta: dict[str, Any] = field(default_factory=dict)


class FailedFit(FailedHead):
    """A network that could not be trained, and why."""


def fit_networks(
    tasks: Sequence[FitTask], workers: int, check: bool = True
) -> Iterator[TrainedNetwork | FailedFit]:
    """Train every task, in worker processes (0: in this one, which then loads TensorFlow); results as they finish.

    Args:
        check: first make sure, once for each network and feature, that it can learn a small batch by heart.
    Raises:
        InputError: it cannot, or a worker ended.
    """
    checks = (
        list({_form(task): task for task in sorted(tasks, key=lambda task: task.key, reverse=True)}.values())
        if check
        else []
    )
    if not workers:
        configure_tensorflow()
        for task in checks:
            check_can_overfit(task)
        yield from (fit_one(task) for task in tasks)
        return
    died = (
        "A training worker ended before its work was done, most often because memory ran out. Finished "
        "networks are kept; run again, with workers set to 1 if it happens again."
    )
    n_processes = min(workers, max(1, len(tasks)))
    with explaining_deaths(died), worker_pool(n_processes, prepare=prepare_tensorflow) as pool:
        for _ in as_they_finish(pool, check_can_overfit, checks, workers):
            pass
        yield from as_they_finish(pool, fit_one, tasks, workers)


def _form(task: FitTask) -> tuple[Any, ...]:
    return task.feature, task.sync, task.frames_per_step, task.network, task.n_classes


def prepare_tensorflow() -> None:
    """Load and configure TensorFlow in a worker, without the notes that its libraries print while loading."""
    with quiet_file_descriptors():
        configure_tensorflow()


def configure_tensorflow() -> None:
    """One thread, no accelerator, and the same bits each time, before TensorFlow has started anything."""
    import tensorflow as tf

    from vernal.training import program as training_program

    training_program.configure_tensorflow()
    tf.config.experimental.enable_op_determinism()


def fit_one(task: FitTask) -> TrainedNetwork | FailedFit:
    """Train one network; what a worker does."""
    problem = _problem(task)
    if problem:
        return FailedFit(task.key, problem)
    with FeatureStore(task.store) as store:
        source = _source(task, store)
        started = time.process_time()
        trainer = _Trainer(task, source)
        history, best_epoch = trainer.run()
        trained = time.process_time()
        scored = np.flatnonzero(task.val | task.test)
        logits = np.full((len(task.keys), task.n_classes), np.nan)
        logits[scored] = trainer.logits(scored)
        return TrainedNetwork(
            task.key,
            logits,
            history,
            best_epoch,
            trainer.weights,
            trainer.scaling,
            trainer.n_parameters,
            trained - started,
            (time.process_time() - trained) / len(scored),
        )


def check_can_overfit(task: FitTask) -> None:
    """Make sure that a network can learn a few clips by heart, dropout off, before hours go into training it.

    Raises:
        InputError: the loss stays above 0.1, or all clips are alike; something between sound, labels and training
            is wrong.
    """
    with FeatureStore(task.store) as store:
        source = _source(task, store)
        rows = _few_clips(task, source)
        if len(rows) < 2:
            raise InputError(
                f"Check before training: all training clips have the same {task.feature} ({task.sync}), so there "
                "is nothing to tell them apart by. Look for recordings that are silent, or cut in the wrong place."
            )
        learning = LearningOptions(_OVERFIT_RATE, len(rows), _OVERFIT_STEPS, _OVERFIT_STEPS)
        alone = replace(task, network=replace(task.network, dropout=0.0), learning=learning)
        loss = _Trainer(alone, source, rows).learn_by_heart(_OVERFIT_STEPS, OVERFIT_LOSS)
    if not loss <= OVERFIT_LOSS:
        raise InputError(
            f"Check before training: the {task.network.model} on {task.feature} ({task.sync}) could not learn "
            f"{len(rows)} clips by heart. Its loss is {loss:.3f} after {_OVERFIT_STEPS} steps, and should be near "
            f"zero (at most {OVERFIT_LOSS}). Look for clips whose labels contradict each other, and for features "
            "that are all alike; or give the network more units."
        )


def _few_clips(task: FitTask, source: SequenceSource) -> Array:
    """Some training clips, classes in turn; of clips that sound the same, the first."""
    order = rng_for(task.seed, "features overfit").permutation(np.flatnonzero(task.train))
    turn = pd.Series(task.y[order]).groupby(task.y[order]).cumcount().to_numpy()
    chosen: list[int] = []
    seen: set[bytes] = set()
    for row in order[np.lexsort((task.y[order], turn))]:
        content = source[int(row)].tobytes()
        if content not in seen:
            seen.add(content)
            chosen.append(int(row))
        if len(chosen) == _OVERFIT_CLIPS:
            break
    return np.array(chosen, dtype=np.int64)


def _problem(task: FitTask) -> str:
    if not task.train.any() or not task.val.any():
        return "there are no training or no validation clips; give more groups, or a larger features.splits.val_share"
    return ""


def _source(task: FitTask, store: FeatureStore) -> SequenceSource:
    return SequenceSource(
        store, task.audio, task.feature, task.sync, task.keys, task.frames_per_step, task.cache_bytes
    )


class _Program:
    """A network with its compiled steps. Compiling costs more than an epoch, so fits of one form share it: each
    begins by setting every number of it anew."""

    def __init__(self, network: NetworkOptions, n_dims: int, n_classes: int, learning_rate: float) -> None:
        import keras
        import tensorflow as tf

        self._build = lambda: build_network(network, n_dims, n_classes)
        self.network = self._build()
        self.optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=_MOST_GRADIENT)
        self.optimizer.build(self.network.trainable_variables)
        self._fresh = [np.array(variable) for variable in self.optimizer.variables]
        shapes = (
            tf.TensorSpec((None, None, n_dims)),
            tf.TensorSpec((None, None), tf.bool),
            tf.TensorSpec((None,), tf.int32),
        )

        @tf.function(input_signature=shapes)
        def step(x: Any, mask: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    y, self.network([x, mask], training=True)
                )
                loss = tf.reduce_mean(losses)
            variables = self.network.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return tf.reduce_sum(losses)

        @tf.function(input_signature=shapes[:2])
        def score(x: Any, mask: Any) -> Any:
            return self.network([x, mask], training=False)

        self.step, self.score = step, score

    def restart(self, seed: int) -> None:
        """Weights, dropout and optimiser as a network has them that nobody has trained yet."""
        import keras

        # Keras draws first weights and dropout from these; a draw of our own keeps neighbouring seeds apart.
        keras.utils.set_random_seed(int(rng_for(seed, "features network").integers(2**31)))
        # All variables, since the states of dropout are no weights.
        for own, fresh in zip(self.network.variables, self._build().variables, strict=True):
            own.assign(fresh)
        for own, first in zip(self.optimizer.variables, self._fresh, strict=True):
            own.assign(first)


@lru_cache(maxsize=4)
def _program(network: NetworkOptions, n_dims: int, n_classes: int, learning_rate: float) -> _Program:
    return _Program(network, n_dims, n_classes, learning_rate)


class _Trainer:
    """One fit: a program, what it reads, and where it is trained to."""

    def __init__(self, task: FitTask, source: SequenceSource, rows: Array | None = None) -> None:
        self.task, self.source = task, source
        self.rows = np.flatnonzero(task.train) if rows is None else rows
        self.scaling = source.scaling(self.rows)
        self._program = _program(task.network, source.n_dims, task.n_classes, task.learning.learning_rate)
        self._program.restart(task.seed)
        self.network = self._program.network

    @property
    def n_parameters(self) -> int:
        return sum(int(np.prod(weights.shape)) for weights in self.network.trainable_weights)

    @property
    def weights(self) -> list[Array]:
        return [np.asarray(weights) for weights in self.network.get_weights()]

    def run(self) -> tuple[pd.DataFrame, int]:
        """Train until validation gets no better; the best epoch's weights are kept."""
        task, learning = self.task, self.task.learning
        rule, best = EarlyStopping(learning.patience), self.network.get_weights()
        history: list[dict[str, float]] = []
        val = np.flatnonzero(task.val)
        while len(history) < learning.epochs and not rule.is_over:
            rng = rng_for(task.seed, "features batches", len(history))
            loss = sum(self._train(batch) for batch in self._batches(self.rows, rng)) / len(self.rows)
            val_loss, val_accuracy = self._measured(val)
            history.append(
                {"epoch": len(history) + 1, "loss": loss, "val_loss": val_loss, "val_accuracy": val_accuracy}
            )
            if rule.is_best(val_loss):
                best = self.network.get_weights()
        self.network.set_weights(best)
        return pd.DataFrame(history), rule.best_epoch

    def learn_by_heart(self, n_steps: int, enough: float) -> float:
        """The mean loss after training on one batch again and again, as soon as it is low enough."""
        batch = next(self._batches(self.rows, None))
        loss = np.inf
        for _ in range(n_steps):
            loss = self._train(batch) / len(batch.rows)
            if loss <= enough:
                break
        return loss

    def logits(self, rows: Array) -> Array:
        """(n_rows, n_classes) float64 in the order of `rows`."""
        found = np.empty((len(self.source), self.task.n_classes))
        for batch in self._batches(rows, None):
            found[batch.rows] = np.asarray(self._program.score(batch.x, batch.mask))
        return found[rows]

    def _batches(self, rows: Array, rng: np.random.Generator | None) -> Iterator[Batch]:
        return self.source.batches(rows, self.task.learning.batch_size, self.scaling, rng)

    def _train(self, batch: Batch) -> float:
        return float(self._program.step(batch.x, batch.mask, self.task.y[batch.rows].astype(np.int32)))

    def _measured(self, rows: Array) -> tuple[float, float]:
        """Mean cross-entropy and accuracy."""
        logits, y = self.logits(rows), self.task.y[rows]
        highest = logits.max(axis=1, keepdims=True)
        normal = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        losses = normal - logits[np.arange(len(rows)), y]
        return float(losses.mean()), float((logits.argmax(axis=1) == y).mean())
