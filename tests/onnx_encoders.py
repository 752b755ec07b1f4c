"""Encoders as ONNX files, made for tests: a matrix product and its absolute value."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_encoder(
    path: Path,
    n_samples: int,
    n_dims: int,
    shape: Sequence[int | str] | None = None,
    gain: float = 1.0,
    nan_above: float | None = None,
    is_double: bool = False,
    has_rows: bool = True,
) -> Path:
    """Write a network: `samples` in; out `embedding`, |samples x weights|, and the same as two `rows`.

    Args:
        shape: of the input; names are sizes that may change.
        nan_above: the root of this less each value is taken, and what lies above it gives NaN.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    kind, number = (TensorProto.DOUBLE, "f8") if is_double else (TensorProto.FLOAT, "f4")
    weights = gain * np.random.default_rng(1).standard_normal((n_samples, n_dims)) / n_samples**0.5
    constants = [numpy_helper.from_array(weights.astype(number), "weights")]

    def constant(name: str, values: np.ndarray):
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))

    nodes = [
        constant("flat", np.array([1, n_samples])),
        helper.make_node("Reshape", ["samples", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["product"]),
    ]
    if nan_above is not None:
        nodes += [
            constant("limit", np.array([nan_above], dtype=number)),
            helper.make_node("Abs", ["product"], ["size"]),
            helper.make_node("Sub", ["limit", "size"], ["below"]),
            helper.make_node("Sqrt", ["below"], ["embedding"]),
        ]
    else:
        nodes.append(helper.make_node("Abs", ["product"], ["embedding"]))
    outputs = [helper.make_tensor_value_info("embedding", kind, [1, n_dims])]
    if has_rows:
        nodes += [
            constant("pair", np.array([2, n_dims // 2])),
            helper.make_node("Reshape", ["embedding", "pair"], ["rows"]),
        ]
        outputs.append(helper.make_tensor_value_info("rows", kind, [2, n_dims // 2]))
    samples = helper.make_tensor_value_info("samples", kind, shape or [1, n_samples])
    graph = helper.make_graph(nodes, "encoder", [samples], outputs, constants)
    # An older form than the newest, which the runtime may not know yet.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save_model(model, path)
    return path
