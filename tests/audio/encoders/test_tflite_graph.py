"""Graphs that are refused unopened: what leads out of a file's tables, feeds itself or claims too much."""

import time

import pytest

from tests.small_tflite import small_tflite
from vernal.audio.birdnet.model import indices, model_path
from vernal.audio.encoders.tflite_graph import graph_problem


def test_networks_that_run_have_no_problem():
    assert graph_problem(small_tflite()) == ""
    assert graph_problem(model_path().read_bytes()) == ""


def last(model):
    return model.subgraphs[0].operators[-1]


def set_opcode(model):
    last(model).opcodeIndex = 900


def set_input(model):
    last(model).inputs = indices([last(model).inputs[0], 1_000, -1])


def set_output(model):
    last(model).outputs = indices([-1])


def set_end(model):
    model.subgraphs[0].outputs = indices([7_000])


def set_buffer(model):
    model.subgraphs[0].tensors[1].buffer = 5_000


def set_shape(model):
    model.subgraphs[0].tensors[1].shape = [2**20, 2**20]


def write_twice(model):
    graph = model.subgraphs[0]
    graph.operators[-1].outputs = graph.operators[0].outputs


def no_graph(model):
    model.subgraphs = []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_opcode, "its operator 1 is of no kind"),
        (set_input, "its operator 1 reads or writes tensors that it has not"),
        (set_output, "its operator 1 reads or writes tensors that it has not"),
        (set_end, "its inputs and outputs are not among its tensors"),
        (set_buffer, "the values of its tensor 1 are nowhere"),
        (set_shape, "its tensor 1 claims more than 536,870,912 values"),
        (write_twice, "its operator 1 writes what was read or written before, so the graph feeds itself"),
        (no_graph, "it claims 0 graphs"),
    ],
)
def test_what_would_end_a_process_is_told(change, words):
    assert graph_problem(small_tflite(change)) == words


def test_a_graph_that_feeds_itself_is_told():
    assert graph_problem(small_tflite(feeds_itself=True)).endswith("so the graph feeds itself")


@pytest.mark.parametrize(
    "content", [b"", b"no network", b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 400]
)
def test_other_bytes_are_told(content):
    assert graph_problem(content) in ("it is no TFLite file", "it claims 0 graphs", "its tables are damaged")


def test_a_table_that_claims_billions_costs_no_time(monkeypatch):
    one = small_tflite()
    began = time.process_time()
    for at in range(0, 400, 4):
        graph_problem(one[:at] + b"\xff\xff\xff\x7f" + one[at + 4 :])
    assert time.process_time() - began < 2
