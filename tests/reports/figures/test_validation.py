"""Figures of a checked sample."""

import pandas as pd

from vernal.reports.figures import validation
from vernal.reports.figures.style import drawn


def curve(precision: float | None) -> pd.DataFrame:
    rows = {"label": "frog", "threshold_logit": [-1.0, 0.0, 1.0], "is_own_threshold": [False, True, False]}
    names = (
        "precision",
        "precision_low",
        "precision_high",
        "share_of_calls",
        "share_of_calls_low",
        "share_of_calls_high",
    )
    return (
        pd.DataFrame(rows).assign(**dict.fromkeys(names, precision)).astype(dict.fromkeys(names, "float64"))
    )


def density(n_recorders: int, value: float | None) -> pd.DataFrame:
    rows = [
        ("frog", f"R{at:02}", night) for at in range(n_recorders) for night in ("2025-04-01", "2025-04-02")
    ]
    names = ("call_density", "call_density_low", "call_density_high")
    table = pd.DataFrame(rows, columns=["label", "recorder_id", "night"]).assign(
        **dict.fromkeys(names, value)
    )
    return table.astype(dict.fromkeys(names, "float64"))


def test_precision_and_share_of_calls_have_their_lines_and_bands():
    (axes,) = validation.precision(curve(0.8), 0.9, "t").axes
    assert len(axes.collections) == 2 and len(axes.lines) == 4
    assert drawn(validation.precision, curve(0.8), 0.9, "t") == drawn(
        validation.precision, curve(0.8), 0.9, "t"
    )


def test_each_recorder_has_its_nights_and_those_left_out_are_counted():
    assert len(validation.call_density(density(3, 0.1), "t").axes) == 3
    figure = validation.call_density(density(validation.MOST_RECORDERS + 2, 0.1), "t")
    assert len(figure.axes) == validation.MOST_RECORDERS
    assert "the first 12 of 14" in drawn(validation.call_density, density(14, 0.1), "t").svg


def test_nothing_checked_is_said():
    for svg in (
        drawn(validation.precision, curve(None), 0.9, "t").svg,
        drawn(validation.call_density, density(1, None), "t").svg,
        drawn(validation.call_density, density(1, 0.1).assign(night="unknown"), "t").svg,
    ):
        assert "Nobody has checked" in svg
