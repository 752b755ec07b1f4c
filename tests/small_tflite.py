"""A small network as a TFLite file, made for tests, and what may be wrong with one."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from vernal.audio.birdnet.classifier import DenseLayer, make_head
from vernal.audio.birdnet.model import indices, packed


def small_tflite(change: Callable[[Any], None] | None = None, feeds_itself: bool = False) -> bytes:
    """1,024 samples to two values by way of three.

    Args:
        change: what is done to the model, as `ai_edge_litert`'s schema has it, before it is packed.
        feeds_itself: the first layer reads what the last one gives.
    """
    if feeds_itself:
        change = _feed_itself
    if change is None:
        return _made()
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(_made(), 0)
    change(model)
    return packed(model)


def _feed_itself(model: Any) -> None:
    graph = model.subgraphs[0]
    first = graph.operators[0]
    first.inputs = indices([graph.outputs[0], *first.inputs[1:]])


@lru_cache
def _made() -> bytes:
    rng = np.random.default_rng(1)
    sizes = ((1_024, 3), (3, 2))
    layers = [rng.normal(size=size).astype(np.float32) for size in sizes]
    return make_head([DenseLayer(weights, np.zeros(weights.shape[1], np.float32)) for weights in layers])
