"""Figures show every mark whole, with or without something to compare."""

import numpy as np
import pandas as pd
import pytest

from vernal.collection import figures

RATES = pd.DataFrame(
    [("RADR", "Ana", True, False, 0.0, np.nan, np.nan), ("RADR", "Ana", False, True, 0.1, 0.05, 0.2)],
    columns=["label", "annotator", "true_value", "said_value", "rate", "low", "high"],
)


def inside(axes):
    """Whether all marks of a panel lie inside it."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    points = np.concatenate(
        [line.get_xydata() for line in axes.lines if line.get_transform() == axes.transData]
    )
    return bool(
        ((points > (left - 1e-9, bottom)) & (points < (right, top)))[~np.isnan(points).any(axis=1)].all()
    )


@pytest.mark.parametrize("n_pairs", [1, 2, 5])
def test_agreement_is_seen_whole(n_pairs):
    table = pd.DataFrame({
        "label": "RADR", "between": [f"Ana and B{place}" for place in range(n_pairs)], "coefficient": "cohen",
        "value": -0.3, "low": np.nan, "high": np.nan,
    })  # fmt: skip
    figure = figures.agreement(table, "t")
    assert inside(figure.axes[0])


def test_error_rates_start_at_zero_and_are_seen_whole():
    figure = figures.annotators(RATES, {}, "t")
    assert all(axes.get_xlim()[0] == 0 and inside(axes) for axes in figure.axes)
    put_in = {"error_rates": {"Ana": {"RADR": {"miss": 0.02, "false_alarm": 0.1}}}}
    legend = figures.annotators(RATES, put_in, "t").legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["RADR", "planted"]


def test_no_score_above_one_is_drawn():
    curves = pd.DataFrame({"label": "RADR", "n_clips": [10, 20, 30], "score": 1.0})
    line = {"label": "RADR", "n_clips": [10, 60], "score": 1.0, "low": 1.0, "high": 1.0, "n_now": 30}
    figure = figures.learning_curve(curves, pd.DataFrame(line), "average_precision", "t")
    assert figure.axes[0].get_ylim()[1] < 1.02 and inside(figure.axes[0])
    simulation = pd.DataFrame(
        {"strategy": ["queue", "random"] * 4, "n_labelled": np.repeat([20, 40], 4), "score": 1.0}
    )
    (axes,) = figures.strategies(simulation, "average_precision", "t").axes
    assert axes.get_ylim()[1] < 1.02 and inside(axes)


def test_coverage_without_deployment_draws_training_alone():
    table = pd.DataFrame({
        "by": "site", "value": ["a", "b"], "n_training": [1, 2], "n_deployment": 0, "training_share": [0.3, 0.7],
        "deployment_share": 0.0, "state": "",
    })  # fmt: skip
    alone = figures.coverage(table, "t").legends[0]
    assert [text.get_text() for text in alone.get_texts()] == ["training"]
    hours = table.iloc[[0] * 3].assign(by="hour", value=["02", "13", "22"])
    (axes,) = figures.coverage(hours, "t").axes
    assert [label.get_text()[:2] for label in axes.get_yticklabels()] == ["02", "22", "13"], "noon on top"
    both = figures.coverage(table.assign(n_deployment=1, deployment_share=0.5), "t").legends[0]
    assert [text.get_text() for text in both.get_texts()] == ["training", "deployment"]


def test_files_that_were_replaced_are_not_counted():
    stock = pd.DataFrame({
        "kind": "recording", "collector": "Ana", "role": "training", "state": ["used", "superseded", "superseded"],
    })  # fmt: skip
    (axes,) = figures.inventory(stock, "t").axes
    assert sum(patch.get_width() for patch in axes.patches) == 1
