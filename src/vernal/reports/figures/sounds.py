"""Pictures of sound: spectrograms side by side on one scale, so that a faint call looks faint."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vernal.audio.excerpts import FLOOR_DB, spectrogram
from vernal.audio.reading import SAMPLE_RATE_HZ
from vernal.reports.figures.style import CARD, nothing, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANGE_DB = 65.0  # what is further below the loudest bin of the figure is drawn like silence
COLUMNS = 3


def spectrograms(
    sounds: Mapping[str, np.ndarray],
    title: str,
    max_hz: float = 6_000.0,
    band_hz: Sequence[float] = (),
    loudest_db: float | None = None,
) -> "Figure":
    """Spectrograms of several clips, three in a row, all on one scale of time, frequency and level.

    Args:
        sounds: (n,) samples at 48 kHz by what to write above them, in order.
        max_hz: the highest frequency shown.
        band_hz: frequencies to mark, such as the ends of the call's range.
        loudest_db: level of the brightest colour; None is that of the loudest clip (see `level_db`).
    """
    if not sounds:
        return nothing(title, "No clip to show.")
    pictures = {name: _levels(samples) for name, samples in sounds.items()}
    loudest = loudest_db or max(float(picture.max()) for picture in pictures.values())
    longest_s = max(len(samples) for samples in sounds.values()) / SAMPLE_RATE_HZ
    n_columns = min(COLUMNS, len(sounds))
    n_rows = -(-len(sounds) // n_columns)
    figure, listed = panels(
        n_columns,
        0.6 + 1.75 * n_rows,
        title,
        n_rows=n_rows,
        sharex=True,
        sharey=True,
        width_in=3.2 * n_columns,
    )
    for axes, (name, picture) in zip(listed, pictures.items(), strict=False):
        length_s = len(sounds[name]) / SAMPLE_RATE_HZ
        axes.imshow(
            picture, origin="lower", aspect="auto", cmap="magma", extent=(0, length_s, 0, SAMPLE_RATE_HZ / 2000),
            vmin=loudest - RANGE_DB, vmax=loudest, interpolation="nearest",
        )  # fmt: skip
        for edge in band_hz:
            axes.axhline(edge / 1000, color=CARD, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set(title=name, xlim=(0, longest_s), ylim=(0, max_hz / 1000))
        axes.grid(visible=False)
    for at, axes in enumerate(listed):
        axes.set_axis_off() if at >= len(sounds) else None
        axes.set_ylabel("kHz" if at % n_columns == 0 else "")
        axes.set_xlabel("s" if at + n_columns >= len(sounds) else "")
    return figure


def level_db(samples: np.ndarray) -> float:
    """Level of a clip's loudest bin, in dB above the floor of spectrograms."""
    return float(_levels(samples).max())


def _levels(samples: np.ndarray) -> np.ndarray:
    return spectrogram(samples).T * (-FLOOR_DB / 255)
