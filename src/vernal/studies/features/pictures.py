"""The study's pictures: what the features look like, what became of the labels, how training went, who is ahead."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.reports.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SOFT, nothing, panels
from vernal.studies.features.folds import BY_SITE
from vernal.studies.features.rows import records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GALLERY = (("mel", "raw"), ("mel", "beat_synced"), ("chroma", "raw"), ("chroma", "beat_synced"))
PITCHES = ("C", "D", "E", "F", "G", "A", "B")
_PITCH_ROWS = (0, 2, 4, 5, 7, 9, 11)
_MOST_CURVES = 12


def gallery(
    sequences: Mapping[tuple[str, str], np.ndarray], name: str, clip: str, frame_s: float
) -> "Figure":
    """One clip of a class: mel and chroma, raw above a time axis and beat-synced above a count of beats.

    Args:
        sequences: by feature and sync, (n_rows, n_dims).
        name: the class.
        clip: the clip's name.
        frame_s: seconds from frame to frame.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = panels(2, 4.3, f"{name}: {clip}", n_rows=2)
    for panel, (feature, sync) in zip(axes, GALLERY, strict=True):
        sequence = sequences[(feature, sync)]
        extent = (0, len(sequence) * (frame_s if sync == "raw" else 1), 0, sequence.shape[1])
        panel.imshow(
            sequence.T, origin="lower", aspect="auto", cmap="magma", extent=extent, interpolation="nearest"
        )
        panel.grid(False)
        panel.set_title(f"{feature}, {sync.replace('_', '-')}: {len(sequence):,} x {sequence.shape[1]}")
        panel.set_xlabel("seconds" if sync == "raw" else "beats")
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if feature == "chroma" and sequence.shape[1] == 12:
            panel.set_yticks([row + 0.5 for row in _PITCH_ROWS], PITCHES, fontsize=8)
        else:
            panel.set_ylabel("band, low to high" if feature == "mel" else "")
    return figure


def label_distribution(counts: pd.DataFrame, title: str) -> "Figure":
    """Clips a label as written, and clips a class after merging and dropping.

    Args:
        counts: `label`, `class` (missing where dropped), `clips`.
    """
    before = counts.groupby("label").clips.sum()
    after = counts.dropna(subset="class").groupby("class").clips.sum()
    dropped = set(counts.label[counts["class"].isna()])
    height = 0.9 + 0.24 * max(len(before), len(after))
    figure, (left, right) = panels(2, max(2.0, height), title)
    _bars(left, before, [FAINT if label in dropped else BLUE for label in before.index])
    left.set_title("labels as written" + (" (grey: dropped)" if dropped else ""))
    _bars(right, after, [GREEN] * len(after))
    right.set_title("classes that are told apart")
    for panel in (left, right):
        panel.set_xlabel("clips")
        panel.set_xlim(0, 1.12 * float(max(before.max(), after.max())))
    return figure


def _bars(axes: "Axes", sizes: pd.Series, colours: list[str]) -> None:
    places = np.arange(len(sizes))[::-1]
    axes.barh(places, sizes.to_numpy(), color=colours, height=0.7)
    axes.set_yticks(places, [str(name) for name in sizes.index])
    axes.grid(False)
    for place, size in zip(places, sizes, strict=True):
        axes.text(float(size), place, f" {size:,}", va="center", color=SOFT, fontsize=8.5)


def learning_curves(histories: pd.DataFrame, board: pd.DataFrame, title: str) -> "Figure":
    """Loss by epoch of every configuration: training and validation, a line a fold and seed."""
    from matplotlib.ticker import MaxNLocator

    if histories.empty or board.empty or "configuration_hash" not in histories:
        return nothing(title, "Nothing was trained yet.")
    shown = [
        row
        for row in records(board)
        if row["split"] == BY_SITE and row["configuration_hash"] in set(histories.configuration_hash)
    ][:_MOST_CURVES]
    if not shown:
        return nothing(title, "Nothing was trained yet.")
    n_columns = min(4, len(shown))
    n_rows = -(-len(shown) // n_columns)
    figure, axes = panels(n_columns, 0.7 + 1.9 * n_rows, title, n_rows=n_rows, sharey=False)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    for panel, row in zip(axes, shown, strict=False):
        own = histories[histories.configuration_hash == row["configuration_hash"]]
        for _, run in own.groupby(["point", "fold"], sort=True):
            panel.plot(run.epoch, run.loss, color=SOFT, linewidth=0.8, alpha=0.7)
            panel.plot(run.epoch, run.val_loss, color=BLUE, linewidth=0.9, alpha=0.8)
            kept = run[run.is_best]
            panel.plot(kept.epoch, kept.val_loss, "o", color=ORANGE, markersize=3)
        panel.set_title(described(row), fontsize=8.5)
        panel.set_ylim(bottom=0)
        panel.set_xlabel("epoch", fontsize=8.5)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes[0].plot([], [], color=SOFT, label="loss on training clips")
    axes[0].plot([], [], color=BLUE, label="loss on validation clips")
    axes[0].plot([], [], "o", color=ORANGE, markersize=3, label="weights kept from here")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def standings(board: pd.DataFrame, title: str) -> "Figure":
    """Accuracy of every configuration with its interval, best first, and chance as a line."""
    ranked = board[board.split == BY_SITE] if len(board) else board
    if ranked.empty:
        return nothing(title, "Nothing was trained yet.")
    figure, (axes,) = panels(1, 0.9 + 0.27 * len(ranked), title)
    colours = {"linear": ORANGE, "conv": PURPLE, "lstm": BLUE}
    for place, row in enumerate(records(ranked)):
        colour = colours[row["model"]]
        if np.isfinite(row["accuracy_low"]):
            axes.plot(
                [row["accuracy_low"], row["accuracy_high"]], [-place, -place], color=colour, linewidth=2.2
            )
        marker = {"linear": "D", "conv": "s", "lstm": "o"}[row["model"]]
        axes.plot(row["accuracy_mean"], -place, marker, color=colour)
    axes.axvline(
        ranked.chance.iloc[0], color=INK, linestyle="--", linewidth=1, label="always the most common class"
    )
    axes.set_yticks([-place for place in range(len(ranked))], [described(row) for row in records(ranked)])
    axes.set_ylim(0.5 - len(ranked), 0.5)
    axes.set_xlim(0, 1.01)
    axes.set_xlabel("accuracy on recordings that were not trained on, mean over seeds, with its interval")
    axes.grid(axis="y", visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left")
    return figure


def confusion(counts: pd.DataFrame, title: str) -> "Figure":
    """True classes against predicted ones, in clips, shaded by share of the true class.

    Args:
        counts: `true`, `predicted`, `predictions` of all runs together, `n_runs`.
    """
    from matplotlib.patches import Rectangle

    table = counts.pivot(index="true", columns="predicted", values="predictions") / counts.n_runs.iloc[0]
    table = table[table.index]
    shares = table.to_numpy() / np.maximum(table.sum(axis=1).to_numpy()[:, None], 1)
    figure, (axes,) = panels(1, 1.6 + 0.32 * len(table), title)
    axes.grid(False)
    axes.set(xlim=(0, len(table)), ylim=(len(table), 0))
    axes.set_xticks(
        np.arange(len(table)) + 0.5, [str(name) for name in table.columns], rotation=40, ha="right"
    )
    axes.set_yticks(np.arange(len(table)) + 0.5, [str(name) for name in table.index])
    axes.set(xlabel="predicted", ylabel="true")
    for row, column in np.argwhere(table.to_numpy() > 0):
        number = float(table.iloc[row, column])
        text = f"{number:g}" if number == int(number) else f"{number:.1f}"
        # In the page's own blue, and as shapes: it is read in the dark too, and nothing is embedded.
        alpha = 0.08 + 0.52 * float(shares[row, column])
        axes.add_patch(Rectangle((column, row), 1, 1, color=BLUE, alpha=alpha, linewidth=0))
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8)
    return figure


def described(row: Mapping[str, object]) -> str:
    """A configuration in words.

    >>> described({"feature": "mel", "sync": "beat_synced", "model": "lstm", "split": "by_site", "variant": ""})
    'mel, beat-synced, LSTM'
    """
    if row["feature"] == "birdnet":
        words = ["BirdNET embeddings", "linear head"]
    else:
        feature = {"pcen": "PCEN", "mfcc": "MFCC"}.get(str(row["feature"]), str(row["feature"]))
        words = [
            feature,
            str(row["sync"]).replace("_", "-"),
            {"lstm": "LSTM", "conv": "convolutions"}[str(row["model"])],
        ]
    if row["variant"]:
        words.append(str(row["variant"]))
    if row["split"] != BY_SITE:
        words.append("leaky split")
    return ", ".join(words)
