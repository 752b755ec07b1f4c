"""Classifiers as TFLite files: made from a head's layers, and read back into them.

BirdNET-Analyzer takes two kinds: the head alone, which it feeds BirdNET's embedding, and a stand-alone
classifier, which hears samples. Both end in logits, since it applies the sigmoid itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vernal.audio.birdnet.classifier import DenseLayer, make_classifier, make_head
from vernal.audio.birdnet.model import N_DIMS
from vernal.common.problems import InputError
from vernal.training.heads import Head

MOST_BYTES = 512 * 1024**2
_MOST_OPERATORS = 10_000
Layer = tuple[np.ndarray, np.ndarray]


def head_file(head: Head) -> bytes:
    """The head alone: (n, 1024) embeddings in, (n, n_classes) logits out."""
    return make_head(_layers(head))


def stand_alone_file(head: Head) -> bytes:
    """BirdNET with this head: (n, 144000) samples at 48 kHz in, (n, n_classes) logits out."""
    return make_classifier(_layers(head))


def _layers(head: Head) -> list[DenseLayer]:
    if head.n_dims != N_DIMS:
        raise InputError(
            f"The head reads {head.n_dims} values, but BirdNET's embedding has {N_DIMS:,}. Export a point that was "
            "trained with the encoder birdnet_v2.4."
        )
    return [DenseLayer(weights, bias) for weights, bias in head.layers]


def read_head(path: Path | str) -> Head:
    """The layers behind BirdNET's embedding, read from a head-only or a stand-alone TFLite file.

    Raises:
        InputError: no such file, or not a classifier whose last layers are fully connected ones on the embedding.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} has more than {MOST_BYTES:,} bytes, which no classifier has.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    layers = _read_layers(content) if content[4:8] == b"TFL3" else []
    if not layers or layers[0][0].shape[0] != N_DIMS:
        raise InputError(
            f"{path} is not a classifier on BirdNET's embedding: it does not end in fully connected layers that "
            f"read {N_DIMS:,} values. Give a .tflite file that `kedro export` wrote."
        )
    try:
        return Head(tuple(layers))
    except InputError as error:
        raise InputError(f"{path} holds no head: {error}") from error


def _read_layers(content: bytes) -> list[Layer]:
    """Walk from the output back through fully connected layers; empty where a file is something else."""
    import struct

    from ai_edge_litert import schema_py_generated as schema

    try:
        return _walk_back(schema.Model.GetRootAs(content, 0), len(content))
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        return []


def _walk_back(model: Any, most_bytes: int) -> list[Layer]:
    """The layers of a graph that may be anything: fed by itself, or of one table that is listed a million times.

    Raises:
        ValueError: as other errors, where the file is something else, or its layers are larger than itself.
    """
    graph = model.Subgraphs(0)
    listed = (graph.Operators(at) for at in range(min(graph.OperatorsLength(), _MOST_OPERATORS)))
    maker = {operator.Outputs(0): operator for operator in listed if operator.OutputsLength() == 1}
    layers: list[Layer] = []
    tensor = graph.Outputs(0)
    seen: set[int] = set()
    while (operator := maker.get(tensor)) is not None and _is_dense(model, operator):
        if _activation(operator) != _expected_activation(is_last=not layers):
            return []
        seen.add(tensor)
        tensor, weights, bias = (operator.Inputs(at) for at in range(3))
        layers.append((_values(model, graph, weights).T, _values(model, graph, bias).reshape(-1)))
        most_bytes -= sum(values.nbytes for values in layers[-1])
        if tensor in seen or most_bytes < 0 or layers[-1][0].ndim != 2:
            raise ValueError("fed by itself, larger than the file, or no matrix")
    return layers[::-1]


def _is_dense(model: Any, operator: Any) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    code = model.OperatorCodes(operator.OpcodeIndex())
    return max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == schema.BuiltinOperator.FULLY_CONNECTED


def _activation(operator: Any) -> int:
    from ai_edge_litert import schema_py_generated as schema

    options, table = schema.FullyConnectedOptions(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options.FusedActivationFunction()


def _expected_activation(is_last: bool) -> int:
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.ActivationFunctionType
    return kinds.NONE if is_last else kinds.RELU


def _values(model: Any, graph: Any, index: int) -> np.ndarray:
    tensor = graph.Tensors(index)
    values = np.frombuffer(model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes(), dtype="<f4")
    return values.reshape(tensor.ShapeAsNumpy())
