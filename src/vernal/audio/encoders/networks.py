"""Encoders that are files: what runs a TFLite or an ONNX file, and what is wrong with one, told before anything long.

A file is run one window at a time, on one thread, so that a vector does not depend on the windows beside it. Weights
lie in the file itself: what an ONNX file keeps elsewhere is no part of the checksum that keys are made of.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from vernal.audio.birdnet.model import indices, packed
from vernal.audio.encoders.base import Encoder
from vernal.audio.encoders.files import EncoderFile, checksum_of
from vernal.audio.encoders.tflite_graph import graph_problem
from vernal.audio.reading import AudioError
from vernal.common.problems import InputError, suggest
from vernal.common.workers import BoundedWorker, Crash, quiet_file_descriptors

Network = Callable[[np.ndarray], np.ndarray]
# Others, such as Apple's, compute at half precision.
_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "CPUExecutionProvider")
_LEAST_CHANGE = 1e-6
_MOST_SAMPLES = 10**12
# What opening a file and hearing three windows may cost, besides four times the file.
_MEMORY_MB, _SECONDS = 3_000.0, 120.0


class FileEncoder(Encoder):
    """The encoder in a file; an output of several rows a window, as of a network with shorter frames, is averaged.

    Raises:
        InputError: the file is missing, has another checksum, is no such network, or takes or gives other sizes.
    """

    def __init__(self, file: EncoderFile) -> None:
        self._file = file
        self.name, self.n_dims = file.name, file.n_dims
        self.sample_rate_hz, self.window_s = file.sample_rate_hz, file.window_s
        found = checksum_of(file.path)
        if found != file.checksum:
            raise _problem(
                file,
                f"its sha256 is {found}, and sha256 is {file.checksum}: it is another file than the one that was meant",
            )
        self._network = _open(file)

    @property
    def n_samples(self) -> int:
        return self._file.n_samples

    def embed(self, windows: np.ndarray) -> np.ndarray:
        vectors = np.empty((len(windows), self.n_dims), dtype=np.float32)
        scale = np.float32(self._file.scale)
        for vector, window in zip(vectors, windows, strict=True):
            vector[:] = self._vector(self._network(np.asarray(window, dtype=np.float32) * scale))
        return vectors

    def _vector(self, given: np.ndarray) -> np.ndarray:
        if given.ndim == 0 or given.shape[-1] != self.n_dims:
            raise _problem(
                self._file,
                f"its output {'x'.join(map(str, given.shape))} does not end in n_dims, {self.n_dims}, values. Set "
                "n_dims, or name another output",
            )
        if not np.isfinite(given).all():
            raise AudioError("not_finite", f"the encoder {self.name} gives values that are not finite for it")
        return given.reshape(-1, self.n_dims).mean(axis=0)


def check_encoder(file: EncoderFile) -> None:
    """Open a file and let it hear noise, silence and the loudest sound there is, in a process of its own.

    The file may be anybody's: one that ends a process, or takes all memory there is, costs that process alone.

    Raises:
        InputError: it is not as the parameters say, gives values that are not finite, hears no difference, or ends
            the process, or takes more memory or time than an encoder does.
    """
    _checked(file, checksum_of(file.path))


@lru_cache(maxsize=16)
def _checked(file: EncoderFile, _checksum: str) -> None:
    worker = BoundedWorker(_MEMORY_MB + 4 * file.path.stat().st_size / 2**20, _SECONDS)
    try:
        check_in(worker, file)
    finally:
        worker.end()


def check_in(worker: BoundedWorker, file: EncoderFile) -> None:
    """`check_encoder` in a worker that there is already."""
    try:
        ended = worker.run(hear_sounds, file)
    except InputError as error:
        raise error from None  # where in the worker it was said is of no use to anybody
    if ended is not None:
        raise _problem(file, f"{_fate(ended)}. Take the file from its makers once more, or name another")


def _fate(ended: Crash) -> str:
    if ended.wanted == "memory":
        return "it takes far more memory than its size explains"
    if ended.wanted == "time":
        return "it takes far too long for three windows"
    return (
        f"the process that opened it ended (exit code {ended.exit_code}), so it is damaged or made to do harm"
    )


def hear_sounds(file: EncoderFile) -> None:
    """What `check_encoder` does in its process; in this one, a damaged file may end it."""
    encoder = FileEncoder(file)
    sounds = np.zeros((3, encoder.n_samples), dtype=np.float32)
    sounds[0] = 0.1 * np.random.default_rng(0).standard_normal(encoder.n_samples).clip(-5, 5)
    sounds[2] = np.where(np.arange(encoder.n_samples) // 24 % 2, 1, -1)
    try:
        vectors = encoder.embed(sounds)
    except AudioError as error:
        raise _problem(
            file,
            "for noise, silence or a loud tone it gives values that are not finite (NaN or infinite). Name another "
            "output, or set its scale",
        ) from error
    with np.errstate(over="ignore"):
        is_deaf = np.ptp(vectors, axis=0).max() < _LEAST_CHANGE
    if is_deaf:
        raise _problem(
            file,
            "it gives the same values for noise, silence and a loud tone, so it hears nothing. Name another output, "
            "or set its scale",
        )


def _problem(file: EncoderFile, words: str) -> InputError:
    return InputError(
        f"The encoder {file.name} ({file.path.name}) cannot be used: {words} (encoders.{file.name})."
    )


def _open(file: EncoderFile) -> Network:
    try:
        return _open_onnx(file) if file.path.suffix.lower() == ".onnx" else _open_tflite(file)
    except UnicodeDecodeError as error:
        raise _problem(file, "it is damaged: a name in it is no UTF-8") from error


@dataclass(frozen=True)
class _Tensor:
    """An input or output of a network: its sizes, of which those that may change are -1."""

    name: str
    sizes: Sequence[int]
    is_float32: bool

    def __str__(self) -> str:
        return (
            f"{self.name} ({'x'.join('?' if size < 0 else str(size) for size in self.sizes) or 'one value'})"
        )


def _input_shape(file: EncoderFile, inputs: Sequence[_Tensor]) -> tuple[int, ...]:
    """The shape in which a window is given: sizes that may change are 1, or else take up the samples."""
    if len(inputs) != 1 or not inputs[0].is_float32:
        raise _problem(
            file,
            f"it takes {', '.join(map(str, inputs)) or 'nothing'}; an encoder takes samples alone, as 32-bit floats",
        )
    sizes = list(inputs[0].sizes)
    # Not of 64 bits: a file may claim sizes whose product is 0 in those.
    n_fixed = math.prod(size for size in sizes if size > 0)
    rest, is_uneven = divmod(file.n_samples, n_fixed)
    free = [place for place, size in enumerate(sizes) if size <= 0]
    if is_uneven or (rest != 1 and not free):
        taken = f"{n_fixed:,}" if n_fixed < _MOST_SAMPLES else "absurdly many"
        raise _problem(
            file,
            f"it takes {taken} samples a window; {file.window_s:g} s at {file.sample_rate_hz:,} Hz are "
            f"{file.n_samples:,}. Set window_s and sample_rate_hz as its makers say",
        )
    for place in free:
        sizes[place] = 1
    if free:
        sizes[free[-1]] = rest
    return tuple(sizes)


def _chosen(file: EncoderFile, outputs: Sequence[_Tensor]) -> int:
    """Which of the outputs to take, where the file itself names it."""
    if len(outputs) == 1 and file.output == "":
        return 0
    names = [one.name for one in outputs]
    if file.output in names:
        return names.index(str(file.output))
    asked = "none is named" if file.output == "" else f"output is {file.output!r}"
    raise _problem(file, f"{asked}; its outputs are {', '.join(map(str, outputs))}")


def _open_onnx(file: EncoderFile) -> Network:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            f"The encoder {file.name} is an ONNX file, and the package onnxruntime is not installed: "
            'pip install "vernal[onnx]"'
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    providers = [name for name in _PROVIDERS if name in onnxruntime.get_available_providers()]
    try:
        with quiet_file_descriptors(also_stdout=True):  # where it fails, the library prints that, too
            session = onnxruntime.InferenceSession(file.path.read_bytes(), options, providers)
    except Exception as error:  # onnxruntime's own errors have no other base
        raise _problem(file, f"it is no ONNX file that can be run ({_first_line(error)})") from error
    inputs, outputs = map(_onnx_tensors, (session.get_inputs(), session.get_outputs()))
    shape, output = _input_shape(file, inputs), outputs[_chosen(file, outputs)].name

    def run(samples: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run([output], {inputs[0].name: samples.reshape(shape)})[0])
        except Exception as error:  # as above
            raise _problem(file, f"it does not run on samples of {shape} ({_first_line(error)})") from error

    return run


def _onnx_tensors(described: Sequence[Any]) -> list[_Tensor]:
    return [
        _Tensor(
            one.name,
            [size if isinstance(size, int) else -1 for size in one.shape],
            one.type == "tensor(float)",
        )
        for one in described
    ]


def _open_tflite(file: EncoderFile) -> Network:
    content = file.path.read_bytes()
    if problem := graph_problem(content):
        raise _problem(file, f"it is no TFLite file that can be run ({problem})")
    made = _interpreter(file, content)
    inputs, outputs = map(_tflite_tensors, (made.get_input_details(), made.get_output_details()))
    shape = _input_shape(file, inputs)
    if file.output != "" and file.output not in [one.name for one in outputs]:
        made = _interpreter(file, _with_output(file, content))
        outputs = _tflite_tensors(made.get_output_details())
        output = 0
    else:
        output = _chosen(file, outputs)
    taken, given = made.get_input_details()[0]["index"], made.get_output_details()[output]["index"]
    try:
        allocate(made, taken, shape)
    except (ValueError, RuntimeError) as error:
        raise _problem(file, f"it does not take samples of {shape} ({_first_line(error)})") from error
    return partial(_run_tflite, file, made, shape, taken, given)


def _run_tflite(
    file: EncoderFile, made: Any, shape: tuple[int, ...], taken: int, given: int, samples: np.ndarray
) -> np.ndarray:
    try:
        made.set_tensor(taken, samples.reshape(shape))
        made.invoke()
        return made.get_tensor(given)
    except (ValueError, RuntimeError) as error:
        raise _problem(file, f"it does not run on samples of {shape} ({_first_line(error)})") from error


def tflite_interpreter(content: bytes) -> Any:
    """An interpreter of one thread; not allocated: a network need not run at the sizes in its file."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_file_descriptors():  # the library announces itself for every interpreter
        return Interpreter(model_content=content, num_threads=1)


def allocate(made: Any, taken: int, shape: tuple[int, ...]) -> None:
    """Give an interpreter's input its shape, and all tensors their memory."""
    made.resize_tensor_input(taken, shape)
    with quiet_file_descriptors():
        made.allocate_tensors()


def _interpreter(file: EncoderFile, content: bytes) -> Any:
    try:
        return tflite_interpreter(content)
    except (ValueError, RuntimeError) as error:
        raise _problem(file, f"it is no TFLite file that can be run ({_first_line(error)})") from error


def _tflite_tensors(described: Sequence[Any]) -> list[_Tensor]:
    return [
        _Tensor(one["name"], one["shape_signature"].tolist(), one["dtype"] is np.float32) for one in described
    ]


def _with_output(file: EncoderFile, content: bytes) -> bytes:
    """The network with a tensor inside it as its only output, and without what only others need."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    wanted = _tensor_number(file, [one.name.decode(errors="replace") for one in graph.tensors])
    needed, kept = {wanted}, []
    for operator in reversed(graph.operators):
        if needed & set(map(int, operator.outputs)):
            kept.append(operator)
            needed |= set(map(int, operator.inputs))
    graph.operators, graph.outputs, model.signatureDefs = kept[::-1], indices([wanted]), []
    return packed(model)


def _tensor_number(file: EncoderFile, names: Sequence[str]) -> int:
    if isinstance(file.output, int):
        if 0 <= file.output < len(names):
            return file.output
        raise _problem(file, f"output is {file.output}, and its tensors are 0 to {len(names) - 1}")
    if file.output not in names:
        raise _problem(file, f"it has no tensor {file.output!r} ({suggest(file.output, names)[:300]})")
    return names.index(file.output)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
