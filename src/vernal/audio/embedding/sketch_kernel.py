"""The inner loop of a search among sketches, compiled when it is first needed and kept for the next process."""

import numpy as np

from vernal.audio.compiled import compiled


@compiled
def add_products(codes, weights, products):
    """Fill `products` (n,) int32 with those of `codes` (n, n_kept) int8 and `weights` (n_kept,) int16.

    Whole numbers have no rounding, so that every machine ranks alike.
    """
    for row in range(codes.shape[0]):
        total = np.int32(0)
        for at in range(codes.shape[1]):
            total += np.int32(codes[row, at]) * np.int32(weights[at])
        products[row] = total
