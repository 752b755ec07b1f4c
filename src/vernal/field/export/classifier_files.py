"""Classifiers as TFLite and ONNX files: made from a head's layers, and read back into them.

Of each format there are two kinds: the head alone, which is fed the encoder's embedding, and a stand-alone classifier,
which hears samples. All end in logits, since the programs apply the sigmoid themselves. BirdNET-Analyzer takes both
kinds of TFLite file, `birdnet` the stand-alone one.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vernal.audio.birdnet.classifier import DenseLayer, make_classifier, make_head
from vernal.audio.birdnet.model import N_DIMS, interpreter
from vernal.audio.birdnet.onnx_graph import make_onnx_classifier, make_onnx_head
from vernal.common.problems import InputError
from vernal.training.heads import Head

MOST_BYTES = 512 * 1024**2
_MOST_OPERATORS = 10_000
_HEAD = "_head"
Layer = tuple[np.ndarray, np.ndarray]


def classifier_files(name: str, head: Head, is_birdnet: bool) -> dict[str, bytes]:
    """The files of an export by name: heads alone, and stand-alone classifiers where BirdNET is the encoder.

    ONNX files are among them where `onnx` and `onnxruntime` are installed: what cannot be proven is not written.
    """
    layers = [DenseLayer(weights, bias) for weights, bias in head.layers]
    files = {f"{name}{_HEAD}.tflite": make_head(layers)}
    if is_birdnet:
        files[f"{name}.tflite"] = stand_alone_file(head)
    if can_write_onnx():
        files[f"{name}{_HEAD}.onnx"] = make_onnx_head(layers)
        if is_birdnet:
            files[f"{name}.onnx"] = make_onnx_classifier(layers)
    return files


def is_head(file: Path) -> bool:
    """Whether a file of an export is the head alone."""
    return file.stem.endswith(_HEAD)


def can_write_onnx() -> bool:
    """Whether what writes and what runs ONNX files is installed."""
    return all(find_spec(package) is not None for package in ("onnx", "onnxruntime"))


def head_file(head: Head) -> bytes:
    """The head alone: (n, n_dims) embeddings in, (n, n_classes) logits out."""
    return make_head([DenseLayer(weights, bias) for weights, bias in head.layers])


def stand_alone_file(head: Head) -> bytes:
    """BirdNET with this head: (n, 144000) samples at 48 kHz in, (n, n_classes) logits out."""
    if head.n_dims != N_DIMS:
        raise InputError(
            f"The head reads {head.n_dims} values, but BirdNET's embedding has {N_DIMS:,}. Export a point that was "
            "trained with the encoder birdnet_v2.4."
        )
    return make_classifier([DenseLayer(weights, bias) for weights, bias in head.layers])


def open_classifier(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """What runs a file: (n, n_values) float32 in, (n, n_classes) logits out; on one thread."""
    return _open_onnx(path) if path.suffix == ".onnx" else _open_tflite(path)


def _open_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
    (taken,) = (one.name for one in session.get_inputs())
    return lambda values: np.asarray(session.run(None, {taken: values})[0])


def _open_tflite(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    made = interpreter(path.read_bytes())
    (taken,), (given,) = made.get_input_details(), made.get_output_details()

    def run(values: np.ndarray) -> np.ndarray:
        made.resize_tensor_input(taken["index"], values.shape)
        made.allocate_tensors()
        made.set_tensor(taken["index"], values)
        made.invoke()
        return np.asarray(made.get_tensor(given["index"]))

    return run


def read_head(path: Path | str, n_dims: int = N_DIMS) -> Head:
    """The layers behind the embedding, read from a head-only or a stand-alone TFLite file.

    Args:
        n_dims: values of the embedding; left out, BirdNET's.
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
    if not layers or layers[0][0].shape[0] != n_dims:
        raise InputError(
            f"{path} is not a classifier on {'BirdNET' if n_dims == N_DIMS else 'its encoder'}'s embedding: it does "
            f"not end in fully connected layers that read {n_dims:,} values. Give a .tflite file that `kedro export` "
            "wrote."
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
