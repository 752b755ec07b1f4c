"""Classifiers as ONNX files: BirdNET with layers of one's own behind it, or these layers alone.

The network is written operator by operator from the TFLite file, channels first, as ONNX has them. The spectrogram is
written anew: a frame is windowed in single precision, and transformed and summed into bands in double, about as the
model's own kernels do; a transform in single precision moves scores where a band holds next to nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vernal.audio.birdnet.classifier import DenseLayer, checked_layers
from vernal.audio.birdnet.model import N_DIMS, constant, operator_name
from vernal.audio.birdnet.network import N_FRAMES, SpectrogramScale, network, spectrogram_scales
from vernal.common.problems import InputError

N_SAMPLES = 144_000
# Known to every runtime of the last years; newer ones read them too.
_OPSET, _IR_VERSION = 17, 8


def make_onnx_classifier(layers: Sequence[DenseLayer]) -> bytes:
    """BirdNET with these layers behind its embedding: a classifier that needs nothing else.

    Args:
        layers: from the 1,024 values of the embedding to the logits.
    Returns:
        An ONNX file: `samples` (n, 144000) float32 at 48 kHz in, `logits` (n, n_classes) out.
    """
    graph, checked = _Graph(), checked_layers(layers, N_DIMS)
    _dense(graph, _network(graph, _spectrogram(graph, "samples")), checked)
    return graph.file("samples", N_SAMPLES, checked)


def make_onnx_head(layers: Sequence[DenseLayer]) -> bytes:
    """The layers alone.

    Returns:
        An ONNX file: `embeddings` (n, n_dims) float32 in, `logits` (n, n_classes) out.
    """
    graph, checked = _Graph(), checked_layers(layers)
    _dense(graph, "embeddings", checked)
    return graph.file("embeddings", len(checked[0].weights), checked)


class _Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[bytes, Any] = {}

    def add(self, kind: str, *inputs: str | np.ndarray, name: str = "", **attributes: Any) -> str:
        """Add a node; arrays among the inputs become constants. Returns the name of its output."""
        from onnx import helper

        output = name or f"{kind.lower()}_{len(self._nodes)}"
        named = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self._nodes.append(helper.make_node(kind, named, [output], output, **attributes))
        return output

    def constant(self, values: np.ndarray) -> str:
        """Keep an array, one that is there already only once."""
        from onnx import numpy_helper

        key = f"{values.dtype}{values.shape}".encode() + values.tobytes()
        made = numpy_helper.from_array(np.ascontiguousarray(values), f"constant_{len(self._constants)}")
        return str(self._constants.setdefault(key, made).name)

    def file(self, taken: str, n_values: int, layers: Sequence[DenseLayer]) -> bytes:
        """The file; `taken` is its input of `n_values` a row."""
        from onnx import TensorProto, helper

        rows = "n"
        given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, len(layers[-1].bias)])
        samples = helper.make_tensor_value_info(taken, TensorProto.FLOAT, [rows, n_values])
        graph = helper.make_graph(
            self._nodes, "classifier", [samples], [given], list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="vernal",
        )
        return bytes(model.SerializeToString(deterministic=True))


def _dense(graph: _Graph, source: str, layers: Sequence[DenseLayer]) -> None:
    for layer in layers[:-1]:
        source = graph.add("Relu", graph.add("Gemm", source, layer.weights, layer.bias))
    graph.add("Gemm", source, layers[-1].weights, layers[-1].bias, name="logits")


# The spectrogram ------------------------------------------------------------------------------------


def _spectrogram(graph: _Graph, samples: str) -> str:
    """Both spectrograms, (n, 2, 96, 511), of samples that are first scaled by their own minimum and maximum."""
    raised = graph.add("Sub", samples, graph.add("ReduceMin", samples, axes=[1], keepdims=1))
    highest = graph.add("Add", graph.add("ReduceMax", raised, axes=[1], keepdims=1), _number(1e-6))
    half = graph.add("Sub", graph.add("Div", raised, highest), _number(0.5))
    stretched = graph.add("Mul", half, _number(2))
    return graph.add("Concat", *(_scale(graph, stretched, scale) for scale in spectrogram_scales()), axis=1)


def _scale(graph: _Graph, samples: str, scale: SpectrogramScale) -> str:
    size = len(scale.window)
    # A sum, so that the file does not hold a million places.
    places = graph.add("Add", scale.hop * np.arange(N_FRAMES)[:, None], np.arange(size))
    windowed = graph.add("Mul", graph.add("Gather", samples, places, axis=1), scale.window)
    turns = np.outer(np.arange(size), scale.first_bin + np.arange(len(scale.bands))) % size
    matrix = np.cos(2 * np.pi / size * turns) @ scale.bands.astype(np.float64)
    exact = graph.add("MatMul", graph.add("Cast", windowed, to=_kind("DOUBLE")), matrix)
    bands = graph.add("Cast", exact, to=_kind("FLOAT"))
    power = graph.add("Pow", graph.add("Mul", bands, bands), scale.exponent.reshape(1))
    return graph.add("Unsqueeze", graph.add("Transpose", power, perm=[0, 2, 1]), np.array([1]))


def _number(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float32)


def _kind(name: str) -> int:
    from onnx import TensorProto

    return int(getattr(TensorProto, name))


# The network ----------------------------------------------------------------------------------------


def _network(graph: _Graph, spectrogram: str) -> str:
    """The embedding, (n, 1024): every operator of the network, in its order."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(network(), 0)
    tensors = model.subgraphs[0]
    known = {int(tensors.inputs[0]): spectrogram}
    for operator in tensors.operators:
        name = operator_name(model, operator)
        if name not in _WRITERS:
            raise InputError(f"BirdNET's network has an operator {name}, which is not known here.")
        known[int(operator.outputs[0])] = _WRITERS[name](graph, _Operator(model, operator, known))
    return graph.add("Flatten", known[int(tensors.outputs[0])], axis=1)


class _Operator:
    """An operator of the TFLite file with its inputs, as far as they are known by then."""

    def __init__(self, model: Any, operator: Any, known: dict[int, str]) -> None:
        self._model, self._operator, self._known = model, operator, known
        self.options = operator.builtinOptions

    def source(self, place: int = 0) -> str:
        """The name of an input that another operator gives."""
        return self._known[int(self._operator.inputs[place])]

    def values(self, place: int) -> np.ndarray:
        """A constant input."""
        return constant(self._model, int(self._operator.inputs[place]))

    def either(self, place: int) -> str | np.ndarray:
        """An input of either kind; constants are one value a channel, or one in all."""
        if int(self._operator.inputs[place]) in self._known:
            return self.source(place)
        return self.values(place).reshape(-1, 1, 1)

    def size(self) -> tuple[int, int]:
        """Height and width of the first input."""
        height, width = self._model.subgraphs[0].tensors[int(self._operator.inputs[0])].shape[1:3]
        return int(height), int(width)


Writer = Callable[[_Graph, _Operator], str]


def _same_or_valid(operator: _Operator, filters: Sequence[int]) -> list[int]:
    """Zeros above, left, below, right: TFLite's SAME puts an odd one below and right."""
    options = operator.options
    if options.padding:  # VALID
        return [0, 0, 0, 0]
    steps = (options.strideH, options.strideW)
    missing = [
        max((-(-size // step) - 1) * step + width - size, 0)
        for size, step, width in zip(operator.size(), steps, filters, strict=True)
    ]
    return [missing[0] // 2, missing[1] // 2, missing[0] - missing[0] // 2, missing[1] - missing[1] // 2]


def _activated(graph: _Graph, output: str, operator: _Operator) -> str:
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.ActivationFunctionType
    kind = operator.options.fusedActivationFunction
    if kind not in (kinds.NONE, kinds.RELU):
        raise InputError(f"BirdNET's network has an activation {kind}, which is not known here.")
    return graph.add("Relu", output) if kind == kinds.RELU else output


def _convolution(order: Sequence[int], is_depthwise: bool) -> Writer:
    """Writer of a convolution whose weights have these axes where ONNX wants outputs, inputs, height, width."""

    def write(graph: _Graph, operator: _Operator) -> str:
        weights = operator.values(1).transpose(order)
        options = operator.options
        output = graph.add(
            "Conv", operator.source(), weights, operator.values(2), group=len(weights) if is_depthwise else 1,
            pads=_same_or_valid(operator, weights.shape[2:]), strides=[options.strideH, options.strideW],
        )  # fmt: skip
        return _activated(graph, output, operator)

    return write


def _pool(kind: str) -> Writer:
    def write(graph: _Graph, operator: _Operator) -> str:
        options = operator.options
        filters = [options.filterHeight, options.filterWidth]
        return graph.add(
            kind, operator.source(), kernel_shape=filters, pads=_same_or_valid(operator, filters),
            strides=[options.strideH, options.strideW],
        )  # fmt: skip

    return write


def _pairwise(kind: str) -> Writer:
    def write(graph: _Graph, operator: _Operator) -> str:
        return _activated(graph, graph.add(kind, operator.either(0), operator.either(1)), operator)

    return write


def _pad(graph: _Graph, operator: _Operator) -> str:
    """Zeros around height and width, one on each side: all that the network has."""
    return graph.add("Pad", operator.source(), np.array([0, 0, 1, 1, 0, 0, 1, 1]))


_WRITERS: dict[str, Writer] = {
    "CONV_2D": _convolution((0, 3, 1, 2), is_depthwise=False),
    "DEPTHWISE_CONV_2D": _convolution((3, 0, 1, 2), is_depthwise=True),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "ADD": _pairwise("Add"),
    "MUL": _pairwise("Mul"),
    "LOGISTIC": lambda graph, operator: graph.add("Sigmoid", operator.source()),
    # Over height and width, which stay as sizes of one; the reshape that restores them in TFLite is nothing here.
    "MEAN": lambda graph, operator: graph.add("ReduceMean", operator.source(), axes=[2, 3], keepdims=1),
    "RESHAPE": lambda _, operator: operator.source(),
    "CONCATENATION": lambda graph, operator: graph.add(
        "Concat", operator.source(0), operator.source(1), axis=1
    ),
    "PAD": _pad,
}
