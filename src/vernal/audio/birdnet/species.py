"""BirdNET's own classes, read from its embedding: 6,522 names for what a sound may be, at the price of a product.

They say what BirdNET takes a sound for. That is a fact beside a detection, and never a label: it was told of no
recording here, and is wrong where a species is unlike those that it knows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from vernal.audio.birdnet.model import LAST_BIAS, LAST_WEIGHTS, constant, labels_path, read_model


@lru_cache(maxsize=1)
def species_names() -> list[str]:
    """BirdNET's classes in its order, as `Scientific name_Common name`."""
    return labels_path().read_text(encoding="utf-8").splitlines()


@lru_cache(maxsize=1)
def _last_layer() -> tuple[np.ndarray, np.ndarray]:
    """Weights (1024, 6522) and bias (6522,) of BirdNET's own classes, float32."""
    model = read_model()
    return constant(model, LAST_WEIGHTS).T.copy(), constant(model, LAST_BIAS).copy()


def species_logits(x: np.ndarray[Any, Any]) -> np.ndarray:
    """BirdNET's logit of each of its classes.

    Args:
        x: (n, 1024) embeddings of BirdNET V2.4.
    Returns:
        (n, 6522) float32, in the order of `species_names`; BirdNET's confidence is their sigmoid.
    """
    weights, bias = _last_layer()
    return np.asarray(x, dtype=np.float32) @ weights + bias
