"""What is wrong with the graph of a TFLite file of a stranger's, seen before anything of it is built.

The library that runs such files takes their numbers on trust: a graph that feeds itself, or whose numbers lead out of
its tables, ends the process.
"""

import struct
from collections.abc import Iterator
from math import prod
from typing import Any

_MOST = 1_000_000  # operators, tensors, and what operators read and write; BirdNET has some hundred of each
_MOST_VALUES = 2**29  # of a tensor: 2 GB of 32-bit floats
_MOST_SIZES = 8
_DAMAGES = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError)


def graph_problem(content: bytes) -> str:
    """What is wrong with a file's graph, in words; empty where nothing is.

    Args:
        content: of any bytes; time and memory do not depend on the sizes that it claims.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        return "it is no TFLite file"
    try:
        return next(_problems(schema.Model.GetRootAs(content, 0)), "")
    except _DAMAGES:
        return "its tables are damaged"


def _problems(model: Any) -> Iterator[str]:
    if not 1 <= model.SubgraphsLength() <= _MOST:
        yield f"it claims {model.SubgraphsLength():,} graphs"
    if sum(_sizes(model)) > _MOST:
        yield f"it claims more than {_MOST:,} operators and tensors"
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        yield from _tensor_problems(model, graph)
        yield from _operator_problems(model, graph)


def _sizes(model: Any) -> Iterator[int]:
    """How much there is to look at; no more is listed where one table is far too long."""
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        n_operators = min(graph.OperatorsLength(), _MOST)
        yield graph.TensorsLength() + graph.InputsLength() + graph.OutputsLength() + n_operators
        for at in range(n_operators):
            operator = graph.Operators(at)
            yield operator.InputsLength() + operator.OutputsLength()


def _tensor_problems(model: Any, graph: Any) -> Iterator[str]:
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        sizes = [tensor.Shape(at) for at in range(min(tensor.ShapeLength(), _MOST_SIZES))]
        if tensor.ShapeLength() > _MOST_SIZES or prod(max(size, 1) for size in sizes) > _MOST_VALUES:
            yield f"its tensor {number} claims more than {_MOST_VALUES:,} values"
        if tensor.Buffer() >= model.BuffersLength():
            yield f"the values of its tensor {number} are nowhere"


def _operator_problems(model: Any, graph: Any) -> Iterator[str]:
    """Numbers that lead out of the file's tables, and operators that are fed by what comes after them."""
    tensors = range(graph.TensorsLength())
    ends = [graph.Inputs(at) for at in range(graph.InputsLength())]
    ends += [graph.Outputs(at) for at in range(graph.OutputsLength())]
    if not all(end in tensors for end in ends):
        yield "its inputs and outputs are not among its tensors"
    waiting: set[int] = set()
    made: set[int] = set()
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        if operator.OpcodeIndex() >= model.OperatorCodesLength():
            yield f"its operator {number} is of no kind"
        given = {operator.Inputs(at) for at in range(operator.InputsLength())} - {-1}
        outputs = {operator.Outputs(at) for at in range(operator.OutputsLength())}
        if not all(tensor in tensors for tensor in given | outputs):
            yield f"its operator {number} reads or writes tensors that it has not"
        waiting |= given - made
        if outputs & (waiting | made):
            yield f"its operator {number} writes what was read or written before, so the graph feeds itself"
        made |= outputs
