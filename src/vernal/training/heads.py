"""What a head is: the small trained network behind an encoder, from an embedding to one logit a class.

A head is a list of dense layers with a ReLU between them. Its logits are exact to about 1e-10 of the largest
term, because numbers are cut into pieces whose products and sums are whole numbers that a float64 holds
without rounding. Nothing is left for the order of additions to change: a clip has the same logit, bit for
bit, alone or among thousands, for one head or a hundred at once, on any processor, library or thread count.
"""

import io
import itertools
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.common.files import write_bytes
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError
from vernal.common.storage import as_path, local_copy

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
Float64 = NDArray[np.float64]

WEIGHTS_FILE = "head.npz"
META = "meta.json"
MOST_ARRAYS = 1_000
_ROWS_AT_ONCE = 1_024
_MANTISSA_BITS = 53
# Scaling by a power of two is exact only where float64 has an exponent for it.
_SMALLEST_EXPONENT = -900


@dataclass(frozen=True, eq=False)
class Head:
    """Dense layers `(weights (n_in, n_out), bias (n_out,))`, float32, with a ReLU between layers.

    Raises:
        InputError: layers that do not fit together, or weights that are not finite.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        layers = tuple((_float32(weights), _float32(bias)) for weights, bias in self.layers)
        _check(layers)
        object.__setattr__(self, "layers", layers)

    @property
    def n_dims(self) -> int:
        """Width of the embeddings that it reads."""
        return self.layers[0][0].shape[0]

    @property
    def n_classes(self) -> int:
        """Logits that it gives for one embedding."""
        return self.layers[-1][0].shape[1]

    @property
    def hidden_units(self) -> int:
        """Width of the hidden layer; 0 for a linear head."""
        return 0 if len(self.layers) == 1 else self.layers[0][0].shape[1]

    @property
    def n_parameters(self) -> int:
        """Trained numbers, biases included."""
        return sum(weights.size + bias.size for weights, bias in self.layers)

    def logits(self, x: NDArray[Any]) -> Float64:
        """One logit a class for every embedding.

        Args:
            x: (n, n_dims) embeddings, finite.
        Returns:
            (n, n_classes) float64; a row depends on that row of `x` alone, to the last bit.
        Raises:
            InputError: `x` has another width, or holds values that are not finite.

        >>> head = Head(((np.array([[1.0], [-2.0]]), np.array([0.5])),))
        >>> head.logits(np.array([[3.0, 1.0]])).tolist()
        [[1.5]]
        """
        return head_logits([self], x)[0]

    def same_as(self, other: "Head") -> bool:
        """Whether both hold the same numbers, bit for bit."""
        return len(self.layers) == len(other.layers) and all(
            mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes()
            for ours, others in zip(self.layers, other.layers, strict=True)
            for mine, theirs in zip(ours, others, strict=True)
        )


def _float32(values: Any) -> NDArray[np.float32]:
    array = np.array(values, dtype=np.float32, order="C")
    array.setflags(write=False)
    return array


def _check(layers: tuple[Layer, ...]) -> None:
    shapes = [(weights.shape, bias.shape) for weights, bias in layers]
    fits = bool(layers) and all(len(w) == 2 and b == w[1:] and w[0] and w[1] for w, b in shapes)
    if not fits or any(left[0][1] != right[0][0] for left, right in itertools.pairwise(shapes)):
        raise InputError(
            f"A head's layers do not fit together: weights and biases have the shapes {shapes}. "
            "Give each layer as (n_in, n_out) and (n_out,), with n_in the width of what comes before."
        )
    broken = sum(int((~np.isfinite(array)).sum()) for layer in layers for array in layer)
    if broken:
        raise InputError(f"{broken:,} of a head's weights are not finite numbers; it cannot score anything.")


# Scoring --------------------------------------------------------------------------------------------


def head_logits(heads: Sequence[Head], x: NDArray[Any]) -> list[Float64]:
    """Logits of many heads on the same embeddings; the same bits as one head at a time, and faster.

    Args:
        heads: of any architectures.
        x: (n, n_dims) embeddings, finite.
    Returns:
        One (n, n_classes) float64 array a head.
    Raises:
        InputError: a head reads another width than `x` has, or `x` is not finite.
    """
    x = np.asarray(x)
    _check_embeddings(heads, x)
    results = [np.empty((len(x), head.n_classes)) for head in heads]
    first = _side_by_side([head.layers[0][0] for head in heads if not head.hidden_units])
    deeper = [
        [_cut_columns(weights) for weights, _ in head.layers] if head.hidden_units else [] for head in heads
    ]
    for start in range(0, len(x), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        rows = _cut(x[part].astype(np.float64), axis=1)
        products, taken = (None, 0) if first is None else (_product(rows, first), 0)
        for head, layers, result in zip(heads, deeper, results, strict=True):
            if products is not None and not layers:
                result[part] = products[:, taken : taken + head.n_classes] + head.layers[0][1]
                taken += head.n_classes
            else:
                result[part] = _through(rows, layers, [bias for _, bias in head.layers])
    return results


def _check_embeddings(heads: Sequence[Head], x: NDArray[Any]) -> None:
    widths = sorted({head.n_dims for head in heads})
    if x.ndim != 2 or any(width != x.shape[1] for width in widths):
        raise InputError(
            f"Embeddings have the shape {x.shape}, but the head reads (n, {' or '.join(map(str, widths))}). "
            "Use the head with embeddings of the encoder that it was trained on."
        )
    if not np.isfinite(x).all():
        rows = np.flatnonzero(~np.isfinite(x).all(axis=1))
        raise InputError(
            f"{len(rows):,} of {len(x):,} embeddings are not finite (first: row {rows[0]}). "
            "Verify the store (`kedro store verify`) and embed those clips again."
        )


@dataclass(frozen=True)
class _Cut:
    """A matrix as whole numbers: `(coarse + fine / 2**bits) * 2**(exponent - bits)`, each below `2**bits`."""

    coarse: Float64
    fine: Float64
    exponent: NDArray[np.int32]
    bits: int


def _cut(values: Float64, axis: int) -> _Cut:
    """Cut each row (axis 1) or column (axis 0) by its own largest value."""
    length = values.shape[axis]
    bits = (_MANTISSA_BITS - 1 - int(np.ceil(np.log2(max(length, 2))))) // 2
    peak = np.abs(values).max(axis=axis, keepdims=True)
    exponent = np.maximum(np.frexp(peak)[1], _SMALLEST_EXPONENT)
    scaled = np.ldexp(values, bits - exponent)
    coarse = np.rint(scaled)
    return _Cut(coarse, np.rint(np.ldexp(scaled - coarse, bits)), exponent, bits)


def _cut_columns(weights: NDArray[np.float32]) -> _Cut:
    return _cut(weights.astype(np.float64), axis=0)


def _side_by_side(weights: Sequence[NDArray[np.float32]]) -> _Cut | None:
    """The weights of linear heads as one matrix, so that all are scored by one product."""
    return _cut_columns(np.concatenate(weights, axis=1)) if weights else None


def _product(rows: _Cut, columns: _Cut) -> Float64:
    """Matrix product, up to the product of the two fine parts (2**-2*bits of the largest term)."""
    whole = rows.coarse @ columns.coarse
    rest = rows.coarse @ columns.fine + rows.fine @ columns.coarse
    return np.ldexp(whole + np.ldexp(rest, -rows.bits), rows.exponent + columns.exponent - 2 * rows.bits)


def _through(rows: _Cut, layers: Sequence[_Cut], biases: Sequence[NDArray[np.float32]]) -> Float64:
    for i, (weights, bias) in enumerate(zip(layers, biases, strict=True)):
        values = _product(rows, weights) + bias
        if i + 1 < len(layers):
            rows = _cut(np.maximum(values, 0.0), axis=1)
    return values


# Files ----------------------------------------------------------------------------------------------


def save_head(path: Path | str, head: Head, meta: Mapping[str, Any] | None = None) -> None:
    """Write a head and a description of it as one `.npz`; equal heads and descriptions give equal bytes.

    Args:
        path: file to write, or an existing folder, which gets `head.npz`.
        head: what to write.
        meta: plain data (text, numbers, lists, dicts) to keep beside the weights.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for i, (weights, bias) in enumerate(head.layers):
        arrays |= {f"weights_{i}": weights.astype("<f4"), f"bias_{i}": bias.astype("<f4")}
    write_bytes(_file(path), npz_bytes(meta or {}, arrays))


def npz_bytes(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A description (`meta.json`) and arrays as one `.npz`; equal content gives equal bytes.

    Args:
        meta: plain data (text, numbers, lists, dicts).
        arrays: by name; they keep their types.
    """
    members = {META: json.dumps(meta, sort_keys=True, indent=1, allow_nan=False).encode("utf-8")}
    members |= {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(_member(name), content)
    return buffer.getvalue()


def read_npz(file: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `npz_bytes` wrote: the description, and all arrays by name. Nothing in the file is executed.

    Raises:
        ValueError: it cannot be read, is encrypted or packed, or says that it holds more than it can.
    """
    try:
        local = local_copy(file)
        _check_members(local)
        with np.load(local, allow_pickle=False) as archive:
            meta = parse_json(archive[META], META)
            arrays = {name: archive[name] for name in archive.files if name != META}
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        MemoryError,
        RuntimeError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(str(error)) from error
    if not isinstance(meta, dict):
        raise ValueError(f"{META} is no object")
    return meta, arrays


_ARRAY_HEADER = re.compile(
    rb"\{'descr': '(?P<kind>[<>|=]?[a-zA-Z]\d*)', 'fortran_order': (?:True|False), "
    rb"'shape': \((?P<shape>[\d, ]*)\), \} *\n"
)


def _check_members(file: Path) -> None:
    """Refuse what would be larger in memory than on the disk, by the archive's directory and each array's header."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        told, size = sum(member.file_size for member in members), file.stat().st_size
        if len(members) > MOST_ARRAYS or told > size:
            raise ValueError(f"{len(members):,} arrays of {told:,} bytes in {size:,} bytes")
        for member in members:
            with archive.open(member) as content:
                # numpy reads what begins so as an array, whatever its name.
                magic = content.read(np.lib.format.MAGIC_LEN)
                if member.filename.endswith(".npy") or magic.startswith(np.lib.format.MAGIC_PREFIX):
                    _check_array(magic, content, member)


def _check_array(magic: bytes, content: Any, member: zipfile.ZipInfo) -> None:
    if magic != np.lib.format.magic(1, 0):
        raise ValueError(f"{member.filename} is no array, or of another version")
    # Not numpy's own reading: it takes headers of other writers apart as Python, and fails in many ways.
    told = _ARRAY_HEADER.fullmatch(content.read(int.from_bytes(content.read(2), "little")))
    if told is None:
        raise ValueError(f"{member.filename} has no header of an array")
    n_numbers = math.prod(map(int, re.findall(rb"\d+", told["shape"])))
    if n_numbers * np.dtype(told["kind"].decode()).itemsize > member.file_size:
        raise ValueError(f"{member.filename} says that it holds {n_numbers:,} numbers")


def load_head(path: Path | str) -> tuple[Head, dict[str, Any]]:
    """Read what `save_head` wrote: the head and its description. Nothing in the file is executed.

    Raises:
        InputError: no file, or one that is damaged or something else.
    """
    file = _file(path)
    if not file.is_file():
        raise InputError(f"{file} does not exist; train the point again or check its name.")
    try:
        meta, arrays = read_npz(file)
        n_layers = sum(name.startswith("weights_") for name in arrays)
        if others := sorted({array.dtype.name for array in arrays.values() if array.dtype.kind != "f"}):
            raise ValueError(f"it holds {', '.join(others)} in place of floats")
        return Head(tuple((arrays[f"weights_{i}"], arrays[f"bias_{i}"]) for i in range(n_layers))), meta
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is not a whole file of a trained head ({error}). Train the point again."
        ) from error


def _file(path: Path | str) -> Path:
    path = as_path(path)
    return path / WEIGHTS_FILE if path.is_dir() else path


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """A member without the time and the system of its writing, which would differ between equal files."""
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system = 3
    member.external_attr = 0o644 << 16
    return member
