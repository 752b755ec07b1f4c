"""The compiled program that trains many heads over one shared matrix of embeddings.

One call runs a block of training steps of every lane; a lane is one head with its own rows, order, step
sizes, dropout and loss. Lanes share the matrix, the dropout numbers and the compiled code, and nothing else:
each is computed by the same instructions on its own numbers, whichever lanes stand beside it, which is why a
head comes out the same to the last bit alone and among others. The number of lanes in use, steps and blocks
are data, not shapes, so nothing is compiled again for them.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vernal.common.workers import quiet_file_descriptors
from vernal.training.rules import ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, L2

Array = NDArray[Any]
Tensor = Any

VAL_ROWS = 128
_ROWS_A_BLOCK = 4_096
_MOST_LANES = 32
_LANE_BYTES = 64 * 2**20
_SMALLEST_MISS = 1e-12


@dataclass(frozen=True, order=True)
class Architecture:
    """What must be equal for heads to be trained by one compiled program."""

    n_dims: int
    hidden_units: int
    n_classes: int
    batch_size: int

    @property
    def widths(self) -> list[int]:
        """Widths of input, hidden layer where there is one, and output."""
        return [self.n_dims, *([self.hidden_units] if self.hidden_units else []), self.n_classes]

    @property
    def n_inputs(self) -> int:
        """Numbers that dropout can drop for one row: the inputs of all layers."""
        return sum(self.widths[:-1])

    @property
    def n_parameters(self) -> int:
        """Trained numbers of one head."""
        return sum(n_in * n_out + n_out for n_in, n_out in itertools.pairwise(self.widths))

    @property
    def n_lanes(self) -> int:
        """Heads trained together: as many as keep weights and optimiser state in a bounded memory."""
        return max(1, min(_MOST_LANES, _LANE_BYTES // (12 * self.n_parameters)))

    @property
    def n_steps(self) -> int:
        """Training steps in one call."""
        return max(1, _ROWS_A_BLOCK // self.batch_size)


class Lanes(NamedTuple):
    """What the lanes of one call do, as arrays or tensors; L lanes, S steps, B rows a step, C classes.

    `lane`: (L,) int32 the lanes in use, first `n_used` of them. `n_steps`: (L,) int32. `rows`: (L, S, B)
    int32, positions in the matrix, or behind its end in the extra rows. `targets`: (L, S, B, C). `row_weights`:
    (L, S, B), 0 for a row that only fills the batch. `step_sizes`: (L, S). `dropped_below`: (L,) uint16.
    `gamma`, `positive`, `negative`: (L,) factors of the focal loss.
    """

    lane: Any
    n_used: Any
    n_steps: Any
    rows: Any
    targets: Any
    row_weights: Any
    step_sizes: Any
    dropped_below: Any
    gamma: Any
    positive: Any
    negative: Any


class Program(NamedTuple):
    """Two compiled functions: `train` makes a block of steps, `score` gives logits of validation rows.

    The state is a flat list: weights and bias of each layer, then Adam's two moments of each of these, then
    the sum of the batches' losses, each with a leading axis of lanes.
    """

    train: Any
    score: Any


def prepare_tensorflow() -> None:
    """Load and configure TensorFlow in a worker, without the notes that its libraries print while loading."""
    with quiet_file_descriptors(), _without_keras():
        configure_tensorflow()


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Keep TensorFlow from loading Keras with it, and scikit-learn and Matplotlib with that.

    Heads do not use them, and they are two fifths of what a worker waits for. Loading TensorFlow loads the older
    Keras instead where that is asked for, and none where it is not installed; whoever imports Keras later has it.
    """
    name = "TF_USE_LEGACY_KERAS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def configure_tensorflow() -> None:
    """Use one thread and no accelerator, before TensorFlow has started anything.

    Raises:
        RuntimeError: TensorFlow is running with other settings already.
    """
    import tensorflow as tf

    wanted = (1, 1)
    if (threads := _threads(tf)) != wanted:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError as error:
            raise RuntimeError(
                f"TensorFlow already runs with {threads} threads in this process; heads are trained with one, so "
                "that results do not depend on the machine. Train with workers=1 or more: they are processes of "
                "their own."
            ) from error
    tf.config.set_visible_devices([], "GPU")


def _threads(tf: Any) -> tuple[int, int]:
    threading = tf.config.threading
    return threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()


def shared_tensor(x: Array) -> Tensor:
    """A tensor on the memory of `x`: float32, aligned as memory-mapped `.npy` files are."""
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(x.__dlpack__())


def empty_state(architecture: Architecture) -> list[Array]:
    """The state of lanes that have not begun: zeros everywhere."""
    lanes, widths = architecture.n_lanes, architecture.widths
    shapes = [shape for n_in, n_out in itertools.pairwise(widths) for shape in ((n_in, n_out), (n_out,))]
    return [np.zeros((lanes, *shape), np.float32) for _ in range(3) for shape in shapes] + [
        np.zeros(lanes, np.float32)
    ]


@lru_cache(maxsize=16)
def compiled_program(architecture: Architecture) -> Program:
    """Build the program of an architecture; it is compiled for each shape of the matrix and the extra rows.

    Positions are looked up with `gather`: indexing with brackets would make the compiler treat the list of
    lanes as a constant and compile again whenever a lane stops.
    """
    import tensorflow as tf

    compiled = tf.function(jit_compile=_can_compile(tf), autograph=False)
    return Program(compiled(_trainer(tf, architecture)), compiled(_scorer(tf, architecture)))


def _trainer(tf: Any, architecture: Architecture) -> Callable[..., list[Tensor]]:
    def train(state: list[Tensor], x: Tensor, extra: Tensor, noise: Tensor, lanes: Lanes) -> list[Tensor]:
        def one_lane(i: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            lane = tf.gather(lanes.lane, i)
            mine = Lanes(*[part if part.shape.rank == 0 else tf.gather(part, lane) for part in lanes])

            def one_step(step: Tensor, *own: Tensor) -> tuple[Tensor, ...]:
                now = _at_step(tf, mine, step)
                inputs = _gather(tf, x, extra, now.rows)
                return (step + 1, *_step(tf, list(own), inputs, now, tf.gather(noise, step), architecture))

            own = [tf.gather(part, lane) for part in state]
            after = tf.while_loop(lambda step, *_: step < mine.n_steps, one_step, (0, *own))[1:]
            return (i + 1, *[_put(tf, part, lane, new) for part, new in zip(state, after, strict=True)])

        return list(tf.while_loop(lambda i, *_: i < lanes.n_used, one_lane, (0, *state))[1:])

    return train


def _scorer(tf: Any, architecture: Architecture) -> Callable[..., Tensor]:
    def score(
        weights: list[Tensor], x: Tensor, lane: Tensor, n_used: Tensor, n_blocks: Tensor, rows: Tensor
    ) -> Tensor:
        def one_lane(i: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
            this = tf.gather(lane, i)
            own, own_rows = [tf.gather(part, this) for part in weights], tf.gather(rows, this)

            def one_block(block: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
                values = tf.gather(x, tf.gather(own_rows, block))
                for layer in range(0, len(own), 2):
                    values = tf.matmul(tf.nn.relu(values) if layer else values, own[layer]) + own[layer + 1]
                return block + 1, _put(tf, found, block, values)

            n_own, empty = tf.gather(n_blocks, this), tf.gather(logits, this)
            found = tf.while_loop(lambda block, _: block < n_own, one_block, (0, empty))[1]
            return i + 1, _put(tf, logits, this, found)

        nothing = tf.zeros((*rows.shape, architecture.n_classes), tf.float32)
        return tf.while_loop(lambda i, _: i < n_used, one_lane, (0, nothing))[1]

    return score


def _put(tf: Any, whole: Tensor, position: Tensor, part: Tensor) -> Tensor:
    return tf.tensor_scatter_nd_update(whole, [[position]], part[None])


def _can_compile(tf: Any) -> bool:
    """Whether this TensorFlow has its compiler; without it the same program runs uncompiled, more slowly."""
    try:
        tf.function(lambda value: value + 1, jit_compile=True)(tf.constant(1.0))
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError):
        return False
    return True


def _gather(tf: Any, x: Tensor, extra: Tensor, rows: Tensor) -> Tensor:
    """Rows of the matrix, or of the extra rows behind its end."""
    last = x.shape[0] - 1
    own = tf.gather(x, tf.minimum(rows, last))
    made = tf.gather(extra, tf.maximum(rows - x.shape[0], 0))
    return tf.where((rows > last)[:, None], made, own)


def _at_step(tf: Any, lane: Lanes, step: Tensor) -> Lanes:
    """What one lane does in one step: rows (B,), targets (B, C), row weights (B,) and one step size."""
    return lane._replace(
        rows=tf.gather(lane.rows, step),
        targets=tf.gather(lane.targets, step),
        row_weights=tf.gather(lane.row_weights, step),
        step_sizes=tf.gather(lane.step_sizes, step),
    )


def _step(
    tf: Any, state: list[Tensor], inputs: Tensor, settings: Lanes, noise: Tensor, architecture: Architecture
) -> list[Tensor]:
    """One optimiser step of one lane: forward, loss, gradients, Adam."""
    n_layers = len(architecture.widths) - 1
    n_parts = 2 * n_layers
    parameters, first, second, total = (
        state[:n_parts],
        state[n_parts : 2 * n_parts],
        state[2 * n_parts : -1],
        state[-1],
    )
    keep = noise >= settings.dropped_below
    # What is kept is scaled up on the narrow side of each product, which is the same and costs less.
    scale = 65_536.0 / (65_536.0 - tf.cast(settings.dropped_below, tf.float32))

    layer_inputs, kept, values, taken = [], [], inputs, 0
    for layer, width in enumerate(architecture.widths[:-1]):
        kept.append(keep[:, taken : taken + width])
        taken += width
        layer_inputs.append(tf.where(kept[-1], values, 0.0))
        values = tf.matmul(layer_inputs[-1], parameters[2 * layer]) * scale + parameters[2 * layer + 1]
        if layer + 1 < n_layers:
            values = tf.nn.relu(values)
    losses, slope = _loss(tf, values, settings)
    slope = slope * settings.row_weights[:, None]
    penalty = L2 * tf.add_n([_sum_of_squares(tf, weights) for weights in parameters[::2]])
    n_rows = tf.reduce_sum(tf.cast(settings.row_weights > 0, tf.float32))
    # Keras' epoch loss is the mean over rows of each batch's loss, regularisation included.
    total = total + (tf.reduce_sum(losses * settings.row_weights[:, None]) + penalty) * n_rows

    gradients: list[Tensor] = []
    for layer in reversed(range(n_layers)):
        weights = parameters[2 * layer]
        scaled = slope * scale
        gradients[:0] = [
            tf.matmul(layer_inputs[layer], scaled, transpose_a=True) + 2 * L2 * weights,
            tf.reduce_sum(slope, 0),
        ]
        if layer:
            # An input that is 0 was dropped or cut by the ReLU; neither passes anything back.
            slope = tf.where(layer_inputs[layer] > 0, tf.matmul(scaled, weights, transpose_b=True), 0.0)
    updated = [
        _adam(tf, *parts, settings.step_sizes)
        for parts in zip(parameters, first, second, gradients, strict=True)
    ]
    return [part[i] for i in range(3) for part in updated] + [total]


def _sum_of_squares(tf: Any, weights: Tensor) -> Tensor:
    """Summed along the long axis first, which the compiler turns into wide additions."""
    return tf.reduce_sum(tf.reduce_sum(weights * weights, axis=0))


def _loss(tf: Any, logits: Tensor, settings: Lanes) -> tuple[Tensor, Tensor]:
    """Loss of each row and class, and its slope in the logit; `vernal.training.rules.row_losses` in float32."""
    y, gamma = settings.targets, settings.gamma
    p, q = tf.sigmoid(logits), tf.sigmoid(-logits)
    cross_entropy = tf.math.softplus(logits) - logits * y
    missed = tf.maximum(y * q + (1 - y) * p, 0.0)
    focus = tf.pow(missed, gamma)
    balance = y * settings.positive + (1 - y) * settings.negative
    focus_slope = gamma * tf.pow(tf.maximum(missed, _SMALLEST_MISS), gamma - 1) * (1 - 2 * y) * p * q
    return balance * focus * cross_entropy, balance * (focus * (p - y) + focus_slope * cross_entropy)


def _adam(
    tf: Any, value: Tensor, first: Tensor, second: Tensor, gradient: Tensor, step_size: Tensor
) -> tuple[Tensor, ...]:
    first = first + (gradient - first) * (1 - ADAM_BETA_1)
    second = second + (gradient * gradient - second) * (1 - ADAM_BETA_2)
    return value - step_size * first / (tf.sqrt(second) + ADAM_EPSILON), first, second
