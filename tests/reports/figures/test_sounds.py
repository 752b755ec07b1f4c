"""Spectrograms side by side."""

from __future__ import annotations

import io

import numpy as np
import pytest

from vernal.reports.figures.sounds import RANGE_DB, level_db, spectrograms
from vernal.reports.figures.style import drawn, styled


def tone(level: float, hz: float = 1_000.0, seconds: float = 1.0) -> np.ndarray:
    time_s = np.arange(int(48_000 * seconds)) / 48_000
    return (level * np.sin(2 * np.pi * hz * time_s)).astype("float32")


def pictures(sounds):
    with styled():
        figure = spectrograms(sounds, "title")
    return [axes for axes in figure.axes if axes.images]


def test_clips_share_one_scale_of_level_time_and_frequency():
    loud, faint = pictures({"loud": tone(0.5), "faint": tone(0.05, seconds=2.0)})
    assert loud.images[0].get_clim() == faint.images[0].get_clim()
    low, high = loud.images[0].get_clim()
    assert high - low == RANGE_DB
    assert loud.get_xlim() == faint.get_xlim() == (0, 2)
    assert loud.get_ylim() == (0, 6)
    peaks = [float(axes.images[0].get_array().max()) for axes in (loud, faint)]
    assert peaks[0] - peaks[1] == pytest.approx(20, abs=0.6)  # a tenth of the amplitude


def test_a_clip_alone_may_keep_the_scale_of_louder_ones_and_marks_a_band():
    faint, loud = tone(0.05), tone(0.5)
    with styled():
        (axes,) = spectrograms({"faint": faint}, "", 3_000.0, (200.0, 1_200.0), level_db(loud)).axes
    assert axes.images[0].get_clim()[1] == level_db(loud) > level_db(faint) + 19
    assert [line.get_ydata()[0] for line in axes.lines] == [0.2, 1.2]


def test_a_tone_lies_at_its_frequency():
    (axes,) = pictures({"tone": tone(0.5, hz=3_000.0)})
    image = axes.images[0]
    row = int(image.get_array().mean(axis=1).argmax())
    top_khz = image.get_extent()[3]
    assert (row + 0.5) / image.get_array().shape[0] * top_khz == pytest.approx(3.0, abs=0.05)


def test_no_clip_is_said():
    figure = spectrograms({}, "title")
    assert figure.axes[0].texts[0].get_text() == "No clip to show."


def test_an_unfilled_row_shows_no_empty_axes():
    with styled():
        figure = spectrograms({str(n): tone(0.1 * n) for n in range(1, 5)}, "title")
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_a_drawing_shows_itself_in_a_notebook():
    from PIL import Image

    drawing = drawn(spectrograms, {"a": tone(0.5)}, "title")
    assert Image.open(io.BytesIO(drawing._repr_png_())).width > 300
