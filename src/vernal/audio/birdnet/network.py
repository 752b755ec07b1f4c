"""BirdNET's network behind the spectrogram, with fixed shapes, and what its spectrogram is made of.

The network stands behind a spectrogram with dynamic shapes, which keeps the fast kernels away from it; cut out,
with fixed shapes, it has them. Both are derived once and kept (`vernal.audio.birdnet.cache`).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vernal.audio.birdnet.cache import cached
from vernal.audio.birdnet.model import (
    EMBEDDING,
    SPECTROGRAM,
    constant,
    drop_unused,
    indices,
    interpreter,
    operator_name,
    packed,
    read_model,
    set_constant,
    set_shape,
)

N_FRAMES = 511
N_BANDS = 96


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


def make_network() -> bytes:
    """Cut the network behind the spectrogram, with every shape fixed.

    Returns:
        A TFLite file: input (1, 96, 511, 2), output (1, 1024), the embedding.
    """
    model = read_model()
    graph = model.subgraphs[0]
    first = next(i for i, op in enumerate(graph.operators) if SPECTROGRAM in list(op.outputs)) + 1
    last = next(i for i, op in enumerate(graph.operators) if EMBEDDING in list(op.outputs))
    graph.operators = graph.operators[first : last + 1]
    graph.inputs, graph.outputs = indices([SPECTROGRAM]), indices([EMBEDDING])
    model.signatureDefs = []
    set_shape(graph.tensors[SPECTROGRAM], (1, N_BANDS, N_FRAMES, 2))
    _fix_shapes(model)
    drop_unused(model)
    return packed(model)


def _fix_shapes(model: Any) -> None:
    """Write the shapes that one run shows into the file; shapes computed at run time become constants."""
    from ai_edge_litert.interpreter import OpResolverType

    graph = model.subgraphs[0]
    run = interpreter(
        packed(model),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    run.invoke()
    shapes = {detail["index"]: detail["shape"] for detail in run.get_tensor_details()}
    names = [operator_name(model, operator) for operator in graph.operators]
    for operator, name in zip(graph.operators, names, strict=True):
        for index in operator.outputs:
            set_shape(graph.tensors[index], shapes[int(index)])
        if name == "RESHAPE":
            set_constant(model, operator.inputs[1], run.get_tensor(operator.inputs[1]).astype("<i4"))
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
    model = read_model()
    found = []
    for scale in SCALES:
        mel = constant(model, scale.mel)
        heard = np.flatnonzero(mel.any(axis=0))
        first, last = int(heard[0]), int(heard[-1])
        bands = np.ascontiguousarray(mel[::-1, first : last + 1].T)
        exponent = np.float32(constant(model, scale.power))
        found.append(
            SpectrogramScale(scale.hop, constant(model, scale.window).copy(), first, bands, exponent)
        )
    return found


def network(folder: Path | None = None) -> bytes:
    """The network of `make_network`, from the cache or made anew."""
    return cached("network.tflite", make_network, folder)


def spectrogram_scales(folder: Path | None = None) -> list[SpectrogramScale]:
    """The scales of `make_spectrogram_scales`, from the cache or made anew."""
    content = cached("spectrogram.npz", _scales_as_bytes, folder)
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
