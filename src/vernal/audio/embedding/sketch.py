"""A short form of an embedding, 128 bytes for 4 kB, by which a whole season is ranked from memory.

Embeddings are turned to the axes that they vary along most (principal components), and each coordinate on the first
128 of them is written as a whole number of one byte. The product of an embedding with any weights is then nearly that
of its sketch with weights turned alike. It says which few embeddings to read in full.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernal.common.files import writing

N_KEPT = 128
N_SAMPLED = 20_000  # embeddings that axes are found from
_LARGEST = 127
_MARGIN = 1.1  # by which other embeddings may lie further out than those sampled
_BLOCK = 65_536
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Basis:
    """How embeddings are sketched.

    `mean` (n_dims,), `axes` (n_dims, n_kept) orthonormal, `step` (n_kept,) what 1 stands for on each axis.
    """

    mean: Float
    axes: Float
    step: Float

    def sketch(self, embeddings: Float) -> NDArray[np.int8]:
        """(n, n_kept) of embeddings (n, n_dims)."""
        coordinates = ((embeddings - self.mean) @ self.axes) / self.step
        return np.clip(np.rint(coordinates), -_LARGEST, _LARGEST).astype(np.int8)

    def products(self, codes: NDArray[np.int8], weights: Float) -> Float:
        """(n,) nearly the products of the sketched embeddings with `weights` (n_dims,)."""
        from vernal.audio.embedding.sketch_kernel import add_products

        turned = (weights.astype(np.float64) @ self.axes) * self.step
        # As large as 32 bits allow for a sum of N_KEPT products with numbers up to 127.
        scale = np.abs(turned).max() / np.iinfo(np.int16).max or 1.0
        found = np.empty(len(codes), dtype=np.int32)
        products = np.empty(len(codes), dtype=np.float32)
        whole = np.rint(turned / scale).astype(np.int16)
        offset = np.float32(weights.astype(np.float64) @ self.mean)
        for first in range(0, len(codes), _BLOCK):
            block = slice(first, first + _BLOCK)
            add_products(codes[block], whole, found[block])
            products[block] = found[block] * np.float32(scale) + offset
        return products

    def save(self, file: Path) -> None:
        """Write it whole or not at all; see `read_basis`."""
        with writing(file) as temporary:
            np.savez(temporary, mean=self.mean, axes=self.axes, step=self.step)


def read_basis(file: Path) -> Basis:
    """A basis as `save` wrote it."""
    with np.load(file, allow_pickle=False) as kept:
        return Basis(kept["mean"], kept["axes"], kept["step"])


def fit_basis(embeddings: Float) -> Basis:
    """The axes that some embeddings (n, n_dims) vary along most.

    Source: principal component analysis, with the scalar quantiser of Jégou et al. (2011), doi:10.1109/TPAMI.2010.57,
    at one byte an axis.
    """
    from threadpoolctl import threadpool_limits

    mean = embeddings.mean(axis=0)
    # One thread gives the same numbers however many cores there are.
    with threadpool_limits(1):
        centred = embeddings - mean
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :N_KEPT]
        reach = np.abs(centred @ axes).max(axis=0) * _MARGIN
    step = np.where(reach > 0, reach / _LARGEST, 1)
    return Basis(mean, np.ascontiguousarray(axes, dtype=np.float32), step.astype(np.float32))
