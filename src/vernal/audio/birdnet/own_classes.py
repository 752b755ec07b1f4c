"""BirdNET's own classes: which of them a name means, and what BirdNET says of a sound whose embedding is known.

They say what BirdNET takes a sound for, at the price of a product. That is a fact beside a detection, and never a
label: it was told of no recording here, and is wrong where a species is unlike those that it knows.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vernal.audio.birdnet.model import LAST_BIAS, LAST_WEIGHTS, constant, labels_path, read_model
from vernal.common.formatting import MOST_EXAMPLES
from vernal.common.names import folded


@lru_cache(maxsize=1)
def own_classes() -> tuple[str, ...]:
    """The names of BirdNET's classes in the order of its scores, each `scientific name_common name`."""
    return tuple(labels_path().read_text(encoding="utf-8").splitlines())


def find_own_class(names: Iterable[str]) -> str | None:
    """The first class that one of some names means: its scientific name, its common one, or both.

    >>> find_own_class(["boobook", "southern boobook"])
    'Ninox boobook_Southern Boobook'
    """
    by_name: dict[str, str] = {}
    for label in own_classes():
        for name in (label, *label.split("_", 1)):
            by_name.setdefault(folded(name), label)
    return next((by_name[name] for name in map(folded, names) if name in by_name), None)


def own_classes_of(name: str) -> list[int]:
    """Numbers of the classes that a name means: a scientific name, a common one, or both as BirdNET writes them.

    >>> [own_classes()[number] for number in own_classes_of("southern boobook")]
    ['Ninox boobook_Southern Boobook']
    """
    return [
        number
        for number, label in enumerate(own_classes())
        if folded(name) in map(folded, (label, *label.split("_", 1)))
    ]


def own_classes_like(names: Iterable[str]) -> list[str]:
    """Up to five classes whose name holds all the words of one of some names.

    >>> own_classes_like(["Luzon boobook owl", "luzon boobook"])
    ['Ninox philippensis_Luzon Boobook']
    """
    wanted = [set(folded(name).split()) for name in names]
    return [
        label
        for label in own_classes()
        if any(words and words <= set(folded(label.replace("_", " ")).split()) for words in wanted)
    ][:MOST_EXAMPLES]


def own_logits(embeddings: NDArray[np.float32], label: str) -> NDArray[np.float32]:
    """BirdNET's score of one of its classes before the sigmoid.

    Args:
        embeddings: (n_windows, 1,024), BirdNET's.
    Returns:
        (n_windows,)
    """
    weights, bias = own_weights(label)
    return embeddings @ weights + np.float32(bias)


def all_own_logits(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """BirdNET's score of each of its classes before the sigmoid.

    Args:
        embeddings: (n_windows, 1,024), BirdNET's.
    Returns:
        (n_windows, 6,522) float32, in the order of `own_classes`.
    """
    weights, bias = _last_layer()
    return np.asarray(embeddings, dtype=np.float32) @ weights + bias


@lru_cache(maxsize=1)
def _last_layer() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (1,024, 6,522) and bias (6,522,) of all classes."""
    model = read_model()
    return constant(model, LAST_WEIGHTS).T.copy(), constant(model, LAST_BIAS).copy()


def own_weights(label: str) -> tuple[NDArray[np.float32], float]:
    """What BirdNET's last layer does for one of its classes: (1,024) weights of an embedding, and the bias."""
    model, number = read_model(), own_classes().index(label)
    return constant(model, LAST_WEIGHTS)[number], float(constant(model, LAST_BIAS)[number])
