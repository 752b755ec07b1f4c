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
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    layers = _read_layers(content) if content[4:8] == b"TFL3" else []
    if not layers or layers[0][0].shape[0] != N_DIMS:
        raise InputError(
            f"{path} is not a classifier on BirdNET's embedding: it does not end in fully connected layers that "
            f"read {N_DIMS:,} values. Give a .tflite file that `kedro export` wrote."
        )
    return Head(tuple(layers))


def _read_layers(content: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Walk from the output back through fully connected layers; empty where a file is something else."""
    import struct

    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        maker = {int(output): operator for operator in graph.operators for output in operator.outputs}
        layers: list[tuple[np.ndarray, np.ndarray]] = []
        tensor = int(graph.outputs[0])
        while (operator := maker.get(tensor)) is not None and _is_dense(model, operator, schema):
            source, weights, bias = (int(index) for index in operator.inputs)
            activation = operator.builtinOptions.fusedActivationFunction
            if activation != (
                schema.ActivationFunctionType.RELU if layers else schema.ActivationFunctionType.NONE
            ):
                return []
            layers.append((_values(model, weights).T, _values(model, bias).reshape(-1)))
            tensor = source
    except (struct.error, IndexError, TypeError, ValueError, AttributeError):
        return []
    return layers[::-1]


def _is_dense(model: Any, operator: Any, schema: Any) -> bool:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.FULLY_CONNECTED


def _values(model: Any, index: int) -> np.ndarray:
    tensor = model.subgraphs[0].tensors[index]
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype="<f4").reshape(tensor.shape)
